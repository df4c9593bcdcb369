"""Tokens on disk, as numbers, and how often each occurs."""

import hashlib
from array import array
from collections import defaultdict
from itertools import pairwise
from tempfile import TemporaryFile

import numpy as np

# Stands behind each document.
_END = 0

# Tokens that are held in memory while the file is written.
_BUFFER = 1 << 20

# Tokens of a batch; gensim trains on no more at once.
BATCH_TOKENS = 10_000


class TokenFile:
    """Token lists in a temporary file, four bytes a token.

    What is trained on is read several times, and this is faster than to split the text anew. The
    file has no name where the system allows it, so that nothing is left of it even if the process
    is killed. Memory grows with the distinct tokens, not with the text.

    Parameters
    ----------
    documents : iterable of list of str
        Read once.
    progress : callable, default=None
        Called with the number of tokens of each document.

    Attributes
    ----------
    tokens : list of str
        The distinct tokens, in the order of their first occurrence; the number in the file is one
        more than the place here.
    counts : ndarray of int, of shape (n_tokens,)
        How often each occurs.
    size : int
        Numbers in the file: all tokens, and one end for each document.
    digest : str
        Tells the file from others.

    Examples
    --------
    >>> with TokenFile([["a", "cat"], ["a", "dog"]]) as file:
    ...     file.tokens, file.counts, list(file.documents())
    (['a', 'cat', 'dog'], array([2, 1, 1]), [['a', 'cat'], ['a', 'dog']])
    """

    def __init__(self, documents, progress=None):
        self._file = TemporaryFile(prefix="skdevise-")
        try:
            self._write(documents, progress)
        except BaseException:
            self._file.close()
            raise

    def _write(self, documents, progress):
        number_of = defaultdict()
        number_of.default_factory = lambda: len(number_of) + 1
        numbers, counts, digest = array("I"), np.zeros(1, np.int64), hashlib.blake2b()
        self.size = 0

        def flush():
            nonlocal counts
            block = np.array(numbers, dtype=np.uint32)
            counts = np.concatenate([counts, np.zeros(len(number_of) + 1 - len(counts), np.int64)])
            counts += np.bincount(block, minlength=len(counts))
            digest.update(block)
            self._file.write(block)
            self.size += len(block)

        for tokens in documents:
            numbers.extend(map(number_of.__getitem__, tokens))
            numbers.append(_END)
            if len(numbers) > _BUFFER:
                flush()
                numbers = array("I")
            if progress is not None:
                progress(len(tokens))
        flush()
        self._file.flush()
        self.tokens = list(number_of)
        self.counts = counts[1:]
        digest.update("\0".join(self.tokens).encode("utf-8", "surrogatepass"))
        self.digest = digest.hexdigest()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def batches(self, start=0, kept=None):
        """Read the tokens a batch at a time.

        Parameters
        ----------
        start : int, default=0
            Where in the file to begin: 0, or what came with a batch before.
        kept : ndarray of bool, of shape (n_tokens,), default=None
            Tokens that are not left out.

        Yields
        ------
        documents : list of list of str
            Whole ones, but for those longer than a batch.
        start : int
            Where the next batch begins.
        """
        names = [None, *self.tokens]
        wanted = None if kept is None else np.concatenate([[True], kept])
        while start < self.size:
            self._file.seek(4 * start)
            block = np.frombuffer(self._file.read(4 * BATCH_TOKENS), dtype=np.uint32)
            ends = np.flatnonzero(block == _END)
            if len(ends):
                block = block[: ends[-1] + 1]
            start += len(block)
            if wanted is not None:
                block = block[wanted[block]]
            ends = np.flatnonzero(block == _END).tolist()
            words = list(map(names.__getitem__, block.tolist()))
            if not ends or ends[-1] < len(words) - 1:
                ends.append(len(words))
            yield [words[a + 1 : b] for a, b in pairwise([-1, *ends])], start

    def documents(self):
        """Read the token lists again, those longer than a batch in pieces."""
        for documents, _ in self.batches():
            yield from documents
