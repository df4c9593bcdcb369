"""Labels: their terms, their vectors, their hierarchy."""

from skdevise.labels.hierarchy import Hierarchy
from skdevise.labels.space import LabelSpace
from skdevise.labels.vocabulary import LabelVocabulary

__all__ = ["Hierarchy", "LabelSpace", "LabelVocabulary"]
