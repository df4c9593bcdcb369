"""A table of term vectors as named arrays, which .npz and .safetensors files hold.

``vectors`` is the matrix. ``terms`` are the terms in UTF-8 with a line feed between two, as bytes
(uint8), or an array of text. A table that this package has written holds two arrays more, by which
it is ready at once: ``lookup_hashes`` and ``lookup_rows`` (`TermIndex`). One of fastText's holds
its n-grams: ``ngrams`` and ``ngram_lengths`` (`Subwords`).
"""

import numpy as np

from skdevise.language._lookup import PackedTerms, TermIndex
from skdevise.language._subwords import Subwords
from skdevise.language.formats.rows import not_finite

# Raise it whenever the hash, or the form in which terms are looked up, changes.
_LOOKUP_VERSION = 1


def pack_table(terms, subwords=None):
    """Give all arrays of a table but its vectors.

    Parameters
    ----------
    terms : sequence of str
    subwords : Subwords, default=None

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If a term holds a line feed, or an n-gram's vector is not finite.
    """
    index = TermIndex.build(terms)
    arrays = {
        "terms": PackedTerms.pack(terms).text,
        "lookup_version": np.array([_LOOKUP_VERSION]),
        "lookup_hashes": index.hashes,
        "lookup_rows": index.rows,
    }
    if subwords is not None:
        for row in not_finite(subwords.vectors):
            raise ValueError(f"Row {row} of the n-grams holds a number that is not finite.")
        arrays["ngrams"] = subwords.vectors
        arrays["ngram_lengths"] = np.array([subwords.min_n, subwords.max_n])
    return arrays


def unpack_table(arrays, limit=None):
    """Give the table that is in some arrays.

    Parameters
    ----------
    arrays : dict of str to ndarray
    limit : int, default=None
        How many terms to take at the most.

    Returns
    -------
    tuple (terms, matrix), or (terms, matrix, subwords) where there are n-grams

    Raises
    ------
    ValueError
        If they are no table.
    """
    for name in ("terms", "vectors"):
        if name not in arrays:
            raise ValueError(f"it holds {sorted(arrays)}, but no array {name!r}")
    terms, matrix = arrays["terms"], _matrix(arrays, "vectors")
    if terms.dtype == np.uint8 and terms.ndim == 1:
        terms = PackedTerms(terms, _lookup(arrays, len(matrix)))
    elif terms.dtype.kind == "U" and terms.ndim == 1:
        terms = terms.tolist()
    else:
        raise ValueError(f"its terms are no text, but {terms.dtype} of shape {terms.shape}")
    if len(terms) != len(matrix):
        raise ValueError(f"it holds {len(terms)} terms, but {len(matrix)} vectors")
    if limit is not None and limit < len(matrix):
        terms = terms.first(limit) if isinstance(terms, PackedTerms) else terms[:limit]
        # The rest of an array in memory goes; a mapped one is a view, and stays in its file.
        matrix = matrix[:limit] if isinstance(matrix, np.memmap) else matrix[:limit].copy()
    if isinstance(terms, PackedTerms):
        _check_utf8(terms.text)
    if not isinstance(matrix, np.memmap):
        for row in not_finite(matrix):
            raise ValueError(f"row {row}, of {terms[row]!r}, holds a number that is not finite")
    if "ngrams" not in arrays:
        return terms, matrix
    return terms, matrix, _subwords(arrays, matrix.shape[1])


def _matrix(arrays, name):
    matrix = arrays[name]
    if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "fiu":
        raise ValueError(
            f"its {name} are no matrix of numbers, but {matrix.dtype} of shape {matrix.shape}"
        )
    return matrix


def _check_utf8(text):
    try:
        str(text, "utf-8")
    except UnicodeDecodeError as error:
        row = np.count_nonzero(text[: error.start] == ord("\n"))
        raise ValueError(f"the term of row {row} is not UTF-8 ({error})") from error


def _subwords(arrays, vector_size):
    ngrams, lengths = _matrix(arrays, "ngrams"), arrays.get("ngram_lengths")
    if ngrams.shape[1] != vector_size:
        raise ValueError(f"its ngrams are {ngrams.shape[1]}-d, but its vectors {vector_size}-d")
    if lengths is None or lengths.shape != (2,) or lengths.dtype.kind not in "iu":
        raise ValueError("its ngram_lengths, which its ngrams need, are no two whole numbers")
    if not isinstance(ngrams, np.memmap):
        for row in not_finite(ngrams):
            raise ValueError(f"row {row} of its ngrams holds a number that is not finite")
    return Subwords(ngrams, *lengths.tolist())


def _lookup(arrays, n_terms):
    """The index of the terms, or None if there is no whole one of today's kind."""
    names = ("lookup_version", "lookup_hashes", "lookup_rows")
    version, hashes, rows = (arrays.get(name, np.array(0)) for name in names)
    is_whole = (
        version.tolist() == [_LOOKUP_VERSION]
        and hashes.dtype == np.uint64
        and rows.dtype.kind in "iu"
        and hashes.shape == rows.shape
        and rows.ndim == 1
        and len(rows) >= n_terms
        and rows.min() >= 0
    )
    return TermIndex(hashes, rows) if is_whole else None
