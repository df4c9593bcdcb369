"""Ridge regression from the kernel of labels to classifier weights."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp, softmax
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

# Number of labels or samples that are processed at once. It limits memory.
BATCH_SIZE = 2_048

# benchmarks/zero_shot_weights.py chose the constants on labels of ImageNet that it left out.

# Exponent that damps large features.
_POWER = 0.35

# Temperature of the correction for hubs, and of the probabilities of the training labels.
_HUB_TEMPERATURE, _SEEN_TEMPERATURE = 0.05, 2.0

# Exponents of the length of the similarities, without and with a hierarchy.
_EXPONENT, _HIERARCHY_EXPONENT = 2, 3


class WeightRegression:
    """Ridge regression from the kernel of labels to the weights of a classifier.

    `gram` compares the training labels: (n, n). `coef` holds their weights: (n, n_features). The
    score of a label is the product of its vector and a point: the damped features of a sample and
    the probabilities of the training labels, which count `mixture_weight` times. With a hierarchy,
    broad labels are similar to many training labels, so each similarity may be small.
    """

    def __init__(self, gram, coef, alpha, mixture_weight, has_hierarchy):
        self.mixture_weight = mixture_weight
        self._exponent = _HIERARCHY_EXPONENT if has_hierarchy else _EXPONENT
        self._rows = normalize(coef - coef.mean(axis=0))
        self._factor = cho_factor(gram + alpha * np.eye(len(gram)))
        self._dual = cho_solve(self._factor, self._rows)

    def predict(self, kernel):
        """Predict vectors of labels: (n_labels, n_features + n + 1).

        They have length 1, or are 0 if a label is similar to no training label. The last entry
        fills up the length if a part of the vector is shorter.
        """
        weights = normalize(kernel @ self._dual)
        mixture = kernel - kernel.mean(axis=1, keepdims=True)
        mixture /= self._lengths(mixture)
        vectors = np.hstack([weights, mixture, np.zeros((len(kernel), 1))]) / 2**0.5
        lengths = np.einsum("ij,ij->i", vectors, vectors)
        vectors[:, -1] = np.sqrt(np.maximum(1 - lengths, 0)) * kernel.any(axis=1)
        return vectors.astype(np.float32)

    def point(self, features, logits):
        """Join damped features (n, n_features) and probabilities (n, n_training) to points."""
        proba = softmax(logits / _SEEN_TEMPERATURE, axis=1)
        padding = np.zeros((len(features), 1), features.dtype)
        return np.hstack([features, self.mixture_weight * proba, padding]) * 2**0.5

    def _lengths(self, mixture):
        """Measure centred similarities by their mean with the exponent: (n_labels, 1).

        With the exponent 2, this is their length. With a larger one, it is at least as long.
        """
        means = (np.abs(mixture) ** self._exponent).mean(axis=1, keepdims=True)
        return np.maximum(mixture.shape[1] ** 0.5 * means ** (1 / self._exponent), 1e-12)

    def hubs(self, vectors, points, log_shares):
        """Measure how near labels are to points with the given logs of shares: (n_labels,)."""
        near = []
        for batch in gen_batches(len(vectors), BATCH_SIZE):
            weights = vectors[batch, : self._rows.shape[1]] * 2**0.5
            cosines = points @ weights.T
            near.append(logsumexp(cosines / _HUB_TEMPERATURE + log_shares, axis=0))
        return _HUB_TEMPERATURE * np.concatenate(near)

    def split(self, kernel, point):
        """Split the score of a label over the training labels: two arrays (n,).

        The first holds their shares of the score. The product of the second with a part of the
        kernel is the share of that part.
        """
        n_features = self._rows.shape[1]
        features, proba = point[:n_features], point[n_features:-1]
        mixture = kernel - kernel.mean()
        scale = 2**-0.5 / max(np.linalg.norm(kernel @ self._dual), 1e-12)
        mixture_scale = 2**-0.5 / self._lengths(mixture[None]).item()
        shares = cho_solve(self._factor, kernel) * (self._rows @ features) * scale
        evidence = self._dual @ features * scale + (proba - proba.mean()) * mixture_scale
        return shares + mixture * proba * mixture_scale, evidence


def damped(features):
    """Raise the size of features to a power below 1: (n, n_features)."""
    return np.sign(features) * np.abs(features) ** _POWER
