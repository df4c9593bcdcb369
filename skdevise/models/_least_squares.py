"""Linear projections in closed form, which need neither torch nor epochs."""

from copy import deepcopy
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._compat import StrOptions, fit_context
from skdevise._typing import ArrayLike, Inputs, Labels, NDArray
from skdevise._utils import check_unchanged
from skdevise.models._calibration import row_keys, split_rows
from skdevise.models._candidates import unchanged_on_error
from skdevise.models._features import (
    FeatureScaler,
    as_features,
    join_labels,
    map_blocks,
    training_data,
)
from skdevise.models._prediction import LabelPredictionMixin

# Rows scaled at once, so that a memory-mapped table is never copied whole.
_N_ROWS = 4_096

# With fewer samples for each feature, leaving samples out is quicker than solving again.
_N_ROWS_PER_FEATURE = 4

# Leaving samples out keeps all features in memory, so their table has at most this many numbers.
_N_NUMBERS = 2**23

# If the sum of the eigenvalues is at most this many times alpha, samples with float32 features are
# left out in float32, which has 7 digits.
_LARGEST_RATIO = 1e4


class LeastSquaresClassifier(LabelPredictionMixin, BaseEstimator):
    """Classifier whose projection is solved from sums over the samples.

    It has the parameters `embedder`, `alpha`, `feature_scaling` and those of its predictions.
    """

    _common_constraints = {
        "feature_scaling": [StrOptions({"centered", "l2", "standard", "none"})],
        **LabelPredictionMixin._prediction_constraints,
    }

    def _relate(self, projected, label_vectors):
        """Adapt the projection of ridge regression, or its points: (vector_size, n)."""
        return projected

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
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
    @unchanged_on_error
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
        X = validate_data(self, as_features(X), dtype=[np.float64, np.float32], reset=False)
        return map_blocks(lambda block: self._project(block, self.coef_), X)

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
            self._scale = FeatureScaler(self.feature_scaling)
            vars(self).pop("scaler_", None)  # An earlier fit may have made one.
        if is_first or self._is_centred:
            self._scale = deepcopy(self._scale).fit([(X, sample_weight)])
            if self._scale.standard is not None:
                self.scaler_ = self._scale.standard
        targets, keys = np.searchsorted(self.classes_, y), row_keys(X)
        every, data = np.arange(len(X)), (X, targets, sample_weight)
        # Later calls continue the second training that lacks these samples.
        last_kept = split_rows(keys, targets, self._is_held_out())[0]
        kept_sums = self._sums_of(last_kept, *data)
        self._sums = _add_sums(
            self._sums, kept_sums, self._sums_of(np.delete(every, last_kept), *data)
        )
        self._kept_sums = _add_sums(self._kept_sums, kept_sums)
        solution = self._solve(self._sums)
        self.coef_ = self._relate(solution.coef, vectors)
        self._n_features_out = len(self.coef_)
        is_small = len(X) < _N_ROWS_PER_FEATURE * X.shape[1] and X.size < _N_NUMBERS
        left_out = None
        if is_first and is_small and self.hubness is None:
            left_out = LeftOut(solution, *data, vectors, self._unshifted)

        def place_with(coef, shift=0):
            return lambda rows: self._project(X[rows], coef, shift)

        def refit(kept):
            if not len(kept) and (is_first or not self._kept_sums[-1]):
                return None
            kept_vectors, rest = vectors[~self._is_held_out()], np.delete(every, kept)
            if left_out is not None and len(rest):
                points = self._relate(left_out.points(rest).T, kept_vectors).T.astype(X.dtype)
                return lambda rows: normalize(points[np.searchsorted(rest, rows)])
            if np.array_equal(kept, last_kept):
                second = self._solve(self._kept_sums)
            else:
                left_sums = [-part for part in self._sums_of(rest, *data)]
                second = self._solve(_add_sums(self._sums, left_sums))
            coef = self._relate(second.coef, kept_vectors)
            # The samples that were kept have another mean.
            shift = coef @ (self.scaler_.mean_ - second.mean) if self._is_centred else 0
            return place_with(coef, shift)

        self._calibrate(targets, keys, sample_weight, place_with(self.coef_), refit)
        return self

    def _sums_of(self, rows, X, targets, sample_weight):
        """Sum w x x', w x t', w x, w t, w over rows: weights w, label vectors t, features x."""
        gram, moment, feature_sum, vector_sum, total = 0, 0, 0, 0, 0
        label_vectors = self.label_space_.targets.astype(np.float64)
        for batch in gen_batches(len(rows), _N_ROWS):
            chosen = rows[batch]
            features = self._unshifted(X[chosen]).astype(np.float64, copy=False)
            vectors = label_vectors[targets[chosen]]
            weight = np.ones(len(features)) if sample_weight is None else sample_weight[chosen]
            weighted = features if sample_weight is None else features * weight[:, None]
            gram = gram + features.T @ weighted
            moment = moment + weighted.T @ vectors
            feature_sum = feature_sum + weight @ features
            vector_sum = vector_sum + weight @ vectors
            total = total + weight.sum()
        return gram, moment, feature_sum, vector_sum, total

    def _solve(self, sums):
        """Solve the ridge regression of the sums over samples: RidgeSolution."""
        return RidgeSolution(sums, self.alpha, self._is_centred)

    @property
    def _is_centred(self):
        """True if the features are centred."""
        return self._scale.scaling == "centered"

    def _unshifted(self, X):
        """Scale features, but do not centre them: the mean is only known after the last call."""
        return normalize(X) if self._is_centred else self._scale(X)

    def _project(self, X, coef, shift=0):
        """Project features (n, n_features), shift the points, and scale them to unit length."""
        points = self._scale(X) @ coef.T.astype(X.dtype, copy=False)
        return normalize(points + np.asarray(shift, dtype=X.dtype))


