"""A display of hierarchical precision against the number of answers."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np

from skdevise._typing import ArrayLike, Average, Axes, Classifier, Hierarchy, Inputs, Labels
from skdevise._utils import check_count
from skdevise.inspection._curves import CurveDisplay, draw_line, reach_candidates
from skdevise.metrics import hierarchical_precision_at_k
from skdevise.metrics._ranking import check_hierarchy
from skdevise.models._top_k import predict_top_k

# The numbers of answers in the DeViSE paper.
_K = (1, 2, 5, 10, 20)


class HierarchicalPrecisionDisplay(CurveDisplay):
    """Hierarchical precision (hp@k) against the number of answers, k.

    It shows whether wrong answers are near the true label in a hierarchy, as tables 1 and 3 of the
    DeViSE paper [1]_ do. To compare several models, pass the `ax_` of the first display as the `ax`
    of the others. Make a display with `from_estimator` or `from_predictions`. Drawing needs
    matplotlib (extra ``plot``).

    Parameters
    ----------
    k : array-like of int of shape (n_k,)
        Numbers of answers, ascending.
    precision : array-like of shape (n_k,)
        Values of hp@k for each of them.
    name : str, default=None
        Name of the curve in the legend. None means that the curve is not in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    ax_ : matplotlib Axes
        Axes of the curve.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    skdevise.metrics.hierarchical_precision_at_k : The metric.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> from skdevise import Hierarchy
    >>> from skdevise.inspection import HierarchicalPrecisionDisplay
    >>> tree = Hierarchy.from_edges(
    ...     [("animal", "cat"), ("animal", "dog"), ("dog", "beagle"), ("dog", "husky")]
    ... )
    >>> display = HierarchicalPrecisionDisplay.from_predictions(
    ...     ["beagle"], [["husky", "cat"]], tree, ["cat", "beagle", "husky"], name="DeViSE"
    ... )
    >>> display.k.tolist(), display.precision.tolist()
    ([1, 2], [0.0, 0.5])
    """

    def __init__(self, k: ArrayLike, precision: ArrayLike, *, name: str | None = None) -> None:
        self.k = k
        self.precision = precision
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Inputs,
        y: ArrayLike,
        hierarchy: Hierarchy,
        *,
        k: Sequence[int] | None = None,
        labels: Labels | None = None,
        sample_weight: ArrayLike | None = None,
        average: Average = "sample",
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier, Pipeline or search
            Classifier to show. Classifiers of scikit-learn also work.
        X : array-like of shape (n_samples, n_features), or photos
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples,)
            True labels. The hierarchy must have them.
        hierarchy : Hierarchy
            Graph in which distances are measured. It must have all candidates.
        k : sequence of int, default=None
            Numbers of answers. None means those of 1, 2, 5, 10 and 20 that do not exceed the
            number of candidates.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels. Only the classifiers of skdevise accept them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        average : {"sample", "class"}, default="sample"
            "sample" averages over samples. "class" averages over the samples of each true label
            first, and then over labels.
        name : str, default=None
            Name of the curve. None means the class of the classifier.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        **kwargs : dict
            Arguments of matplotlib's `plot`.

        Returns
        -------
        HierarchicalPrecisionDisplay

        Raises
        ------
        TypeError
            If `hierarchy` is not a Hierarchy, or if `labels` is given and the classifier only
            predicts its training labels.
        ValueError
            If `k` is out of range, or the hierarchy lacks a label.
        """
        check_hierarchy(hierarchy)
        classifier, X, candidates, chosen = reach_candidates(estimator, X, labels)
        k = _check_k(k, len(candidates))
        top = predict_top_k(classifier, X, int(k[-1]), **chosen)
        name = type(classifier).__name__ if name is None else name
        kwargs |= {"sample_weight": sample_weight, "average": average, "name": name, "ax": ax}
        return cls.from_predictions(y, top, hierarchy, candidates, k=k, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_top: ArrayLike,
        hierarchy: Hierarchy,
        valid: Labels,
        *,
        k: Sequence[int] | None = None,
        sample_weight: ArrayLike | None = None,
        average: Average = "sample",
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of ranked answers.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels. The hierarchy must have them.
        y_top : array-like of shape (n_samples, n_answers)
            Different answers to each sample, the best first, as `predict_top_k` returns them.
        hierarchy : Hierarchy
            Graph in which distances are measured.
        valid : sequence of labels, or LabelVocabulary
            Labels that the classifier could choose from: the candidates.
        k : sequence of int, default=None
            Numbers of answers. None means those of 1, 2, 5, 10 and 20 that do not exceed
            n_answers.
        sample_weight, average, name, ax, **kwargs
            As in `from_estimator`. Without a name, the curve is not in the legend.

        Returns
        -------
        HierarchicalPrecisionDisplay

        Raises
        ------
        TypeError
            If `hierarchy` is not a Hierarchy.
        ValueError
            If `k` is out of range, lengths differ, or the hierarchy lacks a label.
        """
        k = _check_k(k, np.shape(y_top)[-1])  # The metric refuses other shapes.
        options = {"sample_weight": sample_weight, "average": average}
        precision = [
            hierarchical_precision_at_k(y_true, y_top, int(n), hierarchy, valid, **options)
            for n in k
        ]
        return cls(k, np.array(precision), name=name).plot(ax=ax, **kwargs)

    def _draw(self, ax, name, options):
        self.line_ = draw_line(ax, self.k, self.precision, name, options, markers=True)
        ax.set(xlabel="Number of answers, k", ylabel="Hierarchical precision, hp@k", xscale="log")
        curves = [line.get_xydata() for line in ax.get_lines()]
        numbers, values = np.concatenate(curves).T
        ticks = np.unique(numbers)
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_xticks([], minor=True)
        ax.set_ylim(0, 1.05 * values.max() or 1)


def _check_k(k, n_answers):
    """Return the numbers of answers, ascending: int (n_k,)."""
    if k is None:
        return np.array([n for n in _K if n <= n_answers])
    values = [k] if isinstance(k, Integral) else list(k)
    if not values:
        raise ValueError(f"k={k!r} is empty. Pass at least one number.")
    for value in values:
        check_count("k", value, most=n_answers, what="answers")
    return np.unique(values)
