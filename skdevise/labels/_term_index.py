"""Look-up of the labels that have a term."""

from functools import cached_property

from skdevise.language._terms import normalise_term, spellings, words_of


class TermIndex:
    """Positions of the labels that have a term, the label for which it is used most first.

    Parameters
    ----------
    terms : sequence of n_labels sequences of str
        Terms of each label.
    counts : iterable of n_labels sequences of int, default=None
        Number of uses of each term for the label. None keeps the labels in order.
    """

    def __init__(self, terms, counts=None):
        self._rows_of, self._count_of, self._keys_of_words = {}, {}, {}
        for row, label_terms in enumerate(terms):
            for key in map(normalise_term, label_terms):
                # Tuples of numbers take half the time of lists, which Python's collector visits.
                rows = self._rows_of.get(key, ())
                if row not in rows:
                    self._rows_of[key] = (*rows, row)
        for row, label_counts in enumerate(counts or ()):
            if any(label_counts):
                for term, count in zip(terms[row], label_counts, strict=True):
                    self._count_of[normalise_term(term), row] = count
        # A term with punctuation also matches without it, unless another term matches exactly.
        for key in self._rows_of:
            if not key.replace(" ", "").isalnum():
                self._keys_of_words.setdefault(" ".join(words_of(key)), []).append(key)

    def counts(self, term):
        """Count the uses of a term for each label that has it: dict of position to int, sorted.

        The closest spelling counts: the term itself, then the term without punctuation, then its
        singular or plural, and at last its words written as one, or as several.
        """
        guesses = list(spellings(term))
        for spelling in guesses:
            keys = [spelling] if spelling in self._rows_of else self._keys_of_words.get(spelling)
            if keys:
                return self._counts(keys)
        for letters in map(_letters, guesses):
            keys = self._keys_of_letters.get(letters, [])
            keys = [letters, *keys] if letters in self._rows_of else keys
            if keys:
                return self._counts(keys)
        return {}

    def _counts(self, keys):
        """Count the uses of several keys for each of their labels, the most used first: dict."""
        counts = [(row, self._count_of.get((k, row), 0)) for k in keys for row in self._rows_of[k]]
        return dict(sorted(counts, key=lambda pair: -pair[1]))

    @cached_property
    def _keys_of_letters(self):
        """Terms of several words, such as "hair dryer", by their letters without blanks: dict."""
        keys_of_letters = {}
        for key in self._rows_of:
            if " " in key or "-" in key:
                keys_of_letters.setdefault(_letters(key), []).append(key)
        return keys_of_letters


def _letters(term):
    return term.replace(" ", "").replace("-", "")
