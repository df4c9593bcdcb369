"""Generalised zero-shot scores: seen and unseen labels compete."""

from collections.abc import Set
from typing import Any

import numpy as np
from scipy.stats import hmean
from sklearn.metrics import auc
from sklearn.utils import Bunch, check_array, check_consistent_length

from skdevise._columns import check_labels, check_targets, label_column, positions_in
from skdevise._ranking import rank_in_batches
from skdevise._typing import ArrayLike, Average, Labels
from skdevise._utils import as_array
from skdevise.metrics._ranking import weigh_samples


def generalized_scores(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    labels: Labels,
    seen: Labels | Set[Any],
    seen_penalty: float = 0.0,
    average: Average = "class",
    sample_weight: ArrayLike | None = None,
) -> Bunch:
    r"""Compute the accuracy on seen and on unseen labels when both are candidates.

    The answer to a sample is the candidate with the highest penalised score (calibrated stacking
    [1]_, eq. 3):

    .. math:: \hat y = \arg\max_c \; s_c(x) - \gamma \, [c \in \text{seen}]

    The harmonic mean of the accuracies S (seen) and U (unseen) is :math:`2 S U / (S + U)` [2]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, both seen and unseen ones.
    y_score : array-like of shape (n_samples, n_labels)
        Scores of the candidates, as `decision_function(X, labels)` returns them. Set the
        classifier's own `seen_penalty` to 0, because a penalty would be subtracted twice.
    labels : sequence of shape (n_labels,), LabelVocabulary or LabelSpace
        Candidates, in the order of the columns.
    seen : sequence or set of labels, or LabelVocabulary
        Training labels.
    seen_penalty : float, default=0.0
        Penalty :math:`\gamma`, subtracted from the scores of seen labels.
    average : {"class", "sample"}, default="class"
        "class" averages over the samples of each true label first, and then over labels [2]_.
        "sample" averages over samples.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples. None weighs all equally.

    Returns
    -------
    scores : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with these attributes.

        seen, unseen : float
            Accuracy on samples of seen and of unseen labels.
        harmonic_mean : float
            Harmonic mean of the two. It is 0 if one of them is 0.
        area : float
            Area under the curve of the two accuracies over all penalties (AUSUC [1]_).
        penalties : ndarray of shape (n_steps - 1,)
            Penalties at which the curve changes, ascending.
        seen_curve, unseen_curve : ndarray of shape (n_steps,)
            Accuracy in each interval of the penalty: below the first of `penalties`, between
            neighbours, and above the last.

    Raises
    ------
    ValueError
        If shapes differ, a true label is not a candidate, or all samples with a positive weight
        are of seen labels, or all are of unseen labels.

    References
    ----------
    .. [1] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016.
    .. [2] Xian et al., "Zero-shot learning - the good, the bad and the ugly", CVPR 2017.

    Examples
    --------
    >>> from skdevise.metrics import generalized_scores
    >>> y_score = [[0.9, 0.2], [0.6, 0.5]]  # a cat and a lynx; only "cat" is a training label
    >>> scores = generalized_scores(["cat", "lynx"], y_score, labels=["cat", "lynx"], seen=["cat"])
    >>> scores.seen, scores.unseen, scores.harmonic_mean, scores.area
    (1.0, 0.0, 0.0, 1.0)
    >>> scores.penalties.round(2), scores.seen_curve, scores.unseen_curve
    (array([0.1, 0.7]), array([1., 1., 0.]), array([0., 1., 1.]))
    """
    if not np.isfinite(seen_penalty):
        raise ValueError(f"seen_penalty={seen_penalty!r} is invalid. Use a finite number.")
    y_score, column, is_seen = _check_scores(y_true, y_score, labels, seen)
    of_seen = is_seen[column]
    share = weigh_samples(column, sample_weight, average)
    for name, group in (("seen", of_seen), ("unseen", ~of_seen)):
        if not share[group].any():
            raise ValueError(
                f"No sample has a positive weight and a label that is {name}. Pass samples of "
                "seen and of unseen labels."
            )
        share[group] /= share[group].sum()
    answer, _ = _best(y_score, seen_penalty * is_seen)
    hits = share * (answer == column)
    on_seen, on_unseen = hits[of_seen].sum(), hits[~of_seen].sum()

    # A penalty cannot change the best seen or the best unseen candidate of a sample, only which of
    # the two wins. The seen one wins until the penalty reaches their gap.
    best_seen, seen_scores = _best(y_score, np.where(is_seen, 0, np.inf))
    best_unseen, unseen_scores = _best(y_score, np.where(is_seen, np.inf, 0))
    gain = share * (np.where(of_seen, best_seen, best_unseen) == column)
    gap = seen_scores - unseen_scores
    penalties, step = np.unique(gap, return_inverse=True)
    lost, won = (
        np.append(0, np.cumsum(np.bincount(step, gain * of_group, minlength=len(penalties))))
        for of_group in (of_seen, ~of_seen)
    )
    seen_curve = lost[-1] - lost
    return Bunch(
        seen=float(on_seen),
        unseen=float(on_unseen),
        harmonic_mean=float(hmean([on_seen, on_unseen])),
        area=float(auc(won, seen_curve)),
        penalties=penalties,
        seen_curve=seen_curve,
        unseen_curve=won,
    )


def _best(y_score, offsets):
    """Find the column with the highest score minus offset, and this score: two (n_samples,)."""
    columns, scores = rank_in_batches(
        lambda part: part - offsets, y_score, len(offsets), 1, y_score.dtype
    )
    return columns[:, 0], scores[:, 0]


def _check_scores(y_true, y_score, labels, seen):
    """Return the scores, the column of each true label, and the columns of seen labels."""
    y_true = check_targets(y_true, "y_true", one_type=False)
    y_score = as_array(y_score)
    if np.asarray(y_score).dtype.kind in "USO":
        raise ValueError("y_score holds answers. Pass the scores of decision_function.")
    y_score = check_array(y_score, dtype=[np.float64, np.float32])
    check_consistent_length(y_true, y_score)
    labels = check_labels(getattr(labels, "labels", labels))
    if y_score.shape[1] != len(labels):
        raise ValueError(
            f"There are {len(labels)} labels but {y_score.shape[1]} columns of scores. Pass one "
            "column per label."
        )
    column = positions_in(labels, y_true)
    if (column < 0).any():
        unknown = sorted(set(map(str, y_true[column < 0].tolist())))
        raise ValueError(f"The true labels {unknown} are not candidates. Add them to labels.")
    seen = getattr(seen, "labels", seen)
    seen = seen if isinstance(seen, Set) else set(label_column(seen).tolist())
    return y_score, column, np.array([label in seen for label in labels.tolist()])
