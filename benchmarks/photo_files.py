"""Compare VisualFeaturizer with a plain PyTorch loop, from JPEG files to features on a CPU.

python benchmarks/photo_files.py caltech101-40.tar [--threads 2] [--memory]

The loop opens files with Pillow, applies torchvision's transforms, and runs the network in eager
mode. `VisualFeaturizer.transform` decodes photos in threads while the network works. Each round
runs the loop, then each of our engines, then the same engine on decoded photos. Ratios compare wall
times within a round. The table also compares the features, because we resize with torch instead of
Pillow. The line below the table compares decoding and resizing alone, by CPU time on one thread.

--memory prints the peak memory of a process that computes features of 2,000 and 20,000 files.
"""

import argparse
import subprocess
import sys
import tarfile
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import least_cosine, memory, print_machine, print_table, spread
from PIL import Image
from torchvision.transforms import v2

from skdevise import VisualFeaturizer
from skdevise.vision._backbones import load_backbone
from skdevise.vision._batches import load_batches
from skdevise.vision._engines import InferenceEngine, choose_plan
from skdevise.vision._photos import Photos

BACKBONE = "efficientnet_lite0"
BATCH_SIZE = 16
N_PHOTOS = 320
SETTINGS = {"torch": {"engine": "torch"}, "openvino": {"engine": "openvino"}}


def loop(paths, net, preprocess):
    """Compute features as a plain PyTorch loop does."""
    features = []
    for start in range(0, len(paths), BATCH_SIZE):
        photos = [Image.open(path) for path in paths[start : start + BATCH_SIZE]]
        batch = torch.stack([preprocess(photo.convert("RGB")) for photo in photos])
        with torch.no_grad():
            features.append(net(batch).numpy())
    return np.concatenate(features)


def pillow_preprocess():
    """Return torchvision's transforms for EfficientNet-Lite0, which resize with Pillow."""
    steps = [v2.Resize(256, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)]
    steps += [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([*steps, v2.Normalize([127 / 255] * 3, [128 / 255] * 3)])


def timed(run):
    """Return the wall time of a call in seconds, and its result."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def compare(paths, n_rounds):
    """Return the rows of the table: speed and features of each engine."""
    loaded = load_backbone(BACKBONE, "DEFAULT")
    net = loaded.without_softmax()
    read_pixels = Photos(paths).pixels
    batches = load_batches(read_pixels, range(len(paths)), loaded.preprocess, BATCH_SIZE)
    decoded = [batch.tensor for batch in batches]
    featurizers, engines = {}, {}
    for name, settings in SETTINGS.items():
        featurizers[name] = VisualFeaturizer(BACKBONE, batch_size=BATCH_SIZE, **settings).fit(paths)
        plan = choose_plan(settings["engine"], len(paths), torch.device("cpu"))
        engines[name] = InferenceEngine(net, (3, 224, 224), plan)
        featurizers[name].transform(paths)  # Compile the network before the timing starts.
    speed, share_of_engine, cosine = {}, {}, {}
    for _ in range(n_rounds):
        loop_time, expected = timed(lambda: loop(paths, net, pillow_preprocess()))
        for name in SETTINGS:
            our_time, features = timed(partial(featurizers[name].transform, paths))
            engine_time, _ = timed(partial(list, map(engines[name], decoded)))
            speed.setdefault(name, []).append(loop_time / our_time)
            share_of_engine.setdefault(name, []).append(engine_time / our_time)
            cosine[name] = least_cosine(features, expected)
    return [
        [name, spread(speed[name]), spread(share_of_engine[name]), f"{cosine[name]:.5f}"]
        for name in SETTINGS
    ]


def compare_decoding(paths, n_rounds):
    """Print the speed of decoding and resizing relative to Pillow, and how pixels differ."""
    preprocess, with_pillow = load_backbone(BACKBONE, "DEFAULT").preprocess, pillow_preprocess()
    read_pixels = Photos(paths).pixels
    ratios = []
    for _ in range(n_rounds):
        start = time.process_time()
        expected = torch.stack([with_pillow(Image.open(path).convert("RGB")) for path in paths])
        middle = time.process_time()
        batches = load_batches(read_pixels, range(len(paths)), preprocess, BATCH_SIZE, n_jobs=1)
        ours = torch.cat([batch.tensor for batch in batches])
        ratios.append((middle - start) / (time.process_time() - middle))
    levels = (ours - expected).abs() * 128  # The preprocessing divides pixels by 128.
    print(
        f"Decoding and resizing is {spread(ratios)} times as fast as with Pillow. Pixels differ by "
        f"{levels.mean():.3f} of 255 levels on average, and by {levels.max():.0f} at most."
    )


def print_peak_memory(paths, n_photos):
    """Compute features of `n_photos` files and print the peak memory of this process in MB."""
    featurizer = VisualFeaturizer(BACKBONE, batch_size=BATCH_SIZE).fit(paths[:1])
    featurizer.transform((paths * (n_photos // len(paths) + 1))[:n_photos])
    print(round(memory()[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path, help="caltech101-40.tar, or a folder of its photos")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--n-photos", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.n_photos:
        print_peak_memory(sorted(map(str, args.photos.rglob("*.jpg"))), args.n_photos)
        return
    with TemporaryDirectory() as folder, tarfile.open(args.photos) as tar:
        # Python before 3.11.4 has no filters.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
        paths = sorted(map(str, Path(folder).rglob("*.jpg")))
        chosen = paths[:: len(paths) // N_PHOTOS][:N_PHOTOS]
        header = ["engine", "times the loop", "share of the engine alone", "least cosine"]
        print_table(header, compare(chosen, args.rounds))
        print(f"\n{BACKBONE}, {len(chosen)} files, {args.threads} threads.")
        compare_decoding(chosen, args.rounds)
        if args.memory:
            command = [sys.executable, __file__, folder, "--threads", str(args.threads)]
            peaks = [
                int(subprocess.check_output([*command, "--n-photos", str(n)], text=True))
                for n in (2_000, 20_000)
            ]
            print(f"Peak memory: {peaks[0]} MB for 2,000 files, {peaks[1]} MB for 20,000 files.")
    print_machine()


if __name__ == "__main__":
    main()
