"""Speed on a GPU, compared with plain PyTorch loops on the same GPU.

python benchmarks/gpu.py

The table has a row for each kind of work: training on features, features of photos, fine-tuning and
search. Times include the wait for the GPU, and exclude one warm-up. The sizes should take less than
four minutes on one H100. `--small` uses tiny sizes, and runs on a CPU too. `--host` measures only
the work that the CPU does for photos.

The plain training loop computes the scores of all labels, chooses a random violating label for each
example, and uses automatic differentiation. All its data is on the GPU. The plain loops over photos
use a `DataLoader` of torch with processes, or tensors that are on the GPU already. The network is a
ResNet-50 with random weights, which takes the same time as one with published weights.
"""

import argparse
import os
import time
import warnings
from collections import deque
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import least_cosine, print_machine, print_table
from PIL import Image
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import normalize
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.models import resnet50
from torchvision.transforms import v2
from training import BareLoop, Ours, cpu_time, problem

from skdevise import DeViSEClassifier, LabelSpace, RandomEmbedder, VisualFeaturizer
from skdevise.vision._batches import load_batches
from skdevise.vision._crop import CentreCrop
from skdevise.vision._photos import Photos, decode

_N_THREADS = 4, 8, 16

LARGE = {
    "n": 200_000, "n_features": 1_280, "vector_size": 300, "n_labels": 1_000, "n_all": 21_841,
    "batches": (128, 1_024, 8_192), "n_photos": 3_000, "n_files": 500, "n_tuned": 2_048,
    "n_points": 2_000, "n_searched": (21_841, 1_000_000), "side": 224,
}  # fmt: skip
SMALL = {
    "n": 200, "n_features": 16, "vector_size": 8, "n_labels": 10, "n_all": 30,
    "batches": (32,), "n_photos": 6, "n_files": 3, "n_tuned": 8,
    "n_points": 20, "n_searched": (50,), "side": 64,
}  # fmt: skip


def seconds(run, device, n_rounds=3):
    """Measure the median seconds of a call after a warm-up, with the wait for the device."""
    times = []
    for _ in range(n_rounds + 1):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return np.median(times[1:])


class Table(list):
    """Rows of the table. Each is printed at once."""

    def add(self, name, unit, plain, ours, more=""):
        """Add a comparison. Seconds are better if lower, and rates if higher."""
        times = plain / ours if unit == "s" else ours / plain
        digits = 3 if unit == "s" else 0
        numbers = f"{plain:.{digits}f}", f"{ours:.{digits}f}", f"{times:.2f}"
        self.append([f"{name}, {unit}", *numbers, more])
        print(f"  {self[-1]}", flush=True)


