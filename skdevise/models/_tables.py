"""Tables of features; those that are larger than memory stay where they are."""

import mmap
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A memory map above this size is read a block at a time, and not kept.
_N_RESIDENT_BYTES = 2**28

# Numbers of a block that is read at once: 4 MB in float32, and the pages around its rows.
_N_BLOCK = 2**20

# Rows of a memory map that are mapped at once.
_N_MAPPED = 128


def is_streamed(X):
    """Whether X stays where it is: a large memory map, or an HDF5 or zarr data set.

    Parameters
    ----------
    X : any

    Returns
    -------
    bool

    Examples
    --------
    >>> is_streamed(np.zeros((2, 2))), is_streamed([[1]])
    (False, False)
    """
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap) and X.nbytes > _N_RESIDENT_BYTES
    # pandas, SciPy, other array libraries, torch
    if any(hasattr(X, name) for name in ("iloc", "tocsr", "__array_namespace__", "numpy")):
        return False
    return all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))


def rows_at_once(table):
    """How many rows of a table on disk make a block: int."""
    return max(1, _N_BLOCK // table.shape[1])


def read(table, rows):
    """Read some rows.

    Parameters
    ----------
    table : ndarray, or object with `shape`, `dtype` and `__getitem__`
        Of shape (n_rows, n_features).
    rows : slice, or ndarray of int
        Ascending.

    Returns
    -------
    ndarray of shape (n, n_features)
        In float32 where the table is on disk.

    Examples
    --------
    >>> read(np.arange(6).reshape(3, 2), np.array([0, 2]))
    array([[0, 1],
           [4, 5]])
    """
    if not is_streamed(table):
        return table[rows]
    pages = getattr(table, "_mmap", None)
    # Those of a copy-on-write map may hold what is nowhere else.
    if pages is None or table.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return np.array(table[rows], dtype=np.float32)
    rows = np.r_[rows]
    block = np.empty((len(rows), table.shape[1]), dtype=np.float32)
    # Pages of a file, and those around them, count as resident as long as they are mapped.
    for start in range(0, len(rows), _N_MAPPED):
        part = slice(start, start + _N_MAPPED)
        block[part] = table[rows[part]]
        pages.madvise(mmap.MADV_DONTNEED)
    return block


def parts(table, n_rows):
    """Cut some rows of a table into parts to be read one after another.

    Parameters
    ----------
    table : as in `read`
    n_rows : int

    Returns
    -------
    list of slice
        One where the table is in memory.

    Examples
    --------
    >>> parts(np.zeros((3, 2)), 3)
    [slice(0, 3, None)]
    """
    size = rows_at_once(table) if is_streamed(table) else max(1, n_rows)
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


@dataclass
class Samples:
    """What a fit is given, checked.

    Attributes
    ----------
    X : photos or table of features
    rows : ndarray of int, of shape (n,)
        Which of them are trained on, ascending.
    weight : ndarray of shape (n,), or None
        How much each of these counts.
    targets : ndarray of int, of shape (n,)
        Positions of their labels among the classes.
    table : ndarray, or table on disk
        Features of X, not scaled.
    seed : int
        Of all that is drawn.
    kept, held_out : slice, or ndarray of int
        Positions of the samples that training and early stopping look at.
    """

    X: Any
    rows: np.ndarray
    weight: np.ndarray | None = None
    targets: np.ndarray | None = None
    table: Any = None
    seed: int = 0
    kept: Any = field(default_factory=lambda: slice(None))
    held_out: Any = field(default_factory=lambda: slice(0))

    def take(self, chosen):
        """Give some of the samples, at given positions, none of them held out."""
        weight = None if self.weight is None else self.weight[chosen]
        rows, targets = self.rows[chosen], self.targets[chosen]
        return Samples(self.X, rows, weight, targets, self.table, self.seed)

    def blocks(self):
        """Go through the features.

        Yields
        ------
        slice
            Of `rows`.
        ndarray of shape (n, n_features)
        ndarray of shape (n,), or None
            Their weights.
        """
        for part in parts(self.table, len(self.rows)):
            weight = None if self.weight is None else self.weight[part]
            yield part, read(self.table, self.rows[part]), weight
