"""Text, photos, and labels that no photo showed: every part of the package in one go."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from torch import nn

from skdevise import DeViSEClassifier, Hierarchy, SkipGramEmbedder, VisualFeaturizer
from skdevise.datasets import make_shapes
from skdevise.evaluation import predict_top_k
from skdevise.metrics import hierarchical_precision_at_k, hit_at_k

UNSEEN = ["blue square", "blue star", "green ring", "green star", "red ring", "red square"]


def small_net():
    layers = []
    for n_in, n_out in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    layers[-1] = nn.AdaptiveMaxPool2d(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 36))


@pytest.fixture(scope="module")
def world():
    shapes = make_shapes(840, random_state=0)
    embedder = SkipGramEmbedder(
        vector_size=32, window=5, epochs=5, terms=shapes.target_names, random_state=0
    ).fit(shapes.corpus)
    featurizer = VisualFeaturizer(
        small_net, weights=None, image_size=32, batch_size=64, lr=0.05, random_state=0
    )
    pipe = make_pipeline(featurizer, DeViSEClassifier(embedder, random_state=0))
    seen = ~np.isin(shapes.target, UNSEEN)
    return shapes, pipe.fit(shapes.images[seen], shapes.target[seen])


def test_photos_of_unseen_labels_are_told_apart(world):
    shapes, pipe = world
    unseen = np.isin(shapes.target, UNSEEN)
    X, y = shapes.images[unseen], shapes.target[unseen]
    assert hit_at_k(y, predict_top_k(pipe, X, 1, UNSEEN), 1) > 0.6  # chance is 1/6
    assert hit_at_k(y, predict_top_k(pipe, X, 5, shapes.target_names), 5) > 0.5  # chance is 5/42


def test_wrong_answers_stay_near_in_the_hierarchy(world):
    shapes, pipe = world
    seen = ~np.isin(shapes.target, UNSEEN)
    X, y = shapes.images[seen], shapes.target[seen]
    hierarchy = Hierarchy.from_edges(shapes.edges)
    top = predict_top_k(pipe, X, 5, shapes.target_names)
    precision = hierarchical_precision_at_k(y, top, 5, hierarchy, shapes.target_names)
    # Each shape has six colours, so that chance is 6 of 42.
    assert precision > 2 * 6 / 42
