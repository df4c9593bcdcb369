"""Compare our search for the nearest labels with NumPy and torch, and HNSW with exact search.

python benchmarks/search.py glove-6b-100d-subset.bin --largest 200000

The file holds the vectors of 49,480 words. It is optional: without it, only clusters of random
vectors are searched. Most points are near the vectors. Those of "words and photos" are photos of
Caltech-101, projected by ESZSL, which are farther away. `--largest` limits the number of vectors
that HNSW indexes. The benchmark uses one thread, measures CPU time, and alternates the methods.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import faiss
import numpy as np
import torch
from _common import print_machine, print_table, spread
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from skdevise import (
    DeViSEClassifier,
    ESZSLClassifier,
    LabelSpace,
    LabelVocabulary,
    PretrainedEmbedder,
    datasets,
)
from skdevise.labels._search import open_search

K = 20
N_LABELS = 21_841
N_POINTS, N_SINGLE = 2_048, 200
SIZES = (1_000, N_LABELS, 200_000, 1_000_000)


def clusters(n, vector_size, rng):
    """Draw unit vectors in clusters of about twenty, like those of related words."""
    centres = rng.standard_normal((max(1, n // 20), vector_size))
    vectors = centres[rng.integers(len(centres), size=n)]
    vectors += 0.7 * rng.standard_normal((n, vector_size))
    return normalize(vectors).astype(np.float32)


def points_near(vectors, rng):
    """Draw points near the vectors, where a projection would place photos."""
    chosen = vectors[rng.integers(len(vectors), size=N_POINTS)]
    noise = rng.standard_normal(chosen.shape) / np.sqrt(chosen.shape[1])
    return normalize(chosen + 0.5 * noise).astype(np.float32)


def by_numpy(points, vectors):
    """Search with a plain matrix product and argpartition."""
    for start in range(0, len(points), 256):
        scores = points[start : start + 256] @ vectors.T
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)


def by_torch(points, vectors):
    """Search with a matrix product and torch.topk."""
    points, vectors = torch.from_numpy(points), torch.from_numpy(vectors)
    for start in range(0, len(points), 256):
        torch.topk(points[start : start + 256] @ vectors.T, K, dim=1)


def times(methods, points, rounds=5):
    """Measure ms per point of each method, in a batch and one by one: two (rounds, n_methods)."""

    def cpu_time(search, parts):
        start = time.process_time()
        for part in parts:
            search(part)
        return 1e3 * (time.process_time() - start) / sum(map(len, parts))

    singles = np.split(points[:N_SINGLE], N_SINGLE)
    batch, single = (
        np.array([[cpu_time(m, parts) for m in methods] for _ in range(rounds + 1)])
        for parts in ([points], singles)
    )
    return batch[1:], single[1:]  # The first round warms caches.


def compare_exact(name, vectors, rng):
    exact = open_search(vectors, "exact")
    methods = [
        lambda points: exact.nearest(points, K),
        lambda points: by_numpy(points, vectors),
        lambda points: by_torch(points, vectors),
    ]
    batch, single = times(methods, points_near(vectors, rng))
    row = [f"{name}, {len(vectors):,} x {vectors.shape[1]}"]
    for measured in (batch, single):
        row.append(f"{np.median(measured[:, 0]):.3f} ms")
        row += [spread(column / measured[:, 0]) for column in measured[:, 1:].T]
    return row


def points_of_photos(embedder):
    """Project photos of Caltech-101 with a classifier that was fitted on the others."""
    caltech = datasets.load_caltech101_features()
    known = embedder.has_vector(caltech.target)
    X, y = caltech.data[known], caltech.target[known]
    clf = ESZSLClassifier(embedder).fit(X[::2], y[::2])
    return clf.transform(X[1::2]).astype(np.float32)[:N_POINTS]


def compare_hnsw(name, vectors, points):
    exact = open_search(vectors, "exact")
    faiss.omp_set_num_threads(os.cpu_count())  # Building is slow.
    start = time.process_time()
    hnsw = open_search(vectors, "hnsw")
    build = time.process_time() - start
    faiss.omp_set_num_threads(1)
    truth, found = exact.nearest(points, K)[0], hnsw.nearest(points, K)[0]
    recall = np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)])
    methods = [lambda points: hnsw.nearest(points, K), lambda points: exact.nearest(points, K)]
    batch, single = times(methods, points)
    ratios = [spread(measured[:, 1] / measured[:, 0], 1) for measured in (batch, single)]
    size = f"{name}, {len(vectors):,} x {vectors.shape[1]}"
    return [size, f"{build:.1f} s", f"{recall:.3f}", f"{np.median(single[:, 0]):.3f} ms", *ratios]


def predict_and_swap(path):
    """Time the prediction of one photo, and a swap to 21,841 fresh labels."""
    imagenet, fall11 = datasets.load_imagenet_features(), datasets.load_imagenet_labels().fall11
    embedder = PretrainedEmbedder.load(path)
    synsets = LabelVocabulary(imagenet.target)
    has_vector = np.array([embedder.has_vector(terms).any() for terms in synsets.terms])
    clf = DeViSEClassifier(embedder, max_epochs=2, random_state=0)
    clf.fit(imagenet.data[has_vector], imagenet.target[has_vector])
    swaps, predictions = [], []
    photo = imagenet.data[:1]
    for seed in range(5):
        labels = np.random.default_rng(seed).permutation(fall11)
        start = time.perf_counter()
        space = LabelSpace(LabelVocabulary(labels, on_missing="drop"), embedder)
        clf.predict(photo, labels=space)
        swaps.append(1e3 * (time.perf_counter() - start))
    for _ in range(200):
        start = time.perf_counter()
        clf.predict(photo, labels=space)
        predictions.append(1e3 * (time.perf_counter() - start))
    print(f"\n{space}; {len(fall11) - space.n_labels} labels without a vector are dropped.\n")
    print_table(
        ["wall time (ms)", "median (range)"],
        [
            ["predict from the features of one photo", spread(predictions)],
            [f"swap to {len(fall11):,} labels, and predict", spread(swaps)],
        ],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path, nargs="?", help="file of word vectors")
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*have no vector and are dropped")
    rng = np.random.default_rng(0)
    sets = [("clusters", clusters(N_LABELS, 300, rng))]
    photos = []
    if arguments.vectors:
        embedder = PretrainedEmbedder.load(arguments.vectors)
        terms = np.array(embedder.terms_)[embedder.has_vector(embedder.terms_)]
        words = embedder.transform(terms)
        sets.append(("words", words[:N_LABELS]))
        sizes = sorted({min(n, len(words)) for n in (N_LABELS, *SIZES)})
        points = points_of_photos(embedder)
        photos = [("words and photos", words[:n], points) for n in sizes]
    with threadpool_limits(1):
        faiss.omp_set_num_threads(1)
        print(f"Exact search for {K} labels: our CPU time per point, and others' time over ours.\n")
        header = ["", "batch of 2,048", "NumPy", "torch", "one by one", "NumPy", "torch"]
        print_table(header, [compare_exact(name, vectors, rng) for name, vectors in sets])
        if arguments.vectors:
            predict_and_swap(arguments.vectors)
        sets += [("clusters", clusters(n, 100, rng)) for n in SIZES if n <= arguments.largest]
        near = [(name, vectors, points_near(vectors, rng)) for name, vectors in sets]
        print("\nHNSW: time of exact search over its time.\n")
        header = ["", "build", f"recall@{K}", "one by one", "batch: exact", "one by one: exact"]
        print_table(
            header,
            [compare_hnsw(*x) for x in near + photos if len(x[1]) <= arguments.largest],
        )
    print_machine()


if __name__ == "__main__":
    main()
