"""Term vectors that were trained before."""

import re
from functools import cached_property
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import gen_batches

from skdevise._compat import Interval, StrOptions
from skdevise.language._lookup import PackedTerms, TermIndex, find_terms
from skdevise.language._mixins import (
    SharedMixin,
    TermTableMixin,
    TermTransformerMixin,
    refuse_missing,
)
from skdevise.language._postprocessing import CommonPart
from skdevise.language._table import as_table
from skdevise.language._terms import check_terms, words_of
from skdevise.language._vectors import unit_rows, with_direction, without_residue
from skdevise.language.formats import read_vectors, write_vectors

_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)

# Rows of the table that are worked on at once.
_BLOCK = 8192


class PretrainedEmbedder(SharedMixin, TermTableMixin, TermTransformerMixin, BaseEstimator):
    """Immutable term vectors, looked up by name.

    A term is looked up as it stands, whatever its case, with "_" and " " the same; then by its
    words alone ("in-line skate" as "in line skate", and the other way round); and then, if English
    knows it so, in the plural or the singular ("wolves" as "wolf"). What is nearer to the term as
    it stands goes first, and only terms of the table are ever found.

    It is a stateless transformer, and `sklearn.base.clone` returns the object itself: a grid
    search never copies its vectors.

    Parameters
    ----------
    vectors : gensim KeyedVectors, dict, or tuple (terms, matrix)
        The terms and a vector for each; rows need not have unit length. Of terms that are the
        same but for case and "_", the first one counts. Files are read by `load`; the vectors of a
        text encoder come as (terms, matrix), or from an `EncoderEmbedder`. A FastTextKeyedVectors
        keeps its n-grams.
    oov : {"compose", "error"}, default="compose"
        What becomes of a term that is not in the table. "compose" gives a term of several words
        the mean of its words' unit vectors if all of them are known, and with fastText's n-grams
        an unknown word the mean of theirs; "error" refuses it.
    center : bool, default=False
        Subtract the mean of the table's vectors.
    all_but_the_top : int, default=0
        Subtract the mean, and then as many principal directions [1]_, which tell common words from
        rare ones more than meanings; the paper takes about vector_size / 100. Both act on the
        vectors as they were given. Terms are composed from what is left, or the common part of
        each word would come back.

    Attributes
    ----------
    terms_ : tuple of str
        The terms of the table, in its order.
    vector_size_ : int
        Dimension of the vectors.

    See Also
    --------
    SkipGramEmbedder : Trains term vectors on text; its `vectors_` is a PretrainedEmbedder.

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

    def __init__(self, vectors, *, oov="compose", center=False, all_but_the_top=0):
        self.vectors = vectors
        self.oov = oov
        self.center = center
        self.all_but_the_top = all_but_the_top

    @classmethod
    def load(cls, path, *, limit=None, mmap=False, **options):
        """Read a file of term vectors, in the format that its name tells.

        ======================================= ==================================================
        ``.npz``                                What `save` writes; or arrays "terms" (text) and
                                                "vectors". Opens at once, whatever its size.
        ``.safetensors``                        The same arrays, "terms" as UTF-8 with a line feed
                                                between two (uint8). Needs the package safetensors.
        ``.bin``, ``.bin.gz``                   word2vec's binary format, or a model of fastText's.
        ``.kv``, ``.wordvectors``, ``.model``   What gensim saved: KeyedVectors, Word2Vec, FastText.
                                                Pickles, which run code: only from whom you trust.
        any other name: ``.txt``, ``.vec``      Text of word2vec, GloVe or fastText, with the
                                                header "n_terms vector_size" or without.
        ======================================= ==================================================

        All but gensim's saves may be compressed: .gz, .bz2, .xz, or a .zip of one file. Text and
        word2vec's binary files are unpacked as they are read, the others to a temporary file.

        Parameters
        ----------
        path : str or Path
        limit : int, default=None
            Read only so many terms; such files hold the most frequent ones first.
        mmap : bool, default=False
            Leave the vectors in the file, and read those that are asked for. For .npz,
            .safetensors and gensim's saves. Numbers that are not finite are then found no sooner
            than `transform` needs them, and repeated terms are not looked for.
        **options
            `oov`, `center` and `all_but_the_top`, as in the constructor.

        Returns
        -------
        PretrainedEmbedder

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is malformed: it names the line, or the record and its byte; or if it cannot be
            mapped.

        Warns
        -----
        UserWarning
            If terms are repeated, as in one of GloVe's published files: the first one counts.
        """
        if limit is not None and (not isinstance(limit, Integral) or limit < 1):
            raise ValueError(f"limit is a whole number of at least 1, got {limit!r}.")
        return cls(read_vectors(path, limit, mmap), **options)

    def save(self, path):
        """Write the table; what `center` and `all_but_the_top` subtract is left out of it.

        Parameters
        ----------
        path : str or Path
            With ".npz" it becomes the format that opens at once and can be memory-mapped, with
            ".safetensors" the same for other tools, with ".bin" in its name word2vec's binary
            format, and else text, which gensim reads too. In both of word2vec's, "_" stands for
            the blanks within a term, as is the custom there. ".gz", ".bz2" and ".xz" compress them.

        Raises
        ------
        ValueError
            If a term holds a line feed, or the format is only read.
        """
        terms, matrix, subwords = self._table
        blocks = (matrix[rows] for rows in gen_batches(len(matrix), _BLOCK))
        if self._common is not None:
            blocks = map(self._own_part, blocks)
            if subwords is not None:
                subwords = subwords.map(self._own_part)
        elif not np.issubdtype(matrix.dtype, np.floating):
            blocks = (block.astype(np.float32) for block in blocks)
        write_vectors(path, terms, blocks, matrix.shape, subwords)

    @cached_property
    def _table(self):
        """The terms, their matrix as it was given, and n-grams or None."""
        self._validate_params()
        terms, matrix, subwords = as_table(self.vectors)
        if self.all_but_the_top >= matrix.shape[1]:
            raise ValueError(
                f"all_but_the_top={self.all_but_the_top} leaves nothing of {matrix.shape[1]}-d "
                "vectors."
            )
        return terms, matrix, subwords

    @cached_property
    def _index(self):
        terms = self._table[0]
        lookup = terms.lookup if isinstance(terms, PackedTerms) else None
        return TermIndex.build(terms) if lookup is None else lookup

    @cached_property
    def _common(self):
        """What is subtracted from all vectors, or None."""
        if not self.center and not self.all_but_the_top:
            return None
        matrix = self._table[1]
        blocks = (matrix[rows] for rows in gen_batches(len(matrix), _BLOCK))
        return CommonPart.of(blocks, self.all_but_the_top)

    @cached_property
    def terms_(self):
        """The terms of the table, in its order: tuple of str."""
        return tuple(self._table[0])

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
            If `vectors` is no table of terms and vectors, or a parameter is wrong.
        """
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
        return self._embed(check_terms(terms)).any(axis=1)

    def has_term(self, terms):
        """Tell which terms are in the table, not composed of words.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        return self._rows(check_terms(terms)) >= 0

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
        vectors = self._embed(terms)
        refuse_missing(terms, vectors.any(axis=1))
        return vectors

    def _rows(self, terms):
        """The row of each term in the table, or -1."""
        return find_terms(terms, self._index, self._table[0])

    def _embed(self, terms):
        """Unit vectors of the terms, zeros where one has none."""
        rows = self._rows(terms)
        vectors = np.zeros((len(terms), self.vector_size_), dtype=np.float32)
        vectors[rows >= 0] = self._units(rows[rows >= 0])
        if self.oov == "compose":
            self._compose(terms, np.flatnonzero(rows < 0), vectors)
        return vectors

    def _compose(self, terms, unknown, vectors):
        """Fill in the vectors of unknown terms all of whose words have one."""
        # "potter's wheel" is composed of "potter" and "wheel".
        words_of_term = [words_of(_POSSESSIVE.sub("", terms[i])) for i in unknown]
        words = list(dict.fromkeys(word for words in words_of_term for word in words))
        if not words:
            return
        place = {word: i for i, word in enumerate(words)}
        units = self._word_units(words)
        composed = [(i, own) for i, own in zip(unknown, words_of_term, strict=True) if own]
        starts = np.cumsum([0, *(len(own) for _, own in composed[:-1])])
        parts = units[[place[word] for _, own in composed for word in own]]
        known = np.logical_and.reduceat(parts.any(axis=1), starts)
        means = unit_rows(without_residue(np.add.reduceat(parts, starts), parts[starts]))
        vectors[[i for i, _ in composed]] = np.where(known[:, None], means, 0)

    def _word_units(self, words):
        """Unit vectors of single words, from n-grams where the table has none."""
        rows = self._rows(words)
        units = np.zeros((len(words), self.vector_size_), dtype=np.float32)
        units[rows >= 0] = self._units(rows[rows >= 0])
        subwords = self._table[2]
        if subwords is not None:
            unseen = np.flatnonzero(rows < 0)
            embedded = subwords.embed([words[i] for i in unseen])
            units[unseen] = unit_rows(self._own_part(embedded))
        return units

    def _units(self, rows):
        return unit_rows(self._own_part(self._table[1][rows]))

    def _own_part(self, rows):
        """Rows without what all have in common; zeros where one has no direction."""
        rows = with_direction(rows)
        if self._common is None:
            return rows
        return without_residue(self._common.remove(rows), rows)

    def _directed(self):
        """The terms of the table, and their unit vectors in blocks."""
        n_terms = len(self._table[0])
        return self._table[0], (self._units(rows) for rows in gen_batches(n_terms, _BLOCK))

    @property
    def _n_features_out(self):
        return self.vector_size_

    def __getstate__(self):
        # As an array, which joblib maps into its workers, whatever the table was given as.
        terms, matrix, subwords = self._table
        table = (terms, matrix) if subwords is None else (terms, matrix, subwords)
        kept = {"_table", "_index", "_common", "terms_"}
        state = super().__getstate__() | {"vectors": table}
        return {name: value for name, value in state.items() if name not in kept}

    def __repr__(self):
        try:
            return f"PretrainedEmbedder({len(self._table[0])} terms, {self.vector_size_}-d)"
        except (TypeError, ValueError):  # what is refused when it is used is shown all the same
            return super().__repr__()
