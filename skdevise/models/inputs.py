"""What a fit is given, checked."""

from os import PathLike

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from skdevise._random import draw_seed
from skdevise.models.tables import Samples, is_streamed, parts, read


def check_training_set(clf, X, y, sample_weight, reset):
    """Refuse what cannot be trained on.

    Parameters
    ----------
    clf : DeViSEClassifier
    X, y, sample_weight
        As in its `fit`.
    reset : bool
        Whether X says how many features there are.

    Returns
    -------
    samples : Samples
        Without those of weight 0.
    y : ndarray of shape (n_samples,)
        All labels.
    """
    if clf.visual is None:
        X, y = check_features(clf, X, y, reset=reset)
    else:
        if not hasattr(X, "__len__"):
            raise ValueError(f"Images come as a sequence, got {type(X).__name__}.")
        if y is None:
            raise ValueError("DeViSEClassifier needs y, a label for each image, got None.")
        y = np.asarray(y)
        if y.shape != (len(X),):
            raise ValueError(f"{len(X)} images came with labels of shape {y.shape}.")
    if y.dtype.kind == "O" and len({isinstance(label, str) for label in y}) > 1:
        raise ValueError("y mixes text with other labels, or lacks some: give one kind.")
    if y.dtype.kind == "f":
        # Names never are a regression's targets, even where each stands for one photo.
        check_classification_targets(y)
    rows, weight = np.arange(len(y)), None
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        rows = np.flatnonzero(weight)
        if not len(rows):
            raise ValueError("All sample weights are zero: there is nothing to train on.")
        weight = weight[rows]
    return Samples(X, rows, weight, seed=draw_seed(clf.random_state)), y


def check_features(clf, X, *y, reset):
    """Refuse what is no matrix of finite features.

    Parameters
    ----------
    clf : DeViSEClassifier
    X : array-like, tensor, or table on disk
    *y : array-like of shape (n_samples,)
        In training alone.
    reset : bool

    Returns
    -------
    X : ndarray of float32 or float64, or table on disk
        With y, if that is given. Of a table that is asked for answers, each block is to be checked
        when it is read.
    """
    if is_streamed(X):
        return _check_table(clf, X, *y, reset=reset)
    _refuse_photos(X)
    if hasattr(X, "detach"):
        X = X.detach().cpu()
        # NumPy has no bfloat16.
        X = (X.float() if X.itemsize < 4 else X).numpy()
    checked = validate_data(
        clf, X, *y, dtype=[np.float32, np.float64], reset=reset, ensure_all_finite=False
    )
    refuse_nan(checked[0] if y else checked)
    return checked


def join_labels(*parts):
    """Give all labels of several arrays, sorted; text and numbers stay apart.

    Parameters
    ----------
    *parts : array-like of labels

    Returns
    -------
    ndarray of labels

    Raises
    ------
    ValueError
        If some are text and some are numbers, which NumPy would turn into text.

    Examples
    --------
    >>> join_labels(["dog"], [], ["cat", "dog"])
    array(['cat', 'dog'], dtype='<U3')
    """
    parts = [np.asarray(part) for part in parts if len(part)]
    for part in parts:
        if (part.dtype.kind in "US") != (parts[0].dtype.kind in "US"):
            raise ValueError(
                f"Labels of {part.dtype} came beside labels of {parts[0].dtype}: give all as "
                "text, or all as numbers."
            )
    return np.unique(np.concatenate(parts))


def _check_table(clf, X, *y, reset):
    """The same of a table that stays where it is."""
    if len(X.shape) != 2 or 0 in X.shape or np.dtype(X.dtype).kind not in "biuf":
        raise ValueError(
            f"X is a table of shape {tuple(X.shape)} and dtype {X.dtype}: it needs numbers, "
            "samples by features."
        )
    validate_data(clf, X, skip_check_array=True, reset=reset)
    if not y:
        return X
    y = column_or_1d(*y)
    check_consistent_length(X, y)
    for part in parts(X, len(y)):
        refuse_nan(read(X, part), part.start)
    return X, y


def _refuse_photos(X):
    first = X[0] if isinstance(X, list | tuple | np.ndarray) and len(X) else None
    if isinstance(first, str | PathLike) or hasattr(first, "getexif") or np.ndim(first) > 1:
        raise ValueError(
            "X holds photos, but visual=None takes features: give visual=VisualFeaturizer(...), or "
            "put one in front in a Pipeline."
        )


def refuse_nan(block, start=0):
    """Refuse features that are not finite.

    Parameters
    ----------
    block : ndarray of shape (n, n_features)
    start : int, default=0
        Row of its first one.

    Raises
    ------
    ValueError
        It names the first bad row.
    """
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        row = start + finite.argmin()
        # scikit-learn's own message advises other estimators.
        raise ValueError(
            f"X holds NaN or infinity, first in row {row}: leave such rows out, or fill them in."
        )
