"""Term vectors some of which were trained further."""

import numpy as np

from skdevise.language.terms import check_terms, normalise_term


class TunedEmbedder:
    """An embedder with new vectors for some of its terms.

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
        self.terms = [normalise_term(term) for term in terms]
        self.vectors = np.asarray(vectors, dtype=np.float32)
        self._row_of = {term: row for row, term in enumerate(self.terms)}

    def transform(self, X):
        """Give each term its unit vector: (n_terms, vector_size) float32."""
        vectors = np.array(self.embedder.transform(X), dtype=np.float32)
        rows = np.array([self._row_of.get(normalise_term(term), -1) for term in check_terms(X)])
        vectors[rows >= 0] = self.vectors[rows[rows >= 0]]
        return vectors

    def has_vector(self, X):
        """Tell which terms have a vector: (n_terms,) bool."""
        ask = getattr(self.embedder, "has_vector", None)
        return np.ones(len(X), dtype=bool) if ask is None else ask(X)

    def has_term(self, X):
        """Tell which terms have a vector of their own: (n_terms,) bool."""
        ask = getattr(self.embedder, "has_term", None)
        return np.ones(len(X), dtype=bool) if ask is None else ask(X)
