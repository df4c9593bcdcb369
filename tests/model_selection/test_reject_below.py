"""The choice of `reject_below` on held-out classes."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skdevise import (
    NearestClassMeanClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
    WSABIEClassifier,
)
from skdevise.model_selection import UnseenClassSplit, tune_reject_below
from skdevise.models._top_k import reach_classifier

LABELS = [f"label {i}" for i in range(20)]


@pytest.fixture(scope="module")
def data():
    """Samples near the vectors of their labels: X (160, 8), y."""
    y = np.repeat(LABELS, 8)
    return RandomEmbedder(8).transform(y) + np.random.default_rng(0).normal(0, 0.4, (160, 8)), y


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_the_threshold_reaches_the_accuracy_on_held_out_classes(data, in_pipeline):
    X, y = data
    clf = RidgeProjectionClassifier(RandomEmbedder(8), alpha=0.1)
    clf = make_pipeline(MaxAbsScaler(), clf) if in_pipeline else clf
    cv = UnseenClassSplit(3, random_state=0)
    thresholds = [
        tune_reject_below(clf, X, y, min_accuracy=share, unknown_share=0, cv=cv, random_state=0)
        for share in (0.1, 0.9)
    ]
    # Without unknown classes, a naive loop finds the same answers.
    confidence, is_right = [], []
    for train, test in cv.split(X, y):
        fitted, labels = clone(clf).fit(X[train], y[train]), np.unique(y[test])
        model, points = reach_classifier(fitted, X[test])
        values = model.predict_confidence(points, labels)
        confidence.extend(values.max(axis=1))
        is_right.extend(labels[values.argmax(axis=1)] == y[test])
    confidence, is_right = np.array(confidence), np.array(is_right)
    assert thresholds[0] == 0 and is_right.mean() > 0.1
    assert 0 < thresholds[1] < 1 and is_right.mean() < 0.9
    threshold = thresholds[1] - 1e-9  # The loop rounds differently.
    assert is_right[confidence >= threshold].mean() >= 0.9
    for lower in confidence[confidence < threshold]:
        assert is_right[confidence >= lower].mean() < 0.9


class FeaturesAreConfidences(ClassifierMixin, BaseEstimator):
    """The features of a sample are its confidences for the labels "a", "b" and "c"."""

    def __init__(self, reject_below=None):
        self.reject_below = reject_below

    def fit(self, X, y):
        return self

    def predict_confidence(self, X, labels):
        return X[:, np.searchsorted(["a", "b", "c"], labels)]


@pytest.mark.parametrize(("min_accuracy", "expected"), [(1, 0.9), (0.6, 0.9), (0.5, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_threshold_by_hand(min_accuracy, expected, seed):
    # Two classes are held out, which is the least number of candidates. The first sample of them
    # is right, with a confidence of 0.9. The second one is wrong, with 0.6.
    X = np.array([[1, 0, 0], [0, 0.9, 0.1], [0, 0.6, 0.4]])
    options = {"cv": [([0], [1, 2])], "min_accuracy": min_accuracy, "random_state": seed}
    assert tune_reject_below(FeaturesAreConfidences(), X, ["a", "b", "c"], **options) == expected


def test_unknown_classes_raise_the_threshold(data):
    clf = RidgeProjectionClassifier(RandomEmbedder(8), alpha=0.1)
    low, high = (
        tune_reject_below(clf, *data, min_accuracy=0.7, unknown_share=share, random_state=0)
        for share in (0, 0.5)
    )
    assert low < high


def test_an_accuracy_out_of_reach_is_refused(data):
    X, y = data
    clf = RidgeProjectionClassifier(RandomEmbedder(8), feature_scaling="l2")
    shuffled = np.random.default_rng(0).permutation(y)
    with pytest.raises(ValueError, match=r"min_accuracy=1.0.* 0\."):
        tune_reject_below(clf, X, shuffled, min_accuracy=1.0, random_state=0)


@pytest.mark.parametrize(
    "params", [{"min_accuracy": 0}, {"min_accuracy": 2}, {"unknown_share": 1}, {"cv": 0}]
)
def test_invalid_parameters_are_refused(data, params):
    with pytest.raises(ValueError, match=next(iter(params))):
        tune_reject_below(RidgeProjectionClassifier(), *data, **params)


def test_a_single_held_out_class_is_refused(data):
    X, y = data
    five = np.isin(y, LABELS[:5])  # A fifth of five classes is one: every answer would be right.
    with pytest.raises(ValueError, match="1 class.*test_size=2"):
        tune_reject_below(RidgeProjectionClassifier(), X[five], y[five])


def test_a_threshold_needs_probabilities(data):
    with pytest.raises(ValueError, match="calibrate=True"):
        tune_reject_below(RidgeProjectionClassifier(calibrate=False), *data)


@pytest.mark.parametrize("kind", [WSABIEClassifier, NearestClassMeanClassifier])
def test_a_classifier_that_only_answers_training_labels_is_refused(data, kind):
    clf = kind()
    for estimator in (clf, make_pipeline(MaxAbsScaler(), clf)):
        with pytest.raises(ValueError, match=f"{kind.__name__} .*RejectionCurveDisplay"):
            tune_reject_below(estimator, *data)


def test_a_classifier_that_cannot_reject_and_other_splits_are_refused(data):
    with pytest.raises(TypeError, match="LogisticRegression"):
        tune_reject_below(LogisticRegression(), *data)
    with pytest.raises(ValueError, match="UnseenClassSplit"):
        tune_reject_below(RidgeProjectionClassifier(), *data, cv=KFold(2, shuffle=True))
