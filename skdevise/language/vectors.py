"""Rows of a matrix as directions."""

import numpy as np
from sklearn.preprocessing import normalize


def with_direction(rows):
    """Give rows as float32, zeros in place of a row that holds NaN or is infinite.

    Parameters
    ----------
    rows : array-like of shape (n_rows, vector_size)

    Returns
    -------
    ndarray of float32, of shape (n_rows, vector_size)

    Examples
    --------
    >>> with_direction([[1, 2], [float("nan"), 2]])
    array([[1., 2.],
           [0., 0.]], dtype=float32)
    """
    rows = np.asarray(rows, dtype=np.float32)
    finite = np.isfinite(rows).all(axis=1)
    return rows if finite.all() else np.where(finite[:, None], rows, np.float32(0))


def unit_rows(rows):
    """Give rows unit length, zeros where a row has no direction.

    Parameters
    ----------
    rows : array-like of shape (n_rows, vector_size)

    Returns
    -------
    ndarray of float32, of shape (n_rows, vector_size)

    Examples
    --------
    >>> unit_rows([[3, 4], [0, 0]])
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    rows = with_direction(rows)
    return normalize(rows) if len(rows) else rows
