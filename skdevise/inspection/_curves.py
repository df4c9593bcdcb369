"""Candidates, axes, colours, texts and legends of the displays."""

from textwrap import fill
from typing import Any, Self

import numpy as np
from sklearn.utils import check_consistent_length

from skdevise._columns import check_targets, check_weights
from skdevise._typing import Axes
from skdevise._utils import import_optional
from skdevise.models._top_k import reach_classifier, training_labels

# Colours of Okabe and Ito, which colour-blind people can tell apart, without black and yellow. They
# are visible on light and on dark ground.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", "-.", ":")

# Characters in one line of a legend.
_LEGEND_WIDTH = 40


def reach_candidates(estimator, X, labels):
    """Find a classifier, its input, the candidates (n_labels,), and options of its methods."""
    classifier, X = reach_classifier(estimator, X)
    if hasattr(classifier, "label_space"):
        space = classifier.label_space(labels)
        return classifier, X, space.labels, {"labels": space}
    if labels is None:
        return classifier, X, training_labels(classifier), {}
    raise TypeError(
        f"{type(classifier).__name__} only predicts its training labels. Leave labels=None."
    )


def check_answers(y_true, y_pred, sample_weight):
    """Validate true labels, predicted labels and weights or None, all (n_samples,)."""
    # Python compares values of two types, such as text and numbers.
    y_true, y_pred = (check_targets(y, one_type=False).tolist() for y in (y_true, y_pred))
    check_consistent_length(y_true, y_pred)
    if not y_true:
        raise ValueError("There are no samples. Pass at least one.")
    weights = None if sample_weight is None else check_weights(y_true, sample_weight)
    return y_true, y_pred, weights


def open_axes(display, ax, **options):
    """Take the axes, or make a figure with options; set `ax_` and `figure_` of a display."""
    plt = import_optional("matplotlib.pyplot", extra="plot", purpose=type(display).__name__)
    if ax is None:
        _, ax = plt.subplots(layout="constrained", **options)
    display.ax_, display.figure_ = ax, ax.figure
    return ax


class CurveDisplay:
    """Base of the displays of one curve.

    A subclass has a `name` and defines `_draw(ax, name, options)`, which draws the curve, sets
    `line_`, and names and scales the axes.
    """

    def plot(self, ax: Axes | None = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Plot the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        name : str, default=None
            Name of the curve in the legend. None means the `name` of the display.
        **kwargs : dict
            Arguments of matplotlib's `plot`.

        Returns
        -------
        self : display
            The display itself.
        """
        ax = open_axes(self, ax)
        self._draw(ax, self.name if name is None else name, kwargs)
        draw_legend(ax)
        return self


def draw_line(ax, x, y, name, options, *, markers):
    """Draw the next line on axes. Lines on the same axes also differ in their dashes or markers."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    n = len(ax.get_lines())
    style = {"color": COLOURS[n % len(COLOURS)], "linestyle": _DASHES[n % len(_DASHES)]}
    if markers:
        style |= {"linestyle": "-", "marker": _MARKERS[n % len(_MARKERS)]}
    if name is not None:
        style["label"] = fill(name, _LEGEND_WIDTH)
    (line,) = ax.plot(x, y, **style | normalize_kwargs(options, Line2D))
    return line


def draw_legend(ax):
    """Draw a legend if a curve has a name. Names are not parsed as formulas."""
    if ax.get_legend_handles_labels()[0]:
        for text in ax.legend().get_texts():
            text.set_parse_math(False)


def blend(colour, ground, share):
    """Mix two colours: the given share of the first, and the rest of the second: float (3,)."""
    from matplotlib.colors import to_rgb

    return share * np.array(to_rgb(colour)) + (1 - share) * np.array(to_rgb(ground))


def contrast(one, other):
    """Return the contrast of two colours, from 1 to 21 (WCAG 2)."""
    from matplotlib.colors import to_rgb

    weights = 0.2126, 0.7152, 0.0722
    one, other = (np.array(to_rgb(colour)) ** 2.2 @ weights + 0.05 for colour in (one, other))
    return max(one / other, other / one)


def make_visible(colour, ground, least):
    """Mix a colour with the colour of texts until it has a contrast to the ground: float (3,)."""
    from matplotlib import rcParams

    mixed = [blend(rcParams["text.color"], colour, share) for share in np.linspace(0, 1, 11)]
    return next((colour for colour in mixed if contrast(colour, ground) >= least), mixed[-1])


def shorten(text, n_characters):
    """Cut a text after n characters, and mark the cut."""
    return text if len(text) <= n_characters else text[: n_characters - 1] + "…"
