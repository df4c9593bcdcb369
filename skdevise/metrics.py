"""Metrics and scorers, under the name that scikit-learn gives such a module."""

from skdevise.evaluation.metrics import hierarchical_precision_at_k, hit_at_k
from skdevise.evaluation.scorers import HierarchicalPrecisionAtK, HitAtK

__all__ = ["HierarchicalPrecisionAtK", "HitAtK", "hierarchical_precision_at_k", "hit_at_k"]
