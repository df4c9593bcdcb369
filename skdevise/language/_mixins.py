"""Shared behaviour of the term embedders."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skdevise._compat import DocumentationLinkMixin
from skdevise._ranking import best_columns, nearest_by_product
from skdevise._typing import ArrayLike, NDArray, Terms
from skdevise._utils import as_array, check_count, warn
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.language._postprocessing import unit_rows
from skdevise.language._terms import check_terms, normalise_term


class TermTransformerMixin(
    DocumentationLinkMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """Transformer whose samples are terms.

    A subclass defines `_embed(terms)`. For a list of str, it returns unit rows of shape
    (n_terms, vector_size), with zeros for terms without a vector.
    """

    def transform(self, X: Terms) -> NDArray[np.float32]:
        """Return the unit vector of each term.

        Parameters
        ----------
        X : array-like of str, shape (n_terms,)
            Terms. Numbers are converted to text.

        Returns
        -------
        ndarray of float32, shape (n_terms, vector_size)
            Unit rows.

        Raises
        ------
        LabelWithoutVectorError
            If terms have no vector, or one that is zero or not finite. The error lists all of them
            in `missing`.
        """
        terms = check_terms(X)
        vectors = self._embed(terms)
        known = vectors.any(axis=1)
        if not known.all():
            missing = [terms[i] for i in np.flatnonzero(~known)]
            raise LabelWithoutVectorError(missing, n_asked=len(terms), what="terms")
        return vectors

    def has_vector(self, terms: Terms) -> NDArray[np.bool_]:
        """Return whether `transform` has a vector for each term.

        Parameters
        ----------
        terms : array-like of str, shape (n_terms,)
            Terms to look up.

        Returns
        -------
        ndarray of bool, shape (n_terms,)
            Also true for terms whose vector is composed of those of their words.
        """
        return self._has_vector(check_terms(terms))

    def has_term(self, terms: Terms) -> NDArray[np.bool_]:
        """Return whether each term has a vector as a whole, not one composed of its words.

        Parameters
        ----------
        terms : array-like of str, shape (n_terms,)
            Terms to look up.

        Returns
        -------
        ndarray of bool, shape (n_terms,)
            False for terms without a vector, and for terms with a composed one.
        """
        return self._has_term(check_terms(terms))

    def _has_vector(self, terms):
        # An encoder cannot embed an empty list, because its vector size is not known yet.
        return self._embed(terms).any(axis=1) if terms else np.empty(0, dtype=bool)

    def _has_term(self, terms):
        return self._has_vector(terms)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


class TermTableMixin:
    """Similarity search in a table of terms.

    A subclass defines `_unit_blocks()`, which returns the terms and an iterable of blocks of their
    unit vectors (n, vector_size), with zeros for terms without direction. It also defines
    `_find_rows(terms)`, which returns the row of each term, or -1.
    """

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the nearest term of each vector by cosine.

        Parameters
        ----------
        X : array-like of shape (n_vectors, vector_size)
            Vectors to compare with. They need not be normalised.

        Returns
        -------
        ndarray of str, shape (n_vectors,)
            The nearest terms.
        """
        return self.nearest(X, k=1)[:, 0]

    def nearest(self, X: ArrayLike, k: int = 10, return_cosines: bool = False) -> Any:
        """Return the k nearest terms of each vector by cosine.

        Use it for your own vectors, such as the output of a classifier's `transform`. To start from
        a term, use `most_similar`.

        Parameters
        ----------
        X : array-like of shape (n_vectors, vector_size)
            Vectors to compare with. They need not be normalised.
        k : int, default=10
            Number of terms to return for each vector.
        return_cosines : bool, default=False
            Return the cosines too.

        Returns
        -------
        terms : ndarray of str, shape (n_vectors, k)
            Terms in descending order of their cosines.
        cosines : ndarray of float32, shape (n_vectors, k)
            Cosines of these terms. Only returned if `return_cosines=True`.

        Raises
        ------
        ValueError
            If fewer than k terms have a vector, or X has another dimension.

        Examples
        --------
        >>> from skdevise import PretrainedEmbedder
        >>> embedder = PretrainedEmbedder({"white": [0, 1], "shark": [1, 0], "whale": [2, 1]})
        >>> embedder.nearest([[5, 1]], k=2)
        array([['shark', 'whale']], dtype='<U5')
        """
        check_count("k", k)
        terms, rows, cosines = self._search(X, k)
        if rows.shape[1] < k:
            raise ValueError(
                f"k={k} is too large, because only {rows.shape[1]} terms have a vector. Reduce k."
            )
        names = np.array([terms[row] for row in rows.ravel()]).reshape(rows.shape)
        return (names, cosines) if return_cosines else names

    def most_similar(self, term: str, k: int = 10) -> list[tuple[str, float]]:
        """Return the terms most similar to a term by cosine.

        Parameters
        ----------
        term : str
            Term to compare with. It need not be in the table if `transform` has a vector for it.
        k : int, default=10
            Number of similar terms to return. If the table has fewer, all are returned.

        Returns
        -------
        list of (str, float)
            Similar terms and their cosines, in descending order. The term itself is left out, in
            all its spellings.

        Raises
        ------
        LabelWithoutVectorError
            If the term has no vector.

        Examples
        --------
        >>> from skdevise import PretrainedEmbedder
        >>> embedder = PretrainedEmbedder({"white": [0, 1], "shark": [1, 0], "whale": [2, 1]})
        >>> embedder.most_similar("Sharks", k=1)
        [('whale', 0.894...)]
        """
        terms = check_terms([term])
        return self._similar(np.asarray(self.transform(terms)), terms, k)

    def analogy(
        self, positive: Sequence[str], negative: Sequence[str] = (), k: int = 10
    ) -> list[tuple[str, float]]:
        """Solve an analogy, such as king - man + woman = queen.

        Add the unit vectors of `positive`, subtract the unit vectors of `negative`, and return the
        terms that are nearest to the result (3CosAdd [1]_).

        Parameters
        ----------
        positive : sequence of str
            Terms to add. Give at least one.
        negative : sequence of str, default=()
            Terms to subtract.
        k : int, default=10
            Number of terms to return. If the table has fewer, all are returned.

        Returns
        -------
        list of (str, float)
            Nearest terms and their cosines, in descending order, without the given terms.

        Raises
        ------
        LabelWithoutVectorError
            If terms have no vector. The error lists all of them in `missing`.
        ValueError
            If `positive` is empty, or the sum is zero.

        References
        ----------
        .. [1] Levy and Goldberg, "Linguistic Regularities in Sparse and Explicit Word
           Representations", CoNLL 2014.

        Examples
        --------
        >>> from skdevise import PretrainedEmbedder
        >>> vectors = {"man": [1, 0, 0], "woman": [1, 1, 0], "king": [1, 0, 1], "queen": [1, 1, 1]}
        >>> PretrainedEmbedder(vectors).analogy(["king", "woman"], ["man"], k=1)
        [('queen', 0.975...)]
        """
        positive, negative = check_terms(positive), check_terms(negative)
        if not positive:
            raise ValueError("positive=[] contains no term. Give at least one.")
        signs = [1] * len(positive) + [-1] * len(negative)
        terms = positive + negative
        total = np.array(signs, np.float32) @ np.asarray(self.transform(terms))
        if np.linalg.norm(total) < 1e-6:
            raise ValueError(f"{positive} and {negative} cancel each other. Choose other terms.")
        return self._similar(total[None], terms, k)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the Spearman correlation between cosines and human ratings of similarity.

        Data sets such as WordSim-353 contain pairs of words with such ratings.

        Parameters
        ----------
        X : array-like of str, shape (n_pairs, 2)
            Pairs of terms. Pairs with a term that has no vector are left out with a warning.
        y : array-like of shape (n_pairs,)
            Ratings of the pairs. Higher means more similar.

        Returns
        -------
        float
            Rank correlation from -1 to 1.

        Raises
        ------
        ValueError
            If fewer than two pairs have vectors, X does not have two columns, or y is not numeric.
        """
        pairs = np.asarray(X, dtype=object)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f"X has shape {pairs.shape}. Pass pairs of terms: (n_pairs, 2).")
        ratings = column_or_1d(check_array(as_array(y), ensure_2d=False, input_name="y"))
        check_consistent_length(pairs, ratings)
        first, second = map(check_terms, pairs.T)
        known = self.has_vector(first) & self.has_vector(second)
        if not known.all():
            unknown = [f"{first[i]} - {second[i]}" for i in np.flatnonzero(~known)]
            warn(
                f"{len(unknown)} of {len(known)} pairs are left out, because a term has no "
                f"vector: {', '.join(unknown)}.",
            )
        kept = np.flatnonzero(known)
        if len(kept) < 2:
            raise ValueError(
                f"Only {len(kept)} of {len(known)} pairs have vectors. Pass two or more such pairs."
            )
        cosines = np.einsum(
            "nd,nd->n",
            np.asarray(self.transform([first[i] for i in kept])),
            np.asarray(self.transform([second[i] for i in kept])),
        )
        return float(spearmanr(cosines, ratings[kept]).statistic)

    def _has_term(self, terms):
        return self._find_rows(terms) >= 0

    def _similar(self, point, given, k):
        """List the k terms nearest to a point (1, d), without all spellings of the given terms."""
        check_count("k", k)
        table, _ = self._unit_blocks()
        found = [table[row] for row in self._find_rows(given) if row >= 0]
        excluded = set(map(normalise_term, given + found))
        n_searched = k
        while True:
            # Excluded terms may have many spellings, so the search widens until k terms remain.
            n_searched += 2 * len(excluded)
            terms, (rows,), (cosines,) = self._search(point, n_searched)
            similar = [
                (terms[row], float(cosine))
                for row, cosine in zip(rows, cosines, strict=True)
                if normalise_term(terms[row]) not in excluded
            ]
            if len(similar) >= k or n_searched >= len(terms):
                return similar[:k]
            n_searched *= 2

    def _search(self, X, k):
        """Return the terms, and the rows and cosines of those nearest to each point.

        The arrays have the shape (n, k), or fewer columns if fewer terms have a direction.
        """
        points = unit_rows(check_array(as_array(X), dtype=np.float32))
        terms, blocks = self._unit_blocks()
        rows = np.empty((len(points), 0), dtype=np.intp)
        cosines = np.empty((len(points), 0), dtype=np.float32)
        start = 0
        for block in blocks:
            if block.shape[1] != points.shape[1]:
                raise ValueError(
                    f"X has {points.shape[1]} columns, but the term vectors have {block.shape[1]}. "
                    "Use vectors of the same embedder."
                )
            with_direction = np.flatnonzero(block.any(axis=1))
            if len(with_direction):
                n_found = min(k, len(with_direction))
                columns, found = nearest_by_product(points, block[with_direction], n_found)
                rows = np.hstack([rows, start + with_direction[columns]])
                cosines = np.hstack([cosines, found])
                best = best_columns(cosines, min(k, cosines.shape[1]))
                rows, cosines = (np.take_along_axis(part, best, axis=1) for part in (rows, cosines))
            start += len(block)
        return terms, rows, cosines
