"""Term vectors from a table or a file."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import gen_batches

from skdevise._compat import Interval, StrOptions
from skdevise._typing import PathLike
from skdevise._untrained import ImmutableMixin
from skdevise._utils import as_array, check_count
from skdevise.language._io import TermTable, read_vectors, table_of, without_repeats, write_vectors
from skdevise.language._mixins import TermTableMixin, TermTransformerMixin
from skdevise.language._postprocessing import (
    CommonComponent,
    finite_rows,
    unit_rows,
    without_rounding,
)
from skdevise.language._terms import (
    PackedTerms,
    TermTuple,
    check_terms,
    find_rows,
    split_capitals,
    words_of,
)

# "potter's wheel" consists of the words "potter" and "wheel", and "the red crab" of two words.
_NO_WORD = re.compile(r"['’]s\b|^\s*(an?|the)[\s_]+", re.IGNORECASE)

# Rows of the table to process at once.
_BLOCK = 8192


class PretrainedEmbedder(ImmutableMixin, TermTableMixin, TermTransformerMixin, BaseEstimator):
    """Term vectors from a table or a file, such as GloVe, word2vec or fastText.

    Look-up ignores case, and treats "_" and "-" like blanks. It also finds English plurals and
    singulars: "wolves" finds "wolf". Accents may be missing in the table: "café" finds "cafe".
    Capitals can separate words: "SeaLake" finds "sea lake". If several terms match, the closest
    spelling wins.

    The embedder needs no `fit`. Its parameters cannot be changed, and `sklearn.base.clone` returns
    the embedder itself. A grid search therefore never copies the vectors.

    Parameters
    ----------
    vectors : dict, tuple (terms, matrix) or gensim KeyedVectors
        Terms and their vectors, which need not have unit length. If a term occurs twice, the first
        vector counts, and a warning says so. Terms that differ only in case or "_" keep their own
        vectors. To read a file, call :meth:`load`.
    oov : {"compose", "error"}, default="compose"
        Treatment of terms that are not in the table (out of vocabulary). "compose" averages the
        unit vectors of the words of a term if all words are known. The vectors of a fastText model
        also cover unknown words, by their character n-grams. "error" raises an error; use it if a
        composed vector is not good enough for you.
    center : bool, default=False
        Subtract the mean vector of the table. Try it if even unrelated terms have high cosines.
    all_but_the_top : int, default=0
        Number of principal directions to subtract, together with the mean [1]_. These directions
        depend on word frequency more than on meaning. The paper recommends about
        ``vector_size / 100``. The default 0 subtracts none.

    Attributes
    ----------
    terms_ : tuple of str
        Terms of the table.
    vector_size_ : int
        Dimension of the vectors.

    See Also
    --------
    SkipGramEmbedder : Trains term vectors on text. Its `vectors_` is a PretrainedEmbedder.
    EncoderEmbedder : Computes vectors with a text encoder.

    References
    ----------
    .. [1] Mu and Viswanath, "All-but-the-Top: Simple and Effective Postprocessing for Word
       Representations", ICLR 2018.

    Examples
    --------
    >>> from skdevise import PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"white": [0, 1], "shark": [3, 0], "Great_dane": [1, 1]})
    >>> embedder.transform(["Sharks", "great dane", "white shark"]).round(2)
    array([[1.  , 0.  ],
           [0.71, 0.71],
           [0.71, 0.71]], dtype=float32)
    """

    _parameter_constraints = {
        "vectors": "no_validation",
        "oov": [StrOptions({"compose", "error"})],
        "center": ["boolean"],
        "all_but_the_top": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        vectors: Any,
        *,
        oov: Literal["compose", "error"] = "compose",
        center: bool = False,
        all_but_the_top: int = 0,
    ) -> None:
        self.vectors = vectors
        self.oov = oov
        self.center = center
        self.all_but_the_top = all_but_the_top

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep : bool, default=True
            Present for compatibility with scikit-learn.

        Returns
        -------
        dict
            The parameters. `vectors` is a table, whose text form does not show the numbers.
        """
        params = super().get_params(deep)
        try:
            return params | {"vectors": self._given_table}
        except (TypeError, ValueError):  # `fit` refuses these parameters.
            return params

    @classmethod
    def load(
        cls,
        path: PathLike,
        *,
        limit: int | None = None,
        mmap: bool = False,
        trusted: bool = False,
        **options: Any,
    ) -> Self:
        """Read term vectors from a file.

        The suffix of the file determines the format:

        ======================================= ================================================
        Suffix                                  Format
        ======================================= ================================================
        ``.safetensors``                        Written by :meth:`save`. Opens fastest.
        ``.bin``                                word2vec binary format, or a fastText model.
        ``.kv``, ``.wordvectors``, ``.model``   Saved by gensim: KeyedVectors, Word2Vec, FastText.
        any other, such as ``.txt``, ``.vec``   Text of word2vec, GloVe or fastText.
        ======================================= ================================================

        Text and binary files may be compressed (.gz, .bz2, .xz, or a .zip with one file, whose
        suffix counts) and may be remote, such as "s3://bucket/vectors.txt.gz". fsspec opens remote
        files, and some protocols need another package, such as s3fs.

        Parameters
        ----------
        path : str or Path
            File to read.
        limit : int, default=None
            Number of terms to read. Most files list frequent terms first, so a limit drops rare
            terms and saves memory. None reads all terms.
        mmap : bool, default=False
            Leave the vectors on disk and read them when needed. This saves memory and time, but
            skips the checksums and the check for values that are not finite. Only ``.safetensors``
            files, and files that gensim saved, can be memory-mapped.
        trusted : bool, default=False
            Read files that gensim saved. They are pickles, and a pickle can run code. Set it only
            if you trust the source of the file.
        **options
            Parameters `oov`, `center` and `all_but_the_top` of the embedder.

        Returns
        -------
        embedder : PretrainedEmbedder
            Embedder with the terms and vectors of the file.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If the file is malformed, or cannot be memory-mapped. The error names the file and, for
            text files, the line.
        UntrustedError
            If gensim saved the file, and `trusted` is False.

        Warns
        -----
        UserWarning
            If terms are repeated. Only the first vector of each term is kept.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from skdevise import PretrainedEmbedder
        >>> embedder = PretrainedEmbedder({"white": [0, 1], "shark": [3, 0]})
        >>> with TemporaryDirectory() as folder:
        ...     embedder.save(Path(folder) / "vectors.txt")
        ...     PretrainedEmbedder.load(Path(folder) / "vectors.txt", limit=1)
        PretrainedEmbedder(vectors=TermTable(1 terms, 2-d))
        """
        if limit is not None:
            check_count("limit", limit)
        return cls(read_vectors(path, limit, mmap, trusted), **options)

    def save(self, path: PathLike) -> None:
        """Write the terms and vectors to a file.

        The file contains the vectors after `center` and `all_but_the_top`, so load it without these
        options.

        Parameters
        ----------
        path : str or Path
            File to write. The suffix ``.safetensors`` gives the format that opens fastest and can
            be memory-mapped. ``.bin`` gives the word2vec binary format. Any other suffix gives
            word2vec text. In the word2vec formats, "_" replaces the blanks of a term; look-up
            treats both alike. Add .gz, .bz2 or .xz to compress these formats.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ValueError
            If a vector is not finite, or a term contains a line break. Also if the suffix names a
            format that this method cannot write, such as ``.kv`` or ``.zip``.

        Warns
        -----
        UserWarning
            If the format cannot hold the n-grams of a fastText model.
        """
        terms, matrix, subwords = self._table
        if self._common is not None:
            blocks = [self._own_part(matrix[rows]) for rows in gen_batches(len(matrix), _BLOCK)]
            matrix = np.concatenate(blocks)
            if subwords is not None:
                subwords = replace(subwords, vectors=self._own_part(subwords.vectors))
        elif not np.issubdtype(matrix.dtype, np.floating):
            matrix = matrix.astype(np.float32)
        write_vectors(path, terms, matrix, subwords)

    @cached_property
    def terms_(self) -> tuple[str, ...]:
        """Terms of the table: tuple of str."""
        return tuple(self._table.terms)

    @property
    def vector_size_(self) -> int:
        """Dimension of the vectors: int."""
        return self._table.matrix.shape[1]

    @property
    def _n_features_out(self):
        return self.vector_size_

    def _validate_params(self):
        super()._validate_params()
        vector_size = self._given_table.matrix.shape[1]
        if self.all_but_the_top >= vector_size:
            raise ValueError(
                f"all_but_the_top={self.all_but_the_top} removes all {vector_size} dimensions. "
                "Choose a smaller number."
            )

    @cached_property
    def _table(self):
        """Table of terms, after a check of all parameters."""
        self._validate_params()
        return self._given_table

    @cached_property
    def _given_table(self):
        """Table of terms."""
        return _as_table(self.vectors)

    @cached_property
    def _common(self):
        """Component to subtract from all vectors, or None."""
        if not self.center and not self.all_but_the_top:
            return None
        matrix = self._table.matrix
        blocks = (matrix[rows] for rows in gen_batches(len(matrix), _BLOCK))
        return CommonComponent.fit(blocks, self.all_but_the_top)

    def _find_rows(self, terms):
        return find_rows(terms, self._table.terms)

    def _unit_blocks(self):
        terms = self._table.terms
        return terms, (self._units(rows) for rows in gen_batches(len(terms), _BLOCK))

    def _units(self, rows):
        """Return the unit vectors of some rows of the table."""
        return unit_rows(self._own_part(self._table.matrix[rows]))

    def _own_part(self, vectors):
        """Subtract the common component, if any. Rows without direction become zeros."""
        return finite_rows(vectors) if self._common is None else self._common.remove(vectors)

    def _embed(self, terms):
        """Return the unit vectors of terms, with zeros for unknown terms."""
        vectors, unknown = self._look_up(terms)
        if self.oov == "compose" and len(unknown):
            vectors[unknown] = self._compose([terms[i] for i in unknown])
        return vectors

    def _look_up(self, terms):
        """Return the unit vectors of terms, and the positions of those not in the table."""
        rows = self._find_rows(terms)
        vectors = np.zeros((len(terms), self.vector_size_), dtype=np.float32)
        vectors[rows >= 0] = self._units(rows[rows >= 0])
        return vectors, np.flatnonzero(rows < 0)

    def _compose(self, terms):
        """Average the unit vectors of the words of each term, with zeros if one is unknown."""
        vectors = np.zeros((len(terms), self.vector_size_), dtype=np.float32)
        words_of_term = [words_of(_NO_WORD.sub("", split_capitals(term))) for term in terms]
        composed = [i for i, words in enumerate(words_of_term) if words]
        if not composed:
            return vectors
        words = list(dict.fromkeys(chain.from_iterable(words_of_term)))
        units, unknown = self._look_up(words)
        if self._table.subwords is not None:
            embedded = self._table.subwords.embed([words[i] for i in unknown])
            units[unknown] = unit_rows(self._own_part(embedded))
        row_of = {word: row for row, word in enumerate(words)}
        parts = units[[row_of[word] for i in composed for word in words_of_term[i]]]
        starts = np.cumsum([0, *(len(words_of_term[i]) for i in composed[:-1])])
        known = np.logical_and.reduceat(parts.any(axis=1), starts)
        sums = without_rounding(np.add.reduceat(parts, starts), parts[starts])
        vectors[composed] = np.where(known[:, None], unit_rows(sums), 0)
        return vectors

    def __getstate__(self):
        # joblib can map the matrix into its workers only if it is an array.
        state = super().__getstate__() | {"vectors": self._table}
        cached = {"_table", "_given_table", "_common", "terms_"}
        return {name: value for name, value in state.items() if name not in cached}


