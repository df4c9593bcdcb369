import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skdevise import ConSEClassifier, DirectSimilarityClassifier, PretrainedEmbedder
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


@pytest.mark.parametrize("kind", [ConSEClassifier, DirectSimilarityClassifier])
def test_samples_may_be_lists_of_words(kind, plane):
    X = [["purr"], ["purr", "meow"], ["engine", "road", "wheel"], ["engine"]] * 3
    y = np.array(["cat", "cat", "truck", "truck"] * 3)
    bag_of_words = CountVectorizer(analyzer=list)
    clf = kind(make_pipeline(bag_of_words, LogisticRegression()), plane).fit(X, y)
    assert clf.predict(X).tolist() == y.tolist()


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


def test_samples_with_positive_weights_are_not_copied(plane, pets_and_trucks):
    class Keeper(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            self.X_ = X
            return super().fit(X, y, sample_weight)

    X, y = pets_and_trucks
    clf = ConSEClassifier(Keeper(), plane, calibrate=False).fit(X, y, sample_weight=np.ones(len(y)))
    assert clf.classifier_.X_ is X


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


def softmax_layer(labels):
    """A fitted classifier with the rows of a softmax layer, one feature for each label."""
    softmax = LogisticRegression()
    softmax.classes_ = np.array(labels)
    softmax.coef_, softmax.intercept_ = 10 * np.eye(len(labels)), np.zeros(len(labels))
    return FrozenEstimator(softmax)


def test_labels_of_a_frozen_classifier_without_vectors_are_left_out(plane):
    softmax = softmax_layer(["okapi", "truck", "cat", "tench"])
    clf = ConSEClassifier(softmax, plane)
    with pytest.warns(UserWarning, match="2 of 4.*'okapi'"):
        clf.fit(np.eye(4), ["okapi", "truck", "cat", "tench"])
    # Only the labels with a vector are predicted, and columns follow them.
    assert clf.classes_.tolist() == ["cat", "truck"]
    assert clf.predict_proba(np.eye(4)).shape == (4, 2)
    assert clf.predict(np.eye(4)[1:3]).tolist() == ["truck", "cat"]
    # "okapi" and "tench" have 0.2 each, which does not count.
    proba = np.log([[0.2, 0.5, 0.1, 0.2]]) / 10
    expected = (0.5 * plane.transform(["truck"]) + 0.1 * plane.transform(["cat"]))[0]
    assert_allclose(clf.transform(proba)[0], expected / np.linalg.norm(expected))
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        ConSEClassifier(softmax_layer(["okapi", "tench"]), plane).fit(np.eye(2), ["cat", "dog"])


def test_labels_that_a_frozen_classifier_repeats_are_added(plane):
    # torchvision names two of its categories "crane".
    clf = ConSEClassifier(softmax_layer(["truck", "cat", "truck"]), plane, n_top=1)
    clf.fit(np.eye(3), ["truck", "cat", "truck"])
    assert clf.classes_.tolist() == ["cat", "truck"]
    proba = np.log([[0.3, 0.4, 0.3]]) / 10
    assert clf.predict(proba).tolist() == ["truck"]  # 0.3 + 0.3 beats 0.4


def test_a_softmax_layer_of_synset_ids_has_the_terms_of_wordnet():
    # A bird and a machine, both named "crane" in English.
    vectors = {"crane": [0, 1], "wading bird": [1, 0], "lifting device": [0, 1], "hoist": [0, 1]}
    softmax = softmax_layer(["n02012849", "n03126707"])
    names = {"n02012849": "wading bird", "n03126707": "crane"}
    clf = ConSEClassifier(softmax, PretrainedEmbedder(vectors), labels=names)
    clf.fit(np.eye(2), ["n02012849", "n03126707"])
    assert clf.predict(np.eye(2), labels=["hoist", "wading bird"]).tolist() == [
        "wading bird",
        "hoist",
    ]
    plain = ConSEClassifier(softmax, PretrainedEmbedder(vectors))
    plain.fit(np.eye(2), ["n02012849", "n03126707"])
    assert_allclose(plain.label_space_.targets, [[0, 1], [0, 1]])  # Both are the term "crane".


def test_few_samples_need_not_suffice_for_a_second_training(plane):
    # The second training lacks two of the four samples, and three neighbours are asked for.
    clf = ConSEClassifier(KNeighborsClassifier(3), plane)
    clf.fit(np.eye(4), ["cat", "dog", "lynx", "truck"])
    assert np.isfinite(clf.predict_proba(np.eye(4))).all()


def test_probabilities_that_are_nan_are_refused(plane):
    # A feature without any variance divides 0 by 0.
    for estimator in (ConSEClassifier, DirectSimilarityClassifier):
        clf = estimator(GaussianNB(var_smoothing=0), plane)
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"GaussianNB.*NaN"):
            clf.fit(np.ones((4, 2)), ["cat", "cat", "dog", "dog"])


def test_no_samples_are_refused(plane):
    with pytest.raises(ValueError, match="samples"):
        ConSEClassifier(embedder=plane).fit(np.empty((0, 2)), [])
