"""Metrics and scorers, under the name that scikit-learn gives such a module."""

from skdevise.evaluation.generalized import generalized_scores
from skdevise.evaluation.metrics import hierarchical_precision_at_k, hit_at_k
from skdevise.evaluation.scorers import HierarchicalPrecisionAtK, HitAtK

__all__ = [
    "HierarchicalPrecisionAtK",
    "HitAtK",
    "generalized_scores",
    "hierarchical_precision_at_k",
    "hit_at_k",
]
