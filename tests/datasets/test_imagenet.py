import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdevise import Hierarchy
from skdevise.datasets import (
    load_imagenet_features,
    load_imagenet_labels,
    load_wordnet_nouns,
    load_zero_shot_split,
)


def test_labels_are_counted_as_published():
    labels = load_imagenet_labels()
    assert labels.ilsvrc2012.shape == (1_000,)
    assert labels.fall11.shape == (21_841,)
    # All but one of the thousand: design, section 3.
    assert set(labels.ilsvrc2012) - set(labels.fall11) == {"n04399382"}
    assert "fall 2011" in labels.DESCR


def test_classes_are_in_the_order_of_the_challenge():
    labels = load_imagenet_labels()
    assert labels.ilsvrc2012[[0, 1, 999]].tolist() == ["n01440764", "n01443537", "n15075141"]
    assert_array_equal(labels.ilsvrc2012, np.sort(labels.ilsvrc2012))
    assert_array_equal(labels.fall11, np.sort(labels.fall11))


def test_every_label_is_a_synset_of_wordnet():
    labels = load_imagenet_labels()
    synsets = load_wordnet_nouns().synsets
    assert np.isin(labels.ilsvrc2012, synsets).all()
    assert np.isin(labels.fall11, synsets).all()


def test_features_have_a_row_for_each_class():
    features = load_imagenet_features()
    assert features.data.shape == (1_000, 1_280)
    assert features.data.dtype == np.float32
    assert 0 <= features.data.min() and features.data.max() <= 6
    assert_array_equal(features.target, load_imagenet_labels().ilsvrc2012)
    assert features.target_names[[0, 1, 2]].tolist() == ["tench", "goldfish", "great white shark"]
    assert len(features.feature_names) == 1_280
    assert features.frame is None
    assert "EfficientNet-Lite0" in features.DESCR


def test_the_photo_nearest_to_a_dog_is_a_dog():
    # Classes 151 (Chihuahua) to 268 (Mexican hairless) are dogs; 118 of 1,000.
    X = load_imagenet_features().data
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    similarity = X @ X.T
    np.fill_diagonal(similarity, -1)
    nearest = similarity[151:269].argmax(axis=1)
    assert ((nearest >= 151) & (nearest <= 268)).mean() > 0.85


def test_features_as_pair_and_as_frame():
    pytest.importorskip("pandas")
    features = load_imagenet_features()
    X, y = load_imagenet_features(return_X_y=True)
    assert_array_equal(X, features.data)
    assert_array_equal(y, features.target)
    framed = load_imagenet_features(as_frame=True)
    assert framed.frame.shape == (1_000, 1_281)
    assert_array_equal(framed.data.to_numpy(), X)
    assert_array_equal(framed.target.to_numpy(), y)
    assert framed.data.columns.tolist() == features.feature_names


@pytest.mark.parametrize(
    ("name", "n_labels"), [("2-hop", 1_549), ("3-hop", 7_860), ("all", 20_842), ("1k", 1_000)]
)
def test_zero_shot_sets_have_the_known_sizes(name, n_labels):
    labels = load_zero_shot_split(name).labels
    assert len(set(labels)) == n_labels
    assert labels == sorted(labels)
    assert all(re.fullmatch(r"n\d{8}", label) for label in labels)
    seen = set(load_imagenet_labels().ilsvrc2012.tolist())
    assert set(labels) == seen if name == "1k" else not seen & set(labels)


@pytest.mark.parametrize(("name", "edges"), [("2-hop", 1), ("3-hop", 2)])
def test_zero_shot_sets_are_counted_up_and_down_in_the_graph_of_fall_2011(name, edges):
    names = load_imagenet_labels()
    near = Hierarchy.wordnet("imagenet-fall11").within_hops(names.ilsvrc2012, edges)
    unseen = set(names.fall11.tolist()) - set(names.ilsvrc2012.tolist())
    assert set(load_zero_shot_split(name).labels) == near & unseen


def test_an_unknown_zero_shot_set_is_refused():
    with pytest.raises(ValueError, match=r"among \{.*'2-hop'.*\}.* Got '4-hop'") as caught:
        load_zero_shot_split("4-hop")
    assert all(repr(name) in str(caught.value) for name in ("2-hop", "3-hop", "all", "1k"))
