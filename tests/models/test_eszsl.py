import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import StandardScaler, normalize

from skdevise import ESZSLClassifier, RandomEmbedder


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, 6)), np.array(list("abcde"))[rng.integers(5, size=40)]


def equation_8(X, y, S, alpha, label_alpha):
    """The map of Romera-Paredes and Torr, (n_features, vector_size), with 0 for other labels."""
    Y = (y[:, None] == np.array(list("abcde"))).astype(float)
    left = np.linalg.inv(X.T @ X + alpha * np.eye(X.shape[1]))
    right = np.linalg.inv(S @ S.T + label_alpha * np.eye(len(S)))
    return left @ X.T @ Y @ S.T @ right


@pytest.mark.parametrize(
    ("scaling", "scale"),
    [("l2", normalize), ("none", np.asarray), ("standard", StandardScaler().fit_transform)],
)
def test_eszsl_equals_equation_8(problem, scaling, scale):
    X, y = problem
    S = RandomEmbedder(3).transform(list("abcde")).T.astype(float)
    clf = ESZSLClassifier(RandomEmbedder(3), alpha=0.3, label_alpha=2, feature_scaling=scaling)
    expected = equation_8(scale(X), y, S, 0.3, 2)
    assert_allclose(clf.fit(X, y).coef_.T, expected)
    cosines = normalize(scale(X) @ expected) @ S
    assert_allclose(clf.decision_function(X), cosines, atol=1e-6)
    assert clf.predict(X).tolist() == [list("abcde")[i] for i in cosines.argmax(axis=1)]


def test_eszsl_of_one_feature_by_hand(plane):
    # Features 1 (cat) and 2 (truck) with orthogonal vectors: X Y S' = (1, 2), over 1 + 4 + 5 on
    # the side of the features and 1 + 1 on the side of the labels.
    clf = ESZSLClassifier(plane, alpha=5, label_alpha=1, feature_scaling="none")
    assert_allclose(clf.fit([[1], [2]], ["cat", "truck"]).coef_, [[0.05], [0.1]], atol=1e-7)


def test_announced_classes_count_as_labels(problem):
    X, y = problem
    some = np.isin(y, ["a", "b"])
    clf = ESZSLClassifier(RandomEmbedder(3), feature_scaling="none")
    clf.partial_fit(X[some], y[some], classes=list("abcde"))
    S = RandomEmbedder(3).transform(list("abcde")).T.astype(float)
    assert_allclose(clf.coef_.T, equation_8(X[some], y[some], S, 1, 1))


def test_a_label_alpha_that_is_too_small_is_named(problem):
    # The 500-dimensional vectors of five labels have a singular Gram matrix.
    with pytest.raises(ValueError, match="label_alpha=1e-300"):
        ESZSLClassifier(label_alpha=1e-300).fit(*problem)
