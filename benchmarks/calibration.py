"""Calibration of `predict_proba` on seen and on unseen Caltech-101 classes.

python benchmarks/calibration.py glove-6b-100d-subset.bin

The expected calibration error (ECE) compares the probability of the best answer with its accuracy,
in 15 bins. "Before" is a temperature fitted on training photos, between 0.01 and 1. "After" is the
temperature of `predict_proba`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _common import print_machine, print_table
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
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
from skdevise.model_selection import tune_seen_penalty

CLASSIFIERS = {
    "DeViSE": DeViSEClassifier(random_state=0),
    "DeViSE, csls": DeViSEClassifier(random_state=0, hubness="csls"),
    "DeViSE, inverted softmax": DeViSEClassifier(random_state=0, hubness="inverted_softmax"),
    "ConSE": ConSEClassifier(),
    "ridge": RidgeProjectionClassifier(),
    "ESZSL": ESZSLClassifier(),
}

N_ROUNDS = 3  # of measuring the time of a fit
STEP = 1  # Every such photo is used.


def calibration_error(confidence, is_right, n_bins=15):
    """Compute the expected calibration error of the best answers: float."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, is_right - confidence, minlength=n_bins)
    return np.abs(gaps).sum() / len(bins)


def training_temperature(clf, X, y):
    """Fit the temperature on training photos, within (0.01, 1): float."""
    scores, targets = clf.decision_function(X, clf.classes_), np.searchsorted(clf.classes_, y)

    def loss(inverse):
        return -log_softmax(inverse * scores, axis=1)[np.arange(len(y)), targets].mean()

    return 1 / minimize_scalar(loss, bounds=(1, 100), method="bounded").x


def figures(scores, labels, y, temperature):
    """Compute ECE, the share of answers with p > .9, and their accuracy."""
    proba = softmax(scores / temperature, axis=1)
    confidence, is_right = proba.max(axis=1), labels[proba.argmax(axis=1)] == y
    sure = confidence > 0.9
    right = f"{100 * is_right[sure].mean():.0f}" if sure.any() else "-"
    return [calibration_error(confidence, is_right), 100 * sure.mean(), right]


def compare(clf, train, tests):
    """Fit a classifier, and make a row of cells for each test of (name, X, y, candidates)."""
    clf = clone(clf).fit(*train)
    before = training_temperature(clf, *(part[:1000] for part in train))
    for name, X, y, labels in tests:
        scores = clf.decision_function(X, labels)
        is_seen = np.isin(labels, clf.classes_).all()
        after = clf.temperature_ if is_seen else clf.unseen_temperature_
        accuracy = 100 * (labels[scores.argmax(axis=1)] == y).mean()
        cells = [f"{accuracy:.1f}"]
        for temperature in (before, after):
            error, share, right = figures(scores, labels, y, temperature)
            cells += [f"{temperature:.4f}", f"{error:.3f}", f"{share:.0f}", right]
        yield name, cells


def cost(clf, X, y):
    """Measure the time of a fit relative to a fit without the second training: float."""
    full, plain = [], []
    for _ in range(N_ROUNDS):
        start = time.process_time()
        clone(clf).fit(X, y)
        full.append(time.process_time() - start)
        with_second = type(clf)._calibrate
        type(clf)._calibrate = _skip
        start = time.process_time()
        clone(clf).fit(X, y)
        plain.append(time.process_time() - start)
        type(clf)._calibrate = with_second
    return np.median(full) / np.median(plain)


def _skip(self, *args):
    """Leave the temperatures at 1."""
    self.temperature_ = self.unseen_temperature_ = 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path)
    imagenet, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    names = caltech.target_names
    embedders = {
        "GloVe": PretrainedEmbedder.load(parser.parse_args().vectors),
        "bundled": datasets.load_term_vectors().embedder,
    }
    rows, costs = [], []
    for vectors, embedder in embedders.items():
        has_vector = embedder.has_vector(names)
        seen = names[(caltech.split == "seen") & has_vector]
        unseen = names[(caltech.split == "unseen") & has_vector]
        both = np.concatenate([seen, unseen])
        of_seen = np.flatnonzero(np.isin(caltech.target, seen))[::STEP]
        of_unseen = np.flatnonzero(np.isin(caltech.target, unseen))[::STEP]
        held_out = of_seen[::4]
        trained = np.setdiff1d(of_seen, held_out)
        mixed = np.concatenate([held_out, of_unseen])
        synsets = LabelVocabulary(imagenet.target)
        missing = synsets.coverage(embedder).missing
        known = np.flatnonzero(~np.isin(imagenet.target, missing))[::STEP]

        def photos(chosen):
            return caltech.data[chosen], caltech.target[chosen]

        for name, clf in CLASSIFIERS.items():
            clf = clone(clf).set_params(embedder=embedder)
            tests = [
                ("seen", *photos(held_out), seen),
                ("unseen", *photos(of_unseen), unseen),
            ]
            costs.append([f"{name}, {vectors}", "Caltech", f"{cost(clf, *photos(trained)):.2f}"])
            for test, cells in compare(clf, photos(trained), tests):
                rows.append([f"{name}, {vectors}", "Caltech", test, *cells])
            if clf.get_params().get("hubness") is None:
                penalty = tune_seen_penalty(clf, *photos(trained), random_state=0)
                clf.set_params(seen_penalty=penalty)
                with_both = [("both, with a penalty", *photos(mixed), both)]
                for test, cells in compare(clf, photos(trained), with_both):
                    rows.append([f"{name}, {vectors}", "Caltech", test, *cells])
                clf.set_params(seen_penalty=0.0)
            if name != "ConSE":  # Its logistic regression needs several photos per class.
                train = imagenet.data[known], imagenet.target[known]
                costs.append([f"{name}, {vectors}", "ImageNet", f"{cost(clf, *train):.2f}"])
                for test, cells in compare(clf, train, tests[1:]):
                    rows.append([f"{name}, {vectors}", "ImageNet", test, *cells])
    header = ["classifier, vectors", "trained on", "labels", "accuracy"]
    for when in ("before", "after"):
        header += [f"T {when}", f"ECE {when}", f"p > .9 {when}", "right"]
    print_table(header, rows)
    print("\nAccuracy, shares and accuracies of answers with p > .9 in percent.\n")
    print_table(["classifier, vectors", "trained on", "fit time, ratio"], costs)
    print("\nThe ratio compares a fit with one that does not calibrate (median, CPU time).")
    print_machine()


if __name__ == "__main__":
    main()
