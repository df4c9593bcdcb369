"""Bounds on the work that a damaged or hostile file can cause, and one error for such files."""

import bz2
import gzip
import io
import lzma
import math
import os
from contextlib import contextmanager, nullcontext
from errno import EINVAL
from pathlib import PurePath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from skdevise.exceptions import UntrustedError

# Vectors of 50,000 numbers, and every published vocabulary, have shorter lines.
MAX_LINE = 2**20
# Parsers of paths are recursive, or take time that grows with the square of the depth.
MAX_DEPTH = 100
# Text and photos compress by less. This many bytes or pixels are always allowed.
MAX_RATIO = 100
FREE_BYTES = 2**26
# Raw photos of cameras and scans have less than 256 MB.
MAX_PHOTO_BYTES = 2**28
# A table has a row for each of a million photos. All nouns of WordNet make 3 MB of JSON, and its
# Python objects take up to 40 times as much.
MAX_TABLE_BYTES = 2**26
MAX_VOCABULARY_BYTES = 2**24
# pandas takes 25 microseconds for each column, even of an empty one.
MAX_ROW = 2**16


@contextmanager
def parsing(path, advice):
    """Raise ValueError, with the path and advice, for any error of a parser inside the block."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        # Opening a named pipe would wait forever.
        raise ValueError(f"{str(path)!r} is not a regular file. Write its content to one first.")
    try:
        yield
    except UntrustedError:
        raise
    except Exception as error:  # Decompressors, pickle, gensim and archives raise many types.
        # Decompressors raise an OSError without a number, or for a wrong position in the file.
        # Others say that a file is missing, for example.
        is_parser = type(error) in (OSError, gzip.BadGzipFile) and error.errno in (None, EINVAL)
        if isinstance(error, OSError) and not is_parser:
            if error.errno and error.filename is None:  # A full disk has no name.
                error.filename = str(path)
            raise
        reason = str(error).strip()
        if isinstance(error, KeyError | IndexError | AttributeError | TypeError):
            # Our own errors are sentences. Those of Python make no sense without a traceback.
            reason = reason if reason[-1:] == "." else f"Its content has a wrong form ({reason})"
        reason = reason.rstrip(".") or type(error).__name__
        reason = reason[:1].upper() + reason[1:]
        raise ValueError(f"{str(path)!r} cannot be read. {reason}. {advice}") from error


def is_url(path):
    """Return whether a path is an address that fsspec opens."""
    return "://" in path or "::" in path


def open_stored(path):
    """Open a local or remote file as it is stored: a binary stream."""
    if not is_url(path):
        return open(path, "rb")
    import fsspec  # Importing it takes as long as reading a small file a hundred times.

    return fsspec.open(path).open()


@contextmanager
def open_bounded(path, most=math.inf, max_line=math.inf):
    """Open a local or remote file, and decompress it: a buffered binary stream with bounds."""
    path = os.fspath(path)
    open_content = COMPRESSIONS.get(PurePath(path.lower()).suffix, nullcontext)
    with open_stored(path) as stored, open_content(stored) as content:
        yield io.BufferedReader(_BoundedStream(content, stored, most, max_line), 2**16)


class _BoundedStream(io.RawIOBase):
    """Stream that ends with an error where it, or one of its lines, is too long."""

    def __init__(self, content, stored, most, max_line):
        self.name = getattr(content, "name", "")
        self.max_line = max_line
        self._content, self._stored, self._most = content, stored, most
        self._n_read = self._n_of_line = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self._content.read(len(buffer))
        self._n_read += len(data)
        check_ratio(self._n_read, self._stored.tell(), "bytes")
        if self._n_read > self._most:
            raise ValueError(f"it has more than {self._most} bytes")
        # Lines inside of a buffer are shorter than the bound.
        end = data.find(b"\n")
        self._n_of_line += len(data) if end < 0 else end
        if self._n_of_line > self.max_line:
            raise ValueError(f"it has a line of more than {self.max_line} bytes")
        if end >= 0:
            self._n_of_line = len(data) - data.rfind(b"\n") - 1
        buffer[: len(data)] = data
        return len(data)


def check_ratio(n, n_stored, unit):
    """Raise ValueError if there are far more bytes or pixels than their file has bytes."""
    limit = max(FREE_BYTES, MAX_RATIO * n_stored)
    if n > limit:
        raise ValueError(f"it has {n} {unit} or more, but at most {limit} for a file of its size")


def _open_only_member(stored):
    """Open the only file in a zip file."""
    archive = ZipFile(stored)
    names = archive.namelist()
    if len(names) != 1:
        raise ValueError(f"It contains {len(names)} files, {names[:9]}. Unpack one of them")
    return open_member(archive, names[0])


def open_member(archive, name):
    """Open a member of a zip file: a binary stream."""
    member = archive.getinfo(name)
    # zipfile decompresses other methods without a bound.
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError("it is not compressed with deflate")
    check_ratio(member.file_size, member.compress_size, "bytes")
    return archive.open(member)


COMPRESSIONS = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSIONS[".zip"] = _open_only_member


def read_all(stream, most=MAX_PHOTO_BYTES):
    """Read a whole stream of at most that many bytes."""
    # Python reserves memory for all bytes that `read` asks for, which takes longer than reading a
    # photo. So the first part is small.
    parts, n_bytes = [], 0
    while part := stream.read(min(max(2**18, n_bytes), most + 1 - n_bytes)):
        parts.append(part)
        n_bytes += len(part)
        if n_bytes > most:
            raise ValueError(f"it has more than {most} bytes")
    return b"".join(parts)


def check_padding(texts):
    """Raise ValueError if an array, which pads texts to the longest one, takes far more memory."""
    longest = max(texts, key=len, default="")
    if 4 * len(longest) * len(texts) > max(FREE_BYTES, MAX_RATIO * sum(map(len, texts))):
        raise ValueError(
            f"The text {longest[:40]!r}... has {len(longest)} characters. Shorten it, because each "
            f"of {len(texts)} texts in an array takes as much memory as the longest."
        )


def check_name(name):
    """Raise ValueError if the name of a member is nested too deeply, or leads to another file."""
    if name.count("/") > MAX_DEPTH:
        raise ValueError(f"The member {name[:40]!r}... is below more than {MAX_DEPTH} folders")
    if "::" in name:  # fsspec would open the file that is named after it.
        raise ValueError(f"The name of the member {name[:80]!r} contains '::'")
