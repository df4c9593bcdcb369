"""Files of term vectors."""

import os
import shutil
import struct
import sys
from codecs import BOM_UTF8
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import filterfalse, takewhile
from mmap import ACCESS_READ, mmap
from pathlib import PurePath
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import gen_batches

from skdevise._bounded import COMPRESSIONS, MAX_LINE, is_url, open_bounded, parsing
from skdevise._tensors import as_stored, check_digests, digest, read_tensors, write_tensors
from skdevise._utils import atomic_write, warn
from skdevise.exceptions import UntrustedError

# These files are pickles, which run code. No other suffix is read as a pickle.
_GENSIM = (".kv", ".model", ".wordvectors", ".wv")
_FASTTEXT_MAGIC = (793712314).to_bytes(4, "little")

# fastText splits longer words. gensim takes a time that grows with the square of their length.
_WORD_BYTES = 4096

# A damaged exponent makes a number up to 2**128 times as large. Plausible numbers of a table are at
# most this many times as large as the largest number of its median vector.
_MAX_SIZE = 1e6

# Bytes to read at once, and rows to check or write at once.
_CHUNK = 2**23
_BLOCK = 8192


@dataclass
class Subwords:
    """Vectors of character n-grams (n_buckets, vector_size) from a fastText model.

    The vector of an unknown word is the mean over its n-grams of min_n to max_n characters
    (Bojanowski et al., TACL 2017).
    """

    vectors: np.ndarray
    min_n: int
    max_n: int

    def __post_init__(self):
        # Longer n-grams than words only take time.
        if not 0 <= self.min_n <= self.max_n <= _WORD_BYTES:
            raise ValueError(f"The n-grams have {self.min_n} to {self.max_n} characters")

    @classmethod
    def of(cls, keyed):
        """Take the n-grams from a gensim KeyedVectors, or return None."""
        if not getattr(keyed, "bucket", 0) or getattr(keyed, "vectors_ngrams", None) is None:
            return None
        return cls(keyed.vectors_ngrams, keyed.min_n, keyed.max_n)

    def embed(self, words):
        """Return the mean n-gram vector of each word, or zeros: (n_words, vector_size) float32."""
        from gensim.models.fasttext import ft_ngram_hashes

        vectors = np.zeros((len(words), self.vectors.shape[1]), dtype=np.float32)
        for row, word in zip(vectors, words, strict=True):
            hashes = ft_ngram_hashes(word, self.min_n, self.max_n, len(self.vectors))
            if len(hashes):
                row[:] = self.vectors[hashes].mean(axis=0, dtype=np.float32)
        return vectors


class TermTable(NamedTuple):
    """Terms, their matrix (n_terms, vector_size), and the subwords or None."""

    terms: list
    matrix: np.ndarray
    subwords: Subwords | None = None

    def __repr__(self):
        # An estimator shows its parameters, and these may be millions of numbers.
        return f"TermTable({len(self.terms)} terms, {self.matrix.shape[1]}-d)"


def table_of(keyed, limit=None):
    """Take the table of the first terms from a gensim KeyedVectors."""
    # If terms are repeated, gensim pads its list of terms with None.
    terms = [term for term in keyed.index_to_key[:limit] if term is not None]
    return TermTable(terms, keyed.vectors[: len(terms)], Subwords.of(keyed))


def read_vectors(path, limit=None, mmap=False, trusted=False):
    """Read the table of the first terms from a file."""
    path = os.fspath(path)
    suffix, compression = _suffixes(path)
    if suffix in _GENSIM and not trusted:
        raise UntrustedError(
            f"{path!r} is a pickle, which can run code. If you trust its source, pass trusted=True."
        )
    if mmap and suffix not in (*_GENSIM, ".safetensors"):
        raise ValueError(
            f"{path!r} cannot be memory-mapped, because only .safetensors files and saves of "
            "gensim can. Set mmap=False, or save the vectors as .safetensors first."
        )
    with parsing(path, "Check the file and the suffix of its name."):
        if suffix == ".safetensors":
            return _read_safetensors(path, limit, mmap)
        if suffix in _GENSIM:
            table = _read_gensim(path, limit, mmap)
        else:
            table = _read_word2vec(path, suffix, compression, limit)
        _check_table(table, mmap)
        return without_repeats(path, table)


