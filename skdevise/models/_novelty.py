"""Novelty detection: how likely a point belongs to none of the training labels."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Neighbours and width of LoOP, as in Socher et al.
_N_NEIGHBORS = 20
_WIDTH = 3

# LoOP compares with at most this many training samples, so its cost per sample is limited.
_N_POINTS = 10_000

# Points of equal place have a Gaussian and a distance, too.
_SMALLEST = 1e-6


class GaussianNovelty:
    """Negative log-density of the likeliest training label, under isotropic Gaussians.

    The mean of a label is its vector, and its variance comes from its training points.
    """

    def __init__(self, points, targets, vectors):
        size = vectors.shape[1]
        squares = np.square(points - vectors[targets]).sum(axis=1)
        variance = np.bincount(targets, squares) / np.bincount(targets) / size
        self.variance, self.vectors = np.maximum(variance, _SMALLEST), vectors

    def __call__(self, points):
        """Compute the novelty of points: (n_points,)."""
        cosines = points @ self.vectors.T
        squares = np.square(points).sum(axis=1)[:, None] + 1 - 2 * cosines
        size = self.vectors.shape[1]
        return (squares / self.variance + size * np.log(2 * np.pi * self.variance)).min(axis=1) / 2


class LocalOutlierNovelty:
    """Local outlier factor of points in units of its spread over the training points.

    With x for this factor, the local outlier probability (LoOP) is max(0, erf(x / sqrt(2))).
    """

    def __init__(self, points, targets=None, vectors=None):
        points = points[np.linspace(0, len(points) - 1, min(len(points), _N_POINTS), dtype=int)]
        n_neighbors = min(_N_NEIGHBORS, len(points) - 1)
        self.neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(points)
        self.distance, factor = self._measure(None)
        self.scale = max(_WIDTH * np.sqrt(np.square(factor).mean()), _SMALLEST)

    def _measure(self, points):
        """Compute the probabilistic distance and the outlier factor of points: two (n_points,)."""
        lengths, nearest = self.neighbors.kneighbors(points)
        distance = np.maximum(np.sqrt(np.square(lengths).mean(axis=1)), _SMALLEST)
        reference = distance if points is None else self.distance
        return distance, distance / reference[nearest].mean(axis=1) - 1

    def __call__(self, points):
        """Compute the novelty of points: (n_points,)."""
        return self._measure(points)[1] / self.scale
