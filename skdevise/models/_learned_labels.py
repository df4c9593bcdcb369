"""Classifiers that learn label vectors instead of using word vectors."""

from typing import Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._compat import StrOptions
from skdevise._typing import Inputs, NDArray
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._vocabulary import name_some
from skdevise.models._features import FeatureScaler, Samples, training_data
from skdevise.models._label_vectors import space_of_vectors
from skdevise.models._prediction import LabelPredictionMixin, refuse_photos


class LearnedLabelClassifier(
    LabelPredictionMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Classifier whose scores are dot products of points with the vectors that it learns.

    `fit` starts with `_start_fit`. It sets `coef_`, the map from scaled features to points, and
    places the labels with `LabelVectors`. `_extended` gives the points that belong to these.
    """

    _common_constraints = {
        "feature_scaling": [StrOptions({"l2", "standard", "none"})],
        **{
            name: LabelPredictionMixin._prediction_constraints[name]
            for name in ("labels", "reject_below", "unknown_label")
        },
    }
    # These are parameters of other classifiers.
    embedder, search, seen_penalty, hubness = None, "auto", 0.0, None
    _advice = ""

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Project samples into the space of the label vectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Points, which are not of unit length: float32 if X is float32, and float64 otherwise.
        """
        check_is_fitted(self)
        refuse_photos(X)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._project(X)

    def _start_fit(self, X, y, sample_weight, *, reset=True):
        """Validate the training data, and fit the scaler: X, y and the weights, or None."""
        X, y, sample_weight = training_data(self, X, y, sample_weight, reset=reset)
        if reset:
            samples = Samples(X, X, np.arange(len(X)), np.zeros(len(X), int), sample_weight)
            self._scale = FeatureScaler(self.feature_scaling).fit(samples)
            if self._scale.standard is not None:
                self.scaler_ = self._scale.standard
        return X, y, sample_weight

    def _project(self, X):
        """Project unscaled features: (n, n_components)."""
        return self._scale(X) @ self.coef_.T.astype(X.dtype, copy=False)

    def _points(self, X):
        return self.embedder_.points(self._extended(np.asarray(self.transform(X))))

    def _extended(self, points):
        """Extend points (n, n_components) to those whose dot products are the scores."""
        return points

    def _make_space(self, vocabulary, embedder):
        # The vectors belong to the labels, so the terms of training labels do not matter.
        rows = embedder.rows(vocabulary.labels)
        vectors = embedder.unit(embedder.vectors[rows]) * (rows >= 0)[:, None]
        return space_of_vectors(vocabulary, vectors, self.search, self._search_device)

    def _open_candidates(self, labels=None):
        try:
            return super()._open_candidates(labels)
        except LabelWithoutVectorError as error:
            raise ValueError(
                f"{type(self).__name__} can only answer training labels, and not "
                f"{name_some(error.missing)}.{self._advice}"
            ) from None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
