"""Keep features on disk, so that each photo goes through a network only once."""

import os
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skdevise._typing import ArrayLike, NDArray, PathLike
from skdevise._utils import warn

# Version 3 added checksums.
_FILE_NAME = "features-v3.sqlite"
_TABLE = (
    "rows (network TEXT, photo TEXT, features BLOB, checksum INTEGER, PRIMARY KEY (network, photo))"
)
# Size of the file in bytes, without pages that are about to be removed.
_USED_BYTES = (
    "SELECT (page_count - freelist_count) * page_size "
    "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
_TIMEOUT = 60  # seconds to wait while another process writes
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


class CacheInfo(NamedTuple):
    """Contents and use of a feature cache.

    Parameters
    ----------
    hits : int
        Number of photos whose features were read, since the cache object was created.
    misses : int
        Number of photos that were looked up but not found, since the cache object was created.
    n_rows : int
        Number of rows in the cache. Each photo has one row for each network that computed it.
    n_bytes : int
        Size of the cache's file in bytes.
    size_limit : int or None
        Largest size of the file in bytes. None means no limit.
    folder : str
        Folder of the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from skdevise import FeatureCache
    >>> with TemporaryDirectory() as folder:
    ...     info = FeatureCache(folder).info()
    ...
    >>> info.hits, info.n_rows
    (0, 0)
    """

    hits: int
    misses: int
    n_rows: int
    n_bytes: int
    size_limit: int | None
    folder: str


class FeatureCache:
    """Cache of photo features in a folder on disk.

    Pass it as the `cache` parameter of :class:`VisualFeaturizer`. A cache can serve several
    featurizers, threads and processes at the same time. It stores one row of features for each
    photo and network in an SQLite file.

    Each row has a checksum. A row that was damaged on the disk is never returned: the cache warns,
    and the features are computed again. If the file as a whole is damaged, delete it. Files that
    other versions of the cache wrote are ignored.

    Parameters
    ----------
    folder : str or Path
        Folder of the cache. It is created if it does not exist. Choose a folder on a local disk,
        because SQLite cannot lock files reliably on network file systems.
    size_limit : int or str, default=None
        Largest size of the cache, at least 1 MB. It is a number of bytes, or text with the unit K,
        M or G, such as "500M" or "2G". When the cache is full, the rows that were written first are
        deleted. None means that the cache grows without limit.

    Raises
    ------
    OSError
        If the folder cannot be written to, or its file is damaged.
    ValueError
        If `size_limit` is not a size, or below 1 MB.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from skdevise import FeatureCache, VisualFeaturizer
    >>> photos = [np.zeros((240, 320, 3), np.uint8)]
    >>> with TemporaryDirectory() as folder:
    ...     cache = FeatureCache(folder, size_limit="500M")
    ...     featurizer = VisualFeaturizer("efficientnet_lite0", cache=cache).fit(photos)
    ...     for _ in range(2):  # The network runs only once.
    ...         features = featurizer.transform(photos)
    ...     info = cache.info()
    ...
    >>> info.hits, info.misses, info.n_rows
    (1, 1, 1)
    """

    def __init__(self, folder: PathLike, size_limit: int | str | None = None) -> None:
        self.folder = os.path.abspath(os.path.expanduser(folder))
        self.size_limit = _to_bytes(size_limit)
        self._hits = self._misses = 0
        with self._connect():  # Raise an error for an unusable folder before any work is done.
            pass

    def read(
        self, network: str, photos: Sequence[str], n_features: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Look up the features of photos. `VisualFeaturizer` calls this method.

        Parameters
        ----------
        network : str
            Key of the network, its weights and its preprocessing.
        photos : sequence of str of length n_photos
            Hashes of the photos.
        n_features : int
            Number of features of the network.

        Returns
        -------
        found : ndarray of bool of shape (n_photos,)
            True for each photo in the cache.
        features : ndarray of float32 of shape (n_found, n_features)
            Features of the photos that were found, in the order of `photos`.

        Warns
        -----
        RuntimeWarning
            If rows are damaged. They count as not found.
        """
        known, n_damaged = {}, 0
        with self._connect() as connection:
            query = (
                "SELECT features, checksum FROM rows WHERE network = ? AND photo = ? "
                # Damage can also change a type, as SQLite allows every type in each column.
                "AND typeof(features) = 'blob' AND typeof(checksum) = 'integer'"
            )
            for photo in set(photos):
                for row, checksum in connection.execute(query, (network, photo)):
                    if checksum == _checksum(network, photo, row):
                        known[photo] = row
                    else:
                        n_damaged += 1
        if n_damaged:
            warn(
                f"{n_damaged} rows of the feature cache in {self.folder!r} are damaged and will be "
                "computed again. Check the disk if this repeats.",
                RuntimeWarning,
            )
        found = np.array([photo in known for photo in photos], dtype=bool)
        self._hits += int(found.sum())
        self._misses += len(photos) - int(found.sum())
        data = bytearray().join(known[photo] for photo in photos if photo in known)
        return found, np.frombuffer(data, dtype="<f4").reshape(-1, n_features)

    def write(self, network: str, photos: Sequence[str], features: ArrayLike) -> None:
        """Add the features of photos. `VisualFeaturizer` calls this method.

        If the disk is full, it warns, and the features are not stored.

        Parameters
        ----------
        network : str
            Key of the network, its weights and its preprocessing.
        photos : sequence of str of length n_photos
            Hashes of the photos.
        features : array-like of shape (n_photos, n_features)
            Features of the photos, stored as float32.
        """
        features = np.ascontiguousarray(features, dtype="<f4")
        rows = [
            (network, photo, row.data, _checksum(network, photo, row.data))
            for photo, row in zip(photos, features, strict=True)
        ]
        try:
            with self._connect() as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", rows)
                if self.size_limit is not None:
                    _delete_oldest(connection, self.size_limit)
        except OSError as error:
            warn(f"Features are not cached. {error}", RuntimeWarning)

    def info(self) -> CacheInfo:
        """Return the contents and use of the cache.

        Returns
        -------
        CacheInfo
        """
        with self._connect() as connection:
            n_rows = _scalar(connection, "SELECT count(*) FROM rows")
            n_bytes = _scalar(connection, _USED_BYTES)
        return CacheInfo(self._hits, self._misses, n_rows, n_bytes, self.size_limit, self.folder)

    def clear(self) -> None:
        """Delete all rows, and give their disk space back."""
        with self._connect() as connection, connection:
            connection.execute("DELETE FROM rows")

    @contextmanager
    def _connect(self):
        """Open the file for one operation, because a connection must not outlive a fork."""
        path = Path(self.folder, _FILE_NAME)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=_TIMEOUT)) as connection:
                # A power cut may damage the file, but a killed process does not.
                connection.execute("PRAGMA synchronous = OFF")
                # The file shrinks when rows are deleted.
                connection.execute("PRAGMA auto_vacuum = FULL")
                connection.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE}")
                # A view or a computed column of a hostile file may never end.
                query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
                if connection.execute(query).fetchall() != [(f"CREATE TABLE {_TABLE}",)]:
                    raise OSError("it has other tables")
                yield connection
        # Python cannot decode the message of SQLite if it quotes damaged text.
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code in _DAMAGED or isinstance(error, UnicodeDecodeError):
                problem, advice = "is damaged", "Delete this file, and its features are recomputed."
            else:
                problem, advice = "cannot be used", "Choose another folder."
            raise OSError(
                f"The feature cache {str(path)!r} {problem} ({error}). {advice}"
            ) from error

    def __repr__(self):
        return f"FeatureCache({self.folder!r}, size_limit={self.size_limit})"

    def __sklearn_clone__(self):
        return self

    def __getstate__(self):
        # A copy counts afresh, and the hash of an estimator does not depend on the counts.
        return vars(self) | {"_hits": 0, "_misses": 0}


def _to_bytes(size_limit):
    """Return a size in bytes, from None, a number, or text such as "2G"."""
    if size_limit is None:
        return None
    try:
        if isinstance(size_limit, str):
            n_bytes = int(float(size_limit[:-1]) * _UNITS[size_limit[-1:]])
        else:
            n_bytes = int(size_limit)
    except (KeyError, TypeError, ValueError, OverflowError):
        n_bytes = 0
    if n_bytes < _UNITS["M"]:
        raise ValueError(
            f"size_limit={size_limit!r} is not a size of 1 MB or more. Give a number of bytes, or "
            "text such as '500M' or '2G'."
        )
    return n_bytes


def _checksum(network, photo, row):
    """Return a checksum of the bytes of a row and of its key: int."""
    return zlib.crc32(row, zlib.crc32(f"{network} {photo}".encode()))


def _delete_oldest(connection, size_limit):
    """Delete a tenth of the rows, the oldest first, until the rest is below the limit."""
    while _scalar(connection, _USED_BYTES) > size_limit:
        connection.execute(
            "DELETE FROM rows WHERE rowid IN (SELECT rowid FROM rows ORDER BY rowid "
            "LIMIT (SELECT count(*) / 10 + 1 FROM rows))"
        )


def _scalar(connection, query):
    return connection.execute(query).fetchone()[0]
