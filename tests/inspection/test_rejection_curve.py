"""The display of accuracy against the share of accepted answers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skdevise import RandomEmbedder, RidgeProjectionClassifier
from skdevise.inspection import RejectionCurveDisplay

plt = pytest.importorskip("matplotlib.pyplot", reason="The display needs matplotlib.")


def test_the_curve_by_hand():
    # By descending confidence: right, then two of equal confidence (right, wrong), then wrong.
    display = RejectionCurveDisplay.from_predictions(
        ["a", "b", "b", "a"], ["a", "a", "b", "b"], [0.9, 0.5, 0.5, 0.1]
    )
    assert_allclose(display.accepted, [1 / 4, 3 / 4, 1])
    assert_allclose(display.accuracy, [1, 2 / 3, 1 / 2])
    assert_allclose(display.thresholds, [0.9, 0.5, 0.1])
    assert_allclose(display.line_.get_xdata(), display.accepted)
    assert_allclose(display.line_.get_ydata(), display.accuracy)


def test_weights_count_like_repeated_samples():
    display = RejectionCurveDisplay.from_predictions(
        [1, 2, 1], [1, 1, 1], [0.9, 0.8, 0.7], sample_weight=[1, 2, 1]
    )
    assert_allclose(display.accepted, [1 / 4, 3 / 4, 1])
    assert_allclose(display.accuracy, [1, 1 / 3, 1 / 2])


def test_answers_of_weight_zero_do_not_count():
    display = RejectionCurveDisplay.from_predictions(
        [1, 1, 2], [2, 1, 1], [0.9, 0.8, 0.7], sample_weight=[0, 0.25, 0.25]
    )
    assert_allclose(display.accepted, [0, 1 / 2, 1])
    assert_allclose(display.accuracy, [0, 1, 1 / 2])


@pytest.mark.parametrize("labels", [None, ["x", "b", "y"]])
def test_an_estimator_gives_the_curve_of_its_answers(labels):
    y = np.repeat(list("abc"), 8)
    X = RandomEmbedder(4).transform(y) + np.random.default_rng(0).normal(0, 0.5, (24, 4))
    clf = RidgeProjectionClassifier(RandomEmbedder(4), reject_below=0.9)
    pipe = make_pipeline(MaxAbsScaler(), clf).fit(X, y)
    display = RejectionCurveDisplay.from_estimator(pipe, X, y, labels=labels)
    confidence = pipe[-1].predict_confidence(pipe[:-1].transform(X), labels)
    answers = np.array(list("abc") if labels is None else labels)[confidence.argmax(axis=1)]
    assert display.accuracy[-1] == (answers == y).mean()
    assert display.thresholds[0] == confidence.max()
    assert display.name == "RidgeProjectionClassifier"


def test_scikit_learns_classifiers_have_a_curve_of_their_training_labels():
    X, y = [[0], [1], [2], [3]], list("aabb")
    clf = LogisticRegression().fit(X, y)
    assert RejectionCurveDisplay.from_estimator(clf, X, y).accuracy.tolist()[-1] == 1
    with pytest.raises(TypeError, match="LogisticRegression"):
        RejectionCurveDisplay.from_estimator(clf, X, y, labels=["c", "d"])


def test_a_curve_is_drawn_on_given_axes():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    display = RejectionCurveDisplay(np.array([1.0]), np.array([0.5]), np.array([0.2]), name="one")
    assert display.plot(ax, color="red").ax_ is ax
    assert display.figure_ is ax.figure
    assert display.line_.get_color() == "red"
    display.plot(ax, name="two")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


def test_a_curve_of_one_point_is_visible():
    # Answers with the same confidence are accepted or rejected together.
    display = RejectionCurveDisplay.from_predictions(["a", "b"], ["a", "a"], [1.0, 1.0])
    assert display.line_.get_xydata().tolist() == [[1.0, 0.5]]
    assert display.line_.get_marker() not in (None, "None", "")


def test_predictions_of_different_lengths_and_no_predictions_are_refused():
    with pytest.raises(ValueError):  # noqa: PT011
        RejectionCurveDisplay.from_predictions(["a"], ["a", "b"], [0.1, 0.2])
    with pytest.raises(ValueError, match="no samples"):
        RejectionCurveDisplay.from_predictions([], [], [])
