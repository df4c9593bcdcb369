"""Features of JPEG files on a CPU, end to end, beside the loop that people write.

python benchmarks/photo_files.py caltech101-40.tar [--threads 2] [--memory]

The loop opens files by Pillow, applies torchvision's transforms, and runs the net in eager mode
under `no_grad`; `VisualFeaturizer.transform` decodes in threads beside the net. Each round runs the
loop, then each way of ours, then the same engine on photos that are decoded already; ratios are of
wall times in one round, for decoding and the net run side by side. The features of both are
compared too: torch's resize is not Pillow's. Decoding and resizing alone, one thread each, is
compared with Pillow by CPU time.

--memory tells the resident memory of a process that featurizes 2,000 and 20,000 files.
"""

import argparse
import resource
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import least_cosine, print_machine, print_table, spread
from PIL import Image

from skdevise import VisualFeaturizer
from skdevise.vision._backbones import load_backbone
from skdevise.vision._loading import load_batches
from skdevise.vision._photos import Photos
from skdevise.vision.engines import InferenceEngine

BACKBONE = "efficientnet_lite0"
BATCH_SIZE = 16
N_PHOTOS = 320
WAYS = {
    "torch, float32": {"engine": "torch"},
    "openvino, float32": {"engine": "openvino"},
    "openvino, bfloat16": {"engine": "openvino", "dtype": "bfloat16"},
}


def loop(paths, net, preprocess):
    features = []
    for start in range(0, len(paths), BATCH_SIZE):
        photos = [Image.open(path) for path in paths[start : start + BATCH_SIZE]]
        batch = torch.stack([preprocess(photo.convert("RGB")) for photo in photos])
        with torch.no_grad():
            features.append(net(batch).numpy())
    return np.concatenate(features)


def seconds(run):
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def net_alone(engine, batches):
    return np.concatenate([engine(batch) for batch in batches])


def compare(paths, n_rounds):
    loaded = load_backbone(BACKBONE, "DEFAULT")
    net, preprocess = loaded.without_softmax(), loaded.preprocess
    batches = load_batches(Photos(paths), range(len(paths)), preprocess, BATCH_SIZE)
    decoded = [batch.tensor for batch in batches]
    ways = {}
    for name, params in WAYS.items():
        featurizer = VisualFeaturizer(BACKBONE, batch_size=BATCH_SIZE, **params).fit(paths)
        engine = InferenceEngine(net, (3, 224, 224), **params)
        engine.expect(10_000)
        featurizer.transform(paths)  # the engine is made
        ways[name] = featurizer, engine
    ours, alone = ({name: [] for name in ways} for _ in range(2))
    agreement = {}
    for _ in range(n_rounds):
        theirs, expected = seconds(lambda: loop(paths, net, preprocess))
        for name, (featurizer, engine) in ways.items():
            took, features = seconds(lambda own=featurizer: own.transform(paths))
            ours[name].append(theirs / took)
            agreement[name] = least_cosine(features, expected)
            net_took, _ = seconds(lambda own=engine: net_alone(own, decoded))
            alone[name].append(net_took / took)
    return [
        [name, spread(ours[name]), spread(alone[name]), f"{agreement[name]:.5f}"] for name in ways
    ]


def compare_decoding(paths, n_rounds):
    """Print the ratio of Pillow's time to ours, and how far the pixels are apart."""
    preprocess = load_backbone(BACKBONE, "DEFAULT").preprocess
    ratios = []
    for _ in range(n_rounds):
        start = time.process_time()
        theirs = torch.stack([preprocess(Image.open(path).convert("RGB")) for path in paths])
        middle = time.process_time()
        batches = load_batches(Photos(paths), range(len(paths)), preprocess, BATCH_SIZE, n_jobs=1)
        ours = torch.cat([batch.tensor for batch in batches])
        ratios.append((middle - start) / (time.process_time() - middle))
    # Of a preset that divides by 128.
    off = (ours - theirs).abs() * 128
    print(
        f"Decoded and resized {spread(ratios)} times as fast as by Pillow; pixels differ by "
        f"{off.mean():.3f} levels of 255 in the mean, {off.max():.0f} at the most."
    )


def print_resident(paths, n_photos):
    """Featurize so many files, and print the most memory that it took: run in its own process."""
    featurizer = VisualFeaturizer(BACKBONE, batch_size=BATCH_SIZE).fit(paths[:1])
    featurizer.transform((paths * (n_photos // len(paths) + 1))[:n_photos])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path, help="caltech101-40.tar, or a folder of its photos")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--resident", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.resident:
        print_resident(sorted(map(str, args.photos.rglob("*.jpg"))), args.resident)
        return
    with TemporaryDirectory() as folder, tarfile.open(args.photos) as tar:
        tar.extractall(folder, filter="data")
        paths = sorted(map(str, Path(folder).rglob("*.jpg")))
        chosen = paths[:: len(paths) // N_PHOTOS][:N_PHOTOS]
        header = ["way", "times the loop", "of the rate of the net alone", "least cosine"]
        print_table(header, compare(chosen, args.rounds))
        print(f"\n{BACKBONE}, {len(chosen)} files, {args.threads} threads, wall time.")
        compare_decoding(chosen, args.rounds)
        if args.memory:
            command = [sys.executable, __file__, folder, "--threads", str(args.threads)]
            most = [
                int(subprocess.check_output([*command, "--resident", str(n)], text=True))
                for n in (2_000, 20_000)
            ]
            print(f"Resident at the most: {most[0]} MB for 2,000 files, {most[1]} MB for 20,000.")
    print_machine()


if __name__ == "__main__":
    main()