def write_vectors(path, terms, matrix, subwords=None):
    """Write terms, their matrix (n_terms, vector_size) and subwords in the format of the suffix."""
    suffix, compression = _suffixes(path)
    only_read = suffix in (*_GENSIM, ".npz") or compression == ".zip"
    if only_read or (compression and suffix == ".safetensors"):
        raise ValueError(
            f"{str(path)!r} has a format that cannot be written. Use .safetensors, .bin or .txt."
        )
    for term in terms:
        if "\n" in term:
            raise ValueError(f"The term {term!r} contains a line break. Remove it.")
    if suffix != ".safetensors":
        matrix = np.asarray(matrix, dtype=np.float32)
        if subwords is not None:
            warn(
                f"{str(path)!r} does not hold the n-grams of unknown words. Save as .safetensors "
                "to keep them.",
            )
    _check_table(TermTable(terms, matrix, subwords))
    if suffix == ".safetensors":
        _write_safetensors(path, terms, matrix, subwords)
        return
    write = _write_binary if suffix == ".bin" else _write_text
    with atomic_write(path) as unfinished:
        with COMPRESSIONS.get(compression, open)(unfinished, "wb") as stream:
            # The word2vec formats separate terms and numbers by blanks.
            write(stream, [term.replace(" ", "_") for term in terms], matrix)


def _suffixes(path):
    """Return the suffixes of the format and of the compression, in lower case or empty."""
    path = PurePath(os.fspath(path).lower())
    if path.suffix in COMPRESSIONS:
        return path.with_suffix("").suffix, path.suffix
    return path.suffix, ""


def _check_table(table, mmap=False):
    """Raise ValueError if shapes do not fit, or vectors are not finite or far larger than most."""
    terms, matrix, subwords = table
    shapes = [matrix.shape, *([] if subwords is None else [subwords.vectors.shape])]
    is_table = all(len(shape) == 2 and 0 not in shape for shape in shapes)
    if not is_table or len(matrix) != len(terms) or len({size for _, size in shapes}) > 1:
        raise ValueError(f"It has {len(terms)} terms, and vectors of shape {shapes}")
    if mmap:
        return
    sizes = _sizes(matrix)
    # Vectors of zeros say nothing about the size of the others.
    usual = sizes[(sizes > 0) & np.isfinite(sizes)]
    largest = _MAX_SIZE * np.median(usual) if len(usual) else 0
    if 0 < largest < _MAX_SIZE * np.finfo(np.float32).tiny:
        raise ValueError(f"Most vectors are below {largest / _MAX_SIZE:g}. Check the byte order")
    wrong = np.flatnonzero(~(sizes <= largest))
    if len(wrong):
        raise ValueError(
            f"The vector of {terms[wrong[0]]!r} contains {sizes[wrong[0]]:g}. Plausible numbers "
            f"are below {largest:g}"
        )
    if subwords is not None and not (_sizes(subwords.vectors) <= largest).all():
        raise ValueError(f"A vector of its n-grams contains NaN, or more than {largest:g}")


def _sizes(matrix):
    """Return the largest number of each row of a matrix (n_rows, vector_size), without its sign."""
    sizes = np.empty(len(matrix))
    for rows in gen_batches(len(matrix), _BLOCK):  # Blocks avoid a copy of the table.
        sizes[rows] = np.linalg.norm(matrix[rows], ord=np.inf, axis=1)
    return sizes


def without_repeats(source, table):
    """Keep the first row of each term. Some published files repeat a term."""
    terms, row_of = table.terms, {}
    for row, term in enumerate(terms):
        row_of.setdefault(term, row)
    if len(row_of) == len(terms):
        return table
    repeated = next(term for row, term in enumerate(terms) if row_of[term] != row)
    warn(
        f"{source!r} has {len(terms) - len(row_of)} repeated terms, such as {repeated!r}. Only the "
        "first vector of each term is kept.",
    )
    return table._replace(terms=list(row_of), matrix=table.matrix[list(row_of.values())])


# Our own format: the tensors "vectors" and "terms" (UTF-8 text, one term a line), and for a
# fastText model "ngrams" and "ngram_lengths". The metadata hold the digests of all tensors.


