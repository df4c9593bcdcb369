"""Displays of answers, of label maps and of rejected answers."""

from skdevise.inspection._label_map import LabelMapDisplay
from skdevise.inspection._rejection_curve import RejectionCurveDisplay
from skdevise.inspection._top_k_display import TopKDisplay

__all__ = ["LabelMapDisplay", "RejectionCurveDisplay", "TopKDisplay"]
