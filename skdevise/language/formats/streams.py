"""Files read and written as streams of bytes, compressed or not."""

import bz2
import gzip
import lzma
import shutil
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

_OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

# What the decompressors raise; zipfile the last two, of what is encrypted or damaged.
BROKEN_STREAM = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
BROKEN_STREAM += (RuntimeError, struct.error)


def split_name(path):
    """Split the name of a file, in lower case, into that of its content and its compression's.

    Parameters
    ----------
    path : Path

    Returns
    -------
    name : str
    packing : str
        ".gz", ".bz2", ".xz", ".zip", or "" for none.

    Examples
    --------
    >>> split_name(Path("folder/Cat.TXT.gz")), split_name(Path("cat.bin"))
    (('cat.txt', '.gz'), ('cat.bin', ''))
    """
    name = path.name.lower()
    packing = PurePath(name).suffix
    if packing != ".zip" and packing not in _OPEN:
        return name, ""
    return name.removesuffix(packing), packing


def name_in_zip(path):
    """Give the name of the one file in a .zip, in lower case."""
    with zipfile.ZipFile(path) as archive:
        return _only_member(archive).lower()


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
    _, packing = split_name(path)
    if packing != ".zip":
        with _OPEN.get(packing, open)(path, "rb") as stream:
            yield stream
        return
    with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive)) as stream:
        yield stream


@contextmanager
def unpacked(path):
    """Give a file as it is without compression, for what cannot read a stream.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        The file itself, or a temporary one, which goes again.
    """
    if not split_name(path)[1]:
        yield path
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "unpacked"
        with open_stream(path) as stream, open(file, "wb") as copy:
            shutil.copyfileobj(stream, copy)
        yield file


def open_to_write(path, packing):
    """Open a file to write bytes, compressed as a suffix says: .gz, .bz2 or .xz."""
    return _OPEN.get(packing, open)(path, "wb")


def _only_member(archive):
    names = archive.namelist()
    if len(names) != 1:
        raise ValueError(f"it holds {len(names)} files, {names[:9]}: unpack the one you want")
    return names[0]
