"""Terms: the words and phrases that have vectors, and the form in which they are looked up."""

import re
import unicodedata
from numbers import Number

import numpy as np

# Letters keep the marks that follow them; Python's \w leaves these out.
_MARKS = "".join(
    chr(code) for code in range(0x10000) if unicodedata.category(chr(code)).startswith("M")
)
# Letters in lower case, digits, and blanks for all else; a table is twice as fast as a pattern.
_ASCII = bytes(ord(chr(c).lower()) if chr(c).isalnum() else ord(" ") for c in range(128))
_ASCII += b" " * 128
_WORD = re.compile(rf"[\w{_MARKS}]+")


def words_of(text):
    """Split text into its lower-cased words; punctuation, "_" and "-" only separate them.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str

    Examples
    --------
    >>> words_of("An in-line skate.")
    ['an', 'in', 'line', 'skate']
    """
    if text.isascii():
        return text.encode().translate(_ASCII).decode().split()
    return _WORD.findall(unicodedata.normalize("NFC", text).lower().replace("_", " "))


def normalise_term(term):
    """Give the form in which a term is looked up: lower case, "_" and " " the same.

    Parameters
    ----------
    term : str

    Returns
    -------
    str

    Examples
    --------
    >>> normalise_term("Great_white  shark")
    'great white shark'
    """
    return " ".join(unicodedata.normalize("NFC", term).lower().replace("_", " ").split())


def one_column(values):
    """Give the column of a table of one, as a Pipeline may hand over; all else as it is.

    Parameters
    ----------
    values : object

    Returns
    -------
    object

    Raises
    ------
    TypeError
        For a table of several columns.
    """
    shape = getattr(values, "shape", ())
    if len(shape) < 2:
        return values
    if len(shape) > 2 or shape[1] != 1:
        raise TypeError(
            f"Expected one column of text, got a table of shape {tuple(shape)}: pick one."
        )
    return np.ravel(values)


def check_terms(terms):
    """Refuse what is not a sequence of terms, and give it as a list of str.

    Parameters
    ----------
    terms : array-like of str, or of labels whose text is the term

    Returns
    -------
    list of str

    Raises
    ------
    TypeError
        For one string (its letters would be taken for terms), a set (which has no order), what
        cannot be iterated, or a term that is neither text nor a number.

    Examples
    --------
    >>> check_terms(["cat", 7])
    ['cat', '7']
    """
    has_order = hasattr(terms, "__iter__") and not isinstance(terms, str | bytes | set | frozenset)
    if not has_order or getattr(terms, "shape", None) == ():
        raise TypeError(f"Expected a sequence of terms, got {terms!r}: pass a list, as in ['cat'].")
    terms = list(one_column(terms))
    if all(isinstance(term, list | tuple) and len(term) == 1 for term in terms):
        terms = [term for (term,) in terms]
    for term in terms:
        if not isinstance(term, str | Number | np.number | np.bool_) or term != term:
            raise TypeError(f"A term is text, got {term!r}.")
    return [str(term) for term in terms]
