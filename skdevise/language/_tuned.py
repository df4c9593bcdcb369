"""Term vectors some of which were trained further."""

import numpy as np

from skdevise.language._lookup import TermIndex, find_terms
from skdevise.language._terms import check_terms


class TunedEmbedder:
    """An embedder with new vectors for some of its terms.

    They count in all spellings to which the embedder itself gives one vector.

    Parameters
    ----------
    embedder : term embedder
        Asked for all others; it stays as it is.
    terms : sequence of str
    vectors : array-like of float32, of shape (n_terms, vector_size)
        Unit rows.

    Examples
    --------
    >>> from skdevise import PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "dog": [0, 1]})
    >>> TunedEmbedder(embedder, ["dog"], [[0.6, 0.8]]).transform(["cat", "Dog"])
    array([[1. , 0. ],
           [0.6, 0.8]], dtype=float32)
    """

    def __init__(self, embedder, terms, vectors):
        self.embedder = embedder
        self.terms = list(terms)
        self.vectors = np.asarray(vectors, dtype=np.float32)
        self._row_of = {term: row for row, term in enumerate(self.terms)}
        self._index = TermIndex.build(self.terms)

    def transform(self, X):
        """Give each term its unit vector: (n_terms, vector_size) float32."""
        terms = check_terms(X)
        vectors = np.array(self.embedder.transform(terms), dtype=np.float32)
        rows = self._rows(terms, vectors)
        vectors[rows >= 0] = self.vectors[rows[rows >= 0]]
        return vectors

    def _rows(self, terms, vectors):
        """The row of each term, or -1; `vectors` are those that the embedder gives."""
        rows = np.array([self._row_of.get(term, -1) for term in terms], dtype=np.intp)
        others = np.flatnonzero(rows < 0)
        found = find_terms([terms[i] for i in others], self._index, self.terms)
        others, found = others[found >= 0], found[found >= 0]
        if len(found):
            # The embedder may know what looks like a spelling as a term: "glass" and "glasses".
            untuned = np.asarray(self.embedder.transform([self.terms[row] for row in found]))
            same = np.isclose(vectors[others], untuned, atol=1e-6).all(axis=1)
            rows[others[same]] = found[same]
        return rows

    def has_vector(self, X):
        """Tell which terms have a vector: (n_terms,) bool."""
        ask = getattr(self.embedder, "has_vector", None)
        return np.ones(len(X), dtype=bool) if ask is None else ask(X)

    def has_term(self, X):
        """Tell which terms have a vector of their own: (n_terms,) bool."""
        ask = getattr(self.embedder, "has_term", None)
        return np.ones(len(X), dtype=bool) if ask is None else ask(X)
