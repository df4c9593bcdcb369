"""Nearest label of features that lie in the label space already."""

from numbers import Real
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import normalize
from sklearn.utils.validation import validate_data

from skdevise._compat import Interval, fit_context
from skdevise._typing import ArrayLike, Embedder, Hubness, Inputs, Labels, NDArray, Search
from skdevise.labels._space import LabelSpace
from skdevise.models._calibration import row_keys
from skdevise.models._candidates import unchanged_on_error
from skdevise.models._features import as_features, training_data
from skdevise.models._prediction import LabelPredictionMixin


class NearestLabelClassifier(LabelPredictionMixin, BaseEstimator):
    """Nearest label of features that lie in the label space already, such as those of CLIP.

    CLIP [1]_ trains an image encoder and a text encoder together, so its image features can be
    compared with its text vectors directly. This classifier predicts the label with the highest
    cosine similarity. No projection is trained, so it can predict before any `fit`, if it gets
    candidate labels.

    `fit` is optional. It sets the training labels and fits the temperatures of `predict_proba`.

    Parameters
    ----------
    embedder : fitted term embedder, default=None
        Source of the label vectors: an `EncoderEmbedder` of the text encoder that belongs to the
        features. None means random vectors, a baseline at the level of chance; it needs `fit`.
    temperature : float, default=0.01
        Temperature of `predict_proba` before `fit`. The default is the one of CLIP, whose logits
        are 100 times the cosines. Use the value that the encoders were trained with.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives the training labels their terms: synonyms, or names of class numbers.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        Search for the nearest label. "auto" is exact below 200,000 terms. See `LabelSpace`.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels. Nothing is learned from the training
        samples, so it is rarely needed. It has no effect before `fit`.
    hubness : {"csls", "inverted_softmax"}, default=None
        Correction for hubs: labels that are near to almost every sample. It lowers the scores of a
        label by its nearness to up to 1,000 training samples, so it needs `fit`. "csls" measures
        this nearness with the 10 nearest samples, and "inverted_softmax" with all. None corrects
        nothing.
    reject_below : float, default=None
        Lowest confidence of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. `tune_reject_below` chooses it.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Training labels. This and all other attributes only exist after `fit`.
    label_space_ : LabelSpace
        The training labels and their vectors.
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels.
    unseen_temperature_ : float
        Temperature of `predict_proba` if all candidates are unseen.
    mixed_temperature_ : float
        Temperature of `predict_proba` if half of the candidates are unseen.
    n_features_in_ : int
        Number of features, which is also the size of the vectors.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features. It only exists if X has text column names.

    See Also
    --------
    EncoderEmbedder : Wraps a text encoder.
    DeViSEClassifier : Learns a projection of features that come from another space.

    References
    ----------
    .. [1] Radford et al., "Learning transferable visual models from natural language supervision",
       ICML 2021 (section 3.1.2).

    Examples
    --------
    >>> from skdevise import NearestLabelClassifier, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.9, 0.4]})
    >>> clf = NearestLabelClassifier(embedder)
    >>> clf.predict([[3, 0], [3, 2]], labels=["cat", "lynx", "truck"])
    array(['cat', 'lynx'], dtype='<U5')
    >>> clf.fit([[3, 0], [0, 2]], ["cat", "truck"]).predict([[3, 2]])
    array(['cat'], dtype='<U5')
    """

    _parameter_constraints = {
        "temperature": [Interval(Real, 1e-6, 1e4, closed="both")],
        **LabelPredictionMixin._prediction_constraints,
    }

    def __init__(
        self,
        embedder: Embedder | None = None,
        *,
        temperature: float = 0.01,
        labels: Labels | None = None,
        search: Search = "auto",
        seen_penalty: float = 0.0,
        hubness: Hubness = None,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
    ) -> None:
        self.embedder = embedder
        self.temperature = temperature
        self.labels = labels
        self.search = search
        self.seen_penalty = seen_penalty
        self.hubness = hubness
        self.reject_below = reject_below
        self.unknown_label = unknown_label

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def fit(self, X: Inputs, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Set the training labels, and fit the temperatures of `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, vector_size)
            Features in the space of the label vectors.
        y : array-like of shape (n_samples,)
            Training labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. The fits of the temperatures use them.

        Returns
        -------
        self : NearestLabelClassifier
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector.
        ValueError
            If X has another number of columns than the label vectors, or contains photos.
        """
        X, y, sample_weight = training_data(self, X, y, sample_weight)
        classes, targets = np.unique(y, return_inverse=True)
        self._place_labels(classes, self._snapshot_embedder(X.shape[1]))
        vector_size = self.label_space_.vector_size
        if X.shape[1] != vector_size:
            raise ValueError(
                f"X has {X.shape[1]} features, but the label vectors have size {vector_size}. "
                "Compute both with encoders that were trained together."
            )
        self._n_features_out = X.shape[1]

        def place(rows):
            return normalize(X[rows])

        self._calibrate(targets, row_keys(X), sample_weight, place, refit=lambda kept: place)
        return self

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Scale samples to unit length.

        Parameters
        ----------
        X : array-like of shape (n_samples, vector_size)
            Features in the space of the label vectors.

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Unit vectors: float32 if X is float32, and float64 otherwise.
        """
        X = validate_data(self, as_features(X), dtype=[np.float64, np.float32], reset=False)
        return normalize(X)

    def _find_space(self, labels):
        if hasattr(self, "label_space_"):
            return super()._find_space(labels)
        if isinstance(labels, LabelSpace):
            return labels
        labels = self.labels if labels is None else labels
        if labels is None or self.embedder is None:
            name = "candidate labels" if labels is None else "embedder"
            raise NotFittedError(f"The classifier has no {name} yet. Pass some, or call fit.")
        return LabelSpace(self._vocabulary(labels), self._snapshot_embedder(), self.search)

    def _offsets(self, space):
        if hasattr(self, "label_space_"):
            return super()._offsets(space)
        if self.hubness is not None:
            raise NotFittedError(
                f"hubness={self.hubness!r} needs training samples. Call fit first."
            )
        return None

    def _confidence(self, samples, space):
        if hasattr(self, "label_space_"):
            return super()._confidence(samples, space)
        # Without a fit, there are no training labels to compare with.
        return softmax(self._scores_in(samples, space) / self._temperature(space), axis=1)

    def _temperature(self, space):
        return super()._temperature(space) if hasattr(self, "temperature_") else self.temperature

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        # Features and random vectors have nothing in common.
        tags.classifier_tags.poor_score = self.embedder is None
        return tags
