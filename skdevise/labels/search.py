"""The nearest labels of a point of the space."""

import numpy as np


def best_columns(scores, k):
    """Find the k highest scores of each row; of equal ones the first column comes first.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns)
    k : int
        At most n_columns.

    Returns
    -------
    ndarray of int, of shape (n_rows, k)
        Columns, the highest score first.

    Examples
    --------
    >>> best_columns(np.array([[0.1, 0.7, 0.3, 0.7]]), k=3)
    array([[1, 3, 2]])
    """
    n_columns = scores.shape[1]
    if k == 1:
        return scores.argmax(axis=1)[:, None]
    if k == n_columns:
        return np.argsort(-scores, axis=1, kind="stable")
    # Sorted, so that the stable sort below keeps equal scores in the order of their columns.
    columns = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    best = np.take_along_axis(scores, columns, axis=1)
    # Partition picks freely among scores equal to the k-th: these rows need the full sort.
    tied = (scores >= best.min(axis=1, keepdims=True)).sum(axis=1) > k
    top = np.take_along_axis(columns, np.argsort(-best, axis=1, kind="stable"), axis=1)
    top[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :k]
    return top
