"""Terms: the words and phrases that have vectors, and the form in which they are looked up."""

import re

import numpy as np

_WORD = re.compile(r"[^\W_]+")


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
    return _WORD.findall(text.lower())


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
    return " ".join(term.lower().replace("_", " ").split())


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
        For one string (its letters would be taken for terms), or what cannot be iterated.

    Examples
    --------
    >>> check_terms(["cat", 7])
    ['cat', '7']
    """
    if isinstance(terms, str | bytes) or not hasattr(terms, "__iter__"):
        raise TypeError(f"Expected a sequence of terms, got {terms!r}: pass a list, as in ['cat'].")
    # One column of a table of terms, as a Pipeline may hand over, is a sequence of terms too.
    if np.ndim(terms) == 2 and np.shape(terms)[1] == 1:
        terms = np.ravel(terms)
    return [str(term) for term in terms]
