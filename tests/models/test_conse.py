import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skdevise import ConSEClassifier
from skdevise.exceptions import LabelWithoutVectorError


class FixedProba(LogisticRegression):
    """Answers with the same probabilities for every sample."""

    def predict_proba(self, X):
        return np.array([[0.5, 0.3, 0.2]] * len(X))


def test_conse_combines_the_most_probable_labels_by_hand(plane, pets_and_trucks):
    # 0.5 (1, 0) + 0.3 (sqrt(1/2), sqrt(1/2)): tan of its angle is 0.2121 / 0.7121, so 16.6 degrees.
    clf = ConSEClassifier(FixedProba(), plane, n_top=2).fit(*pets_and_trucks)
    point = clf.transform(pets_and_trucks[0][:1])[0]
    assert np.rad2deg(np.arctan2(point[1], point[0])) == pytest.approx(16.588, abs=1e-3)
    assert clf.predict([[0, 0, 0]], labels=["lynx", "dog", "cat"]).tolist() == ["lynx"]


def test_a_frozen_classifier_keeps_its_own_labels(plane, pets_and_trucks):
    X, y = pets_and_trucks
    trained = FrozenEstimator(LogisticRegression().fit(X, y))
    names = np.where(y == "truck", "lorry", "lynx")
    clf = ConSEClassifier(trained, plane).fit(X, names)
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert clf.score(X[:20], y[:20]) == 1.0
    assert clf.score(X[40:], names[40:], labels=["lorry", "lynx"]) == 1.0


def test_sample_weight_reaches_the_classifier_and_the_temperature(plane, pets_and_trucks):
    X, y = pets_and_trucks
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y))
    clf = ConSEClassifier(embedder=plane).fit(X, y, sample_weight=weight)
    expected = LogisticRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(clf.classifier_.coef_, expected.coef_)
    repeated = ConSEClassifier(embedder=plane).fit(np.repeat(X, 2, axis=0), np.repeat(y, 2))
    doubled = ConSEClassifier(embedder=plane).fit(X, y, sample_weight=np.full(len(y), 2.0))
    assert doubled.temperature_ == pytest.approx(repeated.temperature_, rel=1e-2)


def test_sample_weight_is_refused_if_the_classifier_does_not_take_it(plane, pets_and_trucks):
    clf = ConSEClassifier(KNeighborsClassifier(), plane)
    with pytest.raises(TypeError, match="KNeighborsClassifier"):
        clf.fit(*pets_and_trucks, sample_weight=np.ones(60))
    assert clf.fit(*pets_and_trucks).score(*pets_and_trucks) == 1.0


class Untrainable(LogisticRegression):
    def fit(self, X, y):
        raise AssertionError("The classifier is fitted.")


def test_labels_without_vectors_are_named_before_the_classifier_is_fitted(plane):
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        ConSEClassifier(Untrainable(), plane).fit([[0], [1]], ["okapi", "cat"])


def test_weights_are_not_negative(plane, pets_and_trucks):
    X, y = pets_and_trucks
    with pytest.raises(ValueError, match="sample_weight"):
        ConSEClassifier(embedder=plane).fit(X, y, sample_weight=-np.ones(len(y)))
