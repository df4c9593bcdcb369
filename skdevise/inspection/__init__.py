"""Displays of answers, of label maps, and of curves that compare classifiers."""

from skdevise.inspection._hierarchical_precision import HierarchicalPrecisionDisplay
from skdevise.inspection._label_map import LabelMapDisplay
from skdevise.inspection._rejection_curve import RejectionCurveDisplay
from skdevise.inspection._seen_unseen_curve import SeenUnseenCurveDisplay
from skdevise.inspection._top_k_display import TopKDisplay

__all__ = [
    "HierarchicalPrecisionDisplay",
    "LabelMapDisplay",
    "RejectionCurveDisplay",
    "SeenUnseenCurveDisplay",
    "TopKDisplay",
]
