"""Training data: validated labels, features in memory or on disk, and means of classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import tee
from os import PathLike
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import check_consistent_length, compute_sample_weight, indexable
from sklearn.utils.validation import validate_data

from skdevise._columns import check_targets, name_some
from skdevise._compat import check_sample_weight, safe_indexing
from skdevise._utils import as_array

# A larger memory map stays on disk.
_N_BYTES_IN_MEMORY = 2**28

_ADVICE = (
    "this classifier takes features. Put a VisualFeaturizer in front: "
    "make_pipeline(VisualFeaturizer(), classifier)."
)

# Features, on disk or in memory, are processed in blocks of this many numbers (4 MB).
_BLOCK_SIZE = 2**20


@dataclass(frozen=True)
class Samples:
    """Training samples: rows of a table of unscaled features, their targets and weights."""

    X: Any
    """Photos if the classifier has a visual model, otherwise the same as `features`."""
    features: Any
    """Array, or table on disk, with a row for each photo."""
    rows: np.ndarray
    """Rows of `features` that are samples, ascending: (n,)."""
    targets: np.ndarray
    """Positions of the labels among the classes: (n,)."""
    weight: np.ndarray | None = None
    """Sample weights (n,), or None."""

    def take(self, positions):
        """Select samples by their positions, ascending."""
        return replace(
            self,
            rows=self.rows[positions],
            targets=self.targets[positions],
            weight=None if self.weight is None else self.weight[positions],
        )

    def blocks(self):
        """Iterate over blocks of features (n, n_features) and their weights (n,) or None."""
        for part in row_blocks(self.features, len(self.rows)):
            weight = None if self.weight is None else self.weight[part]
            yield read_rows(self.features, self.rows[part]), weight

    def class_means(self, n_classes, scale=lambda block: block):
        """Compute the mean features (n_classes, n_features) and total weights (n_classes,)."""
        weight = np.ones(len(self.rows)) if self.weight is None else self.weight
        totals = np.bincount(self.targets, weight, n_classes)
        dtype = scale(read_rows(self.features, self.rows[:1])).dtype
        sums = np.zeros((n_classes, self.features.shape[1]), dtype)
        for part in row_blocks(self.features, len(self.rows)):
            block = scale(read_rows(self.features, self.rows[part]))
            present, row = np.unique(self.targets[part], return_inverse=True)
            entries = weight[part].astype(dtype), (row, np.arange(len(block)))
            sums[present] += csr_array(entries, shape=(len(present), len(block))) @ block
        return sums / np.where(totals > 0, totals, 1)[:, None], totals


@dataclass(frozen=True)
class ClassMeans:
    """Mean features of each class that the projection was trained on."""

    known: dict = field(default_factory=dict)
    """Mean features (n_features,) and total weight of each label."""

    def updated(self, samples, classes):
        """Include samples, whose targets are positions in `classes`: ClassMeans."""
        means, totals = samples.class_means(len(classes))
        known, labels = dict(self.known), classes.tolist()
        for row in np.flatnonzero(totals):
            label, total = labels[row], totals[row]
            mean, before = known.get(label, (means[row], 0))
            share = total / (before + total)
            known[label] = mean + share * (means[row] - mean), before + total
        return ClassMeans(known)

    def absent_from(self, samples, classes):
        """Return the means of known classes that samples lack, and their targets, or None."""
        present = set(classes[np.unique(samples.targets)].tolist())
        labels = [label for label in self.known if label not in present]
        if not labels:
            return None
        means = np.array([self.known[label][0] for label in labels])
        return means, np.searchsorted(classes, labels)


def join_means(means, totals, new_means, new_totals):
    """Join two means of each class (n_classes, n_features) and their total weights: both."""
    joined = totals + new_totals
    share = new_totals / np.maximum(joined, np.finfo(float).tiny)
    return means + share[:, None] * (new_means - means), joined


def is_on_disk(X):
    """Return whether X is a large memory map, or a dataset of HDF5 or zarr: bool."""
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap) and X.nbytes > _N_BYTES_IN_MEMORY
    # DataFrames, sparse matrices, tensors and arrays of other libraries are in memory.
    if any(
        hasattr(X, name) for name in ("iloc", "to_list", "tocsr", "__array_namespace__", "numpy")
    ):
        return False
    return all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))


def read_rows(features, rows):
    """Read rows (a slice, or ascending positions). Those on disk become float32."""
    if is_on_disk(features):
        return np.array(features[rows], dtype=np.float32)
    return features[rows]


def row_blocks(features, n_rows):
    """Split a number of rows into blocks that need little memory: list of slice."""
    size = max(1, _BLOCK_SIZE // features.shape[1])
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def map_blocks(compute, X):
    """Apply a function to blocks of features: (n_rows, n) from results of (n_block, n)."""
    first, *rest = row_blocks(X, len(X))
    results = compute(X[first])
    if rest:
        part, results = results, np.empty((len(X), results.shape[1]), results.dtype)
        results[first] = part
    for rows in rest:
        results[rows] = compute(X[rows])
    return results


def first_row(X):
    """Read the first row of a table, or entry of a column: array."""
    # pandas 2 looks up X[:1] by label if the index holds floats.
    return np.asarray(as_array(getattr(X, "iloc", X)[:1]))


def as_features(X, advice=_ADVICE):
    """Return features, and those of a tensor as an array. Photos, and arrays in a column, raise."""
    if isinstance(X, str | PathLike):
        raise TypeError(f"X is the path {str(X)!r}. Pass features: a row of numbers per sample.")
    if isinstance(X, Mapping):  # of HDF5, npz or safetensors files, or a Bunch
        raise TypeError(f"X holds several things: {name_some(list(X))}. Pass one of them.")
    is_column = hasattr(X, "to_numpy")  # or a table, of pandas or polars
    if is_column:
        entries = first_row(X).ravel()
        # A table of numbers can have thousands of columns.
        arrays = [entry for entry in entries if np.ndim(entry)] if entries.dtype == object else []
        first = arrays[0] if arrays else entries[0] if len(entries) == 1 else None
    else:
        first = X[0] if isinstance(X, list | tuple | np.ndarray) and len(X) else None
        is_column = isinstance(X, np.ndarray) and X.ndim == 1
    # Photos in archives have `open`, and PIL images have `getexif`.
    is_image = hasattr(first, "open") or hasattr(first, "getexif") or np.ndim(first) > 1
    if is_image or isinstance(first, str | bytes | PathLike):
        raise ValueError(f"X contains photos, but {advice}")
    if is_column and np.ndim(first) == 1:
        raise ValueError(
            "X has a column of arrays. Pass a table with one row per sample: np.stack(column)."
        )
    return as_array(X)


def check_features(estimator, X, *, reset):
    """Validate the form of features; values on disk are not read."""
    if is_on_disk(X):
        if len(X.shape) != 2 or 0 in X.shape or np.dtype(X.dtype).kind not in "biuf":
            raise ValueError(
                f"X has shape {tuple(X.shape)} and dtype {X.dtype}. Pass a table of numbers, with "
                "one row per sample."
            )
        return validate_data(estimator, X, skip_check_array=True, reset=reset)
    X = as_features(
        X,
        "visual=None expects features. Pass visual=VisualFeaturizer(...), or use a "
        "VisualFeaturizer as the first step of a Pipeline.",
    )
    options = {"dtype": [np.float32, np.float64], "ensure_all_finite": False}
    return validate_data(estimator, X, reset=reset, **options)


def training_data(estimator, X, y, sample_weight, *, reset=True):
    """Validate features in memory, their labels and weights or None. Weights of 0 drop samples."""
    y = check_targets(y)
    options = {"dtype": [np.float64, np.float32], "reset": reset}
    X, y = validate_data(estimator, as_features(X), y, **options)
    return weighted_samples(X, y, sample_weight)


def weighted_samples(X, y, sample_weight):
    """Select the samples of positive weight: X, y and their weights or None."""
    check_consistent_length(X, y)
    rows, weight = training_weights(sample_weight, y)
    if len(rows) < len(y):
        X, y = safe_indexing(indexable(X)[0], rows), y[rows]
    return X, y, weight


def training_weights(sample_weight, y, class_weight=None, partial=False):
    """Combine the weights of samples and classes: rows of positive weight, their weights or None.

    With `partial`, y may lack some of the classes that have a weight.
    """
    rows = np.arange(len(y))
    if sample_weight is None and class_weight is None:
        return rows, None
    weight = check_sample_weight(as_array(sample_weight), rows)
    if class_weight is not None:
        if partial:
            present = set(y.tolist())
            class_weight = {key: class_weight[key] for key in class_weight if key in present}
        weight = weight * compute_sample_weight(class_weight, y)
    weight = check_sample_weight(weight, rows, ensure_non_negative=True)
    rows = np.flatnonzero(weight)
    if not len(rows):
        raise ValueError("All sample weights are zero. Give some samples a positive weight.")
    return rows, weight[rows]


def finite_blocks(features, first=0, step=1):
    """Iterate over blocks of features. Raise ValueError if one contains NaN or infinity.

    `first` and `step` select some of the blocks.
    """
    for part in row_blocks(features, features.shape[0])[first::step]:
        block = read_rows(features, part)
        is_finite = np.isfinite(block).all(axis=1)
        if not is_finite.all():
            row = part.start + is_finite.argmin()
            raise ValueError(
                f"The features of X contain NaN or infinity in row {row}. Remove such rows, or "
                "impute them (unreadable photos have NaN features with on_error='nan')."
            )
        yield block


class FeatureScaler:
    """Scales features as the parameter `feature_scaling` says."""

    def __init__(self, scaling):
        self.scaling = scaling
        self.standard = None
        if scaling in ("centered", "standard"):
            self.standard = StandardScaler(with_std=scaling == "standard")

    def fit(self, blocks):
        """Fit the scaler on blocks of features and their weights, in addition to earlier ones."""
        if self.standard is not None:
            for block, weight in blocks:
                for rows in row_blocks(block, len(block)):
                    part = None if weight is None else weight[rows]
                    self.standard.partial_fit(self._unit_length(block[rows]), sample_weight=part)
        return self

    def __call__(self, features):
        """Scale features: (n, n_features)."""
        features = self._unit_length(features)
        if self.standard is None:
            return features
        # Features of unit length are a copy already.
        scaled = self.standard.transform(features, copy=self.scaling == "standard")
        return np.asarray(scaled)  # set_config may make it a table.

    def _unit_length(self, features):
        """Give each sample unit length, if the scaling does that."""
        return normalize(features) if self.scaling in ("centered", "l2") else features


def as_tensor(features):
    """Convert features to a float32 Tensor."""
    import torch

    # torch supports neither negative strides nor read-only memory.
    return torch.from_numpy(np.require(features, np.float32, ["C", "W"]))


def scaled_tensor(features, scale):
    """Scale a table of features into a float32 Tensor."""
    if scale.scaling == "none":
        return as_tensor(features)
    scaled = np.empty(features.shape, np.float32)
    for rows in row_blocks(features, len(features)):
        scaled[rows] = scale(features[rows])
    return as_tensor(scaled)


class FeaturesOnDisk:
    """Features on disk, indexed by a Tensor of rows. They are read and scaled when needed."""

    def __init__(self, features, scale):
        self.features = features
        self.scale = scale
        self.n_rows_at_once = max(1, _BLOCK_SIZE // features.shape[1])

    def __getitem__(self, rows):
        ascending, order = rows.sort()
        block = as_tensor(self.scale(read_rows(self.features, ascending.numpy())))
        return block[order.argsort()]


class FeaturesWithMeans:
    """Scaled features of a source of n_rows rows, and of class means in the rows after these."""

    def __init__(self, source, n_rows, means):
        self.source = source
        self.n_rows = n_rows
        self.means = means
        self.n_rows_at_once = getattr(source, "n_rows_at_once", 1)
        self.generator = getattr(source, "generator", None)

    def batches(self, rows):
        """Iterate over the features at each Tensor of rows. The next photos are decoded ahead."""
        from skdevise.training._net import examples

        rows, rows_ahead = tee(rows)
        of_source = (part[part < self.n_rows] for part in rows_ahead)
        features = examples(self.source, filter(len, of_source))
        for part in rows:
            is_mean = part >= self.n_rows
            batch = self.means[(part - self.n_rows).clamp_min(0)]
            if not is_mean.all():
                batch[~is_mean] = next(features)
            yield batch


def check_several(classes):
    """Raise ValueError if a ranking loss would have no false labels."""
    if len(classes) < 2:
        raise ValueError(
            f"y contains {len(classes)} class ({classes.tolist()}), but training needs at least 2. "
            "Add samples of another class."
        )


def join_labels(*parts):
    """Return the sorted union of labels from arrays and sequences."""
    arrays = []
    for part in parts:
        if isinstance(part, str | bytes) or not hasattr(part, "__iter__"):
            raise TypeError(f"classes must be a sequence of labels, got {part!r}. Pass a list.")
        if len(part):
            # The union is sorted, so a set needs no order.
            part = list(part) if isinstance(part, set | frozenset) else part
            arrays.append(check_targets(part, "classes"))
    if len({array.dtype.kind in "US" for array in arrays}) > 1:
        dtypes = ", ".join(str(array.dtype) for array in arrays)
        raise ValueError(f"y and classes mix text and numbers ({dtypes}). Pass labels of one type.")
    return np.unique(np.concatenate(arrays))
