"""Photos to features."""

from skdevise.vision._cache import CacheInfo, FeatureCache
from skdevise.vision._featurizer import VisualFeaturizer
from skdevise.vision._openvino import OpenVINOFeaturizer, to_openvino

__all__ = ["CacheInfo", "FeatureCache", "OpenVINOFeaturizer", "VisualFeaturizer", "to_openvino"]
