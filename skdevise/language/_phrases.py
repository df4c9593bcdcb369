"""Phrases learned from text: words that stand together more often than chance lets them."""

# Between the tokens of a pair, as these may hold blanks themselves; no text has it.
_DELIMITER = "\x1f"

# Pairs that are counted at once, beyond which rare ones are forgotten; about 150 bytes each.
_MAX_PAIRS = 4_000_000


def learn_phrases(documents, min_count):
    """Find the pairs of tokens that are phrases [1]_, with gensim.

    Parameters
    ----------
    documents : iterable of list of str
    min_count : int
        How often a pair and its tokens must occur.

    Returns
    -------
    dict of (str, str) to float
        The score of each pair, above 10.

    References
    ----------
    .. [1] Mikolov et al., "Distributed Representations of Words and Phrases and their
       Compositionality", NeurIPS 2013.

    Examples
    --------
    >>> documents = [["new", "york"]] * 20 + [[f"word {i}"] for i in range(400)]
    >>> list(learn_phrases(documents, min_count=5))
    [('new', 'york')]
    """
    from gensim.models.phrases import Phrases

    learned = Phrases(
        documents, min_count=min_count, max_vocab_size=_MAX_PAIRS, delimiter=_DELIMITER
    )
    return {
        tuple(pair.split(_DELIMITER)): score for pair, score in learned.export_phrases().items()
    }


def merged_pairs(pairs):
    """Give the token that takes the place of each pair.

    Parameters
    ----------
    pairs : iterable of (str, str)

    Returns
    -------
    dict of (str, str) to str

    Examples
    --------
    >>> merged_pairs([("new", "york")])
    {('new', 'york'): 'new york'}
    """
    return {pair: " ".join(pair) for pair in pairs}
