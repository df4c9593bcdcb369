"""A vocabulary bound to an embedder: where labels lie, and which are nearest."""

import warnings
from itertools import chain
from numbers import Integral
from pickle import UnpicklingError

import joblib
import numpy as np
from sklearn.preprocessing import normalize

from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._coverage import known_terms
from skdevise.labels._search import SEARCH_METHODS, best_columns, open_search, score_batches
from skdevise.labels._vocabulary import as_vocabulary

# Dropped labels that a warning names.
_N_NAMED = 20


class LabelSpace:
    """The unit vectors of a vocabulary's terms, and the search over its labels.

    Which of a label's terms count is its vocabulary's `pool`. Terms without a vector do not; a
    label all of whose terms are without one is refused, or dropped with a warning, as its
    vocabulary's `on_missing` says.

    Classifiers make spaces as they need them, and take one in place of `labels` as well: one that
    was loaded is neither embedded nor indexed again.

    Parameters
    ----------
    vocabulary : LabelVocabulary or array-like of labels
    embedder : term embedder
        Its `transform` gives unit rows; its `has_vector`, if there is one, tells what it knows.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        How the nearest terms are found: by a matrix product, by faiss's approximate indexes (extra
        ``ann``), or by scikit-learn's k-d tree. "auto" takes "hnsw" from 200,000 terms on where
        faiss is installed.
    expand : int, default=4
        The k nearest labels are looked for among the `expand` * k nearest terms, and among more of
        them where these name fewer than k labels (DeViSE [1]_, appendix A.2).

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
    n_labels, n_terms, vector_size : int
    search : {"exact", "hnsw", "lsh", "tree"}
        The search in use.
    targets : ndarray of float32, of shape (n_labels, vector_size)
        The vector that a photo of the label is trained to meet: that of its first term with a
        vector (DeViSE, appendix A.2), or with `pool="mean"` their mean.

    Raises
    ------
    LabelWithoutVectorError
        If labels have no term with a vector; it names them all.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skdevise import LabelVocabulary, PretrainedEmbedder
    >>> from skdevise.labels import LabelSpace
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "car": [0, 1], "auto": [0.6, 0.8]})
    >>> vocabulary = LabelVocabulary(["cat", "car"], {"car": ["car", "auto"]})
    >>> space = LabelSpace(vocabulary, embedder)
    >>> space
    LabelSpace(2 labels, 3 terms, 2-d, search='exact')
    >>> space.scores([[1, 0]]).round(2)
    array([[1. , 0.6]])
    """

    def __init__(self, vocabulary, embedder, search="auto", expand=4):
        if search not in ("auto", *SEARCH_METHODS):
            raise ValueError(f"search is one of {['auto', *SEARCH_METHODS]}, got {search!r}.")
        if not isinstance(expand, Integral) or expand < 1:
            raise ValueError(f"expand is a whole number of at least 1, got {expand!r}.")
        self.expand = expand
        vocabulary = as_vocabulary(vocabulary)
        terms = list(dict.fromkeys(chain.from_iterable(vocabulary.terms)))
        known = known_terms(embedder, terms, vocabulary.templates)
        row_of = {terms[i]: row for row, i in enumerate(np.flatnonzero(known))}
        rows = [[row_of[term] for term in own if term in row_of] for own in vocabulary.terms]
        self.labels, rows = _with_vectors(vocabulary, rows)
        vectors = _embed(embedder, list(row_of), vocabulary.templates)
        if vocabulary.pool == "mean":
            # Labels of the same terms share one mean, so that none is nearer by a rounding error.
            place = {own: row for row, own in enumerate(dict.fromkeys(map(tuple, rows)))}
            vectors = normalize([vectors[list(own)].mean(axis=0) for own in place])
            rows = [[place[tuple(own)]] for own in rows]
        elif vocabulary.pool == "first":
            used, first = np.unique([own[0] for own in rows], return_inverse=True)
            vectors, rows = vectors[used], first[:, None].tolist()
        vectors = np.asarray(vectors, dtype=np.float32)
        self._first = np.array([own[0] for own in rows])
        # The (label, term) pairs, by labels; and the labels of each term, in their order.
        n_terms = [len(own) for own in rows]
        self._label_of_pair = np.repeat(np.arange(len(rows)), n_terms)
        self._term_of_pair = np.fromiter(chain.from_iterable(rows), np.intp, sum(n_terms))
        by_term = np.argsort(self._term_of_pair, kind="stable")
        self._labels_of_terms = self._label_of_pair[by_term]
        self._ends = np.cumsum(np.bincount(self._term_of_pair, minlength=len(vectors)))
        self._index = open_search(vectors, search)

    @property
    def search(self):
        """The search in use: "exact", "hnsw", "lsh" or "tree"."""
        return self._index.method

    @property
    def targets(self):
        """The vectors that labels are trained to meet: (n_labels, vector_size)."""
        return self._index.vectors[self._first]

    @property
    def n_labels(self):
        """How many labels there are: int."""
        return len(self.labels)

    @property
    def n_terms(self):
        """How many different terms they have, or with pool="mean" means of terms: int."""
        return len(self._index.vectors)

    @property
    def vector_size(self):
        """Dimension of the space: int."""
        return self._index.vectors.shape[1]

    def __repr__(self):
        return (
            f"LabelSpace({self.n_labels} labels, {self.n_terms} terms, {self.vector_size}-d, "
            f"search={self.search!r})"
        )

    def scores(self, points):
        """Cosine of each point with each label.

        Parameters
        ----------
        points : array-like of shape (n, vector_size)
            Unit rows.

        Returns
        -------
        ndarray of shape (n, n_labels)
        """
        points = self._check_points(points)
        vectors = self._index.vectors
        scores = np.empty((len(points), self.n_labels), dtype=np.result_type(points, vectors))
        for rows in score_batches(len(points), len(vectors), scores.itemsize):
            scores[rows] = self._of_labels(points[rows] @ vectors.T)
        return scores

    def _of_labels(self, scores):
        """Scores of labels from those of terms: each has that of its nearest term."""
        if len(self._label_of_pair) == self.n_labels:
            one_each = np.array_equal(self._first, np.arange(scores.shape[1]))
            return scores if one_each else scores[:, self._first]
        starts = np.searchsorted(self._label_of_pair, np.arange(self.n_labels))
        return np.maximum.reduceat(scores[:, self._term_of_pair], starts, axis=1)

    def top_k(self, points, k, offsets=None):
        """Find the k labels nearest to each point; of equally near ones the first comes first.

        Parameters
        ----------
        points : ndarray of shape (n, vector_size)
            Unit rows.
        k : int
        offsets : ndarray of shape (n_labels,), default=None
            What is taken off the score of each label. All labels are scored then: an index knows
            of no offsets.

        Returns
        -------
        labels : ndarray of shape (n, k)
        scores : ndarray of shape (n, k)
            Their cosines, less the offsets.

        Raises
        ------
        ValueError
            If k is below 1 or above the number of labels, points are of another dimension or hold
            NaN, or there is not an offset a label.
        """
        self.check_k(k)
        points = self._check_points(points)
        if offsets is not None and np.shape(offsets) != (self.n_labels,):
            raise ValueError(
                f"Offsets are of shape ({self.n_labels},), got shape {np.shape(offsets)}."
            )
        top, scores = (
            self._top_k(points, k) if offsets is None else self._top_of_all(points, k, offsets)
        )
        return self.labels[top], scores

    def _top_of_all(self, points, k, offsets):
        top = np.empty((len(points), k), dtype=np.intp)
        scores = np.empty((len(points), k), dtype=points.dtype)
        for rows in score_batches(len(points), self.n_terms, points.itemsize):
            block = self.scores(points[rows]) - offsets.astype(points.dtype)
            top[rows] = best_columns(block, k)
            scores[rows] = np.take_along_axis(block, top[rows], axis=1)
        return top, scores

    def _top_k(self, points, k):
        """Appendix A.2: the nearest terms, expanded to labels, and more terms where these lack."""
        top = np.empty((len(points), k), dtype=np.intp)
        scores = np.empty((len(points), k), dtype=points.dtype)
        open_rows = np.arange(len(points))
        # One more than needed where labels have a term each, to see that no other is as near.
        n = k + 1 if len(self._label_of_pair) == self.n_labels else max(k * self.expand, k + 1)
        while len(open_rows):
            n = min(n, self.n_terms)
            terms, cosines = self._index.nearest(points[open_rows], n)
            found, found_scores, complete = self._expand(terms, cosines, k)
            top[open_rows[complete]] = found[complete]
            scores[open_rows[complete]] = found_scores[complete]
            open_rows = open_rows[~complete]
            if n == self.n_terms and len(open_rows):
                # An approximate index may not reach all terms.
                top[open_rows], scores[open_rows] = self._top_of_all(
                    points[open_rows], k, np.zeros(self.n_labels)
                )
                break
            n *= 2
        return top, scores

    def _expand(self, terms, cosines, k):
        """The first k labels of ranked terms, their scores, and whether the terms suffice."""
        n_rows, n = terms.shape
        reached = terms >= 0
        counts = np.where(reached, np.diff(self._ends, prepend=0)[terms], 0).ravel()
        stops = np.cumsum(counts)
        # All (row, label) pairs, by row and rank of the term; each pair's first place counts.
        places = np.arange(stops[-1]) - np.repeat(stops - self._ends[terms].ravel(), counts)
        rows = np.repeat(np.arange(n_rows).repeat(n), counts)
        keys = rows * self.n_labels + self._labels_of_terms[places]
        keys, first = np.unique(keys, return_index=True)
        rows, labels = np.divmod(keys, self.n_labels)
        scores = np.repeat(cosines.ravel(), counts)[first]
        # Stable: of equally near labels the first stays first.
        order = np.lexsort((-scores, rows))
        n_found = np.bincount(rows, minlength=n_rows)
        starts = np.cumsum(n_found) - n_found
        kept = order[np.minimum(starts[:, None] + np.arange(k), len(order) - 1)]
        top, top_scores = labels[kept], scores[kept]
        # A term that was not looked at may be as near as the last one that was.
        complete = n_found >= k
        if n < self.n_terms:
            complete &= top_scores[:, -1] > cosines[:, -1]
        return top, top_scores, complete

    def recall(self, points, k):
        """Share of the exactly nearest k terms that the index finds.

        Parameters
        ----------
        points : array-like of shape (n, vector_size)
            Unit rows.
        k : int

        Returns
        -------
        float
            1 for exact search.
        """
        points = self._check_points(points)
        _check_k(k, self.n_terms, "terms")
        if not len(points):
            raise ValueError("There is no point whose nearest terms could be found.")
        exact, _ = open_search(self._index.vectors, "exact").nearest(points, k)
        found, _ = self._index.nearest(points, k)
        return float(np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)]))

    def save(self, path):
        """Write the vectors, the labels and the index, for `load`.

        Parameters
        ----------
        path : str or Path
        """
        joblib.dump(self, path)

    @staticmethod
    def load(path, mmap=True):
        """Read what `save` has written.

        Parameters
        ----------
        path : str or Path
            Of a trusted file: it is a pickle.
        mmap : bool, default=True
            Leave vectors and index in the file and map it into memory: processes that load it
            share one copy.

        Returns
        -------
        LabelSpace

        Raises
        ------
        ValueError
            If the file holds no label space.
        """
        try:
            space = joblib.load(path, mmap_mode="r" if mmap else None)
        except (EOFError, IndexError, KeyError, UnpicklingError):
            space = None
        if not isinstance(space, LabelSpace):
            raise ValueError(f"{str(path)!r} holds no LabelSpace.")
        return space

    def check_k(self, k):
        """Refuse a number of answers that there are not.

        Parameters
        ----------
        k : int

        Raises
        ------
        ValueError
            If k is no whole number from 1 to the number of labels.
        """
        _check_k(k, self.n_labels, "candidate labels")

    def _check_points(self, points):
        points = np.asarray(points)
        if points.ndim != 2 or points.shape[1] != self.vector_size:
            raise ValueError(
                f"Points are of shape (n, {self.vector_size}), got shape {points.shape}."
            )
        if points.dtype not in (np.float32, np.float64):
            points = points.astype(np.float64)  # Scores of whole numbers are not whole.
        if not np.isfinite(points).all():
            raise ValueError("Points hold NaN or infinity: there is nothing near to them.")
        return points


