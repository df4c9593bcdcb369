import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdevise import DeViSEClassifier, PretrainedEmbedder, RandomEmbedder
from skdevise.language._tuned import TunedEmbedder

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
def test_a_tuned_vector_serves_all_spellings_that_have_one_vector(embedder, spellings):
    for trained in (["wolf", "in-line skate"], ["wolves", "in_line_skate"]):
        tuned = TunedEmbedder(embedder, trained, NEW)
        assert_array_equal(tuned.transform(spellings), NEW)
        assert_array_equal(pickle.loads(pickle.dumps(tuned)).transform(spellings), NEW)


def test_a_spelling_with_a_vector_of_its_own_keeps_it(embedder):
    tuned = TunedEmbedder(embedder, ["fox"], NEW[:1])
    assert_array_equal(tuned.transform(["Fox", "foxes"]), [NEW[0], [0, 0, 1]])


def test_terms_that_the_embedder_tells_apart_by_case_are_tuned_apart():
    embedder = RandomEmbedder(vector_size=3)
    tuned = TunedEmbedder(embedder, ["Cat", "cat"], NEW)
    assert_array_equal(tuned.transform(["cat", "Cat"]), NEW[::-1])
    assert_array_equal(tuned.transform(["CAT"]), embedder.transform(["CAT"]))


def test_no_terms_give_no_rows(embedder):
    assert TunedEmbedder(embedder, ["wolf"], NEW[:1]).transform([]).shape == (0, 3)


def test_a_classifier_answers_other_spellings_by_the_vectors_it_has_trained(embedder):
    X = np.eye(3)[[0, 1, 2] * 10]
    y = np.array(["wolf", "in-line skate", "fox"] * 10)
    clf = DeViSEClassifier(embedder, train_label_vectors=True, random_state=0).fit(X, y)
    trained = clf.decision_function(X, labels=["wolf", "in-line skate"])
    assert not np.allclose(clf.embedder_.transform(["wolf"]), embedder.transform(["wolf"]))
    assert_array_equal(clf.decision_function(X, labels=["wolves", "in line skate"]), trained)
