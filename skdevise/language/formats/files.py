"""Which format a file is in, and what the formats have in common."""

import warnings
from contextlib import contextmanager
from errno import EINVAL
from functools import partial
from pathlib import Path, PurePath

import numpy as np

from skdevise._utils import atomic_write
from skdevise.language.formats.arrays import pack_table, unpack_table
from skdevise.language.formats.binary import read_binary, write_binary
from skdevise.language.formats.gensim_saves import is_fasttext, read_fasttext, read_gensim
from skdevise.language.formats.npz import read_npz, write_npz
from skdevise.language.formats.rows import not_finite
from skdevise.language.formats.safetensors import read_safetensors, write_safetensors
from skdevise.language.formats.streams import (
    BROKEN_STREAM,
    name_in_zip,
    open_stream,
    open_to_write,
    split_name,
    unpacked,
)
from skdevise.language.formats.text import read_text, write_text

_ARRAYS = {
    ".npz": ("NumPy's format", read_npz),
    ".safetensors": ("safetensors' format", read_safetensors),
}
# Pickles run code: a file of another name is never taken for one, whatever it holds.
_GENSIM = (".kv", ".model", ".wv", ".wordvectors")


def read_vectors(path, limit=None, mmap=False):
    """Read a file of term vectors, in the format that its name tells.

    Parameters
    ----------
    path : str or Path
    limit : int, default=None
        How many terms to read at the most.
    mmap : bool, default=False
        Map the vectors rather than read them.

    Returns
    -------
    tuple (terms, matrix), or (terms, matrix, subwords) where there are n-grams

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is malformed, or cannot be mapped.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of term vectors at {str(path)!r}.")
    with _named(path):
        kind, read, can_map = _reader(path)
    if mmap and not can_map:
        raise ValueError(
            f"{str(path)!r} cannot be memory-mapped, as it is in {kind}: load it without mmap, and "
            "save it as .npz, which can."
        )
    with _named(path, f" in {kind}"):
        return read(limit=limit, mmap=True) if mmap else read(limit=limit)


@contextmanager
def _named(path, kind=""):
    """Have what is wrong with a file's content said in one sentence that names the file."""
    try:
        yield
    except (ValueError, *BROKEN_STREAM) as error:
        # A damaged zip has zipfile seek to nowhere; else the system does not refuse the content.
        if isinstance(error, OSError) and error.errno not in (None, EINVAL):
            raise
        raise ValueError(
            f"{str(path)!r} is not a file of term vectors{kind}: {error}."
        ) from error.with_traceback(None)


def _reader(path):
    """The name of a file's format, what reads it, and whether it can be mapped."""
    name, packing = split_name(path)
    if packing == ".zip" and "." in (member := name_in_zip(path)):
        name = member
    suffix = PurePath(name).suffix
    if suffix in _ARRAYS:
        kind, read = _ARRAYS[suffix]
        if packing:
            kind += ", compressed"
        return kind, partial(_read_arrays, path, read), not packing
    if suffix in _GENSIM:
        if packing:
            raise ValueError(
                "a save of gensim's, which may be several files, is not read compressed: unpack "
                "it, or pass what gensim.models.KeyedVectors.load gives to PretrainedEmbedder"
            )
        return "gensim's format", partial(read_gensim, path), True
    if not _is_binary(name):
        kind = "word2vec's text format or GloVe's"
        return kind, partial(_read_stream, path, read_text, "line"), False
    if is_fasttext(path):
        return "fastText's format", partial(read_fasttext, path), False
    return "word2vec's binary format", partial(_read_stream, path, read_binary, "record"), False


def _read_arrays(path, read, limit, mmap=False):
    with unpacked(path) as file:
        terms, matrix, *subwords = unpack_table(read(file, mmap), limit)
    if not mmap:
        terms, matrix = _without_repeated(path, terms, matrix, "row", 0)
    return terms, matrix, *subwords


