"""Unit length, and removal of the component that all vectors of a table share."""

from dataclasses import dataclass

import numpy as np

# Single precision represents a unit vector to about 6e-8.
_ROUNDING = np.float32(1e-6)


def finite_rows(rows):
    """Convert rows to float32, with zeros instead of rows that are not finite."""
    rows = np.asarray(rows, dtype=np.float32)
    finite = np.isfinite(rows).all(axis=1)
    return rows if finite.all() else np.where(finite[:, None], rows, np.float32(0))


def unit_rows(rows):
    """Scale rows to unit length. Rows of zeros and rows that are not finite become zeros."""
    rows = finite_rows(rows)
    with np.errstate(over="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    # Single precision does not hold the squares of numbers that are tinier or larger.
    inexact = np.flatnonzero((lengths < 1e-15) | (lengths > 1e15))
    lengths[inexact] = 1
    units = rows / lengths[:, None]
    if len(inexact):
        exact = rows[inexact].astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        units[inexact] = exact / np.where(lengths == 0, 1, lengths)
    return units


def without_rounding(sums, terms):
    """Set sums (n, d) to zero where only rounding errors are left of `terms` (n, d)."""
    size = np.abs(terms).max(axis=1, keepdims=True)
    kept = (np.abs(sums).max(axis=1, keepdims=True) > _ROUNDING * size) & (size > 0)
    return np.where(kept, sums, np.float32(0))


@dataclass
class CommonComponent:
    """Mean of a table of vectors and its top principal directions.

    All words share a large mean and a few directions that depend on word frequency more than on
    meaning. Without them, cosines agree better with human judgement (Mu and Viswanath, ICLR 2018,
    algorithm 1).
    """

    mean: np.ndarray
    directions: np.ndarray

    @classmethod
    def fit(cls, blocks, n_directions):
        """Compute the component from blocks of rows (n, d). Rows of zeros and NaN do not count."""
        n_rows, total, products = 0, 0.0, 0.0
        for block in blocks:
            rows = finite_rows(block)
            rows = rows[rows.any(axis=1)]
            n_rows += len(rows)
            total = total + rows.sum(axis=0, dtype=np.float64)
            if n_directions:
                products = products + (rows.T @ rows).astype(np.float64)
        if not n_rows:
            raise ValueError("All vectors are zero or NaN, so they have no mean. Check the table.")
        mean = total / n_rows
        directions = np.empty((0, len(mean)))
        if n_directions:
            covariance = products / n_rows - np.outer(mean, mean)
            directions = np.linalg.eigh(covariance)[1].T[::-1][:n_directions]
        return cls(mean.astype(np.float32), directions.astype(np.float32))

    def remove(self, rows):
        """Subtract the component from rows (n, d). Rows without direction become zeros."""
        rows = finite_rows(rows)
        centred = rows - self.mean
        centred = centred - (centred @ self.directions.T) @ self.directions
        return without_rounding(centred, rows)
