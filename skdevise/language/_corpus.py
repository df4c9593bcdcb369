"""Text as a stream of token lists."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from skdevise.language._terms import one_column, words_of
from skdevise.language._tokenizers import lower_tokens

# Characters; a text that is one line goes through memory in pieces, too.
_LONG = 1 << 20

_OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


class Corpus:
    """A stream of token lists that can be read again and again.

    Parameters
    ----------
    source : str, Path, sequence of Path, or iterable of documents
        A text file, one document a line (.txt, .gz, .bz2, .xz, or any other name), several of
        them, or a folder of them, which are never held in memory; or documents, each a string or
        a list of tokens, whose case does not count. A line of more than a million characters is
        several documents.
    tokenizer : callable, default=words_of
        Splits text into lower-cased tokens.
    once : bool, default=False
        Take what can be read only once, too.

    Raises
    ------
    FileNotFoundError
        If `source` is a path to nothing, or to a folder without a file.
    TypeError
        If `source` can be read only once, or is no text, such as a table of several columns.
    ValueError
        If it is a list of names of files, or later, if a file is not text in UTF-8 or broken.

    Examples
    --------
    >>> list(Corpus(["A great white shark!"]))
    [['a', 'great', 'white', 'shark']]
    """

    def __init__(self, source, tokenizer=words_of, once=False):
        self.source = source = one_column(source)
        self.tokenizer = tokenizer
        self._paths = _text_files(source)
        if self._paths is not None:
            return
        if isinstance(source, bytes | Mapping) or not hasattr(source, "__iter__"):
            raise TypeError(
                f"Expected documents or the path of a text file, got {str(source)[:40]}."
            )
        if not once and iter(source) is source:
            raise TypeError(
                f"This {type(source).__name__} can be read only once, so that a second fit, or "
                "one that goes on from a checkpoint, would find no text: pass a list, the path of "
                "a file, or an object with an __iter__ of its own; or accept it with spool=True."
            )

    def __iter__(self):
        for document in self._documents():
            if isinstance(document, str):
                yield self.tokenizer(document)
            else:
                yield _tokens(document)

    def _documents(self):
        if self._paths is None:
            yield from self.source
            return
        for path in self._paths:
            yield from _lines(path)


def _text_files(source):
    """The files that a source names, or None if it holds the documents themselves."""
    if isinstance(source, str | Path):
        return _files_of(source)
    is_sequence = isinstance(source, list | tuple) or getattr(source, "shape", ())
    if not is_sequence or not len(source):
        return None
    if all(isinstance(path, Path) for path in source):
        return [file for path in source for file in _files_of(path)]
    if all(isinstance(path, str) and os.path.isfile(path) for path in source):
        name = str(next(iter(source)))
        raise ValueError(
            f"Strings in a list are documents, but {name!r} is the name of a file: pass files as "
            "pathlib.Path objects."
        )
    return None


def _files_of(path):
    """The file, or the files below a folder but for hidden ones, in the order of their names."""
    if os.path.isfile(path):
        return [Path(path)]
    if not os.path.isdir(path):
        raise FileNotFoundError(
            f"There is no text file at {str(path)[:200]!r}; documents go in as a list."
        )
    files = sorted(
        file
        for file in Path(path).rglob("*")
        if file.is_file() and not any(p.startswith(".") for p in file.relative_to(path).parts)
    )
    if not files:
        raise FileNotFoundError(f"There is no text file in the folder {str(path)!r}.")
    return files


def _lines(path):
    open_text = _OPEN.get(path.suffix, open)
    try:
        with open_text(path, "rt", encoding="utf-8-sig") as file:
            yield from _pieces(file)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not text in UTF-8 ({error}): convert it first."
        ) from error
    except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        if getattr(error, "errno", None) is not None:
            raise  # The system's own errors name the file.
        raise ValueError(f"{str(path)!r} cannot be decompressed: {error}.") from error


def _pieces(file):
    """The lines of a file, those longer than `_LONG` cut at a blank where they have one."""
    rest = ""
    while block := file.read(_LONG):
        *lines, rest = (rest + block).split("\n")
        yield from lines
        if len(rest) >= _LONG:
            head, blank, tail = rest.rpartition(" ")
            piece, rest = (head, tail) if blank else (tail, "")
            yield piece
    if rest:
        yield rest


def _tokens(document):
    try:
        return lower_tokens(document)
    except TypeError as error:
        raise TypeError(
            f"A document is text or a list of tokens, got {str(document)[:40]}."
        ) from error
