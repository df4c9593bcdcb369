"""Vectors of terms from a text encoder: a sentence model, or the text side of CLIP."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator

from skdevise._compat import Interval
from skdevise.language._mixins import SharedMixin, TermTransformerMixin, refuse_missing
from skdevise.language._terms import check_terms
from skdevise.language._vectors import unit_rows


class EncoderEmbedder(SharedMixin, TermTransformerMixin, BaseEstimator):
    """Unit vectors of whole texts by any encoder, which sees each text once.

    Texts such as "a photo of a {}", of which a label has the mean, are the vocabulary's:
    ``LabelVocabulary(labels, templates=...)`` fills them in.

    `sklearn.base.clone` returns the object itself, so that a grid search neither copies the
    encoder nor encodes a text again. It is pickled with its encoder and all vectors;
    ``PretrainedEmbedder((terms, embedder.transform(terms)))`` needs no encoder any more.

    Parameters
    ----------
    encoder : callable
        Takes a list of n texts, and gives an array or tensor of shape (n, vector_size): for
        example the `encode` of a SentenceTransformer.
    batch_size : int, default=256
        How many texts it gets at a time.

    See Also
    --------
    PretrainedEmbedder : Takes vectors that are computed already, as ``(terms, matrix)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdevise import LabelVocabulary
    >>> from skdevise.labels import LabelSpace
    >>> from skdevise.language import EncoderEmbedder
    >>> embedder = EncoderEmbedder(lambda texts: np.array([[len(t), t.count("a")] for t in texts]))
    >>> embedder.transform(["cat", "dog"]).round(2)
    array([[0.95, 0.32],
           [1.  , 0.  ]], dtype=float32)
    >>> templates = ["a photo of a {}", "a drawing of a {}"]
    >>> vocabulary = LabelVocabulary(["cat", "dog"], templates=templates)
    >>> LabelSpace(vocabulary, embedder).targets.shape
    (2, 2)
    """

    _parameter_constraints = {
        "encoder": [callable],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, encoder, *, batch_size=256):
        self.encoder = encoder
        self.batch_size = batch_size
        # Not what it was made of, but what it remembers: clones share it as they share the rest.
        self._vector_of = {}

    def fit(self, X=None, y=None):
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        self : EncoderEmbedder
        """
        self._validate_params()
        return self

    def transform(self, X):
        """Give each text its unit vector.

        Parameters
        ----------
        X : array-like of str, of shape (n_terms,)
            Terms or texts; "_" is read as a blank, and the case is left as it is.

        Returns
        -------
        ndarray of float32, of shape (n_terms, vector_size)
            Unit rows.

        Raises
        ------
        LabelWithoutVectorError
            If the encoder gives zeros or NaN for texts; it names them all.
        ValueError
            If it gives no matrix with a row of numbers for each text; or if there are no terms,
            and it was not asked before, so that its dimension is open.
        """
        terms = check_terms(X)
        vectors = self._embed(terms)
        vectors = np.array(vectors, np.float32).reshape(len(terms), self._n_features_out)
        refuse_missing(terms, vectors.any(axis=1))
        return vectors

    def has_vector(self, terms):
        """Tell which terms the encoder has a vector for, neither of zeros nor with NaN.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        return np.array([vector.any() for vector in self._embed(check_terms(terms))], dtype=bool)

    has_term = has_vector

    def _embed(self, terms):
        """Unit vectors of the terms, a list of them, zeros where one has none."""
        self._validate_params()
        texts = [term.replace("_", " ") for term in terms]
        new = [text for text in dict.fromkeys(texts) if text not in self._vector_of]
        for start in range(0, len(new), self.batch_size):
            self._encode(new[start : start + self.batch_size])
        return [self._vector_of[text] for text in texts]

    def _encode(self, texts):
        vectors = self.encoder(texts)
        if hasattr(vectors, "detach"):  # a tensor of torch's, wherever it is
            vectors = vectors.detach().cpu().float()
        try:
            vectors = np.asarray(vectors)
        except ValueError as error:
            raise _no_rows(texts, "rows of several lengths") from error
        size = self._n_features_out if self._vector_of else (vectors.shape or (0,))[-1]
        if not size or vectors.shape != (len(texts), size):
            raise _no_rows(texts, f"an array of shape {vectors.shape}")
        if not np.can_cast(vectors.dtype, np.float64, "same_kind"):
            raise _no_rows(texts, f"an array of {vectors.dtype}")
        self._vector_of.update(zip(texts, unit_rows(vectors), strict=True))

    @property
    def _n_features_out(self):
        if not self._vector_of:
            raise ValueError("The encoder has not been asked yet, so that its dimension is open.")
        return len(next(iter(self._vector_of.values())))


def _no_rows(texts, given):
    return ValueError(
        f"The encoder was given {len(texts)} texts, and gave {given}: it has to give a row of "
        "numbers for each, all of one length."
    )
