"""The end of training, as held-out examples tell it."""

import torch


class EarlyStopping:
    """hit@1 on held-out examples after each epoch, and the best weights.

    Parameters
    ----------
    source : as of `TrainingSet`
    rows, targets : Tensor of int64, of shape (n,)
        The held-out examples, and the positions of their labels among the answers.
    answer : callable
        Gives the positions (n,) that are answered of (net, what its module makes of a batch).
    n_iter_no_change : int
        Epochs without a better one after which training has come to its end.
    """

    def __init__(self, source, rows, targets, answer, n_iter_no_change):
        self.source = source
        self.rows = rows
        self.targets = targets
        self.answer = answer
        self.n_iter_no_change = n_iter_no_change
        self.state = {"best": -1.0, "n_misses": 0, "weights": None}

    def look(self, net):
        """Record the hit@1 of an epoch, and keep the weights if it is the best."""
        hit_rate = self._hit_rate(net)
        is_best = hit_rate > self.state["best"]
        net.history.record("valid_hit@1", hit_rate)
        net.history.record("valid_hit@1_best", is_best)
        if is_best:
            self.state = {"best": hit_rate, "n_misses": 0, "weights": net.weights()}
        else:
            self.state["n_misses"] += 1

    @torch.no_grad()
    def _hit_rate(self, net):
        net.module_.eval()
        size = max(self.source.n_rows_at_once, net.batch_size)
        n_hits = 0
        for rows, targets in zip(self.rows.split(size), self.targets.split(size), strict=True):
            outputs = net.module_(self.source[rows].to(net.device)).float()
            n_hits += self.answer(net, outputs).eq(targets.to(net.device)).sum().item()
        return n_hits / len(self.rows)

    @property
    def has_ended(self):
        """Whether too many epochs have brought nothing."""
        return self.state["n_misses"] >= self.n_iter_no_change
