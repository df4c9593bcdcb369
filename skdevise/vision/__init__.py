"""The visual side: photos to features."""

from skdevise.vision.featurizer import VisualFeaturizer

__all__ = ["VisualFeaturizer"]
