"""The rank-weighted loss of WSABIE."""

import torch
from numpy import euler_gamma

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
        super().__init__(label_vectors, n_trained, margin, seed=seed)

    def _violations(self, points, target, vectors, least):
        labels, violates, n_draws = first_violation(
            points, target, vectors, least, self.generator, count_draws=True
        )
        # Algorithm 1 gives up after as many draws as there are false labels: the rank is then 0.
        rank = (len(vectors) - 1) // n_draws.clamp_min(1)
        # The digamma function sums 1 / i up to the rank.
        weight = torch.digamma(rank + 1.0) + euler_gamma
        return labels, weight * (violates & (rank > 0))
