"""The display of wrong answers between the branches of a hierarchy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skdevise import Hierarchy
from skdevise.inspection import HierarchyConfusionDisplay

from ..conftest import COLOURS, FORMS

LABELS = [f"{colour} {form}" for colour in COLOURS for form in FORMS]
draw = HierarchyConfusionDisplay.from_predictions


def written(display):
    """Return the numbers in the cells by row and column."""
    return {(text.get_position()[1], text.get_position()[0]): text.get_text()
            for text in display.ax_.texts}  # fmt: skip


def test_the_matrix_by_hand(tiny_tree):
    # Two dogs: one is right, and one is another dog. Three cats: two are dogs, one is rejected.
    y_true = ["beagle", "beagle", "cat", "cat", "cat"]
    y_pred = ["beagle", "husky", "husky", "beagle", "unknown"]
    display = draw(y_true, y_pred, tiny_tree, branches=["dog", "cat"])
    assert display.branches == ["cat", "dog", "other"]
    assert display.counts.tolist() == [3, 2]
    assert_allclose(display.shares, [[0, 0, 2 / 3, 1 / 3], [1 / 2, 0, 1 / 2, 0]])
    assert written(display) == {(0, 2): "67%", (0, 3): "33%", (1, 0): "50%", (1, 2): "50%"}
    ticks = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert ticks == ["cat (3)", "dog (2)"]


def test_a_label_belongs_to_the_first_node_above_it(tiny_tree):
    display = draw(["beagle", "cat"], ["cat", "cat"], tiny_tree, branches=["dog", "animal"])
    assert display.branches == ["dog", "animal"]
    assert_allclose(display.shares, [[0, 0, 1], [1, 0, 0]])


def test_weights_change_shares(tiny_tree):
    display = draw(["cat", "cat"], ["cat", "beagle"], tiny_tree, sample_weight=[3, 1])
    assert_allclose(display.shares, [[3 / 4, 0, 1 / 4]])


def test_few_labels_are_branches_themselves(tiny_tree):
    display = draw(["cat"], ["cat"], tiny_tree)
    assert (display.branches, display.shares.tolist()) == (["cat"], [[1, 0]])


def test_many_labels_have_few_branches():
    # Four branches of 250 labels. Each is 1/4 of the labels, and with branches=4 may be 2/4.
    kinds = {f"label {i}": f"kind {i % 4}" for i in range(1000)}
    tree = Hierarchy.from_edges(
        [("root", f"kind {i}") for i in range(4)] + [(kind, label) for label, kind in kinds.items()]
    )
    labels = list(kinds)
    display = draw(labels, labels[4:] + labels[:4], tree, branches=4)
    assert sorted(display.branches) == [f"kind {i}" for i in range(4)]
    assert_allclose(display.shares, np.column_stack([np.zeros(4), np.eye(4)]))
    display.figure_.canvas.draw()
    names = [*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()]
    boxes = np.array([text.get_window_extent().extents for text in names])
    assert (boxes >= 0).all()


@pytest.mark.parametrize("labels", [None, LABELS])
def test_an_estimator_gives_its_answers(blurred, devise, by_form, labels):
    X, y = blurred
    is_blue = np.char.startswith(y, "blue")
    pipe = make_pipeline(MaxAbsScaler(), devise).fit(X[~is_blue], y[~is_blue])
    display = HierarchyConfusionDisplay.from_estimator(pipe, X, y, by_form, labels=labels)
    right = pipe[-1].predict(pipe[:-1].transform(X), labels=labels) == y
    assert_allclose(display.shares[:, 0] @ display.counts, right.sum())


def test_classifiers_of_scikit_learn_have_no_candidates(tiny_tree):
    clf = LogisticRegression().fit([[0], [1]], ["cat", "husky"])
    display = HierarchyConfusionDisplay.from_estimator(clf, [[0]], ["cat"], tiny_tree)
    assert display.shares[0, 0] == 1
    with pytest.raises(TypeError, match="LogisticRegression"):
        HierarchyConfusionDisplay.from_estimator(clf, [[0]], ["cat"], tiny_tree, labels=["beagle"])


@pytest.mark.parametrize(
    ("y_true", "branches", "named"),
    [
        (["yak"], 9, "'yak'"),
        (["cat"], 0, "branches=0"),
        (["cat"], ["yak"], "yak"),
        ([], 9, "no samples"),
    ],
)
def test_invalid_arguments_are_named(tiny_tree, y_true, branches, named):
    with pytest.raises(ValueError, match=named):
        draw(y_true, y_true, tiny_tree, branches=branches)


def test_names_are_cut_and_not_parsed_as_formulas():
    tree = Hierarchy.from_edges([("root", "$\\x$ " + "long " * 20), ("root", "b")])
    display = draw([tree.labels[1], "b"], ["b", "b"], tree)
    display.figure_.canvas.draw()
    assert max(len(text.get_text()) for text in display.ax_.get_xticklabels()) <= 28
