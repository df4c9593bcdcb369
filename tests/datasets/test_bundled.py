import csv
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

from skdevise import Hierarchy, LabelVocabulary
from skdevise.datasets import (
    load_caltech101_features,
    load_imagenet_features,
    load_imagenet_labels,
    load_term_vectors,
    load_wordnet_nouns,
    load_zero_shot_split,
)
from skdevise.datasets._bundled import pack_features, unpack_features

from ._photos import SHARED


@pytest.fixture(scope="module")
def caltech():
    return load_caltech101_features()


def test_caltech101_has_3775_photos_of_96_classes(caltech):
    assert caltech.data.shape == (3_775, 1_280)
    assert caltech.data.dtype == np.float32
    assert 0 <= caltech.data.min() and caltech.data.max() <= 6
    assert caltech.frame is None
    for name in ("target_names", "synsets", "split", "strict"):
        assert caltech[name].shape == (96,)
    counts = Counter(caltech.target.tolist())
    assert_array_equal(sorted(counts), caltech.target_names)
    assert min(counts.values()) == 31
    assert max(counts.values()) == 40


def test_caltech101_has_34_seen_62_unseen_and_43_strictly_unseen_classes(caltech):
    assert Counter(caltech.split.tolist()) == {"seen": 34, "unseen": 62}
    assert caltech.strict.sum() == 43
    assert (caltech.split[caltech.strict] == "unseen").all()


def test_no_unseen_term_of_caltech101_names_a_class_of_ilsvrc2012(caltech):
    nouns = load_wordnet_nouns()
    classes = np.searchsorted(nouns.synsets, load_imagenet_labels().ilsvrc2012)
    seen_terms = {term.lower() for row in classes for term in nouns.terms[row]}
    assert not seen_terms & set(caltech.target_names[caltech.split == "unseen"])


def test_terms_and_synsets_of_caltech101_agree(caltech):
    with_synset = caltech.synsets != ""
    assert with_synset.sum() == 90
    assert np.isin(caltech.synsets[with_synset], load_wordnet_nouns().synsets).all()
    emu = caltech.target_names.searchsorted("emu")
    assert caltech.synsets[emu] == "n01519873"
    assert caltech.strict[emu]


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not part of the project.")
def test_the_split_of_caltech101_agrees_with_its_source(caltech):
    with (SHARED / "imagenet/caltech101-classes.csv").open(newline="") as file:
        split = {row["term"]: row["split"] for row in csv.DictReader(file)}
    assert [split[term] for term in caltech.target_names] == caltech.split.tolist()


def test_the_nearest_class_mean_finds_the_class_of_most_photos_of_caltech101(caltech):
    # Half of the photos give the means. A random answer is right for 1 of 96 photos.
    X = caltech.data / np.linalg.norm(caltech.data, axis=1, keepdims=True)
    y = caltech.target_names.searchsorted(caltech.target)
    train = np.arange(len(X)) % 2 == 0
    means = np.stack([X[train & (y == label)].mean(axis=0) for label in range(96)])
    assert (np.argmax(X[~train] @ means.T, axis=1) == y[~train]).mean() > 0.85


@pytest.mark.parametrize("load", [load_caltech101_features, load_imagenet_features])
def test_features_as_a_tuple_and_as_a_frame(load):
    features = load()
    X, y = load(return_X_y=True)
    assert_array_equal(X, features.data)
    assert_array_equal(y, features.target)
    X_frame, y_frame = load(return_X_y=True, as_frame=True)
    assert X_frame.columns.tolist() == features.feature_names
    assert_array_equal(X_frame.to_numpy(), X)
    assert_array_equal(y_frame.to_numpy(), y)
    assert load(as_frame=True).frame.shape == (len(X), 1_281)
    with pytest.raises(ValueError, match="'as_frame'"):
        load(as_frame="yes")


def test_a_change_of_the_features_does_not_reach_the_next_call():
    load_caltech101_features().data[:] = 0
    assert load_caltech101_features().data.any()


def test_descriptions_name_the_network_and_the_licences(caltech):
    assert "CC BY 4.0" in caltech.DESCR
    assert "Apache" in caltech.DESCR
    assert "EfficientNet-Lite0" in load_imagenet_features().DESCR


def test_imagenet_features_have_a_row_for_each_class():
    features = load_imagenet_features()
    assert features.data.shape == (1_000, 1_280)
    assert features.data.dtype == np.float32
    assert 0 <= features.data.min() and features.data.max() <= 6
    assert_array_equal(features.target, load_imagenet_labels().ilsvrc2012)
    assert features.target_names[[0, 1, 2]].tolist() == ["tench", "goldfish", "great white shark"]


def test_the_nearest_photo_of_a_dog_is_a_dog():
    # Classes 151 (Chihuahua) to 268 (Mexican hairless) are dogs: 118 of 1,000.
    X = load_imagenet_features().data
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    similarity = X @ X.T
    np.fill_diagonal(similarity, -1)
    nearest = similarity[151:269].argmax(axis=1)
    assert ((nearest >= 151) & (nearest <= 268)).mean() > 0.85


