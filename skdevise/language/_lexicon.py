"""Which tokens of a text get a vector."""

import numpy as np
import pandas as pd

from skdevise.language._terms import check_terms, words_of


def terms_to_merge(terms):
    """Give the terms that a lexicon is asked to hold, in all the forms that they come in.

    Parameters
    ----------
    terms : iterable of str, LabelVocabulary, "wordnet" or None
        Of a vocabulary all terms of its labels; of WordNet the nouns of several words.

    Returns
    -------
    list of str
        Each once.

    Raises
    ------
    TypeError
        If they are no terms, or can be read only once.

    Examples
    --------
    >>> terms_to_merge(["cat", "cat", "white shark"])
    ['cat', 'white shark']
    >>> len(terms_to_merge("wordnet"))
    62555
    """
    if terms is None:
        return []
    if isinstance(terms, str) and terms == "wordnet":
        from skdevise._bundled import load_wordnet_nouns

        own = [term for synset in load_wordnet_nouns().terms for term in synset]
        return [term for term in dict.fromkeys(own) if len(words_of(term)) > 1]
    if isinstance(getattr(terms, "terms", None), tuple):
        terms = [term for label in terms.terms for term in label]
    elif isinstance(terms, set | frozenset):
        terms = sorted(terms, key=str)
    elif hasattr(terms, "__iter__") and iter(terms) is terms:
        raise TypeError("terms can be read only once, so that a second fit would lose them.")
    return list(dict.fromkeys(check_terms(terms)))


def choose_lexicon(tokens, counts, named, min_count, max_vocab):
    """Choose the tokens to train: the named ones, then the most frequent ones.

    Parameters
    ----------
    tokens : list of str
    counts : ndarray of int, of shape (n_tokens,)
        How often each occurs.
    named : set of str
        Tokens that are kept however rare, and however many.
    min_count : int
        How often any other one must occur.
    max_vocab : int
        How many to choose at the most.

    Returns
    -------
    ndarray of bool, of shape (n_tokens,)

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> choose_lexicon(["a", "b", "c", "d"], np.array([2, 5, 1, 4]), {"c"}, 2, max_vocab=3)
    array([False,  True,  True,  True])
    """
    chosen = np.array([token in named for token in tokens], dtype=bool)
    # Among equals, what occurs first in the text goes first.
    by_count = np.argsort(-counts, kind="stable")
    candidates = by_count[~chosen[by_count] & (counts[by_count] >= min_count)]
    chosen[candidates[: max(0, max_vocab - chosen.sum())]] = True
    if not chosen.any():
        raise ValueError(
            f"No term occurs min_count={min_count} times among the {counts.sum()} words of the "
            "text: give more text, or lower min_count."
        )
    return chosen


def coverage(tokens_of, count_of, in_lexicon):
    """Tell how often terms occur in a text, and which of them have a vector of their own.

    Parameters
    ----------
    tokens_of : dict of str to set of str
        The tokens that stand for each term.
    count_of : dict of str to int
        How often each token occurs.
    in_lexicon : container of str
        The tokens that have vectors.

    Returns
    -------
    DataFrame
        A row a term, with columns "count" and "in_lexicon".

    Examples
    --------
    >>> coverage({"Cat": {"cat"}, "okapi": {"okapi"}}, {"cat": 7}, {"cat"})
           count  in_lexicon
    Cat        7        True
    okapi      0       False
    """
    counts = [sum(count_of.get(token, 0) for token in own) for own in tokens_of.values()]
    known = [any(token in in_lexicon for token in own) for own in tokens_of.values()]
    table = pd.DataFrame({"count": counts, "in_lexicon": known}, index=list(tokens_of))
    return table.astype({"count": int, "in_lexicon": bool})
