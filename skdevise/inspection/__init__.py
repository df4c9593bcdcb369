"""Displays of answers and of the label space."""

from skdevise.inspection._label_map import LabelMapDisplay
from skdevise.inspection._top_k_display import TopKDisplay

__all__ = ["LabelMapDisplay", "TopKDisplay"]
