"""Throughput of one and of two processes, and the time that a cluster needs for ImageNet.

python benchmarks/cluster.py [--plan]

The first table compares one process with two on this machine. The work is a grid search and image
features on a Dask cluster, and training by `torchrun`. Two processes repeat some work and exchange
data, so they need more CPU time together. The last column is the ratio of the rates that this
allows on two idle cores. The next line shows the bytes that a search sends. `--plan` leaves both
out. The last tables calculate the work for 14 million photos and 21,841 labels on 1 to 64 GPUs,
from the rates in `RATES`.
"""

import argparse
import io
import os
import subprocess
import sys
import time
from contextlib import nullcontext

import dask
import joblib
import numpy as np
from _common import print_machine, print_table
from dask import bag
from dask.distributed import Client, LocalCluster
from PIL import Image
from sklearn.model_selection import GridSearchCV

from skdevise import DeViSEClassifier, PretrainedEmbedder, VisualFeaturizer
from skdevise.distributed import scattered

N_TERMS, N_SAMPLES, N_PHOTOS, N_TRAINING, N_EPOCHS = 50_000, 10_000, 200, 100_000, 2

# Dask makes its workers return freed memory at once, which slows down training in them. Variables
# of the environment come before the settings of Dask.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_MMAP_THRESHOLD_": "33554432"}

# All of ImageNet (fall 2011), and the settings of the paper with a ResNet-50.
PHOTOS, LABELS, VECTOR_SIZE, FEATURES = 14_197_122, 21_841, 500, 2_048
EPOCHS, FINETUNE_EPOCHS, BATCH = 30, 10, 1_024
GPUS = (1, 2, 4, 8, 16, 32, 64)
# Printed by benchmarks/gpu.py on one H200 with 16 cores, unless we assume them.
RATES = {
    "features from JPEG files, photos/s": 1_841,
    "training on features, samples/s": 200_000 / 0.140,
    "fine-tuning a ResNet-50, photos/s": 1_990,
    "search among 21,841 labels, photos/s": 655_541,
    "JPEG file, kB (assumed)": 110,
    "shared storage, GB/s (assumed)": 5,
    "network of a GPU, GB/s (assumed)": 12.5,
    "forward pass of a ResNet-50, GFLOP (published: 4.1 multiply-adds)": 8.2,
    "weights of a ResNet-50 without softmax layer, million (published)": 23.5,
}


# --- Measured here


def problem(n_samples, n_features=256, n_labels=500):
    """Draw features of labels, and an embedder with 50,000 terms: embedder, X, y."""
    rng = np.random.default_rng(0)
    terms = [f"term {i}" for i in range(N_TERMS)]
    embedder = PretrainedEmbedder((terms, rng.standard_normal((N_TERMS, 100), dtype=np.float32)))
    rows = np.arange(n_samples) % n_labels
    X = rng.standard_normal((n_labels, n_features), dtype=np.float32)[rows]
    return embedder, X + rng.standard_normal(X.shape, dtype=np.float32), np.array(terms)[rows]


def received_bytes():
    """Count the bytes that all processes of this machine sent to each other: int."""
    with open("/proc/net/dev") as file:
        return next(int(line.split()[1]) for line in file if line.strip().startswith("lo:"))


def spent(client):
    """Return the seconds that have passed, and the CPU seconds of this process and the workers."""
    of_workers = client.run(time.process_time).values()
    return np.array([time.perf_counter(), time.process_time() + sum(of_workers)])


def run_search(client, share, n_samples=N_SAMPLES):
    """Fit a grid of eight settings in two folds on the cluster: seconds, CPU seconds; bytes."""
    embedder, X, y = problem(n_samples)
    clf = DeViSEClassifier(embedder, max_epochs=10, random_state=0)
    search = GridSearchCV(
        clf, {"margin": [0.1, 0.2, 0.3, 0.4], "lr": [0.1, 0.5]}, cv=2, refit=False
    )
    start, n_bytes = spent(client), received_bytes()
    with scattered(embedder) if share else nullcontext(), joblib.parallel_config("dask"):
        search.fit(X, y)
    n_bytes = received_bytes() - n_bytes
    return spent(client) - start, n_bytes


def compute(photos, featurizer):
    """Compute the features of one partition."""
    return featurizer.transform(list(photos))


