"""Text as a stream of token lists, with multi-word terms as one token."""

import bz2
import gzip
import lzma
from pathlib import Path

from skdevise.language.terms import words_of

_OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

# gensim cuts what is longer off without a word.
_MAX_TOKENS = 10_000


class Corpus:
    """A stream of token lists that can be read again and again.

    Parameters
    ----------
    source : str, Path, or iterable of documents
        A text file, one document a line (.txt, .gz, .bz2, .xz), which is never held in memory; or
        documents, each a string or a list of tokens, whose case does not count.
    terms : iterable of str, default=()
        Multi-word terms to merge into one token, the longest match first.
    progress : callable, default=None
        Called with the number of tokens of each list that is read.

    Raises
    ------
    FileNotFoundError
        If `source` is a path to no file.
    TypeError
        If `source` can be read only once, or is no text.

    Examples
    --------
    >>> list(Corpus(["A great white shark!"], terms=["great white shark"]))
    [['a', 'great white shark']]
    """

    def __init__(self, source, terms=(), progress=None):
        if isinstance(source, str | Path):
            if not Path(source).is_file():
                raise FileNotFoundError(
                    f"There is no text file at {str(source)!r}; documents go in as a list."
                )
        elif not hasattr(source, "__iter__"):
            raise TypeError(f"Expected documents or the path of a text file, got {source!r}.")
        elif iter(source) is source:
            raise TypeError(
                f"Text is read more than once, and this {type(source).__name__} can be read only "
                "once: pass a list, the path of a file, or an object with an __iter__ of its own."
            )
        self.source = source
        self.progress = progress
        self._merge = _merger(terms)

    def __iter__(self):
        for document in self._documents():
            tokens = self._merge(_tokens(document))
            if self.progress is not None:
                self.progress(len(tokens))
            for start in range(0, len(tokens), _MAX_TOKENS):
                yield tokens[start : start + _MAX_TOKENS]

    def _documents(self):
        if not isinstance(self.source, str | Path):
            yield from self.source
            return
        open_text = _OPEN.get(Path(self.source).suffix, open)
        try:
            with open_text(self.source, "rt", encoding="utf-8") as lines:
                yield from lines
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{str(self.source)!r} is not text in UTF-8 ({error}): convert it first."
            ) from error


def _tokens(document):
    if isinstance(document, str):
        return words_of(document)
    if not isinstance(document, bytes):
        try:
            return [token.lower() for token in document]
        except (AttributeError, TypeError):
            pass
    raise TypeError(f"A document is text or a list of tokens, got {str(document)[:40]}.")


def _merger(terms):
    phrases = {phrase for term in terms if len(phrase := tuple(words_of(term))) > 1}
    if not phrases:
        return list
    from nltk.tokenize import MWETokenizer

    return MWETokenizer(sorted(phrases), separator=" ").tokenize
