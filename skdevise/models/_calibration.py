"""Temperatures of `predict_proba`, fitted on samples and classes held out of other trainings."""

from math import ceil
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from skdevise.models._hubness import hub_offsets

# A temperature is a single number, so more samples do not improve it.
_N_CALIBRATION_ROWS = 1_000

# The second training uses at most this many samples, so it costs little on large training sets.
_N_REFIT_ROWS = 50_000

# Share of the classes, and of the samples of the other classes, that the second training lacks.
_HELD_OUT_SHARE = 0.25

# If the held-out classes are few, others are held out too, until there are this many.
_N_HELD_OUT_CLASSES = 30

# An odd number, whose multiples give keys other orders.
_KEY_STEP = 0x9E3779B1

# The second training needs two classes, and two held-out classes must compete.
_N_CLASSES_TO_SPLIT = 4


def calibration_rows(n_samples):
    """Choose up to 1,000 rows of the training set at even distances: (n_rows,)."""
    return _spread(n_samples, _N_CALIBRATION_ROWS)


def refit_rows(n_samples):
    """Choose up to 50,000 rows of the training set at even distances: (n_rows,)."""
    return _spread(n_samples, _N_REFIT_ROWS)


def row_keys(X):
    """Hash the rows of a table of numbers, or number the samples of any other X: (n_samples,)."""
    if hasattr(X, "tocsr"):
        X = X.tocsr()
        rows = map(slice, X.indptr, X.indptr[1:])
        return np.array([crc32(X.data[row], crc32(X.indices[row])) for row in rows])
    is_nested = isinstance(X, list) and isinstance(X[0], list | tuple | np.ndarray)
    table = np.asarray(X) if is_nested or hasattr(X, "__array__") else np.empty(0)
    if table.ndim != 2 or table.dtype.kind not in "biuf":
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        return np.random.default_rng(0).permutation(n_samples)
    return np.array([crc32(np.ascontiguousarray(row, np.float32)) for row in table])


def classes_to_hold_out(known, classes):
    """Choose the classes to hold out: dict of class to bool. Known classes keep their values."""
    held_out = {label: known.get(label, False) for label in classes}
    new = [label for label in classes if label not in known]
    if len(held_out) >= _N_CLASSES_TO_SPLIT:
        n_held_out = np.clip(round(_HELD_OUT_SHARE * len(held_out)), 2, len(held_out) - 2)
        n_missing = max(0, int(n_held_out) - sum(held_out.values()))
        order = np.random.default_rng(0).permutation(len(new))
        held_out.update((new[i], True) for i in order[:n_missing])
    return held_out


