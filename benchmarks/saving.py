"""Compare files of `skdevise.save` with pickles: sizes, and times to save and to load.

python benchmarks/saving.py

The first classifier has the labels of ImageNet fall 2011 as candidates, except one without a
vector. The second one is `load_zero_shot_classifier()`, and the third one is its copy of
`to_openvino`. The last one has a forest of 100 trees, which skops stores. The times are medians
over rounds.
"""

import argparse
import pickle
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from _common import print_machine, print_table
from sklearn.ensemble import RandomForestClassifier

import skdevise
from skdevise import ConSEClassifier, LabelVocabulary, RidgeProjectionClassifier, datasets

N_LABELS = None  # all
N_TREES = 100
TRUSTED = ["sklearn.tree._tree.Tree"]


def fit_on_many_labels():
    """Fit a classifier whose candidates are the labels of ImageNet that have a vector."""
    embedder, photos = datasets.load_term_vectors().embedder, datasets.load_imagenet_features()
    labels = datasets.load_imagenet_labels().fall11[:N_LABELS]
    labels = [*dict.fromkeys([*photos.target.tolist(), *labels.tolist()])]
    missing = LabelVocabulary(labels, on_missing="wordnet").coverage(embedder).missing
    labels = [label for label in labels if label not in set(missing)]
    vocabulary = LabelVocabulary(labels, on_missing="wordnet")
    clf = RidgeProjectionClassifier(embedder, labels=vocabulary)
    return clf.fit(photos.data, photos.target), len(labels)


def fit_forest():
    """Fit a classifier with a forest on the seen classes of Caltech-101."""
    photos = datasets.load_caltech101_features()
    is_seen = np.isin(photos.target, photos.target_names[photos.split == "seen"])
    forest = RandomForestClassifier(N_TREES, random_state=0)
    clf = ConSEClassifier(forest, datasets.load_term_vectors().embedder)
    return clf.fit(photos.data[is_seen], photos.target[is_seen])


def pickle_save(clf, path):
    with open(path, "wb") as file:
        pickle.dump(clf, file, protocol=5)


def pickle_load(path):
    with open(path, "rb") as file:
        return pickle.load(file)


WAYS = {
    "save, load": (skdevise.save, partial(skdevise.load, trusted=TRUSTED)),
    "save, load(mmap=True)": (skdevise.save, partial(skdevise.load, mmap=True, trusted=TRUSTED)),
    "pickle": (pickle_save, pickle_load),
}


def measure(clf, save, load, features, folder, n_rounds):
    """Return the size in MB, the times in seconds, and whether the scores are the same."""
    path, times = Path(folder, "model"), []
    for _ in range(n_rounds):
        start = perf_counter()
        save(clf, path)
        middle = perf_counter()
        loaded = load(path)
        times.append((middle - start, perf_counter() - middle))
    size = path.stat().st_size / 1e6
    same = np.array_equal(loaded.decision_function(features), clf.decision_function(features))
    return [f"{size:.1f}", *(f"{t:.2f}" for t in np.median(times, axis=0)), "yes" if same else "no"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    n_rounds = parser.parse_args().rounds
    features = datasets.load_imagenet_features().data[:3]
    many, n_labels = fit_on_many_labels()
    ready = skdevise.load_zero_shot_classifier()
    classifiers = {
        f"{n_labels} labels": many,
        "zero-shot classifier": ready,
        "to_openvino": skdevise.to_openvino(ready),
        f"{N_TREES} trees": fit_forest(),
    }
    rows = []
    with TemporaryDirectory() as folder:
        for name, clf in classifiers.items():
            for way, (save, load) in WAYS.items():
                rows.append(
                    [f"{name}, {way}", *measure(clf, save, load, features, folder, n_rounds)]
                )
    print_table(["classifier and way", "MB", "s to save", "s to load", "same scores"], rows)
    print_machine()


if __name__ == "__main__":
    main()
