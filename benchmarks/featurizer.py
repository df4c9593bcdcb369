"""Speed of image features on a CPU, beside the loop that people write.

python benchmarks/featurizer.py caltech101-40.tar [--threads 2]

Each round runs the loop (the net in eager mode, `no_grad`) and then each engine; the ratio is that
of their times in one round. With one thread it is CPU time, which other work on the machine leaves
alone; with more it is wall time, for threads that wait take CPU time, too. Photos are decoded
beforehand. The least cosine is that of features and the loop's, over many photos.

The first answer is what one photo takes in a process that has its net, but has run nothing yet.
"""

import argparse
import multiprocessing
import os
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import least_cosine, print_machine, print_table, spread
from PIL import Image

from skdevise.vision._backbones import load_backbone

BATCH_SIZE = 16
N_COMPARED = 512
# The second has no weights offline; they do not matter to the time.
NETS = {"EfficientNet-Lite0": ("efficientnet_lite0", "DEFAULT"), "ResNet-50": ("resnet50", None)}
DTYPES = ("float32", "bfloat16")


def read_photos(archive, preprocess):
    """Decode photos of all classes, first of as many as a batch has: (N_COMPARED, 3, H, W)."""
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
        step = len(names) // BATCH_SIZE
        chosen = [name for start in range(step) for name in names[start::step]][:N_COMPARED]
        photos = [Image.open(tar.extractfile(name)).convert("RGB") for name in chosen]
    return torch.stack([preprocess(photo) for photo in photos])


def eager(net, photos):
    with torch.no_grad():
        return net(photos).numpy()


def started_engine(net, shape, name, dtype="float32", n_photos=10_000):
    from skdevise.vision.engines import InferenceEngine

    engine = InferenceEngine(net, shape, name, dtype)
    engine.expect(n_photos)
    return engine


def seconds(run, n_threads):
    clock = time.process_time if n_threads == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


def compare_nets(archive, n_threads, n_rounds):
    """Rows of the table: each net by each engine in each precision that the processor has."""
    from skdevise.vision.engines.precision import has_bfloat16

    dtypes = DTYPES if has_bfloat16(torch.device("cpu")) else DTYPES[:1]
    rows = []
    for title, (backbone, weights) in NETS.items():
        loaded = load_backbone(backbone, weights)
        net, photos = loaded.without_softmax(), read_photos(archive, loaded.preprocess)
        batches = photos.split(BATCH_SIZE)
        shape = tuple(photos.shape[1:])
        loops = {("eager", "float32"): partial(eager, net)}
        for dtype in dtypes:
            for name in ("torch", "openvino"):
                loops[name, dtype] = started_engine(net, shape, name, dtype)
        features = {key: np.concatenate([*map(loop, batches)]) for key, loop in loops.items()}
        times = np.array(
            [
                [seconds(partial(loop, batches[0]), n_threads) for loop in loops.values()]
                for _ in range(n_rounds)
            ]
        )
        for column, (name, dtype) in enumerate(loops):
            if column > 0:
                cosine = least_cosine(features[name, dtype], features["eager", "float32"])
                ms = 1_000 * np.median(times[:, column]) / BATCH_SIZE
                ratios = times[:, 0] / times[:, column]
                rows.append([f"{title}, {dtype}, {name}", f"{ms:.1f}", spread(ratios)])
                rows[-1].append(f"{cosine:.7f}")
    return rows


def first_answer(name, backbone, weights, n_threads):
    """Time from the loaded net to the features of one photo; run in a process of its own."""
    torch.set_num_threads(n_threads)
    torch.manual_seed(0)  # random weights are the same in each process
    net = load_backbone(backbone, weights).without_softmax()
    photo = torch.randn(1, 3, 224, 224)
    if name == "eager":
        return seconds(lambda: eager(net, photo), n_threads)
    return seconds(lambda: started_engine(net, (3, 224, 224), name, n_photos=1)(photo), n_threads)


def compare_first_answers(n_threads, n_rounds):
    """Rows of the table: seconds of each way, the loop first."""
    rows = []
    spawn = multiprocessing.get_context("spawn")
    for title, net in NETS.items():
        times = {"eager": [], "auto": [], "openvino, compiling": [], "openvino, from disk": []}
        for _ in range(n_rounds):
            with (
                TemporaryDirectory() as home,
                ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool,
            ):
                os.environ["SKDEVISE_HOME"] = home
                for way in times:
                    name = way.partition(",")[0]
                    times[way].append(pool.submit(first_answer, name, *net, n_threads).result())
        rows.append([title, *(f"{np.median(measured):.2f}" for measured in times.values())])
    return [f"first answer, s ({'CPU' if n_threads == 1 else 'wall'})", *times], rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", help="photos: caltech101-40.tar")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    kind = "CPU" if args.threads == 1 else "wall"
    rows = compare_nets(args.archive, args.threads, args.rounds)
    header = [
        f"net, batches of {BATCH_SIZE}",
        f"ms a photo ({kind})",
        "times eager",
        f"least cosine of {N_COMPARED}",
    ]
    print_table(header, rows)
    print()
    print_table(*compare_first_answers(args.threads, max(args.rounds // 5, 1)))
    print(f"\nThreads: {args.threads}. OpenVINO {version('openvino')}.")
    print_machine()


if __name__ == "__main__":
    main()
