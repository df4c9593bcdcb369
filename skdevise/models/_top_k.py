"""The best answers of any classifier."""

import numpy as np
from sklearn.pipeline import Pipeline

from skdevise.labels._search import best_columns


def predict_top_k(estimator, X, k=5, labels=None):
    """Name the k best labels of each sample, by any fitted classifier.

    A `Pipeline` or a search over parameters forwards `predict`, but no method that is not
    scikit-learn's own; this function finds the classifier in them. One that knows no `labels` is
    ranked by its `decision_function` or `predict_proba`.

    Parameters
    ----------
    estimator : fitted classifier, Pipeline, or search over parameters
    X : array-like of shape (n_samples, n_features), or what the estimator takes
    k : int, default=5
    labels : LabelVocabulary or array-like of shape (n_labels,), default=None
        The candidates, for a classifier that can swap them.

    Returns
    -------
    ndarray of shape (n_samples, k)
        The best first.

    Raises
    ------
    TypeError
        If `labels` are given for a classifier that cannot swap its own, or its scores are not of
        classes.
    ValueError
        If k exceeds the number of candidates.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdevise.models import predict_top_k
    >>> clf = LogisticRegression().fit([[0], [0], [1], [1]], ["cat", "cat", "dog", "dog"])
    >>> predict_top_k(clf, [[1]], k=2).tolist()
    [['dog', 'cat']]
    """
    estimator, X = reach_classifier(estimator, X)
    if hasattr(estimator, "predict_top_k"):
        return estimator.predict_top_k(X, k, labels)
    if labels is not None:
        raise TypeError(
            f"{type(estimator).__name__} answers with the labels of its training only: "
            "leave labels=None."
        )
    if getattr(estimator, "decision_function_shape", None) == "ovo":
        raise TypeError(f"{estimator} scores pairs of classes: set decision_function_shape='ovr'.")
    method = "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"
    scores = getattr(estimator, method)(X)
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k={k} is out of range: there are {scores.shape[1]} classes.")
    return np.asarray(estimator.classes_)[best_columns(scores, k)]


def reach_classifier(estimator, X):
    """Give the classifier inside a Pipeline or a search, and X as it arrives there.

    Parameters
    ----------
    estimator : fitted classifier, Pipeline, or search over parameters
    X : what the estimator takes

    Returns
    -------
    classifier : fitted classifier
    X : what the classifier takes

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Binarizer
    >>> pipe = make_pipeline(Binarizer(threshold=3), LogisticRegression()).fit([[2], [4]], [0, 1])
    >>> reach_classifier(pipe, [[9]])
    (LogisticRegression(), array([[1]]))
    """
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        else:
            return estimator, X