def test_imagenet_has_the_published_numbers_of_labels():
    labels = load_imagenet_labels()
    assert labels.ilsvrc2012.shape == (1_000,)
    assert labels.fall11.shape == (21_841,)
    # DESIGN section 3: the fall 2011 release lacks one of the 1,000 classes.
    assert set(labels.ilsvrc2012) - set(labels.fall11) == {"n04399382"}
    assert "fall 2011" in labels.DESCR


def test_classes_are_in_the_order_of_the_challenge():
    labels = load_imagenet_labels()
    assert labels.ilsvrc2012[[0, 1, 999]].tolist() == ["n01440764", "n01443537", "n15075141"]
    assert_array_equal(labels.ilsvrc2012, np.sort(labels.ilsvrc2012))
    assert_array_equal(labels.fall11, np.sort(labels.fall11))


def test_every_label_of_imagenet_is_a_synset_of_wordnet():
    labels = load_imagenet_labels()
    synsets = load_wordnet_nouns().synsets
    assert np.isin(labels.ilsvrc2012, synsets).all()
    assert np.isin(labels.fall11, synsets).all()


@pytest.mark.parametrize(
    ("name", "n_labels"), [("2-hop", 1_549), ("3-hop", 7_860), ("all", 20_842), ("1k", 1_000)]
)
def test_zero_shot_splits_have_the_published_sizes(name, n_labels):
    labels = load_zero_shot_split(name).labels
    assert len(set(labels)) == n_labels
    assert labels == sorted(labels)
    assert all(re.fullmatch(r"n\d{8}", label) for label in labels)
    seen = set(load_imagenet_labels().ilsvrc2012.tolist())
    assert set(labels) == seen if name == "1k" else not seen & set(labels)


@pytest.mark.parametrize(("name", "edges"), [("2-hop", 1), ("3-hop", 2)])
def test_zero_shot_splits_count_edges_up_and_down_in_the_graph_of_fall_2011(name, edges):
    labels = load_imagenet_labels()
    near = Hierarchy.wordnet("imagenet-fall11").within_hops(labels.ilsvrc2012, edges)
    unseen = set(labels.fall11.tolist()) - set(labels.ilsvrc2012.tolist())
    assert set(load_zero_shot_split(name).labels) == near & unseen


def test_an_unknown_zero_shot_split_is_refused():
    with pytest.raises(ValueError, match="4-hop"):
        load_zero_shot_split("4-hop")


def test_term_vectors_are_27000_unit_vectors():
    table = load_term_vectors()
    assert table.vectors.shape == (len(table.terms), 100) == (27_000, 100)
    assert table.vectors.dtype == np.float16
    assert len(set(table.terms)) == 27_000
    norms = np.linalg.norm(table.vectors.astype(np.float32), axis=1)
    assert_allclose(norms, 1, atol=2e-3)


def test_the_description_names_the_labels_without_a_term_vector():
    table = load_term_vectors()
    names = load_caltech101_features().target_names
    missing = names[~table.embedder.has_vector(names)]
    assert missing.tolist() == ["bonsai", "mayfly", "stapler"]
    composed = [name for name in names if name not in {*table.terms, *missing}]
    assert composed == ["ceiling fan", "in-line skate", "stop sign"]
    for name in (*missing, *composed):
        assert name in table.DESCR.replace("\n    ", " ")


def test_805_first_terms_of_the_imagenet_classes_have_a_vector():
    terms = LabelVocabulary(load_imagenet_labels().ilsvrc2012).terms
    has_vector = load_term_vectors().embedder.has_vector([synonyms[0] for synonyms in terms])
    assert has_vector.sum() == 805


def test_similar_terms_have_similar_vectors():
    embedder = load_term_vectors().embedder
    assert {"wolf", "cat"} <= {term for term, _ in embedder.most_similar("dog", 5)}
    piano, violin, lobster = embedder.transform(["piano", "violin", "lobster"])
    assert piano @ violin > 0.6
    assert piano @ lobster < 0.4


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(0, 6, width=32)))
def test_packed_features_are_accurate_to_half_a_step(features):
    packed = pack_features(features)
    assert packed["codes"].dtype == np.uint8
    roots = np.sqrt(unpack_features(packed))
    # The square roots of a feature lie between 0 and its maximum, in 255 steps.
    half_step = np.sqrt(features.max(axis=0)) / 255 / 2
    assert (np.abs(roots - np.sqrt(features)) <= half_step * 1.001 + 1e-12).all()


def test_a_feature_that_is_always_zero_stays_zero():
    unpacked = unpack_features(pack_features(np.array([[0.0, 1.0], [0.0, 0.25]])))
    assert_array_equal(unpacked[:, 0], [0, 0])
    assert_allclose(unpacked[:, 1], [1, 0.25], rtol=0.01)