def _as_table(vectors):
    """Validate the input of the constructor: TermTable."""
    if hasattr(vectors, "index_to_key"):
        vectors = table_of(vectors)
    subwords = None
    if isinstance(vectors, Mapping):
        terms, matrix = list(vectors), list(map(as_array, vectors.values()))
    elif isinstance(vectors, tuple) and len(vectors) in (2, 3):
        terms, matrix, subwords = (*vectors, None)[:3]
    else:
        raise TypeError(
            f"vectors is a {type(vectors).__name__}. Pass a dict, (terms, matrix) or gensim's "
            "KeyedVectors (model.wv), or read a file with PretrainedEmbedder.load(path)."
        )
    if not isinstance(terms, PackedTerms):
        terms = check_terms(terms)
    if not len(terms):
        raise ValueError("vectors contains no term. Pass at least one term and its vector.")
    try:
        matrix = np.asanyarray(as_array(matrix))
    except ValueError as error:  # NumPy refuses rows of several lengths.
        sizes = sorted({np.size(row) for row in matrix})
        raise ValueError(
            f"The vectors have different sizes: {sizes}. Pass vectors of one size."
        ) from error
    if matrix.ndim != 2 or len(matrix) != len(terms) or not matrix.size:
        raise ValueError(
            f"The matrix of {len(terms)} terms has shape {matrix.shape}. Pass one row for each "
            "term: (n_terms, vector_size)."
        )
    if matrix.dtype.kind not in "fiu":
        raise ValueError(f"The vectors have dtype {matrix.dtype}. Pass real numbers.")
    if isinstance(terms, PackedTerms):
        return TermTable(terms, matrix, subwords)
    table = without_repeats("vectors", TermTable(terms, matrix, subwords))
    return table._replace(terms=TermTuple(table.terms))
