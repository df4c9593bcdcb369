"""Linear projections in closed form, which need neither torch nor epochs."""

from copy import deepcopy
from typing import Any, Self

import numpy as np
from scipy.linalg import LinAlgError, solve
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._compat import StrOptions, fit_context
from skdevise._typing import ArrayLike, Inputs, Labels, NDArray
from skdevise._utils import check_unchanged
from skdevise.models._calibration import row_keys
from skdevise.models._features import FeatureScaler, join_labels, training_data
from skdevise.models._prediction import LabelPredictionMixin, refuse_photos

# Rows scaled at once, so that a memory-mapped table is never copied whole.
_N_ROWS = 4_096


class LeastSquaresClassifier(LabelPredictionMixin, BaseEstimator):
    """Classifier whose projection is solved from sums over the samples; see `_solve`."""

    _common_constraints = {
        "embedder": "no_validation",  # The label space checks it.
        "feature_scaling": [StrOptions({"centered", "l2", "standard", "none"})],
        **LabelPredictionMixin._prediction_constraints,
    }

    def _solve(self, gram, moment, label_vectors):
        """Solve for the projection: (vector_size, n_features).

        `gram` is the sum of w x x', `moment` the sum of w x t' over the samples, with weights w,
        features x and label vectors t.
        """
        raise NotImplementedError

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Inputs, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Solve for the projection.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the training samples.
        y : array-like of shape (n_samples,)
            Training labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. A sample of weight 2 counts as two samples.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector. It is raised before any computation.
        ValueError
            If some labels are text and others are numbers, if X contains photos instead of
            features, or if a penalty is too small to solve for the projection.
        """
        return self._add(X, y, None, sample_weight, is_first=True)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Inputs,
        y: ArrayLike,
        classes: Labels | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add samples, and solve for the projection of all samples so far.

        Several calls give the same projection as one call of `fit` on all samples, apart from
        rounding. Only sums are kept, so the data need not fit into memory.

        Two things depend on a single call. With `feature_scaling="standard"`, the scaler is fitted
        in the first call. The temperatures and `hubness` use the samples of the last call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the new samples.
        y : array-like of shape (n_samples,)
            Their labels. New labels may appear in any call.
        classes : array-like of labels or LabelVocabulary, default=None
            Labels that later calls will contain. They become candidates at once. It is optional,
            unlike in scikit-learn.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector.
        ValueError
            If some labels are text and others are numbers, or if `embedder` or `feature_scaling`
            has changed.
        """
        self._validate_params()  # `fit_context` trusts the parameters of a fitted estimator.
        is_first = not hasattr(self, "temperature_")
        if not is_first:
            check_unchanged(self, self._fitted_params)
        return self._add(X, y, classes, sample_weight, is_first)

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Project samples into the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Unit vectors: float32 if X is float32, and float64 otherwise.
        """
        check_is_fitted(self)
        refuse_photos(X)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._project(X, self.coef_)

    def _add(self, X, y, classes, sample_weight, is_first):
        """Add samples to the sums, and solve."""
        X, y, sample_weight = training_data(self, X, y, sample_weight, reset=is_first)
        known = [] if is_first else self.classes_
        labels = join_labels(known, y, self._announced(classes))
        if is_first:
            self._open_label_space(labels)
        else:
            self._bind_labels(labels, self.embedder_)
        vectors = self.label_space_.targets.astype(np.float64)
        if is_first:
            self._sums = self._kept_sums = (0, 0, 0, 0, 0)
            self._fitted_params = {
                name: getattr(self, name) for name in ("embedder", "feature_scaling")
            }
            scale = FeatureScaler(self.feature_scaling).fit([(X, sample_weight)])
            vars(self).pop("scaler_", None)  # An earlier fit may have made one.
            if scale.standard is not None:
                self.scaler_ = scale.standard
        elif self.feature_scaling == "centered":
            self.scaler_ = deepcopy(self.scaler_).partial_fit(normalize(X), None, sample_weight)
        targets = np.searchsorted(self.classes_, y)
        every = np.arange(len(X))
        self._sums = self._add_rows(self._sums, every, X, targets, sample_weight)
        self.coef_ = self._solve(*self._centre(self._sums), vectors)
        self._n_features_out = len(self.coef_)

        def place_with(coef, shift=0):
            return lambda rows: self._project(X[rows], coef, shift)

        kept_before = self._kept_sums

        def refit(kept):
            self._kept_sums = self._add_rows(kept_before, kept, X, targets, sample_weight)
            kept_vectors = vectors[~self._is_held_out()]
            coef = self._solve(*self._centre(self._kept_sums), kept_vectors)
            # The samples that were kept have another mean.
            shift = coef @ (self.scaler_.mean_ - _mean(self._kept_sums)) if self._is_centred else 0
            return place_with(coef, shift)

        self._calibrate(targets, row_keys(X), sample_weight, place_with(self.coef_), refit)
        return self

    def _add_rows(self, sums, rows, X, targets, sample_weight):
        """Add some rows of X to the sums over samples, whose features are not centred.

        These are the sums of w x x', w x t', w x, w t and w.
        """
        gram, moment, feature_sum, vector_sum, total = sums
        # The mean is only known after the last call.
        scale = normalize if self._is_centred else self._scale
        label_vectors = self.label_space_.targets.astype(np.float64)
        for batch in gen_batches(len(rows), _N_ROWS):
            chosen = rows[batch]
            features = scale(X[chosen]).astype(np.float64, copy=False)
            vectors = label_vectors[targets[chosen]]
            weight = np.ones(len(features)) if sample_weight is None else sample_weight[chosen]
            weighted = features if sample_weight is None else features * weight[:, None]
            gram = gram + features.T @ weighted
            moment = moment + weighted.T @ vectors
            feature_sum = feature_sum + weight @ features
            vector_sum = vector_sum + weight @ vectors
            total = total + weight.sum()
        return gram, moment, feature_sum, vector_sum, total

    def _centre(self, sums):
        """Turn the sums over samples into `gram` and `moment` of the scaled features."""
        gram, moment, feature_sum, vector_sum, _ = sums
        if self._is_centred:
            gram = gram - np.outer(feature_sum, _mean(sums))
            moment = moment - np.outer(_mean(sums), vector_sum)
        return gram, moment

    @property
    def _is_centred(self):
        """Whether the features are centred: bool."""
        return self._fitted_params["feature_scaling"] == "centered"

    def _scale(self, X):
        """Scale features as the fit did: (n, n_features)."""
        scale = FeatureScaler(self._fitted_params["feature_scaling"])
        if scale.standard is not None:
            scale.standard = self.scaler_
        return scale(X)

    def _project(self, X, coef, shift=0):
        """Project features (n, n_features), shift the points, and scale them to unit length."""
        points = self._scale(X) @ coef.T.astype(X.dtype, copy=False)
        return normalize(points + np.asarray(shift, dtype=X.dtype))


def _mean(sums):
    """Mean features of the samples in the sums of `_add_rows`: (n_features,)."""
    _, _, feature_sum, _, total = sums
    return feature_sum / total


def solve_regularized(gram, right, name, alpha):
    """Solve (gram + alpha I) x = right, or name the parameter that is too small."""
    try:
        return solve(gram + alpha * np.eye(len(gram)), right, assume_a="pos")
    except LinAlgError as error:
        raise ValueError(
            f"{name}={alpha} is too small, so the equations have no unique solution. Raise {name}."
        ) from error
