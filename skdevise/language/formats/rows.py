"""A matrix that grows while its file is read."""

import numpy as np


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
