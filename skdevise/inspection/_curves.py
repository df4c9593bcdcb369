"""Candidates, axes, styles and legends of the displays of curves."""

from textwrap import fill

from skdevise._utils import import_optional

# Colours of Okabe and Ito, which colour-blind people can tell apart, without black and yellow. They
# are visible on light and on dark ground.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", "-.", ":")

# Characters in one line of a legend.
_LEGEND_WIDTH = 40


def find_candidates(classifier, labels):
    """Return the candidates as an array (n_labels,), and as the `labels` of the methods."""
    if hasattr(classifier, "label_space"):
        space = classifier.label_space(labels)
        return space.labels, {"labels": space}
    if labels is None:
        return classifier.classes_, {}
    raise TypeError(
        f"{type(classifier).__name__} only predicts its training labels. Leave labels=None."
    )


def draw_curve(display, ax, x, y, name, options, *, markers):
    """Draw the next curve on axes, or on new ones; set `line_`, `ax_` and `figure_`.

    Curves on the same axes also differ in their dashes or markers.
    """
    plt = import_optional("matplotlib.pyplot", extra="plot", purpose=type(display).__name__)
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    n = len(ax.get_lines())
    style = {"color": _COLOURS[n % len(_COLOURS)], "linestyle": _DASHES[n % len(_DASHES)]}
    if markers:
        style |= {"linestyle": "-", "marker": _MARKERS[n % len(_MARKERS)]}
    if name is not None:
        style["label"] = fill(name, _LEGEND_WIDTH)
    (display.line_,) = ax.plot(x, y, **style | normalize_kwargs(options, Line2D))
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def draw_legend(ax):
    """Draw a legend if a curve has a name. Names are not parsed as formulas."""
    if ax.get_legend_handles_labels()[0]:
        for text in ax.legend().get_texts():
            text.set_parse_math(False)
