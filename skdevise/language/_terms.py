"""Spelling, inflection and look-up of terms: the words and phrases that have vectors."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import KeysView, Mapping, Sequence, Set
from functools import cached_property
from hashlib import blake2b
from numbers import Number

import numpy as np

# Combining marks belong to the letter before them, but Python's \w does not match them.
_MARKS = "".join(
    chr(code) for code in range(0x10000) if unicodedata.category(chr(code)).startswith("M")
)
_WORD = re.compile(rf"[\w{_MARKS}]+")
# Maps ASCII letters to lower case and punctuation to blanks. It is twice as fast as the pattern.
_ASCII = bytes(ord(chr(c).lower()) if chr(c).isalnum() else ord(" ") for c in range(128))
_ASCII += b" " * 128

_TERM_TYPES = (str, Number, np.number, np.bool_)

_IRREGULAR = dict(
    zip(
        "child foot goose louse man mouse ox person tooth calf dwarf elf half hoof knife leaf life "
        "loaf scarf sheaf shelf thief wharf wife wolf woman".split(),
        "children feet geese lice men mice oxen people teeth calves dwarves elves halves hooves "
        "knives leaves lives loaves scarves sheaves shelves thieves wharves wives wolves "
        "women".split(),
        strict=True,
    )
)
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}
_IRREGULAR_ENDS = tuple(_SINGULAR)
# These nouns end in "s" but are not plurals. Without the "s" they would match another word.
_UNCHANGED = {"glasses", "lens", "means", "news", "pants", "series", "species"}
_HISSING = ("s", "x", "z", "ch", "sh")
_COMPOUND_MAN = re.compile(r"\w{3,}m[ae]n")
# The place between two words without a blank. "iPad" and "McDonald" stay whole.
_CAPITAL = re.compile("(?<=[a-z][a-z])(?=[A-Z][a-z])")
# Accents of words such as "café" and "naïve". An umlaut stays: "Bär" is not "bar".
_ACCENTS = re.compile("[\u0300-\u0304\u0327]|(?<=[ei])\u0308")


def split_capitals(term):
    """Separate words that only a capital letter marks: "SeaLake" to "Sea Lake"."""
    return _CAPITAL.sub(" ", term)


def words_of(text):
    """Split text into lower-case words. Punctuation, "_" and "-" separate words."""
    if text.isascii():
        return text.encode().translate(_ASCII).decode().split()
    return _WORD.findall(unicodedata.normalize("NFC", text).lower().replace("_", " "))


def normalise_term(term):
    """Return a term in lower case, with single blanks instead of "_". The term "_" stays."""
    words = unicodedata.normalize("NFC", term).lower().replace("_", " ").replace("’", "'").split()
    return " ".join(words) or term


def one_column(values):
    """Flatten a table of one column, and return other values unchanged."""
    shape = getattr(values, "shape", ())
    if len(shape) < 2:
        # The entries of pyarrow's arrays are not text.
        return values.to_pylist() if hasattr(values, "to_pylist") else values
    if len(shape) > 2 or shape[1] != 1:
        raise TypeError(f"Expected one column of text, got shape {tuple(shape)}. Select a column.")
    return np.ravel(values)


def check_terms(terms):
    """Convert a sequence of text or numbers to a list of str. A lone str or a set is an error."""
    if isinstance(terms, list | tuple) and {*map(type, terms)} == {str}:
        return list(terms)  # Most calls end here.
    terms, is_keys = one_column(terms), isinstance(terms, KeysView)
    has_order = hasattr(terms, "__iter__") and not isinstance(terms, str | bytes | Mapping | Set)
    if not (has_order or is_keys) or getattr(terms, "shape", None) == ():
        raise TypeError(
            f"Expected a sequence of terms, got {terms!r:.80}. Pass a list, as in ['cat']."
        )
    terms = list(terms)
    if all(isinstance(term, list | tuple) and len(term) == 1 for term in terms):
        terms = [term for (term,) in terms]
    for term in terms:
        if not isinstance(term, _TERM_TYPES) or term != term:
            raise TypeError(f"A term is text, got {term!r}. Pass str or numbers.")
    return [str(term) for term in terms]


def index_terms(terms):
    """Map each normalised spelling to the row of a term: dict.

    This is the first term that is spelled so, or else the first one with this normalised spelling.
    The other terms are found by their own spelling: "Weg" and "weg" are two German words.
    """
    index = {}
    keys = [normalise_term(term) for term in terms]
    others = []
    for row, (term, key) in enumerate(zip(terms, keys, strict=True)):
        if term == key:
            index.setdefault(key, row)
        else:
            others.append(row)
    for row in others:
        first = index.setdefault(keys[row], row)
        if terms[first] != terms[row]:
            index.setdefault(unicodedata.normalize("NFC", terms[row]), row)
    # A term with hyphens also matches without them, unless another term matches exactly.
    for row, key in enumerate(keys):
        if "-" in key:
            index.setdefault(" ".join(words_of(key)), row)
        if "ß" in key:
            index.setdefault(without_sharp_s(key), row)
    index.pop("", None)
    return index


def without_sharp_s(key):
    """Write "ss" instead of "ß", as in Switzerland and in capitals: "STRASSE" is "Straße"."""
    return key.replace("ß", "ss")


def find_rows(terms, index):
    """Find the row of each term in an index of terms, or -1: (n_terms,) int."""
    found = ((index.get(spelling, -1) for spelling in _exact_first(term)) for term in terms)
    return np.array([next((row for row in rows if row >= 0), -1) for rows in found], dtype=np.intp)


class TermTuple(tuple):
    """Terms of a table with their index. A pickle holds them as `PackedTerms`."""

    @cached_property
    def index(self):
        """Map of each normalised spelling to a row: dict."""
        return index_terms(self)

    def get(self, spelling, default):
        """Return the row of a spelling, or the default."""
        return self.index.get(spelling, default)

    @cached_property
    def packed(self):
        """The same terms in arrays: PackedTerms. joblib shares arrays that it has met before."""
        return PackedTerms.pack(self)

    def __reduce__(self):
        return self.packed.__reduce__()


class PackedTerms(Sequence):
    """Terms and their index in arrays, which several processes can share by a memory map.

    `text` holds the terms in UTF-8, and `ends` where each one ends. `keys` are the sorted hashes of
    the spellings, and `rows` the rows that `index_terms` gives these spellings.
    """

    def __init__(self, text, ends, keys, rows):
        self.text, self.ends, self.keys, self.rows = text, ends, keys, rows

    @classmethod
    def pack(cls, terms):
        """Pack a `TermTuple`."""
        encoded = [term.encode("utf-8", "surrogatepass") for term in terms]
        keys = np.array([_hash(spelling) for spelling in terms.index], dtype=np.uint64)
        order = np.argsort(keys)
        return cls(
            np.frombuffer(b"".join(encoded), dtype=np.uint8),
            np.cumsum([len(term) for term in encoded], dtype=np.int64),
            keys[order],
            np.array(list(terms.index.values()), dtype=np.int32)[order],
        )

    def get(self, spelling, default):
        """Return the row of a spelling, or the default."""
        # Another spelling has the same hash with a probability of 5e-14 in a million terms.
        key = _hash(spelling)
        i = bisect_left(memoryview(self.keys), key)
        return int(self.rows[i]) if i < len(self.keys) and self.keys[i] == key else default

    def __len__(self):
        return len(self.ends)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        start = self.ends[row - 1] if row else 0
        return self.text[start : self.ends[row]].tobytes().decode("utf-8", "surrogatepass")

    def __reduce__(self):
        return PackedTerms, (self.text, self.ends, self.keys, self.rows)


def _hash(spelling):
    """Hash a spelling to 64 bits, the same in every process: int."""
    digest = blake2b(spelling.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _exact_first(term):
    """Yield a term as it is spelled, and then its other spellings."""
    yield unicodedata.normalize("NFC", term)
    yield from spellings(term)


def spellings(term):
    """Yield the spellings to look up, the most exact first."""
    yield normalise_term(term)
    words = " ".join(words_of(term))
    yield words
    yield from _inflections(words)
    if not words.isascii():
        plain = _without_accents(words)
        yield plain
        yield from _inflections(plain)
        usual = unicodedata.normalize("NFKC", term)  # "Ｔシャツ" to "Tシャツ"
        if usual != unicodedata.normalize("NFC", term):
            yield from spellings(usual)
    parts = split_capitals(term)
    if parts != term:
        yield from spellings(parts)


def _without_accents(words):
    """Remove the accents that English often leaves out: "crème brûlée" to "creme brulee"."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", words)))


