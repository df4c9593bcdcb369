"""Bounds on the work that a damaged or hostile file can cause, and one error for such files."""

import math
import os
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from gzip import BadGzipFile
from lzma import LZMAError
from pickle import UnpicklingError
from stat import S_ISFIFO

# Vectors of 50,000 numbers, and every published vocabulary, have shorter lines.
MAX_LINE = 2**20
# Parsers of paths are recursive, or take time that grows with the square of the depth.
MAX_DEPTH = 100
# Text and photos compress by less. This many bytes or pixels are always allowed.
MAX_RATIO = 100
FREE_BYTES = 2**26
# Raw photos of cameras and scans have less than 256 MB.
MAX_PHOTO_BYTES = 2**28

_CHUNK = 2**23

# Errors of decompressors, pickle, gensim, archives and JSON. They do not name the file.
_PARSER_ERRORS = (
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError),
    *(EOFError, MemoryError, RuntimeError, UnpicklingError, struct.error, zlib.error),
    *(LZMAError, tarfile.TarError, zipfile.BadZipFile),
)


@contextmanager
def parsing(path, advice):
    """Raise ValueError, with the path and advice, for any error of a parser inside the block."""
    refuse_pipe(path)
    try:
        yield
    except (*_PARSER_ERRORS, OSError) as error:
        # Decompressors raise an OSError without a number. Others say that a file is missing.
        is_parser = type(error) in (OSError, BadGzipFile) and error.errno is None
        if isinstance(error, OSError) and not is_parser:
            raise
        reason = str(error).rstrip(".") or type(error).__name__
        raise ValueError(f"{str(path)!r} cannot be read. {reason}. {advice}") from error


def refuse_pipe(path):
    """Raise ValueError for a named pipe. Opening one would wait forever."""
    if os.path.exists(path) and S_ISFIFO(os.stat(path).st_mode):
        raise ValueError(f"{str(path)!r} is a named pipe. Write its content to a file first.")


class BoundedReader:
    """Binary stream that ends with an error if it decompresses to far more than is stored."""

    def __init__(self, stream, n_stored=math.inf):
        self._stream = stream
        self.name = getattr(stream, "name", "")
        self._limit = self._left = max(FREE_BYTES, MAX_RATIO * n_stored)

    def read(self, size=-1):
        """Read at most `size` bytes."""
        data = self._stream.read(_CHUNK if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(
                f"It decompresses to more than {self._limit} bytes, {MAX_RATIO} times its size. "
                "Decompress it first if you trust it"
            )
        return data

    def header(self):
        """Read the first line, without its end."""
        line = self._stream.readline(MAX_LINE + 1)
        _check_line(line)
        return line

    def line_blocks(self):
        """Yield lists of whole lines, without their ends."""
        rest = b""
        while chunk := self.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            _check_line(max((*lines, rest), key=len))
            if lines:
                yield lines
        if rest:
            yield [rest]


def _check_line(line):
    if len(line) > MAX_LINE:
        raise ValueError(f"A line has more than {MAX_LINE} bytes, beginning with {line[:20]}.")


def check_depth(names):
    """Raise ValueError if the name of a member is nested too deeply."""
    for name in names:
        if name.count("/") > MAX_DEPTH:
            raise ValueError(f"The member {name[:40]!r}... is below more than {MAX_DEPTH} folders.")


def check_pixels(n_pixels, n_stored):
    """Raise ValueError if a photo has far more pixels than its file has bytes."""
    limit = max(FREE_BYTES, MAX_RATIO * n_stored)
    if n_pixels > limit:
        raise ValueError(f"it has {n_pixels} pixels, more than {limit} for a file of its size")


def read_photo(file):
    """Read the whole file of a photo, up to `MAX_PHOTO_BYTES`."""
    data = file.read(MAX_PHOTO_BYTES + 1)
    if len(data) > MAX_PHOTO_BYTES:
        raise ValueError(f"it has more than {MAX_PHOTO_BYTES} bytes")
    return data
