"""Weights of linear classifiers: one row for each label."""

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import has_fit_parameter


def fit_linear(classifier, features, y, weight):
    """Fit a clone; return it with its weights (n_classes, n_features) and biases (n_classes,).

    None means logistic regression. If all sample weights (n,) are 1, they are not passed.
    """
    new = LogisticRegression(max_iter=1_000) if classifier is None else clone(classifier)
    weights = {"sample_weight": weight} if (weight != 1).any() else {}
    if weights:
        check_takes_weights(new)
    fitted = new.fit(features, y, **weights)
    n_classes, coef = len(fitted.classes_), getattr(fitted, "coef_", None)
    is_binary = n_classes == 2 and np.shape(coef)[:1] == (1,)
    # The rows of SVC, which has support vectors, compare pairs of classes.
    is_linear = is_binary or np.shape(coef)[:1] == (n_classes,)
    if not is_linear or hasattr(fitted, "support_vectors_"):
        raise TypeError(
            f"The classifier {type(fitted).__name__} has no coef_ with one row per class. Pass a "
            "linear classifier, such as LogisticRegression()."
        )
    intercept = np.ravel(fitted.intercept_)
    if is_binary:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.append(-intercept, intercept) / 2
    return fitted, coef, intercept


def check_takes_weights(classifier):
    """Raise TypeError if the fit of a classifier does not accept sample weights."""
    is_frozen = isinstance(classifier, FrozenEstimator)  # Its fit ignores all arguments.
    if not is_frozen and not has_fit_parameter(classifier, "sample_weight"):
        raise TypeError(
            f"classifier={classifier!r} does not accept sample_weight in fit. Use another "
            "classifier, or leave sample_weight=None."
        )
