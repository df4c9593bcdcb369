"""Bundled tables, synthetic photos, and folders of photos."""

from skdevise.datasets.caltech101 import load_caltech101_features
from skdevise.datasets.folders import load_image_folder
from skdevise.datasets.imagenet import (
    load_imagenet_features,
    load_imagenet_labels,
    load_zero_shot_split,
)
from skdevise.datasets.shapes import make_shapes
from skdevise.datasets.term_vectors import load_term_vectors
from skdevise.datasets.wordnet import load_wordnet_nouns

__all__ = [
    "load_caltech101_features",
    "load_image_folder",
    "load_imagenet_features",
    "load_imagenet_labels",
    "load_term_vectors",
    "load_wordnet_nouns",
    "load_zero_shot_split",
    "make_shapes",
]
