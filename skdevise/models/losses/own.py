"""A loss that is a function of the user."""

import torch

from skdevise.models.losses._label_loss import LabelLoss


class OwnLoss(LabelLoss):
    """Loss of a function of the points, the positions of the true labels, and the label vectors.

    Parameters
    ----------
    function : callable
        Takes (points, target, vectors), and returns one loss per example, of shape (n,).
    label_vectors, n_trained, seed
        See `LabelLoss`.
    """

    def __init__(self, function, label_vectors, n_trained=0, seed=0):
        super().__init__(label_vectors, n_trained, seed)
        self.function = function

    def forward(self, points, target):
        """Compute the losses (n,) of points (n, vector_size) with true labels (n,)."""
        values = self.function(points, target, self.vectors)
        if not isinstance(values, torch.Tensor):
            raise TypeError(
                f"loss={self.function!r} returns a {type(values).__name__}. Return a tensor."
            )
        if values.shape != target.shape:
            raise ValueError(
                f"loss={self.function!r} returns a tensor of shape {tuple(values.shape)}. Return "
                f"one loss for each sample, of shape {tuple(target.shape)}."
            )
        return values
