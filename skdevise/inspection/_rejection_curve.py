"""A display of the accuracy that rejecting uncertain answers buys."""

from typing import Any, Self

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from skdevise._typing import ArrayLike, Axes, Classifier, Inputs, Labels
from skdevise._utils import as_array
from skdevise.inspection._curves import CurveDisplay, check_answers, draw_line, reach_candidates
from skdevise.metrics._ranking import rejection_curve


class RejectionCurveDisplay(CurveDisplay):
    """Accuracy of the accepted answers against their share.

    An answer is accepted if its confidence reaches a threshold (`reject_below` of the
    classifiers). The curve shows every threshold. Use it to choose between few answers that are
    right and many answers. Make a display with `from_estimator` or `from_predictions`. Drawing
    needs matplotlib (extra ``plot``).

    Parameters
    ----------
    accepted : ndarray of shape (n_thresholds,)
        Share of the samples whose answer is accepted, ascending.
    accuracy : ndarray of shape (n_thresholds,)
        Share of the accepted answers that are right.
    thresholds : ndarray of shape (n_thresholds,)
        Lowest confidence of the accepted answers, descending.
    name : str, default=None
        Name of the curve in the legend. None means that there is no legend.

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
    skdevise.model_selection.tune_reject_below : Chooses the threshold for an accuracy.

    Examples
    --------
    >>> from skdevise.inspection import RejectionCurveDisplay
    >>> display = RejectionCurveDisplay.from_predictions(
    ...     ["cat", "dog", "cat", "rat"], ["cat", "dog", "dog", "cat"], [0.9, 0.8, 0.6, 0.3]
    ... )
    >>> display.accepted, display.accuracy.round(2)
    (array([0.25, 0.5 , 0.75, 1.  ]), array([1.  , 1.  , 0.67, 0.5 ]))
    """

    def __init__(
        self,
        accepted: ArrayLike,
        accuracy: ArrayLike,
        thresholds: ArrayLike,
        *,
        name: str | None = None,
    ) -> None:
        self.accepted = accepted
        self.accuracy = accuracy
        self.thresholds = thresholds
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Inputs,
        y: ArrayLike,
        *,
        labels: Labels | None = None,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier with `predict_proba`, Pipeline or search
            Classifier to show. Its own `reject_below` is ignored.
        X : array-like of shape (n_samples, n_features), or photos
            Samples, as the estimator takes them.
        y : array-like of shape (n_samples,)
            True labels. The answers to samples whose label is not a candidate are wrong.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels. Only the classifiers of skdevise accept them.
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
        RejectionCurveDisplay
        """
        classifier, X, answers, chosen = reach_candidates(estimator, X, labels)
        # Other classifiers have no `predict_confidence`.
        method = getattr(classifier, "predict_confidence", None) or classifier.predict_proba
        proba = method(X, **chosen)
        y_pred, confidence = answers[proba.argmax(axis=1)], proba.max(axis=1)
        name = type(classifier).__name__ if name is None else name
        kwargs |= {"sample_weight": sample_weight, "name": name, "ax": ax}
        return cls.from_predictions(y, y_pred, confidence, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the curve of predicted labels.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Best label of each sample, before any is rejected.
        confidence : array-like of shape (n_samples,)
            Probabilities of the best labels, or any other scores.
        sample_weight, name, ax, **kwargs
            As in `from_estimator`. Without a name, the curve is not in the legend.

        Returns
        -------
        RejectionCurveDisplay

        Raises
        ------
        ValueError
            If the numbers of samples differ, or there are none.
        """
        y_true, y_pred, weights = check_answers(y_true, y_pred, sample_weight)
        confidence = column_or_1d(as_array(confidence))
        check_consistent_length(y_true, confidence)
        is_right = np.array([true == answer for true, answer in zip(y_true, y_pred, strict=True)])
        display = cls(*rejection_curve(confidence, is_right, weights), name=name)
        return display.plot(ax=ax, **kwargs)

    def _draw(self, ax, name, options):
        # A line through a single point would be invisible.
        markers = len(self.accepted) == 1
        self.line_ = draw_line(ax, self.accepted, self.accuracy, name, options, markers=markers)
        self.line_.set_clip_on(not markers)  # The point lies on the edge of the axes.
        ax.set(xlabel="Share of accepted answers", ylabel="Accuracy of accepted answers")
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