class RidgeSolution:
    """Ridge regression, solved from the sums over samples. Centred features give it a bias."""

    def __init__(self, sums, alpha, is_centred):
        gram, moment, feature_sum, self.vector_sum, self.total = sums
        self.is_centred = is_centred
        self.mean = feature_sum / self.total
        if is_centred:
            gram = gram - np.outer(feature_sum, self.mean)
            moment = moment - np.outer(self.mean, self.vector_sum)
        self.factor = factorize(gram, "alpha", alpha)
        self.is_well_conditioned = np.trace(gram) < _LARGEST_RATIO * alpha
        self.half_moment = solve_triangular(self.factor, moment, lower=True)

    @property
    def coef(self):
        """The projection: (vector_size, n_features)."""
        return solve_triangular(self.factor, self.half_moment, lower=True, trans=1).T


class LeftOut:
    r"""Points of samples in a ridge regression that lacks them, without solving it.

    The residuals of the left-out samples follow from those of all samples: they are
    :math:`(I - H)^{-1} (t - \hat t)`. H is the part of the hat matrix that belongs to these samples
    (Allen, "The relationship between variable selection and data augmentation and a method for
    prediction", Technometrics 16, 1974).
    """

    def __init__(self, solution, X, targets, sample_weight, label_vectors, scale):
        self.solution, self.X, self.scale = solution, X, scale
        self.vectors = label_vectors[targets]
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        self.root = np.sqrt(weight)[:, None]  # Weights count as if they scaled the samples.

    @cached_property
    def half(self):
        """Features whose dot products are the hat matrix: (n_features, n_samples)."""
        dtype = self.X.dtype if self.solution.is_well_conditioned else np.float64
        features = self.scale(self.X)
        if self.solution.is_centred:
            features = features - self.solution.mean
        features = (self.root * features).astype(dtype, copy=False)
        return solve_triangular(self.solution.factor.astype(dtype), features.T, lower=True)

    def points(self, rows):
        """Project samples by the regression that lacks all of them: (n_rows, vector_size)."""
        half, root, vectors = self.half[:, rows], self.root[rows], self.vectors[rows]
        hat, fitted = half.T @ half, half.T @ self.solution.half_moment
        if not self.solution.is_centred:
            return vectors - _without(hat, root * vectors - fitted) / root
        # The bias adds the mean vector, which the points do not contain.
        total, vector_sum = self.solution.total, self.solution.vector_sum
        fitted = fitted + root * (vector_sum / total)
        residuals = _without(hat + root @ root.T / total, root * vectors - fitted) / root
        left_weight = np.square(root)
        mean = (vector_sum - (left_weight * vectors).sum(axis=0)) / (total - left_weight.sum())
        return vectors - residuals - mean


def _without(hat, residuals):
    """Solve (I - hat) x = residuals: (n_rows, vector_size)."""
    return cho_solve(cho_factor(np.eye(len(hat)) - hat), residuals)


def _add_sums(*sums):
    """Add several sums over samples."""
    return tuple(map(sum, zip(*sums, strict=True)))


def factorize(gram, name, alpha):
    """Factorize gram + alpha I = L L', or name the parameter that is too small: L."""
    try:
        return cholesky(gram + alpha * np.eye(len(gram)), lower=True)
    except LinAlgError as error:
        raise ValueError(
            f"{name}={alpha} is too small, so the equations have no unique solution. Raise {name}."
        ) from error
