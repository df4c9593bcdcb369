"""A map of labels in the plane."""

from collections import Counter
from typing import Self

import numpy as np

from skdevise._columns import label_column
from skdevise._typing import ArrayLike, Axes, Embedder, Groups, Labels, RandomState
from skdevise._utils import import_optional
from skdevise.inspection._curves import blend, make_visible, open_axes
from skdevise.inspection._groups import OTHER, group_of_each
from skdevise.labels import LabelSpace
from skdevise.labels._embedding import first_known
from skdevise.labels._vocabulary import as_vocabulary, default_terms

# Paul Tol's "muted" colours, which colour-blind readers can distinguish, and grey for "other".
_PALETTE = "#CC6677 #332288 #117733 #88CCEE #DDCC77 #882255 #44AA99 #AA4499 #999933".split()
_GREY = "#B4B4B4"
_MARKERS = "osD^vP"

# Contrast to the ground. WCAG 2 asks for 4.5 for texts.
_POINT_CONTRAST = 2
_TEXT_CONTRAST = 4.5

# adjustText needs seconds for 60 texts, but minutes for 200.
_MAX_TEXTS = 60


class LabelMapDisplay:
    """Scatter plot of labels in the plane, coloured by group.

    It draws figure 1b of the DeViSE paper [1]_: words with similar meanings lie close together.
    At most 60 labels are written, spread over the map. The others remain points. Needs matplotlib
    and adjustText (extra ``plot``).

    Parameters
    ----------
    points : array-like of shape (n_labels, 2)
        Position of each label.
    labels : sequence of shape (n_labels,)
        Text of each label.
    groups : Hierarchy, dict, sequence of n_labels groups, or callable, default=None
        Group of each label. A callable maps a label to its group. A hierarchy, which must have all
        labels, gives up to nine groups: the hypernyms (broader labels) that cover most labels. Each
        covers at most 13 % of them. Labels in none of these, or not in a dict, are in the group
        "other". None draws all labels alike, without a legend.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of the map.
    ax_ : matplotlib Axes
        Axes of the map.
    texts_ : list of matplotlib Text
        Labels that are written.

    Raises
    ------
    TypeError
        If `groups` has an unsupported type.
    ValueError
        If lengths differ, a point is not finite, or a label has no group.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> from skdevise.inspection import LabelMapDisplay
    >>> groups = {"cat": "pet", "dog": "pet", "car": "vehicle"}
    >>> display = LabelMapDisplay([[0, 0], [1, 0], [9, 9]], ["cat", "dog", "car"], groups).plot()
    >>> [text.get_text() for text in display.texts_]
    ['cat', 'dog', 'car']
    """

    def __init__(self, points: ArrayLike, labels: ArrayLike, groups: Groups | None = None) -> None:
        labels = label_column(labels).tolist()
        self.points = np.asarray(points, dtype=float)
        self.labels = [str(label) for label in labels]
        if self.points.shape != (len(self.labels), 2) or not self.labels:
            raise ValueError(
                f"There are {len(self.labels)} labels, but points has shape {self.points.shape}. "
                "Pass one row of two coordinates per label."
            )
        for label, point in zip(labels, self.points, strict=True):
            if not np.isfinite(point).all():
                raise ValueError(f"{label!r} is at {point.tolist()}. Remove it, or move it.")
        self.groups = None if groups is None else group_of_each(labels, groups)

    @classmethod
    def from_embedder(
        cls,
        embedder: Embedder,
        labels: Labels,
        groups: Groups | None = None,
        *,
        perplexity: float | None = None,
        random_state: RandomState = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Lay out the vectors of labels with t-SNE, and plot the map.

        Parameters
        ----------
        embedder : fitted term embedder
            Source of the vectors.
        labels : LabelVocabulary, sequence of labels, or dict of label to terms
            At least four labels. The first term of a label that has a vector gives its position.
            The map shows this term instead of a number or a WordNet id, and other labels as they
            are.
        groups : Hierarchy, dict, sequence of n_labels groups, or callable, default=None
            Group of each label, as in the constructor.
        perplexity : float, default=None
            Number of neighbours that t-SNE tries to keep close, below the number of labels. None
            means 30, or a third of the labels if that is fewer.
        random_state : int, RandomState instance or None, default=0
            Seed of t-SNE.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        LabelMapDisplay

        Raises
        ------
        LabelWithoutVectorError
            If labels have no vector. The message names them.
        ValueError
            If there are fewer than four labels, or their vectors are 1-d or all equal.
        """
        from sklearn.manifold import TSNE

        vocabulary = as_vocabulary(labels)
        labels = vocabulary.labels.tolist()
        if groups is not None:
            groups = dict(zip(labels, group_of_each(labels, groups), strict=True))
        space = LabelSpace(vocabulary, embedder)
        vectors = space.targets
        if space.n_labels < 4 or space.vector_size < 2:
            raise ValueError(
                f"A map needs four labels and two dimensions, got {space.n_labels} labels and "
                f"{space.vector_size}-d vectors. Pass more."
            )
        if np.ptp(vectors, axis=0).max() < 1e-6:  # t-SNE would divide by zero.
            raise ValueError(
                f"All {space.n_labels} labels have the same vector. Pass labels that differ."
            )
        if perplexity is None:
            perplexity = min(30, space.n_labels / 3)
        points = TSNE(
            perplexity=perplexity, metric="cosine", init="pca", random_state=random_state
        ).fit_transform(vectors)
        terms_of = dict(zip(labels, vocabulary.terms, strict=True))
        labels = space.labels.tolist()  # The space may have dropped labels without a vector.
        names = []
        for label in labels:
            name = label
            if default_terms(label) != (label,):  # a number or a WordNet id
                name = first_known(embedder, terms_of[label], vocabulary.templates)
            names.append(name.replace("_", " "))
        groups = None if groups is None else [groups[label] for label in labels]
        return cls(points, names, groups).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Plot the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        self : LabelMapDisplay
        """
        ax = open_axes(self, ax, figsize=(10, 7.5))
        from matplotlib import rcParams
        from matplotlib.colors import to_hex

        # More labels get smaller points.
        area = float(np.clip(4000 / len(self.labels), 16, 45))
        colours, drawn = np.empty(len(self.labels), dtype=object), []
        for group, rows, colour, marker in self._styles():
            colour = make_visible(colour, ax.get_facecolor(), _POINT_CONTRAST)
            colours[rows] = [to_hex(colour)] * len(rows)
            style = {"s": area, "color": colour, "marker": marker, "linewidths": 0.4}
            style |= {"edgecolors": ax.get_facecolor(), "zorder": 1 if group == OTHER else 2}
            label = None if group is None else f"{group} ({len(rows)})"
            drawn.append(ax.scatter(*self.points[rows].T, label=label, **style))
        ax.set(xticks=[], yticks=[])
        ax.margins(0.06)
        for spine in ax.spines.values():
            spine.set_color(blend(rcParams["text.color"], ax.get_facecolor(), 0.15))
        if self.groups is not None:
            style = {"frameon": False, "markerscale": (60 / area) ** 0.5, "labelspacing": 0.7}
            style |= {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
            legend = ax.legend(drawn, [""] * len(drawn), **style)
            # Set here, because matplotlib hides legend labels that begin with "_".
            for text, points in zip(legend.get_texts(), drawn, strict=True):
                text.set(text=points.get_label(), parse_math=False)
        self.texts_ = _write_labels(ax, self.points, self.labels, colours)
        return self

    def _styles(self):
        """Yield each group's name, rows, colour and marker: the largest first, "other" last."""
        if self.groups is None:
            yield None, np.arange(len(self.labels)), _PALETTE[1], _MARKERS[0]
            return
        sizes = Counter(self.groups)
        names = sorted(sizes, key=lambda group: (group == OTHER, -sizes[group], str(group)))
        for i, group in enumerate(names):
            rows = np.flatnonzero([other == group for other in self.groups])
            if group == OTHER:
                yield group, rows, _GREY, _MARKERS[0]
            else:
                turn, place = divmod(i, len(_PALETTE))
                yield group, rows, _PALETTE[place], _MARKERS[(place + turn) % len(_MARKERS)]


def _write_labels(ax, points, labels, colours):
    """Write labels beside their points (n_labels, 2), as far as there is room; return the texts."""
    adjust_text = import_optional("adjustText", extra="plot", purpose="LabelMapDisplay").adjust_text
    from matplotlib.patheffects import withStroke

    figure = ax.figure.figure  # The whole figure, if the axes are in a subfigure.
    figure.draw_without_rendering()  # The layout moves the axes.
    rows = _spread_out(points, min(_MAX_TEXTS, len(points)))
    are_few = len(labels) <= 100
    texts = [
        ax.text(
            *points[row],
            labels[row],
            fontsize=10 if are_few else 8,
            color=make_visible(colours[row], ax.get_facecolor(), _TEXT_CONTRAST),
            path_effects=[withStroke(linewidth=1.8, foreground=ax.get_facecolor())],
            parse_math=False,
        )
        for row in rows
    ]
    # A limit of steps gives the same map on every machine; a limit of seconds would not.
    others = points if are_few else points[rows]  # Between many points, there is no room.
    adjust_text(texts, *others.T, ax=ax, expand=(1.25, 1.5), prevent_crossings=False, iter_lim=30)
    # Remove texts that found no room near their point.
    pixels = ax.transData.transform(points[rows])
    frame = ax.get_window_extent().extents
    kept, boxes = [], np.empty((0, 4))
    for pixel, text in zip(pixels, texts, strict=True):
        box = text.get_window_extent().extents
        overlaps = ((boxes[:, :2] < box[2:]) & (boxes[:, 2:] > box[:2])).all(axis=1).any()
        is_inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
        distance = np.maximum(box[:2] - pixel, pixel - box[2:]).max()
        if overlaps or not is_inside or distance > 2 * (box[3] - box[1]):
            text.remove()
        else:
            boxes = np.vstack([boxes, box])
            kept.append(text)
    return kept


def _spread_out(points, n):
    """Choose n rows that are far apart: each time the point farthest from those chosen."""
    rows, distance = [], np.full(len(points), np.inf)
    for _ in range(n):
        rows.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[rows[-1]]) ** 2).sum(axis=1))
    return sorted(rows)
