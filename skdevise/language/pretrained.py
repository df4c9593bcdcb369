"""Term vectors that were trained before."""

import re
import warnings
import zlib
from functools import cached_property
from gzip import BadGzipFile
from lzma import LZMAError
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils._param_validation import StrOptions

from skdevise.exceptions import LabelWithoutVectorError
from skdevise.language._mixins import TermTableMixin, TermTransformerMixin
from skdevise.language.terms import check_terms, normalise_term, words_of

_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)


class PretrainedEmbedder(TermTableMixin, TermTransformerMixin, BaseEstimator):
    """Immutable term vectors, looked up by name.

    Terms are found whatever their case, with "_" and " " the same; a term that is not in the
    table as it stands is looked up once more by its words alone ("in-line skate" as
    "in line skate").

    It is a stateless transformer, and `sklearn.base.clone` returns the object itself: a grid
    search never copies its vectors.

    Parameters
    ----------
    vectors : gensim KeyedVectors, dict, or tuple (terms, matrix)
        The terms and a vector for each; rows need not have unit length. Of terms that are the
        same but for case and "_", the first one counts. Files are read by `load`.
    oov : {"compose", "error"}, default="compose"
        What becomes of a term that is not in the table. "compose" gives a term of several words
        the mean of its words' unit vectors if all of them are known; "error" refuses it.

    Attributes
    ----------
    terms_ : tuple of str
        The terms of the table, in its order.
    vector_size_ : int
        Dimension of the vectors.

    See Also
    --------
    SkipGramEmbedder : Trains term vectors on text; its `vectors_` is a PretrainedEmbedder.

    Examples
    --------
    >>> from skdevise import PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"white": [0, 1], "shark": [3, 0], "Great_dane": [1, 1]})
    >>> embedder.transform(["Shark", "great dane", "white shark"]).round(2)
    array([[1.  , 0.  ],
           [0.71, 0.71],
           [0.71, 0.71]], dtype=float32)
    """

    _parameter_constraints = {"vectors": "no_validation", "oov": [StrOptions({"compose", "error"})]}

    def __init__(self, vectors, *, oov="compose"):
        self.vectors = vectors
        self.oov = oov

    @classmethod
    def load(cls, path, *, limit=None, oov="compose"):
        """Read a word2vec file (binary or text) or a GloVe text file, compressed or not.

        Parameters
        ----------
        path : str or Path
            A name with ".bin" in it is read as word2vec's binary format, every other one as text;
            the header line "n_terms vector_size", which GloVe's files lack, may be absent.
        limit : int, default=None
            Read only so many terms; such files hold the most frequent ones first.
        oov : {"compose", "error"}, default="compose"
            As in the constructor.

        Returns
        -------
        PretrainedEmbedder

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is in neither format.
        """
        from gensim.models import KeyedVectors
        from gensim.utils import open as open_text

        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file of term vectors at {str(path)!r}.")
        binary = ".bin" in path.suffixes
        has_header = True
        with warnings.catch_warnings():
            # gensim does not close a file that has no header.
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                if not binary:
                    with open_text(path, "rb") as lines:
                        n_columns = len(lines.readline().split())
                    if n_columns < 2:
                        raise ValueError("its first line holds no vector")
                    has_header = n_columns == 2
                keyed = KeyedVectors.load_word2vec_format(
                    str(path), binary=binary, no_header=not has_header, limit=limit
                )
                if not keyed.vectors.size:
                    raise ValueError("there is no vector in it")
            except (ValueError, IndexError, EOFError, BadGzipFile, LZMAError, zlib.error) as error:
                raise ValueError(
                    f"{str(path)!r} is not a file of term vectors in word2vec's "
                    f"{'binary' if binary else 'text'} format or GloVe's: {error}."
                ) from error.with_traceback(None)
        # gensim leaves places without a term at the end where terms are repeated.
        terms = [term for term in keyed.index_to_key if term is not None]
        return cls((terms, keyed.vectors[: len(terms)]), oov=oov)

    def save(self, path):
        """Write the table in word2vec's format, that `load` and gensim read.

        Parameters
        ----------
        path : str or Path
            With ".bin" in its name it becomes the binary format, else text. "_" stands for the
            blanks within a term, as is the custom there.
        """
        from gensim.models import KeyedVectors

        terms, matrix, _ = self._table
        keyed = KeyedVectors(matrix.shape[1])
        keyed.add_vectors(
            [term.replace(" ", "_") for term in terms], matrix.astype(np.float32, copy=False)
        )
        keyed.save_word2vec_format(str(path), binary=".bin" in Path(path).suffixes)

    @cached_property
    def _table(self):
        """The terms, their matrix as it was given, and the row of each normalised term."""
        if hasattr(self.vectors, "index_to_key"):
            terms, matrix = self.vectors.index_to_key, self.vectors.vectors
        elif isinstance(self.vectors, dict):
            terms, matrix = list(self.vectors), list(self.vectors.values())
        elif isinstance(self.vectors, tuple) and len(self.vectors) == 2:
            terms, matrix = self.vectors
        else:
            raise TypeError(
                "PretrainedEmbedder takes a gensim KeyedVectors, a dict, or (terms, matrix), got "
                f"{type(self.vectors).__name__}; a file is read by PretrainedEmbedder.load(path)."
            )
        terms = check_terms(terms)
        try:
            matrix = np.asanyarray(matrix)
        except ValueError as error:
            raise ValueError("The vectors of the terms differ in length.") from error
        if matrix.ndim != 2 or len(matrix) != len(terms) or not matrix.size:
            raise ValueError(
                f"{len(terms)} terms need a matrix of shape (n_terms, vector_size), "
                f"got one of shape {matrix.shape}."
            )
        if not np.issubdtype(matrix.dtype, np.number):
            raise ValueError(f"Term vectors are numbers, got an array of {matrix.dtype}.")
        # Reversed, so that the first of equal terms is the one that stays.
        rows = {normalise_term(terms[row]): row for row in reversed(range(len(terms)))}
        return tuple(terms), matrix, rows

    @property
    def terms_(self):
        """The terms of the table, in its order: tuple of str."""
        return self._table[0]

    @property
    def vector_size_(self):
        """Dimension of the vectors: int."""
        return self._table[1].shape[1]

    def fit(self, X=None, y=None):
        """Check the table; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        self : PretrainedEmbedder

        Raises
        ------
        TypeError, ValueError
            If `vectors` is no table of terms and vectors.
        """
        self._validate_params()
        self._table  # noqa: B018 (building it is the check)
        return self

    def has_vector(self, terms):
        """Tell which terms `transform` has a vector for.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        return self._embed(check_terms(terms))[1]

    def has_term(self, terms):
        """Tell which terms are in the table, not composed of words.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        row_of = self._table[2]
        return np.array([self._row(term, row_of) >= 0 for term in check_terms(terms)], dtype=bool)

    def transform(self, X):
        """Give each term its unit vector.

        Parameters
        ----------
        X : array-like of str, of shape (n_terms,)
            Terms.

        Returns
        -------
        ndarray of float32, of shape (n_terms, vector_size)
            Unit rows.

        Raises
        ------
        LabelWithoutVectorError
            If terms have no vector, or one without a direction (zeros, NaN); it names them all.
        """
        terms = check_terms(X)
        vectors, known = self._embed(terms)
        if not known.all():
            missing = [terms[i] for i in np.flatnonzero(~known)]
            raise LabelWithoutVectorError(missing, n_asked=len(terms), what="terms")
        return vectors

    def _embed(self, terms):
        """Unit vectors of the terms, and which of them are known."""
        self._validate_params()
        _, matrix, row_of = self._table
        rows = np.array([self._row(term, row_of) for term in terms], dtype=np.intp)
        vectors = np.zeros((len(terms), matrix.shape[1]), dtype=np.float32)
        vectors[rows >= 0] = _unit(matrix[rows[rows >= 0]])
        if self.oov == "compose":
            self._compose(terms, np.flatnonzero(rows < 0), vectors)
        return vectors, vectors.any(axis=1)

    def _compose(self, terms, unknown, vectors):
        """Fill in the vectors of unknown terms all of whose words are known."""
        _, matrix, row_of = self._table
        composed, rows, starts = [], [], []
        for i in unknown:
            # "potter's wheel" is composed of "potter" and "wheel".
            words = words_of(_POSSESSIVE.sub("", terms[i]))
            if words and all(word in row_of for word in words):
                composed.append(i)
                starts.append(len(rows))
                rows += [row_of[word] for word in words]
        if composed:
            units = _unit(matrix[rows])
            # A word whose own vector has no direction is not known either.
            known = np.logical_and.reduceat(units.any(axis=1), starts)
            means = _unit(np.add.reduceat(units, starts))
            vectors[composed] = np.where(known[:, None], means, 0)

    def _directed(self):
        """The terms of the table whose vectors have a direction, and these vectors."""
        terms, matrix, _ = self._table
        with np.errstate(invalid="ignore"):
            squares = np.einsum("nd,nd->n", matrix, matrix, dtype=np.float32, casting="same_kind")
        kept = np.flatnonzero(np.isfinite(squares) & (squares > 0))
        if len(kept) == len(terms):
            return terms, matrix
        return [terms[i] for i in kept], matrix[kept]

    @staticmethod
    def _row(term, row_of):
        row = row_of.get(normalise_term(term), -1)
        return row if row >= 0 else row_of.get(" ".join(words_of(term)), -1)

    @property
    def _n_features_out(self):
        return self.vector_size_

    def set_params(self, **params):
        """Refuse: clones share the embedder, so that all of them would change.

        Parameters
        ----------
        **params : dict
            Parameters that can be given to the constructor alone.

        Returns
        -------
        self : PretrainedEmbedder
            Only where there is nothing to set.
        """
        if params:
            raise ValueError(
                f"A PretrainedEmbedder cannot be changed, got {sorted(params)} to set: make "
                "another one (in a parameter grid, list the embedders themselves)."
            )
        return self

    def __sklearn_clone__(self):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def __getstate__(self):
        # As an array, which joblib maps into its workers, whatever the table was given as.
        terms, matrix, _ = self._table
        state = super().__getstate__() | {"vectors": (terms, matrix)}
        return {name: value for name, value in state.items() if name != "_table"}

    def __repr__(self):
        return f"PretrainedEmbedder({len(self.terms_)} terms, {self.vector_size_}-d)"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _unit(rows):
    """Rows of unit length, zeros where a row has no direction."""
    rows = np.asarray(rows, dtype=np.float32)
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.float32(0))
    return normalize(rows) if len(rows) else rows
