"""Random term vectors: the baseline without knowledge of language."""

from hashlib import blake2b
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize

from skdevise._compat import Interval
from skdevise._untrained import UntrainedMixin
from skdevise.language._mixins import TermTransformerMixin


class RandomEmbedder(UntrainedMixin, TermTransformerMixin, BaseEstimator):
    """Random unit vectors of terms.

    This is the random-embedding baseline of the DeViSE paper [1]_ (section 4). Compare your word
    vectors with it. If a classifier is no better with word vectors, it learns nothing from
    language. The directions are uniformly distributed. Each vector depends only on the text of its
    term and on the seed, so "cat" and "Cat" have different vectors.

    Parameters
    ----------
    vector_size : int, default=500
        Dimension of the vectors. Use the dimension of the word vectors that you compare with.
    random_state : int, default=0
        Seed of the vectors. The same seed gives the same vectors in every process. None is not
        allowed, because each call would then return other vectors for the same term.

    See Also
    --------
    PretrainedEmbedder : Word vectors from a file or a table.

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
        "random_state": [Interval(Integral, None, None, closed="neither")],
    }
    _looks_up_words = False  # A number has a vector like any other term.

    def __init__(self, vector_size: int = 500, random_state: int = 0) -> None:
        self.vector_size = vector_size
        self.random_state = random_state

    def _embed(self, terms):
        self._validate_params()
        vectors = np.empty((len(terms), self.vector_size), dtype=np.float32)
        for row, term in zip(vectors, terms, strict=True):
            text = f"{self.random_state}\0{term}".encode("utf-8", "surrogatepass")
            # This hash is a seed. Another hash would change the vectors of published results.
            key = int.from_bytes(blake2b(text, digest_size=16).digest(), "big")
            rng = np.random.Generator(np.random.Philox(key=key))
            rng.standard_normal(out=row, dtype=np.float32)
        return normalize(vectors) if terms else vectors

    def _has_vector(self, terms):
        return np.ones(len(terms), dtype=bool)

    @property
    def _n_features_out(self):
        return self.vector_size
