"""Labels: their terms, their vectors, their hierarchy."""

from skdevise.labels._hierarchy import Hierarchy
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import LabelVocabulary

__all__ = ["Hierarchy", "LabelSpace", "LabelVocabulary"]
