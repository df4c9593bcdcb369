"""The automatic learning rate of DeViSEClassifier."""

import numpy as np
import pytest
from sklearn.base import clone

from skdevise import DeViSEClassifier, PretrainedEmbedder, RandomEmbedder

AXES = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1]})


def rate(X, y, **params):
    params = {"feature_scaling": "none", "random_state": 0, **params}
    return DeViSEClassifier(AXES, **params).fit(X, y).lr_


@pytest.mark.parametrize(
    "params, expected",
    [
        ({}, 0.0118),
        ({"margin": 0.2}, 0.0118),
        ({"loss": "warp"}, 0.0118),
        ({"loss": "mse"}, 0.118),
        ({"loss": "cosine"}, 0.236),
        ({"loss": "contrastive"}, 0.236),
        ({"optimizer": "adam"}, 0.00118),
        ({"optimizer": "sgd"}, 0.02),
        ({"projection": "mlp"}, 0.02),
        ({"max_epochs": 120}, 0.00589),
        ({"max_epochs": 1}, 0.0645),  # sqrt(30) times the rate
        ({"lr": 0.3}, 0.3),
    ],
)
def test_rate_follows_the_parameters(params, expected):
    # The label vectors are (0.5, -0.5) and (-0.5, 0.5) from their mean, so the map
    # [[0.5, 0], [-0.5, 0]] turns the features into these. The root mean square of its weights is
    # 0.5 / sqrt(2), and the rate is a third of 0.1 times this size. With the penalty, the map is
    # smaller, but then it opens a smaller share of the gaps too.
    assert rate([[1, 0], [-1, 0]], ["cat", "truck"], **params) == pytest.approx(expected)


def test_rate_of_classes_that_differ_little_is_higher():
    # The features differ by 0.02 and not by 2 as above, so the weights are 100 times as large.
    assert rate([[1, 0.01], [1, -0.01]], ["cat", "truck"]) == pytest.approx(1.18)


@pytest.mark.parametrize("n_features", [3, 40])
def test_rate_is_that_of_ridge_regression(n_features):
    rng = np.random.default_rng(0)
    embedder, y = RandomEmbedder(60), np.array([f"label {i % 10}" for i in range(50)])
    X, weight = rng.normal(size=(50, n_features)), rng.random(50)
    X *= np.geomspace(1, 0.001, n_features)  # The penalty matters for the smallest features.
    clf = DeViSEClassifier(embedder, feature_scaling="none", random_state=0)
    lr = clf.fit(X, y, sample_weight=weight).lr_
    labels = np.unique(y)
    share = np.array([weight[y == label].sum() for label in labels]) / weight.sum()
    means = np.array([np.average(X[y == c], axis=0, weights=weight[y == c]) for c in labels])
    vectors = clf.embedder_.transform(labels)
    vectors = vectors - share @ vectors
    alpha = share @ np.square(means).sum(axis=1) / (1000 * 5)
    gram = (share * means.T) @ means + alpha * np.eye(n_features)
    map_ = np.linalg.solve(gram, (share * means.T) @ vectors)
    gaps = share @ (means @ map_ * vectors).sum(axis=1) / (share @ (vectors**2).sum(axis=1))
    assert lr == pytest.approx(0.1 / 3 * np.sqrt(np.mean(map_**2)) / gaps, rel=0.01)


def test_labels_without_photos_do_not_change_the_rate():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 5)) * np.geomspace(1, 0.001, 5), np.arange(50) % 10
    clf = DeViSEClassifier(RandomEmbedder(20), loss="mse", feature_scaling="none", max_epochs=1)
    expected = clf.partial_fit(X, y).lr_
    assert clone(clf).partial_fit(X, y, classes=np.arange(90)).lr_ == expected


def vectors_with_cosine(cosine):
    """Create an embedder of two labels."""
    return PretrainedEmbedder({"cat": [1, 0], "truck": [cosine, np.sqrt(1 - cosine**2)]})


