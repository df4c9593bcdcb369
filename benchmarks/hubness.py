"""Corrections for hubs: hit@1 and hit@5 of unseen labels, relative to no correction.

python benchmarks/hubness.py glove-6b-100d-subset.bin

The temperature of the inverted softmax is chosen on folds of the 1,000 ImageNet classes, whose
photos are bundled. The other two settings, with Caltech-101 photos, only report. In the folds, the
classes of training and test are disjoint. "Mean" subtracts the mean cosine of a label with the
training photos, which is the limit of high temperatures.
"""

import argparse
from pathlib import Path

import numpy as np
from _common import print_machine, print_table
from scipy.special import logsumexp
from sklearn.base import clone

from skdevise import (
    ConSEClassifier,
    DeViSEClassifier,
    ESZSLClassifier,
    LabelVocabulary,
    PretrainedEmbedder,
    RidgeProjectionClassifier,
    datasets,
)
from skdevise.model_selection import UnseenClassSplit

TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5)
N_FOLDS = 4
CLASSIFIERS = {
    "ridge": RidgeProjectionClassifier(),
    "ESZSL": ESZSLClassifier(),
    "DeViSE": DeViSEClassifier(random_state=0),
    "ConSE": ConSEClassifier(),
}


def corrections(scores):
    """Yield names and amounts to subtract, from scores of training photos (n_photos, n_labels)."""
    yield "none", 0
    yield "CSLS", np.sort(scores, axis=0)[-10:].mean(axis=0) / 2
    for temperature in TEMPERATURES:
        yield f"T = {temperature}", temperature * logsumexp(scores / temperature, axis=0)
    yield "mean", scores.mean(axis=0)


def hits(scores, labels, y):
    """Compute hit@1 and hit@5 in percent."""
    top = labels[np.argsort(-scores, axis=1, kind="stable")[:, :5]] == y[:, None]
    return 100 * top[:, 0].mean(), 100 * top.any(axis=1).mean()


def splits(embedder):
    """Yield a name, training photos and test photos, each as X and y."""
    imagenet, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    missing = LabelVocabulary(imagenet.target).coverage(embedder).missing
    known = ~np.isin(imagenet.target, missing)
    X, y = imagenet.data[known], imagenet.target[known]
    has_vector = embedder.has_vector(caltech.target_names)
    unseen = caltech.target_names[(caltech.split == "unseen") & has_vector]
    known = np.isin(caltech.target, caltech.target_names[has_vector])
    Xc, yc = caltech.data[known], caltech.target[known]
    for train, test in UnseenClassSplit(N_FOLDS, test_size=0.2, random_state=0).split(X, y):
        yield "ImageNet folds", X[train], y[train], X[test], y[test]
    for train, test in UnseenClassSplit(N_FOLDS, test_size=0.25, random_state=0).split(Xc, yc):
        yield "Caltech folds", Xc[train], yc[train], Xc[test], yc[test]
    tested = np.isin(yc, unseen)
    yield "ImageNet to Caltech", X, y, Xc[tested], yc[tested]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path)
    embedders = {
        "GloVe": PretrainedEmbedder.load(parser.parse_args().vectors),
        "bundled": datasets.load_term_vectors().embedder,
    }
    found = {}
    for vectors, embedder in embedders.items():
        for setting, X, y, X_test, y_test in splits(embedder):
            for name, clf in CLASSIFIERS.items():
                if name == "ConSE" and setting != "Caltech folds":
                    continue  # Its logistic regression needs several photos per class.
                clf = clone(clf).set_params(embedder=embedder, calibrate=False).fit(X, y)
                labels = np.unique(y_test)
                scores = clf.decision_function(X_test, labels)
                of_training = clf.decision_function(X[:1000], labels)
                row = found.setdefault((setting, f"{name}, {vectors}"), {})
                for correction, amount in corrections(of_training):
                    row.setdefault(correction, []).append(hits(scores - amount, labels, y_test))
    rows, gains = [], {}
    for (setting, name), row in found.items():
        means = {correction: np.mean(figures, axis=0) for correction, figures in row.items()}
        base = means.pop("none")
        changes = [means[correction] - base for correction in means]
        gains.setdefault(setting, []).append(changes)
        rows.append([f"{setting}, {name}", "{:.1f} / {:.1f}".format(*base), *map(cell, changes)])
    for setting, changes in gains.items():
        rows.append([f"{setting}, mean", "", *map(cell, np.mean(changes, axis=0))])
    print_table(["setting, classifier, vectors", "none", *means], rows)
    print("\nHit@1 / hit@5 in percent; from the third column on, the difference to no correction.")
    print_machine()


def cell(change):
    """Format two differences in percent."""
    return "{:+.1f} / {:+.1f}".format(*change)


if __name__ == "__main__":
    main()
