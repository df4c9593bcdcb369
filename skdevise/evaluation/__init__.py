"""Scores, splits and displays: how good the answers are."""

from skdevise.evaluation.displays import TopKDisplay
from skdevise.evaluation.generalized import generalized_scores, tune_seen_penalty
from skdevise.evaluation.label_map import LabelMapDisplay
from skdevise.evaluation.metrics import hierarchical_precision_at_k, hit_at_k
from skdevise.evaluation.scorers import HierarchicalPrecisionAtK, HitAtK
from skdevise.evaluation.splits import UnseenClassSplit
from skdevise.evaluation.top_k import predict_top_k

__all__ = [
    "HierarchicalPrecisionAtK",
    "HitAtK",
    "LabelMapDisplay",
    "TopKDisplay",
    "UnseenClassSplit",
    "generalized_scores",
    "hierarchical_precision_at_k",
    "hit_at_k",
    "predict_top_k",
    "tune_seen_penalty",
]
