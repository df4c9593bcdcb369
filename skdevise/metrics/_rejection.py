"""Accuracy of the answers that stay if those with a low confidence are rejected."""

import numpy as np


def rejection_curve(confidence, is_right, weight=None):
    """Compute shares of accepted answers, their accuracies and thresholds: arrays (n_thresholds,).

    An answer is accepted if its confidence is at least the threshold. The thresholds are the
    different confidences, in descending order.
    """
    weight = np.ones(len(confidence)) if weight is None else weight
    order = np.argsort(-confidence, kind="stable")
    # Answers with equal confidence are accepted together.
    last = np.flatnonzero(np.append(np.diff(confidence[order]) < 0, True))
    total = np.cumsum(weight[order])[last]
    n_right = np.cumsum((weight * is_right)[order])[last]
    accuracy = np.divide(n_right, total, out=np.zeros(len(total)), where=total > 0)
    return total / total[-1], accuracy, confidence[order][last]
