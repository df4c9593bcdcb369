"""Compiled nets that are kept on disk."""

import hashlib
import os
import tempfile
from contextlib import suppress

from skdevise._utils import user_folder

MAX_FILES = 16
_LENGTH_SIZE = 8


class CompiledNets:
    """The parts of nets, bytes, by key, in the user's folder of skdevise.

    It is a cache, which may lose what it holds. A file begins with the hash of what follows, each
    part with its length before it. It appears under its name when it is complete, so that any
    number of processes may read and write. The files used last are kept.
    """

    def __init__(self):
        self._folder = user_folder("engines")

    def __contains__(self, key):
        return self._path(key).is_file()

    def read(self, key):
        """Return the list of parts, or None where there are none, or broken ones."""
        try:
            content = self._path(key).read_bytes()
            os.utime(self._path(key))
        except OSError:
            return None
        digest, rest = content[:32], content[32:]
        if hashlib.sha256(rest).digest() != digest:
            return None
        parts = []
        while rest:
            end = _LENGTH_SIZE + int.from_bytes(rest[:_LENGTH_SIZE])
            parts.append(rest[_LENGTH_SIZE:end])
            rest = rest[end:]
        return parts

    def write(self, key, parts):
        """Keep the parts, if the disk takes them."""
        content = b"".join(len(part).to_bytes(_LENGTH_SIZE) + part for part in parts)
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(content).digest())
                    file.write(content)
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
