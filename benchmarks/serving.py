"""Measure a classifier of photos in production: start, memory, latency, threads, and load.

python benchmarks/serving.py [--small] [--photos 30] [--seconds 60] [--only load]

Each row of the first two tables is a process of its own. Times of processes are CPU time, because
other processes may use the machine too; latencies under load are wall-clock time.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from _common import memory, print_machine, print_table
from PIL import Image

import skdevise
from skdevise import Hierarchy, LabelSpace

N_LABELS = 5_000
EXAMPLES = Path(__file__).parents[1] / "examples"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
WAYS = {
    "load_zero_shot_classifier()": "ready",
    "load(path), torch": "torch",
    "load(path), to_openvino": "openvino",
}


# Processes that are measured


def load_classifier(way, folder):
    """Load a classifier in one of the `WAYS`."""
    if way == "ready":
        return skdevise.load_zero_shot_classifier()
    return skdevise.load(folder / f"{way}.safetensors", mmap=True)


def photo_bytes(seed=0, size=(300, 400)):
    """Make a JPEG of a smooth random photo: bytes."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (6, 8, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def start(way, folder):
    """Load a classifier, and answer for the first photo: CPU seconds and MB after each step."""
    seconds, mb = [process_time()], [memory()[0]]

    def stop():
        seconds.append(process_time())
        mb.append(memory()[0])

    if way != "openvino":
        import torch  # noqa: F401
    stop()
    classifier = load_classifier(way, folder)
    stop()
    space = LabelSpace.load(folder / "labels.safetensors")
    stop()
    classifier.predict([photo_bytes()], labels=space)
    stop()
    peak = memory()[1]
    classifier.predict([photo_bytes()], labels=["okapi", "blue sky"])
    return {
        "seconds": [seconds[0], *np.diff(seconds)],
        "MB": mb,
        "peak": peak,
        "MB after new labels": memory()[0],
    }


def latency(
    way, folder, n_threads=1, n_photos=30, engine=None, kinds=("kept", "list"), shape=(300, 400)
):
    """Measure the answers to single photos, by kind of labels: dict of median milliseconds."""
    import torch

    torch.set_num_threads(n_threads)
    classifier = load_classifier(way, folder)
    if engine:
        classifier.visual_.estimator.set_params(engine=engine)
    space = LabelSpace.load(folder / "labels.safetensors")
    photos = [[photo_bytes(seed, shape)] for seed in range(n_photos)]
    measured = {}
    start = process_time()
    classifier.predict(photos[0], labels=space)
    measured["first"] = 1e3 * (process_time() - start)
    for name, labels in {"kept": space, "list": space.labels.tolist()}.items():
        if name not in kinds:
            continue
        classifier.predict(photos[0], labels=labels)
        times = []
        for photo in photos:
            start = np.array([perf_counter(), process_time()])
            classifier.predict(photo, labels=labels)
            times.append(1e3 * ([perf_counter(), process_time()] - start))
        measured[f"{name}, wall"], measured[f"{name}, CPU"] = np.median(times, axis=0)
    start = process_time()
    classifier.visual_.transform(photos[0])
    measured["features"] = 1e3 * (process_time() - start)
    measured["MB"] = memory()[0]
    return measured


def fork(way, folder, uses_first, n_threads, patience):
    """Fork a worker after loading a classifier: whether it answers within some seconds."""
    import torch

    torch.set_num_threads(n_threads)
    classifier = load_classifier(way, folder)
    photo = [photo_bytes()]
    if uses_first:
        classifier.predict(photo, labels=["okapi", "blue sky"])
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=classifier.predict, args=(photo, ["okapi", "blue sky"]))
    worker.start()
    worker.join(patience)
    answers = worker.exitcode == 0
    worker.kill()
    return answers


PARTS = {"start": start, "latency": latency, "fork": fork}


def in_process(part, way, folder, variables=(), **options):
    """Start this script in a process that measures one part, with environment variables."""
    return subprocess.Popen(
        [sys.executable, __file__, "--part", part, way, str(folder), json.dumps(options)],
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT | dict(variables),
    )  # fmt: skip


def result(process):
    """Wait for a process of `in_process`, and return its figures."""
    output, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError(f"A part failed with status {process.returncode}.")
    return json.loads(output.splitlines()[-1])


# Tables


class Size(NamedTuple):
    """How much to measure."""

    n_photos: int
    seconds: float  # length of the load test
    patience: float  # seconds that a forked worker has for its answer


def save_models(folder):
    """Save the classifier in both forms, and its labels."""
    classifier = skdevise.load_zero_shot_classifier()
    skdevise.save(classifier, folder / "torch.safetensors")
    skdevise.save(skdevise.to_openvino(classifier), folder / "openvino.safetensors")
    labels = Hierarchy.wordnet("imagenet-fall11").labels[:N_LABELS]
    classifier.label_space(labels).save(folder / "labels.safetensors")


def print_starts(folder, size):
    """Print the time and the memory of each step, and of the whole start."""
    figures = {name: result(in_process("start", way, folder)) for name, way in WAYS.items()}
    steps = ["import scikit-learn", "import torch", "classifier", f"{N_LABELS} labels", "answer"]
    rows = [
        [name, *(f"{s:.1f}" for s in (*start["seconds"], sum(start["seconds"])))]
        for name, start in figures.items()
    ]
    print("CPU seconds of each step:")
    print_table(["start", *steps, "in all"], rows)
    rows = [
        [name, *(f"{mb:.0f}" for mb in (*start["MB"], start["peak"], start["MB after new labels"]))]
        for name, start in figures.items()
    ]
    print("\nMB after each step:")
    print_table(["start", *steps, "at peak", "after new labels"], rows)
    print()


