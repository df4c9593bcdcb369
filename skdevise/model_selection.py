"""Splits and choices of parameters, under the name that scikit-learn gives such a module."""

from skdevise.evaluation.generalized import tune_seen_penalty
from skdevise.evaluation.splits import UnseenClassSplit

__all__ = ["UnseenClassSplit", "tune_seen_penalty"]
