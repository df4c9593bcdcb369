"""Labels: their terms, their hierarchy, and the space in which they lie."""

from skdevise.labels._hierarchy import Hierarchy
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import LabelVocabulary

__all__ = ["Hierarchy", "LabelSpace", "LabelVocabulary"]
