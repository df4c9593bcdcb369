"""Tables of terms and vectors, in all the forms that they are given in."""

import numpy as np

from skdevise.language._lookup import PackedTerms
from skdevise.language._terms import check_terms
from skdevise.language.formats.gensim_saves import table_of


def as_table(vectors):
    """Check a table, and give its parts.

    Parameters
    ----------
    vectors : gensim KeyedVectors, dict, or tuple (terms, matrix) or (terms, matrix, subwords)

    Returns
    -------
    terms : tuple of str, or PackedTerms
    matrix : ndarray of shape (n_terms, vector_size)
        Not copied where an array was given.
    subwords : Subwords or None

    Raises
    ------
    TypeError, ValueError
        If it is no table of terms and vectors.

    Examples
    --------
    >>> as_table({"cat": [1, 0], "dog": [0, 1]})
    (('cat', 'dog'), array([[1, 0], [0, 1]]), None)
    """
    if hasattr(vectors, "index_to_key"):
        vectors = table_of(vectors)
    subwords = None
    if isinstance(vectors, dict):
        terms, matrix = list(vectors), list(vectors.values())
    elif isinstance(vectors, tuple) and len(vectors) in (2, 3):
        terms, matrix, *rest = vectors
        subwords = rest[0] if rest else None
    else:
        raise TypeError(
            "PretrainedEmbedder takes a gensim KeyedVectors, a dict, or (terms, matrix), got "
            f"{type(vectors).__name__}; a file is read by PretrainedEmbedder.load(path)."
        )
    if not isinstance(terms, PackedTerms):
        terms = tuple(check_terms(terms))
    try:
        matrix = np.asanyarray(matrix)
    except ValueError as error:
        raise ValueError("The vectors of the terms differ in length.") from error
    except (RuntimeError, TypeError) as error:  # as of a tensor that asks for a gradient
        raise TypeError(f"NumPy cannot make an array of the vectors: {error}") from error
    if matrix.ndim != 2 or len(matrix) != len(terms) or not matrix.size:
        raise ValueError(
            f"{len(terms)} terms need a matrix of shape (n_terms, vector_size), "
            f"got one of shape {matrix.shape}."
        )
    if matrix.dtype.kind not in "fiu":
        raise ValueError(f"Term vectors are numbers, got an array of {matrix.dtype}.")
    return terms, matrix, subwords
