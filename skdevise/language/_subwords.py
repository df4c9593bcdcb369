"""Vectors of words that were never seen, from the letters that they are made of."""

import numpy as np


class Subwords:
    """The character n-grams of a fastText model [1]_.

    Parameters
    ----------
    vectors : ndarray of shape (n_buckets, vector_size)
        The n-grams' vectors, by hash.
    min_n, max_n : int
        Lengths of the n-grams.

    References
    ----------
    .. [1] Bojanowski et al., "Enriching Word Vectors with Subword Information", TACL 2017.

    Examples
    --------
    >>> import numpy as np
    >>> Subwords(np.ones((10, 2)), min_n=3, max_n=4).embed(["gerenuk"])
    array([[1., 1.]], dtype=float32)
    """

    def __init__(self, vectors, min_n, max_n):
        self.vectors = vectors
        self.min_n = min_n
        self.max_n = max_n

    @classmethod
    def of(cls, keyed):
        """Take them from a gensim KeyedVectors: Subwords, or None if it has none."""
        if not getattr(keyed, "bucket", 0) or getattr(keyed, "vectors_ngrams", None) is None:
            return None
        return cls(keyed.vectors_ngrams, keyed.min_n, keyed.max_n)

    def embed(self, words):
        """Give each word the mean of its n-grams' vectors.

        Parameters
        ----------
        words : sequence of str

        Returns
        -------
        ndarray of float32, of shape (n_words, vector_size)
            Zeros for a word that is too short to have an n-gram.
        """
        from gensim.models.fasttext import ft_ngram_hashes

        found = np.zeros((len(words), self.vectors.shape[1]), dtype=np.float32)
        for row, word in zip(found, words, strict=True):
            rows = ft_ngram_hashes(word, self.min_n, self.max_n, len(self.vectors))
            if len(rows):
                row[:] = self.vectors[rows].mean(axis=0, dtype=np.float32)
        return found

    def map(self, function):
        """Give the n-grams after an affine map of their vectors, which words follow: Subwords."""
        return Subwords(function(self.vectors), self.min_n, self.max_n)
