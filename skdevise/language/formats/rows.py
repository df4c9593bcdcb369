"""Rows of vectors as they come from files and go into them."""

import numpy as np
from sklearn.utils import gen_batches

# Rows that are looked at together: they stay in the processor's cache.
_BLOCK = 1024


def not_finite(matrix):
    """Tell which rows hold a number that is not finite, without a mask of the whole matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, vector_size)

    Yields
    ------
    int
        The number of the row.

    Examples
    --------
    >>> [int(row) for row in not_finite(np.array([[1, 2], [3, np.nan], [np.inf, 4]]))]
    [1, 2]
    """
    for rows in gen_batches(len(matrix), _BLOCK):
        yield from rows.start + np.flatnonzero(~np.isfinite(matrix[rows]).all(axis=1))


class GrowingMatrix:
    """Rows of float32 in one block of memory, however many come.

    Parameters
    ----------
    size : int
        Length of the rows.

    Examples
    --------
    >>> rows = GrowingMatrix(2)
    >>> rows.extend([[1, 2], [3, 4]])
    >>> rows.finish()
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """

    def __init__(self, size):
        self._matrix = np.empty((0, size), dtype=np.float32)
        self._n_rows = 0

    def __len__(self):
        return self._n_rows

    def extend(self, rows):
        """Append rows: (n_rows, size)."""
        end = self._n_rows + len(rows)
        if end > len(self._matrix):
            # In place, by steps that grow: never two copies of a large table, and few moves.
            self._resize(max(end, len(self._matrix) * 5 // 4))
        self._matrix[self._n_rows : end] = rows
        self._n_rows = end

    def finish(self):
        """Give the matrix, without spare rows: (n_rows, size) float32."""
        self._resize(self._n_rows)
        return self._matrix

    def _resize(self, n_rows):
        self._matrix.resize((n_rows, self._matrix.shape[1]), refcheck=False)