def _inflections(term):
    """Guess the singular and the plural of a lower-case English term, the likelier guess first."""
    before, blank, word = term.rpartition(" ")
    if len(word) < 3 or not (word.isascii() and word.isalpha()) or word in _UNCHANGED:
        return []
    return [before + blank + guess for guess in _singulars(word) + _plurals(word)]


def _singulars(word):
    if word.endswith(_IRREGULAR_ENDS):
        # "grandchildren" ends like "children", but so does "olives" like "lives".
        end = next(end for end in _IRREGULAR_ENDS if word.endswith(end))
        irregular = [word.removesuffix(end) + _SINGULAR[end]]
        return irregular + ([word[:-1]] if word != end and word.endswith("s") else [])
    if _COMPOUND_MAN.fullmatch(word) and word.endswith("men"):
        return [word[:-2] + "an"]
    if word.endswith("ae"):
        return [word[:-1]]
    if word.endswith("i"):
        return [word[:-1] + "us"]
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return []
    if len(word) == 4 and word.endswith(("us", "is")):  # "iris", but "kiwis" and "menus"
        return []
    if word.endswith("ies"):
        return [word[:-3] + "y", word[:-1]]
    if word.endswith("es") and word[:-2].endswith((*_HISSING, "o")):
        return [word[:-2], word[:-1]]
    return [word[:-1]]


def _plurals(word):
    if word in _IRREGULAR:
        return [_IRREGULAR[word]]
    if word in _SINGULAR:
        return []
    if _COMPOUND_MAN.fullmatch(word) and word.endswith("man"):
        return [word[:-2] + "en", word + "s"]
    if word.endswith("y") and word[-2] not in "aeiou":
        return [word[:-1] + "ies", word + "s"]
    if word.endswith(_HISSING):
        return [word + "es"]
    if word.endswith("o"):
        return [word + "es", word + "s"]
    return [word + "s"]
