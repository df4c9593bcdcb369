"""The answers of every classifier: labels, scores and probabilities."""

from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import log_softmax, ndtri, softmax
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_consistent_length, gen_batches, indexable

from skdevise._columns import check_comparable, check_targets, check_weights
from skdevise._compat import Interval, StrOptions, available_if, num_samples, safe_indexing
from skdevise._ranking import best_columns, score_batches
from skdevise._typing import ArrayLike, Inputs, Labels, NDArray
from skdevise._utils import warn
from skdevise.labels._search import SEARCH_METHODS
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import LabelVocabulary
from skdevise.models._calibration import CalibrationMixin, calibration_rows, is_calibrated
from skdevise.models._candidates import CandidatesMixin
from skdevise.models._hubness import hub_offsets

# Scores computed at once, which limits memory when there are many labels.
_BLOCK_NUMBERS = 2**23
_MIN_ROWS = 128


class LabelPredictionMixin(
    CalibrationMixin,
    CandidatesMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
):
    """Answers of a classifier that places its samples in the label space.

    A classifier needs `transform`, which returns unit vectors, and the constructor parameters
    `embedder`, `labels`, `search`, `seen_penalty`, `hubness`, `reject_below` and `unknown_label`.
    Its `fit` calls `_open_label_space` first and `_calibrate` last.
    """

    reject_below: float | None
    unknown_label: str | float

    _prediction_constraints: dict[str, Any] = {
        "embedder": "no_validation",  # The label space checks it.
        "labels": ["array-like", LabelVocabulary, None],
        "search": [StrOptions({"auto", *SEARCH_METHODS})],
        # Scores are cosines, so a larger penalty only loses their digits.
        "seen_penalty": [Interval(Real, -10, 10, closed="both")],
        "hubness": [StrOptions({"csls", "inverted_softmax"}), None],
        "reject_below": [Interval(Real, 0, 1, closed="both"), None],
        "unknown_label": [str, Real],
        "calibrate": ["boolean"],
    }

    # With metadata routing, a Pipeline passes `labels` on without a set_*_request call.
    __metadata_request__predict = {"labels": True}
    __metadata_request__predict_proba = {"labels": True}
    __metadata_request__predict_log_proba = {"labels": True}
    __metadata_request__decision_function = {"labels": True}
    __metadata_request__score = {"labels": True}

    def predict(self, X: Inputs, labels: Labels | None = None) -> NDArray[Any]:
        """Predict the nearest label of each sample, or `unknown_label`.

        With `reject_below`, samples whose best label has a lower confidence get `unknown_label`
        (see `predict_confidence`).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples in the same form as in `fit`.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, seen in training or not. A dict maps each label to its terms. None
            means the `labels` of the constructor or, without these, the training labels.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted labels.

        Raises
        ------
        LabelWithoutVectorError
            If candidates have no vector. The error lists all of them in `missing`.
        TypeError, ValueError
            If `labels` is a string, a set or empty, if a candidate is repeated, or if
            `reject_below` is set and `unknown_label` is text while the candidates are numbers.
        """
        if self.reject_below is None:
            return self.predict_top_k(X, 1, labels)[:, 0]
        space = self.label_space(labels)
        self._check_unknown_label(space.labels)
        answers = []
        for part in _parts(self._samples(X), space):
            confidence = self._confidence(part, space)
            best = self._best_columns(confidence, part, space)
            is_sure = confidence[np.arange(len(best)), best] >= self.reject_below
            answers.append(np.where(is_sure, space.labels[best], self.unknown_label))
        return np.concatenate(answers)

    def predict_top_k(
        self, X: Inputs, k: int = 5, labels: Labels | None = None, return_scores: bool = False
    ) -> Any:
        """Predict the k nearest labels of each sample.

        All samples get labels here: `reject_below` only affects `predict` and `score`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples in the same form as in `fit`.
        k : int, default=5
            Number of labels to return for each sample.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.
        return_scores : bool, default=False
            If True, also return the scores of the labels.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            The nearest label comes first. Labels with equal scores keep the order of the
            candidates.
        scores : ndarray of shape (n_samples, k)
            Scores as in `decision_function`. Only returned if `return_scores` is True.

        Raises
        ------
        ValueError
            If k is not an integer from 1 to the number of candidates, or if a candidate is
            repeated.
        LabelWithoutVectorError
            If candidates have no vector. The error lists all of them in `missing`.
        """
        space = self.label_space(labels)
        space.check_k(k)
        top, scores = self._rank(X, k, space)
        return (top, scores) if return_scores else top

    def decision_function(self, X: Inputs, labels: Labels | None = None) -> NDArray[Any]:
        """Score each candidate label of each sample.

        The score is their cosine similarity, unless the page of the class defines another one.
        `seen_penalty` and `hubness` lower some of the scores. If a label has several terms, the
        `pool` of its vocabulary chooses the cosine.

        Parameters
        ----------
        X, labels
            Samples and candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns follow the order of the candidates. Without `labels` in this call, they begin
            with the training labels, in the order of `classes_`. Training labels that are no
            candidates have scores below -1,000. There is one exception, as scikit-learn expects of
            binary classifiers. If this call gets no candidates, and they are the two training
            labels, the shape is (n_samples,): the second score minus the first.
        """
        space = self.label_space(labels)
        scores = self._columns(X, space, labels is None)
        is_binary = labels is None and len(getattr(self, "classes_", ())) == 2
        if is_binary and np.array_equal(space.labels, self.classes_):
            return scores[:, 1] - scores[:, 0]
        return scores

    @available_if(is_calibrated)
    def predict_proba(self, X: Inputs, labels: Labels | None = None) -> NDArray[Any]:
        """Estimate the probability of each candidate label.

        It is the softmax of the scores divided by a temperature. If all candidates are training
        labels, this is `temperature_`. If all are unseen, it is `unseen_temperature_`. The fit
        chooses both by maximum likelihood on data that other trainings lack: on samples for the
        first, and on whole classes for the second. Of the answers with probability 0.8, about 80 %
        are right. If half of the candidates are unseen, the temperature is `mixed_temperature_`,
        and other shares of unseen labels interpolate linearly. These probabilities are less exact.

        Parameters
        ----------
        X, labels
            Samples and candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns as in `decision_function`, even with two training labels. The probabilities of
            training labels that are not candidates are 0.
        """
        return _in_parts(partial(softmax, axis=1), self._logits(X, labels))

    @available_if(is_calibrated)
    def predict_confidence(self, X: Inputs, labels: Labels | None = None) -> NDArray[Any]:
        r"""Estimate the probability of each candidate label, if some samples show no candidate.

        The candidates compete with "none of the candidates", which has the score that a sample
        gives to one of the n training labels by chance. We assume normally distributed scores with
        the mean :math:`\mu` and the standard deviation :math:`\sigma` of the training labels:

        .. math:: s_\text{none} = \mu + \Phi^{-1}(1 - 1/n) \, \sigma

        The softmax and its temperature are those of `predict_proba`. `reject_below` is compared
        with the value of the answer. The values of :class:`NoveltySwitchClassifier`, and of
        a :class:`NearestLabelClassifier` without a fit, are those of `predict_proba`.

        Parameters
        ----------
        X, labels
            Samples and candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns follow the order of the candidates. The sum of a row is below 1. The rest is the
            probability of "none of the candidates".
        """
        space = self.label_space(labels)
        return self._confidence(self._samples(X), space)

    @available_if(is_calibrated)
    def predict_log_proba(self, X: Inputs, labels: Labels | None = None) -> NDArray[Any]:
        """Estimate the logarithm of the probability of each candidate label.

        Parameters
        ----------
        X, labels
            Samples and candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns as in `predict_proba`.
        """
        return _in_parts(partial(log_softmax, axis=1), self._logits(X, labels))

    def score(
        self,
        X: Inputs,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        labels: Labels | None = None,
    ) -> float:
        """Compute hit@1, the share of samples whose nearest label is the true one.

        With `reject_below`, it is the share of samples for which `predict` is right. A rejected
        sample counts as right only if its true label is `unknown_label`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples in the same form as in `fit`.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the mean.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`. Without metadata routing, the `score` of a Pipeline
            ignores them silently. Pass them to the constructor or to a scorer instead.

        Returns
        -------
        float
            Hit@1 from 0 to 1.
        """
        y, space = check_targets(y), self.label_space(labels)
        check_comparable(y=y, candidates=space.labels)
        weights = None if sample_weight is None else check_weights(y, sample_weight)
        candidates = space.labels.tolist()
        if self.reject_below is not None:
            candidates.append(self.unknown_label)
        if set(candidates).isdisjoint(y.tolist()):
            warn(
                "None of the true labels is a candidate, so the score is 0. Pass `labels` to the "
                "constructor or to a scorer."
            )
        answers = self.predict(X, space)
        check_consistent_length(y, answers)
        return float(np.average(answers == y, weights=weights))

    def _best_columns(self, confidence, samples, space):
        """Find the answers among candidates whose confidence is (n_samples, n_labels): (n,)."""
        return confidence.argmax(axis=1)

    def _confidence(self, samples, space):
        """Compute `predict_confidence` of `_samples` for the labels of a label space."""
        scores = trained = self._scores_in(samples, space)
        if space is not self.label_space_:
            trained = self._scores_in(samples, self.label_space_)
            if not np.isin(space.labels, self.classes_).all():
                # The penalty lowers seen candidates against unseen ones, and not "none".
                trained = trained + self.seen_penalty
        deviations = float(ndtri(1 - 1 / max(2, trained.shape[1])))  # It keeps the dtype.
        none = trained.mean(axis=1) + deviations * trained.std(axis=1)
        temperature = self._temperature(space)

        def compare(part, none):
            return softmax(np.column_stack([part, none]) / temperature, axis=1)[:, :-1]

        return _in_parts(compare, scores, none)

    def _logits(self, X, labels):
        """Divide the scores of `_columns` by the temperature of the candidates."""
        space = self.label_space(labels)
        scores = self._columns(X, space, labels is None)
        scores /= self._temperature(space)
        return scores

    def _columns(self, X, space, is_default):
        """Score the candidates. The columns of default ones begin with the training labels."""
        samples = self._samples(X)
        scores = self._scores_in(samples, space)
        if not is_default or self.labels is None or not hasattr(self, "classes_"):
            return scores
        classes, candidates = self.classes_.tolist(), space.labels.tolist()
        if set(candidates).issuperset(classes):
            return scores
        # scikit-learn's wrappers take the columns for `classes_`. These scores never win.
        others = self._scores_in(samples, self.label_space_).astype(np.float64)
        largest = np.abs(np.hstack([scores, others])).max(axis=1, keepdims=True)
        # Distances, and the temperature that belongs to them, can be large.
        temperature = 1 if np.isnan(self.temperature_) else self._temperature(space)
        others -= 100 * np.maximum(largest, max(100, temperature))
        column_of = dict(zip(classes + candidates, [*others.T, *scores.T], strict=True))
        return np.column_stack(list(column_of.values()))

    def _samples(self, X):
        """Return the samples in the form that `_score_labels` takes: here the points of X."""
        return self._points(X)

    def _score_labels(self, samples, space):
        """Score the labels of a label space without corrections: (n_samples, n_labels)."""
        return space.scores(samples)

    def _scores_in(self, samples, space):
        """Score the labels of a label space, and correct the scores: (n_samples, n_labels)."""
        scores, offsets = self._score_labels(samples, space), self._offsets(space)
        if offsets is not None:
            scores -= offsets.astype(scores.dtype)
        return scores

    def _rank(self, X, k, space):
        """Find the k best candidates of each sample, and their scores: two arrays (n, k)."""
        return space.top_k(self._points(X), k, self._offsets(space))

    def _check_unknown_label(self, labels):
        """Check that `unknown_label` is text or a number, like the labels."""
        is_text = isinstance(labels.tolist()[0], str)
        if isinstance(self.unknown_label, str) != is_text:
            kind, example = ("text", "'unknown'") if is_text else ("numbers", "-1")
            raise TypeError(
                f"unknown_label={self.unknown_label!r} does not fit labels that are {kind}. Pass "
                f"a value such as unknown_label={example}."
            )

    def _offsets(self, space):
        """Compute the corrections to subtract from the scores of labels: (n_labels,) or None."""
        if self.hubness is None and not self.seen_penalty:
            return None
        offsets = self.seen_penalty * np.isin(space.labels, self.classes_)
        if self.hubness is None:
            return offsets
        # For a single sample, these offsets take longer than its prediction.
        return offsets + self._cached(
            (space, self.hubness),
            lambda: hub_offsets(space.scores, self.reference_points_, self.hubness),
        )

    def _points(self, X):
        """Place samples in the label space: (n_samples, vector_size), also with set_output."""
        return np.asarray(self.transform(X))

    def _calibrate(self, targets, keys, weight, place, refit):
        """Fit the temperatures on samples and classes that other trainings lack.

        `place(rows)` gives points of training samples (n, vector_size). `refit(kept_rows)` trains
        again without changing the answers, and returns the `place` of that training, or None.
        """
        self.reference_points_ = place(calibration_rows(len(targets)))
        spaces = {k: v for k, v in self._recent.items() if isinstance(v, LabelSpace)}
        self._recent = spaces  # Hub offsets depend on the points.
        self._calibrate_scores(self.label_space_.scores, targets, keys, weight, refit)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "temperature_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if getattr(self, "visual", None) is not None:
            tags.input_tags.two_d_array = False
        return tags


