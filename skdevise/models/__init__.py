"""Classifiers that can answer with labels they never saw in training."""

from skdevise.models._conse import ConSEClassifier
from skdevise.models._devise import DeViSEClassifier
from skdevise.models._top_k import predict_top_k

__all__ = ["ConSEClassifier", "DeViSEClassifier", "predict_top_k"]
