"""Calibration of `predict_proba` on seen and on unseen classes of Caltech-101.

python benchmarks/calibration.py
python benchmarks/calibration.py glove-6b-100d-subset.bin
python benchmarks/calibration.py --only ridge "novelty switch"

The expected calibration error (ECE) compares the probability of the answers with their accuracy,
in 15 bins. "seen" are photos of the training classes, "unseen" photos of other classes, which are
the only candidates. "both" has all classes as candidates, with a tuned penalty of the seen ones.
The choice of few training photos changes the error, so the table has means over several choices.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _common import print_machine, print_table, spread
from sklearn.base import clone

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    ESZSLClassifier,
    Hierarchy,
    NearestClassMeanClassifier,
    NoveltySwitchClassifier,
    PretrainedEmbedder,
    RidgeProjectionClassifier,
    WSABIEClassifier,
    datasets,
)
from skdevise.model_selection import tune_seen_penalty

FIGURES = "garfield", "snoopy"  # They have no ancestor in WordNet among the training classes.
N_PHOTOS = {3: 5, 7: 3, 25: 1}  # of each class, for training, and the number of choices of them
N_ROUNDS = 3  # of measuring the time of a fit
STEP = 1  # Every such photo is tested.


def classifiers(embedder):
    """Make all classifiers with their defaults: dict."""
    wordnet = Hierarchy.wordnet()
    return {
        "DeViSE": DeViSEClassifier(embedder, random_state=0),
        "DeViSE, csls": DeViSEClassifier(embedder, random_state=0, hubness="csls"),
        "DeViSE, inverted softmax": DeViSEClassifier(
            embedder, random_state=0, hubness="inverted_softmax"
        ),
        "ConSE": ConSEClassifier(embedder=embedder),
        "ridge": RidgeProjectionClassifier(embedder),
        "ESZSL": ESZSLClassifier(embedder),
        "direct similarity": DirectSimilarityClassifier(embedder=embedder),
        "novelty switch": NoveltySwitchClassifier(embedder=embedder),
        "nearest class mean": NearestClassMeanClassifier(wordnet, random_state=0),
        "weight regression": ClassifierWeightRegressor(embedder=embedder, hierarchy=wordnet),
        "WSABIE": WSABIEClassifier(random_state=0),
    }


def calibration_error(confidence, is_right, n_bins=15):
    """Compute the expected calibration error of answers: float."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, is_right - confidence, minlength=n_bins)
    return np.abs(gaps).sum() / len(bins)


def measure(clf, X, y, labels):
    """Measure the answers among some candidates: ECE, mean probability minus accuracy, accuracy."""
    answers = clf.predict(X, labels=labels)
    confidence = clf.predict_proba(X, labels=labels)[labels == answers[:, None]]
    is_right = answers == y
    error = calibration_error(confidence, is_right)
    return error, confidence.mean() - is_right.mean(), is_right.mean()


def compare(clf, caltech, seen, unseen, n_photos, seed):
    """Fit a classifier on photos of seen classes: list of `measure` for seen, unseen and both."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(caltech.target == label)) for label in seen]
    trained = np.concatenate([part[:n_photos] for part in rows])
    of_seen = np.concatenate([part[n_photos:] for part in rows])[::STEP]
    of_unseen = np.flatnonzero(np.isin(caltech.target, unseen))[::STEP]
    both = np.concatenate([of_seen, of_unseen])

    def photos(chosen):
        return caltech.data[chosen], caltech.target[chosen]

    clf = clone(clf).fit(*photos(trained))
    results = [measure(clf, *photos(of_seen), seen)]
    if "seen_penalty" in clf.get_params():  # It answers unseen labels.
        results.append(measure(clf, *photos(of_unseen), unseen))
        clf.seen_penalty = tune_seen_penalty(clf, *photos(trained), random_state=0)
        results.append(measure(clf, *photos(both), np.concatenate([seen, unseen])))
    return results


def average(clf, *data, n_photos):
    """Make the cells of a classifier and a number of photos: list of three str."""
    choices = [compare(clf, *data, n_photos, seed) for seed in range(1, N_PHOTOS[n_photos] + 1)]
    means = np.mean(choices, axis=0)
    cells = [f"{error:.3f} {gap:+.3f} ({100 * right:.0f})" for error, gap, right in means]
    return cells + ["-"] * (3 - len(cells))


def cost(clf, X, y):
    """Measure the time of a fit relative to fits that do not calibrate: list of float."""
    fast = clone(clf).set_params(calibrate=False)
    return [fit_time(clf, X, y) / fit_time(fast, X, y) for _ in range(N_ROUNDS)]


def fit_time(clf, X, y):
    """Measure the CPU time of a fit in seconds: float."""
    start = time.process_time()
    clone(clf).fit(X, y)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path, nargs="?", help="word vectors, default: bundled")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="classifiers, default: all")
    options = parser.parse_args()
    path = options.vectors
    bundled = datasets.load_term_vectors().embedder
    embedder = bundled if path is None else PretrainedEmbedder.load(path)
    caltech = datasets.load_caltech101_features()
    names = caltech.target_names
    known = embedder.has_vector(names) & ~np.isin(names, FIGURES)
    parts = [names[(caltech.split == kind) & known] for kind in ("seen", "unseen")]
    rows, chosen = [], classifiers(embedder)
    if options.only:
        chosen = {name: chosen[name] for name in options.only}
    # Each part trains once, and is unseen once.
    for seen, unseen in (parts, parts[::-1]):
        for name, clf in chosen.items():
            data = caltech, seen, unseen
            cells = [cell for n in N_PHOTOS for cell in average(clf, *data, n_photos=n)]
            rows.append([name, len(seen), *cells])
    header = [f"{kind}, {n} photos" for n in N_PHOTOS for kind in ("seen", "unseen", "both")]
    print_table(["classifier", "training classes", *header], rows)
    print("\nECE, mean probability minus accuracy, and accuracy in percent.")
    print("The photos are those of a training class.\n")
    rows, taught = [], np.isin(caltech.target, parts[0])
    for name in ("DeViSE", "ConSE", "ridge", "ESZSL"):
        if name in chosen:
            ratios = cost(chosen[name], caltech.data[taught], caltech.target[taught])
            rows.append([name, spread(ratios)])
    print_table(["classifier", "fit time, ratio"], rows)
    print("\nThe ratio compares a fit with one that does not calibrate (median, CPU time).")
    print_machine()


if __name__ == "__main__":
    main()
