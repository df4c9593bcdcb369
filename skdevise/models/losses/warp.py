"""The rank-weighted loss of WSABIE."""

import torch

from skdevise.models._negatives import first_violation
from skdevise.models.losses.hinge_rank import HingeRank


class Warp(HingeRank):
    r"""Weighted approximate-rank pairwise loss (WARP) of WSABIE [1]_.

    False labels are drawn until one violates the margin. If this takes N draws, the rank of the
    true label is estimated as r = (n_labels - 1) // N. The hinge has the weight
    :math:`\sum_{i=1}^{r} 1/i`.

    Parameters
    ----------
    label_vectors, n_trained, seed
        See `LabelLoss`.
    margin : float, default=0.1
        Score by which the true label must exceed a false one. It must be positive.

    References
    ----------
    .. [1] Weston et al., "Large scale image annotation: learning to rank with joint word-image
       embeddings", Machine Learning 81, 2010 (section 3, algorithm 1).

    Examples
    --------
    >>> import torch
    >>> loss = Warp(torch.eye(2), margin=0.25)
    >>> loss(torch.tensor([[0.5, 0.5]]), torch.tensor([0]))  # one false label: N = r = 1
    tensor([0.2500])
    """

    def __init__(self, label_vectors, n_trained=0, margin=0.1, seed=0):
        super().__init__(label_vectors, n_trained, margin, "first_violation", seed)
        weights = _rank_weights(len(label_vectors), self.fixed.device)
        self.register_buffer("rank_weights", weights, persistent=False)

    def replace_vectors(self, label_vectors):
        """Replace the labels. This is only possible if no label vector is trained."""
        super().replace_vectors(label_vectors)
        self.rank_weights = _rank_weights(len(label_vectors), self.fixed.device)

    def _violations(self, points, target, vectors, least):
        labels, violates, n_draws = first_violation(
            points, target, vectors, least, self.generator, count_draws=True
        )
        n_false = len(self.rank_weights) - 1
        # Algorithm 1 gives up after as many draws as there are false labels: the weight is then 0.
        weight = self.rank_weights[n_false // n_draws.clamp_min(1)]
        return labels, weight * violates


def _rank_weights(n_labels, device):
    """Sum 1 / i up to each possible rank of the true label: (n_labels,)."""
    ranks = torch.arange(1.0, n_labels, device=device)
    return torch.cat([ranks.new_zeros(1), (1 / ranks).cumsum(0)])
