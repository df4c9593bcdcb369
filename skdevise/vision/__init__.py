"""Photos to features."""

from skdevise.vision.cache import CacheInfo, FeatureCache
from skdevise.vision.featurizer import VisualFeaturizer

__all__ = ["CacheInfo", "FeatureCache", "VisualFeaturizer"]
