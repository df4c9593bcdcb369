"""Answers from the softmax layer of a network."""

from typing import Any

from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skdevise._bundled import load_imagenet_labels
from skdevise._columns import check_comparable, check_targets, check_weights
from skdevise._compat import imagenet_categories
from skdevise._typing import ArrayLike, NDArray, PhotoList
from skdevise._utils import warn
from skdevise.vision._photos import Photos


class SoftmaxMixin(ClassifierMixin):
    """Predictions of a `VisualFeaturizer`. They need `classes_`, `_network` and `_compute`."""

    def predict(self, X: PhotoList) -> NDArray[Any]:
        """Predict the most probable class of each photo with the softmax layer.

        Parameters
        ----------
        X : photos
            Photos in any form that the class accepts.

        Returns
        -------
        ndarray of shape (n_photos,)
            Members of `classes_`.

        Raises
        ------
        UnreadablePhotoError
            If a photo cannot be read, even with ``on_error="nan"``.
        ValueError
            If the network has no softmax layer.
        """
        scores = self._scores(X)
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: PhotoList) -> NDArray[Any]:
        """Predict the probability of each class with the softmax layer.

        Parameters
        ----------
        X : photos
            Photos in any form that the class accepts.

        Returns
        -------
        ndarray of shape (n_photos, n_classes), dtype float32
            Probabilities, with columns in the order of `classes_`.

        Raises
        ------
        UnreadablePhotoError
            If a photo cannot be read, even with ``on_error="nan"``.
        ValueError
            If the network has no softmax layer.
        """
        return softmax(self._scores(X), axis=1)

    def predict_log_proba(self, X: PhotoList) -> NDArray[Any]:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : photos
            Photos in any form that the class accepts.

        Returns
        -------
        ndarray of shape (n_photos, n_classes), dtype float32
            Logarithms of the probabilities, with columns in the order of `classes_`.

        Raises
        ------
        UnreadablePhotoError
            If a photo cannot be read, even with ``on_error="nan"``.
        ValueError
            If the network has no softmax layer.
        """
        return log_softmax(self._scores(X), axis=1)

    def score(self, X: PhotoList, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy of `predict` (hit@1).

        Parameters
        ----------
        X : photos
            Photos in any form that the class accepts.
        y : array-like of shape (n_photos,)
            True labels, among `classes_`.
        sample_weight : array-like of shape (n_photos,), default=None
            Weights of the photos.

        Returns
        -------
        float
            Accuracy from 0 to 1.

        Raises
        ------
        UnreadablePhotoError
            If a photo cannot be read, even with ``on_error="nan"``.
        ValueError
            If the network has no softmax layer.

        Warns
        -----
        UserWarning
            If no label of y is among `classes_`.
        """
        self._check_softmax()
        y = check_targets(y)
        check_comparable(y=y, classes_=self.classes_)
        weights = None if sample_weight is None else check_weights(y, sample_weight)
        if set(self.classes_.tolist()).isdisjoint(y.tolist()):
            warn(
                "None of the true labels is among classes_, so the score is 0. Use the names in "
                "classes_, or train a classifier on the features.",
            )
        return super().score(X, y, weights)

    @property
    def softmax_coef_(self) -> NDArray[Any]:
        """Weights of the softmax layer: float32 (n_classes, n_features_out)."""
        return self._linear_softmax()[0].copy()

    @property
    def softmax_intercept_(self) -> NDArray[Any]:
        """Biases of the softmax layer: float32 (n_classes,)."""
        return self._linear_softmax()[1].copy()

    @property
    def synsets_(self) -> NDArray[Any] | None:
        """WordNet ids of the classes of ILSVRC-2012: (n_classes,), or None for other classes."""
        check_is_fitted(self)
        has_same_order = self.classes_.tolist() == imagenet_categories()
        return load_imagenet_labels().ilsvrc2012 if has_same_order else None

    def _linear_softmax(self):
        """Return the weight and the bias, or raise AttributeError if scores are not linear."""
        check_is_fitted(self)
        loaded = self._network.loaded
        if not loaded.is_linear:
            raise AttributeError(
                "The scores of this network are not a linear function of the features. Use "
                "predict_proba if the network has a softmax layer."
            )
        return loaded.linear_softmax()

    def _check_softmax(self):
        """Raise an error if a fit or a softmax layer is missing."""
        check_is_fitted(self)
        if len(self.classes_) == 0:
            raise ValueError(
                "The backbone has no softmax layer, because its last layer is not an nn.Linear. "
                "Train a classifier on the features, or pre-train with weights=None."
            )

    def _scores(self, X):
        """Return the scores of the softmax layer: (n_photos, n_classes)."""
        self._check_softmax()
        if not self._network.loaded.is_linear:
            return self._compute(Photos(X), with_softmax=True)
        weight, bias = self._linear_softmax()
        return self._compute(Photos(X)) @ weight.T + bias