@pytest.mark.parametrize(
    "loss, ratio", [("hinge_rank", 1.43), ("warp", 1.43), ("mse", 0.5), ("cosine", 0.5)]
)
def test_rate_is_higher_if_a_margin_has_to_separate_near_vectors(loss, ratio):
    # The distance of two vectors is sqrt(2 - 2 cosine), here a half of the other. The map shrinks
    # with it. But the gap of 0.25 raises the rate by 1 / (0.25 * 1.4) = 2.86.
    X, y = [[1, 0], [-1, 0]], ["cat", "truck"]
    wide, near = (
        DeViSEClassifier(vectors_with_cosine(cosine), feature_scaling="none", loss=loss).fit(X, y)
        for cosine in (0, 0.75)
    )
    assert near.lr_ / wide.lr_ == pytest.approx(ratio, rel=0.01)


def margin_and_mse_rates(labels, vectors, X, y):
    """Choose the rates of a loss with a margin and of one without."""
    params = {"feature_scaling": "none", "max_epochs": 1}
    return [
        DeViSEClassifier(PretrainedEmbedder((labels, vectors)), loss=loss, **params).fit(X, y).lr_
        for loss in ("hinge_rank", "mse")
    ]


def test_labels_with_the_same_vector_have_a_limited_effect_on_the_rate():
    # One of six pairs of labels has no gap and counts as a gap of 0.1. The others have a gap of 1.
    labels, vectors = ["cat", "truck", "lynx", "lorry"], np.eye(3)[[0, 1, 2, 1]]
    X, y = np.random.default_rng(0).normal(size=(40, 5)), np.array(labels)[np.arange(40) % 4]
    margin, mse = margin_and_mse_rates(labels, vectors, X, y)
    assert margin / mse == pytest.approx(0.1 * np.sqrt((5 + 100) / 6) / 1.4, rel=0.01)


def test_rate_of_many_labels_compares_some_of_the_pairs():
    rng = np.random.default_rng(0)
    labels, vectors = [f"label {i}" for i in range(2500)], rng.random((2500, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    margin, mse = margin_and_mse_rates(labels, vectors, rng.normal(size=(2500, 5)), labels)
    inverse = 1 / np.maximum(1 - (vectors @ vectors.T)[~np.eye(2500, dtype=bool)], 0.1)
    assert margin / mse == pytest.approx(0.1 * np.sqrt(np.mean(inverse**2)) / 1.4, rel=0.03)


@pytest.mark.parametrize("X", [[[0, 0], [0, 0]], [[1, 0], [1, 0]]])
def test_rate_of_classes_with_the_same_features_is_a_constant(X):
    assert rate(X, ["cat", "truck"]) == 0.02


def test_the_margin_changes_the_directions_of_the_map():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 6)), np.array(["cat", "truck", "lynx"])[np.arange(30) % 3]
    vectors = PretrainedEmbedder({"cat": [1, 0, 0], "truck": [0, 1, 0], "lynx": [0.8, 0.1, 0.6]})
    narrow, wide = (
        DeViSEClassifier(vectors, margin=margin, random_state=0).fit(X, y).transform(X)
        for margin in (0.1, 1.0)
    )
    assert np.abs(narrow - wide).max() > 0.01


def test_a_weight_of_two_counts_as_two_samples():
    X, y = np.array([[1, 0], [1, 1], [0, 1]]), np.array(["cat", "truck", "truck"])
    weighted = DeViSEClassifier(AXES, random_state=0).fit(X, y, sample_weight=[1, 2, 1])
    repeated = DeViSEClassifier(AXES, random_state=0).fit(X[[0, 1, 1, 2]], y[[0, 1, 1, 2]])
    assert weighted.lr_ == pytest.approx(repeated.lr_, rel=0.01)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_scale_of_the_features_does_not_matter(factor):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), rng.choice(["cat", "truck"], 60)
    clf = DeViSEClassifier(AXES, feature_scaling="none", random_state=0)
    answers = clf.fit(X, y).transform(X)
    scaled = clf.fit(factor * X, y)
    np.testing.assert_allclose(scaled.transform(factor * X), answers, atol=1e-3)


def test_partial_fit_keeps_the_automatic_rate_of_the_first_call():
    X, y = [[1, 0], [-1, 0]], ["cat", "truck"]
    clf = DeViSEClassifier(AXES, feature_scaling="none", random_state=0).partial_fit(X, y)
    assert clf.partial_fit([[1, 0], [1, 0]], y).lr_ == pytest.approx(0.0118)
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
