"""Rank scores, and find the vectors that are nearest to points by matrix products."""

from math import isqrt

import numpy as np

# Limits of one block of scores. Blocks are large enough for fast products, and use little memory.
_BLOCK_BYTES = 64 * 2**20
_BLOCK_ROWS = 256

# Rows of up to so many scores are sorted whole.
_FEW_COLUMNS = 64


def best_columns(scores, k):
    """Rank the k best columns of each row, ties in column order: (n_rows, k)."""
    n_rows, n_columns = scores.shape
    if k == 1:
        return scores.argmax(axis=1)[:, None]
    if n_columns <= max(_FEW_COLUMNS, 4 * k):
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    # A column with one of the k best scores lies in one of the k groups with the largest maxima.
    # Only the columns of these groups, and the last ones, which are in no group, are partitioned.
    size = isqrt(n_columns // k)
    n_groups = n_columns // size
    maxima = scores[:, : size * n_groups].reshape(n_rows, size, n_groups).max(axis=1)
    groups = np.argpartition(maxima, -k, axis=1)[:, -k:]
    columns = (groups[:, None] + n_groups * np.arange(size)[:, None]).reshape(n_rows, k * size)
    last = np.arange(size * n_groups, n_columns)
    columns = np.hstack([columns, np.broadcast_to(last, (n_rows, len(last)))])
    candidates = np.take_along_axis(scores, columns, axis=1)
    best = np.argpartition(candidates, -k, axis=1)[:, -k:]
    # Sorted columns let the stable sort below keep ties in column order.
    columns = np.sort(np.take_along_axis(columns, best, axis=1), axis=1)
    best = np.take_along_axis(scores, columns, axis=1)
    top = np.take_along_axis(columns, np.argsort(-best, axis=1, kind="stable"), axis=1)
    # argpartition chooses freely among scores equal to the k-th, so such rows are sorted whole.
    lowest = best.min(axis=1, keepdims=True)
    tied = np.maximum((candidates >= lowest).sum(axis=1), (maxima >= lowest).sum(axis=1)) > k
    top[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :k]
    return top


def score_batches(n_points, n_columns, itemsize):
    """Yield slices of points whose scores of n_columns each fit into one block of memory."""
    size = min(_BLOCK_ROWS, max(1, _BLOCK_BYTES // (itemsize * n_columns)))
    return (slice(start, min(start + size, n_points)) for start in range(0, n_points, size))


def rank_in_batches(score, points, n_columns, k, dtype):
    """Rank the k best columns of `score(points)`, some points at a time: two (n_points, k)."""
    columns = np.empty((len(points), k), dtype=np.intp)
    best = np.empty((len(points), k), dtype=dtype)
    for rows in score_batches(len(points), n_columns, best.itemsize):
        scores = score(points[rows])
        columns[rows] = best_columns(scores, k)
        best[rows] = np.take_along_axis(scores, columns[rows], axis=1)
    return columns, best


def nearest_by_product(points, vectors, n):
    """Find the n nearest vectors by matrix products: columns and cosines (n_points, n)."""
    dtype = np.result_type(points, vectors)
    return rank_in_batches(lambda part: part @ vectors.T, points, len(vectors), n, dtype)