def compare_training(table, size, device):
    """Measure the seconds of an epoch after the first one."""
    shape = size["n"], size["n_features"], size["vector_size"], size["n_labels"]
    X, y, every = problem(*shape, size["n_all"] - size["n_labels"], noise=24.0)
    runs = [(size["n_labels"], batch_size) for batch_size in size["batches"]]
    for n_labels, batch_size in [*runs, (size["n_all"], size["batches"][len(runs) // 2])]:
        data = X, y, every[:n_labels], batch_size, device
        plain = seconds(BareLoop(*data).epoch, device)
        # By default, only long trainings record their step.
        for kind, least_recorded in (("", np.inf), (", recorded", 0)):
            ours = Ours(*data)
            net = ours.clf.net_
            net.least_recorded = least_recorded
            net.train_epochs(ours.data, 4)
            durations = [row["dur"] for row in net.history[-3:]]
            name = f"epoch, {n_labels:,} labels, batch {batch_size:,}{kind}"
            table.add(name, "s", plain, np.median(durations))


def draw_photo(seed, height, width):
    """Draw a photo with large and small structures: uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=int)
    return (pixels + rng.integers(-12, 13, pixels.shape)).clip(0, 255).astype(np.uint8)


class Files(Dataset):
    """JPEG files, decoded and preprocessed as torchvision's models expect."""

    preprocess = v2.Compose(
        [
            v2.Resize(256), v2.CenterCrop(224), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )  # fmt: skip

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        data = torch.frombuffer(bytearray(self.paths[row].read_bytes()), dtype=torch.uint8)
        return self.preprocess(decode_jpeg(data, ImageReadMode.RGB))


def run_network(net, batches, precision, device):
    """Compute features of batches of photos: array."""
    bfloat16 = precision == "bfloat16"
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bfloat16):
        features = [net(photos.to(device, non_blocking=True)).float() for photos in batches]
    return torch.cat(features).cpu().numpy()


def write_photos(size, folder):
    """Write JPEG files of 500 x 375 pixels, and list the path of each photo."""
    paths = [Path(folder, f"{i % size['n_files']}.jpg") for i in range(size["n_photos"])]
    for i, path in enumerate(paths[: size["n_files"]]):
        Image.fromarray(draw_photo(i, 375, 500)).save(path, quality=90)
    return paths


def compare_photos(table, size, device, paths):
    """Measure photos a second from files and from arrays: the network, the arrays and the paths."""
    net, bare = resnet50(weights=None).eval(), resnet50(weights=None).eval()
    bare.load_state_dict(net.state_dict())
    bare.fc = torch.nn.Identity()
    bare.to(device, memory_format=torch.channels_last)
    side, n_photos = size["side"], size["n_photos"]
    arrays = [draw_photo(i % 50, side, side) for i in range(n_photos)]
    n_workers = os.cpu_count() - 2 if device == "cuda" else 0
    loader = DataLoader(Files(paths), 32, num_workers=n_workers, pin_memory=device == "cuda")
    ready = torch.randn(min(n_photos, 512), 3, side, side)
    ready = ready.to(device, memory_format=torch.channels_last).split(32)
    n_ready, exact = sum(map(len, ready)), None
    for precision in ("float32", "bfloat16") if device == "cuda" else ("float32",):
        ours = VisualFeaturizer(net, image_size=side, precision=precision, device=device)
        ours.fit(arrays)
        plain = [
            n / seconds(partial(run_network, bare, photos, precision, device), device, 1)
            for n, photos in ((n_photos, loader), (n_ready, ready))
        ]
        rates = [
            n_photos / seconds(partial(ours.transform, photos), device, 1)
            for photos in (paths, arrays)
        ]
        features = ours.transform(paths[:64])
        exact = features if exact is None else exact
        cosine = f"least cosine with float32: {least_cosine(features, exact):.5f}"
        table.add(f"JPEG files, {precision}", "photos/s", plain[0], rates[0], cosine)
        table.add(f"arrays, {precision}", "photos/s", plain[1], rates[1])
    return net, arrays


def describe(name, photos, exact, transform):
    """Describe how much photos, uint8 arrays (H, W, 3), and their features differ from others."""
    gaps = [np.abs(photo.astype(int) - other) for photo, other in zip(photos, exact, strict=True)]
    cosine = least_cosine(transform(photos), transform(exact))
    return (
        f"{name}: pixels differ by up to {max(map(np.max, gaps))} levels, and by "
        f"{np.mean([gap.mean() for gap in gaps]):.3f} on average. The least cosine of the features "
        f"(EfficientNet-Lite0) is {cosine:.5f}."
    )


def compare_host(paths, device):
    """Describe the work of the CPU for a photo, and how the GPU's results would differ: lines."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    photos = [decode(path.read_bytes()) for path in paths[:64]]
    crop = CentreCrop(224, 256)
    works = (
        lambda: [decode(path.read_bytes()) for path in paths[:64]],
        lambda: [crop.crop(crop.limit(photo)) for photo in photos],
    )
    decoding, resizing = (
        1e3 / len(photos) * np.median([cpu_time(work) for _ in range(5)]) for work in works
    )
    torch.set_num_threads(n_threads)
    yield (
        f"One core decodes a photo of 500 x 375 in {decoding:.2f} ms, and resizes and crops it in "
        f"{resizing:.2f} ms."
    )
    source, rates = Photos(paths), []
    gpu = torch.device("cuda") if device == "cuda" else None
    for n_jobs in _N_THREADS:
        load = partial(load_batches, source.pixels, range(len(paths)), crop, 32, n_jobs, gpu)
        rate = len(paths) / seconds(lambda load=load: deque(load(), maxlen=0), device, 1)
        rates.append(f"{rate:.0f} with {n_jobs} threads")
    yield f"Photos a second that are read, decoded and resized: {', '.join(rates)}."
    if device != "cuda":
        return
    data = [torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in paths]

    def decode_all():
        for start in range(0, len(data), 32):
            decode_jpeg(data[start : start + 32], ImageReadMode.RGB, device="cuda")

    yield f"JPEG decoding on the GPU: {len(data) / seconds(decode_all, 'cuda', 1):.0f} photos/s."
    on_gpu = decode_jpeg(data[:64], ImageReadMode.RGB, device="cuda")
    on_gpu = [photo.permute(1, 2, 0).numpy(force=True) for photo in on_gpu]
    exact = [photo.transpose(1, 2, 0) for photo in photos]
    network = VisualFeaturizer("efficientnet_lite0", engine="torch", device=device)
    yield describe("JPEG decoding on the GPU", on_gpu, exact, network.fit(exact[:1]).transform)


def plain_tuning(net, photos, device, precision):
    """Return an epoch of fine-tuning with tensors that are on the device already."""
    net = net.train().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    target = torch.arange(len(photos), device=device) % 10

    def epoch():
        for start in range(0, len(photos), 64):
            part = slice(start, start + 64)
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
                scores = net(photos[part])
            loss = F.cross_entropy(scores.float(), target[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def compare_tuning(table, size, device, net, arrays):
    """Measure photos a second in an epoch of fine-tuning and of pre-training, batch 64."""
    precision = "bfloat16" if device == "cuda" else "float32"
    arrays, side = arrays[: size["n_tuned"]], size["side"]
    names = np.array([f"label {i % 10}" for i in range(len(arrays))])
    photos = torch.randn(len(arrays), 3, side, side).to(device, memory_format=torch.channels_last)
    epoch = plain_tuning(resnet50(weights=None), photos, device, precision)
    plain = len(arrays) / seconds(epoch, device, 1)
    params = {"batch_size": 64, "precision": precision, "device": device, "random_state": 0}
    visual = VisualFeaturizer(net, image_size=side, device=device).fit(arrays)
    tuned = DeViSEClassifier(
        RandomEmbedder(), FrozenEstimator(visual), max_epochs=1, finetune_epochs=2, **params
    ).fit(arrays, names)
    trained = VisualFeaturizer(net, weights=None, image_size=side, max_epochs=2, **params)
    trained.fit(arrays, names)
    histories = {"fine-tuning": tuned.history_.loc[2], "pre-training": trained.history_}
    for name, history in histories.items():
        rate = len(arrays) / history.dur.iloc[-1]
        table.add(f"{name} from arrays, {precision}", "photos/s", plain, rate)


class Rows:
    """An embedder whose terms are positions in a table of vectors."""

    def __init__(self, vectors):
        self.vectors = vectors

    def transform(self, terms):
        return self.vectors[list(map(int, terms))]


def plain_search(points, vectors):
    """Find the 20 nearest vectors on a device, in blocks of a gigabyte of scores."""
    for part in torch.from_numpy(points).split(max(1, 2**28 // len(vectors))):
        [found.cpu() for found in (part.to(vectors.device) @ vectors.T).topk(20)]


def compare_search(table, size, device):
    """Measure points a second that get their 20 nearest labels."""
    rng = np.random.default_rng(0)
    shape = size["n_points"], size["vector_size"]
    points = normalize(rng.standard_normal(shape, dtype=np.float32))
    for n_labels in size["n_searched"]:
        vectors = normalize(rng.standard_normal((n_labels, shape[1]), dtype=np.float32))
        space = LabelSpace(np.arange(n_labels).astype(str), Rows(vectors), "exact", device)
        plain = partial(plain_search, points, torch.from_numpy(vectors).to(device))
        rates = [
            len(points) / seconds(run, device) for run in (plain, partial(space.top_k, points, 20))
        ]
        table.add(f"search of {n_labels:,} labels, k = 20", "points/s", *rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="tiny sizes, also for a CPU")
    parser.add_argument("--host", action="store_true", help="only the work of the CPU for photos")
    args = parser.parse_args()
    size = SMALL if args.small else LARGE
    device = "cuda" if torch.cuda.is_available() else "cpu"
    start, table = time.perf_counter(), Table()
    warnings.filterwarnings("ignore", "max_epochs=0")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="torchvision")
    if not args.host:
        compare_training(table, size, device)
        compare_search(table, size, device)
    with TemporaryDirectory() as folder:
        paths = write_photos(size, folder)
        if not args.host:
            net, arrays = compare_photos(table, size, device, paths)
        lines = list(compare_host(paths, device))
    if not args.host:
        compare_tuning(table, size, device, net, arrays)
        print()
        print_table(["work", "plain PyTorch", "skdevise", "times as fast", ""], table)
    print("", *lines, sep="\n")
    print(torch.cuda.get_device_name() if device == "cuda" else "No GPU was found", end=". ")
    print(f"This took {time.perf_counter() - start:.0f} s.")
    print_machine()


if __name__ == "__main__":
    main()
