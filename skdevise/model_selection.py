"""Cross-validation splits, under the name that scikit-learn gives such a module."""

from skdevise.evaluation.splits import UnseenClassSplit

__all__ = ["UnseenClassSplit"]
