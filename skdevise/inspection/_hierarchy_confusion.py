"""A display of wrong answers between the branches of a hierarchy."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np

from skdevise._typing import ArrayLike, Axes, Classifier, Hierarchy, Inputs, Labels
from skdevise.inspection._curves import (
    COLOURS,
    blend,
    check_answers,
    contrast,
    open_axes,
    reach_candidates,
    shorten,
)
from skdevise.inspection._groups import OTHER, hypernym_groups
from skdevise.metrics._ranking import check_hierarchy

# A branch has at most this number times the labels that it would have if all had the same size.
_LARGEST = 2

# Colour of a cell, and the number of characters that fit beside a row.
_COLOUR = COLOURS[0]
_N_CHARACTERS = 28


class HierarchyConfusionDisplay:
    """Branches of a hierarchy in which the answers lie.

    A confusion matrix of 1,000 labels cannot be read. This display groups labels by the branches of
    a hierarchy. Each row is the branch of the true labels, and adds up to 100 %. The first column
    is the share of right answers. The others show the branches of the wrong answers. Wrong answers
    in the branch of the true label have a frame, because they confuse similar things.
    Make a display with `from_estimator` or `from_predictions`. Drawing needs matplotlib (extra
    ``plot``).

    Parameters
    ----------
    shares : array-like of shape (n_rows, 1 + n_branches)
        Share of the samples of each row whose answer is right (column 0), or wrong and in a branch.
    branches : sequence of str of shape (n_branches,)
        Names of the branches. The first n_rows of them are the names of the rows.
    counts : array-like of shape (n_rows,)
        Number of samples of each row, or the sum of their weights.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The matrix.
    ax_ : matplotlib Axes
        Axes of the matrix.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    HierarchicalPrecisionDisplay : How near the first k answers are to the true label.

    Examples
    --------
    >>> from skdevise import Hierarchy
    >>> from skdevise.inspection import HierarchyConfusionDisplay
    >>> tree = Hierarchy.from_edges(
    ...     [("animal", "cat"), ("animal", "dog"), ("vehicle", "car"), ("vehicle", "bus")]
    ... )
    >>> display = HierarchyConfusionDisplay.from_predictions(
    ...     ["cat", "cat", "dog", "dog", "bus"],
    ...     ["cat", "dog", "dog", "car", "car"],
    ...     tree,
    ...     branches=["animal", "vehicle"],
    ... )
    >>> display.branches
    ['animal', 'vehicle']
    >>> display.shares  # right, wrong animal, wrong vehicle
    array([[0.5 , 0.25, 0.25],
           [0.  , 0.  , 1.  ]])
    """

    def __init__(self, shares: ArrayLike, branches: Sequence[str], counts: ArrayLike) -> None:
        self.shares = shares
        self.branches = branches
        self.counts = counts

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Inputs,
        y: ArrayLike,
        hierarchy: Hierarchy,
        *,
        branches: int | Sequence[Any] = 9,
        labels: Labels | None = None,
        sample_weight: ArrayLike | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Plot where the answers of a fitted classifier lie.

        Parameters
        ----------
        estimator : fitted classifier, Pipeline or search
            Classifier to show. Classifiers of scikit-learn also work.
        X : array-like of shape (n_samples, n_features), or photos
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples,)
            True labels.
        hierarchy : Hierarchy
            Graph whose branches are shown.
        branches : int or sequence of nodes of the hierarchy, default=9
            Branches to show, as in `from_predictions`.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels. Only the classifiers of skdevise accept them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        HierarchyConfusionDisplay

        Raises
        ------
        TypeError
            If `hierarchy` is not a Hierarchy, or if `labels` is given and the classifier only
            predicts its training labels.
        ValueError
            As in `from_predictions`.
        """
        check_hierarchy(hierarchy)
        classifier, X, _, chosen = reach_candidates(estimator, X, labels)
        answers = classifier.predict(X, **chosen)
        options = {"branches": branches, "sample_weight": sample_weight, "ax": ax}
        return cls.from_predictions(y, answers, hierarchy, **options)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        hierarchy: Hierarchy,
        *,
        branches: int | Sequence[Any] = 9,
        sample_weight: ArrayLike | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Plot where predicted labels lie.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        hierarchy : Hierarchy
            Graph whose branches are shown.
        branches : int or sequence of nodes of the hierarchy, default=9
            Branches to show. A number finds so many hypernyms (broader labels) that cover most
            labels. None of them covers more than twice its part. If there are no more labels than
            that, each label is a branch. With a sequence, a label belongs to the first of the
            nodes that is the label or above it. All other labels, such as "unknown", belong to
            the branch "other".
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        HierarchyConfusionDisplay

        Raises
        ------
        TypeError
            If `hierarchy` is not a Hierarchy.
        ValueError
            If there are no samples, their numbers differ, the hierarchy has none of the labels or
            lacks a branch, or `branches` is a number below 1.
        """
        check_hierarchy(hierarchy)
        y_true, y_pred, weights = check_answers(y_true, y_pred, sample_weight)
        weights = np.ones(len(y_true)) if weights is None else weights
        branch_of = _branches(dict.fromkeys(y_true + y_pred), hierarchy, branches)
        totals = dict.fromkeys(branch_of.values(), 0.0)
        for label, weight in zip(y_true, weights, strict=True):
            totals[branch_of[label]] += weight
        # Branches of many samples come first. Those without a true label come last, as columns.
        names = sorted(totals, key=lambda name: (not totals[name], name == OTHER, -totals[name]))
        position = {name: i for i, name in enumerate(names)}
        sums = np.zeros((len(names), 1 + len(names)))
        for label, answer, weight in zip(y_true, y_pred, weights, strict=True):
            column = 0 if label == answer else 1 + position[branch_of[answer]]
            sums[position[branch_of[label]], column] += weight
        counts = sums.sum(axis=1)
        rows = counts > 0
        return cls(sums[rows] / counts[rows, None], names, counts[rows]).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Plot the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        self : HierarchyConfusionDisplay
        """
        shares = np.asarray(self.shares)
        n_rows, n_columns = shares.shape
        ax = open_axes(self, ax, figsize=(3.2 + 0.6 * n_columns, max(3, 2 + 0.42 * n_rows)))
        from matplotlib import rcParams
        from matplotlib.patches import Rectangle

        ground, text_colour = ax.get_facecolor(), rcParams["text.color"]
        # The root shows small shares too. Empty cells have the colour of the ground.
        colours = np.array([[blend(_COLOUR, ground, s**0.5) for s in row] for row in shares])
        self.image_ = ax.imshow(colours, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            if share > 0.005:
                cell = colours[row, column]
                colour = max(text_colour, ground, key=lambda c, cell=cell: contrast(c, cell))
                ax.text(column, row, f"{share:.0%}", color=colour, ha="center", va="center")
        for row in range(n_rows):
            if self.branches[row] != OTHER:
                place = (row + 0.5, row - 0.5), 1, 1
                ax.add_patch(Rectangle(*place, fill=False, edgecolor=text_colour))
        ax.axvline(0.5, color=text_colour, linewidth=3)
        names = [shorten(name, _N_CHARACTERS) for name in self.branches]
        rows = [f"{name} ({count:g})" for name, count in zip(names, self.counts, strict=False)]
        ax.set_yticks(range(n_rows), rows, parse_math=False)
        ax.set_xticks(
            range(n_columns), ["right answer", *names], rotation=45, ha="right",
            rotation_mode="anchor", parse_math=False,
        )  # fmt: skip
        ax.set(xlabel="Branch of wrong answers", ylabel="True branch (samples)")
        return self


def _branches(labels, hierarchy, branches):
    """Find the branch of each label: a dict of label to name."""
    known = [label for label in labels if label in hierarchy]
    if not known:
        raise ValueError(
            f"The hierarchy has none of the labels, such as {next(iter(labels))!r}. Use its own "
            "labels, or name its nodes like yours with `Hierarchy.rename`."
        )
    if not isinstance(branches, Integral):
        nodes = list(branches)
        hierarchy.positions(nodes)  # It refuses nodes that are not in the hierarchy.
        above = {label: hierarchy.ancestors(label) | {label} for label in known}
        node_of = {label: next((n for n in nodes if n in above[label]), None) for label in known}
        found = {k: OTHER if n is None else hierarchy.terms(n)[0] for k, n in node_of.items()}
    elif branches < 1:
        raise ValueError(f"branches={branches} is invalid. Use a number from 1.")
    elif len(known) <= branches:
        found = {label: hierarchy.terms(label)[0] for label in known}
    else:
        found = hypernym_groups(known, hierarchy, branches, min(_LARGEST / branches, 1))
    return {label: found.get(label, OTHER) for label in labels}
