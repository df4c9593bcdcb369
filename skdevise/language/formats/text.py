"""Text files of word2vec, GloVe and fastText: a term and its numbers on each line."""

from codecs import BOM_UTF8
from io import BytesIO
from itertools import chain

import numpy as np

from skdevise.language.formats.rows import GrowingMatrix
from skdevise.language.formats.streams import BROKEN_STREAM

# Bytes that are parsed at once.
_CHUNK = 2**23


def read_text(stream, limit=None):
    r"""Read a text file of term vectors.

    Parameters
    ----------
    stream : binary stream
        UTF-8. The first line is "n_terms vector_size" (word2vec, fastText) or, as in GloVe's files,
        that of the first term. Terms may hold blanks, as some of GloVe's do.
    limit : int, default=None
        How many terms to read at the most.

    Returns
    -------
    terms : list of str
    matrix : ndarray of float32, of shape (n_terms, vector_size)
    first : int
        The number of the first term's line.

    Raises
    ------
    ValueError
        If a line is malformed; it says which.

    Examples
    --------
    >>> from io import BytesIO
    >>> terms, matrix, first = read_text(BytesIO(b"2 3\ncat 0 1 2\ndog 3 4 5\n"))
    >>> terms, matrix.shape, first
    (['cat', 'dog'], (2, 3), 2)
    """
    head = stream.readline().removeprefix(BOM_UTF8)
    columns = head.split()
    has_header = len(columns) == 2 and columns[0].isdigit() and columns[1].isdigit()
    n_terms, size = map(int, columns) if has_header else (None, len(columns) - 1)
    if size < 1:
        raise ValueError("line 1 holds no vector")
    wanted = min(n for n in (n_terms, limit, np.inf) if n is not None)
    first = 2 if has_header else 1
    terms, matrix = [], GrowingMatrix(size)
    lines = [] if has_header else [head]
    while len(terms) < wanted:
        line = first + len(terms)
        try:
            lines += stream.readlines(_CHUNK)
        except BROKEN_STREAM as error:
            line += len(lines)
            raise ValueError(f"it cannot be decompressed from line {line} on ({error})") from error
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            break
        n_lines = min(len(lines), wanted - len(terms))
        new_terms, rows = _parse(lines[:n_lines], size, line)
        terms += new_terms
        matrix.extend(rows)
        lines = lines[n_lines:]
    if has_header and len(terms) < wanted:
        raise ValueError(
            f"it ends after line {first - 1 + len(terms)}, with {len(terms)} of the {n_terms} "
            "terms that its first line names"
        )
    if wanted == n_terms:
        for line, more in enumerate(chain(lines, stream), first + n_terms):
            if more.strip():
                raise ValueError(
                    f"line {line} follows the {n_terms} terms that its first line names"
                )
    return terms, matrix.finish(), first


def _parse(lines, size, number):
    """The terms of some lines, of which the first has this number, and their rows."""
    import pandas as pd

    parts = [line.rstrip(b" \r\n").partition(b" ") for line in lines]
    try:
        # pandas parses numbers several times as fast as NumPy does.
        with np.errstate(over="ignore"):
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
        if rows.shape == (len(lines), size) and np.isfinite(rows).all():
            terms = b"\n".join(part[0] for part in parts).decode()
            return terms.split("\n"), rows
    except ValueError:
        pass
    # One by one, which finds the line that is wrong, or takes one that is unusual.
    parsed = [_parse_line(line, size, number + i) for i, line in enumerate(lines)]
    return [term for term, _ in parsed], np.array([row for _, row in parsed])


def _parse_line(line, size, number):
    columns = line.rsplit(maxsplit=size)
    if len(columns) == size and line[:1].isspace():
        columns.insert(0, b"")
    term, *row = columns if columns else (b"",)
    # In a term that holds blanks, a last word that is a number is one value too many.
    word = term.rpartition(b" ")[2]
    if len(row) != size or (word != term and _number(word) is not None):
        n_values = max(len(line.split()) - 1, 0)
        raise ValueError(f"line {number} holds {n_values} values, not {size}")
    values = [_number(value) for value in row]
    if None in values:
        raise ValueError(f"line {number} holds {row[values.index(None)][:20]!r} for a number")
    with np.errstate(over="ignore"):
        values = np.array(values, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"line {number} holds a number that is not finite")
    try:
        return term.decode(), values
    except UnicodeDecodeError as error:
        raise ValueError(f"line {number} is not UTF-8 ({error})") from error


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


def write_text(stream, terms, blocks):
    """Write word2vec's text format, with all digits that float32 has.

    Parameters
    ----------
    stream : binary stream
    terms : sequence of str
    blocks : iterable of ndarray of float32, of shape (n_rows, vector_size)
        The rows of all terms, in pieces.
    """
    names = iter(terms)
    for i, block in enumerate(blocks):
        if i == 0:
            stream.write(b"%d %d\n" % (len(terms), block.shape[1]))
        line = "%s" + " %.9g" * block.shape[1] + "\n"
        text = "".join(line % (next(names), *row) for row in block.tolist())
        stream.write(text.encode())
