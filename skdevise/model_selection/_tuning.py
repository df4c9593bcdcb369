"""Choice of parameters on held-out classes."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from skdevise._compat import safe_indexing
from skdevise._utils import draw_seed
from skdevise.labels._label_index import check_targets
from skdevise.metrics._generalized import generalized_scores, harmonic_mean
from skdevise.model_selection._splits import UnseenClassSplit
from skdevise.models._top_k import reach_classifier
from skdevise.training._early_stopping import hold_out_samples


def tune_seen_penalty(classifier, X, y, *, cv=None, test_size=0.2, random_state=None):
    """Choose `seen_penalty` on classes that are held out of training.

    Each split holds out some classes as unseen, and some samples of the other classes. The result
    is the penalty with the best harmonic mean of the accuracies on both, averaged over the splits
    (calibrated stacking [1]_, section 3.1). Pass it to `set_params(seen_penalty=...)`.

    Parameters
    ----------
    classifier : classifier with a parameter `seen_penalty`, or Pipeline that ends in one
        Estimator to tune. It is cloned for each split and stays unchanged.
    X : array-like of shape (n_samples, n_features), or images
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
    if not any(name.endswith("seen_penalty") for name in classifier.get_params()):
        raise TypeError(
            f"{type(classifier).__name__} has no parameter seen_penalty. Pass a zero-shot "
            "classifier of skdevise."
        )
    if not 0 < test_size < 1:
        raise ValueError(f"test_size={test_size!r} is invalid. Use a share between 0 and 1.")
    y = check_targets(y)
    X, y = indexable(X, y)
    seed = draw_seed(random_state)
    labels = np.unique(y)
    cv = 3 if cv is None else cv
    if isinstance(cv, Integral) and cv < 1:
        raise ValueError(f"cv={cv!r} is invalid. Use a whole number from 1, or a splitter.")
    cv = UnseenClassSplit(cv, random_state=seed) if isinstance(cv, Integral) else check_cv(cv)
    curves = []
    for train, unseen in cv.split(X, y):
        train, unseen = np.asarray(train), np.asarray(unseen)
        if np.isin(y[unseen], y[train]).any():
            raise ValueError("A split of cv trains on its test classes. Use UnseenClassSplit.")
        kept, held_out = (train[part] for part in hold_out_samples(y[train], test_size, seed))
        fitted = clone(classifier).fit(safe_indexing(X, kept), y[kept])
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
        means += harmonic_mean(curve.seen_curve[place], curve.unseen_curve[place])
    return float(middles[means.argmax()])
