"""Compare the engines of VisualFeaturizer with a plain PyTorch loop on a CPU.

python benchmarks/featurizer.py caltech101-40.tar [--threads 2]

Each round runs the loop (eager mode under `no_grad`) and then each engine on photos that are
decoded already, in batches of 32, the default of VisualFeaturizer. Ratios compare times within a
round. With one thread we measure CPU time, which other programs do not disturb. With more threads
we measure wall time, because waiting threads use CPU time too. The column of page faults counts how
often a photo needs new memory of the system. The least cosine compares features with those of the
loop, over many photos.

The second table shows the time of the first photo in a process that has only loaded the network.
The third shows the parts of a cold start, from an empty process to the features of one photo.

The last table shows a step of fine-tuning. On a CPU, it processes a few photos of the batch at a
time. The ratios compare its time and the peak memory of its process with a step on the whole batch.
"""

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from _common import least_cosine, memory, print_machine, print_table, spread
from PIL import Image

from skdevise.models._devise_net import DeViSENet
from skdevise.models._features import FeatureScaler
from skdevise.models._fine_tuning import PhotoProjection
from skdevise.models._projection import LinearProjection
from skdevise.models.losses import HingeRank
from skdevise.vision._backbones import load_backbone
from skdevise.vision._engines import InferenceEngine, choose_plan

BATCH_SIZE = 32
# ResNet-50 has no offline weights, but random weights take the same time.
NETWORKS = {
    "EfficientNet-Lite0": ("efficientnet_lite0", "DEFAULT"),
    "ResNet-50": ("resnet50", None),
}


def read_photos(archive, preprocess, n_photos):
    """Decode photos of many classes: (n_photos, 3, H, W)."""
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
        step = len(names) // BATCH_SIZE
        chosen = [name for start in range(step) for name in names[start::step]][:n_photos]
        photos = [Image.open(tar.extractfile(name)).convert("RGB") for name in chosen]
    return torch.stack([preprocess(photo) for photo in photos])


def eager(net, photos):
    with torch.no_grad():
        return net(photos).numpy()


def started_engine(net, shape, name, n_photos=10_000):
    """Return the engine that `VisualFeaturizer` starts for `n_photos` photos."""
    return InferenceEngine(net, shape, choose_plan(name, n_photos, torch.device("cpu")))


def seconds(run, n_threads):
    clock = time.process_time if n_threads == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


def page_faults(run):
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start


def compare_nets(archive, n_photos, n_threads, n_rounds):
    """Return the rows of the table: each network and engine."""
    rows = []
    for title, (backbone, weights) in NETWORKS.items():
        loaded = load_backbone(backbone, weights)
        net, photos = loaded.without_softmax(), read_photos(archive, loaded.preprocess, n_photos)
        batches = photos.split(BATCH_SIZE)
        shape = tuple(photos.shape[1:])
        loops = {"eager": partial(eager, net)}
        loops |= {name: started_engine(net, shape, name) for name in ("torch", "openvino")}
        features = {key: np.concatenate([*map(loop, batches)]) for key, loop in loops.items()}
        times = np.array(
            [
                [seconds(partial(loop, batches[0]), n_threads) for loop in loops.values()]
                for _ in range(n_rounds)
            ]
        )
        for column, (name, loop) in enumerate(loops.items()):
            ms = 1_000 * np.median(times[:, column]) / BATCH_SIZE
            ratios = times[:, 0] / times[:, column]
            faults = page_faults(partial(loop, batches[0])) / BATCH_SIZE
            cosine = least_cosine(features[name], features["eager"])
            rows.append([f"{title}, {name}", f"{ms:.1f}", spread(ratios), f"{faults:,.0f}"])
            rows[-1].append(f"{cosine:.7f}")
    return rows


def first_answer(name, backbone, weights, n_threads):
    """Return the time from the loaded network to the features of one photo, in a new process."""
    torch.set_num_threads(n_threads)
    torch.manual_seed(0)  # Each process gets the same random weights.
    net = load_backbone(backbone, weights).without_softmax()
    photo = torch.randn(1, 3, 224, 224)
    if name == "eager":
        return seconds(lambda: eager(net, photo), n_threads)
    return seconds(lambda: started_engine(net, (3, 224, 224), name, n_photos=1)(photo), n_threads)


def compare_first_answers(n_threads, n_rounds):
    """Return the header and the rows of the table of first answers."""
    rows = []
    spawn = multiprocessing.get_context("spawn")
    for title, net in NETWORKS.items():
        times = {"eager": [], "auto": [], "openvino": []}
        for _ in range(n_rounds):
            with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
                for name in times:
                    times[name].append(pool.submit(first_answer, name, *net, n_threads).result())
        rows.append([title, *(f"{np.median(measured):.2f}" for measured in times.values())])
    return [f"first photo, s ({'CPU' if n_threads == 1 else 'wall'})", *times], rows


