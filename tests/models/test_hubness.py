import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from skdevise import LabelVocabulary, PretrainedEmbedder, RandomEmbedder, RidgeProjectionClassifier
from skdevise.labels import LabelSpace
from skdevise.models._hubness import hub_offsets


def test_offsets_by_hand():
    # Twelve points at "a" and one at "b", of which the ten nearest count in CSLS.
    space = LabelSpace(LabelVocabulary(["a", "b"]), PretrainedEmbedder({"a": [1, 0], "b": [0, 1]}))
    points = np.array([[1.0, 0.0]] * 12 + [[0.0, 1.0]])
    # a: 1 ten times; b: 1 once and 0 nine times. Halves of the means.
    assert_allclose(hub_offsets(space.scores, points, "csls"), [0.5, 0.05])
    assert_allclose(hub_offsets(space.scores, points[:1], "csls"), [0.5, 0])
    # T log(sum of exp(cos / T)), with T = .2.
    assert_allclose(
        hub_offsets(space.scores, points, "inverted_softmax"),
        [0.2 * np.log(12 * np.exp(5) + 1), 0.2 * np.log(12 + np.exp(5))],
    )


def test_offsets_of_many_points_equal_a_naive_reference():
    space = LabelSpace(LabelVocabulary(list("abcdefg")), RandomEmbedder(4))
    points = RandomEmbedder(4).transform([str(i) for i in range(300)])
    cosines = points @ RandomEmbedder(4).transform(list("abcdefg")).T
    nearest = np.sort(cosines, axis=0)[-10:]
    offsets = hub_offsets(space.scores, points, "csls")
    assert_allclose(offsets, nearest.mean(axis=0) / 2, rtol=1e-5)
    expected = 0.2 * logsumexp(cosines / 0.2, axis=0)
    assert_allclose(hub_offsets(space.scores, points, "inverted_softmax"), expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["csls", "inverted_softmax"])
def test_the_offsets_depend_on_the_training_samples_alone(method):
    rng = np.random.default_rng(0)
    y = np.repeat(list("abcde"), 8)
    X = RandomEmbedder(3).transform(y) + rng.normal(0, 0.1, (40, 3))
    clf = RidgeProjectionClassifier(RandomEmbedder(3)).fit(X, y)
    labels = list("abcdefghij")
    space = clf.label_space(labels)
    cosines = space.scores(clf.transform(X))
    clf.set_params(hubness=method)
    offsets = hub_offsets(space.scores, clf.reference_points_, method)
    assert_allclose(clf.decision_function(X, labels), cosines - offsets, atol=1e-5)
    alone = np.concatenate([clf.predict(X[i : i + 1], labels) for i in range(len(X))])
    assert_array_equal(alone, clf.predict(X, labels))
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict(X, labels), alone)


def test_offsets_are_computed_anew_after_another_fit():
    y = list("aabb")
    X = RandomEmbedder(3).transform(y).astype(float)
    clf = RidgeProjectionClassifier(RandomEmbedder(3), feature_scaling="l2", hubness="csls")
    clf.fit(X, y)
    before = clf.decision_function(X, labels=["c", "d"])
    clf.partial_fit(X[::-1] + [1, 0, 0], y)
    fresh = pickle.loads(pickle.dumps(clf))
    after = clf.decision_function(X, labels=["c", "d"])
    assert_array_equal(after, fresh.decision_function(X, labels=["c", "d"]))
    assert not np.allclose(after, before)
