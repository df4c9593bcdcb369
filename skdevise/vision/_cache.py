"""Features kept on disk, so that a photo goes through a net once."""

import operator
import os
import sqlite3
import threading
import warnings
import weakref
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from joblib.disk import memstr_to_bytes

from skdevise.vision import _feature_file as feature_file

_MAX_TOUCHED = 10_000  # rows that were read, until that is noted in the file

# SQLite's connections do not survive a fork: whoever uses one holds this lock, and a fork takes it
# and closes them all first. They open again when they are needed, on both sides of the fork.
_LOCK = threading.RLock()
_CACHES = weakref.WeakSet()  # that have been opened


class CacheInfo(NamedTuple):
    """What a feature cache holds, and how often it had what was asked for."""

    hits: int
    """Rows that this object found."""
    misses: int
    """Rows that this object did not find."""
    n_rows: int
    """Rows in the store."""
    n_bytes: int
    """Bytes of the file that are in use."""
    size_limit: int | None
    """Bytes that the file may take."""
    folder: str
    """Where the file is."""


class FeatureCache:
    """Store of features in a folder: a row for each net and photo.

    The rows are in one SQLite file. Any number of threads and processes may read and write at
    once; what a killed process was writing is there as a whole or not at all. All of them must be
    on one machine, and the folder on a disk of that: SQLite's write-ahead log needs memory that
    the processes share; over a network file system they do not, and may damage the file.

    Parameters
    ----------
    folder : str or Path
        Is made if it does not exist.
    size_limit : int or str, default=None
        Bytes that the file may take, as joblib writes them: 500_000_000, "500M" or "2G". Rows
        that were used least recently are dropped to keep it. While the store is open, its
        write-ahead log takes some 4 MB more. None is no limit.

    Raises
    ------
    OSError
        If the folder cannot be written to, or the file in it is damaged or not such a store.
    ValueError
        If `size_limit` is no size, or below 1 MB.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     cache = FeatureCache(folder, size_limit="500M")
    ...     cache.write(b"net", [b"cat", b"dog"], np.array([[1.0, 2.0], [3.0, 4.0]]))
    ...     found, rows = cache.read(b"net", [b"dog", b"owl"], n_features=2)
    ...     n_rows = cache.info().n_rows
    ...     cache.close()
    >>> found, rows, n_rows
    (array([ True, False]), array([[3., 4.]], dtype=float32), 2)
    """

    def __init__(self, folder, size_limit=None):
        size_limit = None if size_limit is None else _to_bytes(size_limit)
        folder = os.path.abspath(os.path.expanduser(folder))
        self.__setstate__({"folder": folder, "size_limit": size_limit})
        with self._opened():
            pass  # an unusable folder is refused now, not when there are features to write

    def read(self, net_key, digests, n_features):
        """Look up the features of photos.

        Parameters
        ----------
        net_key : bytes
            Of all that turns a photo into features.
        digests : sequence of bytes, of length n_photos
            Of the photos' contents.
        n_features : int
            Rows of another length count as not found.

        Returns
        -------
        found : ndarray of shape (n_photos,), bool
        rows : ndarray of shape (n_found, n_features), float32
            Of the photos that were found, in their order.

        Raises
        ------
        OSError
            If the store cannot be read any more.
        """
        with self._opened() as connection:
            known = feature_file.read_rows(connection, net_key, digests, 4 * n_features)
            entries = [known[digest] for digest in digests if digest in known]
            for id_, _ in entries:
                self._touched.pop(id_, None)
                self._touched[id_] = None  # at the end: it is the most recent
            if len(self._touched) >= _MAX_TOUCHED:
                feature_file.try_to_note_use(connection, self._touched)
                self._touched.clear()
            self._hits += len(entries)
            self._misses += len(digests) - len(entries)
        found = np.array([digest in known for digest in digests], dtype=bool)
        rows = np.frombuffer(bytearray().join(row for _, row in entries), dtype="<f4")
        return found, rows.reshape(-1, n_features)

    def write(self, net_key, digests, rows):
        """Keep the features of photos, in place of what was kept for them before.

        Where that fails, as on a full disk, there is one warning, and this object writes no more:
        whoever computed the features goes on with them.

        Parameters
        ----------
        net_key : bytes
            Of all that turns a photo into features.
        digests : sequence of bytes, of length n_photos
            Of the photos' contents.
        rows : array-like of shape (n_photos, n_features), float32
        """
        if self._write_failed:
            return
        rows = np.ascontiguousarray(rows, dtype="<f4")
        try:
            with self._opened() as connection, feature_file.transaction(connection):
                feature_file.note_use(connection, self._touched)
                self._touched.clear()
                feature_file.write_rows(connection, net_key, digests, rows)
                if self.size_limit is not None:
                    feature_file.evict(connection, self.size_limit)
        except OSError as error:
            self._write_failed = True
            warnings.warn(
                f"Features are still computed, but no longer kept. {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def info(self):
        """Count rows and bytes in the store, and hits and misses of this object.

        Returns
        -------
        CacheInfo
        """
        with self._opened() as connection:
            n_rows = feature_file.count_rows(connection)
            n_bytes = feature_file.count_bytes(connection)
        return CacheInfo(self._hits, self._misses, n_rows, n_bytes, self.size_limit, self.folder)

    def clear(self):
        """Drop all rows, of all nets, and give their space back."""
        with self._opened() as connection:
            self._touched.clear()
            feature_file.clear(connection)

    def close(self):
        """Close the file, which opens again when it is needed."""
        with _LOCK:
            if self._connection is not None:
                self._connection = None
                self._finalizer()

    @contextmanager
    def _opened(self):
        """Hold this process's connection, alone; what goes wrong with it is an OSError."""
        path = os.path.join(self.folder, feature_file.FILE_NAME)
        with _LOCK:
            try:
                if self._connection is None:
                    os.makedirs(self.folder, exist_ok=True)
                    self._connection = feature_file.connect(path)
                    self._finalizer = weakref.finalize(
                        self, _finish, self._connection, self._touched
                    )
                    _CACHES.add(self)
                yield self._connection
            except (sqlite3.OperationalError, OSError) as error:
                raise OSError(
                    f"The feature cache in {self.folder!r} cannot be used ({error}): choose a "
                    "folder on a disk of this machine that has space and may be written to."
                ) from error
            except sqlite3.DatabaseError as error:
                raise OSError(
                    f"{path!r} is damaged or not a feature cache ({error}): delete it, and what "
                    "it held is computed anew."
                ) from error

    def __getstate__(self):
        return {"folder": self.folder, "size_limit": self.size_limit}

    def __setstate__(self, state):
        self.folder = state["folder"]
        self.size_limit = state["size_limit"]
        self._hits = 0
        self._misses = 0
        self._write_failed = False
        self._touched = {}  # ids of rows that were read since that was last noted in the file
        self._connection = None

    def __repr__(self):
        return f"FeatureCache({self.folder!r}, size_limit={self.size_limit})"


def _to_bytes(size_limit):
    """Return a size in bytes, of a number or of text such as "2G"."""
    try:
        as_text = isinstance(size_limit, str)
        n_bytes = memstr_to_bytes(size_limit) if as_text else operator.index(size_limit)
    except (TypeError, ValueError, IndexError, OverflowError):
        n_bytes = 0
    if n_bytes < 2**20:
        raise ValueError(
            f"size_limit={size_limit!r} is not a number of bytes, such as 500_000_000, '500M' or "
            "'2G', of '1M' at least: give one, or None for no limit."
        )
    return n_bytes


def _finish(connection, touched):
    """Close a connection; what was read meanwhile counts as used."""
    with _LOCK:
        feature_file.try_to_note_use(connection, touched)
        touched.clear()
        connection.close()


def _close_all_before_fork():
    _LOCK.acquire()
    for cache in list(_CACHES):
        cache.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_close_all_before_fork,
        after_in_parent=_LOCK.release,
        after_in_child=_LOCK.release,
    )
