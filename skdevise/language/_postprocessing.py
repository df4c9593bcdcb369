"""All but the top: word vectors without what they have in common."""

import numpy as np

from skdevise.language._vectors import with_direction


class CommonPart:
    """The mean of a table of vectors, and the directions in which most of them differ.

    Words of any meaning share a large mean and a few directions, which tell how frequent a word is
    rather than what it means; without these, cosines follow human judgement better [1]_
    (algorithm 1). They are taken from the vectors as they are, not from unit vectors.

    Parameters
    ----------
    mean : ndarray of float32, of shape (vector_size,)
    directions : ndarray of float32, of shape (n_directions, vector_size)
        Unit rows, at right angles.

    References
    ----------
    .. [1] Mu and Viswanath, "All-but-the-Top: Simple and Effective Postprocessing for Word
       Representations", ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = np.array([[4.0, 1.0], [0.0, 1.0], [2.0, 2.0], [2.0, 0.0]])
    >>> CommonPart.of([matrix], n_directions=1).remove(matrix).round(6) + 0
    array([[ 0.,  0.],
           [ 0.,  0.],
           [ 0.,  1.],
           [ 0., -1.]], dtype=float32)
    """

    def __init__(self, mean, directions):
        self.mean = mean
        self.directions = directions

    @classmethod
    def of(cls, blocks, n_directions):
        """Find the common part of a table.

        Parameters
        ----------
        blocks : iterable of array-like of shape (n_rows, vector_size)
            The table in pieces; rows without a direction (zeros, NaN) do not count.
        n_directions : int
            How many principal directions; 0 for the mean alone.

        Returns
        -------
        CommonPart
        """
        n, total, products = 0, 0.0, 0.0
        for block in blocks:
            rows = with_direction(block)
            rows = rows[rows.any(axis=1)]
            n += len(rows)
            total = total + rows.sum(axis=0, dtype=np.float64)
            if n_directions:
                products = products + (rows.T @ rows).astype(np.float64)
        if not n:
            raise ValueError("No vector has a direction (all are zeros or NaN): there is no mean.")
        mean = total / n
        directions = np.empty((0, len(mean)))
        if n_directions:
            covariance = products / n - np.outer(mean, mean)
            directions = np.linalg.eigh(covariance)[1].T[::-1][:n_directions]
        return cls(mean.astype(np.float32), directions.astype(np.float32))

    def remove(self, rows):
        """Give rows without the common part.

        Parameters
        ----------
        rows : array-like of shape (n_rows, vector_size)

        Returns
        -------
        ndarray of float32, of shape (n_rows, vector_size)
        """
        centred = np.asarray(rows, dtype=np.float32) - self.mean
        return centred - (centred @ self.directions.T) @ self.directions
