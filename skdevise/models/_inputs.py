"""What a fit is given, checked."""

from numbers import Number
from os import PathLike

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skdevise._compat import check_sample_weight
from skdevise._utils import draw_seed
from skdevise.labels._label_index import label_array
from skdevise.labels._vocabulary import LabelVocabulary
from skdevise.models._tables import Samples, is_streamed, parts, read
from skdevise.training._early_stopping import hold_out_classes, hold_out_samples

# Features beyond this are refused: sums of their squares, as Adagrad keeps, overflow in float32.
MOST = 1e15


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
    if y is None:
        # scikit-learn's own words for it
        raise ValueError("DeViSEClassifier requires y to be passed, but the target y is None.")
    y = known_dtype(y)
    if clf.visual is None:
        X, y = check_features(clf, X, y, reset=reset)
    else:
        if not hasattr(X, "__len__"):
            raise ValueError(f"Images come as a sequence, got {type(X).__name__}.")
        if not len(X):
            raise ValueError("There are no images: give at least one of each of two labels.")
        y = np.asarray(y)
        if y.shape != (len(X),):
            raise ValueError(f"{len(X)} images came with labels of shape {y.shape}.")
    if y.dtype.kind == "O":
        for row, label in enumerate(y):
            if not isinstance(label, str | Number) or label != label:
                raise ValueError(f"y holds {label!r} in row {row}: a label is text or a number.")
        if len({isinstance(label, str) for label in y}) > 1:
            raise ValueError("y mixes text with numbers: give one kind of labels.")
    if y.dtype.kind == "f":
        # Names never are a regression's targets, even where each stands for one photo.
        check_classification_targets(y)
    rows, weight = np.arange(len(y)), None
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        rows = np.flatnonzero(weight)
        if not len(rows):
            raise ValueError("All sample weights are zero: there is nothing to train on.")
        weight = weight[rows]
    seed = draw_seed(
        0 if clf.random_state is None and clf.checkpoint is not None else clf.random_state
    )
    return Samples(X, rows, weight, seed=seed), y


def hold_out(clf, samples):
    """Set aside the samples that early stopping looks at, before anything is fitted to them.

    Parameters
    ----------
    clf : DeViSEClassifier
    samples : Samples

    Raises
    ------
    ValueError
        If they cannot be split.
    """
    if not clf.early_stopping:
        return
    split = hold_out_classes if clf.validation_split == "classes" else hold_out_samples
    samples.kept, samples.held_out = split(samples.targets, clf.validation_fraction, samples.seed)


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
    refuse_unusable(checked[0] if y else checked)
    return checked


def known_dtype(y):
    """Give labels of NumPy's StringDType, which scikit-learn does not know, as objects.

    Parameters
    ----------
    y : array-like of labels

    Returns
    -------
    array-like of labels

    Examples
    --------
    >>> known_dtype(["cat"])
    ['cat']
    """
    is_unknown = getattr(getattr(y, "dtype", None), "kind", None) == "T"
    return np.asarray(y, dtype=object) if is_unknown else y


def join_labels(*parts):
    """Give all labels of several arrays, sorted; text and numbers stay apart.

    Parameters
    ----------
    *parts : array-like of labels, or LabelVocabulary

    Returns
    -------
    ndarray of labels

    Raises
    ------
    ValueError
        If some are text and some are numbers, which NumPy would turn into text, or some are
        neither.

    Examples
    --------
    >>> join_labels(["dog"], [], ["cat", "dog"])
    array(['cat', 'dog'], dtype='<U3')
    """
    parts = [part for part in map(_labels_of, parts) if len(part)]
    for part in parts:
        if (part.dtype.kind in "US") != (parts[0].dtype.kind in "US"):
            raise ValueError(
                f"Labels of {part.dtype} came beside labels of {parts[0].dtype}: give all as "
                "text, or all as numbers."
            )
    return np.unique(np.concatenate(parts))


def _labels_of(part):
    if isinstance(part, LabelVocabulary):
        return part.labels
    if isinstance(part, np.ndarray) and part.ndim == 1 and part.dtype.kind in "biuU":
        return part
    if isinstance(part, str | bytes) or not hasattr(part, "__iter__"):
        raise TypeError(f"classes is a sequence of labels, got {part!r}: pass a list.")
    try:
        labels = label_array(part)
    except ValueError:  # lists of several lengths
        labels = np.empty((0, 0))
    if labels.ndim != 1:
        raise ValueError("classes is a one-dimensional sequence of labels, got lists of them.")
    for label in labels.tolist():
        if not isinstance(label, str | Number) or label != label:
            raise ValueError(f"classes holds {label!r}: a label is text or a number.")
    return labels


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
        refuse_unusable(read(X, part), part.start)
    return X, y


def _refuse_photos(X):
    first = X[0] if isinstance(X, list | tuple | np.ndarray) and len(X) else None
    if isinstance(first, str | PathLike) or hasattr(first, "getexif") or np.ndim(first) > 1:
        raise ValueError(
            "X holds photos, but visual=None takes features: give visual=VisualFeaturizer(...), or "
            "put one in front in a Pipeline."
        )


def refuse_unusable(block, start=0):
    """Refuse features that are not finite, or that would not stay so.

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
    most = np.maximum(block.max(axis=1), -block.min(axis=1))
    usable = most <= MOST
    if usable.all():
        return
    row = usable.argmin()
    if np.isfinite(most[row]):
        raise ValueError(
            f"X holds {most[row]:.3g} in row {start + row}, whose square is too large for float32: "
            "scale the features down."
        )
    # scikit-learn's own message advises other estimators.
    raise ValueError(
        f"X holds NaN or infinity, first in row {start + row}: leave such rows out, or fill them "
        "in."
    )
