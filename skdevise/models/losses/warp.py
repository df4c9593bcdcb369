"""The rank-weighted loss of WSABIE."""

import torch

from skdevise.models._negatives import first_violation
from skdevise.models.losses.hinge_rank import HingeRank


class Warp(HingeRank):
    r"""Weighted approximate-rank pairwise loss (WARP) of WSABIE [1]_.

    False labels are drawn until one violates the margin, after N draws; its hinge counts
    :math:`\sum_{i=1}^{r} 1/i` times, where r = (n_labels - 1) // N estimates the true label's rank.

    Parameters
    ----------
    label_vectors, n_trained
        As in `LabelLoss`.
    margin : float, default=0.1
        Above 0.
    seed : int, default=0
        Of the draws.

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
        self.register_buffer("rank_weights", _harmonic(len(label_vectors)), persistent=False)

    def replace_vectors(self, label_vectors):
        """Take other labels, where vectors are not trained."""
        super().replace_vectors(label_vectors)
        self.rank_weights = _harmonic(len(label_vectors)).to(self.fixed.device)

    def _violations(self, points, target, vectors, least):
        rows, labels, n_draws = first_violation(
            points, target, vectors, least, self.generator, count_draws=True
        )
        n_false = len(self.rank_weights) - 1
        weight = self.rank_weights[n_false // n_draws]
        counted = weight > 0  # More draws than there are false labels: algorithm 1 gives up.
        return rows[counted], labels[counted], weight[counted]


def _harmonic(n_labels):
    """Sums of 1 / i up to each rank that the true label can have: (n_labels,)."""
    return torch.cat([torch.zeros(1), (1 / torch.arange(1.0, n_labels)).cumsum(0)])
