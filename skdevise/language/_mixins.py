"""What the embedders have in common."""

import warnings

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import cosine_similarity

from skdevise.language.terms import check_terms, normalise_term


class TermTransformerMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """A transformer whose samples are terms."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


class TermTableMixin:
    """Questions to a table of terms; `_directed` gives the terms and their vectors."""

    def predict(self, X):
        """Name the nearest term, by cosine, of each vector.

        Parameters
        ----------
        X : array-like of shape (n_vectors, vector_size)

        Returns
        -------
        ndarray of str, of shape (n_vectors,)
        """
        terms, matrix = self._directed()
        nearest = pairwise_distances_argmin(
            X, matrix.astype(np.float32, copy=False), metric="cosine"
        )
        return np.array([terms[i] for i in nearest])

    def most_similar(self, term, k=10):
        """List the terms nearest to a term, by cosine.

        Parameters
        ----------
        term : str
        k : int, default=10

        Returns
        -------
        list of (str, float)
            The k nearest other terms, the nearest first, with their cosines.
        """
        terms, matrix = self._directed()
        cosines = cosine_similarity(np.asarray(self.transform([term])), matrix)[0]
        itself = normalise_term(term)
        nearest = (i for i in np.argsort(-cosines) if normalise_term(terms[i]) != itself)
        return [(terms[i], float(cosines[i])) for i, _ in zip(nearest, range(k), strict=False)]

    def score(self, X, y):
        """Spearman correlation of cosines with human ratings of similarity.

        Parameters
        ----------
        X : sequence of (str, str)
            Pairs of terms.
        y : array-like of shape (n_pairs,)
            The ratings, higher for more similar.

        Returns
        -------
        float
            Over the pairs whose terms both have vectors; the others are named in a warning.
        """
        if not len(X):
            raise ValueError("There are no pairs of terms to score: give at least two.")
        first, second = (check_terms(side) for side in zip(*X, strict=True))
        known = self.has_vector(first) & self.has_vector(second)
        if not known.all():
            skipped = [f"{first[i]} - {second[i]}" for i in np.flatnonzero(~known)]
            warnings.warn(
                f"{len(skipped)} of {len(known)} pairs are left out, as a term has no vector: "
                f"{', '.join(skipped)}.",
                stacklevel=2,
            )
        kept = np.flatnonzero(known)
        cosines = np.einsum(
            "nd,nd->n",
            np.asarray(self.transform([first[i] for i in kept])),
            np.asarray(self.transform([second[i] for i in kept])),
        )
        return float(spearmanr(cosines, np.asarray(y)[kept]).statistic)
