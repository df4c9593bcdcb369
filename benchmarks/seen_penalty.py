"""How far the penalty of `tune_seen_penalty` is from the best one, with few training classes.

python benchmarks/seen_penalty.py

Some classes of Caltech-101 are for training, and all others are unseen. The penalty is tuned on
some photos of the training classes. All other photos are the test. The loss is the share of the
best harmonic mean on the curve of all penalties that is missing. It is the mean over splits,
numbers of photos and classifiers.
"""

import numpy as np
import torch
from _common import percent, print_machine, print_table
from scipy.stats import hmean

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    ESZSLClassifier,
    RidgeProjectionClassifier,
    datasets,
)
from skdevise.metrics import generalized_scores
from skdevise.model_selection import tune_seen_penalty

N_CLASSES = (8, 15, 30, 60)
N_PHOTOS = (3, 10)
N_SPLITS = 6


def make_classifiers(embedder):
    """Create the classifiers to tune: list."""
    return [
        DeViSEClassifier(embedder, calibrate=False, random_state=0),
        RidgeProjectionClassifier(embedder, calibrate=False),
        ESZSLClassifier(embedder, calibrate=False),
        ConSEClassifier(embedder=embedder, calibrate=False),
        ClassifierWeightRegressor(embedder=embedder, calibrate=False),
    ]


def losses(clf, X, y, is_training, labels, seed):
    """Measure the share of the best harmonic mean that two penalties lose: zero, and tuned."""
    seen = np.unique(y[is_training])
    train = X[is_training], y[is_training]
    penalty = tune_seen_penalty(clf, *train, random_state=seed)
    scores = clf.fit(*train).decision_function(X[~is_training], labels=labels)
    found = [
        generalized_scores(y[~is_training], scores, labels=labels, seen=seen, seen_penalty=amount)
        for amount in (0, penalty)
    ]
    best = hmean([found[0].seen_curve, found[0].unseen_curve]).max()
    return [1 - result.harmonic_mean / best for result in found]


def main():
    torch.set_num_threads(1)
    data, embedder = datasets.load_caltech101_features(), datasets.load_term_vectors().embedder
    known = embedder.has_vector(data.target)
    X, y = data.data[known], data.target[known]
    labels, rows = np.unique(y), []
    for n_classes in N_CLASSES:
        runs = []
        for seed in range(N_SPLITS):
            rng = np.random.default_rng(seed)
            seen, photos = rng.permutation(labels)[:n_classes], rng.permutation(len(y))
            for n_photos in N_PHOTOS:
                chosen = [photos[y[photos] == label][:n_photos] for label in seen]
                is_training = np.isin(np.arange(len(y)), np.concatenate(chosen))
                for clf in make_classifiers(embedder):
                    runs.append(losses(clf, X, y, is_training, labels, seed))
        rows.append([n_classes, len(labels) - n_classes, *percent(runs)])
    print_table(["training classes", "unseen classes", "no penalty", "tuned penalty"], rows)
    print("Loss of the harmonic mean against the best penalty, in percent.")
    print_machine()


if __name__ == "__main__":
    main()
