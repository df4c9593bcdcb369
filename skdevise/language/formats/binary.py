"""word2vec's binary format: a header, then each term, a blank, and its numbers as float32."""

import numpy as np

from skdevise.language.formats.rows import GrowingMatrix, not_finite
from skdevise.language.formats.streams import BROKEN_STREAM

# Bytes that are read at once, and how long a term and a vector may be.
_CHUNK = 2**23
_LONGEST_TERM = 2**16
_LONGEST_VECTOR = 2**20


def read_binary(stream, limit=None):
    r"""Read a binary file of word2vec.

    Parameters
    ----------
    stream : binary stream
    limit : int, default=None
        How many terms to read at the most.

    Returns
    -------
    terms : list of str
    matrix : ndarray of float32, of shape (n_terms, vector_size)
    first : int
        The number of the first record: 1.

    Raises
    ------
    ValueError
        If a record is malformed; it says which, and at which byte it begins.

    Examples
    --------
    >>> from io import BytesIO
    >>> content = b"1 2\ncat " + np.array([3, 4], "<f4").tobytes()
    >>> read_binary(BytesIO(content))
    (['cat'], array([[3., 4.]], dtype=float32), 1)
    """
    head = stream.readline(99)
    columns = head.split()
    if len(columns) != 2 or not all(column.isdigit() for column in columns):
        raise ValueError("its first line is not 'n_terms vector_size'")
    n_terms, size = map(int, columns)
    if not 0 < size <= _LONGEST_VECTOR:
        raise ValueError(f"its first line says that a vector has {size} numbers")
    wanted = n_terms if limit is None else min(n_terms, limit)
    terms, matrix = [], GrowingMatrix(size)
    rest, at = b"", len(head)
    while len(terms) < wanted:
        try:
            data = stream.read(_CHUNK)
        except BROKEN_STREAM as error:
            raise ValueError(
                f"it cannot be decompressed from byte {at} on, in record {len(terms) + 1} ({error})"
            ) from error
        if not data:
            raise ValueError(
                f"record {len(terms) + 1} of {n_terms}, at byte {at}, is cut off by the end"
            )
        data = rest + data
        records, end = _split(data, size, wanted - len(terms))
        if not records and len(data) > _LONGEST_TERM + 4 * size:
            raise ValueError(f"record {len(terms) + 1}, at byte {at}, holds no term")
        new_terms, rows = _parse(data, records, size, len(terms) + 1, at)
        terms += new_terms
        matrix.extend(rows)
        rest, at = data[end:], at + end
    if wanted == n_terms and (rest + stream.read(99)).strip():
        raise ValueError(f"more follows at byte {at}, behind its {n_terms} records")
    return terms, matrix.finish(), 1


def _split(data, size, most):
    """Where the whole records in some bytes begin and their terms end, and where these end."""
    records, start = [], 0
    while len(records) < most:
        blank = data.find(b" ", start, start + _LONGEST_TERM)
        end = blank + 1 + 4 * size
        if blank < 0 or end > len(data):
            break
        records.append((start, blank))
        start = end
    return records, start


def _parse(data, records, size, number, at):
    """The terms and rows of records, of which the first has this number; `at`: data's place."""
    rows = np.array([np.frombuffer(data, "<f4", size, blank + 1) for _, blank in records])
    rows = rows.reshape(len(records), size)
    for i in not_finite(rows):
        place = at + records[i][0]
        raise ValueError(f"record {number + i}, at byte {place}, holds a number that is not finite")
    terms = []
    for i, (start, blank) in enumerate(records):
        try:
            # word2vec ends each record with a line feed.
            terms.append(data[start:blank].lstrip(b"\n").decode())
        except UnicodeDecodeError as error:
            raise ValueError(
                f"record {number + i}, at byte {at + start}, is not UTF-8 ({error})"
            ) from error
    return terms, rows


def write_binary(stream, terms, blocks):
    """Write word2vec's binary format.

    Parameters
    ----------
    stream : binary stream
    terms : sequence of str
        Without blanks, which end a term there.
    blocks : iterable of ndarray of float32, of shape (n_rows, vector_size)
        The rows of all terms, in pieces.
    """
    names = iter(terms)
    for i, block in enumerate(blocks):
        if i == 0:
            stream.write(b"%d %d\n" % (len(terms), block.shape[1]))
        for row in np.asarray(block, dtype="<f4"):
            stream.write(next(names).encode() + b" " + row.tobytes() + b"\n")
