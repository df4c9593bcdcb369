"""Bundled tables, synthetic photos, loaders of photo folders, and published photo sets."""

from skdevise._bundled import load_imagenet_labels, load_wordnet_nouns
from skdevise.datasets._bundled import (
    load_caltech101_features,
    load_imagenet_features,
    load_term_vectors,
    load_zero_shot_split,
)
from skdevise.datasets._folders import load_image_folder, load_image_table
from skdevise.datasets._published import (
    fetch_caltech101,
    fetch_cifar10,
    fetch_cifar100,
    fetch_flowers102,
    fetch_food101,
    fetch_pets,
    fetch_tiny_imagenet,
)
from skdevise.datasets._shapes import make_shapes

__all__ = [
    "fetch_caltech101",
    "fetch_cifar10",
    "fetch_cifar100",
    "fetch_flowers102",
    "fetch_food101",
    "fetch_pets",
    "fetch_tiny_imagenet",
    "load_caltech101_features",
    "load_image_folder",
    "load_image_table",
    "load_imagenet_features",
    "load_imagenet_labels",
    "load_term_vectors",
    "load_wordnet_nouns",
    "load_zero_shot_split",
    "make_shapes",
]