def _read_stream(path, read, place, limit):
    with open_stream(path) as stream:
        if stream.peek(1)[:1] == b"\x80":
            raise ValueError(
                "it looks like a pickle; if gensim saved it and you trust who did, pass what "
                "gensim.models.KeyedVectors.load gives to PretrainedEmbedder"
            )
        terms, matrix, first = read(stream, limit)
    if not matrix.size:
        raise ValueError("there is no vector in it")
    return _without_repeated(path, terms, matrix, place, first)


def _without_repeated(path, terms, matrix, place, first):
    """The table without the later ones of equal terms; published files hold some.

    GloVe's of 840 billion tokens repeats one term: to refuse it would refuse the file.
    """
    if len(set(terms)) == len(terms):
        return terms, matrix
    row_of = {}
    repeated = [row for row, term in enumerate(terms) if row_of.setdefault(term, row) != row]
    term = terms[repeated[0]]
    warnings.warn(
        f"{str(path)!r} repeats terms {len(repeated)} times, at first {term!r}, of {place} "
        f"{first + row_of[term]}, in {place} {first + repeated[0]}: the first vector of each "
        "counts.",
        stacklevel=5,
    )
    kept = list(row_of.values())
    return list(row_of), matrix[kept]


def write_vectors(path, terms, blocks, shape, subwords=None):
    """Write a file of term vectors, whole or not at all, in the format that its name tells.

    Parameters
    ----------
    path : str or Path
    terms : sequence of str
    blocks : iterable of ndarray of shape (n_rows, vector_size)
        Their rows, in pieces.
    shape : tuple (n_terms, vector_size)
    subwords : Subwords, default=None

    Raises
    ------
    ValueError
        If the format cannot hold the terms or the vectors, or is not written here.
    """
    path = Path(path)
    name, packing = split_name(path)
    suffix = PurePath(name).suffix
    if packing == ".zip" or suffix in _GENSIM or (packing and suffix in _ARRAYS):
        raise ValueError(
            f"Files such as {str(path)!r} are read only: save as .npz, .safetensors, .bin or .txt."
        )
    with atomic_write(path) as unfinished:
        if suffix in _ARRAYS:
            arrays, blocks = pack_table(terms, subwords), _finite(terms, blocks)
            if suffix == ".npz":
                with open(unfinished, "wb") as stream:
                    write_npz(stream, arrays, blocks, shape)
            else:
                write_safetensors(unfinished, arrays | {"vectors": np.concatenate(list(blocks))})
        else:
            if subwords is not None:
                warnings.warn(
                    f"{str(path)!r} has no room for the n-grams of unseen words: save as .npz to "
                    "keep them.",
                    stacklevel=3,
                )
            write = write_binary if _is_binary(name) else write_text
            blocks = _finite(terms, map(_as_float32, blocks))
            with open_to_write(unfinished, packing) as stream:
                write(stream, _one_line_each(terms), blocks)


def _as_float32(block):
    with np.errstate(over="ignore"):
        return block.astype(np.float32, copy=False)


def _finite(terms, blocks):
    """The blocks, each checked as it passes: what `read_vectors` refuses is not written."""
    start = 0
    for block in blocks:
        for row in not_finite(block):
            raise ValueError(
                f"The vector of {terms[start + row]!r} holds a number that is not finite as "
                f"{block.dtype}: leave the term out, or give it zeros."
            )
        start += len(block)
        yield block


def _one_line_each(terms):
    """The terms with "_" for blanks, as is the custom in word2vec's formats."""
    for term in terms:
        if "\n" in term:
            raise ValueError(f"A term of a file holds no line feed, got {term!r}.")
        try:
            term.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"A term of a file is text in UTF-8, got {term!r}.") from error
    return [term.replace(" ", "_") for term in terms]


def _is_binary(name):
    return ".bin" in PurePath(name).suffixes
