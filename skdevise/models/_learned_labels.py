"""Classifiers that learn label vectors instead of using word vectors."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._columns import name_some
from skdevise._compat import Interval, StrOptions
from skdevise._typing import Inputs, NDArray
from skdevise._utils import training_device
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._space import LabelSpace
from skdevise.models._features import FeatureScaler, as_features, map_blocks, training_data
from skdevise.models._prediction import LabelPredictionMixin


class LearnedLabelClassifier(LabelPredictionMixin, BaseEstimator):
    """Classifier whose scores are dot products of points with the vectors that it learns.

    `fit` starts with `_start_fit`. It sets `coef_`, the map from scaled features to points, and
    places the labels with `LabelVectors`. `_extended` gives the points that belong to these. The
    parameters of the training are `max_epochs`, `lr`, `batch_size`, `device`, `random_state` and
    `verbose`.
    """

    _common_constraints = {
        "feature_scaling": [StrOptions({"centered", "l2", "standard", "none"})],
        **{
            name: LabelPredictionMixin._prediction_constraints[name]
            for name in ("labels", "reject_below", "unknown_label", "calibrate")
        },
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, 1e6, closed="right")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    # These are parameters of other classifiers.
    embedder, search, seen_penalty, hubness = None, "auto", 0.0, None
    _answers_unseen, _advice = False, " Remove such labels."

    @property
    def _has_mixed_temperature(self):
        return self._answers_unseen

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
        return map_blocks(self._project, self._new_features(X))

    def _start_fit(self, X, y, sample_weight, *, reset=True):
        """Validate the training data, and fit the scaler: X, y and the weights, or None."""
        X, y, sample_weight = training_data(self, X, y, sample_weight, reset=reset)
        if reset:
            self._scale = FeatureScaler(self.feature_scaling).fit([(X, sample_weight)])
            vars(self).pop("scaler_", None)  # An earlier fit may have made one.
            if self._scale.standard is not None:
                self.scaler_ = self._scale.standard
        return X, y, sample_weight

    def _choose_device(self, n_samples, n_classes, n_weights):
        """Set the device of the training."""
        self.device_ = training_device(
            self.device,
            n_samples=n_samples,
            n_numbers=self.n_features_in_ + n_classes,
            n_weights=n_weights,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
        )

    def _project(self, X):
        """Project unscaled features: (n, n_components)."""
        return self._scale(X) @ self.coef_.T.astype(X.dtype, copy=False)

    def _new_features(self, X):
        """Validate the features of new samples: (n_samples, n_features)."""
        check_is_fitted(self)
        return validate_data(self, as_features(X), dtype=[np.float64, np.float32], reset=False)

    def _points(self, X):
        def place(block):
            return self.embedder_.points(self._extended(self._project(block)))

        return map_blocks(place, self._new_features(X))

    def _extended(self, points):
        """Extend points (n, n_components) to those whose dot products are the scores."""
        return points

    def _make_space(self, vocabulary, embedder):
        # The vectors belong to the labels, so the terms of training labels do not matter.
        rows = embedder.rows(vocabulary.labels)
        vectors = embedder.unit(embedder.vectors[rows]) * (rows >= 0)[:, None]
        return LabelSpace._of_vectors(vocabulary, vectors, self.search, self._search_device)

    def _open_candidates(self, labels=None):
        try:
            return super()._open_candidates(labels)
        except LabelWithoutVectorError as error:
            if self._answers_unseen:
                raise
            raise ValueError(
                f"{type(self).__name__} can only answer with training labels, and not "
                f"{name_some(error.missing)}.{self._advice}"
            ) from None


class LabelVectors:
    """Vectors (n_labels, n_components) that a classifier learned for labels, made unit vectors.

    The search for labels needs unit vectors. One more number gives all vectors the same length.
    Points get a zero there, so the dot products stay the same. The method is from Bachrach et al.,
    "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
    spaces", RecSys 2014.
    """

    _looks_up_words = False

    def __init__(self, labels, vectors):
        self.row_of = {label: row for row, label in enumerate(labels.tolist())}
        self.vectors = vectors
        self.length = np.linalg.norm(vectors, axis=1).max()

    def rows(self, labels):
        """Return the position of each label, or -1: int (n_labels,)."""
        return np.array([self.row_of.get(label, -1) for label in labels.tolist()])

    def unit(self, vectors):
        """Make vectors, none longer than the longest one, unit vectors: (n, n_components + 1)."""
        vectors = vectors / self.length
        rest = 1 - np.square(vectors).sum(axis=1)
        return np.column_stack([vectors, np.sqrt(rest.clip(0))])

    def points(self, points):
        """Extend points, so that their dot products with the unit vectors are the scores."""
        return np.pad(points * self.length.astype(points.dtype), [(0, 0), (0, 1)])
