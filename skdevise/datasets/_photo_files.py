"""Photo files in folders, archives and remote file systems."""

import atexit
import io
import os
import shutil
import tarfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import fsspec

from skdevise._bounded import (
    MAX_PHOTO_BYTES,
    check_name,
    is_url,
    open_bounded,
    open_member,
    open_stored,
    parsing,
)

_COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo in an archive or on a remote file system.

    The object is small: it can be hashed, compared and pickled, and holds no open file. Threads and
    processes can open photos of the same archive at the same time.

    Parameters
    ----------
    url : str
        Address of the photo in fsspec's notation, such as "zip://cat/1.jpg::/data/photos.zip".
    tar : str, default=None
        Path or URL of the uncompressed tar file that holds the photo, if one does.
    start, stop : int, default=0
        Position of the first byte of the photo in the tar file, and the position after the last.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from zipfile import ZipFile
    >>> with TemporaryDirectory() as folder:
    ...     with ZipFile(f"{folder}/photos.zip", "w") as archive:
    ...         archive.writestr("cat/1.jpg", b"pixels")
    ...     with StoredPhoto(f"zip://cat/1.jpg::{folder}/photos.zip").open() as file:
    ...         file.read()
    b'pixels'
    """

    url: str
    tar: str | None = field(default=None, repr=False)
    start: int = field(default=0, repr=False)
    stop: int = field(default=0, repr=False)

    def __str__(self):
        return self.url

    def open(self, mode="rb"):
        """Open the photo as a binary file.

        Parameters
        ----------
        mode : {"rb"}, default="rb"
            Photos can only be read.

        Returns
        -------
        binary file
            File with `read` and `seek`. Close it after use.
        """
        if mode != "rb":
            raise ValueError(f"mode={mode!r} is not supported for a stored photo. Use mode='rb'.")
        if self.tar is not None:
            return io.BytesIO(self._read_from_tar())
        if self.url.startswith("zip://"):
            name, _, archive = self.url.removeprefix("zip://").partition("::")
            return open_member(_open_zip(archive, os.getpid()), name)
        return open_stored(self.url)

    def _read_from_tar(self):
        # fsspec's tar file system is not thread-safe, and it searches a list at each opening. The
        # builtin `open` is four times faster than fsspec's for a local file.
        stop = min(self.stop, self.start + MAX_PHOTO_BYTES + 1)
        if is_url(self.tar):
            file_system, path = fsspec.url_to_fs(self.tar)
            return file_system.cat_file(path, self.start, stop)
        with open(self.tar, "rb", buffering=0) as file:
            file.seek(self.start)
            return file.read(stop - self.start)


@lru_cache(maxsize=4)
def _open_zip(archive, process):
    """Open a zip file once in each process, because processes must not share a file position."""
    # A ZipFile closes only a file that it opened itself.
    return ZipFile(open_stored(archive) if is_url(archive) else archive)


def is_local_folder(root):
    """Return True if `root` is a path on this machine that is not an archive."""
    return not is_url(root) and _archive_protocol(root) is None


def list_files(root):
    """List the files below a folder, archive or URL, as a dict of name parts to path or photo.

    A folder is listed too. Its last part is "", and its value is None. Hidden files, and files in
    hidden folders, are left out.
    """
    if is_local_folder(root):
        files = _list_folder(root)
    else:
        protocol = _archive_protocol(root)
        url = f"{protocol}://::{root}" if protocol else root
        is_archive = url.startswith(("zip://", "tar://"))
        files = _list_archive(url) if is_archive else _list_file_system(url)
    listed = {}
    with parsing(root, "Use a complete archive."):
        for name, file in files:
            check_name(name)
            parts = PurePosixPath(name.lstrip("/")).parts
            if not any(part.startswith(".") or part == "__MACOSX" for part in parts):
                listed[parts if file is not None else (*parts, "")] = file
    return listed


def _archive_protocol(root):
    """Return "zip" or "tar" for the path or URL of an archive, and None for other paths."""
    name = root.lower()
    if name.startswith(("zip://", "tar://")):
        return None  # The URL already names its protocol.
    if name.endswith(".zip"):
        return "zip"
    return "tar" if name.endswith((".tar", *_COMPRESSED_TARS)) else None


def _list_folder(root):
    """Yield the name and path of each regular file and broken link. A folder has None."""
    if not os.path.exists(root):
        raise FileNotFoundError(f"The folder {root!r} does not exist. Check its path.")
    if not os.path.isdir(root):
        raise NotADirectoryError(
            f"{root!r} is a file. Pass a folder, a .zip or .tar archive, or a .csv table."
        )
    targets = {root: [os.path.realpath(root)]}  # of a folder and all folders above it
    for folder, subfolders, names in os.walk(root, followlinks=True):
        above = targets.pop(folder)
        for name in subfolders.copy():
            path = os.path.join(folder, name)
            target = os.path.realpath(path)
            if target in above:
                subfolders.remove(name)  # os.walk would follow this link in a circle.
            else:
                targets[path] = [*above, target]
                yield Path(path).relative_to(root).as_posix(), None
        for name in names:
            path = os.path.join(folder, name)
            if os.path.exists(path) and not os.path.isfile(path):
                continue  # a named pipe, a socket or a device
            yield Path(path).relative_to(root).as_posix(), path


def _list_archive(url):
    """Yield the name of each file in "zip://folder::archive", with a `StoredPhoto`, or None."""
    head, _, archive = url.partition("::")
    protocol, _, top = head.partition("://")
    top = f"{top}/" if top else ""
    for name, is_folder, place in (_list_tar if protocol == "tar" else _list_zip)(archive):
        if name.startswith(top):
            photo = StoredPhoto(f"{protocol}://{name}::{archive}", *place)
            yield name.removeprefix(top), None if is_folder else photo


def _list_zip(archive):
    """Yield the name of each member of a zip file, whether it is a folder, and an empty place."""
    _open_zip.cache_clear()  # The archive may have changed since it was last opened.
    for member in _open_zip(archive, os.getpid()).infolist():
        yield member.filename, member.is_dir(), ()


def _list_tar(archive):
    """Yield the name of each file in a tar file, whether it is a folder, and its place."""
    tar = _decompress(archive) if archive.lower().endswith(_COMPRESSED_TARS) else archive
    with open_stored(tar) as file, tarfile.open(fileobj=file, mode="r:") as members:
        for member in members:
            if member.size < 0:  # Some versions of Python would list it forever.
                raise tarfile.ReadError(f"{member.name!r} has a negative size")
            if member.isdir() or member.isreg():
                place = tar, member.offset_data, member.offset_data + member.size
                yield member.name.removeprefix("./"), member.isdir(), place
        # tarfile stops without an error at a header that it cannot read.
        file.seek(members.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"damaged at byte {members.offset}")


def _decompress(archive):
    """Decompress a tar file into a temporary one, which gives fast access to single photos."""
    folder = TemporaryDirectory(prefix="skdevise-")
    atexit.register(folder.cleanup)
    path = os.path.join(folder.name, "photos.tar")
    with open_bounded(archive) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target)
    return path


def _list_file_system(url):
    """Yield the name of each file below any other URL, with a `StoredPhoto`. A folder has None."""
    file_system, top = fsspec.url_to_fs(url)
    head, chain, rest = url.partition("::")
    if "://" not in head:  # a cache in front of another file system, "simplecache::s3://photos"
        head, chain, rest = url, "", ""
    slash = "" if head.endswith("/") else "/"
    for path, about in file_system.find(top, withdirs=True, detail=True).items():
        name = path[len(top) :].strip("/")
        if about["type"] == "directory":
            yield name, None
        else:
            yield name, StoredPhoto(f"{head}{slash}{name}{chain}{rest}")
