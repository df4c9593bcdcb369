import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler, normalize

from skdevise import (
    ConSEClassifier,
    ESZSLClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
)

SCALE = {
    "centered": lambda X: normalize(X) - normalize(X).mean(axis=0),
    "l2": normalize,
    "none": lambda X: X,
    "standard": StandardScaler().fit_transform,
}


@pytest.fixture
def problem():
    """Features, labels, the vectors of their labels, and weights of 40 samples."""
    rng = np.random.default_rng(0)
    y = np.array(list("abcde"))[rng.integers(5, size=40)]
    vectors = RandomEmbedder(3).transform(y).astype(float)
    return rng.standard_normal((40, 6)), y, vectors, rng.uniform(0.1, 2, 40)


@pytest.mark.parametrize("scaling", SCALE)
def test_ridge_equals_scikit_learns_ridge(problem, scaling):
    X, y, vectors, _ = problem
    clf = RidgeProjectionClassifier(RandomEmbedder(3), alpha=0.3, feature_scaling=scaling)
    expected = Ridge(alpha=0.3, fit_intercept=False).fit(SCALE[scaling](X), vectors)
    assert_allclose(clf.fit(X, y).coef_, expected.coef_, atol=1e-12)
    assert_allclose(clf.transform(X), normalize(expected.predict(SCALE[scaling](X))))


def test_ridge_predicts_the_label_of_the_highest_cosine(problem):
    X, y, vectors, weight = problem
    clf = RidgeProjectionClassifier(RandomEmbedder(3), feature_scaling="none")
    clf.fit(X, y, sample_weight=weight)
    gram, moment = np.zeros((6, 6)), np.zeros((6, 3))
    for features, vector, w in zip(X, vectors, weight, strict=True):
        gram += w * np.outer(features, features)
        moment += w * np.outer(features, vector)
    points = normalize(X @ np.linalg.inv(gram + np.eye(6)) @ moment)
    cosines = points @ RandomEmbedder(3).transform(list("abcde")).T
    assert_allclose(clf.decision_function(X), cosines, atol=1e-6)
    assert clf.predict(X).tolist() == [list("abcde")[i] for i in cosines.argmax(axis=1)]


def test_ridge_of_one_feature_by_hand(plane):
    # Features 1 (cat) and 2 (truck): M = (1 * cat + 2 * truck) / (1 + 4 + 5) = (0.1, 0.2).
    clf = RidgeProjectionClassifier(plane, alpha=5, feature_scaling="none")
    assert_allclose(clf.fit([[1], [2]], ["cat", "truck"]).coef_, [[0.1], [0.2]], atol=1e-7)


@pytest.mark.parametrize("kind", [RidgeProjectionClassifier, ESZSLClassifier])
@pytest.mark.parametrize("scaling", ["centered", "l2", "none"])
def test_several_calls_of_partial_fit_equal_one_fit(problem, kind, scaling):
    X, y, _, weight = problem
    at_once = kind(RandomEmbedder(3), feature_scaling=scaling).fit(X, y, weight)
    clf = kind(RandomEmbedder(3), feature_scaling=scaling)
    for label in "ecabd":  # "a", "b" and "d" join after the first call
        rows = y == label
        clf.partial_fit(X[rows], y[rows], classes=["c"], sample_weight=weight[rows])
    assert clf.classes_.tolist() == list("abcde")
    assert_allclose(clf.coef_, at_once.coef_)
    assert_allclose(clf.transform(X), at_once.transform(X))
    assert clf.fit(X, y, weight).coef_.tolist() == at_once.coef_.tolist()


def test_the_scaler_of_the_first_call_is_kept(problem):
    X, y, _, _ = problem
    clf = RidgeProjectionClassifier(feature_scaling="standard").partial_fit(X[:20], y[:20])
    clf.partial_fit(5 + X[20:], y[20:])
    assert_allclose(clf.scaler_.mean_, X[:20].mean(axis=0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("feature_scaling", "standard"), ("embedder", RandomEmbedder(4)), ("alpha", -1)],
    ids=str,
)
def test_partial_fit_refuses_parameters_that_it_cannot_change(problem, name, value):
    X, y, _, _ = problem
    clf = RidgeProjectionClassifier(RandomEmbedder(3)).partial_fit(X, y)
    coef = clf.coef_
    with pytest.raises(ValueError, match=name):
        clf.set_params(**{name: value}).partial_fit(X, y)
    assert clf.coef_ is coef


def test_samples_of_weight_zero_are_left_out(problem):
    X, y, _, _ = problem
    kept = y != "a"
    clf = RidgeProjectionClassifier().fit(X, y, sample_weight=kept.astype(float))
    assert clf.classes_.tolist() == list("bcde")
    assert_allclose(clf.coef_, RidgeProjectionClassifier().fit(X[kept], y[kept]).coef_)


def test_large_tables_are_summed_in_blocks():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9_000, 4)).astype(np.float32), np.arange(9_000) % 3
    clf = RidgeProjectionClassifier(RandomEmbedder(2), feature_scaling="none").fit(X, y)
    X, vectors = X.astype(float), RandomEmbedder(2).transform(list("012"))[y].astype(float)
    expected = np.linalg.solve(X.T @ X + np.eye(4), X.T @ vectors).T
    assert_allclose(clf.coef_, expected, rtol=1e-6)
    assert clf.transform(X.astype(np.float32)).dtype == np.float32


def test_an_alpha_that_is_too_small_is_named(problem):
    X, y, _, _ = problem
    clf = RidgeProjectionClassifier(alpha=1e-300, feature_scaling="none")
    with pytest.raises(ValueError, match="alpha=1e-300"):
        clf.fit(X[:, [0, 0]], y)  # The same feature twice.


def test_text_and_number_labels_do_not_mix(problem):
    X, y, _, _ = problem
    clf = RidgeProjectionClassifier().fit(X, y)
    with pytest.raises(ValueError, match="text and numbers"):
        clf.partial_fit(X, np.arange(40))


@pytest.mark.parametrize("kind", [RidgeProjectionClassifier, ConSEClassifier])
@pytest.mark.parametrize(
    "X", [["cat.jpg", "dog.jpg"], np.zeros((2, 4, 4, 3))], ids=["path", "array"]
)
def test_photos_are_not_features(kind, X):
    with pytest.raises(ValueError, match="VisualFeaturizer"):
        kind().fit(X, ["cat", "dog"])


def test_a_call_that_fails_adds_no_samples(problem):
    X, y, _, _ = problem
    X[:, 1] = X[:, 0]  # The same feature twice.
    clf = RidgeProjectionClassifier(RandomEmbedder(3)).partial_fit(X[:20], y[:20])
    with pytest.raises(ValueError, match="alpha=1e-300"):
        clf.set_params(alpha=1e-300).partial_fit(X[20:], y[20:])
    clf.set_params(alpha=1.0).partial_fit(X[20:], y[20:])
    whole = RidgeProjectionClassifier(RandomEmbedder(3)).fit(X, y)
    assert_allclose(clf.transform(X), whole.transform(X))
