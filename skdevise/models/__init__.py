"""Classifiers that answer with labels they never saw."""

from skdevise.models.conse import ConSEClassifier
from skdevise.models.devise import DeViSEClassifier

__all__ = ["ConSEClassifier", "DeViSEClassifier"]
