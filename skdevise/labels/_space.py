"""A vocabulary bound to an embedder: label vectors, and the nearest labels of points."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

from skdevise import _storage
from skdevise._columns import name_some
from skdevise._ranking import rank_in_batches, score_batches
from skdevise._typing import ArrayLike, Embedder, Labels, NDArray, PathLike, Search
from skdevise._utils import as_array, check_choice, check_count, find_device, warn
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._coverage import embedded_terms
from skdevise.labels._device_search import DeviceSearch, find_gpu, has_room
from skdevise.labels._embedding import check_embedder, embed_terms
from skdevise.labels._search import SEARCH_METHODS, open_search
from skdevise.labels._vocabulary import as_vocabulary, refuse_numbers

# Points whose nearest terms are ranked together. For 20 labels, each of them needs 9 kB.
_N_POINTS = 4_096


class LabelSpace:
    """Unit vectors of a vocabulary's terms, and the search for its nearest labels.

    A classifier builds the spaces that it needs. Build one yourself to embed and index many
    labels once: every classifier accepts it as `labels`, and `save` keeps it for another process.

    By default a label's score is the cosine of its nearest term (DeViSE [1]_, appendix A.2). The
    vocabulary's `pool` can change that. Terms without a vector are ignored. If no term of a label
    has a vector, the vocabulary's `on_missing` decides: an error, a warning, or a related term.

    Parameters
    ----------
    vocabulary : LabelVocabulary, sequence of labels, or dict of label to terms
        Candidate labels.
    embedder : term embedder
        Source of the vectors: its `transform` returns rows of length 1. Its method `has_vector`
        decides which terms have a vector. Without this method, all terms have one.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        Method that finds the nearest terms. "exact" compares all vectors. "hnsw" and "lsh" are
        approximate indexes of faiss (extra ``ann``); "hnsw" is the better one for many labels.
        "tree" is scikit-learn's k-d tree, which is fast only for vectors of a few dimensions.
        "auto" uses "hnsw" for 200,000 terms or more if faiss is installed and no GPU is used, and
        otherwise "exact".
    device : str, default="auto"
        Torch device of exact search. "auto" uses a CUDA device for many points or labels, if there
        is one and its memory suffices. The vectors then stay in its memory. "cpu" uses no GPU, and
        another device, such as "cuda:1", is always used.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
        Labels in the order of the vocabulary, without dropped ones.
    n_labels, n_terms, vector_size : int
        Number of labels, number of different vectors, and their length.
    search : {"exact", "hnsw", "lsh", "tree"}
        Method in use.
    targets : ndarray of float32 of shape (n_labels, vector_size)
        Training target of each label: the vector of its first term that has one (appendix A.2).
        With `pool="mean"` it is the normalised mean of the label's vectors.

    Raises
    ------
    LabelWithoutVectorError
        If labels have no term with a vector. The message names them.
    TypeError
        If `embedder` is not a term embedder, or returns a sparse matrix.
    ValueError
        If `embedder` does not return one unit row per term, or if it would have to look up numbers
        as words.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> from skdevise import LabelSpace, LabelVocabulary, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "car": [0, 1], "auto": [0.6, 0.8]})
    >>> vocabulary = LabelVocabulary(["cat", "car"], {"car": ["car", "auto"]})
    >>> space = LabelSpace(vocabulary, embedder)
    >>> space
    LabelSpace(2 labels, 3 terms, 2-d, search='exact')
    >>> space.scores([[1, 0]]).round(2)
    array([[1. , 0.6]])
    """

    _on_device = None  # The search on a GPU, once it was used. Files do not hold it.

    def __init__(
        self,
        vocabulary: Labels,
        embedder: Embedder,
        search: Search = "auto",
        device: str = "auto",
    ) -> None:
        if device not in ("auto", "cpu"):
            find_device(device)
        check_choice("search", search, ("auto", *SEARCH_METHODS))
        vocabulary = as_vocabulary(vocabulary)
        check_embedder(embedder)
        refuse_numbers(vocabulary, embedder)
        found = embedded_terms(vocabulary, embedder)
        terms = list(dict.fromkeys(chain.from_iterable(found)))
        row_of = {term: row for row, term in enumerate(terms)}
        rows = [list(map(row_of.get, label_terms)) for label_terms in found]
        self.labels, rows = _labels_with_vectors(vocabulary, rows)
        vectors = embed_terms(embedder, terms, vocabulary.templates)
        if vocabulary.pool == "mean":
            vectors = normalize([vectors[label_rows].mean(axis=0) for label_rows in rows])
            rows = [[row] for row in range(len(rows))]
        elif vocabulary.pool == "first":
            rows = [label_rows[:1] for label_rows in rows]
        self._index_rows(vectors, rows, search, device)

    @classmethod
    def _of_vectors(cls, vocabulary, vectors, search, device="auto"):
        """Build the space of given vectors (n_labels, vector_size). Rows of zeros are missing."""
        space = cls.__new__(cls)
        space.vocabulary = vocabulary  # Explanations need the terms.
        rows = [[row] * has_vector for row, has_vector in enumerate(vectors.any(axis=1).tolist())]
        space.labels, rows = _labels_with_vectors(vocabulary, rows, "candidates")
        space._index_rows(vectors, rows, search, device)
        return space

    def _index_rows(self, vectors, rows, search, device):
        """Index vectors (n_vectors, vector_size), of which each label has some rows."""
        vectors = vectors.astype(np.float32, copy=False)
        # Terms with equal vectors share one row of the index. Matrix products can round equal rows
        # differently, and labels with equal scores must keep their order.
        sizes = list(map(len, rows))
        rows = _first_equal_rows(vectors)[np.fromiter(chain.from_iterable(rows), np.intp)]
        used, self._rows = np.unique(rows, return_inverse=True)
        vectors = vectors[used]
        self._starts = np.cumsum(sizes) - sizes  # Position of each label's first term in _rows.
        self._is_one_to_one = np.array_equal(self._rows, np.arange(len(sizes)))
        # One more row than vectors: approximate indexes return -1 where they find nothing.
        label_of_row = np.repeat(np.arange(len(sizes)), sizes)
        self._labels_of_row = csr_array(
            (np.ones(len(rows), dtype=bool), (self._rows, label_of_row)),
            shape=(len(vectors) + 1, len(sizes)),
        )
        self.device = device
        # A GPU compares all vectors faster than an index on the CPU finds the nearest ones.
        is_exact = search == "auto" and find_gpu(device) is not None
        self._index = open_search(vectors, "exact" if is_exact else search)

    @property
    def search(self) -> Any:
        """Search method in use: "exact", "hnsw", "lsh" or "tree"."""
        return self._index.method

    @property
    def targets(self) -> NDArray[Any]:
        """Training target of each label: (n_labels, vector_size)."""
        return self._index.vectors[self._rows[self._starts]]

    @property
    def term_vectors(self) -> list[NDArray[Any]]:
        """Vectors of the terms of each label: list of arrays (n_terms, vector_size)."""
        return np.split(self._index.vectors[self._rows], self._starts[1:])

    @property
    def n_labels(self) -> int:
        """Number of labels: int."""
        return len(self.labels)

    @property
    def n_terms(self) -> int:
        """Number of different vectors: int."""
        return len(self._index.vectors)

    @property
    def vector_size(self) -> int:
        """Length of the vectors: int."""
        return self._index.vectors.shape[1]

    def __repr__(self):
        return (
            f"LabelSpace({self.n_labels} labels, {self.n_terms} terms, {self.vector_size}-d, "
            f"search={self.search!r})"
        )

    def scores(self, points: ArrayLike) -> NDArray[Any]:
        """Compute the score of each label at each point.

        Parameters
        ----------
        points : array-like of shape (n_points, vector_size)
            Rows of length 1, as the `transform` of a classifier returns them.

        Returns
        -------
        ndarray of shape (n_points, n_labels)
            Cosine of the point with the nearest term of the label.
        """
        points = self._check_points(points)
        on_device = self._device_search(len(points))
        if on_device is not None:
            return on_device.scores(points)
        # A product would convert float32 vectors again for each batch of float64 points.
        dtype = np.result_type(points, self._index.vectors)
        vectors = self._index.vectors.astype(dtype, copy=False)
        scores = np.empty((len(points), self.n_labels), dtype)
        for batch in score_batches(len(points), len(self._rows), scores.itemsize):
            products = points[batch] @ vectors.T
            scores[batch] = products if self._is_one_to_one else self._nearest_terms(products)
        return scores

    def _nearest_terms(self, products):
        """Find the score of each label's nearest term: (n, n_labels) from (n, n_vectors)."""
        n_terms = np.diff(self._starts, append=len(self._rows))
        if 20 * n_terms.max() > len(self._rows):
            return np.maximum.reduceat(products[:, self._rows], self._starts, axis=1)
        # Comparing the first terms of all labels, then the second ones, is several times as fast.
        scores = products[:, self._rows[self._starts]]
        for term in range(1, n_terms.max()):
            labels = np.flatnonzero(n_terms > term)
            others = products[:, self._rows[self._starts[labels] + term]]
            scores[:, labels] = np.maximum(scores[:, labels], others)
        return scores

    def top_k(
        self, points: ArrayLike, k: int, offsets: ArrayLike | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Find the k labels with the highest scores at each point.

        Labels with equal scores keep the order of the vocabulary.

        Parameters
        ----------
        points : array-like of shape (n_points, vector_size)
            Rows of length 1, as the `transform` of a classifier returns them.
        k : int
            Number of labels per point, at most `n_labels`.
        offsets : ndarray of shape (n_labels,), default=None
            Amounts to subtract from the scores of the labels. An index cannot use offsets, so the
            search then compares all labels. None subtracts nothing.

        Returns
        -------
        labels : ndarray of shape (n_points, k)
            Best labels first.
        scores : ndarray of shape (n_points, k)
            Their scores minus the offsets.

        Raises
        ------
        ValueError
            If `k` is out of range, or `points` or `offsets` have the wrong shape or are not
            finite.
        """
        self.check_k(k)
        points = self._check_points(points)
        k = int(k)  # faiss refuses NumPy's integers.
        on_device = self._device_search(len(points))
        if offsets is None:
            top, scores = (on_device.top_k if on_device else self._nearest_labels)(points, k)
            return self.labels[top], scores
        offsets = np.asarray(as_array(offsets), dtype=points.dtype)
        if offsets.shape != (self.n_labels,):
            raise ValueError(
                f"offsets has shape {offsets.shape}. Pass one number per label: ({self.n_labels},)."
            )
        if not np.isfinite(offsets).all():
            raise ValueError("offsets holds NaN or infinity. Pass finite numbers.")
        top, scores = (on_device.top_k if on_device else self._rank_all)(points, k, offsets)
        return self.labels[top], scores

    def _device_search(self, n_points):
        """Return the search on a GPU, or None if the CPU should search for that many points."""
        vectors = self._index.vectors
        gpu = find_gpu(self.device, n_points * vectors.size) if self.search == "exact" else None
        if gpu is None:
            return None
        if self._on_device is None:
            if self.device == "auto" and not has_room(vectors, gpu):
                return None
            self._on_device = DeviceSearch(gpu, vectors, self._rows, self._starts)
        return self._on_device

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_on_device"}

    def _nearest_labels(self, points, k):
        """Rank labels by their nearest terms (DeViSE, appendix A.2): two arrays (n_points, k)."""
        if len(points) > _N_POINTS:
            batches = gen_batches(len(points), _N_POINTS)
            parts = [self._nearest_labels(points[rows], k) for rows in batches]
            return tuple(map(np.concatenate, zip(*parts, strict=True)))
        top = np.empty((len(points), k), dtype=np.intp)
        scores = np.empty((len(points), k), dtype=points.dtype)
        rest = np.arange(len(points))
        n_terms = k + 1 if self._is_one_to_one else 4 * k
        while len(rest) and n_terms < self.n_terms:
            terms, cosines = self._index.nearest(points[rest], n_terms)
            best, best_scores, is_final = self._labels_of_terms(terms, cosines, k)
            top[rest[is_final]] = best[is_final]
            scores[rest[is_final]] = best_scores[is_final]
            rest = rest[~is_final]
            n_terms *= 2
        if len(rest):
            top[rest], scores[rest] = self._rank_all(points[rest], k, points.dtype.type(0))
        return top, scores

    def _labels_of_terms(self, terms, cosines, k):
        """Map ranked terms to the first k different labels, and say which rankings are final."""
        n_points, n_terms = terms.shape
        owners = self._labels_of_row[terms.ravel()]
        counts = np.diff(owners.indptr)
        point = np.repeat(np.arange(n_points).repeat(n_terms), counts)
        score, label = np.repeat(cosines.ravel(), counts), owners.indices
        # Best scores first, ties in the order of the labels; then each label's first occurrence.
        order = np.lexsort((label, -score, point))
        first = np.unique((point * self.n_labels + label)[order], return_index=True)[1]
        order = order[np.sort(first)]
        n_found = np.bincount(point[order], minlength=n_points)
        ends = np.cumsum(n_found)
        kept = order[np.minimum((ends - n_found)[:, None] + np.arange(k), len(order) - 1)]
        best, best_scores = label[kept], score[kept]
        # A term beyond the last one found may be as near as it, but not nearer.
        is_final = (n_found >= k) & (best_scores[:, -1] > cosines[:, -1])
        return best, best_scores, is_final

    def _rank_all(self, points, k, offsets):
        """Rank labels by all their scores minus the offsets: two arrays (n_points, k)."""
        return rank_in_batches(
            lambda batch: self.scores(batch) - offsets, points, len(self._rows), k, points.dtype
        )

    def recall(self, points: ArrayLike, k: int) -> float:
        """Compute the share of the k nearest terms that the index finds.

        Parameters
        ----------
        points : array-like of shape (n_points, vector_size)
            Rows of length 1, as the `transform` of a classifier returns them.
        k : int
            Number of terms per point, at most `n_terms`.

        Returns
        -------
        float
            Mean over the points. It is 1 for exact search.
        """
        points = self._check_points(points)
        check_count("k", k, most=self.n_terms)
        k = int(k)
        if not len(points):
            raise ValueError("There are no points. Pass at least one to measure the recall.")
        exact, _ = open_search(self._index.vectors, "exact").nearest(points, k)
        found, _ = self._index.nearest(points, k)
        return float(np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)]))

    def save(self, path: PathLike) -> None:
        """Write the space to a file, with its vectors and its index.

        Parameters
        ----------
        path : str or Path
            File to write, in the format of `skdevise.save`. `load` reads it.
        """
        _storage.write(self, path)

    @staticmethod
    def load(path: PathLike, mmap: bool = True, trusted: Sequence[str] = ()) -> "LabelSpace":
        """Read a space that `save` wrote.

        Parameters
        ----------
        path : str or Path
            File to read.
        mmap : bool, default=True
            Map the file into memory instead of reading it. Processes that load the same file then
            share one copy.
        trusted : sequence of str, default=()
            Pass ``["faiss"]`` to read the index of "hnsw" or "lsh" from a file that you trust.
            Otherwise the index is built again, because faiss does not check what it reads.

        Returns
        -------
        LabelSpace

        Raises
        ------
        ValueError
            If the file is damaged or does not hold a label space.
        """
        space = _storage.read(path, mmap, trusted)
        if not isinstance(space, LabelSpace):
            raise ValueError(f"{str(path)!r} does not hold a LabelSpace. Give another file.")
        return space

    def check_k(self, k: int) -> None:
        """Raise ValueError unless k is a whole number from 1 to `n_labels`.

        Parameters
        ----------
        k : int
            Number of labels that a caller asks for.
        """
        check_count("k", k, most=self.n_labels, what="candidates")

    def _check_points(self, points):
        """Validate points: a finite float array (n_points, vector_size)."""
        points = np.asarray(as_array(points))
        if points.ndim != 2 or points.shape[1] != self.vector_size:
            raise ValueError(
                f"points has shape {points.shape}, but the label vectors have size "
                f"{self.vector_size}. Pass an array of shape (n, {self.vector_size})."
            )
        if points.dtype not in (np.float32, np.float64):
            points = points.astype(np.float64)
        if not np.isfinite(points).all():
            raise ValueError("points holds NaN or infinity. Remove such rows.")
        return points


def _labels_with_vectors(vocabulary, rows, what="labels"):
    """Return the labels that have rows, and these rows; refuse or drop the other labels."""
    has_vector = np.array(list(map(bool, rows)))
    if has_vector.all():
        return vocabulary.labels, rows
    missing = vocabulary.labels[~has_vector].tolist()
    if vocabulary.on_missing != "drop" or not has_vector.any():
        raise LabelWithoutVectorError(missing, len(rows), what)
    warn(
        f"{len(missing)} of {len(rows)} labels have no vector and are dropped: "
        f"{name_some(missing)}. LabelVocabulary.coverage names all of them.",
    )
    return vocabulary.labels[has_vector], list(filter(None, rows))


def _first_equal_rows(vectors):
    """Return the position of the first row that equals each row: (n_rows,)."""
    first = np.arange(len(vectors))
    _, group, sizes = np.unique(vectors[:, 0], return_inverse=True, return_counts=True)
    seen = {}
    # Rows whose first number occurs once have no equal.
    for row in np.flatnonzero(sizes[group] > 1):
        # The sum turns -0.0 into 0.0, which has other bytes.
        first[row] = seen.setdefault((vectors[row] + 0).tobytes(), row)
    return first
