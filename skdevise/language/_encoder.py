"""Term vectors from a text encoder, such as a sentence model or the text tower of CLIP."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skdevise._compat import Interval
from skdevise._untrained import ImmutableMixin
from skdevise._utils import as_array
from skdevise.language._mixins import TermTransformerMixin
from skdevise.language._postprocessing import unit_rows


class EncoderEmbedder(ImmutableMixin, TermTransformerMixin, BaseEstimator):
    """Unit vectors of texts, computed by any text encoder.

    The embedder remembers its vectors, so it encodes each text once. `sklearn.base.clone` returns
    the embedder itself: a grid search does not copy the encoder and encodes nothing again. The
    encoder gets each text with blanks instead of "_", and in its own case.

    For templates such as "a photo of a {}", use ``LabelVocabulary(labels, templates=...)``. A label
    then has the mean vector of its filled-in templates.

    Parameters
    ----------
    encoder : callable
        Function that maps a list of n texts to an array or tensor of shape (n, vector_size). Other
        shapes raise ValueError. An example is the ``encode`` method of a SentenceTransformer.
    batch_size : int, default=256
        Largest number of texts in one call of the encoder. Reduce it if memory runs out.

    See Also
    --------
    PretrainedEmbedder : Takes vectors that you already computed, as ``(terms, matrix)``.

    Notes
    -----
    A pickle contains the encoder and all vectors. To store the vectors alone, use
    ``PretrainedEmbedder((terms, embedder.transform(terms)))``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdevise import EncoderEmbedder, LabelSpace, LabelVocabulary
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

    def __init__(self, encoder: Callable[[list[str]], Any], *, batch_size: int = 256) -> None:
        self.encoder = encoder
        self.batch_size = batch_size
        # A cache, not a parameter. Clones are the embedder itself, so they share it.
        self._vector_of = {}

    def _embed(self, terms):
        """Encode the terms that are new, and return the unit vectors of all."""
        self._validate_params()
        texts = [term.replace("_", " ") for term in terms]
        new = [text for text in dict.fromkeys(texts) if text not in self._vector_of]
        for start in range(0, len(new), self.batch_size):
            self._encode(new[start : start + self.batch_size])
        if not self._vector_of:
            raise ValueError("The vector size is unknown before the first text. Encode one first.")
        vectors = np.array([self._vector_of[text] for text in texts], dtype=np.float32)
        return vectors.reshape(len(texts), self._n_features_out)

    def _encode(self, texts):
        """Encode one batch of texts, and remember the unit vectors."""
        vectors = as_array(self.encoder(texts))
        try:
            vectors = np.asarray(vectors)
            found = f"shape {vectors.shape} and dtype {vectors.dtype}"
            size = self._n_features_out if self._vector_of else (vectors.shape or (0,))[-1]
            is_table = size and vectors.shape == (len(texts), size)
        except ValueError:  # NumPy refuses rows of several lengths.
            found, is_table = "vectors of different lengths", False
        if not is_table or vectors.dtype.kind not in "biuf":
            raise ValueError(
                f"The encoder returned {found} for {len(texts)} texts. It must return one row of "
                "numbers for each text."
            )
        self._vector_of.update(zip(texts, unit_rows(vectors), strict=True))

    @property
    def _n_features_out(self):
        if not self._vector_of:
            # `hasattr` and the HTML view of scikit-learn expect this error.
            raise AttributeError("The vector size is unknown. Encode a text first.")
        return len(next(iter(self._vector_of.values())))
