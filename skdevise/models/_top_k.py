"""The k best labels of any classifier."""

from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdevise._ranking import best_columns
from skdevise._typing import Classifier, Inputs, Labels
from skdevise._utils import check_count

# Methods that score the classes, in order of preference.
_METHODS = ("decision_function", "predict_proba")


def predict_top_k(
    estimator: Classifier,
    X: Inputs,
    k: int = 5,
    labels: Labels | None = None,
    *,
    return_scores: bool = False,
    as_frame: bool = False,
) -> Any:
    """Predict the k best labels of each sample with any fitted classifier.

    A ``Pipeline`` and a grid search have no method `predict_top_k`. This function finds the
    classifier inside them. It also ranks the classes of scikit-learn's classifiers, by their
    `decision_function` or `predict_proba`.

    Parameters
    ----------
    estimator : fitted classifier, Pipeline or search
        A ``Pipeline`` that ends in a classifier, or a ``GridSearchCV`` of one, also works.
    X : array-like of shape (n_samples, n_features), or photos
        Samples that `estimator` accepts.
    k : int, default=5
        Number of labels to return for each sample.
    labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
        Candidate labels. Only the classifiers of skdevise accept them. None means the labels that
        `estimator.predict` chooses from.
    return_scores : bool, default=False
        If True, also return the scores of the labels.
    as_frame : bool, default=False
        If True, return a table of the labels and their scores.

    Returns
    -------
    labels : ndarray of shape (n_samples, k)
        The best label comes first.
    scores : ndarray of shape (n_samples, k)
        Scores of the labels by `decision_function`, or by `predict_proba` if a classifier has no
        `decision_function`. Only returned if `return_scores` is True.
    frame : DataFrame of n_samples * k rows
        Columns "rank" (from 1), "label" and "score". The index repeats the index of X, or the
        number of the sample. Only returned, in place of the arrays, if `as_frame` is True.

    Raises
    ------
    TypeError
        If the classifier does not accept `labels`, or if it does not score each class.
    ValueError
        If k is not an integer from 1 to the number of candidates.
    LabelWithoutVectorError
        If candidates have no vector. The error lists all of them in `missing`.

    See Also
    --------
    skdevise.metrics.hit_at_k : Measures the labels.
    skdevise.inspection.TopKDisplay : Draws them below their photos.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdevise.models import predict_top_k
    >>> clf = LogisticRegression().fit([[0], [0], [1], [1]], ["cat", "cat", "dog", "dog"])
    >>> predict_top_k(clf, [[1]], k=2).tolist()
    [['dog', 'cat']]
    >>> predict_top_k(clf, [[1], [0]], k=1, as_frame=True).round(2)
            rank label  score
    sample
    0          1   dog    0.4
    1          1   cat    0.4
    """
    index = X.index if hasattr(X, "iloc") else None
    estimator, X = reach_classifier(estimator, X)
    top, scores = _rank(estimator, X, k, labels, return_scores or as_frame)
    if as_frame:
        import pandas as pd

        n_samples, k = top.shape
        index = pd.RangeIndex(n_samples, name="sample") if index is None else index
        columns = {"rank": np.tile(np.arange(1, k + 1), n_samples), "label": top.ravel()}
        return pd.DataFrame(columns | {"score": scores.ravel()}, index=index.repeat(k))
    return (top, scores) if return_scores else top


def _rank(estimator, X, k, labels, return_scores):
    """Rank the labels of a classifier: labels (n, k), and scores (n, k) if asked for or at hand."""
    if hasattr(estimator, "predict_top_k"):
        if return_scores:
            return estimator.predict_top_k(X, k, labels, return_scores=True)
        return estimator.predict_top_k(X, k, labels), None
    if labels is not None:
        raise TypeError(
            f"{type(estimator).__name__} can only predict its training labels. Leave labels=None."
        )
    if getattr(estimator, "decision_function_shape", None) == "ovo":
        raise TypeError(f"{estimator} scores pairs of classes. Set decision_function_shape='ovr'.")
    method = next((name for name in _METHODS if hasattr(estimator, name)), None)
    if method is None:
        raise TypeError(
            f"{type(estimator).__name__} has neither decision_function nor predict_proba. Pass a "
            "fitted classifier, or a search with refit=True."
        )
    scores = getattr(estimator, method)(X)
    if isinstance(scores, list):
        raise TypeError(f"{type(estimator).__name__} predicts several targets. Fit it on one.")
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    check_count("k", k, most=scores.shape[1], what="candidates")
    best = best_columns(scores, k)
    return np.asarray(estimator.classes_)[best], np.take_along_axis(scores, best, axis=1)


def reach_classifier(estimator, X=None):
    """Find the classifier in a Pipeline or a search, and transform X (if given) up to it: both."""
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            if X is not None and len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        else:
            if X is not None and hasattr(estimator, "refit"):
                check_is_fitted(estimator)  # A search has no classifier before its fit.
            return estimator, X


def training_labels(classifier):
    """Return the training labels of a classifier: (n_classes,)."""
    if not hasattr(classifier, "classes_"):
        raise NotFittedError(
            f"{type(classifier).__name__} has no training labels. Fit a classifier first."
        )
    return classifier.classes_
