"""Choice of parameters on held-out classes."""

from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import hmean
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from skdevise._columns import check_targets
from skdevise._compat import safe_indexing
from skdevise._typing import ArrayLike, Classifier, Inputs, RandomState
from skdevise._utils import check_count, draw_seed
from skdevise.metrics import generalized_scores
from skdevise.metrics._ranking import rejection_curve
from skdevise.model_selection._splits import UnseenClassSplit
from skdevise.models._top_k import reach_classifier
from skdevise.training._early_stopping import hold_out_samples


def tune_seen_penalty(
    classifier: Classifier,
    X: Inputs,
    y: ArrayLike,
    *,
    cv: Any = None,
    test_size: float = 0.2,
    random_state: RandomState = None,
) -> float:
    """Choose `seen_penalty` on classes that are held out of training.

    Each split holds out some classes as unseen, and some samples of the other classes. The result
    is the penalty with the best harmonic mean of the accuracies on both, averaged over the splits
    (calibrated stacking [1]_, section 3.1). Pass it to `set_params(seen_penalty=...)`.

    With fewer than about 30 classes, the result is rough. It is often too high if you have at least
    as many unseen candidates as training labels, because a split has only few unseen candidates.

    Parameters
    ----------
    classifier : classifier with a parameter `seen_penalty`, or Pipeline that ends in one
        Estimator to tune, which must be able to predict unseen labels. It is cloned for each split
        and stays unchanged.
    X : array-like of shape (n_samples, n_features), or photos
        Training samples, as the classifier takes them.
    y : array-like of shape (n_samples,)
        Labels of the samples: at least three classes.
    cv : int, splitter or iterable of splits, default=None
        Splits whose test classes are absent from training. An int is the number of splits of
        `UnseenClassSplit`. None means 3.
    test_size : float, default=0.2
        Share of the samples of the other classes that each split holds out.
    random_state : int, RandomState instance or None, default=None
        Seed of the splits. Pass an int for the same result in every run.

    Returns
    -------
    float
        The best penalty, at least 0.

    Raises
    ------
    TypeError
        If the classifier has no parameter `seen_penalty`.
    ValueError
        If `cv` or `test_size` is invalid, a test class occurs in training, or every training class
        has only one sample.

    References
    ----------
    .. [1] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from skdevise import DeViSEClassifier
    >>> from skdevise.datasets import load_caltech101_features, load_term_vectors
    >>> from skdevise.model_selection import tune_seen_penalty
    >>> caltech = load_caltech101_features()
    >>> rows = (caltech.split == "seen")[caltech.target_names.searchsorted(caltech.target)]
    >>> X, y = caltech.data[rows], caltech.target[rows]
    >>> clf = DeViSEClassifier(load_term_vectors().embedder, max_epochs=3, random_state=0)
    >>> 0 < tune_seen_penalty(clf, X, y, random_state=0) < 1
    True
    """
    _check_parameter(classifier, "seen_penalty")
    if not 0 < test_size < 1:
        raise ValueError(f"test_size={test_size!r} is invalid. Use a share between 0 and 1.")
    X, y = indexable(X, check_targets(y))
    seed = draw_seed(random_state)
    labels = np.unique(y)
    curves = []
    for train, unseen in _unseen_splits(cv, X, y, seed):
        kept, held_out = (train[part] for part in hold_out_samples(y[train], test_size, seed))
        fitted = clone(classifier)
        last, _ = reach_classifier(fitted)
        if "calibrate" in last.get_params():
            last.set_params(calibrate=False, reject_below=None)
        fitted.fit(safe_indexing(X, kept), y[kept])
        tested = np.concatenate([held_out, unseen])
        model, points = reach_classifier(fitted, safe_indexing(X, tested))
        model.seen_penalty = 0.0
        scores = model.decision_function(points, labels=labels)
        curves.append(generalized_scores(y[tested], scores, labels=labels, seen=model.classes_))
    # The accuracies change only at these penalties, so the middle of each interval is tried.
    steps = np.unique(np.concatenate([curve.penalties for curve in curves]))
    steps = np.append(0, steps[steps > 0])
    middles = (steps[1:] + steps[:-1]) / 2 if len(steps) > 1 else steps
    means = np.zeros(len(middles))
    for curve in curves:
        place = np.searchsorted(curve.penalties, middles)
        means += hmean([curve.seen_curve[place], curve.unseen_curve[place]])
    return float(middles[means.argmax()])


