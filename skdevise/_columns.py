"""Read columns of labels from lists, arrays and tables of any library."""

import re
from collections import Counter
from collections.abc import KeysView, Mapping, Set
from numbers import Number

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skdevise._bounded import check_padding
from skdevise._compat import check_sample_weight
from skdevise._utils import as_array

SYNSET_ID = re.compile(r"n\d{8}")


def label_array(labels):
    """Turn labels into a new array that keeps 1 and "1" apart: (n_labels,)."""
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    check_padding([label for label in labels if isinstance(label, str)])
    try:
        array = np.array(labels)
    except ValueError as error:  # Lists of several lengths.
        raise ValueError("Some labels are lists. Pass a one-dimensional sequence.") from error
    if array.ndim != 1 or array.tolist() == labels:
        return array
    # NumPy would turn numbers into text, or shorten labels.
    return np.array(labels, dtype=object)


def label_column(labels):
    """Turn labels in a sequence or a column of any library into an array: (n_labels,).

    Objects become text or numbers where all of them are, because scikit-learn refuses objects.
    """
    check_sequence(labels)
    refuse_unordered(labels, "labels")
    labels = as_array(labels)
    if not hasattr(labels, "__array__"):
        return label_array(labels)
    array = np.asarray(labels)
    if array.dtype.kind not in "OT":
        return array
    return label_array(array) if array.ndim == 1 else array.astype(object)


def check_sequence(values, name="labels"):
    """Raise TypeError for one value."""
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise TypeError(f"The {name} must be a sequence, got {values!r:.80}. Pass a list.")


def check_types(labels):
    """Raise ValueError unless labels are text or numbers, and not NaN."""
    for label in labels:
        if not isinstance(label, str | Number) or label != label:
            raise ValueError(f"{label!r:.80} cannot be a label. Use text or numbers.")


def check_labels(labels):
    """Validate labels: a new one-dimensional array of unique text or numbers."""
    array = np.array(label_column(labels))
    if not array.size:
        raise ValueError("There are no labels to choose from. Pass at least one.")
    if array.ndim != 1:
        raise ValueError(f"Labels have {array.ndim} dimensions. Pass a one-dimensional sequence.")
    labels = array.tolist()
    if array.dtype.kind != "U":
        check_types(labels)
    if len(set(labels)) < len(labels):
        repeated = [label for label, n in Counter(labels).items() if n > 1]
        raise ValueError(f"The labels {repeated[:5]} occur more than once. Pass each label once.")
    return array


def positions_in(known, labels):
    """Find the position of each label in an array of known ones, or -1: int (n_labels,)."""
    position = {label: i for i, label in enumerate(known.tolist())}
    return np.array([position.get(label, -1) for label in labels.tolist()], dtype=int)


def is_missing(value):
    """Return whether a value is None, NaN, or a missing value of pandas: bool."""
    return pd.isna(value) is True


def entries(column):
    """List the entries of a sequence or column; those of pyarrow become Python objects."""
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def name_some(labels, n_shown=20):
    """List the first labels as text, WordNet ids with their terms, and count the others."""
    names = ", ".join(map(_with_term, labels[:n_shown]))
    return f"{names} and {len(labels) - n_shown:,} more" if len(labels) > n_shown else names


def _with_term(label):
    """Write a label, and the first term of a WordNet id behind it."""
    if isinstance(label, str) and SYNSET_ID.fullmatch(label):
        from skdevise.labels import Hierarchy  # It stands above this module.

        wordnet = Hierarchy.wordnet()
        if label in wordnet:
            return f"{label!r} ({wordnet.terms(label)[0]})"
    return repr(label)


def by_label(values, labels, name, index=None):
    """Validate the parameter `name`: a Mapping of labels to values, or a list of one per label.

    A pandas Series is a mapping if its index holds labels. `index` is that of the labels, if any.
    """
    check_sequence(values, name)
    if isinstance(values, Mapping):
        return values
    if hasattr(values, "iloc"):
        keys = values.index
        # Labels and values may be columns of one table.
        is_aligned = hasattr(index, "equals") and index.equals(keys)
        counts_rows = keys.tolist() == list(range(len(keys)))
        if not is_aligned and (not counts_rows or any(label in keys for label in labels)):
            if not keys.is_unique:
                raise ValueError("The index of a Series repeats labels. Give each label one entry.")
            return dict(values.items())
    refuse_unordered(values, name)
    values = entries(values)
    if len(values) != len(labels):
        raise ValueError(
            f"There are {len(labels)} labels but {len(values)} {name}. Pass one per label."
        )
    return values


def refuse_unordered(values, name):
    """Raise TypeError for a set, which has no order, and for a table of several columns."""
    if isinstance(values, Set) and not isinstance(values, KeysView):
        raise TypeError(f"The {name} {values!r:.80} are a set, which has no order. Pass a list.")
    is_table = hasattr(values, "columns") or hasattr(values, "column_names")
    if is_table and values.shape[1] != 1:
        raise TypeError(
            f"The {name} are a table of {values.shape[1]} columns. Pass one of its columns."
        )


def check_targets(y, name="y", one_type=True):
    """Validate the labels of samples: (n_samples,) text or numbers, without missing values.

    Metrics set `one_type` to False: true labels may be of both types, and a column is welcome.
    """
    if y is None:
        # scikit-learn's checks expect this wording.
        raise ValueError("fit requires y to be passed, but the target y is None. Pass the labels.")
    if isinstance(y, Mapping):
        raise TypeError(f"{name} is a {type(y).__name__}. Pass a sequence with one label per row.")
    y = column_or_1d(label_column(y) if hasattr(y, "__iter__") else y, warn=one_type)
    if y.dtype.kind == "O":
        y = label_array(y)  # A table of one column still holds objects.
        for row, label in enumerate(y):
            if not isinstance(label, str | Number) or label != label:
                raise ValueError(
                    f"{name} contains {label!r} in row {row}. Pass labels that are text or numbers."
                )
        if one_type and len({isinstance(label, str) for label in y}) > 1:
            raise ValueError(f"{name} mixes text and numbers. Pass labels of one type.")
    elif y.dtype.kind == "f":
        assert_all_finite(y, input_name=name)
        check_classification_targets(y)
    return y


def check_comparable(**labels):
    """Raise ValueError if, of two arrays of labels, one holds text and the other one numbers."""
    kinds = [array.dtype.kind for array in labels.values()]
    if "O" not in kinds and (kinds[0] in "US") != (kinds[1] in "US"):
        (name, array), (other_name, other) = labels.items()
        raise ValueError(
            f"{name} has dtype {array.dtype} but {other_name} {other.dtype}. Pass both as text or "
            "both as numbers."
        )


def check_weights(values, sample_weight):
    """Validate the weights of samples: float (n_samples,), not negative, and some are above 0."""
    check_consistent_length(values, sample_weight)
    options = {"ensure_non_negative": True, "copy": True}
    weights = check_sample_weight(as_array(sample_weight), values, **options)
    if not weights.any():  # scikit-learn 1.7 accepts zeros.
        raise ValueError("sample_weight has only zeros. Pass at least one number above 0.")
    return weights
