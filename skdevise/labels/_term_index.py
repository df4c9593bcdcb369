"""Look-up of the labels that have a term."""

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
            for key in set(map(normalise_term, label_terms)):
                self._rows_of.setdefault(key, []).append(row)
        for row, label_counts in enumerate(counts or ()):
            if any(label_counts):
                for term, count in zip(terms[row], label_counts, strict=True):
                    self._count_of[normalise_term(term), row] = count
        # A term with punctuation also matches without it, unless another term matches exactly.
        for key in self._rows_of:
            if not key.replace(" ", "").isalnum():
                self._keys_of_words.setdefault(" ".join(words_of(key)), []).append(key)

    def rows(self, term):
        """Return the positions of the labels that have a term: list of int.

        The closest spelling counts: the term itself, then the term without punctuation, then its
        singular or plural.
        """
        for spelling in spellings(term):
            keys = [spelling] if spelling in self._rows_of else self._keys_of_words.get(spelling)
            if keys:
                count_of = {
                    row: self._count_of.get((key, row), 0)
                    for key in keys
                    for row in self._rows_of[key]
                }
                return sorted(count_of, key=lambda row: -count_of[row])
        return []
