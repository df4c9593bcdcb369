"""Temperatures of `predict_proba`, fitted on samples and classes held out of other trainings."""

from math import ceil
from numbers import Number
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.exceptions import NotFittedError

from skdevise._compat import num_samples
from skdevise._utils import as_array
from skdevise.models._hubness import hub_offsets

# A temperature is a single number, so more samples do not improve it.
_N_CALIBRATION_ROWS = 1_000

# The second training uses at most this many samples, so it costs little on large training sets.
_N_REFIT_ROWS = 50_000

# Share of the classes, and of the samples of the other classes, that the second training lacks.
_HELD_OUT_SHARE = 0.25

# If the held-out classes or samples are few, others are held out too, until there are this many.
_N_HELD_OUT_CLASSES = 30
N_HELD_OUT_SAMPLES = 200

# With few samples of each class, the second training is clearly worse than the first one. From this
# difference of their `_errors` on, its temperature is corrected by several percent.
_LARGE_DIFFERENCE = 0.1

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
    X = as_array(X)
    is_nested = isinstance(X, list) and isinstance(X[0], list | tuple | np.ndarray)
    # Photos and lists of words may have several sizes, so only rows of numbers make a table.
    has_rows = is_nested and isinstance(next(iter(X[0]), None), Number | np.bool_)
    table = np.asarray(X) if has_rows or hasattr(X, "__array__") else np.empty(0)
    if table.ndim != 2 or table.dtype.kind not in "biuf":
        return np.random.default_rng(0).permutation(num_samples(X))
    return np.array([crc32(np.ascontiguousarray(row, np.float32)) for row in table])


def classes_to_hold_out(known, classes):
    """Choose the classes to hold out: dict of class to bool. Known classes keep their values."""
    held_out = {label: known.get(label, False) for label in classes}
    new = [label for label in classes if label not in known]
    if len(held_out) >= _N_CLASSES_TO_SPLIT:
        n_held_out = max(2, round(_HELD_OUT_SHARE * len(held_out)))
        n_missing = max(0, n_held_out - sum(held_out.values()))
        order = np.random.default_rng(0).permutation(len(new))
        held_out.update((new[i], True) for i in order[:n_missing])
    return held_out


class Split(NamedTuple):
    """Classes and samples that a second training lacks."""

    held_out: dict
    """Which classes are held out: class to bool."""
    part: int = 0
    """Number of the part of the samples that is held out."""
    n_parts: int = 1
    """Number of parts that are held out together."""


