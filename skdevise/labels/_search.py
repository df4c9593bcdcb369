"""Search for the nearest of many vectors, exactly or by an approximate index."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import isqrt

import numpy as np
from sklearn.neighbors import KDTree
from threadpoolctl import ThreadpoolController

from skdevise._utils import import_optional

SEARCH_METHODS = ("exact", "hnsw", "lsh", "tree")

# Scores of one block of rows: enough for fast matrix products, little beside the features.
_BLOCK_BYTES = 64 * 2**20

# From so many vectors on an index is far faster for one point at a time, and it wins in batches
# too, which repays the minutes that it takes to build; below them the matrix product is fast
# enough, and it is exact (benchmarks/search.py).
_MANY_VECTORS = 200_000

# Links of each vector in HNSW, and candidates that are kept open when it is linked. With faiss's
# own 40 the graph is built in half the time, but a search for the same recall takes longer.
_N_LINKS = 32
_N_OPEN_IN_BUILDING = 200

# Points whose scores are computed together.
_BLOCK_ROWS = 256


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
    n_rows, n_columns = scores.shape
    if k == 1:
        return scores.argmax(axis=1)[:, None]
    if k == n_columns:
        return np.argsort(-scores, axis=1, kind="stable")
    # Sorted, so that the stable sort below keeps equal scores in the order of their columns.
    columns = np.sort(np.argpartition(scores, -k, axis=1)[:, -k:], axis=1)
    best = np.take_along_axis(scores, columns, axis=1)
    top = np.take_along_axis(columns, np.argsort(-best, axis=1, kind="stable"), axis=1)
    # Partition picks freely among scores equal to the k-th: these rows need the full sort.
    tied = (scores >= best.min(axis=1, keepdims=True)).sum(axis=1) > k
    top[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :k]
    return top


def open_search(vectors, method="auto"):
    """Make the index of some vectors.

    Parameters
    ----------
    vectors : ndarray of float32, of shape (n_vectors, vector_size)
        Unit rows.
    method : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        "auto" is "hnsw" from 200,000 vectors on, if faiss is installed, and otherwise "exact".

    Returns
    -------
    index : ExactSearch, FaissSearch or TreeSearch
        Its `method` says which; `nearest(points, n)` finds the columns of the n nearest vectors of
        each point, the nearest first, and their cosines.

    Examples
    --------
    >>> index = open_search(np.eye(3, dtype=np.float32))
    >>> index.method
    'exact'
    >>> columns, cosines = index.nearest(np.array([[0.6, 0.8, 0]]), 2)
    >>> columns, cosines
    (array([[1, 0]]), array([[0.8, 0.6]]))
    """
    if method == "auto":
        method = "exact"
        if len(vectors) >= _MANY_VECTORS:
            try:
                import faiss  # noqa: F401
            except ImportError:
                pass
            else:
                method = "hnsw"
    if method == "exact":
        return ExactSearch(vectors)
    return TreeSearch(vectors) if method == "tree" else FaissSearch(vectors, method)


class ExactSearch:
    """All cosines by matrix products, a block of points at a time, and a partial sort.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, vector_size)
        Unit rows.

    Examples
    --------
    >>> ExactSearch(np.eye(2)).nearest(np.array([[0.6, 0.8]]), 1)
    (array([[1]]), array([[0.8]]))
    """

    method = "exact"

    def __init__(self, vectors):
        self.vectors = vectors

    def nearest(self, points, n):
        """Find the n nearest vectors of each point; of equally near ones the first comes first.

        Parameters
        ----------
        points : ndarray of shape (n_points, vector_size)
            Unit rows.
        n : int
            At most n_vectors.

        Returns
        -------
        columns : ndarray of int, of shape (n_points, n)
        cosines : ndarray of shape (n_points, n)
        """
        columns = np.empty((len(points), n), dtype=np.intp)
        cosines = np.empty((len(points), n), dtype=np.result_type(points, self.vectors))

        blocks = list(score_batches(len(points), len(self.vectors), cosines.itemsize))
        # So many parts that a point has about as many maxima as candidates below.
        n_parts = max(1, isqrt(len(self.vectors) // n))
        width = -(-len(self.vectors) // n_parts)

        def search(blocks):
            # Memory that is used again is not cleared again.
            scores = np.empty((n_parts, blocks[0].stop - blocks[0].start, width), cosines.dtype)
            for rows in blocks:
                block = scores[:, : rows.stop - rows.start]
                columns[rows], cosines[rows] = self._nearest(points[rows], n, block)

        if len(blocks) < 2:
            for rows in blocks:
                search([rows])
            return columns, cosines
        # A thread a block, so that the sorting is shared out as well as the products.
        blas = _thread_pools().select(user_api="blas")
        n_threads = min(len(blocks), max((pool["num_threads"] for pool in blas.info()), default=1))
        with blas.limit(limits=1), ThreadPoolExecutor(n_threads) as threads:
            list(threads.map(search, [blocks[i::n_threads] for i in range(n_threads)]))
        return columns, cosines

    def _nearest(self, points, n, scores):
        """Nearest vectors of a block of points; `scores` is memory for theirs."""
        n_parts, _, width = scores.shape
        if width <= 2 * n:
            scores = points @ self.vectors.T
            top = best_columns(scores, n)
            return top, np.take_along_axis(scores, top, axis=1)
        # Vectors j, j + width, j + 2 * width, ... are one group: the n nearest lie in the n groups
        # with the highest maxima, so that only these are sorted. The scores of a part are in the
        # processor's cache when their maxima are taken.
        if len(points) == 1:
            # The parts of one point lie one after another: one product fills them.
            scores = np.ascontiguousarray(scores)
            line = scores.reshape(1, -1)
            np.matmul(points, self.vectors.T, out=line[:, : len(self.vectors)])
            line[:, len(self.vectors) :] = -np.inf
            maxima = scores.max(axis=0)
        else:
            maxima = np.full((len(points), width), -np.inf, dtype=scores.dtype)
            for i, part in enumerate(scores):
                vectors = self.vectors[i * width : (i + 1) * width]
                np.matmul(points, vectors.T, out=part[:, : len(vectors)])
                part[:, len(vectors) :] = -np.inf
                np.maximum(maxima, part, out=maxima)
        groups = np.argpartition(maxima, -n, axis=1)[:, -n:]
        rows = np.arange(len(points))[:, None]
        candidates = scores[:, rows, groups].swapaxes(0, 1).reshape(len(points), -1)
        columns = (groups[:, None] + width * np.arange(n_parts)[:, None]).reshape(len(points), -1)
        chosen = np.argpartition(candidates, -n, axis=1)[:, -n:]
        top = np.take_along_axis(columns, chosen, axis=1)
        cosines = np.take_along_axis(candidates, chosen, axis=1)
        order = np.lexsort((top, -cosines))
        top = np.take_along_axis(top, order, axis=1)
        cosines = np.take_along_axis(cosines, order, axis=1)
        # Partition picks freely among equal scores: rows of which too many reach the n-th.
        least = cosines[:, -1:]
        tied = ((candidates >= least).sum(axis=1) > n) | ((maxima >= least).sum(axis=1) > n)
        if tied.any():
            whole = scores[:, tied].swapaxes(0, 1).reshape(tied.sum(), -1)
            top[tied] = best_columns(whole, n)
            cosines[tied] = np.take_along_axis(whole, top[tied], axis=1)
        return top, cosines


class TreeSearch:
    """scikit-learn's k-d tree: exact; it pays in few dimensions only.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, vector_size)
        Unit rows.

    Examples
    --------
    >>> columns, _ = TreeSearch(np.eye(2)).nearest(np.array([[0.6, 0.8]]), 2)
    >>> columns
    array([[1, 0]])
    """

    method = "tree"

    def __init__(self, vectors):
        self.vectors = vectors
        self._tree = KDTree(vectors)

    def nearest(self, points, n):
        """Find the n nearest vectors of each point, as `ExactSearch.nearest` does.

        Parameters
        ----------
        points : ndarray of shape (n_points, vector_size)
            Unit rows.
        n : int
            At most n_vectors.

        Returns
        -------
        columns : ndarray of int, of shape (n_points, n)
        cosines : ndarray of shape (n_points, n)
        """
        distances, columns = self._tree.query(points, n)
        return columns, 1 - distances**2 / 2  # of unit vectors


class FaissSearch:
    """A graph of neighbours (HNSW) or sign hashes (LSH), by faiss.

    Parameters
    ----------
    vectors : ndarray of float32, of shape (n_vectors, vector_size)
        Unit rows.
    method : {"hnsw", "lsh"}

    Notes
    -----
    A pickle holds the index as an array of bytes. Loaded with ``joblib.load(path,
    mmap_mode="r")``, the index is searched in place, and processes share its memory.

    Examples
    --------
    >>> index = FaissSearch(np.eye(3, dtype=np.float32), "hnsw")
    >>> index.nearest(np.array([[0, 0.6, 0.8]], dtype=np.float32), 1)
    (array([[2]]), array([[0.8]], dtype=float32))
    """

    def __init__(self, vectors, method):
        faiss = _faiss(method)
        self.vectors = vectors
        self.method = method
        n_vectors, vector_size = vectors.shape
        if method == "hnsw":
            index = faiss.IndexHNSWFlat(vector_size, _N_LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = _N_OPEN_IN_BUILDING
            # Candidates that a search keeps open: more among more vectors, for a recall@20 of .985
            # on up to 200,000 GloVe vectors (benchmarks/search.py).
            index.hnsw.efSearch = max(32, isqrt(n_vectors) // 5)
        else:
            index = faiss.IndexLSH(vector_size, 8 * vector_size)
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._index = index

    def nearest(self, points, n):
        """Find about the n nearest vectors of each point.

        Parameters
        ----------
        points : ndarray of shape (n_points, vector_size)
            Unit rows.
        n : int
            At most n_vectors.

        Returns
        -------
        columns : ndarray of int, of shape (n_points, n)
            -1 where the index found fewer.
        cosines : ndarray of shape (n_points, n)
            Below -1 there.
        """
        points = np.ascontiguousarray(points, dtype=np.float32)
        if self.method == "hnsw":
            cosines, columns = self._index.search(points, n)
            return columns, cosines
        # Distances between hashes are coarse: the cosines of ten times as many sort them out.
        n_wide = min(10 * n, len(self.vectors))
        columns = np.empty((len(points), n), dtype=np.intp)
        cosines = np.empty((len(points), n), dtype=np.float32)
        for rows in score_batches(len(points), n_wide * points.shape[1], points.itemsize):
            found = self._index.search(points[rows], n_wide)[1]
            scores = np.matmul(self.vectors[found], points[rows, :, None])[:, :, 0]
            best = best_columns(scores, n)
            columns[rows] = np.take_along_axis(found, best, axis=1)
            cosines[rows] = np.take_along_axis(scores, best, axis=1)
        return columns, cosines

    def __getstate__(self):
        state = vars(self).copy()
        state["_index"] = _faiss(self.method).serialize_index(self._index)
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        faiss = _faiss(self.method)
        self._bytes = state["_index"]  # Read in place: they must outlive the index.
        reader = faiss.ZeroCopyIOReader(faiss.swig_ptr(np.asarray(self._bytes)), self._bytes.size)
        self._index = faiss.read_index(reader)


def score_batches(n_points, n_columns, itemsize):
    """Cut points into blocks whose scores fit into the memory set aside for them.

    Parameters
    ----------
    n_points : int
    n_columns : int
        Scores of a point.
    itemsize : int
        Bytes of a score.

    Returns
    -------
    generator of slice

    Examples
    --------
    >>> list(score_batches(3, 2**24, itemsize=4))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    size = min(_BLOCK_ROWS, max(1, _BLOCK_BYTES // (itemsize * n_columns)))
    return (slice(i, min(i + size, n_points)) for i in range(0, n_points, size))


@cache
def _thread_pools():
    return ThreadpoolController()


def _faiss(method):
    return import_optional("faiss", extra="ann", purpose=f'search="{method}"')
