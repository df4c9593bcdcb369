"""The answers of every classifier: labels, scores and probabilities."""

import warnings
from collections.abc import Mapping
from copy import copy
from numbers import Real
from os import PathLike

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skdevise._columns import check_targets
from skdevise._compat import Interval, StrOptions
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._embedding import check_embedder
from skdevise.labels._search import SEARCH_METHODS
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import (
    LabelVocabulary,
    as_vocabulary,
    refuse_numbers,
    select_labels,
)
from skdevise.language import RandomEmbedder
from skdevise.models._calibration import (
    Calibration,
    calibration_rows,
    hold_out_classes,
    split_rows,
)
from skdevise.models._hubness import hub_offsets

# Label spaces and hub offsets that stay in memory between calls.
_N_CACHED = 8


class LabelPredictionMixin:
    """Answers of a classifier that places its samples in the label space.

    A classifier needs `transform`, which returns unit vectors, and the constructor parameters
    `embedder`, `labels`, `search`, `seen_penalty`, `hubness`, `reject_below` and `unknown_label`.
    Its `fit` calls `_open_label_space` first and `_calibrate` last.
    """

    _prediction_constraints = {
        "labels": ["array-like", LabelVocabulary, None],
        "search": [StrOptions({"auto", *SEARCH_METHODS})],
        # Scores are cosines, so a larger penalty only loses their digits.
        "seen_penalty": [Interval(Real, -10, 10, closed="both")],
        "hubness": [StrOptions({"csls", "inverted_softmax"}), None],
        "reject_below": [Interval(Real, 0, 1, closed="both"), None],
        "unknown_label": [str, Real],
    }

    # With metadata routing, a Pipeline passes `labels` on without a set_*_request call.
    __metadata_request__predict = {"labels": True}
    __metadata_request__predict_proba = {"labels": True}
    __metadata_request__predict_log_proba = {"labels": True}
    __metadata_request__decision_function = {"labels": True}
    __metadata_request__score = {"labels": True}

    def predict(self, X, labels=None):
        """Predict the nearest label of each sample, or `unknown_label`.

        With `reject_below`, samples whose best label has a lower probability get `unknown_label`.

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
            If candidates have no vector. The error names all of them.
        TypeError, ValueError
            If `labels` is a string, a set or empty, if a candidate is repeated, or if
            `reject_below` is set and `unknown_label` is text while the candidates are numbers.
        """
        if self.reject_below is None:
            return self.predict_top_k(X, 1, labels)[:, 0]
        space = self.label_space(labels)
        self._check_unknown_label(space.labels)
        proba = self.predict_proba(X, space)
        best = space.labels[proba.argmax(axis=1)]
        return np.where(proba.max(axis=1) < self.reject_below, self.unknown_label, best)

    def predict_top_k(self, X, k=5, labels=None, return_scores=False):
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
            If candidates have no vector. The error names all of them.
        """
        space = self.label_space(labels)
        space.check_k(k)
        top, scores = self._rank(X, k, space)
        return (top, scores) if return_scores else top

    def decision_function(self, X, labels=None):
        """Score each candidate label by its cosine similarity with each sample.

        `seen_penalty` and `hubness` lower some of the scores. If a label has several terms, the
        `pool` of its vocabulary chooses the cosine.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples in the same form as in `fit`.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns follow the order of the candidates. Without `labels` in this call, they begin
            with the training labels, in the order of `classes_`, if these are among the
            candidates. There is one exception, as scikit-learn expects of binary classifiers. If
            this call gets no candidates, and they are the two training labels, the shape is
            (n_samples,): the second score minus the first.
        """
        scores = self._scores(X, labels)
        is_binary = labels is None and len(getattr(self, "classes_", ())) == 2
        if is_binary and np.array_equal(self.label_space().labels, self.classes_):
            return scores[:, 1] - scores[:, 0]
        return scores

    def predict_proba(self, X, labels=None):
        """Estimate the probability of each candidate label.

        It is the softmax of the scores divided by a temperature. If all candidates are training
        labels, this is `temperature_`. Otherwise it is `unseen_temperature_`. The fit chooses both
        by maximum likelihood on data that a second training lacks: on samples for the first, and
        on whole classes for the second. Of the answers with probability 0.8, about 80 % are right.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples in the same form as in `fit`.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns follow the order of the candidates.
        """
        space = self.label_space(labels)
        return softmax(self._scores(X, space) / self._temperature(space), axis=1)

    def predict_log_proba(self, X, labels=None):
        """Estimate the logarithm of the probability of each candidate label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples in the same form as in `fit`.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns follow the order of the candidates.
        """
        space = self.label_space(labels)
        return log_softmax(self._scores(X, space) / self._temperature(space), axis=1)

    def score(self, X, y, sample_weight=None, labels=None):
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
        y = check_targets(y)
        answers = self.label_space(labels).labels.tolist()
        if self.reject_below is not None:
            answers.append(self.unknown_label)
        if set(answers).isdisjoint(np.asarray(y).tolist()):
            warnings.warn(
                "None of the true labels is a candidate, so the score is 0. Pass `labels` to the "
                "constructor or to a scorer.",
                stacklevel=2,
            )
        return accuracy_score(y, self.predict(X, labels), sample_weight=sample_weight)

    def label_space(self, labels=None):
        """Return the label space of some candidates.

        A label space contains the vectors of the candidates and their search index. Save it if it
        is slow to build, and pass it as `labels` to the other methods.

        Parameters
        ----------
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.

        Returns
        -------
        LabelSpace
            The candidates with their vectors and their search index.

        Raises
        ------
        ValueError
            If `labels` is a `LabelSpace` with vectors of another size.
        """
        check_is_fitted(self)
        if isinstance(labels, LabelSpace):
            if labels.vector_size != self.label_space_.vector_size:
                raise ValueError(
                    f"The label space has vectors of size {labels.vector_size}, but the classifier "
                    f"uses size {self.label_space_.vector_size}. Build the space with the "
                    "classifier's embedder."
                )
            return labels
        if labels is None and self.labels is None:
            return self.label_space_
        return self._open_candidates(labels)

    def _scores(self, X, labels):
        """Score the candidates of each sample: (n_samples, n_labels)."""
        space = self.label_space(labels)
        scores = space.scores(self._points(X))
        offsets = self._offsets(space)
        return scores if offsets is None else scores - offsets.astype(scores.dtype)

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

    def _cached(self, key, make):
        """Return the value of a recent key, or make it."""
        value = self._recent.pop(key, None)
        self._recent[key] = make() if value is None else value
        if len(self._recent) > _N_CACHED:
            del self._recent[next(iter(self._recent))]
        return self._recent[key]

    def _points(self, X):
        """Place samples in the label space: (n_samples, vector_size), also with set_output."""
        return np.asarray(self.transform(X))

    def _open_label_space(self, classes, on_missing="error"):
        """Check the embedder, and place the training labels with it."""
        self._place_labels(classes, self._present_embedder(), on_missing)

    def _present_embedder(self, vector_size=500):
        """Return the embedder with its present vectors; `vector_size` is that of random ones."""
        if self.embedder is None:
            return RandomEmbedder(vector_size)
        check_embedder(self.embedder)
        embedder = _share(self.embedder)
        if hasattr(embedder, "fit"):
            try:
                check_is_fitted(embedder)
            except NotFittedError as error:
                raise NotFittedError(
                    f"The embedder {type(embedder).__name__} is not fitted. Fit it on text first. "
                    "In a parameter grid, list its `vectors_`, because a grid search removes the "
                    "fit of its values."
                ) from error
        # The embedder may be trained again later. The classifier keeps its present vectors.
        vectors = getattr(embedder, "vectors_", None)
        return vectors if hasattr(vectors, "transform") else embedder

    def _place_labels(self, classes, embedder, on_missing="error"):
        """Forget earlier fits, and place the training labels with an embedder."""
        self._held_out, self._temperatures = {}, {}
        self._bind_labels(classes, embedder, on_missing)

    def _bind_labels(self, classes, embedder, on_missing="error"):
        """Place the training labels, and check the candidates of the constructor."""
        if self.reject_below is not None:
            self._check_unknown_label(classes)
        # Candidates without a vector may be dropped. Most classifiers cannot drop training labels.
        training = select_labels(self._vocabulary(classes), classes, on_missing=on_missing)
        refuse_numbers(training, embedder, "y")
        try:
            space = LabelSpace(training, embedder, self.search)
        except LabelWithoutVectorError as error:
            raise LabelWithoutVectorError(
                error.missing, error.n_asked, what="training labels"
            ) from None
        if space.n_labels < len(classes):
            classes = classes[np.isin(classes, space.labels)]
            training = self._vocabulary(classes)
        space.labels = classes  # This keeps their dtype.
        self.classes_, self.embedder_, self.label_space_ = classes, embedder, space
        self._recent = {(training, self.search): space}
        self._held_out = hold_out_classes(self._held_out, classes.tolist())
        if self.labels is not None:
            self._open_candidates()

    def _open_candidates(self, labels=None):
        """Return the label space of candidates; None means those of the constructor."""
        vocabulary = self._vocabulary(self.labels if labels is None else labels)
        if labels is None:
            given = vocabulary
            vocabulary = self._cached((given, "candidates"), lambda: self._candidates(given))
        return self._cached(
            (vocabulary, self.search), lambda: LabelSpace(vocabulary, self.embedder_, self.search)
        )

    def _vocabulary(self, labels):
        """Turn labels into a vocabulary, with the terms that the constructor's `labels` define."""
        defines_terms = isinstance(self.labels, Mapping | LabelVocabulary)
        known = as_vocabulary(self.labels) if defines_terms else None
        return as_vocabulary(labels, known=known)

    def _announced(self, classes):
        """Return the `classes` of `partial_fit`, whose terms the constructor must define."""
        if not isinstance(classes, Mapping | LabelVocabulary):
            return [] if classes is None else classes
        announced = as_vocabulary(classes)
        if announced.terms != self._vocabulary(announced.labels).terms:
            raise ValueError(
                "classes gives labels other terms than the constructor does. Pass the terms to the "
                "constructor: labels=LabelVocabulary(labels, terms)."
            )
        return announced.labels

    def _candidates(self, vocabulary):
        """Choose candidates among the constructor's: training labels first, in their order.

        scikit-learn's metrics and wrappers expect that the columns begin with `classes_`. A
        vocabulary may name class numbers and words, because wrappers can train on either. Only the
        labels of the same type as the training labels compete.
        """
        classes = self.classes_.tolist()
        is_text = isinstance(classes[0], str)
        labels = [x for x in vocabulary.labels.tolist() if isinstance(x, str) == is_text]
        if not set(labels).issuperset(classes):
            chosen = labels or classes
        else:
            chosen = list(dict.fromkeys(classes + labels))
        return self._vocabulary(chosen)

    def _calibrate(self, targets, keys, weight, place, refit):
        """Fit the temperatures on samples and classes that a second training lacks.

        `place(rows)` gives points of training samples (n, vector_size). `refit(kept_rows)` trains
        again without changing the answers, and returns the `place` of that training, or None.
        """
        self.reference_points_ = place(calibration_rows(len(targets)))
        spaces = {k: v for k, v in self._recent.items() if isinstance(v, LabelSpace)}
        self._recent = spaces  # Hub offsets depend on the points.
        self._calibrate_scores(self.label_space_.scores, targets, keys, weight, refit)

    def _calibrate_scores(self, score, targets, keys, weight, refit):
        """Fit the temperatures of scores: `score(points)` gives (n, n_classes)."""
        is_held_out = self._is_held_out()
        kept, samples, unseen = split_rows(keys, targets, is_held_out)
        place = refit(kept)
        if not len(samples) and not len(unseen) and not self._temperatures:
            samples = kept  # There are too few samples to hold any out.
        groups = {"seen": samples, "unseen": unseen}
        groups = {name: rows for name, rows in groups.items() if len(rows) and place is not None}
        if groups:
            calibration = Calibration(score, is_held_out, place, keys, targets, weight)
            hubs = calibration.hub_offsets(kept, self.hubness)
            fitted = {name: calibration.fit(rows, hubs) for name, rows in groups.items()}
            self._temperatures = self._temperatures | fitted
        # One of them may lack held-out samples.
        default = next(iter(self._temperatures.values()), 1.0)
        self.temperature_ = self._temperatures.get("seen", default)
        self.unseen_temperature_ = self._temperatures.get("unseen", default)

    def _is_held_out(self):
        """Mark the classes that the calibration holds out: bool (n_classes,)."""
        return np.array([self._held_out[label] for label in self.classes_.tolist()])

    def _temperature(self, space):
        """Choose the temperature of some candidates: float."""
        is_seen = space is self.label_space_ or np.isin(space.labels, self.classes_).all()
        return self.temperature_ if is_seen else self.unseen_temperature_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "temperature_")

    def __sklearn_clone__(self):
        # A clone shares the embedder, which is a pre-trained language model.
        bare = copy(self)
        bare.embedder = None
        cloned = super(LabelPredictionMixin, bare).__sklearn_clone__()
        cloned.embedder = _share(self.embedder)
        return cloned

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "_recent" in state:
            state["_recent"] = {}
        return state


def contains_photos(X):
    """Return whether the first sample is a photo or the path of one: bool."""
    first = X[0] if isinstance(X, list | tuple | np.ndarray) and len(X) else None
    # Photos in archives have `open`, and PIL images have `getexif`.
    is_image = hasattr(first, "open") or hasattr(first, "getexif") or np.ndim(first) > 1
    return is_image or isinstance(first, str | bytes | PathLike)


def refuse_photos(X):
    """Raise ValueError if X contains photos."""
    if contains_photos(X):
        raise ValueError(
            "X contains photos, but this classifier takes features. Put a VisualFeaturizer in "
            "front: make_pipeline(VisualFeaturizer(), classifier)."
        )


def _share(embedder):
    """Clone an embedder that only has parameters; return any other one itself."""
    is_estimator = hasattr(embedder, "__sklearn_tags__") and not isinstance(embedder, type)
    if is_estimator and not get_tags(embedder).requires_fit:
        return clone(embedder)
    return embedder
