"""A display of the accuracies on seen and on unseen labels for all penalties."""

from collections.abc import Set
from typing import Any, Self

import numpy as np

from skdevise._typing import ArrayLike, Average, Axes, Classifier, Inputs, Labels
from skdevise.inspection._curves import CurveDisplay, draw_line, reach_candidates
from skdevise.metrics import generalized_scores
from skdevise.models._top_k import training_labels


class SeenUnseenCurveDisplay(CurveDisplay):
    """Accuracy on seen labels against the accuracy on unseen labels, when both are candidates.

    Each point of the curve belongs to one penalty on the scores of seen labels (`seen_penalty`
    [1]_). A dot marks the penalty in use. The area under the curve compares classifiers for all
    penalties at once. Make a display with `from_estimator` or `from_predictions`. Drawing needs
    matplotlib (extra ``plot``).

    Parameters
    ----------
    scores : Bunch
        Result of `generalized_scores`.
    name : str, default=None
        Name of the curve in the legend, which also gives the area.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    point_ : matplotlib PathCollection
        The accuracies with the penalty in use.
    ax_ : matplotlib Axes
        Axes of the curve.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    skdevise.metrics.generalized_scores : The accuracies, their harmonic mean, and the area.
    skdevise.model_selection.tune_seen_penalty : Chooses the penalty on held-out classes.

    References
    ----------
    .. [1] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from skdevise.inspection import SeenUnseenCurveDisplay
    >>> y_score = [[0.9, 0.2], [0.6, 0.5]]  # a cat and a lynx; only "cat" is a training label
    >>> display = SeenUnseenCurveDisplay.from_predictions(
    ...     ["cat", "lynx"], y_score, labels=["cat", "lynx"], seen=["cat"], name="DeViSE"
    ... )
    >>> display.scores.area
    1.0
    """

    def __init__(self, scores: Any, *, name: str | None = None) -> None:
        self.scores = scores
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Inputs,
        y: ArrayLike,
        *,
        labels: Labels | None = None,
        average: Average = "class",
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier of skdevise, Pipeline or search
            Classifier to show. The dot marks its `seen_penalty`.
        X : array-like of shape (n_samples, n_features), or photos
            Samples of seen and of unseen labels, as the estimator takes them.
        y : array-like of shape (n_samples,)
            True labels, all of which are candidates.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, seen and unseen ones. None means those of the classifier.
        average : {"class", "sample"}, default="class"
            "class" averages over the samples of each true label first, and then over labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        name : str, default=None
            Name of the curve. None means the class of the classifier.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.
        **kwargs : dict
            Arguments of matplotlib's `plot`.

        Returns
        -------
        SeenUnseenCurveDisplay

        Raises
        ------
        TypeError
            If the classifier only predicts its training labels, and `labels` is given.
        ValueError
            If a true label is not a candidate, or all samples are of seen labels, or all of unseen
            ones.
        """
        classifier, X, candidates, chosen = reach_candidates(estimator, X, labels)
        penalty, seen = classifier.seen_penalty, training_labels(classifier)
        scores = classifier.decision_function(X, **chosen) + penalty * np.isin(candidates, seen)
        name = type(classifier).__name__ if name is None else name
        kwargs |= {"labels": candidates, "seen": seen, "seen_penalty": penalty, "average": average}
        kwargs |= {"sample_weight": sample_weight, "name": name, "ax": ax}
        return cls.from_predictions(y, scores, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        labels: Labels,
        seen: Labels | Set[Any],
        seen_penalty: float = 0.0,
        average: Average = "class",
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, both seen and unseen ones.
        y_score : array-like of shape (n_samples, n_labels)
            Scores of the candidates, without a penalty.
        labels : sequence of shape (n_labels,), LabelVocabulary or LabelSpace
            Candidates, in the order of the columns of `y_score`.
        seen : sequence or set of labels
            Labels of the training set.
        seen_penalty : float, default=0
            Penalty that the dot marks.
        average, sample_weight, name, ax, **kwargs
            As in `from_estimator`. Without a name, the curve is not in the legend.

        Returns
        -------
        SeenUnseenCurveDisplay

        Raises
        ------
        ValueError
            As in `generalized_scores`.
        """
        options = {"seen_penalty": seen_penalty, "average": average, "sample_weight": sample_weight}
        scores = generalized_scores(y_true, y_score, labels=labels, seen=seen, **options)
        return cls(scores, name=name).plot(ax=ax, **kwargs)

    def _draw(self, ax, name, options):
        scores = self.scores
        if name is not None:
            name = f"{name} (area\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{scores.area:.2f})"
        curve = scores.unseen_curve, scores.seen_curve
        self.line_ = draw_line(ax, *curve, name, options, markers=False)
        self.point_ = ax.scatter(
            scores.unseen, scores.seen, color=self.line_.get_color(), zorder=3, clip_on=False
        )
        ax.set(xlabel="Accuracy on unseen labels", ylabel="Accuracy on seen labels")
        reached = np.max([line.get_xydata().max(axis=0) for line in ax.get_lines()], axis=0)
        right, top = np.minimum(1.05 * reached, 1)
        ax.set(xlim=(0, right or 1), ylim=(0, 1.02 * top or 1))
