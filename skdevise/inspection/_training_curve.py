"""A display of the losses and scores of training."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from skdevise._typing import ArrayLike, Classifier, DataFrame
from skdevise._utils import import_optional
from skdevise.inspection._curves import draw_legend, draw_line
from skdevise.models._top_k import reach_classifier

# Labels of the usual columns of a history.
_TITLES = {"train_loss": "Training loss", "valid_hit@1": "hit@1 on held-out samples"}

# Epochs of a curve that have a marker.
_N_MARKERS = 10


class TrainingCurveDisplay:
    """Losses and scores against the epochs of training.

    It shows whether training has converged, and whether a lower loss comes with a better score. A
    line marks the beginning of stage 2, in which the visual network is fine-tuned. With early
    stopping, a ring marks the best epoch of each stage, whose weights are kept. To compare several
    estimators, pass the `axes_` of the first display as the `axes` of the others. Drawing needs
    matplotlib (extra ``plot``).

    Parameters
    ----------
    history : DataFrame
        Table with one row per epoch and one column per loss or score, as the attribute `history_`
        of the estimators. Its index is the epoch, or ("stage", "epoch").
    columns : sequence of str, default=None
        Columns to show. None means all except "dur", the seconds of each epoch.
    name : str, default=None
        Name of the curves in the legend. None means that there is no legend.

    Attributes
    ----------
    lines_ : ndarray of matplotlib Line2D, of shape (n_columns,)
        The curves.
    axes_ : ndarray of matplotlib Axes, of shape (n_columns,)
        Axes of each column.
    figure_ : matplotlib Figure
        Figure of the axes.

    Raises
    ------
    ValueError
        If the history has no epochs, or lacks a column.

    Examples
    --------
    >>> from skdevise import DeViSEClassifier, RandomEmbedder
    >>> from skdevise.inspection import TrainingCurveDisplay
    >>> clf = DeViSEClassifier(RandomEmbedder(8), max_epochs=3, random_state=0)
    >>> clf = clf.fit([[1, 0], [0, 1]] * 9, ["cat", "dog"] * 9)
    >>> display = TrainingCurveDisplay.from_estimator(clf)
    >>> display.columns, display.lines_[0].get_xdata().tolist()
    (['train_loss'], [1, 2, 3])
    """

    def __init__(
        self, history: DataFrame, *, columns: Sequence[str] | None = None, name: str | None = None
    ) -> None:
        columns = [c for c in history if c != "dur"] if columns is None else list(columns)
        if not len(history) or not columns:
            raise ValueError(
                "The history has no epochs to show. Pass an estimator that was trained by epochs."
            )
        if missing := [column for column in columns if column not in history]:
            raise ValueError(f"The history has no column {missing[0]!r}. Use {list(history)}.")
        self.history = history
        self.columns = columns
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        *,
        columns: Sequence[str] | None = None,
        name: str | None = None,
        axes: ArrayLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator with `history_`, Pipeline or search
            Estimator to show. In a `Pipeline`, this is the last step.
        columns : sequence of str, default=None
            Columns of `history_` to show. None means all except "dur", the seconds of each epoch.
        name : str, default=None
            Name of the curves in the legend. None means the class of the estimator.
        axes : array-like of matplotlib Axes, of shape (n_columns,), default=None
            Axes to draw on. None makes a new figure.
        **kwargs : dict
            Arguments of matplotlib's `plot`.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        TypeError
            If the estimator has no `history_`.
        ValueError
            If the history has no epochs, or lacks a column.
        """
        estimator, _ = reach_classifier(estimator)
        class_name = type(estimator).__name__
        if not hasattr(estimator, "history_"):
            raise TypeError(
                f"{class_name} has no training history. Pass a fitted estimator that is trained by "
                "epochs, such as a DeViSEClassifier."
            )
        display = cls(
            estimator.history_, columns=columns, name=class_name if name is None else name
        )
        return display.plot(axes, **kwargs)

    def plot(
        self, axes: ArrayLike | None = None, *, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Plot the curves.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, of shape (n_columns,), default=None
            Axes to draw on, one for each column. None makes a new figure.
        name : str, default=None
            Name of the curves in the legend. None means the `name` of the display.
        **kwargs : dict
            Arguments of matplotlib's `plot`.

        Returns
        -------
        self : TrainingCurveDisplay

        Raises
        ------
        ValueError
            If the number of axes differs from the number of columns.
        """
        plt = import_optional("matplotlib.pyplot", extra="plot", purpose="TrainingCurveDisplay")
        n_columns = len(self.columns)
        if axes is None:
            size = max(4.2 * n_columns, 5.5), 3.6
            _, axes = plt.subplots(1, n_columns, figsize=size, layout="constrained")
        axes = np.ravel(axes)
        if len(axes) != n_columns:
            raise ValueError(
                f"There are {len(axes)} axes, but {n_columns} columns: {self.columns}. Pass one "
                "for each of them."
            )
        self.axes_, self.figure_ = axes, axes[0].figure
        name, best = self.name if name is None else name, []
        has_stages = "stage" in self.history.index.names
        stages = self.history.groupby(level="stage").indices if has_stages else {}
        stages = stages or {1: np.arange(len(self.history))}
        if "valid_hit@1" in self.history:  # Early stopping kept the weights of the best epochs.
            scores = self.history["valid_hit@1"].to_numpy()
            best = [rows[scores[rows].argmax()] for rows in stages.values()]
        epochs = np.arange(1, len(self.history) + 1)
        style = {"markevery": -(-len(epochs) // _N_MARKERS), "markersize": 4} | kwargs
        self.lines_ = np.empty(n_columns, dtype=object)
        for i, (ax, column) in enumerate(zip(axes, self.columns, strict=True)):
            values = self.history[column].to_numpy()
            line = draw_line(ax, epochs, values, name, style, markers=True)
            self.lines_[i], ring = line, {"facecolor": "none", "edgecolor": line.get_color()}
            ax.scatter(epochs[best], values[best], s=110, linewidth=1.5, zorder=3, **ring)
            for stage, rows in list(stages.items())[1:]:
                _mark_stage(ax, stage, rows[0] + 0.5, line.get_color())
            ax.set(xlabel="Epoch", ylabel=_TITLES.get(column, column))
            ax.set_xlim(0.5, max(len(line.get_xdata()) for line in ax.get_lines()) + 0.5)
            ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        draw_legend(axes[0])
        return self


def _mark_stage(ax, stage, start, colour):
    """Mark the beginning of a stage. Its name is written once, above the axes."""
    # A collection, because the lines of the axes count as curves.
    ax.vlines(start, 0, 1, transform=ax.get_xaxis_transform(), color=colour, linestyle=":")
    text = f"stage {stage}"
    if all(other.get_text() != text for other in ax.texts):
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        ax.annotate(text, (start, 1), (0, 3), **place, ha="center", fontsize=9)
