"""The second training, whose projection calibrates the probabilities of the first."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skdevise.models._features import ClassMeans


@dataclass(frozen=True)
class SecondTraining:
    """A projection that is trained like the first one, but without the held-out samples."""

    net: Any = None
    """Net that trains the projection, or None after a pickle."""
    state: dict | None = None
    """Weights of the projection."""
    means: ClassMeans = field(default_factory=ClassMeans)
    """Mean features of the classes in the second training."""

    def train(self, trainer, samples, classes, seed, n_epochs):
        """Train a new projection on the kept samples."""
        every = np.arange(len(samples.rows))
        net = _plain(trainer, n_epochs).train_stage(1, samples, every, every[:0], seed)
        return _trained(net, ClassMeans().updated(samples, classes))

    def train_pass(self, trainer, samples, classes, is_kept, number, seed):
        """Train for one epoch on the kept samples, against the kept classes (n_classes,)."""
        rows = np.flatnonzero(is_kept)
        trainer = replace(_plain(trainer, 1), class_vectors=trainer.class_vectors[rows])
        if trainer.class_terms is not None:
            trainer.class_terms = [trainer.class_terms[row] for row in rows]
        classes = classes[rows]
        samples = replace(samples, targets=np.searchsorted(rows, samples.targets))
        start = None if self.state is None else (self.state, None)
        replay = self.means.absent_from(samples, classes)
        net = trainer.train_pass(number, samples, seed, self.net, start, replay)
        return _trained(net, self.means.updated(samples, classes))

    def __getstate__(self):
        # A net in a pickle would need the same versions of torch and skorch.
        return vars(self) | {"net": None}


def _plain(trainer, n_epochs):
    """Copy a trainer, without all that needs the photos or that the user watches."""
    params = {"callbacks": None, "checkpoint": None, "early_stopping": False, "verbose": 0}
    params |= {"max_epochs": n_epochs, "train_label_vectors": False}
    # Without the visual model, training uses features that are not augmented.
    return replace(trainer, params=trainer.params | params, visual=None)


def _trained(net, means):
    """Keep a net, a copy of its weights, and class means: SecondTraining."""
    from skdevise.models._projection import state_arrays

    return SecondTraining(net, state_arrays(net.projection), means)
