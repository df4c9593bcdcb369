"""Class means, which `partial_fit` replays so that the projection does not forget a class."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class ClassMeans:
    """Mean features of each class that the projection was trained on."""

    known: dict = field(default_factory=dict)
    """Mean features (n_features,) and total weight of each label."""

    def updated(self, samples, classes):
        """Include samples, whose targets are positions in `classes`: ClassMeans."""
        means, totals = samples.class_means(len(classes))
        known = dict(self.known)
        for row in np.flatnonzero(totals):
            label, total = classes[row : row + 1].tolist()[0], totals[row]
            mean, before = known.get(label, (means[row], 0))
            share = total / (before + total)
            known[label] = mean + share * (means[row] - mean), before + total
        return ClassMeans(known)

    def absent_from(self, samples, classes):
        """Return the means of known classes that samples lack, and their targets, or None."""
        present = set(classes[np.unique(samples.targets)].tolist())
        labels = [label for label in self.known if label not in present]
        if not labels:
            return None
        means = np.array([self.known[label][0] for label in labels])
        return means, np.searchsorted(classes, labels)


class FeaturesWithMeans:
    """Scaled features of a source of n_rows rows, and of class means in the rows after these."""

    def __init__(self, source, n_rows, means):
        self.source = source
        self.n_rows = n_rows
        self.means = means
        self.generator = getattr(source, "generator", None)

    def __getitem__(self, rows):
        is_mean = rows >= self.n_rows
        batch = self.means[(rows - self.n_rows).clamp_min(0)]
        if not is_mean.all():
            batch[~is_mean] = self.source[rows[~is_mean]]
        return batch
