"""Compiled nets that are kept on disk."""

import hashlib
import os
import tempfile
from contextlib import suppress

from skdevise._home import home

MAX_FILES = 16


class CompiledNets:
    """Bytes by key, in the user's folder of skdevise: a cache, which may lose what it holds.

    A file begins with the hash of what follows, and appears under its name when it is complete, so
    that any number of processes may read and write. The files used last are kept.
    """

    def __init__(self):
        self._folder = home("engines")

    def __contains__(self, key):
        return self._path(key).is_file()

    def read(self, key):
        """Return the bytes, or None where there are none, or broken ones."""
        try:
            content = self._path(key).read_bytes()
            os.utime(self._path(key))
        except OSError:
            return None
        digest, compiled = content[:32], content[32:]
        return compiled if hashlib.sha256(compiled).digest() == digest else None

    def write(self, key, compiled):
        """Keep the bytes, if the disk takes them."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(compiled).digest())
                    file.write(compiled)
                os.replace(path, self._path(key))
            except BaseException:
                os.unlink(path)
                raise
            self._drop_oldest()

    def _drop_oldest(self):
        # Also what a process left that was killed while it wrote.
        files = sorted(self._folder.iterdir(), key=os.path.getmtime)
        for path in files[:-MAX_FILES]:
            path.unlink(missing_ok=True)

    def _path(self, key):
        return self._folder / f"{key}.blob"
