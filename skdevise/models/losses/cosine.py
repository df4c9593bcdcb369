"""One less the cosine with the true label's vector."""

from torch.nn import functional as F

from skdevise.models.losses._label_loss import LabelLoss


class Cosine(LabelLoss):
    """One less the cosine with the true label's vector.

    Parameters
    ----------
    label_vectors, n_trained
        As in `LabelLoss`.

    Examples
    --------
    >>> import torch
    >>> loss = Cosine(torch.eye(2))
    >>> loss(torch.tensor([[0.0, 5.0]]), torch.tensor([0]))
    tensor([1.])
    """

    def forward(self, points, target):
        """Losses (n,) of points (n, vector_size) whose true labels are at positions (n,)."""
        return 1 - F.cosine_similarity(points, self.vectors[target])
