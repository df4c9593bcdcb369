"""Random term vectors: the baseline that knows nothing of language."""

from hashlib import blake2b
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize

from skdevise._compat import Interval
from skdevise.language._mixins import TermTransformerMixin
from skdevise.language._terms import check_terms


class RandomEmbedder(TermTransformerMixin, BaseEstimator):
    """Unit Gaussian vectors, a function of the term's text and the seed alone.

    The random-embedding baseline of the DeViSE paper [1]_ (section 4): a classifier that does as
    well with these as with word vectors has learned nothing from language.

    Parameters
    ----------
    vector_size : int, default=500
        Dimension of the vectors.
    random_state : int, default=0
        Seed. The same term gets the same vector in every process that uses the same seed.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> from skdevise import RandomEmbedder
    >>> vectors = RandomEmbedder(vector_size=3).transform(["cat", "dog", "cat"])
    >>> vectors.shape, bool((vectors[0] == vectors[2]).all())
    ((3, 3), True)
    """

    _parameter_constraints = {
        "vector_size": [Interval(Integral, 1, None, closed="left")],
        "random_state": [Integral],
    }

    def __init__(self, vector_size=500, random_state=0):
        self.vector_size = vector_size
        self.random_state = random_state

    def fit(self, X=None, y=None):
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        self : RandomEmbedder
        """
        self._validate_params()
        return self

    def has_vector(self, terms):
        """Tell which terms have a vector: all of them.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        return np.ones(len(check_terms(terms)), dtype=bool)

    def has_term(self, terms):
        """Tell which terms have a vector of their own, not composed of words: all of them.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        return self.has_vector(terms)

    def transform(self, X):
        """Give each term its vector.

        Parameters
        ----------
        X : array-like of str, of shape (n_terms,)
            Terms; anything else stands for its text.

        Returns
        -------
        ndarray of float32, of shape (n_terms, vector_size)
            Unit rows.
        """
        self._validate_params()
        terms = check_terms(X)
        vectors = np.empty((len(terms), self.vector_size), dtype=np.float32)
        for row, term in zip(vectors, terms, strict=True):
            self._gaussian(term).standard_normal(out=row, dtype=np.float32)
        return normalize(vectors) if terms else vectors

    def _gaussian(self, term):
        text = f"{self.random_state}\0{term}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(blake2b(text, digest_size=16).digest(), "big")
        return np.random.Generator(np.random.Philox(key=key))

    @property
    def _n_features_out(self):
        return self.vector_size

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
