"""Tokenizers by name: text to a list of tokens."""

from functools import cache

from skdevise.language._terms import words_of

# Those of nltk's that need no downloaded data, by the names that nltk gives their functions.
_NLTK = {
    "casual": "TweetTokenizer",
    "toktok": "ToktokTokenizer",
    "treebank": "TreebankWordTokenizer",
    "wordpunct": "WordPunctTokenizer",
}

TOKENIZERS = frozenset({"words", *_NLTK})


def as_tokenizer(tokenizer):
    """Give what splits text into lower-cased tokens.

    Parameters
    ----------
    tokenizer : {"words", "casual", "toktok", "treebank", "wordpunct"} or callable
        "words" keeps letters and digits alone; the others are nltk's, which keep punctuation; a
        callable takes a str and gives a list of str.

    Returns
    -------
    callable
        Takes a str and gives a list of str.

    Raises
    ------
    TypeError
        When it is called, if the callable gives anything else than tokens.

    Examples
    --------
    >>> as_tokenizer("words")("Don't stop!")
    ['don', 't', 'stop']
    >>> as_tokenizer("treebank")("Don't stop!")
    ['do', "n't", 'stop', '!']
    """
    if tokenizer == "words":
        return words_of
    split = tokenizer if callable(tokenizer) else _nltk_tokenizer(tokenizer)
    return lambda text: lower_tokens(split(text))


def lower_tokens(tokens):
    """Give tokens in lower case.

    Parameters
    ----------
    tokens : iterable of str

    Returns
    -------
    list of str

    Raises
    ------
    TypeError
        If they are not tokens.

    Examples
    --------
    >>> lower_tokens(("The", "U.S."))
    ['the', 'u.s.']
    """
    if not isinstance(tokens, str | bytes):
        try:
            return [str.lower(token) for token in tokens]
        except TypeError:
            pass
    raise TypeError(f"Expected a list of tokens, each a str, got {str(tokens)[:40]}.")


@cache
def _nltk_tokenizer(name):
    import nltk.tokenize

    return getattr(nltk.tokenize, _NLTK[name])().tokenize
