"""Splits by class, and parameters that need them."""

from skdevise.model_selection._splits import UnseenClassSplit
from skdevise.model_selection._tuning import tune_seen_penalty

__all__ = ["UnseenClassSplit", "tune_seen_penalty"]
