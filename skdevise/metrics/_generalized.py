"""Seen and unseen labels in one answer: generalised zero-shot scores."""

import numpy as np
from sklearn.metrics import auc
from sklearn.utils import (
    Bunch,
    check_array,
    check_consistent_length,
    column_or_1d,
)

from skdevise.metrics._ranking import check_weights


def generalized_scores(
    y_true, y_score, *, labels, seen, seen_penalty=0.0, average="class", sample_weight=None
):
    """Accuracy on samples of seen and of unseen labels, where all of them are candidates.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels, seen ones and unseen ones.
    y_score : array-like of shape (n_samples, n_labels)
        Scores of the candidates, as `decision_function(X, labels)` gives them; where the curve is
        wanted, of a classifier whose own `seen_penalty` is 0.
    labels : array-like of shape (n_labels,), LabelVocabulary or LabelSpace
        The candidates, a column each.
    seen : array-like of labels, or LabelVocabulary
        The training labels.
    seen_penalty : float, default=0.0
        Taken off the scores of seen labels (calibrated stacking [1]_, eq. 3).
    average : {"class", "sample"}, default="class"
        Mean over the samples of each true label and then over labels, as is the custom [2]_, or
        over samples.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    scores : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        seen, unseen : float
            Accuracy on the samples of seen and of unseen labels.
        harmonic_mean : float
            Of the two; 0 if one of them is.
        area : float
            Under the curve of the two as the penalty goes from one end to the other [1]_.
        penalties : ndarray of shape (n_steps - 1,)
            Where the curve has its steps, ascending.
        seen_curve, unseen_curve : ndarray of shape (n_steps,)
            Accuracies before the first of these penalties, between each two, and after the last.

    Raises
    ------
    ValueError
        If shapes differ, a true label is no candidate, or samples of either kind are missing or
        without weight.

    References
    ----------
    .. [1] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016.
    .. [2] Xian et al., "Zero-shot learning - the good, the bad and the ugly", CVPR 2017.

    Examples
    --------
    >>> from skdevise.metrics import generalized_scores
    >>> y_score = [[0.9, 0.2], [0.6, 0.5]]  # a cat and a lynx; only the cat was seen
    >>> scores = generalized_scores(["cat", "lynx"], y_score, labels=["cat", "lynx"], seen=["cat"])
    >>> scores.seen, scores.unseen, scores.harmonic_mean, scores.area
    (1.0, 0.0, 0.0, 1.0)
    >>> scores.penalties.round(2), scores.seen_curve, scores.unseen_curve
    (array([0.1, 0.7]), array([1., 1., 0.]), array([0., 1., 1.]))
    """
    if average not in ("class", "sample"):
        raise ValueError(f"average is 'class' or 'sample', got {average!r}.")
    if not np.isfinite(seen_penalty):
        raise ValueError(f"seen_penalty is a finite number, got {seen_penalty!r}.")
    y_true, y_score, column, is_seen = _check(y_true, y_score, labels, seen)
    of_seen = is_seen[column]
    share = _shares(column, of_seen, average, sample_weight)
    answers = (y_score - seen_penalty * is_seen).argmax(axis=1)
    on_seen, on_unseen = (share[kind] @ (answers == column)[kind] for kind in (of_seen, ~of_seen))

    # Among the candidates of its own kind a sample is right or wrong whatever the penalty; a seen
    # one stays right until the penalty reaches its gap, an unseen one is right from there on.
    best_seen, best_unseen = (np.where(kind, y_score, -np.inf) for kind in (is_seen, ~is_seen))
    among = np.where(of_seen[:, None], best_seen, best_unseen).argmax(axis=1)
    gain = share * (among == column)
    penalties, step = np.unique(
        best_seen.max(axis=1) - best_unseen.max(axis=1), return_inverse=True
    )
    lost, won = (
        np.append(0, np.cumsum(np.bincount(step, gain * kind, minlength=len(penalties))))
        for kind in (of_seen, ~of_seen)
    )
    seen_curve = lost[-1] - lost
    return Bunch(
        seen=float(on_seen),
        unseen=float(on_unseen),
        harmonic_mean=float(harmonic_mean(on_seen, on_unseen)),
        area=float(auc(won, seen_curve)),
        penalties=penalties,
        seen_curve=seen_curve,
        unseen_curve=won,
    )


def _check(y_true, y_score, labels, seen):
    """What is scored, the column of each true label, and which columns are of seen labels."""
    y_true, y_score = column_or_1d(y_true), check_array(y_score, dtype=[np.float64, np.float32])
    check_consistent_length(y_true, y_score)
    labels = list(getattr(labels, "labels", labels))
    columns = {label: i for i, label in enumerate(labels)}
    if len(columns) < len(labels):
        raise ValueError("labels holds some several times: each is one column of the scores.")
    if y_score.shape[1] != len(columns):
        raise ValueError(f"{len(columns)} labels came with scores of {y_score.shape[1]} columns.")
    unknown = sorted({str(label) for label in y_true.tolist() if label not in columns})
    if unknown:
        raise ValueError(f"The true labels {unknown} are not among the candidates.")
    if isinstance(seen, str):
        raise TypeError(f"Expected a sequence of labels, got {seen!r}: pass a list.")
    seen = set(getattr(seen, "labels", seen))
    is_seen = np.array([label in seen for label in columns])
    column = np.array([columns[label] for label in y_true.tolist()])
    for name, kind in (("seen", is_seen), ("unseen", ~is_seen)):
        if not kind[column].any():
            raise ValueError(f"No sample is of {name} labels: both kinds are needed.")
    return y_true, y_score, column, is_seen


def _shares(column, of_seen, average, sample_weight):
    """Weights of samples that add up to 1 over each kind."""
    weight = np.ones(len(column)) if sample_weight is None else check_weights(column, sample_weight)
    if average == "class":
        total = np.bincount(column, weight)[column]
        weight = np.divide(weight, total, out=np.zeros(len(weight)), where=total > 0)
    for name, kind in (("seen", of_seen), ("unseen", ~of_seen)):
        if not weight[kind].any():
            raise ValueError(f"No sample of {name} labels has a weight: both kinds are needed.")
        weight[kind] /= weight[kind].sum()
    return weight


def harmonic_mean(a, b):
    both = np.asarray(a + b)
    return np.divide(2 * a * b, both, out=np.zeros(both.shape), where=both > 0)
