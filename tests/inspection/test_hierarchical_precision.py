"""The display of hierarchical precision against the number of answers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skdevise.inspection import HierarchicalPrecisionDisplay
from skdevise.metrics import HierarchicalPrecisionAtK

from ..conftest import COLOURS, FORMS

Figure = pytest.importorskip("matplotlib.figure").Figure

LEAVES = ["cat", "beagle", "husky"]
LABELS = [f"{colour} {form}" for colour in COLOURS for form in FORMS]


def test_the_curve_by_hand(tiny_tree):
    # The correct sets of "beagle" are {beagle}, {beagle, husky} and all three leaves.
    answers = [["husky", "cat", "beagle"]]
    display = HierarchicalPrecisionDisplay.from_predictions(
        ["beagle"], answers, tiny_tree, LEAVES, k=[3, 1, 2]
    )
    assert display.k.tolist() == [1, 2, 3]
    assert_allclose(display.precision, [0, 1 / 2, 1])
    assert_allclose(display.line_.get_xdata(), display.k)
    assert_allclose(display.line_.get_ydata(), display.precision)
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["1", "2", "3"]
    assert display.ax_.get_legend() is None


def test_the_numbers_of_the_paper_are_the_default(tiny_tree):
    display = HierarchicalPrecisionDisplay.from_predictions(
        ["beagle"], [["husky", "cat", "beagle"]], tiny_tree, LEAVES
    )
    assert display.k.tolist() == [1, 2]


def test_weights_and_averages_are_those_of_the_metric(tiny_tree):
    # hp@1 is 1, 1 and 0. The mean of "cat" is 1 and that of "husky" 1 / 2 or, weighted, 1 / 4.
    y, top = ["cat", "husky", "husky"], [["cat"], ["husky"], ["beagle"]]
    draw = HierarchicalPrecisionDisplay.from_predictions
    assert_allclose(draw(y, top, tiny_tree, LEAVES).precision, [2 / 3])
    assert_allclose(draw(y, top, tiny_tree, LEAVES, average="class").precision, [3 / 4])
    display = draw(y, top, tiny_tree, LEAVES, sample_weight=[1, 1, 3], average="class")
    assert_allclose(display.precision, [5 / 8])


@pytest.mark.parametrize("labels", [None, LABELS])
def test_an_estimator_has_the_scores_of_the_scorer(blurred, devise, by_form, labels):
    X, y = blurred
    is_blue = np.char.startswith(y, "blue")
    pipe = make_pipeline(MaxAbsScaler(), devise).fit(X[~is_blue], y[~is_blue])
    X, y = (X, y) if labels else (X[~is_blue], y[~is_blue])
    display = HierarchicalPrecisionDisplay.from_estimator(pipe, X, y, by_form, labels=labels)
    assert display.k.tolist() == [1, 2, 5]
    expected = [HierarchicalPrecisionAtK(k, by_form, labels)(pipe, X, y) for k in (1, 2, 5)]
    assert_allclose(display.precision, expected)
    assert display.name == "DeViSEClassifier"


def test_curves_of_several_models_differ_without_colours(tiny_tree):
    X, y = [[0], [1], [2]], LEAVES
    baseline = LogisticRegression().fit(X, y)
    ax = HierarchicalPrecisionDisplay.from_estimator(baseline, X, y, tiny_tree).ax_
    HierarchicalPrecisionDisplay([1, 5], [0.1, 0.2], name="$\\x$" + " long" * 20).plot(ax)
    first, second = ax.get_lines()
    assert first.get_marker() != second.get_marker()
    assert first.get_color() != second.get_color()
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "5"]
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 1  # The baseline has an hp@1 of 1.
    ax.figure.canvas.draw()  # "\x" is no formula of matplotlib.
    name = ax.get_legend().get_texts()[1].get_text()
    assert max(map(len, name.splitlines())) <= 40


def test_axes_and_styles_are_the_users(tiny_tree):
    ax = Figure().subplots()
    display = HierarchicalPrecisionDisplay([1, 2], [0.5, 0.25], name="a")
    assert display.plot(ax, name="b", c="red", ls=":") is display
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert (display.line_.get_color(), display.line_.get_linestyle()) == ("red", ":")
    assert display.line_.get_label() == "b"


@pytest.mark.parametrize("k", [0, [1, 4], [], [1.5], "2"])
def test_numbers_of_answers_are_checked(tiny_tree, k):
    with pytest.raises(ValueError, match="k="):
        HierarchicalPrecisionDisplay.from_predictions(
            ["cat"], [["husky", "cat", "beagle"]], tiny_tree, LEAVES, k=k
        )


def test_answers_of_predict_are_not_ranked(tiny_tree):
    with pytest.raises(ValueError, match=r"\(1,\)"):
        HierarchicalPrecisionDisplay.from_predictions(["cat"], ["husky"], tiny_tree, LEAVES)
