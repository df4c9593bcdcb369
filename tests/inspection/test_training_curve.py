"""The display of losses and scores over the epochs."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skdevise import DeViSEClassifier, RandomEmbedder
from skdevise.inspection import TrainingCurveDisplay


@pytest.fixture
def two_stages():
    """A history of three epochs and two epochs of fine-tuning."""
    index = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    return pd.DataFrame(
        {"valid_hit@1": [0.2, 0.4, 0.4, 0.3, 0.5], "dur": 1.0, "train_loss": [5, 4, 3, 2, 1]},
        index=pd.MultiIndex.from_tuples(index, names=["stage", "epoch"]),
    )


def test_an_estimator_has_the_curves_of_its_history():
    X, y = np.eye(3).repeat(4, axis=0), np.repeat(list("abc"), 4)
    clf = DeViSEClassifier(RandomEmbedder(4), max_epochs=3, early_stopping=True, random_state=0)
    pipe = make_pipeline(Normalizer(), clf).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(pipe)
    history = pipe[-1].history_
    assert set(display.columns) == {"train_loss", "valid_hit@1"} == set(history) - {"dur"}
    for column, line in zip(display.columns, display.lines_, strict=True):
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert line.get_ydata().tolist() == history[column].tolist()
    assert display.name == "DeViSEClassifier"


def test_stage_2_and_the_best_epochs_are_marked(two_stages):
    ax = TrainingCurveDisplay(two_stages, columns=["train_loss"]).plot().axes_[0]
    best, border = ax.collections
    # The best epochs are the second of stage 1, which is the first with 0.4, and that with 0.5.
    assert best.get_offsets().tolist() == [[2, 4], [5, 1]]
    assert border.get_segments()[0][:, 0].tolist() == [3.5, 3.5]
    assert [text.get_text() for text in ax.texts] == ["stage 2"]


def test_a_second_estimator_is_drawn_on_the_same_axes(two_stages):
    first = TrainingCurveDisplay(two_stages, name="$\\x$").plot()
    one = two_stages.loc[1].iloc[:1]
    second = TrainingCurveDisplay(one, name="b").plot(first.axes_, c="red")
    assert second.figure_ is first.figure_
    for ax in first.axes_:
        lines = ax.get_lines()
        assert lines[0].get_marker() != lines[1].get_marker()
        assert ax.get_xlim() == (0.5, 5.5)
    assert lines[1].get_color() == "red"
    first.figure_.canvas.draw()
    assert [t.get_text() for t in first.axes_[0].get_legend().get_texts()] == ["$\\x$", "b"]
    with pytest.raises(ValueError, match="1 axes"):
        TrainingCurveDisplay(two_stages).plot(first.axes_[:1])


def test_an_estimator_needs_epochs(two_stages):
    with pytest.raises(TypeError, match="LogisticRegression"):
        TrainingCurveDisplay.from_estimator(LogisticRegression())
    with pytest.raises(ValueError, match="no epochs"):
        TrainingCurveDisplay(two_stages.iloc[:0])
    with pytest.raises(ValueError, match="'loss'"):
        TrainingCurveDisplay(two_stages, columns=["loss"])