# Each step runs in the same new process, which prints the time of each.
COLD_START = {
    "import scikit-learn": "import sklearn.base",
    "import torch": "import torch",
    "import skdevise": "from skdevise import VisualFeaturizer",
    "fit": "net = VisualFeaturizer('efficientnet_lite0').fit([photo := torch.zeros(300, 400)])",
    "transform": "net.transform([photo])",
}


def compare_cold_starts(n_threads, n_rounds):
    """Return the header and the row of the table of cold starts."""
    clock = "process_time" if n_threads == 1 else "perf_counter"
    timing = f"marks.append(time.{clock}())"
    code = [f"import time; marks = []; {timing}"]
    code += [f"{step}; {timing}" for step in COLD_START.values()]
    command = [sys.executable, "-c", "\n".join([*code, "print(*marks)"])]
    runs = []
    for _ in range(n_rounds):
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(np.diff(list(map(float, run.stdout.split()))))
    parts = np.median(runs, axis=0)
    header = [f"cold start, s ({'CPU' if n_threads == 1 else 'wall'})", *COLD_START, "sum"]
    return header, [["EfficientNet-Lite0", *(f"{part:.2f}" for part in [*parts, parts.sum()])]]


class WholeBatch(PhotoProjection):
    """Train on all photos of a batch at once."""

    def n_at_once(self, photos):
        return len(photos)


def fine_tuning_step(kind, backbone, weights, n_threads):
    """Return the time of a step, and the peak memory of its new process in MB."""
    torch.set_num_threads(n_threads)
    loaded = load_backbone(backbone, weights)
    loaded.net.to(memory_format=torch.channels_last)
    projection, scale = LinearProjection(loaded.n_features, 300), FeatureScaler("l2")
    module = kind(loaded.without_softmax(), projection, scale=scale, freeze_batch_norm=True)
    vectors = np.random.default_rng(0).standard_normal((100, 300)).astype(np.float32)
    net = DeViSENet.build(
        module, HingeRank(vectors), optimizer="adagrad", lr=1e-4, batch_size=BATCH_SIZE,
        callbacks=None, precision="float32", device="cpu", order_seed=0, verbose=0,
    )  # fmt: skip
    photos, target = torch.randn(BATCH_SIZE, 3, 224, 224), torch.arange(BATCH_SIZE)
    step = partial(net.step, photos, target, None, None)
    step()
    duration = seconds(step, n_threads)
    return duration, memory()[1]


def compare_fine_tuning(n_threads, n_rounds):
    """Return the header and the rows of the table of fine-tuning."""
    rows, spawn = [], multiprocessing.get_context("spawn")
    for title, net in NETWORKS.items():
        runs = []
        for _ in range(n_rounds):
            with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
                steps = [
                    pool.submit(fine_tuning_step, kind, *net, n_threads)
                    for kind in (WholeBatch, PhotoProjection)
                ]
                runs.append([step.result() for step in steps])
        (whole, whole_peak), (ours, peak) = np.array(runs).transpose(1, 2, 0)
        row = [title, f"{1_000 * np.median(ours) / BATCH_SIZE:.0f}", spread(ours / whole)]
        rows.append([*row, f"{np.median(whole_peak):,.0f}", f"{np.median(peak):,.0f}"])
    clock = "CPU" if n_threads == 1 else "wall"
    header = [f"fine-tuning, batches of {BATCH_SIZE}", f"ms per photo ({clock})"]
    return [*header, "share of the whole batch", "whole batch, MB", "in parts, MB"], rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("archive", help="photos: caltech101-40.tar")
    parser.add_argument(
        "--compared", type=int, default=512, help="photos whose features we compare"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = "CPU" if args.threads == 1 else "wall"
    rows = compare_nets(args.archive, args.compared, args.threads, args.rounds)
    header = [
        f"network, batches of {BATCH_SIZE}",
        f"ms per photo ({clock})",
        "times eager",
        "page faults per photo",
        f"least cosine of {args.compared}",
    ]
    print_table(header, rows)
    print()
    print_table(*compare_first_answers(args.threads, max(args.rounds // 5, 1)))
    print()
    print_table(*compare_cold_starts(args.threads, max(args.rounds // 5, 1)))
    print()
    print_table(*compare_fine_tuning(args.threads, max(args.rounds // 5, 1)))
    print(f"\nThreads: {args.threads}. OpenVINO {version('openvino')}.")
    print_machine()


if __name__ == "__main__":
    main()
