"""Where labels lie, as a map in the plane."""

from collections import Counter
from collections.abc import Hashable

import numpy as np
import pandas as pd

from skdevise._utils import import_optional
from skdevise.inspection._hypernyms import OTHER, hypernym_groups
from skdevise.inspection._text_placement import write_texts
from skdevise.labels import Hierarchy, LabelSpace
from skdevise.labels._label_index import label_array
from skdevise.labels._vocabulary import as_vocabulary, known_terms

# Paul Tol's "muted" scheme, told apart by colour-blind readers too, and grey for the rest.
_PALETTE = (
    "#CC6677",
    "#332288",
    "#117733",
    "#88CCEE",
    "#DDCC77",
    "#882255",
    "#44AA99",
    "#AA4499",
    "#999933",
)
_GREY = "#B4B4B4"
_MARKERS = "osD^vP"


class LabelMapDisplay:
    """Labels as points in the plane, coloured by group.

    The display of figure 1b of the DeViSE paper [1]_. As many labels are written as find room: all
    of fifty, some of a thousand. Needs matplotlib, the extra `plot`.

    Parameters
    ----------
    points : array-like of shape (n_labels, 2)
    labels : array-like of shape (n_labels,)
        What is written at the points.
    groups : Hierarchy, dict, sequence of n_labels groups, or callable, default=None
        The group of each label. Of a hierarchy, which must know the labels, those hypernyms are
        taken that gather most of them. A dict may leave out labels: they are the group "other".

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    texts_ : list of matplotlib Annotations
        The labels that are written.

    Raises
    ------
    TypeError
        If groups are none of these.
    ValueError
        If points, labels and groups do not fit together, a point is not finite, or a label has no
        group.

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

    def __init__(self, points, labels, groups=None):
        labels = label_array(labels).tolist()
        self.points = np.asarray(points, dtype=float)
        self.labels = [str(label) for label in labels]
        if self.points.shape != (len(self.labels), 2) or not self.labels:
            raise ValueError(
                f"{len(self.labels)} labels need points of shape (n_labels, 2), got an array of "
                f"shape {self.points.shape}."
            )
        for label, point in zip(labels, self.points, strict=True):
            if not np.isfinite(point).all():
                raise ValueError(
                    f"Points are finite, got {point.tolist()} for the label {label!r}: leave out "
                    "such labels."
                )
        self.groups = None if groups is None else _group_of_each(labels, groups)

    @classmethod
    def from_embedder(
        cls, embedder, labels, groups=None, *, perplexity=None, random_state=0, ax=None
    ):
        """Lay the vectors of labels out by t-SNE, and draw the map.

        Parameters
        ----------
        embedder : fitted term embedder
        labels : LabelVocabulary or array-like of shape (n_labels,)
            At least four. Each lies where its first term with a vector does; that is written.
        groups : Hierarchy, dict, sequence of n_labels groups, or callable, default=None
            The group of each label, as in the constructor.
        perplexity : float, default=None
            How many neighbours count; None means 30, or a third of the labels if that is less.
        random_state : int, RandomState instance or None, default=0
            Seed of t-SNE.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        LabelMapDisplay

        Raises
        ------
        LabelWithoutVectorError
            If labels have no vector; it names them.
        ValueError
            If there are fewer than four labels, or their vectors are 1-d or all the same.
        """
        from sklearn.manifold import TSNE

        vocabulary = as_vocabulary(labels)
        labels = vocabulary.labels.tolist()
        if groups is not None:
            groups = dict(zip(labels, _group_of_each(labels, groups), strict=True))
        space = LabelSpace(vocabulary, embedder)
        vectors = space.targets
        if space.n_labels < 4:
            raise ValueError(f"A map needs at least four labels, got {space.n_labels}.")
        if space.vector_size < 2:
            raise ValueError("A map needs vectors of at least two dimensions, got 1-d ones.")
        if np.ptp(vectors, axis=0).max() < 1e-6:  # but for rounding; t-SNE would divide by it
            raise ValueError(
                f"All {space.n_labels} labels share one vector: a map needs some that differ."
            )
        if perplexity is None:
            perplexity = min(30, space.n_labels / 3)
        points = TSNE(
            perplexity=perplexity, metric="cosine", init="pca", random_state=random_state
        ).fit_transform(vectors)
        # A vocabulary may drop labels without a vector.
        kept, names = space.labels.tolist(), []
        terms_of = dict(zip(labels, vocabulary.terms, strict=True))
        for label in kept:
            terms = terms_of[label]
            first = known_terms(embedder, list(terms), vocabulary.templates).argmax()
            names.append(terms[first].replace("_", " "))
        groups = None if groups is None else [groups[label] for label in kept]
        return cls(points, names, groups).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LabelMapDisplay
        """
        plt = import_optional("matplotlib.pyplot", extra="plot", purpose="LabelMapDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(10, 7.5), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        # The more there are, the smaller, so that the area under them stays much the same.
        area = float(np.clip(4000 / len(self.labels), 16, 45))
        colours, drawn = np.empty(len(self.labels), dtype=object), []
        for group, own, colour, marker in self._styles():
            colours[own] = colour
            points = ax.scatter(
                *self.points[own].T,
                s=area,
                color=colour,
                marker=marker,
                label=None if group is None else f"{group} ({len(own)})",
                linewidths=0.4,
                edgecolors="white",
                zorder=1 if group == OTHER else 2,
            )
            drawn.append(points)
        ax.set(xticks=[], yticks=[])
        ax.margins(0.06)
        for spine in ax.spines.values():
            spine.set_color("0.85")
        if self.groups is not None:
            legend = ax.legend(
                drawn,
                [""] * len(drawn),
                loc="upper left",
                bbox_to_anchor=(1.01, 1),
                borderaxespad=0,
                frameon=False,
                markerscale=(60 / area) ** 0.5,
                labelspacing=0.7,
            )
            # Written afterwards, as matplotlib leaves out what begins with "_".
            for text, points in zip(legend.get_texts(), drawn, strict=True):
                text.set(text=points.get_label(), parse_math=False)
        size = 10 if len(self.labels) <= 100 else 8
        self.texts_ = write_texts(
            ax, self.points, self.labels, colours, radius=area**0.5 / 2, fontsize=size
        )
        return self

    def _styles(self):
        """Each group with its members, colour and marker: the largest first, "other" last."""
        if self.groups is None:
            yield None, np.arange(len(self.labels)), _PALETTE[1], _MARKERS[0]
            return
        sizes = Counter(self.groups)
        named = sorted(sizes, key=lambda group: (group == OTHER, -sizes[group], str(group)))
        for i, group in enumerate(named):
            own = np.flatnonzero([other == group for other in self.groups])
            if group == OTHER:
                yield group, own, _GREY, _MARKERS[0]
            else:
                marker = _MARKERS[i // len(_PALETTE) % len(_MARKERS)]
                yield group, own, _PALETTE[i % len(_PALETTE)], marker


def _group_of_each(labels, groups):
    if isinstance(groups, Hierarchy):
        groups = hypernym_groups(labels, groups)
    if isinstance(groups, dict):
        groups = [groups.get(label, OTHER) for label in labels]
    elif callable(groups):
        groups = [groups(label) for label in labels]
    elif isinstance(groups, str | bytes) or not hasattr(groups, "__iter__"):
        raise TypeError(
            "groups is a Hierarchy, a dict, a callable, or a list with an entry a label, got "
            f"{groups!r}."
        )
    groups = list(groups)
    if len(groups) != len(labels):
        raise ValueError(f"{len(labels)} labels came with the groups of {len(groups)}.")
    for label, group in zip(labels, groups, strict=True):
        if not isinstance(group, Hashable) or pd.isna(group):
            raise ValueError(
                f"A group is text or a number, but the label {label!r} has the group {group!r}: "
                f"put it into {OTHER!r}."
            )
    return groups
