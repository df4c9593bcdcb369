"""Files read and written as streams of bytes, compressed or not."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from contextlib import contextmanager

_OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

# What the decompressors raise.
BROKEN_STREAM = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)


@contextmanager
def open_stream(path):
    """Open a file to read its bytes, decompressed: .gz, .bz2, .xz, or .zip with one file in it.

    Parameters
    ----------
    path : Path

    Yields
    ------
    binary stream
    """
    if path.suffix != ".zip":
        with _OPEN.get(path.suffix, open)(path, "rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} files, {names[:9]}: unpack the one you want")
        with archive.open(names[0]) as stream:
            yield stream


def open_to_write(path, suffix):
    """Open a file to write bytes, compressed as a suffix says: .gz, .bz2 or .xz."""
    return _OPEN.get(suffix, open)(path, "wb")