def run_features(client):
    """Compute features of JPEG photos on the cluster: seconds, CPU seconds."""
    rng = np.random.default_rng(0)
    photos = []
    for _ in range(20):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (200, 300, 3), np.uint8)).save(file, "JPEG")
        photos.append(file.getvalue())
    featurizer = VisualFeaturizer("efficientnet_lite0", engine="torch", batch_size=10)
    shared = dask.delayed(featurizer.fit(photos)).persist()
    parts = bag.from_sequence(photos * (N_PHOTOS // 20), partition_size=10)
    bag.from_sequence(photos, partition_size=2).map_partitions(compute, shared).compute()
    start = spent(client)
    parts.map_partitions(compute, shared).compute()
    return spent(client) - start


def run_training(n_processes):
    """Train in some processes: seconds of the fit, CPU seconds of all processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={n_processes}", __file__, "--worker"]
    environment = os.environ | {"N_TRAINING": str(N_TRAINING), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    of_processes = np.array([line.split() for line in done.stdout.splitlines()], dtype=float)
    return np.array([of_processes[:, 0].max(), of_processes[:, 1].sum()])


def train():
    """Train as one of the processes."""
    embedder, X, y = problem(int(os.environ["N_TRAINING"]), n_features=1_280, n_labels=1_000)
    batch_size = BATCH // int(os.environ["WORLD_SIZE"])
    clf = DeViSEClassifier(
        embedder, lr=0.1, max_epochs=N_EPOCHS, batch_size=batch_size, distributed=True,
        random_state=0,
    )  # fmt: skip
    clf.set_params(max_epochs=1).fit(X[:1_000], y[:1_000])  # The processes meet, and import.
    start = np.array([time.perf_counter(), time.process_time()])
    clf.set_params(max_epochs=N_EPOCHS).fit(X, y)
    print(*np.array([time.perf_counter(), time.process_time()]) - start, flush=True)


def measure():
    """Print the throughput of one and of two processes."""
    rows, megabytes, spent_on = [], {}, {}
    for n_workers in (1, 2):
        with (
            LocalCluster(
                n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
            ) as cluster,
            Client(cluster) as client,
        ):
            run_search(client, share=True, n_samples=1_000)  # The workers import what they need.
            for share in (False, True) if n_workers == 2 else (True,):
                spent_on["search", n_workers], n_bytes = run_search(client, share)
                megabytes[share] = n_bytes / 1e6
            spent_on["features", n_workers] = run_features(client)
        spent_on["training", n_workers] = run_training(n_workers)
    works = {
        "grid search, fits": ("search", 16),
        "image features, photos": ("features", N_PHOTOS),
        "training on features, samples": ("training", N_TRAINING * N_EPOCHS),
    }
    for name, (key, amount) in works.items():
        (one, cpu_of_one), (two, cpu_of_two) = (spent_on[key, n] for n in (1, 2))
        rates = (f"{amount / seconds:,.1f}" for seconds in (one, two))
        cpu = f"{cpu_of_one:.1f}", f"{cpu_of_two:.1f}"
        ratios = f"{one / two:.2f}", f"{2 * cpu_of_one / cpu_of_two:.2f}"
        rows.append([name, *rates, *cpu, *ratios])
    header = ["work", "rate of 1, /s", "of 2", "CPU of 1, s", "of 2", "ratio", "on idle cores"]
    print_table(header, rows)
    print(
        f"\nA search of 16 fits on 2 workers, with {N_TERMS:,} terms of 100 numbers, sends "
        f"{megabytes[False]:.0f} MB. With the embedder scattered, it sends {megabytes[True]:.0f} "
        "MB.\n"
    )


# --- On paper


def plan():
    """Print the work for all of ImageNet, and the hours on 1 to 64 GPUs."""
    files, features, fine, search, kilobytes, storage, network, gflop, weights = RATES.values()
    print_table(["rate", "value"], [[name, f"{value:,.1f}"] for name, value in RATES.items()])
    gflop_training = 2 * VECTOR_SIZE * (2 * FEATURES + LABELS) / 1e9
    print(f"\n{PHOTOS:,} photos, {LABELS:,} labels:\n")
    works = [
        ["photos, read once", PHOTOS * gflop, PHOTOS * kilobytes / 1e6],
        ["training, 30 epochs", EPOCHS * PHOTOS * gflop_training, PHOTOS * FEATURES * 4 / 1e9],
        ["fine-tuning, 10 epochs", FINETUNE_EPOCHS * PHOTOS * 3 * gflop,
         FINETUNE_EPOCHS * PHOTOS * kilobytes / 1e6],
    ]  # fmt: skip
    print_table(
        ["work", "10^15 FLOP", "GB that are read"],
        [[name, f"{flop / 1e6:,.1f}", f"{size:,.0f}"] for name, flop, size in works],
    )
    n_index, n_map = LABELS * VECTOR_SIZE * 4 / 1e6, FEATURES * VECTOR_SIZE * 4 / 1e6
    print(
        f"\nFeatures in float32: {PHOTOS * FEATURES * 4 / 1e9:,.0f} GB. Vectors of the labels (the "
        f"index): {n_index:.0f} MB. Map M, averaged in each step: {n_map:.1f} MB. Predictions of "
        f"all photos on one GPU: {PHOTOS / search:.0f} seconds.\n"
    )
    rows = []
    reading = PHOTOS * kilobytes / 1e6 / storage  # seconds; all GPUs share the storage
    # The first process reads the features twice before training, and all check a part of them.
    measuring = 3 * PHOTOS * FEATURES * 4 / 1e9 / storage
    for n in GPUS:
        # A ring of processes sends and receives all gradients about twice.
        exchange = 2 * (n - 1) / n / (network * 1e3)  # seconds for each MB of gradients
        columns = (
            {"photos": PHOTOS / files / n, "storage": reading},
            {"steps": EPOCHS * PHOTOS / n / features, "measuring": measuring,
             "exchange": EPOCHS * PHOTOS / n / BATCH * exchange * n_map},
            {"network": FINETUNE_EPOCHS * PHOTOS / fine / n, "storage": FINETUNE_EPOCHS * reading,
             "exchange": FINETUNE_EPOCHS * PHOTOS / n / 64 * exchange * weights * 4},
        )  # fmt: skip
        # The parts of training on features follow each other. The others overlap.
        seconds = [max(columns[0].values()), sum(columns[1].values()), max(columns[2].values())]
        limits = [max(column, key=column.get) for column in columns]
        cells = zip(seconds, limits, strict=True)
        rows.append([n, *(f"{time / 3600:.2f} ({limit})" for time, limit in cells)])
    print_table(["GPUs", "features", "training on features", "fine-tuning"], rows)
    print("\nHours, and what takes longest.")


def main():
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", action="store_true", help="only calculate, measure nothing")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        train()
        return
    if not args.plan:
        print_machine()
        start = time.perf_counter()
        os.environ.update(ALLOCATOR)
        measure()
        print(f"This took {time.perf_counter() - start:.0f} s.\n")
    plan()


if __name__ == "__main__":
    main()
