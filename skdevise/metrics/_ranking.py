"""How good ranked labels are: hit@k and hierarchical precision@k."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d


def hit_at_k(y_true, y_top, k=1, *, sample_weight=None, average="sample"):
    """Share of samples whose true label is among the first k answers.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels.
    y_top : array-like of shape (n_samples, n_answers)
        Answers, the best first, each once; n_answers is at least k.
    k : int, default=1
    sample_weight : array-like of shape (n_samples,), default=None
    average : {"sample", "class"}, default="sample"
        "class" takes the mean over the samples of each true label, and then over labels.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If lengths differ, there are fewer than k answers a sample, or the weights give no mean.

    Examples
    --------
    >>> from skdevise.metrics import hit_at_k
    >>> hit_at_k(["cat", "dog"], [["cat", "dog"], ["cat", "dog"]], k=1)
    0.5
    """
    y_true, y_top = _check_answers(y_true, y_top, k)
    hits = (y_top[:, :k] == y_true[:, None]).any(axis=1)
    return _average(hits, y_true, sample_weight, average)


def hierarchical_precision_at_k(
    y_true, y_top, k, hierarchy, valid, *, sample_weight=None, average="sample"
):
    """Mean share of the first k answers that are close to the true label in a hierarchy.

    An answer is right if it is in the correct set of the true label at k: all valid labels within
    the least graph distance that gives at least k of them (DeViSE [1]_, appendix A.3). At k = 1 it
    equals hit@1, where the true labels are valid ones.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels, each in the hierarchy.
    y_top : array-like of shape (n_samples, n_answers)
        Answers, the best first, each once and in the hierarchy; n_answers is at least k.
    k : int
    hierarchy : Hierarchy
    valid : array-like of labels, or LabelVocabulary
        The labels that could be answered.
    sample_weight : array-like of shape (n_samples,), default=None
    average : {"sample", "class"}, default="sample"
        "class" takes the mean over the samples of each true label, and then over labels.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If lengths differ, there are fewer than k answers a sample, the weights give no mean, or
        the hierarchy lacks a label.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> from skdevise import Hierarchy
    >>> from skdevise.metrics import hierarchical_precision_at_k
    >>> tree = Hierarchy.from_edges(
    ...     [("animal", "cat"), ("animal", "dog"), ("dog", "beagle"), ("dog", "husky")]
    ... )
    >>> leaves = ["cat", "beagle", "husky"]
    >>> hierarchical_precision_at_k(["beagle"], [["husky", "cat"]], 2, tree, leaves)
    0.5
    """
    y_true, y_top = _check_answers(y_true, y_top, k)
    is_valid = np.zeros(len(hierarchy.labels), dtype=bool)
    is_valid[hierarchy.positions(valid)] = True
    starts = hierarchy.positions(y_true)
    answers = hierarchy.positions(y_top[:, :k].ravel()).reshape(-1, k)
    right = hierarchy.in_correct_sets(starts, answers, k, is_valid)
    return _average(right.mean(axis=1), y_true, sample_weight, average)


def _check_answers(y_true, y_top, k):
    y_true, y_top = column_or_1d(y_true), np.asarray(y_top)
    check_consistent_length(y_true, y_top)
    if not len(y_true):
        raise ValueError("There is no sample to score.")
    if not isinstance(k, Integral):
        raise ValueError(f"k is a whole number of at least 1, got {k!r}.")
    if y_top.ndim != 2 or not 1 <= k <= y_top.shape[1]:
        raise ValueError(
            f"k={k} needs answers of shape (n_samples, k or more), got shape {y_top.shape}."
        )
    if (y_true.dtype.kind in "US") != (y_top.dtype.kind in "US") and "O" not in (
        y_true.dtype.kind,
        y_top.dtype.kind,
    ):
        raise ValueError(
            f"True labels of {y_true.dtype} never equal answers of {y_top.dtype}: give both as "
            "text, or both as numbers."
        )
    return y_true, y_top


def check_weights(y_true, sample_weight):
    """Give the weights of samples as an array, or refuse them.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,)

    Returns
    -------
    ndarray of float, of shape (n_samples,)

    Raises
    ------
    ValueError
        If they give no mean.

    Examples
    --------
    >>> check_weights(["cat", "dog"], [1, 3])
    array([1., 3.])
    """
    check_consistent_length(y_true, sample_weight)
    weights = np.array(sample_weight, dtype=float)
    if weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError(
            "sample_weight holds a finite number of at least 0 for each sample, and some above 0."
        )
    return weights


def _average(values, y_true, sample_weight, average):
    if sample_weight is not None:
        sample_weight = check_weights(y_true, sample_weight)
    if average == "sample":
        return float(np.average(values, weights=sample_weight))
    if average != "class":
        raise ValueError(f"average is 'sample' or 'class', got {average!r}.")
    _, group = np.unique(y_true, return_inverse=True)
    weight = np.bincount(group, weights=sample_weight)
    total = np.bincount(group, weights=values if sample_weight is None else values * sample_weight)
    return float((total[weight > 0] / weight[weight > 0]).mean())
