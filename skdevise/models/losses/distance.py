"""Losses that measure the distance to the true label's vector."""

from torch.nn import functional as F

from skdevise.models.losses._label_loss import LabelLoss


class MeanSquaredError(LabelLoss):
    """Squared distance to the true label's vector, summed over dimensions (Socher et al. 2013).

    Parameters
    ----------
    label_vectors, n_trained, seed
        See `LabelLoss`.

    Examples
    --------
    >>> import torch
    >>> loss = MeanSquaredError(torch.eye(2))
    >>> loss(torch.tensor([[1.0, 2.0]]), torch.tensor([1]))
    tensor([2.])
    """

    def forward(self, points, target):
        """Compute the losses (n,) of points (n, vector_size) with true labels (n,)."""
        return (points - self.true_vectors(target)).square().sum(dim=1)


class Cosine(LabelLoss):
    """One minus the cosine similarity with the true label's vector.

    Parameters
    ----------
    label_vectors, n_trained, seed
        See `LabelLoss`.

    Examples
    --------
    >>> import torch
    >>> loss = Cosine(torch.eye(2))
    >>> loss(torch.tensor([[0.0, 5.0]]), torch.tensor([0]))
    tensor([1.])
    """

    def forward(self, points, target):
        """Compute the losses (n,) of points (n, vector_size) with true labels (n,)."""
        return 1 - F.cosine_similarity(points, self.true_vectors(target))