class ScorePredictionMixin(LabelPredictionMixin):
    """Answers of a classifier whose scores are no cosines of points.

    A classifier needs `_score_labels(X, space)`, which returns (n_samples, n_labels). It has no
    parameters `search` and `hubness`. The `place(rows)` that it gives to `_calibrate` returns the
    scores of the training labels: (n, n_classes).
    """

    _prediction_constraints = {
        name: constraint
        for name, constraint in LabelPredictionMixin._prediction_constraints.items()
        if name not in ("search", "hubness")
    } | {"seen_penalty": [Interval(Real, -1e3, 1e3, closed="both")]}  # Scores are logarithms.
    search, hubness = "exact", None

    def _samples(self, X):
        return indexable(X)[0]

    def _rank(self, X, k, space):
        ranked = []
        for part in _parts(self._samples(X), space):
            scores = self._scores_in(part, space)
            top = best_columns(scores, k)
            ranked.append((space.labels[top], np.take_along_axis(scores, top, axis=1)))
        return tuple(map(np.concatenate, zip(*ranked, strict=True)))

    def _calibrate(self, targets, keys, weight, place, refit):
        self._calibrate_scores(np.asarray, targets, keys, weight, refit)


def _parts(samples, space):
    """Split samples into parts whose scores fit into memory: iterable of samples."""
    n_samples, n_rows = num_samples(samples), max(_MIN_ROWS, _BLOCK_NUMBERS // space.n_labels)
    if n_samples <= n_rows:
        return [samples]
    return (safe_indexing(samples, rows) for rows in gen_batches(n_samples, n_rows))


def _in_parts(compute, scores, *columns):
    """Replace scores (n_samples, n_labels) by the results of a function, some rows at a time.

    The function also gets these rows of the other columns (n_samples,).
    """
    for rows in score_batches(*scores.shape, scores.itemsize):
        scores[rows] = compute(scores[rows], *(column[rows] for column in columns))
    return scores
