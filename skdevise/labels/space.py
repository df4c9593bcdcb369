"""A vocabulary bound to an embedder: where labels lie, and which are nearest."""

from itertools import chain
from numbers import Integral

import numpy as np
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels.search import best_columns

# Scores of one block of rows: enough for fast matrix products, little beside the features.
_BLOCK_BYTES = 64 * 2**20


class LabelSpace:
    """The unit vectors of a vocabulary's terms, and the search over its labels.

    Which of a label's terms count is its vocabulary's `pool`. Terms without a vector do not; a
    label all of whose terms are without one is refused.

    Parameters
    ----------
    vocabulary : LabelVocabulary
    embedder : term embedder
        Its `transform` gives unit rows; its `has_vector`, if there is one, tells what it knows.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
    targets : ndarray of float32, of shape (n_labels, vector_size)
        The vector that a photo of the label is trained to meet: that of its first term with a
        vector (DeViSE, appendix A.2), or with `pool="mean"` their mean.

    Raises
    ------
    LabelWithoutVectorError
        If labels have no term with a vector; it names them all.

    Examples
    --------
    >>> from skdevise import LabelVocabulary, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "car": [0, 1], "auto": [0.6, 0.8]})
    >>> vocabulary = LabelVocabulary(["cat", "car"], {"car": ["car", "auto"]})
    >>> space = LabelSpace(vocabulary, embedder)
    >>> space.scores([[1, 0]]).round(2)
    array([[1. , 0.6]])
    """

    def __init__(self, vocabulary, embedder):
        self.labels = vocabulary.labels
        terms = list(dict.fromkeys(chain.from_iterable(vocabulary.terms)))
        known = np.ones(len(terms), dtype=bool)
        if hasattr(embedder, "has_vector"):
            known = embedder.has_vector(terms)
        row_of = {terms[i]: row for row, i in enumerate(np.flatnonzero(known))}
        rows = [[row_of[term] for term in own if term in row_of] for own in vocabulary.terms]
        missing = [label for label, own in zip(self.labels.tolist(), rows, strict=True) if not own]
        if missing:
            raise LabelWithoutVectorError(missing, n_asked=len(rows))
        # set_output turns what `transform` returns into a table.
        vectors = np.asarray(embedder.transform(list(row_of)))
        self.targets = vectors[[own[0] for own in rows]]
        if vocabulary.pool == "mean":
            self.targets = normalize([vectors[own].mean(axis=0) for own in rows])
        # The vectors that are searched, and at which of them each label's own begin.
        self._vectors = self.targets
        self._starts = np.arange(len(rows))
        if vocabulary.pool == "terms":
            self._vectors = vectors[list(chain.from_iterable(rows))]
            self._starts = np.cumsum([0] + [len(own) for own in rows[:-1]])

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
        scores = np.asarray(points) @ self._vectors.T
        if len(self._vectors) == len(self.labels):
            return scores
        return np.maximum.reduceat(scores, self._starts, axis=1)

    def top_k(self, points, k):
        """Find the k labels nearest to each point; of equally near ones the first comes first.

        Parameters
        ----------
        points : ndarray of shape (n, vector_size)
            Unit rows.
        k : int

        Returns
        -------
        labels : ndarray of shape (n, k)
        scores : ndarray of shape (n, k)
            Their cosines.

        Raises
        ------
        ValueError
            If k is below 1 or above the number of labels.
        """
        self.check_k(k)
        top = np.empty((len(points), k), dtype=np.intp)
        scores = np.empty((len(points), k), dtype=points.dtype)
        block = max(1, _BLOCK_BYTES // (points.itemsize * len(self._vectors)))
        for rows in gen_batches(len(points), block):
            block_scores = self.scores(points[rows])
            top[rows] = best_columns(block_scores, k)
            scores[rows] = np.take_along_axis(block_scores, top[rows], axis=1)
        return self.labels[top], scores

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
        n_labels = len(self.labels)
        if not isinstance(k, Integral) or not 1 <= k <= n_labels:
            raise ValueError(
                f"k={k!r} is out of range: there are {n_labels} candidate labels, so k must be a "
                f"whole number between 1 and {n_labels}."
            )
