import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skdevise.models._closed_forms import Sums, eszsl, ridge


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((5, 3))
    return rng.standard_normal((40, 6)), rng.integers(5, size=40), vectors, rng.uniform(0, 2, 40)


def sums_of(X, targets, weight=None, n_classes=5):
    sums = Sums(X.shape[1], n_classes)
    sums.add(X, targets, weight)
    return sums


def test_ridge_is_scikit_learns(problem):
    X, targets, vectors, weight = problem
    expected = Ridge(alpha=0.3, fit_intercept=False).fit(X, vectors[targets], weight).coef_
    np.testing.assert_allclose(ridge(sums_of(X, targets, weight), vectors, 0.3), expected)


def test_eszsl_is_its_equation(problem):
    X, targets, vectors, _ = problem
    Y = np.eye(5)[targets]
    left = np.linalg.inv(X.T @ X + 0.3 * np.eye(6))
    right = np.linalg.inv(vectors.T @ vectors + 2 * np.eye(3))
    expected = left @ X.T @ Y @ vectors @ right
    np.testing.assert_allclose(eszsl(sums_of(X, targets), vectors, 0.3, 2).T, expected)


def test_sums_can_be_added_to_and_classes_can_join(problem):
    X, targets, vectors, weight = problem
    few = targets < 3
    sums = Sums(6, 3)
    sums.add(X[few], targets[few], weight[few])
    # The three classes become the second, fourth and fifth.
    place = np.array([1, 3, 4, 0, 2])
    sums.join(place[:3], 5)
    sums.add(X[~few], place[targets[~few]], weight[~few])
    at_once = sums_of(X, place[targets], weight)
    np.testing.assert_allclose(sums.gram, at_once.gram)
    np.testing.assert_allclose(sums.of_classes, at_once.of_classes)
