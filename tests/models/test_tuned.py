"""Embedders of which some vectors were trained together with a classifier."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdevise import DeViSEClassifier, PretrainedEmbedder, RandomEmbedder
from skdevise.models._fitted_projection import TunedEmbedder

NEW = np.array([[0.6, 0.8, 0], [0, 0.6, 0.8]], dtype=np.float32)


@pytest.fixture
def embedder():
    return PretrainedEmbedder(
        {"wolf": [1, 0, 0], "in-line skate": [0, 1, 0], "foxes": [0, 0, 1], "fox": [1, 1, 1]}
    )


@pytest.mark.parametrize(
    "spellings",
    [["wolf", "in-line skate"], ["WOLF", "in-line_skate"], ["Wolves", "in line skates"]],
)
def test_a_new_vector_serves_all_spellings_of_its_term(embedder, spellings):
    for tuned_terms in (["wolf", "in-line skate"], ["wolves", "in_line_skate"]):
        tuned = TunedEmbedder(embedder, tuned_terms, NEW)
        assert_array_equal(tuned.transform(spellings), NEW)
        assert_array_equal(pickle.loads(pickle.dumps(tuned)).transform(spellings), NEW)


def test_another_term_of_the_table_keeps_its_vector(embedder):
    tuned = TunedEmbedder(embedder, ["fox"], NEW[:1])
    assert_array_equal(tuned.transform(["Fox", "foxes"]), [NEW[0], [0, 0, 1]])


def test_case_matters_if_it_matters_to_the_embedder():
    embedder = RandomEmbedder(vector_size=3)
    tuned = TunedEmbedder(embedder, ["Cat", "cat"], NEW)
    assert_array_equal(tuned.transform(["cat", "Cat"]), NEW[::-1])
    assert_array_equal(tuned.transform(["CAT"]), embedder.transform(["CAT"]))


def test_terms_with_the_same_vector_keep_their_own_new_vectors():
    embedder = PretrainedEmbedder({"car": [1, 0, 0], "automobile": [1, 0, 0]})
    tuned = TunedEmbedder(embedder, ["car", "automobile"], NEW)
    assert_array_equal(tuned.transform(["automobile", "car"]), NEW[::-1])


def test_no_terms_give_no_rows(embedder):
    assert TunedEmbedder(embedder, ["wolf"], NEW[:1]).transform([]).shape == (0, 3)


def test_known_terms_are_those_of_the_embedder(embedder):
    tuned = TunedEmbedder(embedder, ["wolf"], NEW[:1])
    assert tuned.has_vector(["Wolves", "wolf fox", "gnu"]).tolist() == [True, True, False]
    assert tuned.has_term(["Wolves", "wolf fox", "gnu"]).tolist() == [True, False, False]


def test_a_classifier_uses_its_trained_vectors_for_other_spellings(embedder):
    X = np.eye(3)[[0, 1, 2] * 10]
    y = np.array(["wolf", "in-line skate", "fox"] * 10)
    clf = DeViSEClassifier(embedder, train_label_vectors=True, random_state=0).fit(X, y)
    trained = clf.decision_function(X, labels=["wolf", "in-line skate"])
    assert not np.allclose(clf.embedder_.transform(["wolf"]), embedder.transform(["wolf"]))
    assert_array_equal(clf.decision_function(X, labels=["wolves", "in line skate"]), trained)
