"""Metrics of answers: hit@k, hierarchical precision@k, and the accuracy if some are rejected."""

import numpy as np
from sklearn.utils import check_consistent_length

from skdevise._columns import check_comparable, check_targets, check_weights
from skdevise._typing import ArrayLike, Average, Labels
from skdevise._utils import as_array, check_choice, check_count
from skdevise.labels import Hierarchy

AVERAGES = ("sample", "class")


def hit_at_k(
    y_true: ArrayLike,
    y_top: ArrayLike,
    k: int = 1,
    *,
    sample_weight: ArrayLike | None = None,
    average: Average = "sample",
) -> float:
    r"""Compute the share of samples whose true label is among the first k answers.

    .. math:: \text{hit@}k = \frac{1}{n} \sum_{i=1}^n [y_i \in \text{top-}k_i]

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_top : array-like of shape (n_samples, n_answers)
        Different answers to each sample, the best first, as `predict_top_k` returns them.
    k : int, default=1
        Number of answers that count, at most n_answers.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples. None weighs all equally.
    average : {"sample", "class"}, default="sample"
        "sample" averages over samples. "class" averages over the samples of each true label
        first, and then over labels. Use it if some labels have many more samples than others.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If lengths differ, `k` is out of range, or the weights are invalid.

    See Also
    --------
    HitAtK : The scorer, for a grid search.

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
    y_true: ArrayLike,
    y_top: ArrayLike,
    k: int,
    hierarchy: Hierarchy,
    valid: Labels,
    *,
    sample_weight: ArrayLike | None = None,
    average: Average = "sample",
) -> float:
    r"""Compute the mean share of the first k answers that are near the true label.

    .. math::
        \text{hp@}k = \frac{1}{n} \sum_{i=1}^n \frac{|\text{top-}k_i \cap C_k(y_i)|}{k}

    :math:`C_k(y)` is the correct set of the true label (DeViSE [1]_, appendix A.3): all valid
    labels within the smallest graph distance that gives at least k of them. See
    `Hierarchy.correct_set`. If all true labels are valid, hp@1 equals hit@1.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels. The hierarchy must have them.
    y_top : array-like of shape (n_samples, n_answers)
        Different answers to each sample, the best first. The hierarchy must have the first k.
    k : int
        Number of answers that count, at most n_answers.
    hierarchy : Hierarchy
        Graph in which distances are measured.
    valid : sequence of labels, or LabelVocabulary
        Labels that the classifier could choose from: the candidates.
    sample_weight, average
        See :func:`hit_at_k`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError
        If `hierarchy` is not a Hierarchy.
    ValueError
        If lengths differ, `k` is out of range, the weights are invalid, or the hierarchy lacks a
        label.

    See Also
    --------
    HierarchicalPrecisionAtK : The scorer, for a grid search.
    skdevise.inspection.HierarchicalPrecisionDisplay : Draws hp@k against k.

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
    check_hierarchy(hierarchy)
    y_true, y_top = _check_answers(y_true, y_top, k)
    is_valid = np.zeros(len(hierarchy.labels), dtype=bool)
    is_valid[hierarchy.positions(valid)] = True
    starts = hierarchy.positions(y_true)
    answers = hierarchy.positions(y_top[:, :k].ravel()).reshape(-1, k)
    is_correct = hierarchy.graph.in_correct_sets(starts, answers, k, is_valid)
    return _average(is_correct.mean(axis=1), y_true, sample_weight, average)


def rejection_curve(confidence, is_right, weight=None):
    """Compute shares of accepted answers, their accuracies and thresholds: arrays (n_thresholds,).

    An answer is accepted if its confidence is at least the threshold. The thresholds are the
    different confidences, in descending order.
    """
    weight = np.ones(len(confidence)) if weight is None else weight
    # Answers with equal confidence are accepted together.
    negative, step = np.unique(-confidence, return_inverse=True)
    total, n_right = (np.cumsum(np.bincount(step, w)) for w in (weight, weight * is_right))
    accuracy = np.divide(n_right, total, out=np.zeros(len(total)), where=total > 0)
    return total / total[-1], accuracy, -negative


def check_hierarchy(hierarchy):
    """Raise TypeError if an argument is not a Hierarchy."""
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(f"hierarchy={hierarchy!r} is invalid. Pass a Hierarchy.")


def _check_answers(y_true, y_top, k):
    """Validate true labels (n_samples,) and ranked answers (n_samples, n_answers)."""
    is_table = hasattr(y_top, "columns")  # The table of predict_top_k has a row for each answer.
    y_true, y_top = check_targets(y_true, "y_true", one_type=False), np.asarray(as_array(y_top))
    if y_top.dtype.kind == "T":  # NumPy compares its StringDType with text only.
        y_top = y_top.astype(object)
    if y_top.ndim != 2 or (is_table and len(y_top) != len(y_true)):
        raise ValueError(
            f"y_top has shape {y_top.shape}. Pass the array (n_samples, n_answers) of "
            "predict_top_k, or score an estimator with HitAtK."
        )
    check_consistent_length(y_true, y_top)
    if not len(y_true):
        raise ValueError("There are no samples. Pass at least one.")
    check_count("k", k)
    if k > y_top.shape[1]:
        raise ValueError(
            f"k={k} does not fit y_top of shape {y_top.shape}. Pass at least k answers per sample."
        )
    check_comparable(y_true=y_true, y_top=y_top)
    return y_true, y_top


def _average(values, y_true, sample_weight, average):
    """Average values (n_samples,) over samples, or over the samples of each label first."""
    row = {label: i for i, label in enumerate(dict.fromkeys(y_true.tolist()))}
    group = np.array([row[label] for label in y_true.tolist()])
    return float(np.average(values, weights=weigh_samples(group, sample_weight, average)))


def weigh_samples(group, sample_weight, average):
    """Return the weights of samples, which add up to 1 in each group with average="class"."""
    check_choice("average", average, AVERAGES)
    weight = np.ones(len(group)) if sample_weight is None else check_weights(group, sample_weight)
    if average == "sample":
        return weight
    total = np.bincount(group, weight)[group]
    return np.divide(weight, total, out=np.zeros(len(weight)), where=total > 0)