def _read_safetensors(path, limit, mmap):
    arrays, digests = read_tensors(path)
    if digests and not mmap:  # Files of other tools have no digests.
        check_digests(arrays, digests)
    if not {"terms", "vectors"} <= arrays.keys():
        raise ValueError(f"Its tensors are {sorted(arrays)}, not 'terms' and 'vectors'.")
    if arrays["vectors"].dtype.kind not in "fi":
        raise ValueError(f"Its vectors have the type {arrays['vectors'].dtype}, not numbers.")
    terms = arrays["terms"].tobytes().decode().split("\n")[:limit]
    load = np.asanyarray if mmap else np.array
    subwords = None
    if "ngrams" in arrays:
        subwords = Subwords(load(arrays["ngrams"]), *arrays["ngram_lengths"].tolist())
    table = TermTable(terms, load(arrays["vectors"][:limit]), subwords)
    _check_table(table, mmap)
    return table if digests else without_repeats(path, table)


def _write_safetensors(path, terms, matrix, subwords):
    text = np.frombuffer("\n".join(terms).encode(), dtype=np.uint8)
    arrays = {"terms": text, "vectors": matrix}
    if subwords is not None:
        arrays |= {
            "ngrams": subwords.vectors,
            "ngram_lengths": np.array([subwords.min_n, subwords.max_n]),
        }
    arrays = {name: as_stored(array) for name, array in arrays.items()}
    write_tensors(path, arrays, {name: digest(array) for name, array in arrays.items()})


# Formats of other projects


def _read_gensim(path, limit, mmap):
    from gensim.models import KeyedVectors

    saved = KeyedVectors.load(path, mmap="r" if mmap else None)
    keyed = getattr(saved, "wv", saved)
    if not hasattr(keyed, "index_to_key"):
        raise ValueError(f"It contains a {type(keyed).__name__}, which has no term vectors.")
    return table_of(keyed, limit)


def _read_word2vec(path, suffix, compression, limit):
    """Read text, or the binary format of word2vec or fastText."""
    with open_bounded(path) as stream:
        if compression == ".zip" and suffix != ".bin":
            suffix = PurePath(stream.name.lower()).suffix
        if suffix == ".bin" and stream.peek(4)[:4] == _FASTTEXT_MAGIC:
            return _read_fasttext(path, stream, limit)
        read = _read_binary if suffix == ".bin" else _read_text
        terms, values, size = read(stream, sys.maxsize if limit is None else limit)
    if not terms:
        raise ValueError("It contains no vector.")
    return TermTable(terms, np.frombuffer(values, dtype="<f4").reshape(-1, size))


def _read_fasttext(path, stream, limit):
    """Read a fastText model from a path, or from the stream of a compressed or remote one."""
    from gensim.models.fasttext import load_facebook_vectors

    with TemporaryDirectory() as folder:
        # gensim 4.4 silently reads wrong numbers from a compressed model.
        if not path.lower().endswith(".bin") or is_url(path):
            path = os.path.join(folder, "model.bin")
            with open(path, "wb") as file:
                shutil.copyfileobj(stream, file)
        _check_fasttext(path)
        return table_of(load_facebook_vectors(path), limit)


def _check_fasttext(path):
    """Raise ValueError if a fastText model ends before its words or numbers do."""
    # gensim would read words forever, or ask for memory for all numbers.
    with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        # The numbers of words and of pruned n-grams follow 64 bytes of parameters.
        (n_words, n_pruned), end = struct.unpack_from("<i16xq", data, 64), 92
        for i in range(n_words):
            end = data.find(b"\0", end, end + _WORD_BYTES)
            if end < 0:
                raise ValueError(f"Its word {i + 1} of {n_words} has no end")
            end += 10  # A count and a type follow each word.
        # The pairs of pruned n-grams, a flag, and the shape of the vectors.
        n_rows, n_columns = struct.unpack_from("<2q", data, end + 8 * max(n_pruned, 0) + 1)
        if not 0 <= 4 * n_rows * n_columns <= len(data) - end:
            raise ValueError(f"It ends before its {n_rows} vectors of {n_columns} numbers do")


