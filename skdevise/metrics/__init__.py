"""Metrics of ranked labels, and scorers that compute them."""

from skdevise.metrics._generalized import generalized_scores
from skdevise.metrics._ranking import hierarchical_precision_at_k, hit_at_k
from skdevise.metrics._scorers import HierarchicalPrecisionAtK, HitAtK

__all__ = [
    "HierarchicalPrecisionAtK",
    "HitAtK",
    "generalized_scores",
    "hierarchical_precision_at_k",
    "hit_at_k",
]
