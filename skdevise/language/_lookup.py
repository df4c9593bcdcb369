"""Terms found by name, without a dict of them all."""

from collections.abc import Sequence

import numpy as np

from skdevise.language._inflection import other_numbers
from skdevise.language._terms import normalise_term, words_of

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class PackedTerms(Sequence):
    """Terms as one block of text, as a file holds them.

    A million of them open as fast as ten: no term is looked at before it is asked for.

    Parameters
    ----------
    text : ndarray of uint8
        The terms in UTF-8, a line feed between two.
    lookup : TermIndex, default=None
        Where each of them is found, if the file knows.

    Raises
    ------
    ValueError
        If the text is not UTF-8; a term that is not is named when it is asked for.

    Examples
    --------
    >>> terms = PackedTerms.pack(["cat", "great white shark"])
    >>> len(terms), terms[1]
    (2, 'great white shark')
    """

    def __init__(self, text, lookup=None):
        self.text = text
        self.lookup = lookup
        # Where each term begins, and one behind the end.
        self._starts = np.concatenate([[0], np.flatnonzero(text == ord("\n")) + 1, [len(text) + 1]])

    @classmethod
    def pack(cls, terms):
        """Pack a sequence of terms.

        Parameters
        ----------
        terms : sequence of str

        Returns
        -------
        PackedTerms

        Raises
        ------
        ValueError
            If one of them cannot be part of such a block.
        """
        text = "\n".join(terms)
        if text.count("\n") >= len(terms):
            broken = next(term for term in terms if "\n" in term)
            raise ValueError(f"A term of a file holds no line feed, got {broken!r}.")
        try:
            return cls(np.frombuffer(text.encode(), dtype=np.uint8))
        except UnicodeEncodeError as error:
            broken = terms[text.count("\n", 0, error.start)]
            raise ValueError(f"A term of a file is text in UTF-8, got {broken!r}.") from error

    def __len__(self):
        return len(self._starts) - 1

    def __getitem__(self, row):
        row = range(len(self))[row]
        if isinstance(row, range):
            return [self[i] for i in row]
        start, end = self._starts[row : row + 2]
        return self.text[start : end - 1].tobytes().decode()

    def __iter__(self):
        return iter(self.text.tobytes().decode().split("\n"))

    def first(self, n):
        """Give the first n terms: PackedTerms."""
        return PackedTerms(self.text[: self._starts[min(n, len(self))] - 1], self.lookup)


class TermIndex:
    """The rows of terms, sorted by a hash of the form in which terms are looked up.

    A term with hyphens is found by its words alone too, behind a term that has this very form.

    Parameters
    ----------
    hashes : ndarray of uint64, of shape (n_entries,)
        In ascending order.
    rows : ndarray of int, of shape (n_entries,)
        The row of each; the one that counts goes first among equals.

    Examples
    --------
    >>> terms = ["Great_white", "in-line skate", "great white"]
    >>> TermIndex.build(terms).find(["great white", "in line skate", "skate"], terms)
    array([ 0,  1, -1])
    """

    def __init__(self, hashes, rows):
        self.hashes = hashes
        self.rows = rows

    @classmethod
    def build(cls, terms):
        """Index a sequence of terms.

        Parameters
        ----------
        terms : sequence of str

        Returns
        -------
        TermIndex
        """
        keys = [normalise_term(term) for term in terms]
        hyphened = [row for row, key in enumerate(keys) if "-" in key]
        rows = np.concatenate([np.arange(len(keys)), np.array(hyphened, dtype=np.intp)])
        hashes = _hash(keys + [_words(keys[row]) for row in hyphened])
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], rows[order].astype(np.int32))

    def find(self, keys, terms):
        """Give the row of each term, or -1.

        Parameters
        ----------
        keys : sequence of str
            In the form of `normalise_term`.
        terms : sequence of str
            What was indexed, or the first of it.

        Returns
        -------
        ndarray of int, of shape (n_keys,)
        """
        found = np.full(len(keys), -1, dtype=np.intp)
        hashes = _hash(keys)
        places = np.searchsorted(self.hashes, hashes)
        near = np.minimum(places, len(self.hashes) - 1)
        for i in np.flatnonzero(self.hashes[near] == hashes):
            # Terms that differ may share a hash: only the term itself tells.
            for place in range(places[i], len(self.hashes)):
                row = self.rows[place]
                if self.hashes[place] != hashes[i]:
                    break
                if row < len(terms) and _is_form_of(keys[i], terms[row]):
                    found[i] = row
                    break
        return found


def find_terms(asked, index, terms):
    """Give the row of each term asked for, in any of the spellings that count as the same.

    As it stands but for case and "_"; then by its words alone; then in the other number, singular
    or plural.

    Parameters
    ----------
    asked : list of str
    index : TermIndex
    terms : sequence of str
        What was indexed.

    Returns
    -------
    ndarray of int, of shape (n_asked,)
        -1 for a term that is not there.

    Examples
    --------
    >>> terms = ["wolf", "in-line skates"]
    >>> find_terms(["Wolves", "in_line_skate", "wolverine"], TermIndex.build(terms), terms)
    array([ 0,  1, -1])
    """
    rows = index.find([normalise_term(term) for term in asked], terms)
    unknown = np.flatnonzero(rows < 0)
    words = [_words(asked[i]) for i in unknown]
    rows[unknown] = index.find(words, terms)
    guesses = [
        (i, guess)
        for i, own in zip(unknown, words, strict=True)
        if rows[i] < 0
        for guess in other_numbers(own)
    ]
    found = index.find([guess for _, guess in guesses], terms)
    for (i, _), row in zip(guesses, found, strict=True):
        if rows[i] < 0:
            rows[i] = row
    return rows


def _is_form_of(key, term):
    normalised = normalise_term(term)
    return bool(key) and (key == normalised or ("-" in normalised and key == _words(normalised)))


def _words(term):
    return " ".join(words_of(term))


def _hash(keys):
    """A number for each text, the same in every process: (n_keys,) uint64."""
    # A byte behind each, so that an empty one has a place too.
    blob = np.frombuffer("\n".join([*keys, ""]).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    lengths = np.array([len(key.encode("utf-8", "surrogatepass")) + 1 for key in keys], np.intp)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(blob)) - np.repeat(starts, lengths)
    factors = np.cumprod(np.full(lengths.max(initial=1), _FACTOR))
    return np.add.reduceat(blob * factors[places], starts) if keys else np.empty(0, np.uint64)
