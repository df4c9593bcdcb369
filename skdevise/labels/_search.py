"""Search for the vectors that are nearest to points."""

import sys
from functools import cache
from importlib.util import find_spec

import numpy as np
from sklearn.neighbors import KDTree

from skdevise._ranking import best_columns, nearest_by_product, score_batches
from skdevise._utils import import_optional

SEARCH_METHODS = ("exact", "hnsw", "lsh", "tree")

# faiss uses several threads from this many products on, and BLAS for points of so many numbers.
_MANY_PRODUCTS = 2**32
_BLAS_THRESHOLD = 1024

# With at least this many vectors, "auto" builds an HNSW index (see benchmarks/search.py).
_MANY_VECTORS = 200_000

# HNSW: links per vector, and candidates that faiss keeps while it links a vector. faiss's default
# of 40 candidates builds in half the time, but then searching at equal recall takes longer.
_N_LINKS = 32
_N_CANDIDATES = 200

# LSH: random rotations of each vector. Each gives one bit per dimension.
_N_ROTATIONS = 8


def open_search(vectors, method="auto"):
    """Index unit vectors (n_vectors, vector_size) by one of SEARCH_METHODS, or "auto"."""
    if method == "auto":
        many = len(vectors) >= _MANY_VECTORS
        method = "hnsw" if many and find_spec("faiss") is not None else "exact"
    if method == "exact":
        return ExactSearch(vectors)
    return TreeSearch(vectors) if method == "tree" else FaissSearch(vectors, method)


class ExactSearch:
    """Compare each point with all vectors: by faiss if it is installed, otherwise by NumPy."""

    method = "exact"

    def __init__(self, vectors):
        self.vectors = vectors

    def nearest(self, points, n):
        """Return columns and cosines of the n nearest vectors: two arrays (n_points, n)."""
        faiss = _faiss_for_exact_search()
        # faiss computes in float32 only.
        if faiss is None or not points.dtype == self.vectors.dtype == np.float32:
            return nearest_by_product(points, self.vectors, n)
        # Threads of faiss wait for each other many times in a search, which is slow on busy cores.
        # They repay that only in searches that would take one thread 0.1 s or more.
        n_threads = faiss.omp_get_max_threads()
        is_short = len(points) * self.vectors.size < _MANY_PRODUCTS
        faiss.omp_set_num_threads(1 if is_short else n_threads)
        cosines, columns = faiss.knn(points, self.vectors, n, faiss.METRIC_INNER_PRODUCT)
        faiss.omp_set_num_threads(n_threads)
        return columns, cosines


@cache
def _faiss_for_exact_search():
    """Import faiss if exact search can use it, otherwise return None."""
    # On macOS the OpenMP libraries of faiss and torch can crash each other (faiss-wheels, issue
    # 73), so faiss runs there only if the user asks for one of its indexes.
    if sys.platform == "darwin" or find_spec("faiss") is None:
        return None
    import faiss

    # By default, faiss 1.15 compares fewer than 128,000 numbers without BLAS, which takes four
    # times as long for 256 points of 300 numbers.
    threshold = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = min(threshold, _BLAS_THRESHOLD)
    return faiss


class TreeSearch:
    """Search scikit-learn's k-d tree: exact, and fast only for short vectors."""

    method = "tree"

    def __init__(self, vectors):
        self.vectors = vectors
        self._tree = KDTree(vectors)

    def nearest(self, points, n):
        """Return columns and cosines of the n nearest vectors: two arrays (n_points, n)."""
        distances, columns = self._tree.query(points, n)
        return columns, 1 - distances**2 / 2  # Both sides are unit vectors.


class FaissSearch:
    """Search an approximate index of faiss: a graph (HNSW) or hashes (LSH)."""

    def __init__(self, vectors, method):
        faiss = _import_faiss(method)
        self.vectors = vectors
        self.method = method
        n_vectors, vector_size = vectors.shape
        if method == "hnsw":
            index = faiss.IndexHNSWFlat(vector_size, _N_LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = _N_CANDIDATES
            # Points of photos are farther from the vectors than the vectors are from each other.
            # This many open candidates find 99 % of the 20 nearest of 21,841 and of 49,480 GloVe
            # vectors for the photos of Caltech-101 (benchmarks/search.py).
            index.hnsw.efSearch = int(20 * n_vectors**0.25)
        else:
            index = _lsh_index(faiss, vector_size)
        index.add(vectors)
        self._index = index

    def nearest(self, points, n):
        """Return columns and cosines of about the n nearest; column -1 means none was found."""
        points = np.ascontiguousarray(points, dtype=np.float32)
        if self.method == "hnsw":
            cosines, columns = self._index.search(points, n)
            return columns, cosines
        # Distances of hashes are coarse, so ten times as many vectors are ranked by cosine.
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
        index = _import_faiss(self.method).serialize_index(self._index)
        return vars(self) | {"_index": None, "_bytes": index}

    def __setstate__(self, state):
        vars(self).update(state)
        faiss = _import_faiss(self.method)
        # faiss reads the bytes in place, also from a memory-mapped file.
        pointer = faiss.swig_ptr(np.asarray(self._bytes))
        self._index = faiss.read_index(faiss.ZeroCopyIOReader(pointer, self._bytes.size))


def _lsh_index(faiss, vector_size):
    """Create an LSH index whose hashes are the signs of the vectors after 8 random rotations."""
    # faiss can draw one rotation into 8 times as many dimensions. For 1,000 it takes 26 s.
    shape = _N_ROTATIONS, vector_size, vector_size
    normal = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    rotations, _ = np.linalg.qr(normal)
    n_bits = _N_ROTATIONS * vector_size
    hashes = faiss.LinearTransform(vector_size, n_bits, False)
    faiss.copy_array_to_vector(np.ravel(rotations), hashes.A)
    hashes.is_trained = True
    return faiss.IndexPreTransform(hashes, faiss.IndexLSH(n_bits, n_bits, False))


def _import_faiss(method):
    """Import faiss, or raise an ImportError that names the search method."""
    return import_optional("faiss", extra="ann", purpose=f'search="{method}"')
