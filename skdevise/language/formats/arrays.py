"""A table of term vectors as named arrays, which .npz and .safetensors files hold.

``vectors`` is the matrix. ``terms`` are the terms in UTF-8 with a line feed between two, as bytes
(uint8), or an array of text. A table that this package has written holds two arrays more, by which
it is ready at once: ``lookup_hashes`` and ``lookup_rows`` (`TermIndex`). One of fastText's holds
its n-grams: ``ngrams`` and ``ngram_lengths`` (`Subwords`).
"""

import numpy as np

from skdevise.language.lookup import PackedTerms, TermIndex
from skdevise.language.subwords import Subwords

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
        If a term holds a line feed.
    """
    index = TermIndex.build(terms)
    arrays = {
        "terms": PackedTerms.pack(terms).text,
        "lookup_version": np.array([_LOOKUP_VERSION]),
        "lookup_hashes": index.hashes,
        "lookup_rows": index.rows,
    }
    if subwords is not None:
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
    terms, matrix = arrays["terms"], arrays["vectors"]
    if matrix.ndim != 2 or not matrix.size or matrix.dtype.kind not in "fiu":
        raise ValueError(
            f"its vectors are no matrix of numbers, but {matrix.dtype} of shape {matrix.shape}"
        )
    if terms.dtype == np.uint8 and terms.ndim == 1:
        terms = PackedTerms(terms, _lookup(arrays))
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
    if not isinstance(matrix, np.memmap):
        for row in np.flatnonzero(~np.isfinite(matrix).all(axis=1)):
            raise ValueError(f"row {row}, of {terms[row]!r}, holds a number that is not finite")
    if "ngrams" not in arrays:
        return terms, matrix
    return terms, matrix, Subwords(arrays["ngrams"], *map(int, arrays["ngram_lengths"]))


def _lookup(arrays):
    """The index of the terms, or None if there is none of today's kind."""
    if arrays.get("lookup_version", [0])[0] != _LOOKUP_VERSION:
        return None
    return TermIndex(arrays["lookup_hashes"], arrays["lookup_rows"])
