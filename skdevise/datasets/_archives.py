"""Photos in .zip and .tar archives, read where they lie."""

import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class ArchivePhoto:
    """A photo in an archive: where its bytes are, so that opening it searches for nothing.

    Can be hashed, compared and pickled. Any number of threads and processes may open photos of
    one archive at once: each call opens the archive on its own.

    Parameters
    ----------
    archive : str
        Path of the archive.
    member : str
        Name of the photo in it, as "cat/1.jpg".
    offset : int
        Where its bytes begin in the archive.
    size : int
        How many bytes it has.
    packed_size : int or None, default=None
        How many bytes it takes in the archive, if it is deflated there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.bin").write_bytes(b"--pixels--")
    ...     with ArchivePhoto(f"{folder}/a.bin", "cat/1.jpg", offset=2, size=6).open() as file:
    ...         file.read()
    b'pixels'
    """

    archive: str
    member: str
    offset: int = field(repr=False)
    size: int = field(repr=False)
    packed_size: int | None = field(default=None, repr=False)

    def __str__(self):
        return f"{self.archive}/{self.member}"

    def open(self, mode="rb"):
        """Open the photo as a binary file.

        Parameters
        ----------
        mode : {"rb"}
            As for the builtin `open`.

        Returns
        -------
        binary file
            With `read` and `seek`. A stored photo is read as it is asked for, a deflated one is
            inflated at once.

        Raises
        ------
        OSError
            If the archive is gone, or the photo's bytes in it are damaged.
        """
        if mode != "rb":
            raise ValueError(f"mode={mode!r} does not go with a photo in an archive: give 'rb'.")
        if self.packed_size is None:
            file = open(self.archive, "rb", buffering=0)
            return io.BufferedReader(_Slice(file, self.offset, self.size))
        with open(self.archive, "rb") as file:
            file.seek(self.offset)
            packed = file.read(self.packed_size)
        try:
            # No more than was announced: a few bytes may inflate to fill the memory.
            photo = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.size)
        except zlib.error as error:
            raise OSError(f"{str(self)!r} is damaged: {error}.") from error
        if len(photo) < self.size:
            raise OSError(f"{str(self)!r} breaks off after {len(photo)} of {self.size} bytes.")
        return io.BytesIO(photo)


class _Slice(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file, start, size):
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def readinto(self, buffer):
        left = max(self._size - self._position, 0)
        self._file.seek(self._start + self._position)
        n_read = self._file.readinto(memoryview(buffer)[:left])
        self._position += n_read
        return n_read

    def seek(self, offset, whence=io.SEEK_SET):
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise OSError(f"a file has no place {origin + offset}")
        self._position = origin + offset
        return self._position

    def tell(self):
        return self._position

    def close(self):
        if not self.closed:
            self._file.close()
        super().close()


def list_archive(path):
    """List the files and folders of a .zip or .tar archive.

    Names that lead out of the archive, links, and whatever is no plain file are passed over.

    Parameters
    ----------
    path : str or path
        The archive. What it is, is told by its content.

    Returns
    -------
    files : dict of tuple of str to ArchivePhoto
        Each file, photo or not, by the parts of its name.
    folders : set of tuple of str
        The parts of each folder's name.

    Raises
    ------
    NotADirectoryError
        If the file is no archive.
    ValueError
        If it is damaged, encrypted, or packed in a way that gives no access to single files.
    """
    path = os.fspath(path)
    # Tar first: a tar whose last file is a zip may look like a zip.
    if _is_tar(path, "r:"):
        return _list_tar(path)
    if zipfile.is_zipfile(path):
        return _list_zip(path)
    if _is_tar(path, "r"):
        raise ValueError(
            f"{path!r} is a compressed tar, which gives no access to single photos: make it a "
            "plain .tar (gunzip, bunzip2 or unxz), or unpack it and pass the folder."
        )
    if path.lower().endswith((".zip", ".tar")):
        raise ValueError(f"{path!r} is not an archive, or breaks off: fetch or make it again.")
    raise NotADirectoryError(
        f"{path!r} is a file; pass the folder of the class folders, a .zip or .tar of it, or a "
        ".csv of paths and labels."
    )


def _is_tar(path, mode):
    try:
        with tarfile.open(path, mode):
            return True
    except (tarfile.ReadError, EOFError):
        return False


def _list_tar(path):
    files, folders = {}, set()
    try:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                parts = _parts(info.name)
                if parts and info.isdir():
                    folders.add(parts)
                elif parts and info.isreg() and not info.issparse():
                    name = "/".join(parts)
                    files[parts] = ArchivePhoto(path, name, info.offset_data, info.size)
            # tarfile stops without a word at a header that it cannot read.
            archive.fileobj.seek(archive.offset)
            if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"bad header at byte {archive.offset}")
    except tarfile.ReadError as error:
        raise ValueError(f"{path!r} is damaged ({error}): fetch or make it again.") from error
    return files, folders


def _list_zip(path):
    files, folders = {}, set()
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            for info in archive.infolist():
                parts = _parts(info.filename)
                if parts and info.is_dir():
                    folders.add(parts)
                elif parts and not stat.S_ISLNK(info.external_attr >> 16):
                    files[parts] = _zip_member(path, "/".join(parts), info, file)
    except (zipfile.BadZipFile, struct.error) as error:
        raise ValueError(f"{path!r} is damaged ({error}): fetch or make it again.") from error
    return files, folders


def _zip_member(path, name, info, file):
    """Where a file's bytes are in a zip: after a header that repeats its name."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        how = "encrypted" if info.flag_bits & 1 else "packed in an uncommon way"
        raise ValueError(
            f"{info.filename!r} in {path!r} is {how}: unpack the archive and pass the folder."
        )
    file.seek(info.header_offset)
    signature, name_length, extra_length = struct.unpack("<4s22xHH", file.read(30))
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"{info.filename!r} is not where it should be")
    offset = info.header_offset + 30 + name_length + extra_length
    packed_size = info.compress_size if info.compress_type == zipfile.ZIP_DEFLATED else None
    return ArchivePhoto(path, name, offset, info.file_size, packed_size)


def _parts(name):
    """The parts of a member's name; none if it leads out of the archive."""
    parts = PurePosixPath(name).parts
    return () if ".." in parts or name.startswith("/") else parts