def class_splits(held_out):
    """Hold out other classes in turn, if there are few: list of Split. The given ones come last."""
    rest = [label for label, is_out in held_out.items() if not is_out]
    n_held_out = len(held_out) - len(rest)
    n_others = min(len(rest) // n_held_out, ceil(_N_HELD_OUT_CLASSES / n_held_out) - 1)
    order = np.random.default_rng(0).permutation(len(rest))
    others = [{rest[i] for i in order[n::n_others][:n_held_out]} for n in range(n_others)]
    splits = [{label: label in part for label in held_out} for part in others]
    return [Split(classes, n_parts=0) for classes in [*splits, held_out]]


def split_rows(keys, targets, is_held_out, part=0, n_parts=1):
    """Split samples into kept rows, held-out rows of kept classes, and rows of held-out classes."""
    # Samples with equal keys stay together, so that no copy of a held-out photo is trained on.
    of_held_out = is_held_out[targets]
    rest = np.flatnonzero(~of_held_out)
    pairs = np.column_stack([targets[rest], keys[rest]])
    distinct, group = np.unique(pairs, axis=0, return_inverse=True)
    classes, start, size = np.unique(distinct[:, 0], return_index=True, return_counts=True)
    n_held_out = _n_held_out(size)
    first, n_held_out, size, start = (
        np.repeat(values, size)
        for values in (part * n_held_out, _n_held_out(size, n_parts), size, start)
    )
    rank = np.arange(len(distinct)) - start
    is_out = ((rank - first) % size < n_held_out)[group.ravel()]
    return rest[~is_out], rest[is_out], np.flatnonzero(of_held_out)


def sample_counts(keys, targets):
    """Count the distinct samples of each class: (n_classes,)."""
    distinct = np.unique(np.column_stack([targets, keys]), axis=0)
    return np.unique(distinct[:, 0], return_counts=True)[1]


def sample_splits(counts, classes):
    """Hold out samples of all classes, and others in turn if they are few: list of Split.

    `counts` are the numbers of distinct samples (n_classes,). If they are small, two parts are held
    out together first, for `correction`.
    """
    n_held_out = _n_held_out(counts)
    if not n_held_out.any():
        return []
    n_parts = (counts // np.maximum(n_held_out, 1)).max()
    n_parts = min(n_parts, ceil(N_HELD_OUT_SAMPLES / n_held_out.sum()))
    needs_correction = np.diff(_errors(counts))[0] > _LARGE_DIFFERENCE
    none = dict.fromkeys(classes, False)
    together = (2, 1) if needs_correction else (1,)
    return [Split(none, part, n) for n in together for part in reversed(range(n_parts))]


def corrected(temperature, with_fewer, counts):
    """Correct the temperature of a training for the samples that it lacked: float.

    `with_fewer` is that of a training without twice as many samples. We extrapolate the logarithm
    of the temperature, which is nearly linear in `_errors`.
    """
    full, kept, fewer = _errors(counts)
    if fewer == kept:
        return temperature
    # With more samples, answers become more certain. The opposite is chance.
    exponent = (kept - full) / (fewer - kept)
    return float(temperature * min(1, temperature / with_fewer) ** exponent)


def _errors(counts):
    """Estimate the sizes of sampling errors if 0, 1 or 2 parts are held out: (3,)."""
    return np.array([np.mean((counts - _n_held_out(counts, n)) ** -0.5) for n in range(3)])


def _n_held_out(counts, n_parts=1):
    """Count the samples to hold out of each class: (n_classes,). Each keeps one."""
    one = np.maximum(np.round(_HELD_OUT_SHARE * counts), 1).astype(int)
    return np.minimum(n_parts * one, counts - 1)


def is_calibrated(estimator):
    """Return True if a classifier fits temperatures, or raise AttributeError."""
    if not estimator.calibrate:
        raise AttributeError(
            f"{type(estimator).__name__}(calibrate=False) has no probabilities. Fit it with "
            "calibrate=True."
        )
    return True


class CalibrationMixin:
    """Fit of the temperatures of a classifier that has placed its training labels."""

    # If True, other classes are held out in turn, which takes further trainings.
    _repeats_calibration = True

    # One temperature can divide the scores of seen and unseen labels. Otherwise they are divided.
    _has_mixed_temperature = True

    # A parameter of the classifiers that train again to fit the temperatures.
    calibrate = True

    def _calibrate_scores(self, score, targets, keys, weight, refit):
        """Fit the temperatures of scores: `score(points)` gives (n, n_classes).

        A second training that lacks classes suits unseen labels. It predicts seen labels worse than
        the classifier does, so other trainings with all classes calibrate these.
        """
        if not self.calibrate:
            self.temperature_ = self.unseen_temperature_ = np.nan
            return
        held_out, counts = self._held_out, sample_counts(keys, targets)
        groups = {"complete": [], "fewer": [], "seen": [], "unseen": []}
        for split in self._calibration_splits(counts):
            self._held_out = split.held_out
            is_held_out = self._is_held_out()
            kept, samples, unseen = split_rows(keys, targets, is_held_out, *split[1:])
            place = refit(kept)
            if place is None:
                continue
            calibration = Calibration(score, is_held_out, place, keys, targets, weight)
            hubs = calibration.hub_offsets(kept, self.hubness)
            kind = "seen" if is_held_out.any() else ("complete", "fewer")[split.n_parts - 1]
            for name, rows in ((kind, samples), ("unseen", unseen)):
                if len(rows):
                    groups[name].append(calibration.held_out(rows, hubs))
        self._held_out = held_out
        if not any(groups.values()) and not self._temperatures and place is not None:
            # There are too few samples to hold any out.
            groups["complete"] = [calibration.held_out(kept, hubs)]
        self._keep_temperatures(groups, counts)

    def _keep_temperatures(self, groups, counts):
        """Fit the temperatures of groups: dict of kind to list of HeldOut."""
        seen, unseen, fitted = groups["complete"] or groups["seen"], groups["unseen"], {}
        if seen:
            fitted["seen"] = pooled_temperature(seen, [group.total_weight for group in seen])
        if groups["fewer"]:
            fewer = groups["fewer"]
            with_fewer = pooled_temperature(fewer, [group.total_weight for group in fewer])
            fitted["seen"] = corrected(fitted["seen"], with_fewer, counts)
        if unseen:
            # Few held-out classes may say nothing, so the seen labels count like one more class.
            n_classes = np.array([group.scores.shape[1] for group in unseen])
            of_seen = np.full(len(seen), 1 / max(1, len(seen)))
            fitted["unseen"] = pooled_temperature(unseen + seen, [*n_classes, *of_seen])
            # If both compete, either can be right, so both count equally.
            shares = [*n_classes / n_classes.sum(), *of_seen]
            fitted["mixed"] = pooled_temperature(unseen + seen, shares)
        self._temperatures = self._temperatures | fitted
        # One of them may lack held-out samples.
        default = next(iter(self._temperatures.values()), 1.0)
        self.temperature_ = self._temperatures.get("seen", default)
        self.unseen_temperature_ = self._temperatures.get("unseen", default)

    @property
    def mixed_temperature_(self) -> float:
        """Temperature of `predict_proba` if half of the candidates are unseen: float."""
        if not self._has_mixed_temperature:
            raise AttributeError(f"{type(self).__name__} has no `mixed_temperature_`.")
        return self._temperatures.get("mixed", self.unseen_temperature_)

    def _temperature(self, space):
        """Interpolate the temperature by the share of unseen candidates: float."""
        if np.isnan(self.temperature_):
            raise NotFittedError("There are no temperatures. Fit again with calibrate=True.")
        is_seen = space is self.label_space_ or np.isin(space.labels, self.classes_)
        unseen_share = 1 - np.mean(is_seen)
        if not unseen_share:
            return self.temperature_
        fitted = self.temperature_, self.mixed_temperature_, self.unseen_temperature_
        return float(np.interp(unseen_share, (0, 0.5, 1), fitted))

    def _calibration_splits(self, counts):
        """Choose the classes and samples that each second training lacks: list of Split."""
        last = Split(self._held_out)
        if self._temperatures:
            # Later calls of `partial_fit` continue the second training of the last split.
            return [last]
        splits = sample_splits(counts, self._held_out)
        if self._is_held_out().any():
            splits += class_splits(self._held_out) if self._repeats_calibration else [last]
        return splits or [last]

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

    @property
    def total_weight(self):
        """Sum of the weights: float."""
        return len(self.scores) if self.weight is None else self.weight.sum()


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
    pairs = [pair for pair in zip(groups, shares, strict=True) if pair[0].scores.shape[1] > 1]
    if not pairs:
        return 1.0
    n_distinct = sum(group.n_distinct for group, _ in pairs)
    parts = [(*_below_best(group, n_distinct), group.weight, share) for group, share in pairs]

    def loss(log_inverse):
        inverse = np.exp(log_inverse)
        return sum(
            share
            * np.average(np.log(np.exp(inverse * scores).sum(axis=1)) - inverse * goal, weights=w)
            for scores, goal, w, share in parts
        )

    # The highest temperature gives nearly equal probabilities, also to distances, which can be
    # large. Scores that differ need far more than the lowest one.
    highest = max(1e4, *(100 * np.ptp(scores) for scores, *_ in parts))
    bounds = -np.log(highest), -np.log(1e-6)
    best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(-best.x))


def _below_best(group, n_distinct):
    """Subtract the best score of each sample: scores (n_samples, n_labels), goals (n_samples,)."""
    each = np.arange(len(group.scores))
    scores = group.scores - group.scores.max(axis=1, keepdims=True)
    true, others = scores[each, group.targets], scores.copy()
    others[each, group.targets] = -np.inf
    return scores, true + (others.max(axis=1) - true) / (2 * n_distinct + 2)


def _spread(n_samples, n_chosen):
    """Choose up to `n_chosen` of the rows at even distances: (n_rows,)."""
    return np.linspace(0, n_samples - 1, min(n_samples, n_chosen), dtype=int)
