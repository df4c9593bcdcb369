"""Candidates as spaces, and corrections of their scores."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdevise import ConSEClassifier, DeViSEClassifier, LabelVocabulary, PretrainedEmbedder
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels import LabelSpace
from skdevise.metrics import HitAtK
from skdevise.models._hubness import hub_offsets


@pytest.fixture
def embedder():
    """Ten letters on a circle seen from above."""
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    places = np.column_stack([np.cos(angles), np.sin(angles), np.ones(10)])
    return PretrainedEmbedder(dict(zip("abcdefghij", places, strict=True)))


@pytest.fixture(params=[DeViSEClassifier, ConSEClassifier])
def fitted(request, embedder):
    y = np.repeat(list("abcde"), 8)
    X = embedder.transform(y) + np.random.default_rng(0).normal(0, 0.1, (40, 3))
    clf = request.param(embedder=embedder)
    if request.param is DeViSEClassifier:
        clf.set_params(random_state=0, batch_size=8)
    return clf.fit(X, y), X, y


def test_a_space_stands_for_its_labels(fitted, tmp_path):
    clf, X, y = fitted
    labels = list("fghij")
    space = clf.label_space(labels)
    assert clf.label_space(labels) is space  # embedded and indexed once
    space.save(tmp_path / "space")
    loaded = LabelSpace.load(tmp_path / "space")
    for candidates in (space, loaded):
        assert_array_equal(clf.predict(X, labels=candidates), clf.predict(X, labels))
        assert_array_equal(clf.decision_function(X, candidates), clf.decision_function(X, labels))
    everything = LabelSpace(LabelVocabulary(list("abcdefghij")), clf.embedder)
    assert HitAtK(labels=everything)(clf, X, y) == clf.score(X, y, labels=everything)


def test_a_space_of_another_embedder_is_refused(fitted):
    clf, X, _ = fitted
    space = LabelSpace(LabelVocabulary(["a"]), PretrainedEmbedder({"a": [1, 0]}))
    with pytest.raises(ValueError, match="The label space is 2-d, the classifier answers in 3-d"):
        clf.predict(X, labels=space)


@pytest.mark.parametrize("search", ["exact", "tree", "hnsw", "lsh"])
def test_the_search_can_be_chosen_and_changed(fitted, search):
    if search in ("hnsw", "lsh"):
        pytest.importorskip("faiss")
    clf, X, _ = fitted
    exact = clf.predict_top_k(X, 3, labels=list("abcdefghij"))
    clf.set_params(search=search)
    assert clf.label_space(list("abcdefghij")).search == search
    assert_array_equal(clf.predict_top_k(X, 3, labels=list("abcdefghij")), exact)


@pytest.mark.parametrize(
    "wrong", [{"search": "faiss"}, {"expand": 0}, {"seen_penalty": "much"}, {"hubness": "k"}]
)
def test_wrong_parameters_are_refused_before_training(fitted, wrong):
    clf, X, y = fitted
    (name,) = wrong
    with pytest.raises(ValueError, match=f"The {name!r} parameter"):
        type(clf)(embedder=clf.embedder, **wrong).fit(X, y)


def test_candidates_are_dropped_but_training_labels_are_not(fitted):
    clf, X, y = fitted
    clf.set_params(labels=LabelVocabulary([*"abcdef", "yeti"], on_missing="drop"))
    with pytest.warns(UserWarning, match="1 of 7 labels have no vector and are dropped: 'yeti'"):
        clf.fit(X, y)
    assert clf.decision_function(X).shape == (40, 6)
    assert set(clf.predict(X)) <= set("abcdef")
    with pytest.raises(LabelWithoutVectorError, match="'yeti'"):
        clf.fit(X, np.where(y == "a", "yeti", y))


def test_a_penalty_is_taken_off_the_seen_labels(fitted):
    clf, X, _ = fitted
    labels = list("jedcbafghi")
    before = clf.decision_function(X, labels)
    clf.set_params(seen_penalty=0.25)
    assert_allclose(
        before - clf.decision_function(X, labels),
        np.tile([0, 0.25, 0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0], (40, 1)),
        atol=1e-6,
    )
    assert_allclose(clf.predict_proba(X, labels).sum(axis=1), 1, rtol=1e-5)


def test_offsets_of_hubs_by_hand():
    # Twelve points at "a" and one at "b", of which the ten nearest count in CSLS.
    space = LabelSpace(LabelVocabulary(["a", "b"]), PretrainedEmbedder({"a": [1, 0], "b": [0, 1]}))
    points = np.array([[1.0, 0.0]] * 12 + [[0.0, 1.0]])
    # a: 1 ten times; b: 1 once and 0 nine times. Halves of the means.
    assert_allclose(hub_offsets(space, points, "csls", 1), [0.5, 0.05])
    # T log(sum of exp(cos / T)), with T = .5.
    assert_allclose(
        hub_offsets(space, points, "inverted_softmax", 0.5),
        [0.5 * np.log(12 * np.exp(2) + 1), 0.5 * np.log(12 + np.exp(2))],
    )


@pytest.mark.parametrize("method", ["csls", "inverted_softmax"])
def test_offsets_of_hubs_are_the_same_in_blocks(monkeypatch, fitted, method):
    clf, _, _ = fitted
    at_once = hub_offsets(clf.label_space_, clf.reference_points_, method, 0.1)
    monkeypatch.setattr("skdevise.labels._search._BLOCK_ROWS", 7)
    blocked = hub_offsets(clf.label_space_, clf.reference_points_, method, 0.1)
    assert_allclose(blocked, at_once, rtol=1e-6)


@pytest.mark.parametrize("method", ["csls", "inverted_softmax"])
def test_hubs_are_corrected_whatever_else_is_in_the_batch(fitted, method):
    clf, X, _ = fitted
    labels = list("abcdefghij")
    space = clf.label_space(labels)
    cosines = space.scores(clf.transform(X))
    clf.set_params(hubness=method)
    offsets = hub_offsets(space, clf.reference_points_, method, clf.temperature_)
    assert_allclose(clf.decision_function(X, labels), cosines - offsets, atol=1e-5)
    alone = np.concatenate([clf.predict(X[i : i + 1], labels) for i in range(len(X))])
    assert_array_equal(alone, clf.predict(X, labels))
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict(X, labels), alone)
