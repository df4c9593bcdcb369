"""Splits by class, and the choice of parameters on held-out classes."""

from skdevise.model_selection._splits import UnseenClassSplit
from skdevise.model_selection._tuning import tune_reject_below, tune_seen_penalty

__all__ = ["UnseenClassSplit", "tune_reject_below", "tune_seen_penalty"]
