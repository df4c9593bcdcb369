"""Files from the network: fetched once, checked, and whole or not there at all."""

import hashlib
import os
import tarfile
import zipfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from skdevise._compat import StrOptions
from skdevise._utils import user_folder

try:
    import fcntl
except ImportError:  # Windows: two processes that fetch one file at once end in a wrong md5.
    fcntl = None

_TIMEOUT = 60  # seconds without a byte
_CHUNK = 2**20


@dataclass(frozen=True)
class RemoteFile:
    """A file that is published at an address.

    Parameters
    ----------
    url : str
        Its address; the end of it is the file's name.
    md5 : str
        Its MD5 sum as its publishers or torchvision give it.
    folder : str, default=""
        Where below the data home it belongs.
    unpacked : str, default=""
        For a tar: the folder in it that is needed. Once that is unpacked, the tar is not.
    inner : str, default=""
        For a tar in a zip: its name in there.
    """

    url: str
    md5: str
    folder: str = ""
    unpacked: str = ""
    inner: str = ""

    @property
    def name(self):
        """Name of the file."""
        return self.url.rpartition("/")[2]

    def path(self, data_home):
        """Where the file belongs, below a data home."""
        return Path(data_home, self.folder, self.name)


def fetch_options(*subsets):
    """What the parameters of a fetcher may be, for `validate_params`.

    Examples
    --------
    >>> sorted(fetch_options("train", "test"))
    ['as_frame', 'data_home', 'download_if_missing', 'return_X_y', 'subset']
    """
    options = {
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    }
    return options | ({"subset": [StrOptions({*subsets, "all"})]} if subsets else {})


def data_home_path(data_home):
    """Give the folder of fetched files: `data_home`, or skdevise's own where that is None.

    Examples
    --------
    >>> data_home_path("photos").name
    'photos'
    """
    return Path(user_folder("data") if data_home is None else data_home).expanduser()


def fetch_files(files, data_home, download_if_missing):
    """Have files ready below `data_home`: download, check and unpack those that are not.

    A download that breaks off goes on where it stopped, at once or at the next call. A file that
    was put there by hand is checked like any other.

    Parameters
    ----------
    files : sequence of RemoteFile
    data_home : Path
        Is made if it does not exist.
    download_if_missing : bool
        Whether the network may be used.

    Raises
    ------
    OSError
        If a file cannot be downloaded, or must not be. Says what may be put where by hand.
    ValueError
        If a file is not what was published.
    """
    missing = [file for file in files if not _is_ready(file, data_home)]
    absent = [file for file in missing if not file.path(data_home).exists()]
    if absent and not download_if_missing:
        reason = f"{str(absent[0].path(data_home))!r} does not exist"
        raise FileNotFoundError(
            f"{reason}: pass download_if_missing=True, {_by_hand(absent, data_home)}."
        )
    if missing:
        data_home.mkdir(parents=True, exist_ok=True)
        with _one_process(data_home):
            for file in missing:
                if not _is_ready(file, data_home):  # Another process may have fetched it meanwhile.
                    _make_ready(file, data_home, absent)


def _is_ready(file, data_home):
    path = file.path(data_home)
    if file.unpacked:
        return (path.parent / file.unpacked).is_dir()
    if path.exists():
        _check(file, path)
        return True
    return False


def _make_ready(file, data_home, absent):
    path = file.path(data_home)
    if path.exists():
        _check(file, path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _download(file, path)
        except (OSError, HTTPException) as error:
            absent = absent[absent.index(file) :]
            raise OSError(
                f"{file.name!r} could not be downloaded ({error}): call again when the network is "
                f"there, {_by_hand(absent, data_home)}."
            ) from error
    if file.unpacked:
        _unpack(file, path)


def _by_hand(files, data_home):
    """What to do without a network."""
    wanted = (f"{file.url} (md5 {file.md5}) as {str(file.path(data_home))!r}" for file in files)
    return f"or put there by hand {', and '.join(wanted)}"


@contextmanager
def _one_process(folder):
    """Let one process at a time fetch into a folder; the others wait."""
    if fcntl is None:
        yield
        return
    with open(folder / ".lock", "w") as lock:
        with suppress(OSError):  # Some network file systems know no locks.
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(file, path):
    found = _md5(path)
    if found != file.md5:
        raise ValueError(
            f"{str(path)!r} is damaged, or is not what {file.url} gives: its md5 is {found} "
            f"in place of {file.md5}. Delete it to download it anew, or replace it."
        )


def _md5(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download(file, path):
    """Download to a file beside `path`, which takes its name when it is whole and right."""
    part = path.with_name(f"{path.name}.part")
    was_begun = part.exists()
    while True:
        size = _size(part)
        try:
            _append(file, part)
            break
        except HTTPError as error:
            error.close()
            if error.code != 416:
                raise
            break  # Nothing comes after what is there.
        except (OSError, HTTPException):
            if _size(part) <= size:
                raise
            # Cut off, but not in vain: go on from there.
    found = _md5(part)
    if found == file.md5:
        os.replace(part, path)
        return
    part.unlink()
    if not was_begun:
        raise OSError(f"its md5 came as {found} in place of {file.md5}")
    _download(file, path)  # What an earlier call had left may have been wrong.


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _append(file, part):
    """Download what is not in `part` yet."""
    begun = _size(part)
    headers = {"User-Agent": "skdevise"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with urlopen(Request(file.url, headers=headers), timeout=_TIMEOUT) as answer:
        if answer.status != 206:  # A server that knows no ranges gives all of it.
            begun = 0
        to_come = answer.length
        with (
            open(part, "ab" if begun else "wb") as target,
            tqdm(
                desc=file.name,
                initial=begun,
                total=None if to_come is None else begun + to_come,
                unit="B",
                unit_scale=True,
                disable=None,  # A bar is for people: none where nobody looks.
            ) as bar,
        ):
            while chunk := answer.read(_CHUNK):
                target.write(chunk)
                bar.update(len(chunk))
    if to_come is not None and _size(part) < begun + to_come:
        raise ConnectionError("the connection was cut")


def _unpack(file, path):
    """Unpack the folder that is needed; it appears when it is whole."""
    # The md5 has been checked: nothing is in there but what was published.
    safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4
    with TemporaryDirectory(dir=path.parent, prefix=".unpacking-") as scratch, ExitStack() as open_:
        if file.inner:
            outer = open_.enter_context(zipfile.ZipFile(path))
            source = {"fileobj": open_.enter_context(outer.open(file.inner)), "mode": "r|*"}
        else:
            source = {"name": path}
        open_.enter_context(tarfile.open(**source)).extractall(scratch, **safe)
        os.rename(Path(scratch, file.unpacked), path.parent / file.unpacked)