def repeated_splits(held_out, keys):
    """Hold out other classes in turn, if there are few: list of (dict of class to bool, keys).

    The given classes and keys come last. Other keys hold out other samples in `split_rows`.
    """
    rest = [label for label, is_out in held_out.items() if not is_out]
    n_held_out, n_others = len(held_out) - len(rest), 0
    if n_held_out:
        n_others = min(len(rest) // n_held_out, ceil(_N_HELD_OUT_CLASSES / n_held_out) - 1)
    order = np.random.default_rng(0).permutation(len(rest))
    splits = [(held_out, keys)]
    for number in range(1, n_others + 1):
        part = {rest[i] for i in order[(number - 1) * n_held_out : number * n_held_out]}
        others = {label: label in part for label in held_out}
        splits.append((others, keys ^ (number * _KEY_STEP)))
    return splits[::-1]


def split_rows(keys, targets, is_held_out):
    """Split samples into kept rows, held-out rows of kept classes, and rows of held-out classes.

    Samples with equal keys stay together, so that no copy of a held-out photo is trained on.
    """
    of_held_out = is_held_out[targets]
    rest = np.flatnonzero(~of_held_out)
    pairs = np.column_stack([targets[rest], keys[rest]])
    distinct, group = np.unique(pairs, axis=0, return_inverse=True)
    classes, start, size = np.unique(distinct[:, 0], return_index=True, return_counts=True)
    n_held_out = np.where(size > 1, np.maximum(np.round(_HELD_OUT_SHARE * size), 1), 0)
    rank = np.arange(len(distinct)) - np.repeat(start, size)
    is_out = (rank < np.repeat(n_held_out, size))[group.ravel()]
    return rest[~is_out], rest[is_out], np.flatnonzero(of_held_out)


class CalibrationMixin:
    """Fit of the temperatures of a classifier that has placed its training labels."""

    # Whether other classes are held out in turn, which takes further trainings.
    _repeats_calibration = True

    def _calibrate_scores(self, score, targets, keys, weight, refit):
        """Fit the temperatures of scores: `score(points)` gives (n, n_classes).

        A second training that lacks classes suits unseen labels. It answers seen labels worse than
        the classifier does, so another training with all classes calibrates these.
        """
        seen, unseen, complete = [], [], []
        for held_out, split_keys in self._calibration_splits(targets, keys):
            self._held_out = held_out
            is_complete = not self._is_held_out().any()
            groups = self._score_held_out(score, targets, split_keys, weight, refit)
            (complete if is_complete else seen).extend(groups["seen"])
            unseen.extend(groups["unseen"])
        seen = complete or seen
        fitted = {}
        if seen:
            fitted["seen"] = pooled_temperature(seen, [1] * len(seen))
        if unseen:
            # Few held-out classes may say nothing, so the seen labels count like one more class.
            n_classes = [group.scores.shape[1] for group in unseen]
            shares = n_classes + [1 / len(seen) for _ in seen]
            fitted["unseen"] = pooled_temperature(unseen + seen, shares)
        self._temperatures = self._temperatures | fitted
        # One of them may lack held-out samples.
        default = next(iter(self._temperatures.values()), 1.0)
        self.temperature_ = self._temperatures.get("seen", default)
        self.unseen_temperature_ = self._temperatures.get("unseen", default)

    def _calibration_splits(self, targets, keys):
        """Choose the classes that each second training lacks: list of (dict, keys)."""
        splits = [(self._held_out, keys)]
        if self._temperatures:
            # Later calls of `partial_fit` continue the second training of the last split.
            return splits
        if self._repeats_calibration:
            splits = repeated_splits(*splits[0])
        is_held_out = self._is_held_out()
        if is_held_out.any() and len(split_rows(keys, targets, np.zeros_like(is_held_out))[1]):
            splits.insert(0, (dict.fromkeys(self._held_out, False), keys))
        return splits

    def _score_held_out(self, score, targets, keys, weight, refit):
        """Score the held-out samples of one split: dict of kind to list of HeldOut."""
        is_held_out = self._is_held_out()
        kept, samples, unseen = split_rows(keys, targets, is_held_out)
        place = refit(kept)
        if not len(samples) and not len(unseen) and not self._temperatures:
            samples = kept  # There are too few samples to hold any out.
        groups = {"seen": [], "unseen": []}
        if place is None or not (len(samples) or len(unseen)):
            return groups
        calibration = Calibration(score, is_held_out, place, keys, targets, weight)
        hubs = calibration.hub_offsets(kept, self.hubness)
        for kind, rows in (("seen", samples), ("unseen", unseen)):
            if len(rows):
                groups[kind].append(calibration.held_out(rows, hubs))
        return groups

    def _is_held_out(self):
        """Mark the classes that the calibration holds out: bool (n_classes,)."""
        return np.array([self._held_out[label] for label in self.classes_.tolist()])


class HeldOut(NamedTuple):
    """Scores of held-out samples for the labels of their kind."""

    scores: Any
    """Scores of the labels: (n_samples, n_labels)."""
    targets: Any
    """Positions of the true labels: (n_samples,)."""
    n_distinct: int
    """Number of samples that are no copies of others."""
    weight: Any = None
    """Weights of the samples: (n_samples,), or None."""


class Calibration:
    """Scores of held-out samples, from which the temperatures are fitted.

    `score(points)` scores the training labels: (n, n_classes), and `is_held_out` marks some of
    them: (n_classes,). `place(rows)` gives the points of training samples without having learned
    from them.
    """

    def __init__(self, score, is_held_out, place, keys, targets, weight):
        self.score = score
        self.is_held_out = is_held_out
        self.place = place
        self.keys = keys
        self.targets = targets
        self.weight = weight

    def held_out(self, rows, hubs=None):
        """Score held-out samples against the labels of their kind: HeldOut."""
        is_unseen = self.is_held_out[self.targets[rows[0]]]
        columns = np.flatnonzero(self.is_held_out == is_unseen)
        n_distinct = len(np.unique(self.keys[rows]))
        rows = rows[calibration_rows(len(rows))]
        scores = self.score(self.place(rows))[:, columns]
        if hubs is not None:
            scores = scores - hubs[columns]
        weight = None if self.weight is None else self.weight[rows]
        return HeldOut(scores, np.searchsorted(columns, self.targets[rows]), n_distinct, weight)

    def hub_offsets(self, kept, method):
        """Measure hubs on training samples: (n_classes,), or None without a method."""
        if method is None:
            return None
        points = self.place(kept[calibration_rows(len(kept))])
        return hub_offsets(self.score, points, method)


def fit_temperature(scores, targets, n_distinct, weight=None):
    """Find the temperature of the softmax that maximises the likelihood: float."""
    return pooled_temperature([HeldOut(scores, targets, n_distinct, weight)], [1])


def pooled_temperature(groups, shares):
    """Find the one temperature that maximises the likelihood of several groups: float.

    `groups` is a list of HeldOut, and `shares` are their weights. A group whose answers are right
    by chance fits any high temperature equally well, so a mean of one temperature for each group
    would be unsteady.

    Without smoothing, separable samples would favour 0. As in Platt's method ("Probabilistic
    outputs for support vector machines", 1999), the target of n samples is below 1. It is that of
    Krichevsky and Trofimov ("The performance of universal encoding", 1981): (n + 1/2) / (n + 1).
    The rest goes to the best other label, because that of a wrong answer is rarely far behind.
    """
    parts = [
        (group.scores, _smoothed_goal(group), group.weight, share)
        for group, share in zip(groups, shares, strict=True)
        if group.scores.shape[1] > 1
    ]
    if not parts:
        return 1.0

    def loss(log_inverse):
        inverse = np.exp(log_inverse)
        return sum(
            share * np.average(logsumexp(inverse * scores, axis=1) - inverse * goal, weights=weight)
            for scores, goal, weight, share in parts
        )

    # The highest temperature gives nearly equal probabilities, also to distances, which can be
    # large. Scores that differ need far more than the lowest one.
    highest = max(1e4, *(100 * np.ptp(scores) for scores, *_ in parts))
    bounds = -np.log(highest), -np.log(1e-6)
    best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(-best.x))


def _smoothed_goal(group):
    """Mix the score of the true label with that of the best other label: (n_samples,)."""
    each = np.arange(len(group.scores))
    true, others = group.scores[each, group.targets], group.scores.copy()
    others[each, group.targets] = -np.inf
    return true + (others.max(axis=1) - true) / (2 * group.n_distinct + 2)


def _spread(n_samples, n_chosen):
    """Choose up to `n_chosen` of the rows at even distances: (n_rows,)."""
    return np.linspace(0, n_samples - 1, min(n_samples, n_chosen), dtype=int)
