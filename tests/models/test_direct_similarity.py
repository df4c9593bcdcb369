"""Direct similarity: unseen labels are scored by the classifiers of similar training labels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skdevise import DirectSimilarityClassifier, RandomEmbedder
from skdevise.model_selection import tune_seen_penalty


class FixedProba(LogisticRegression):
    """Answers with the same probabilities for every sample."""

    def predict_proba(self, X):
        return np.array([[0.5, 0.3, 0.2]] * len(X))


def test_scores_by_hand(plane, pets_and_trucks):
    # "lynx" is at 10 degrees from "cat" and 35 from "dog"; "lorry" at 10 from "truck", 35 from
    # "dog". So both weigh .9848 and .8192. Training labels have their own probability.
    clf = DirectSimilarityClassifier(FixedProba(), plane, n_similar=2).fit(*pets_and_trucks)
    scores = clf.decision_function([[0, 0, 0]], labels=["lynx", "lorry", "dog"])
    near, far = np.cos(np.deg2rad(10)), np.cos(np.deg2rad(35))
    lynx = (near * 0.5 + far * 0.3) / (near + far)
    lorry = (near * 0.2 + far * 0.3) / (near + far)
    assert_allclose(scores, np.log([[lynx, lorry, 0.3]]), rtol=1e-6)
    assert clf.predict_top_k([[0, 0, 0]], 3, labels=["lorry", "lynx", "cat"]).tolist() == [
        ["cat", "lynx", "lorry"]
    ]
    clf.set_params(n_similar=1, seen_penalty=0.25)
    scores = clf.decision_function([[0, 0, 0]], labels=["lynx", "lorry", "dog"])
    assert_allclose(scores, [[np.log(0.5), np.log(0.2), np.log(0.3) - 0.25]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probability_of_zero_has_a_finite_score(plane, pets_and_trucks, dtype):
    class OnlyCats(LogisticRegression):
        def predict_proba(self, X):
            return np.array([[1, 0, 0]] * len(X), dtype)

    clf = DirectSimilarityClassifier(OnlyCats(), plane, n_similar=1).fit(*pets_and_trucks)
    # Each has the probability 0.
    scores = clf.decision_function([[0, 0, 0]], labels=["dog", "truck", "lorry"])
    assert_array_equal(scores, [[np.log(np.finfo(dtype).tiny)] * 3])
    assert_allclose(clf.predict_proba([[0, 0, 0]], ["dog", "lorry"]), [[0.5, 0.5]])


def test_probabilities_are_powers_of_the_means(plane, pets_and_trucks):
    clf = DirectSimilarityClassifier(FixedProba(), plane, n_similar=2).fit(*pets_and_trucks)
    clf.temperature_ = 2.0
    roots = np.sqrt([0.5, 0.3, 0.2])
    assert_allclose(clf.predict_proba([[0, 0, 0]]), [roots / roots.sum()], rtol=1e-6)


@pytest.mark.parametrize("n_similar", [1, 3, 5, 100])
def test_scores_equal_a_naive_reference(n_similar):
    rng = np.random.default_rng(0)
    embedder, y = RandomEmbedder(4), np.repeat(list("abcdefg"), 6)
    X = embedder.transform(y) + rng.normal(0, 0.3, (42, 4))
    clf = DirectSimilarityClassifier(embedder=embedder, n_similar=n_similar).fit(X, y)
    labels = {"x": ["x", "x2"], "y": ["y"], "b": ["b"], "z": ["z"]}
    proba = LogisticRegression().fit(X, y).predict_proba(X)
    expected = np.zeros((42, 4))
    for column, (label, terms) in enumerate(labels.items()):
        if label == "b":
            expected[:, column] = proba[:, 1]
            continue
        # The nearest term of a candidate counts, and negative cosines do not.
        cosines = (embedder.transform(list("abcdefg")) @ embedder.transform(terms).T).max(axis=1)
        best = np.argsort(-cosines)[:n_similar]
        weights = np.maximum(cosines[best], 1e-6)
        expected[:, column] = proba[:, best] @ weights / weights.sum()
    assert_allclose(clf.decision_function(X, labels), np.log(expected), rtol=1e-5)


def test_labels_of_a_softmax_layer_without_vectors_are_left_out(plane):
    softmax = LogisticRegression()
    softmax.classes_ = np.array(["okapi", "truck", "cat"])
    softmax.coef_, softmax.intercept_ = 10 * np.eye(3), np.zeros(3)
    clf = DirectSimilarityClassifier(FrozenEstimator(softmax), plane, n_similar=1)
    with pytest.warns(UserWarning, match="1 of 3.*'okapi'"):
        clf.fit(np.eye(3), ["okapi", "truck", "cat"])
    assert clf.classes_.tolist() == ["cat", "truck"]
    assert clf.predict(np.eye(3)[1:], labels=["lynx", "lorry"]).tolist() == ["lorry", "lynx"]


def test_many_samples_and_labels_are_ranked_in_parts(pets_and_trucks):
    X, y = pets_and_trucks
    clf = DirectSimilarityClassifier(embedder=RandomEmbedder(4)).fit(X, y)
    space = clf.label_space([f"label {i}" for i in range(5_000)])
    expected, expected_scores = clf.predict_top_k(X, 2, space, return_scores=True)
    assert_array_equal(expected[:, 0], space.labels[clf.decision_function(X, space).argmax(axis=1)])
    many = np.tile(X, (30, 1))
    for form in (pd.DataFrame, csr_array):
        top, scores = clf.predict_top_k(form(many), 2, space, return_scores=True)
        assert_array_equal(top, np.tile(expected, (30, 1)))
        assert_allclose(scores, np.tile(expected_scores, (30, 1)), rtol=1e-5)


def test_a_tuned_penalty_is_valid():
    # A tree is certain, and the logarithm of a probability of 0 counts as -708.
    y = np.repeat(list("abcdefgh"), 12)
    X = RandomEmbedder(6).transform(y) + np.random.default_rng(0).normal(0, 0.25, (96, 6))
    tree = DecisionTreeClassifier(random_state=0)
    clf = DirectSimilarityClassifier(tree, RandomEmbedder(6), n_similar=1)
    penalty = tune_seen_penalty(clf, X, y, random_state=0)
    assert penalty > 100
    clf.set_params(seen_penalty=penalty).fit(X, y)