def tune_reject_below(
    classifier: Classifier,
    X: Inputs,
    y: ArrayLike,
    *,
    min_accuracy: float = 0.5,
    unknown_share: float = 0.5,
    cv: Any = None,
    random_state: RandomState = None,
) -> float:
    """Choose `reject_below` on classes that are held out of training.

    Each split holds out some classes. A part of them becomes the candidates. The samples of the
    other held-out classes have no right answer, and should be rejected. The result is the lowest
    threshold with which at least `min_accuracy` of the accepted answers are right. Pass it to
    `set_params(reject_below=...)`.

    Parameters
    ----------
    classifier : classifier with a parameter `reject_below`, or Pipeline that ends in one
        Estimator to tune, which must be able to predict unseen labels. It is cloned for each split
        and stays unchanged.
    X : array-like of shape (n_samples, n_features), or photos
        Training samples, as the classifier takes them.
    y : array-like of shape (n_samples,)
        Labels of the samples. Each split must hold out at least two classes.
    min_accuracy : float, default=0.5
        Share of the accepted answers that must be right, above 0 and at most 1. Raise it if a wrong
        answer costs more than no answer.
    unknown_share : float, default=0.5
        Share of the held-out classes that are not candidates, from 0 to below 1. Lower it if most
        of your samples have their label among the candidates. 0 assumes that all have. Two
        held-out classes always stay candidates, so hold out more of them.
    cv : int, splitter or iterable of splits, default=None
        Splits whose test classes are absent from training. An int is the number of splits of
        `UnseenClassSplit`. None means 3.
    random_state : int, RandomState instance or None, default=None
        Seed of the splits. Pass an int for the same result in every run.

    Returns
    -------
    float
        The threshold, from 0 to 1. It is 0 if all answers may be accepted.

    Raises
    ------
    TypeError
        If the classifier has no parameter `reject_below`.
    ValueError
        If no threshold reaches `min_accuracy`. The error states the best accuracy. Also if `cv` or
        a share is invalid, a split holds out one class, a test class occurs in training, the
        classifier only predicts training labels, or it has no probabilities.

    Examples
    --------
    >>> from skdevise import ESZSLClassifier
    >>> from skdevise.datasets import load_caltech101_features, load_term_vectors
    >>> from skdevise.model_selection import tune_reject_below
    >>> caltech = load_caltech101_features()
    >>> rows = (caltech.split == "seen")[caltech.target_names.searchsorted(caltech.target)]
    >>> X, y = caltech.data[rows], caltech.target[rows]
    >>> clf = ESZSLClassifier(load_term_vectors().embedder)
    >>> threshold = tune_reject_below(clf, X, y, min_accuracy=0.6, random_state=0)
    >>> 0 < threshold < 1
    True
    """
    _check_parameter(classifier, "reject_below")
    if not 0 < min_accuracy <= 1:
        raise ValueError(
            f"min_accuracy={min_accuracy!r} is invalid. Use a share above 0, at most 1."
        )
    if not 0 <= unknown_share < 1:
        raise ValueError(f"unknown_share={unknown_share!r} is invalid. Use a share below 1.")
    if not getattr(reach_classifier(classifier)[0], "calibrate", True):
        raise ValueError("A threshold needs probabilities. Set calibrate=True.")
    X, y = indexable(X, check_targets(y))
    seed = draw_seed(random_state)
    confidence, is_right = [], []
    for train, unseen in _unseen_splits(cv, X, y, seed):
        held_out = np.random.default_rng(seed).permutation(np.unique(y[unseen]))
        if len(held_out) < 2:
            raise ValueError(
                "A split holds out 1 class, so every answer would be right. Pass "
                "cv=UnseenClassSplit(test_size=2), or samples of more classes."
            )
        fitted = clone(classifier).fit(safe_indexing(X, train), y[train])
        model, points = reach_classifier(fitted, safe_indexing(X, unseen))
        # The confidence of a single candidate is always 1 in some classifiers.
        n_unknown = min(int(unknown_share * len(held_out)), len(held_out) - 2)
        candidates = held_out[n_unknown:]
        values = model.predict_confidence(points, labels=candidates)
        confidence.append(values.max(axis=1))
        is_right.append(candidates[values.argmax(axis=1)] == y[unseen])
    accepted, accuracy, thresholds = rejection_curve(
        np.concatenate(confidence), np.concatenate(is_right)
    )
    is_enough = np.flatnonzero(accuracy >= min_accuracy)
    if not len(is_enough):
        raise ValueError(
            f"No threshold reaches min_accuracy={min_accuracy}. The best accuracy is "
            f"{accuracy.max():.2f}. Lower min_accuracy."
        )
    last = is_enough[-1]
    return 0.0 if accepted[last] == 1 else float(thresholds[last])


def _check_parameter(classifier, parameter):
    """Check that a classifier, or the last step of a Pipeline, can be tuned on unseen labels."""
    if not any(name.endswith(parameter) for name in classifier.get_params()):
        raise TypeError(
            f"{type(classifier).__name__} has no parameter {parameter}. Pass a zero-shot "
            "classifier of skdevise."
        )
    # A clone has the parameters of the next fit only.
    classifier, _ = reach_classifier(clone(classifier))
    if not getattr(classifier, "_answers_unseen", True):
        raise ValueError(
            f"{type(classifier).__name__} only predicts training labels, so held-out classes "
            f"cannot tune {parameter}. Use another classifier, or choose a threshold with a "
            "RejectionCurveDisplay of held-out samples."
        )


def _unseen_splits(cv, X, y, seed):
    """Iterate over the positions of training samples and of samples of unseen classes."""
    cv = 3 if cv is None else cv
    if isinstance(cv, Integral):  # A bool, too.
        check_count("cv", cv)
        cv = UnseenClassSplit(cv, random_state=seed)
    cv = check_cv(cv)
    for train, unseen in cv.split(X, y):
        train, unseen = np.asarray(train), np.asarray(unseen)
        if np.isin(y[unseen], y[train]).any():
            raise ValueError("A split of cv trains on its test classes. Use UnseenClassSplit.")
        yield train, unseen
