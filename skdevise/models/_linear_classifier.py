"""Weights of linear classifiers: one row for each label."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression


def fit_linear(classifier, features, y):
    """Fit a clone; return it with its weights (n_classes, n_features) and biases (n_classes,).

    None means logistic regression.
    """
    new = LogisticRegression(max_iter=1_000) if classifier is None else clone(classifier)
    fitted = new.fit(features, y)
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
