"""The automatic learning rate of DeViSEClassifier."""

import numpy as np
import pytest

from skdevise import DeViSEClassifier, PretrainedEmbedder, RandomEmbedder

# The mean label is (0.5, 0.5). So each label differs from it by 1 in the L1 norm.
AXES = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1]})


def rate(X, y, **params):
    return DeViSEClassifier(AXES, random_state=0, **params).fit(X, y).lr_


def test_rate_of_samples_that_agree():
    # The mean of (t_y - mean) v^T is [[0.25, -0.25], [-0.25, 0.25]]. Its L1 norm is 1, the same
    # as the mean spread. So the agreement is 1, and the rate is 1/4 of the margin.
    assert rate([[1, 0], [0, 1]], ["cat", "truck"]) == pytest.approx(0.025)


def test_rate_of_samples_that_contradict_each_other():
    # The gradient is zero, so the agreement counts as 1/16. The rate is 2/5 of the margin times 16.
    X, y = [[1, 0], [1, 0]], ["cat", "truck"]
    assert rate(X, y, feature_scaling="l2") == pytest.approx(0.64)


@pytest.mark.parametrize(
    "params, expected",
    [
        ({"margin": 0.2}, 0.025),
        ({"loss": "warp"}, 0.025),
        ({"loss": "mse"}, 0.25),
        ({"loss": "cosine"}, 0.5),
        ({"loss": "contrastive"}, 0.5),
        ({"optimizer": "adam"}, 0.0025),
        ({"optimizer": "sgd"}, 0.02),
        ({"projection": "mlp"}, 0.02),
        ({"max_epochs": 120}, 0.0125),
        ({"max_epochs": 1}, 0.137),  # sqrt(30) times the rate
        ({"lr": 0.3}, 0.3),
    ],
)
def test_rate_follows_the_parameters(params, expected):
    assert rate([[1, 0], [0, 1]], ["cat", "truck"], **params) == pytest.approx(expected)


def test_the_margin_changes_the_directions_of_the_map():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 6)), np.array(["cat", "truck", "lynx"])[np.arange(30) % 3]
    vectors = PretrainedEmbedder({"cat": [1, 0, 0], "truck": [0, 1, 0], "lynx": [0.8, 0.1, 0.6]})
    narrow, wide = (
        DeViSEClassifier(vectors, margin=margin, random_state=0).fit(X, y).transform(X)
        for margin in (0.1, 1.0)
    )
    assert np.abs(narrow - wide).max() > 0.01


def test_rate_without_any_gradient_is_a_constant():
    assert rate([[0, 0], [0, 0]], ["cat", "truck"]) == 0.02


def test_a_weight_of_two_counts_as_two_samples():
    X, y = np.array([[1, 0], [1, 1], [0, 1]]), np.array(["cat", "truck", "truck"])
    weighted = DeViSEClassifier(AXES, random_state=0).fit(X, y, sample_weight=[1, 2, 1])
    assert weighted.lr_ == rate(X[[0, 1, 1, 2]], y[[0, 1, 1, 2]])


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_scale_of_the_features_does_not_matter(factor):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), rng.choice(["cat", "truck"], 60)
    clf = DeViSEClassifier(AXES, feature_scaling="none", random_state=0)
    answers = clf.fit(X, y).transform(X)
    scaled = clf.fit(factor * X, y)
    np.testing.assert_allclose(scaled.transform(factor * X), answers, atol=1e-3)


def test_partial_fit_keeps_the_automatic_rate_of_the_first_call():
    X, y = [[1, 0], [0, 1]], ["cat", "truck"]
    clf = DeViSEClassifier(AXES, random_state=0).partial_fit(X, y)
    assert clf.partial_fit([[1, 0], [1, 0]], y).lr_ == pytest.approx(0.025)
    assert clf.set_params(lr=0.5).partial_fit(X, y).lr_ == 0.5


@pytest.mark.parametrize("negatives", ["first_violation", "hardest", "all"])
def test_few_photos_with_many_features_are_learned(negatives):
    rng = np.random.default_rng(0)
    labels = np.repeat([f"label {letter}" for letter in "abcdefghij"], 25)
    X = np.repeat(rng.normal(size=(10, 2048)), 25, axis=0)
    X = np.maximum(X + 2.5 * rng.normal(size=X.shape), 0)
    is_train = np.arange(250) % 25 < 5
    clf = DeViSEClassifier(RandomEmbedder(100), negatives=negatives, random_state=0)
    assert clf.fit(X[is_train], labels[is_train]).score(X[~is_train], labels[~is_train]) > 0.95
