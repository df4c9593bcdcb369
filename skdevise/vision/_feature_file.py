"""The SQLite file of a feature cache: its layout, and what is done to it."""

import sqlite3
import time
from contextlib import contextmanager

FILE_NAME = "features-v1.sqlite"  # another layout gets another name, and leaves this one alone
_APPLICATION_ID = 0x736B6476  # in the file's header: what tells our file from another program's
_PATIENCE = 60  # seconds to wait for another process that writes
_MAX_VARIABLES = 500  # of one statement; old builds of SQLite take 999
_KEPT_SHARE = 0.9  # of the limit, after an eviction: not each write should evict

# When a row was used stands apart from the row: noting it then moves a few bytes, not the features.
_SCHEMA = (
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, net BLOB NOT NULL, photo BLOB NOT NULL, "
    "used INTEGER NOT NULL, UNIQUE (net, photo))",
    "CREATE TABLE features (id INTEGER PRIMARY KEY, row BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
)
_READ = (
    "SELECT photo, id, row FROM entries JOIN features USING (id) "
    "WHERE net = ? AND length(row) = ? AND photo IN ({})"
)
_WRITE_ENTRY = (
    "INSERT INTO entries (net, photo, used) VALUES (?, ?, ?) "
    "ON CONFLICT (net, photo) DO UPDATE SET used = excluded.used"
)
_WRITE_ROW = (
    "INSERT OR REPLACE INTO features (id, row) "
    "VALUES ((SELECT id FROM entries WHERE net = ? AND photo = ?), ?)"
)
_OLDEST = "(SELECT id FROM entries ORDER BY used LIMIT ?)"


def connect(path):
    """Open the file; make it if there is none.

    Raises
    ------
    sqlite3.DatabaseError
        If it is no file of ours; as `sqlite3.OperationalError`, if it cannot be written to.
    """
    connection = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded before the first table
        _is_empty(connection)  # before another program's file is changed
        _turn_on_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = OFF")  # Debian has it on; slow, to no end here
        connection.execute("PRAGMA journal_size_limit = 4194304")
        with transaction(connection):
            if _is_empty(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(connection):
    """Tell whether the tables are still to be made; refuse a file that is not ours."""
    # In this order: another process may make the tables, and their id, between the two.
    n_tables = _scalar(connection, "SELECT count(*) FROM sqlite_master")
    if _scalar(connection, "PRAGMA application_id") == _APPLICATION_ID:
        return False
    if n_tables:
        raise sqlite3.DatabaseError("it is another program's database")
    return True


def _turn_on_write_ahead_log(connection):
    """Let readers go on beside a writer; where the file system cannot, they take turns."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself where two processes do this at once.
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(connection):
    """All or nothing; waits for other writers."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have ended it already
            connection.execute("ROLLBACK")
        raise


def read_rows(connection, net_key, digests, n_bytes):
    """Look up rows of this length: {digest: (id, row)} of those that are there."""
    known = {}
    for start in range(0, len(digests), _MAX_VARIABLES):
        chunk = digests[start : start + _MAX_VARIABLES]
        query = _READ.format(",".join("?" * len(chunk)))
        for digest, *entry in connection.execute(query, (net_key, n_bytes, *chunk)):
            known[digest] = entry
    return known


def write_rows(connection, net_key, digests, rows):
    """Insert rows, or put them in place of older ones; within a transaction."""
    now = time.time_ns()
    connection.executemany(
        _WRITE_ENTRY, [(net_key, digest, now + place) for place, digest in enumerate(digests)]
    )
    connection.executemany(
        _WRITE_ROW, [(net_key, digest, row) for digest, row in zip(digests, rows, strict=True)]
    )


def note_use(connection, ids):
    """Note that these rows were used just now, in this order; within a transaction."""
    now = time.time_ns() - len(ids)  # what is written right after this is more recent
    connection.executemany(
        "UPDATE entries SET used = ? WHERE id = ?",
        [(now + place, id_) for place, id_ in enumerate(ids)],
    )


def try_to_note_use(connection, ids):
    """As `note_use`, unless others keep the file busy: no reader has to wait for that."""
    try:
        connection.execute("PRAGMA busy_timeout = 100")
        with transaction(connection):
            note_use(connection, ids)
    except sqlite3.Error:
        pass
    finally:
        connection.execute(f"PRAGMA busy_timeout = {1000 * _PATIENCE}")


def evict(connection, size_limit):
    """Drop the rows that were used least recently, and shorten a file beyond its limit.

    Within a transaction; the pages that rows leave behind are filled again by the next ones.
    """
    n_pages, n_free, page_size = _count_pages(connection)
    max_pages = size_limit // page_size
    if n_pages <= max_pages:
        return
    while (n_used := n_pages - n_free) > max_pages:
        n_rows = count_rows(connection)
        n_dropped = int(n_rows * (1 - _KEPT_SHARE * max_pages / n_used)) + 1
        for table in ("features", "entries"):  # in this order: the latter tells what is oldest
            connection.execute(f"DELETE FROM {table} WHERE id IN {_OLDEST}", (n_dropped,))
        n_pages, n_free, _ = _count_pages(connection)
    _shorten(connection, n_pages - max_pages)


def _shorten(connection, n_pages):
    """Take free pages from the end of the file."""
    for _ in range(n_pages):
        # sqlite3 takes but the first step of this statement: more than a page needs a loop.
        connection.execute("PRAGMA incremental_vacuum(1)")


def clear(connection):
    """Drop all rows, and give their space back."""
    with transaction(connection):
        connection.execute("DELETE FROM features")
        connection.execute("DELETE FROM entries")
        _, n_free, _ = _count_pages(connection)
        _shorten(connection, n_free)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def count_rows(connection):
    """Return how many rows there are."""
    return _scalar(connection, "SELECT count(*) FROM entries")


def count_bytes(connection):
    """Return how many bytes of the file are in use."""
    n_pages, n_free, page_size = _count_pages(connection)
    return (n_pages - n_free) * page_size


def _count_pages(connection):
    """Return the number of pages of the file, how many of them are free, and their size."""
    names = ("page_count", "freelist_count", "page_size")
    return [_scalar(connection, f"PRAGMA {name}") for name in names]


def _scalar(connection, query):
    return connection.execute(query).fetchone()[0]