def print_latencies(folder, size):
    ways = {
        "torch, 1 thread": ("torch", {"engine": "torch"}),
        "OpenVINO in the same process": ("torch", {"engine": "openvino"}),
        "to_openvino": ("openvino", {}),
    }
    rows = []
    for name, (way, options) in ways.items():
        figures = result(in_process("latency", way, folder, n_photos=size.n_photos, **options))
        columns = ("first", "features", "kept, CPU", "list, CPU")
        rows.append([name, *(f"{figures[column]:.0f}" for column in columns)])
    header = ["one photo", "first answer", "features", f"space of {N_LABELS} labels kept",
              f"list of {N_LABELS} labels"]  # fmt: skip
    print("CPU milliseconds:")
    print_table(header, rows)
    print()


def print_large_photos(folder, size):
    """Answer for photos of a camera, with and without a larger limit of the memory that is kept."""
    kept = {f"MALLOC_{name}_THRESHOLD_": "268435456" for name in ("MMAP", "TRIM")}
    rows = []
    for name, variables in {"default": {}, "up to 256 MB": kept}.items():
        row = [name]
        for way, options in {"torch": {"engine": "torch"}, "openvino": {}}.items():
            options |= {"n_photos": size.n_photos, "kinds": ["kept"], "shape": (3000, 4000)}
            figures = result(in_process("latency", way, folder, variables, **options))
            row += [f"{figures['kept, CPU']:.0f}", f"{figures['MB']:.0f}"]
        rows.append(row)
    print("CPU milliseconds for a photo of 12 megapixels, and MB of the process:")
    print_table(["memory that is kept", "torch", "MB", "to_openvino", "MB"], rows)
    print()


def print_threads(folder, size):
    """Compare one and two threads of torch, while as many processes as cores answer."""
    rows = []
    for n_threads in (1, 2):
        options = {"n_photos": size.n_photos, "n_threads": n_threads, "engine": "torch"}
        options["kinds"] = ["kept"]
        processes = [
            in_process("latency", "torch", folder, **options) for _ in range(os.cpu_count())
        ]
        walls = [result(process)["kept, wall"] for process in processes]
        rows.append([f"{n_threads} threads in each of {len(processes)}", f"{np.median(walls):.0f}"])
    print_table(["torch", "ms per photo"], rows)
    print()


def print_forks(folder, size):
    """Fork workers from a process that has loaded or used a classifier."""
    rows = []
    for name, way, uses_first, n_threads in (
        ("to_openvino, loaded", "openvino", False, 1),
        ("to_openvino, used", "openvino", True, 1),
        ("torch with 1 thread, used", "torch", True, 1),
        ("torch with 2 threads, used", "torch", True, 2),
    ):
        options = {"uses_first": uses_first, "n_threads": n_threads}
        answers = result(in_process("fork", way, folder, patience=size.patience, **options))
        rows.append([name, "yes" if answers else f"no answer in {size.patience} s"])
    print_table(["before the fork", "the worker answers"], rows)
    print()


def print_load(folder, size, n_clients=(1, 8, 24)):
    """Post photos to the service of the example for some time."""
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / "serve.py", folder / "openvino.safetensors", "--port=0",
         "--labels", folder / "labels.safetensors"],
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    started = perf_counter()
    try:
        port = int(process.stdout.readline().rpartition(":")[2])
        print(f"The service answers {perf_counter() - started:.1f} s after its start.")
        rows = [load_row(process, port, size.seconds / 3, n) for n in n_clients]
    finally:
        process.kill()
        process.wait()
    header = ["clients", "answers per s", "p50 ms", "p99 ms", "503", "other errors", "MB"]
    print_table(header, rows)
    print()


def load_row(process, port, seconds, n_clients):
    """Let clients post photos, each one after the other: a row of the table."""
    photos = [photo_bytes(seed, (480, 640)) for seed in range(16)]
    end, answers = perf_counter() + seconds, []

    def client(number):
        for i in range(number, sys.maxsize):
            if perf_counter() > end:
                return
            start = perf_counter()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("POST", "/labels", photos[i % len(photos)])
                response = connection.getresponse()
                response.read()
                status = response.status
            except OSError:
                status = None
            finally:
                connection.close()
            answers.append((status, 1e3 * (perf_counter() - start)))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [ms for status, ms in answers if status == 200]
    busy = sum(status == 503 for status, _ in answers)
    mb, _ = memory(process.pid)
    p50, p99 = np.percentile(times, [50, 99])
    return [n_clients, f"{len(times) / seconds:.1f}", f"{p50:.0f}", f"{p99:.0f}", busy,
            len(answers) - len(times) - busy, f"{mb:.0f}"]  # fmt: skip


TABLES = {
    "starts": print_starts,
    "latencies": print_latencies,
    "large photos": print_large_photos,
    "threads": print_threads,
    "forks": print_forks,
    "load": print_load,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="measure little, to test the script")
    parser.add_argument("--photos", type=int, default=30, help="number of single photos")
    parser.add_argument("--seconds", type=float, default=60, help="length of the load test")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="tables")
    parser.add_argument("--part", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        part, way, folder, options = args.part
        print(json.dumps(PARTS[part](way, Path(folder), **json.loads(options))))
        return
    size = Size(3, 3, 10) if args.small else Size(args.photos, args.seconds, 30)
    with TemporaryDirectory() as name:
        folder = Path(name)
        save_models(folder)
        for name in args.only:
            TABLES[name](folder, size)
    print_machine()


if __name__ == "__main__":
    main()
