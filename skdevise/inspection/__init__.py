"""Displays of answers and of label maps."""

from skdevise.inspection._label_map import LabelMapDisplay
from skdevise.inspection._top_k_display import TopKDisplay

__all__ = ["LabelMapDisplay", "TopKDisplay"]
