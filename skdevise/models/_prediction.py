"""Everything that answers with labels, written once."""

import warnings
from collections import OrderedDict
from copy import copy
from numbers import Integral, Real
from weakref import WeakKeyDictionary

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import Interval, StrOptions
from skdevise.labels._search import SEARCH_METHODS
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import LabelVocabulary, as_vocabulary
from skdevise.language import RandomEmbedder
from skdevise.models._hubness import hub_offsets
from skdevise.models._inputs import known_dtype

# Label sets that stay embedded and indexed between calls.
_N_SPACES_KEPT = 8

# Rows that the temperature is fitted on: one number needs no more.
_N_CALIBRATION_ROWS = 1_000


class LabelPredictionMixin:
    """Answers of any estimator that places its samples in the label space.

    The estimator has `transform`, which gives unit rows; its constructor has `embedder`, `labels`
    and the parameters of `_prediction_constraints`; its `fit` sets `classes_`, calls
    `_open_label_space`, and at last `_calibrate`.

    Every method takes `labels`, the candidates of this one call: None (the constructor's
    `labels`, or else the training labels), any sequence of labels, a `LabelVocabulary`, or a
    `LabelSpace` made before.
    """

    _prediction_constraints = {
        "labels": ["array-like", LabelVocabulary, None],
        "search": [StrOptions({"auto", *SEARCH_METHODS})],
        "expand": [Interval(Integral, 1, None, closed="left")],
        "seen_penalty": [Interval(Real, None, None, closed="neither")],
        "hubness": [StrOptions({"csls", "inverted_softmax"}), None],
    }

    # With metadata routing, `labels` reaches the final step of a Pipeline without a set_*_request.
    __metadata_request__predict = {"labels": True}
    __metadata_request__predict_proba = {"labels": True}
    __metadata_request__decision_function = {"labels": True}
    __metadata_request__score = {"labels": True}

    def predict(self, X, labels=None):
        """Name the nearest label of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images
            As in `fit`.
        labels : LabelVocabulary or array-like of shape (n_labels,), default=None
            The candidates, seen in training or not. None means the constructor's `labels`, or
            else the training labels.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.predict_top_k(X, 1, labels)[:, 0]

    def predict_top_k(self, X, k=5, labels=None, return_scores=False):
        """Name the k nearest labels of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images
            As in `fit`.
        k : int, default=5
            At most the number of candidates.
        labels : LabelVocabulary or array-like of shape (n_labels,), default=None
            The candidates, as in `predict`.
        return_scores : bool, default=False
            Return the cosine similarities too.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            The nearest first; of equally near ones, the first of the candidates.
        scores : ndarray of shape (n_samples, k)
            If `return_scores`.

        Raises
        ------
        ValueError
            If k exceeds the number of candidates, or they are empty or not unique.
        LabelWithoutVectorError
            If candidates have no vector; it names them all.
        """
        space = self.label_space(labels)
        space.check_k(k)
        top, scores = space.top_k(self._points(X), k, self._offsets(space))
        return (top, scores) if return_scores else top

    def decision_function(self, X, labels=None):
        """Cosine similarity of each sample with each label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images
            As in `fit`.
        labels : LabelVocabulary or array-like of shape (n_labels,), default=None
            The candidates, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns in the order of the candidates. With the training labels as candidates, and
            two of them, it is by scikit-learn's convention of shape (n_samples,): the similarity
            with the second less that with the first.
        """
        scores = self._scores(X, labels)
        if labels is None and self.labels is None and scores.shape[1] == 2:
            return scores[:, 1] - scores[:, 0]
        return scores

    def predict_proba(self, X, labels=None):
        """Probability of each label: the softmax of cosines over `temperature_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images
            As in `fit`.
        labels : LabelVocabulary or array-like of shape (n_labels,), default=None
            The candidates, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Columns in the order of the candidates.
        """
        return softmax(self._scores(X, labels) / self.temperature_, axis=1)

    def score(self, X, y, sample_weight=None, labels=None):
        """Share of samples whose nearest label is the true one: hit@1.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images
            As in `fit`.
        y : array-like of shape (n_samples,)
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None
        labels : LabelVocabulary or array-like of shape (n_labels,), default=None
            The candidates, as in `predict`. A Pipeline's `score` loses them unless metadata
            routing is enabled: give them to the constructor, or to a scorer.

        Returns
        -------
        float
        """
        y, y_pred = known_dtype(y), self.predict(X, labels)
        if not np.isin(y, self.label_space(labels).labels).any():
            warnings.warn(
                "None of the true labels is among the candidates, so that no answer can be right: "
                "give `labels` to the constructor or to a scorer.",
                stacklevel=2,
            )
        return accuracy_score(y, y_pred, sample_weight=sample_weight)

    def _scores(self, X, labels):
        space = self.label_space(labels)
        scores = space.scores(self._points(X))
        offsets = self._offsets(space)
        return scores if offsets is None else scores - offsets.astype(scores.dtype)

    def _offsets(self, space):
        """What is taken off the scores of each label: None where no correction is asked for."""
        if self.hubness is None and not self.seen_penalty:
            return None
        offsets = self.seen_penalty * np.isin(space.labels, self.classes_)
        if self.hubness is None:
            return offsets
        # Kept as long as the space: for one sample they cost more than its answer.
        kept = vars(self).setdefault("_hub_offsets", WeakKeyDictionary()).setdefault(space, {})
        if self.hubness not in kept:
            kept[self.hubness] = hub_offsets(
                space, self.reference_points_, self.hubness, self.temperature_
            )
        return offsets + kept[self.hubness]

    def _points(self, X):
        # set_output turns what `transform` returns into a table.
        return np.asarray(self.transform(X))

    def _open_label_space(self, classes):
        """Bind the training labels to the embedder, and forget the spaces of an earlier fit."""
        embedder = RandomEmbedder() if self.embedder is None else _shared(self.embedder)
        try:
            if hasattr(embedder, "fit"):
                check_is_fitted(embedder)
        except NotFittedError as error:
            raise NotFittedError(
                f"The embedder {type(embedder).__name__} is not fitted: it is a pre-trained "
                "language model, so fit it on text first (and in a parameter grid, which clones "
                "what it holds, put its `vectors_`)."
            ) from error
        # A trained embedder may be trained anew by its owner: its vectors of today are kept.
        vectors = getattr(embedder, "vectors_", None)
        self._bind_labels(classes, vectors if hasattr(vectors, "transform") else embedder)

    def _bind_labels(self, classes, embedder):
        """Place the training labels, and the constructor's candidates, in the space."""
        # What the candidates may drop, training cannot do without.
        training = self._vocabulary(classes)
        training = LabelVocabulary(
            classes, training.terms, training.pool, templates=training.templates
        )
        space = LabelSpace(training, embedder, self.search)
        spaces = OrderedDict()
        reordered = None
        if self.labels is not None:
            candidates = self._vocabulary(self.labels)
            if set(candidates.labels.tolist()) == set(classes.tolist()):
                reordered = candidates
            else:
                spaces[self._key(candidates)] = LabelSpace(candidates, embedder, self.search)
        # As scikit-learn's metrics expect them: in the order and of the dtype of `classes_`, even
        # where the constructor has the training labels in another order.
        space.labels = classes
        self._spaces, self._reordered = spaces, reordered
        self.classes_, self.embedder_, self.label_space_ = classes, embedder, space

    def _vocabulary(self, labels):
        known = self.labels if isinstance(self.labels, LabelVocabulary) else None
        return as_vocabulary(labels, known=known)

    def label_space(self, labels=None):
        """Give the candidates as they lie in the label space, embedded and indexed.

        Parameters
        ----------
        labels : LabelVocabulary, LabelSpace or array-like of shape (n_labels,), default=None
            The candidates, as in `predict`.

        Returns
        -------
        LabelSpace
            It says which `search` is in use, tells the index's `recall`, and can be saved, to be
            passed as `labels` later.

        Raises
        ------
        ValueError
            If a `LabelSpace` is given whose vectors are not as long as the classifier's.
        """
        check_is_fitted(self)
        if isinstance(labels, LabelSpace):
            if labels.vector_size != self.label_space_.vector_size:
                raise ValueError(
                    f"The label space is {labels.vector_size}-d, the classifier answers in "
                    f"{self.label_space_.vector_size}-d: make it with the same embedder."
                )
            return labels
        is_default = labels is None
        labels = self.labels if is_default else labels
        if labels is None:
            return self.label_space_
        vocabulary = self._vocabulary(labels)
        if is_default and vocabulary == self._reordered:
            return self.label_space_
        key = self._key(vocabulary)
        space = self._spaces.pop(key, None) or LabelSpace(vocabulary, self.embedder_, self.search)
        self._spaces[key] = space
        if len(self._spaces) > _N_SPACES_KEPT:
            self._spaces.popitem(last=False)
        return space

    def _key(self, vocabulary):
        return vocabulary, self.search

    def _calibrate(self, points, targets, weight=None):
        """Keep training samples' points, and fit the softmax's temperature on them.

        By maximum likelihood; bounded, as samples all told apart would drive it to zero.
        """
        self.reference_points_ = points
        vars(self).pop("_hub_offsets", None)
        self.temperature_ = 1.0
        known = np.flatnonzero(targets >= 0)
        if not len(known):
            return  # A classifier that was trained before may answer with other labels.
        scores = self.label_space_.scores(points[known])
        true = scores[np.arange(len(known)), targets[known]]
        weight = None if weight is None else weight[known]

        def loss(inverse):
            losses = logsumexp(inverse * scores, axis=1) - inverse * true
            return np.average(losses, weights=weight)

        best = minimize_scalar(loss, bounds=(1, 100), method="bounded", options={"xatol": 0.1})
        self.temperature_ = 1 / best.x

    def __sklearn_clone__(self):
        # The embedder is a pre-trained language model: a clone shares it, fitted as it is.
        bare = copy(self)
        bare.embedder = None
        cloned = super(LabelPredictionMixin, bare).__sklearn_clone__()
        cloned.embedder = _shared(self.embedder)
        return cloned

    def __getstate__(self):
        state = super().__getstate__().copy()
        if "_spaces" in state:
            state["_spaces"] = OrderedDict()
        state.pop("_hub_offsets", None)
        return state


def calibration_rows(n_samples):
    """Choose training samples to fit the temperature on, evenly.

    Parameters
    ----------
    n_samples : int

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> calibration_rows(3)
    array([0, 1, 2])
    """
    return np.linspace(0, n_samples - 1, min(n_samples, _N_CALIBRATION_ROWS), dtype=int)


def _shared(embedder):
    """The embedder itself if it holds what it was trained on, a clone if only parameters."""
    if hasattr(embedder, "__sklearn_tags__") and not get_tags(embedder).requires_fit:
        return clone(embedder)
    return embedder
