"""Term vectors of which some were trained together with a classifier."""

import numpy as np

from skdevise.language._terms import check_terms, find_rows, index_terms


class TunedEmbedder:
    """Term embedder with new unit vectors (n_terms, vector_size) for some terms.

    A new vector also serves the other spellings for which `embedder` returns the same vector.
    """

    def __init__(self, embedder, terms, vectors):
        self.embedder = embedder
        self.terms = list(terms)
        self.vectors = np.asarray(vectors, dtype=np.float32)
        self._row_of = {term: row for row, term in enumerate(self.terms)}
        self._index = index_terms(self.terms)
        self._untuned = np.asarray(embedder.transform(self.terms), dtype=np.float32)

    def __repr__(self):
        return f"TunedEmbedder({self.embedder!r}, {len(self.terms)} terms)"

    def transform(self, X):
        """Return the unit vector of each term: (n_terms, vector_size) float32."""
        terms = check_terms(X)
        vectors = np.array(self.embedder.transform(terms), dtype=np.float32)
        rows = np.array([self._row_of.get(term, -1) for term in terms], dtype=np.intp)
        rows = np.where(rows >= 0, rows, find_rows(terms, self._index))
        # The embedder may know both spellings as different terms, as in "glass" and "glasses".
        same = np.isclose(vectors, self._untuned[rows], atol=1e-6).all(axis=1)
        tuned = same & (rows >= 0)
        vectors[tuned] = self.vectors[rows[tuned]]
        return vectors

    def has_vector(self, X):
        """Return whether each term has a vector: (n_terms,) bool."""
        return self._ask("has_vector", X)

    def has_term(self, X):
        """Return whether each term is known as one unit: (n_terms,) bool."""
        return self._ask("has_term", X)

    def _ask(self, method, X):
        if hasattr(self.embedder, method):
            return getattr(self.embedder, method)(X)
        return np.ones(len(X), dtype=bool)
