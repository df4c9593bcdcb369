"""Fast look-up of labels: their positions, and the labels that have a term."""

from functools import cached_property

import numpy as np

from skdevise._columns import check_sequence, check_types, entries, name_some
from skdevise.language._terms import normalise_term, spellings, without_sharp_s, words_of


class LabelIndex:
    """Positions of labels in an array (n_labels,)."""

    def __init__(self, labels):
        self.labels = labels
        self._position = {label: i for i, label in enumerate(labels.tolist())}

    def __contains__(self, label):
        try:
            return label in self._position
        except TypeError:  # A list, for example, cannot be looked up. The check refuses it.
            check_types([label])

    def positions(self, labels):
        """Return the position of each label, or raise a ValueError that names unknown ones."""
        check_sequence(labels)
        labels = labels.tolist() if isinstance(labels, np.ndarray) else entries(labels)
        try:
            return np.fromiter(map(self._position.__getitem__, labels), np.intp, len(labels))
        except (KeyError, TypeError):
            check_types(labels)
            unknown = sorted({str(label) for label in labels if label not in self._position})
            raise ValueError(
                f"The hierarchy has no label {name_some(unknown)}. Use labels such as "
                f"{self.labels.tolist()[0]!r}: Hierarchy.synsets finds the labels of a word, and "
                "Hierarchy.rename changes labels."
            ) from None


class TermIndex:
    """Positions of the labels that have a term, the label for which it is used most first.

    `terms` and `counts` hold the terms of each label, and how often each term is used for it.
    Without counts, the labels keep their order.
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
            if "ß" in key:
                self._keys_of_words.setdefault(without_sharp_s(key), []).append(key)

    def counts(self, term):
        """Count the uses of a term for each label that has it: dict of position to int, sorted.

        The closest spelling counts: the term itself, then the term without punctuation, then its
        singular or plural, then these without accents, and at last its words written as one, or as
        several.
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
