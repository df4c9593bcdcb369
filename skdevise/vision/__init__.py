"""Photos to features."""

from skdevise.vision._cache import CacheInfo, FeatureCache
from skdevise.vision._featurizer import VisualFeaturizer

__all__ = ["CacheInfo", "FeatureCache", "VisualFeaturizer"]
