"""Fast look-up of the positions of labels."""

from collections import Counter
from functools import cached_property

import numpy as np

from skdevise._columns import entries


class LabelIndex:
    """Positions of labels in an array (n_labels,)."""

    def __init__(self, labels):
        self.labels = labels
        self._position = {label: i for i, label in enumerate(labels.tolist())}
        if len(self._position) != len(labels):
            repeated = [label for label, n in Counter(labels.tolist()).items() if n > 1][:5]
            raise ValueError(f"The labels {repeated} occur more than once. Pass each label once.")

    def __contains__(self, label):
        return label in self._position

    def positions(self, labels):
        """Return the position of each label, or raise a ValueError that names unknown ones."""
        if isinstance(labels, str):
            raise TypeError(f"Labels must be a sequence, got {labels!r}. Pass a list.")
        if not isinstance(labels, np.ndarray):
            return self._look_up(entries(labels))
        if labels.ndim != 1 or not labels.dtype.kind == self.labels.dtype.kind == "U":
            return self._look_up(labels.tolist())
        # hp@k looks up thousands of texts. Hashing them as arrays is five times as fast as a dict.
        found = self._row_of_hash[self._hash(labels)]
        missed = self.labels[found] != labels
        found[missed] = self._look_up(labels[missed].tolist())
        return found

    def _look_up(self, labels):
        """Return the positions of a list of labels, from a dict."""
        try:
            return np.fromiter(map(self._position.__getitem__, labels), np.intp, len(labels))
        except KeyError:
            unknown = sorted({str(label) for label in labels if label not in self._position})
            raise ValueError(
                f"The hierarchy has no label {', '.join(map(repr, unknown))}. Use its labels: "
                "Hierarchy.synsets finds the labels of a word, and Hierarchy.rename changes labels."
            ) from None

    def _hash(self, labels):
        """Hash an array of text to numbers below 16 times the number of labels."""
        letters = np.ascontiguousarray(labels).view(np.uint32)
        letters = letters.reshape(len(labels), labels.itemsize // 4)
        factors = np.cumprod(np.full(letters.shape[1], 0x9E3779B97F4A7C15, dtype=np.uint64))
        total = np.zeros(len(labels), dtype=np.uint64)
        for column, factor in zip(letters.T, factors, strict=True):
            total += column * factor
        return total >> (61 - len(self.labels).bit_length())

    @cached_property
    def _row_of_hash(self):
        """Position of a label with each hash. The dict finds other labels of the same hash."""
        rows = np.zeros(8 << len(self.labels).bit_length(), dtype=np.intp)
        rows[self._hash(self.labels)] = np.arange(len(self.labels))
        return rows
