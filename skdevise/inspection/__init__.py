"""Displays of answers, of label maps, and of curves that compare classifiers."""

from skdevise.inspection._hierarchical_precision import HierarchicalPrecisionDisplay
from skdevise.inspection._hierarchy_confusion import HierarchyConfusionDisplay
from skdevise.inspection._label_map import LabelMapDisplay
from skdevise.inspection._rejection_curve import RejectionCurveDisplay
from skdevise.inspection._seen_unseen_curve import SeenUnseenCurveDisplay
from skdevise.inspection._top_k_display import TopKDisplay
from skdevise.inspection._training_curve import TrainingCurveDisplay

__all__ = [
    "HierarchicalPrecisionDisplay",
    "HierarchyConfusionDisplay",
    "LabelMapDisplay",
    "RejectionCurveDisplay",
    "SeenUnseenCurveDisplay",
    "TopKDisplay",
    "TrainingCurveDisplay",
]
