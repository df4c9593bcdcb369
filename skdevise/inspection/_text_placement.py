"""Texts beside points, as many as find room."""

import numpy as np
from scipy.spatial import KDTree

# Where a text may stand: on which side of its point, in x and in y; the best side first.
_SIDES = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)])


def write_texts(ax, points, texts, colours, radius, fontsize):
    """Write texts beside their points, leaving out those without room.

    None hides a point, or touches another one or the frame. Texts of points in sparse places go
    first, as more of them can be read that way.

    Parameters
    ----------
    ax : matplotlib Axes
        With all points in it, and limits that are settled.
    points : ndarray of shape (n_texts, 2)
        In data coordinates.
    texts : sequence of str
        Written as they stand: "$" begins no formula.
    colours : sequence of n_texts colours
    radius : float
        Of the drawn points, in typographic points (1/72 inch).
    fontsize : float

    Returns
    -------
    list of matplotlib Annotations
        What is written, in the order of the texts.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    figure = ax.figure.figure  # the whole one, also where the axes are in a part of it
    figure.draw_without_rendering()  # its layout moves the axes
    scale = figure.dpi / 72
    sizes = _sizes(ax, texts, fontsize)
    pixels = ax.transData.transform(points)
    frame = ax.get_window_extent()
    reach = (radius + 1) * scale
    # All boxes are (n_texts, n_sides, 2); each text may stand in one of n_sides.
    centres = pixels[:, None] + _SIDES * (sizes[:, None] / 2 + reach)
    low, high = centres - sizes[:, None] / 2, centres + sizes[:, None] / 2
    margin = 0.8 * reach
    free = ((low > frame.min + margin) & (high < frame.max - margin)).all(axis=2)
    hidden = np.array(
        [_n_inside(pixels, *box) for box in zip(low - margin, high + margin, strict=True)]
    )
    free &= hidden == 0
    tree = KDTree(pixels)
    crowd = tree.query_ball_point(pixels, 5 * fontsize * scale, return_length=True)
    written = {}
    taken_low, taken_high = np.empty((0, 2)), np.empty((0, 2))
    for i in np.argsort(crowd, kind="stable"):
        for side in np.flatnonzero(free[i]):
            apart = (low[i, side] >= taken_high) | (high[i, side] <= taken_low)
            if apart.any(axis=1).all():
                # A little room around each, in which no other one stands.
                taken_low = np.vstack([taken_low, low[i, side] - [2 * margin, margin]])
                taken_high = np.vstack([taken_high, high[i, side] + [2 * margin, margin]])
                written[i] = ax.annotate(
                    texts[i],
                    points[i],
                    xytext=(centres[i, side] - pixels[i]) / scale,
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize=fontsize,
                    # Darker than the point: light colours cannot be read.
                    color=np.array(to_rgb(colours[i])) * 0.6,
                    path_effects=[withStroke(linewidth=1.8, foreground="white")],
                    parse_math=False,
                )
                break
    return [written[i] for i in sorted(written)]


def _sizes(ax, texts, fontsize):
    """Width and height of each text, in pixels: (n_texts, 2)."""
    probe = ax.text(0, 0, "", fontsize=fontsize, parse_math=False)
    sizes = []
    for text in texts:
        probe.set_text(text)
        extent = probe.get_window_extent()
        sizes.append((extent.width, extent.height))
    probe.remove()
    return np.array(sizes)


def _n_inside(pixels, low, high):
    """How many points lie in each box: (n_boxes,)."""
    return ((pixels > low[:, None]) & (pixels < high[:, None])).all(axis=2).sum(axis=1)
