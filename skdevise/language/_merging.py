"""Phrases that become one token."""

from skdevise.language._terms import normalise_term, words_of


class PhraseMerger:
    """Replaces phrases by one token each, the longest first at every place, from left to right.

    Parameters
    ----------
    phrases : dict of tuple of str to str
        The tokens of each phrase, and the token that takes their place.

    Examples
    --------
    >>> merge = PhraseMerger({("white", "shark"): "white shark"})
    >>> merge(["a", "white", "shark"])
    ['a', 'white shark']
    """

    def __init__(self, phrases):
        # The phrases that begin with a token and go on with another, the longest first. Most
        # places are told by two look-ups at the most, which nltk's MWETokenizer needs more for.
        self._by_first = {}
        for phrase, name in phrases.items():
            by_second = self._by_first.setdefault(phrase[0], {})
            by_second.setdefault(phrase[1], []).append((list(phrase), name))
        for by_second in self._by_first.values():
            for candidates in by_second.values():
                candidates.sort(key=lambda candidate: len(candidate[0]), reverse=True)

    def __call__(self, tokens):
        """Give a list of tokens with its phrases merged."""
        by_first = self._by_first
        places = [
            i
            for i, token in enumerate(tokens[:-1])
            if token in by_first and tokens[i + 1] in by_first[token]
        ]
        merged, done = [], 0
        for i in places:
            if i < done:
                continue
            for phrase, name in by_first[tokens[i]][tokens[i + 1]]:
                if len(phrase) == 2 or tokens[i : i + len(phrase)] == phrase:
                    merged += tokens[done:i]
                    merged.append(name)
                    done = i + len(phrase)
                    break
        return merged + tokens[done:] if done else tokens


class NamedTerms:
    """Terms that are wanted in the lexicon, and how text spells them.

    Parameters
    ----------
    terms : sequence of str
    split : callable, default=words_of
        What splits the text into tokens.

    Attributes
    ----------
    tokens_of : dict of str to set of str
        The tokens that stand for each term once its phrases are merged.
    phrases : dict of tuple of str to str
        For a `PhraseMerger`.

    Examples
    --------
    >>> NamedTerms(["Great_White", "shark"]).phrases
    {('great', 'white'): 'great white'}
    """

    def __init__(self, terms, split=words_of):
        self.tokens_of = {}
        self.phrases = {}
        for term in terms:
            words = words_of(term)
            own = self.tokens_of.setdefault(term, set())
            # Tokens that come split already may have kept what the words leave out ("in-line").
            parts = words if split is words_of else split(term)
            spellings = (words, parts, normalise_term(term).split())
            for spelling in {tuple(spelling) for spelling in spellings if spelling}:
                token = spelling[0]
                if len(spelling) > 1:
                    token = self.phrases[spelling] = " ".join(words or spelling)
                own.add(token)
