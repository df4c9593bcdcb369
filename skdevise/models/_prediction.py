"""Everything that answers with labels, written once."""

from collections import OrderedDict
from copy import copy

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from skdevise.labels.space import LabelSpace
from skdevise.labels.vocabulary import LabelVocabulary, as_vocabulary
from skdevise.language import RandomEmbedder

# Label sets that stay embedded and indexed between calls.
_N_SPACES_KEPT = 8

# Rows that the temperature is fitted on: one number needs no more.
_N_CALIBRATION_ROWS = 1_000


class LabelPredictionMixin:
    """Answers of any estimator that places its samples in the label space.

    The estimator has `transform`, which gives unit rows; its constructor has `embedder` and
    `labels`; its `fit` sets `classes_`, calls `_open_label_space`, and at last `_fit_temperature`.

    Every method takes `labels`, the candidates of this one call: None (the constructor's
    `labels`, or else the training labels), any sequence of labels, or a `LabelVocabulary`.
    """

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
        space = self._label_space(labels)
        top, scores = space.top_k(self._points(X), k)
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
        scores = self._label_space(labels).scores(self._points(X))
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
        scores = self._label_space(labels).scores(self._points(X))
        return softmax(scores / self.temperature_, axis=1)

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
        return accuracy_score(y, self.predict(X, labels), sample_weight=sample_weight)

    def _points(self, X):
        # set_output turns what `transform` returns into a table.
        return np.asarray(self.transform(X))

    def _open_label_space(self):
        """Bind the training labels to the embedder, and forget the spaces of an earlier fit."""
        self.embedder_ = RandomEmbedder() if self.embedder is None else self.embedder
        try:
            if hasattr(self.embedder_, "fit"):
                check_is_fitted(self.embedder_)
        except NotFittedError as error:
            raise NotFittedError(
                f"The embedder {type(self.embedder_).__name__} is not fitted: it is a pre-trained "
                "language model, so fit it on text first (and in a parameter grid, which clones "
                "what it holds, put its `vectors_`)."
            ) from error
        self._spaces = OrderedDict()
        self.label_space_ = LabelSpace(self._vocabulary(self.classes_), self.embedder_)

    def _vocabulary(self, labels):
        known = self.labels if isinstance(self.labels, LabelVocabulary) else None
        return as_vocabulary(labels, known=known)

    def _label_space(self, labels):
        check_is_fitted(self)
        if labels is None:
            labels = self.labels
        if labels is None:
            return self.label_space_
        vocabulary = self._vocabulary(labels)
        if vocabulary not in self._spaces:
            self._spaces[vocabulary] = LabelSpace(vocabulary, self.embedder_)
            if len(self._spaces) > _N_SPACES_KEPT:
                self._spaces.popitem(last=False)
        self._spaces.move_to_end(vocabulary)
        return self._spaces[vocabulary]

    def _fit_temperature(self, points, targets):
        """Fit the softmax's temperature on training samples, by maximum likelihood.

        Bounded, as samples that are all told apart would drive it to zero.
        """
        rows = np.linspace(0, len(points) - 1, min(len(points), _N_CALIBRATION_ROWS), dtype=int)
        scores = self.label_space_.scores(points[rows])
        true = scores[np.arange(len(rows)), targets[rows]]

        def loss(inverse):
            return logsumexp(inverse * scores, axis=1).mean() - inverse * true.mean()

        best = minimize_scalar(loss, bounds=(1, 100), method="bounded", options={"xatol": 0.1})
        self.temperature_ = 1 / best.x

    def __sklearn_clone__(self):
        # The embedder is a pre-trained language model: a clone shares it, fitted as it is.
        bare = copy(self)
        bare.embedder = None
        clone = super(LabelPredictionMixin, bare).__sklearn_clone__()
        clone.embedder = self.embedder
        return clone

    def __getstate__(self):
        state = super().__getstate__().copy()
        if "_spaces" in state:
            state["_spaces"] = OrderedDict()
        return state
