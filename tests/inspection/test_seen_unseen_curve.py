"""The display of the accuracies on seen and unseen labels for all penalties."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skdevise import Hierarchy, NearestLabelClassifier, RandomEmbedder
from skdevise.inspection import HierarchicalPrecisionDisplay, SeenUnseenCurveDisplay
from skdevise.metrics import generalized_scores

from ..conftest import COLOURS, FORMS

LABELS = [f"{colour} {form}" for colour in COLOURS for form in FORMS]


def test_the_curve_by_hand():
    # A cat, and a lynx whose best answer is "lynx" from a penalty of 0.1 on. The cat turns into a
    # lynx at 0.7.
    display = SeenUnseenCurveDisplay.from_predictions(
        ["cat", "lynx"], [[0.9, 0.2], [0.6, 0.5]], labels=["cat", "lynx"], seen=["cat"]
    )
    assert_allclose(display.line_.get_xdata(), [0, 1, 1])
    assert_allclose(display.line_.get_ydata(), [1, 1, 0])
    assert_allclose(display.point_.get_offsets(), [[0, 1]])
    assert display.scores.area == 1
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("penalty", [0.0, 0.2])
def test_an_estimator_has_its_scores_without_the_penalty(blurred, devise, penalty):
    X, y = blurred
    is_blue = np.char.startswith(y, "blue")
    pipe = make_pipeline(MaxAbsScaler(), devise).fit(X[~is_blue], y[~is_blue])
    raw = pipe[-1].decision_function(pipe[:-1].transform(X), labels=LABELS)
    devise = pipe[-1].set_params(seen_penalty=penalty)
    display = SeenUnseenCurveDisplay.from_estimator(pipe, X, y, labels=LABELS)
    expected = generalized_scores(y, raw, labels=LABELS, seen=devise.classes_, seen_penalty=penalty)
    assert_allclose(display.scores.unseen_curve, expected.unseen_curve)
    assert_allclose(display.scores.seen_curve, expected.seen_curve)
    assert_allclose(display.point_.get_offsets(), [[expected.unseen, expected.seen]])
    name = display.line_.get_label().split()
    assert name == ["DeViSEClassifier", "(area", "=", f"{expected.area:.2f})"]


def test_curves_of_several_models_differ_without_colours():
    scores = generalized_scores(
        ["cat", "lynx"], [[0.9, 0.2], [0.6, 0.5]], labels=["cat", "lynx"], seen=["cat"]
    )
    ax = SeenUnseenCurveDisplay(scores, name="a").plot().ax_
    SeenUnseenCurveDisplay(scores, name="b").plot(ax)
    first, second = ax.get_lines()
    assert first.get_linestyle() != second.get_linestyle()
    assert [text.get_text()[0] for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_a_classifier_of_its_training_labels_alone_is_refused():
    clf = LogisticRegression().fit([[0], [1]], ["cat", "dog"])
    with pytest.raises(TypeError, match="LogisticRegression"):
        SeenUnseenCurveDisplay.from_estimator(clf, [[0]], ["cat"], labels=["cat", "lynx"])


def test_unfitted_classifiers_are_refused():
    nearest = NearestLabelClassifier(RandomEmbedder(1), labels=["cat", "lynx"])
    with pytest.raises(NotFittedError):
        SeenUnseenCurveDisplay.from_estimator(nearest, [[1]], ["cat"])
    with pytest.raises(NotFittedError):
        HierarchicalPrecisionDisplay.from_estimator(
            LogisticRegression(), [[1]], ["cat"], Hierarchy.from_edges([("animal", "cat")])
        )
