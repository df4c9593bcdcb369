"""Early stopping, and the samples or classes held out for it."""

import numpy as np

from skdevise._utils import send


class EarlyStopping:
    """Measure hit@1 on held-out examples after each epoch, and keep the best weights.

    `answer` maps (net, outputs of the module) to predicted positions (n,), compared with
    `data.targets`. Training ends after `n_iter_no_change` epochs without a new best.
    """

    def __init__(self, data, answer, n_iter_no_change):
        self.data = data
        self.answer = answer
        self.n_iter_no_change = n_iter_no_change
        self.best, self.n_misses, self.weights = -1.0, 0, None

    def evaluate(self, net):
        """Record the hit@1 of an epoch, and copy the weights if it is the best so far."""
        hit_rate = self._hit_rate(net)
        is_best = hit_rate > self.best
        net.history.record("valid_hit@1", hit_rate)
        net.history.record("valid_hit@1_best", is_best)
        if is_best:
            self.best, self.n_misses, self.weights = hit_rate, 0, net.weights()
        else:
            self.n_misses += 1

    def _hit_rate(self, net):
        """Compute the fraction of held-out examples that are answered correctly."""
        import torch

        from skdevise.training._net import examples

        net.bare_module.eval()
        size = max(self.data.n_rows_at_once, net.batch_size)
        positions = torch.arange(net.rank, len(self.data), net.n_processes)
        parts = positions.to(self.data.rows.device).split(size) if len(positions) else ()
        batches = examples(self.data.source, (self.data.rows[part] for part in parts))
        n_hits = 0
        with torch.no_grad():
            for part, X in zip(parts, batches, strict=True):
                X = send(X, net.device)
                groups = X.split(net.n_at_once(X))
                outputs = torch.cat([net.bare_module(group).float() for group in groups])
                targets = send(self.data.targets[part], net.device)
                n_hits += self.answer(net, outputs).eq(targets).sum()
        return sum(net.gather(int(n_hits))) / len(self.data)

    @property
    def has_ended(self):
        """True after too many epochs without a new best."""
        return self.n_misses >= self.n_iter_no_change

    def state(self):
        """Return the progress, for a checkpoint."""
        return {"best": self.best, "n_misses": self.n_misses, "weights": self.weights}

    def load_state(self, state):
        """Restore the progress."""
        vars(self).update(state)


def hold_out_samples(y, fraction, seed):
    """Split positions into kept and held out, by class; classes of one sample are kept whole."""
    _, group, size = np.unique(y, return_inverse=True, return_counts=True)
    if size.max() < 2:
        raise ValueError(
            "No sample can be held out, because each class has one sample. Give more samples of "
            "some classes."
        )
    order = np.random.default_rng(seed).permutation(len(y))
    by_class = order[np.argsort(group[order], kind="stable")]
    rank = np.arange(len(y)) - np.repeat(np.cumsum(size) - size, size)
    n_held_out = np.clip(np.round(fraction * size), 1, size - 1)
    is_held_out = rank < np.repeat(n_held_out, size)
    return np.sort(by_class[~is_held_out]), np.sort(by_class[is_held_out])


def hold_out_classes(y, fraction, seed):
    """Split positions so that at least two whole classes are held out, and at least two kept."""
    classes, group = np.unique(y, return_inverse=True)
    if len(classes) < 4:
        raise ValueError(
            f"Holding out classes needs at least 4 classes, but there are {len(classes)}. Use "
            "validation_split='samples'."
        )
    n_held_out = int(np.clip(round(fraction * len(classes)), 2, len(classes) - 2))
    chosen = np.random.default_rng(seed).permutation(len(classes))[:n_held_out]
    is_held_out = np.isin(group, chosen)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