def _read_text(stream, limit):
    """Read text of word2vec, GloVe or fastText: terms, float32 values as bytes, vector size."""
    stream.raw.max_line = MAX_LINE
    lines = [stream.readline().removeprefix(BOM_UTF8)]
    columns = lines[0].split()
    # GloVe's files have no header "n_terms vector_size".
    has_header = len(columns) == 2 and all(column.isdigit() for column in columns)
    size = int(columns[1]) if has_header else len(columns) - 1
    if size < 1:
        raise ValueError("Line 1 contains no vector.")
    terms, values, number = [], bytearray(), 1
    if has_header:
        lines, number = stream.readlines(_CHUNK), 2
    while lines and len(terms) < limit:
        new_terms, rows = _parse_lines(lines[: limit - len(terms)], size, number)
        terms += new_terms
        values += rows.tobytes()
        number += len(lines)
        lines = stream.readlines(_CHUNK)
    if has_header and len(terms) < min(limit, int(columns[0])):
        raise ValueError(f"It ends after {len(terms)} of {int(columns[0])} terms.")
    return terms, values, size


@np.errstate(over="ignore")  # _check_table reports an overflow.
def _parse_lines(lines, size, number):
    """Parse lines of text, of which the first has this number: terms and rows (n, size)."""
    parts = [line.rstrip(b" \r\n").partition(b" ") for line in lines]
    with suppress(ValueError):
        # pandas parses numbers several times faster than NumPy.
        rows = pd.read_csv(
            BytesIO(b"\n".join(part[2] for part in parts)),
            sep=" ",
            header=None,
            dtype=np.float32,
            quoting=3,
            lineterminator="\n",
            na_filter=False,
            skip_blank_lines=False,
            engine="c",
        ).to_numpy()
        if rows.shape == (len(lines), size):
            return [part[0].decode() for part in parts], rows
    # Parse line by line to find the line that is wrong, or a term that contains blanks.
    parsed = [_parse_line(line, size, i) for i, line in enumerate(lines, number) if line.strip()]
    rows = np.array([row for _, row in parsed], dtype=np.float32).reshape(-1, size)
    return [term for term, _ in parsed], rows


def _parse_line(line, size, number):
    """Parse one line: its term, which may contain blanks, and a list of `size` numbers."""
    term, *values = line.rsplit(maxsplit=size)
    n_values = len(values) + len([*takewhile(_is_number, term.split()[:0:-1])])
    if n_values != size:
        raise ValueError(f"Line {number} has {n_values} values instead of {size}.")
    for value in filterfalse(_is_number, values):
        raise ValueError(f"{value.decode(errors='replace')!r} in line {number} is not a number.")
    return term.decode(), [float(value) for value in values]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return b"_" not in text  # Python reads "1_0" as 10.


def _write_text(stream, terms, matrix):
    stream.write(b"%d %d\n" % matrix.shape)
    # Nine digits represent every float32 exactly.
    line = "%s" + " %.9g" * matrix.shape[1] + "\n"
    for term, row in zip(terms, matrix, strict=True):
        stream.write((line % (term, *row.tolist())).encode())


def _read_binary(stream, limit):
    """Read the binary format of word2vec: terms, float32 values as bytes, vector size."""
    header = stream.readline(99).split()
    if len(header) != 2 or not all(column.isdigit() for column in header):
        raise ValueError("Its first line is not 'n_terms vector_size'.")
    n_terms, size = map(int, header)
    if not 0 < size <= MAX_LINE:
        raise ValueError(f"Its vectors have {size} numbers, not 1 to {MAX_LINE}.")
    n_terms = min(n_terms, limit)
    terms, values, pending = [], bytearray(), b""
    while len(terms) < n_terms:
        chunk = stream.read(_CHUNK)
        if not chunk:
            raise ValueError(f"It ends after {len(terms)} of {n_terms} terms.")
        pending += chunk
        start = 0
        while len(terms) < n_terms:
            blank = pending.find(b" ", start)
            end = blank + 1 + 4 * size
            if (blank if blank >= 0 else len(pending)) - start > MAX_LINE:
                raise ValueError(f"Term {len(terms) + 1} has more than {MAX_LINE} bytes.")
            if blank < 0 or end > len(pending):
                break
            # Some writers end each vector with a line feed.
            terms.append(pending[start:blank].lstrip(b"\n").decode())
            values += pending[blank + 1 : end]
            start = end
        pending = pending[start:]
    return terms, values, size


def _write_binary(stream, terms, matrix):
    stream.write(b"%d %d\n" % matrix.shape)
    for term, row in zip(terms, matrix.astype("<f4", copy=False), strict=True):
        stream.write(term.encode() + b" " + row.tobytes() + b"\n")
