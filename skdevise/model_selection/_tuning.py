"""Parameters that are chosen on held-out classes."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import column_or_1d, indexable

from skdevise._compat import safe_indexing
from skdevise._utils import draw_seed
from skdevise.metrics._generalized import generalized_scores, harmonic_mean
from skdevise.model_selection._splits import UnseenClassSplit
from skdevise.models._top_k import reach_classifier
from skdevise.training._early_stopping import hold_out_samples


def tune_seen_penalty(classifier, X, y, *, cv=None, test_size=0.2, random_state=None):
    """Choose `seen_penalty` on classes that are taken for unseen.

    In each split of `cv` some classes are left out of training, and of the others some samples
    are held out; the penalty is the one with the best harmonic mean of the accuracies on both,
    on average over the splits (calibrated stacking [1]_, section 3.1).

    Parameters
    ----------
    classifier : DeViSEClassifier, ConSEClassifier, or Pipeline that ends in one
        Cloned for each split; it stays as it is.
    X : array-like of shape (n_samples, n_features), or what the classifier takes
    y : array-like of shape (n_samples,)
    cv : int, splitter or iterable of splits, default=None
        Splits whose test classes do not occur in training: a number of them by `UnseenClassSplit`,
        or those given. None means three.
    test_size : float, default=0.2
        Share of the samples of the other classes that is held out.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    float
        At least 0: for `set_params(seen_penalty=...)`.

    Raises
    ------
    TypeError
        If the classifier has no such parameter.
    ValueError
        If `test_size` is no share, a class of a test occurs in training, or no class of the
        training part has a sample to spare.

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
    >>> few = (caltech.split == "seen")[caltech.target_names.searchsorted(caltech.target)]
    >>> X, y = caltech.data[few], caltech.target[few]
    >>> clf = DeViSEClassifier(load_term_vectors().embedder, max_epochs=3, random_state=0)
    >>> 0 < tune_seen_penalty(clf, X, y, random_state=0) < 1
    True
    """
    if not any(name.endswith("seen_penalty") for name in classifier.get_params()):
        raise TypeError(f"{type(classifier).__name__} has no parameter seen_penalty to choose.")
    if not 0 < test_size < 1:
        raise ValueError(f"test_size is a share between 0 and 1, got {test_size!r}.")
    X, y = indexable(X, y)
    y = column_or_1d(y)
    seed = draw_seed(random_state)
    labels = np.unique(y)
    cv = 3 if cv is None else cv
    cv = UnseenClassSplit(cv, random_state=seed) if isinstance(cv, Integral) else check_cv(cv)
    curves = []
    for train, unseen in cv.split(X, y):
        train, unseen = np.asarray(train), np.asarray(unseen)
        if np.isin(y[unseen], y[train]).any():
            raise ValueError(
                "In a split of cv classes that are tested as unseen occur in training: take "
                "UnseenClassSplit."
            )
        kept, held_out = (train[part] for part in hold_out_samples(y[train], test_size, seed))
        fitted = clone(classifier).fit(safe_indexing(X, kept), y[kept])
        tested = np.concatenate([held_out, unseen])
        model, points = reach_classifier(fitted, safe_indexing(X, tested))
        model.seen_penalty = 0.0
        scores = model.decision_function(points, labels=labels)
        curves.append(generalized_scores(y[tested], scores, labels=labels, seen=model.classes_))
    steps = np.unique(np.concatenate([curve.penalties for curve in curves]))
    steps = np.append(0, steps[steps > 0])
    between = (steps[1:] + steps[:-1]) / 2 if len(steps) > 1 else steps
    means = np.zeros(len(between))
    for curve in curves:
        place = np.searchsorted(curve.penalties, between)
        means += harmonic_mean(curve.seen_curve[place], curve.unseen_curve[place])
    return float(between[means.argmax()])
