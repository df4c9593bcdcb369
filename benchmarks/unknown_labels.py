"""Detection of photos that show none of the candidates: predict_proba and predict_confidence.

python benchmarks/unknown_labels.py

Each row draws a few candidates many times. Half of the photos show one of them, the others do not.
AUROC compares the confidence of both halves: 0.5 is chance. The expected calibration error (ECE)
compares the confidence of the best answer with its accuracy.

The first table chose the score of "none of the candidates": the mean score of the training labels
plus a number of standard deviations. It leaves labels of ILSVRC-2012 out of the softmax layer of
EfficientNet-Lite0. The second table is the test, on classes of Caltech-101: those that
`load_zero_shot_classifier` has not seen, and seen and unseen ones of other classifiers, which are
trained on 7 photos of a class.
"""

from functools import partial

import numpy as np
from _common import print_machine, print_table
from calibration import calibration_error
from scipy.special import softmax
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from zero_shot_weights import choice_sets, linear, softmax_layer

from skdevise import (
    ClassifierWeightRegressor,
    DeViSEClassifier,
    ESZSLClassifier,
    Hierarchy,
    datasets,
)

N_CANDIDATES = 1, 3, 10, 30
DEVIATIONS = 2.0, 2.5, 3.0, 3.5
N_DRAWS = 10
N_FOLDS = 3  # of the labels of ILSVRC-2012


def measure(answer, X, y, pool, n_candidates, n_draws):
    """Measure the mean AUROC and the ECE of all answers over draws of candidates: two floats.

    `answer(X, labels)` returns confidences (n_samples, n_labels).
    """
    rng, areas, answers = np.random.default_rng(0), [], []
    for _ in range(n_draws):
        labels = rng.choice(pool, n_candidates, replace=False)
        known = np.flatnonzero(np.isin(y, labels))
        unknown = rng.permutation(np.setdiff1d(np.arange(len(y)), known))[: len(known)]
        rows = np.concatenate([known, unknown])
        confidence = answer(X[rows], labels)
        best = confidence.max(axis=1)
        is_right = labels[confidence.argmax(axis=1)] == y[rows]
        is_known = np.arange(len(rows)) < len(known)
        areas.append(roc_auc_score(is_known, best))
        answers.append((best, is_right))
    return np.mean(areas), calibration_error(*map(np.concatenate, zip(*answers, strict=True)))


def with_deviations(classifier, deviations, X, labels):
    """Compute the confidence with another score of "none of the candidates"."""
    scores = classifier.decision_function(X, labels)
    trained = classifier.decision_function(X, classifier.classes_)
    none = trained.mean(axis=1) + deviations * trained.std(axis=1)
    logits = np.column_stack([scores, none]) / classifier.unseen_temperature_
    return softmax(logits, axis=1)[:, :-1]


def format_cells(found):
    """Write AUROC and ECE as a cell."""
    return "{:.3f} / {:.3f}".format(*found)


def print_choice(embedder, layer):
    """Print the table of left-out labels."""
    photos, found = datasets.load_imagenet_features(), {}
    for _, (_, left_out, _, X, y) in zip(range(N_FOLDS), choice_sets(layer.classes_), strict=False):
        kept = ~np.isin(layer.classes_, left_out)
        rows = np.isin(photos.target, layer.classes_[kept])
        classifier = ClassifierWeightRegressor(
            FrozenEstimator(
                linear(layer.classes_[kept], layer.coef_[kept], layer.intercept_[kept])
            ),
            embedder,
            hierarchy=Hierarchy.wordnet(),
        ).fit(photos.data[rows], photos.target[rows])
        answers = {"predict_proba": classifier.predict_proba}
        answers |= {x: partial(with_deviations, classifier, x) for x in DEVIATIONS}
        answers["predict_confidence"] = classifier.predict_confidence
        for name, answer in answers.items():
            for n in N_CANDIDATES[1:]:
                run = measure(answer, X, y, left_out, n, N_DRAWS)
                found.setdefault(name, {}).setdefault(n, []).append(run)
    rows = [
        [name, *(format_cells(np.mean(runs, axis=0)) for runs in cells.values())]
        for name, cells in found.items()
    ]
    print("\nLabels that were left out of the 1,000: AUROC / ECE\n")
    print_table(["score of none", *(f"{n} candidates" for n in N_CANDIDATES[1:])], rows)


def compare(name, classifier, X, y, pool):
    """Make the two rows of a classifier in the second table."""
    for method in ("predict_proba", "predict_confidence"):
        answer = getattr(classifier, method)
        cells = [format_cells(measure(answer, X, y, pool, n, N_DRAWS)) for n in N_CANDIDATES]
        yield [f"{name}, {method}", *cells]


def main():
    """Print both tables."""
    print_machine()
    embedder, layer = datasets.load_term_vectors().embedder, softmax_layer()
    print_choice(embedder, layer)
    photos, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    ready = ClassifierWeightRegressor(
        FrozenEstimator(layer), embedder, hierarchy=Hierarchy.wordnet()
    ).fit(photos.data, photos.target)
    names, X, y = caltech.target_names, caltech.data, caltech.target
    rows = list(compare("ready, unseen", ready, X, y, names[caltech.split == "unseen"]))
    has_vector = embedder.has_vector(names)
    seen, unseen = (names[(caltech.split == kind) & has_vector] for kind in ("seen", "unseen"))
    taught = np.concatenate([np.flatnonzero(y == label)[:7] for label in seen])
    tests = {
        "seen": (np.setdiff1d(np.flatnonzero(np.isin(y, seen)), taught), seen),
        "unseen": (np.flatnonzero(np.isin(y, unseen)), unseen),
    }
    for classifier in (
        DeViSEClassifier(embedder, random_state=0),
        ESZSLClassifier(embedder),
        ClassifierWeightRegressor(embedder=embedder, hierarchy=Hierarchy.wordnet()),
    ):
        classifier.fit(X[taught], y[taught])
        for kind, (tested, pool) in tests.items():
            name = f"{type(classifier).__name__}, {kind}"
            rows += compare(name, classifier, X[tested], y[tested], pool)
    print("\nClasses of Caltech-101: AUROC / ECE\n")
    print_table(["classifier, labels, method", *(f"{n} candidates" for n in N_CANDIDATES)], rows)


if __name__ == "__main__":
    main()
