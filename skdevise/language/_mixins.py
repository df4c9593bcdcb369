"""What the embedders have in common."""

import warnings
from numbers import Integral

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_consistent_length, column_or_1d, gen_batches

from skdevise.exceptions import LabelWithoutVectorError
from skdevise.language._terms import check_terms, normalise_term
from skdevise.language._vectors import unit_rows

# Points that are compared with a block of terms at once.
_BATCH = 1024


class TermTransformerMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """A transformer whose samples are terms."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


class SharedMixin:
    """An embedder that is never fitted and never changes, so that its clones are itself."""

    def set_params(self, **params):
        """Refuse: clones share the embedder, so that all of them would change.

        Parameters
        ----------
        **params : dict
            Parameters that can be given to the constructor alone.

        Returns
        -------
        self : embedder
            Only where there is nothing to set.
        """
        if params:
            raise ValueError(
                f"{type(self).__name__} cannot be changed, got {sorted(params)} to set: make "
                "another one (in a parameter grid, list the embedders themselves)."
            )
        return self

    def __sklearn_clone__(self):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class TermTableMixin:
    """Questions to a table of terms.

    `_directed` gives the terms, and their unit vectors in blocks: an iterable of matrices, whose
    rows are zeros where a term has no direction. `_rows` gives the places of terms among them, -1
    for one that is not there.
    """

    def predict(self, X):
        """Name the nearest term, by cosine, of each vector.

        Parameters
        ----------
        X : array-like of shape (n_vectors, vector_size)

        Returns
        -------
        ndarray of str, of shape (n_vectors,)
        """
        return self.nearest(X, k=1)[:, 0]

    def nearest(self, X, k=10, return_cosines=False):
        """Name the terms nearest to vectors, by cosine.

        Parameters
        ----------
        X : array-like of shape (n_vectors, vector_size)
        k : int, default=10
        return_cosines : bool, default=False

        Returns
        -------
        terms : ndarray of str, of shape (n_vectors, k)
            The nearest first.
        cosines : ndarray of float32, of shape (n_vectors, k)
            Only if `return_cosines`.

        Raises
        ------
        ValueError
            If fewer than k terms have a direction, or X is of another dimension.
        """
        terms, rows, cosines = self._nearest(X, k)
        if rows.shape[1] < k or not np.isfinite(cosines).all():
            n_terms = min(rows.shape[1], *np.isfinite(cosines).sum(axis=1))
            raise ValueError(f"k={k} is more than the {n_terms} terms that have a direction.")
        named = np.array([terms[row] for row in rows.ravel()]).reshape(rows.shape)
        return (named, cosines) if return_cosines else named

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
        terms = check_terms([term])
        return self._other_terms(np.asarray(self.transform(terms)), terms, k)

    def analogy(self, positive, negative=(), k=10):
        """List the terms that stand to some terms as others do: king - man + woman is queen.

        The terms nearest to the sum of the unit vectors of `positive` less those of `negative`
        (3CosAdd [1]_).

        Parameters
        ----------
        positive, negative : sequence of str
        k : int, default=10

        Returns
        -------
        list of (str, float)
            The k nearest terms that are not among those given, with their cosines to the sum.

        Raises
        ------
        ValueError
            If no term is positive, or the sum is nothing.

        References
        ----------
        .. [1] Levy and Goldberg, "Linguistic Regularities in Sparse and Explicit Word
           Representations", CoNLL 2014.
        """
        positive, negative = check_terms(positive), check_terms(negative)
        if not positive:
            raise ValueError("An analogy needs a positive term, got none.")
        signs = [1] * len(positive) + [-1] * len(negative)
        terms = positive + negative
        total = np.array(signs, np.float32) @ np.asarray(self.transform(terms))
        if np.linalg.norm(total) < 1e-6:
            raise ValueError(f"{positive} less {negative} leaves nothing to compare with.")
        return self._other_terms(total[None], terms, k)

    def _other_terms(self, point, left_out, k):
        """The k terms nearest to a point, without those left out in all their spellings."""
        _check_k(k)
        table, _ = self._directed()
        found = [table[row] for row in self._rows(left_out) if row >= 0]
        left_out = set(map(normalise_term, left_out + found))
        n = k + 2 * len(left_out)
        while True:
            terms, (rows,), (cosines,) = self._nearest(point, n)
            kept = [
                (terms[row], float(cosine))
                for row, cosine in zip(rows, cosines, strict=True)
                if np.isfinite(cosine) and normalise_term(terms[row]) not in left_out
            ]
            if len(kept) >= k or len(rows) < n:
                return kept[:k]
            n *= 2

    def _nearest(self, X, k):
        """The terms, and for each point the rows of the k nearest of them and the cosines.

        Terms without a direction come last, with a cosine of -inf.
        """
        _check_k(k)
        points = unit_rows(check_array(X, dtype=np.float32))
        terms, blocks = self._directed()
        rows = np.empty((len(points), 0), dtype=np.intp)
        cosines = np.empty((len(points), 0), dtype=np.float32)
        start = 0
        for block in blocks:
            if block.shape[1] != points.shape[1]:
                raise ValueError(
                    f"The terms' vectors are {block.shape[1]}-d, got {points.shape[1]}-d ones."
                )
            best = [
                _best(points[batch], block, rows[batch], cosines[batch], start, k)
                for batch in gen_batches(len(points), _BATCH)
            ]
            rows, cosines = (np.concatenate(part) for part in zip(*best, strict=True))
            start += len(block)
        order = np.argsort(-cosines, axis=1, kind="stable")
        return terms, *(np.take_along_axis(part, order, axis=1) for part in (rows, cosines))

    def score(self, X, y):
        """Spearman correlation of cosines with human ratings of similarity.

        Parameters
        ----------
        X : array-like of str, of shape (n_pairs, 2)
            Pairs of terms.
        y : array-like of shape (n_pairs,)
            The ratings, higher for more similar.

        Returns
        -------
        float
            Over the pairs whose terms both have vectors; the others are named in a warning.

        Raises
        ------
        ValueError
            If fewer than two pairs have vectors, X is not of pairs, or y is not a number for each.
        """
        pairs = np.asarray(X, dtype=object)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f"Expected pairs of terms, got an array of shape {pairs.shape}.")
        ratings = column_or_1d(check_array(y, ensure_2d=False, input_name="y"))
        check_consistent_length(pairs, ratings)
        first, second = map(check_terms, pairs.T)
        known = self.has_vector(first) & self.has_vector(second)
        if not known.all():
            skipped = [f"{first[i]} - {second[i]}" for i in np.flatnonzero(~known)]
            warnings.warn(
                f"{len(skipped)} of {len(known)} pairs are left out, as a term has no vector: "
                f"{', '.join(skipped)}.",
                stacklevel=2,
            )
        kept = np.flatnonzero(known)
        if len(kept) < 2:
            raise ValueError(
                f"{len(kept)} of {len(known)} pairs of terms have vectors: a correlation needs two."
            )
        cosines = np.einsum(
            "nd,nd->n",
            np.asarray(self.transform([first[i] for i in kept])),
            np.asarray(self.transform([second[i] for i in kept])),
        )
        return float(spearmanr(cosines, ratings[kept]).statistic)


def _check_k(k):
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k is a whole number of at least 1, got {k!r}.")


def _best(points, block, rows, cosines, start, k):
    """The k best rows so far and their cosines, after a block that begins at `start`."""
    new = points @ block.T
    new[:, ~block.any(axis=1)] = -np.inf
    columns = _top(new, k)
    rows = np.hstack([rows, start + columns])
    cosines = np.hstack([cosines, np.take_along_axis(new, columns, axis=1)])
    kept = _top(cosines, k)
    return np.take_along_axis(rows, kept, axis=1), np.take_along_axis(cosines, kept, axis=1)


def _top(cosines, k):
    """The columns of the k largest cosines in each row, in ascending order."""
    if cosines.shape[1] <= k:
        return np.broadcast_to(np.arange(cosines.shape[1]), cosines.shape)
    return np.sort(np.argpartition(-cosines, k - 1, axis=1)[:, :k], axis=1)


def refuse_missing(terms, known):
    """Name the terms that have no vector, if there are any.

    Parameters
    ----------
    terms : list of str
    known : ndarray of bool, of shape (n_terms,)

    Raises
    ------
    LabelWithoutVectorError
        If one is not known.
    """
    if not known.all():
        missing = [terms[i] for i in np.flatnonzero(~known)]
        raise LabelWithoutVectorError(missing, n_asked=len(terms), what="terms")