def _check_k(k, most, what):
    if not isinstance(k, Integral) or not 1 <= k <= most:
        raise ValueError(
            f"k={k!r} is out of range: there are {most} {what}, so k must be a whole number "
            f"between 1 and {most}."
        )


def _with_vectors(vocabulary, rows):
    """The labels that have a vector, and the rows of each; the others are refused or dropped."""
    found = np.array([bool(own) for own in rows])
    if found.all():
        return vocabulary.labels, rows
    missing = vocabulary.labels[~found].tolist()
    if vocabulary.on_missing == "error" or not found.any():
        raise LabelWithoutVectorError(missing, n_asked=len(rows))
    names = ", ".join(map(repr, missing[:_N_NAMED]))
    if len(missing) > _N_NAMED:
        names += f" and {len(missing) - _N_NAMED} more, which LabelVocabulary.coverage names"
    warnings.warn(
        f"{len(missing)} of {len(rows)} labels have no vector and are dropped: {names}.",
        stacklevel=3,
    )
    return vocabulary.labels[found], [own for own in rows if own]


def _embed(embedder, terms, templates):
    """Unit vectors of terms, each the mean over the templates that it fills."""
    # set_output turns what `transform` returns into a table.
    if not templates:
        return np.asarray(embedder.transform(terms))
    filled = [template.format(term) for term in terms for template in templates]
    vectors = np.asarray(embedder.transform(filled)).reshape(len(terms), len(templates), -1)
    return normalize(vectors.mean(axis=1))
