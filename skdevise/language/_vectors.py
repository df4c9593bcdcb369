"""Rows of a matrix as directions."""

import numpy as np

# Of a row; single precision holds it to 6e-8.
_RESIDUE = np.float32(1e-6)


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
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    # Squares that single precision does not hold; scikit-learn's `normalize` leaves such rows.
    extreme = ~((lengths > 1e-15) & (lengths < 1e15))
    lengths[extreme] = 1
    units = rows / lengths[:, None]
    extreme[extreme] = rows[extreme].any(axis=1)
    if extreme.any():
        own = rows[extreme].astype(np.float64)
        units[extreme] = own / np.linalg.norm(own, axis=1, keepdims=True)
    return units


def without_residue(sums, parts):
    """Give sums of rows, zeros where all that is left is rounding, or a part was zeros.

    Parameters
    ----------
    sums : ndarray of float32, of shape (n_rows, vector_size)
    parts : ndarray of float32, of shape (n_rows, vector_size)
        One that went into each.

    Returns
    -------
    ndarray of float32, of shape (n_rows, vector_size)

    Examples
    --------
    >>> parts = np.float32([[1, 2], [1, 2]])
    >>> without_residue(parts - np.float32([[0, 2], [1, 1.9999999]]), parts)
    array([[1., 0.],
           [0., 0.]], dtype=float32)
    """
    largest = _largest(parts)
    kept = (_largest(sums) > _RESIDUE * largest) & (largest > 0)
    return np.where(kept, sums, np.float32(0))


def _largest(rows):
    """The largest number of each row, whatever its sign: (n_rows, 1)."""
    return np.maximum(rows.max(axis=1, keepdims=True), -rows.min(axis=1, keepdims=True))
