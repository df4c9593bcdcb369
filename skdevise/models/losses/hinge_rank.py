"""The hinge rank loss of DeViSE."""

import torch

from skdevise.models._negatives import first_violation, hardest, random_labels
from skdevise.models.losses._label_loss import LabelLoss


class HingeRank(LabelLoss):
    r"""Hinge rank loss, DeViSE eq. 1, over the false labels that `negatives` takes.

    A false label j that violates the margin adds :math:`margin + p \cdot (t_j - t_y)` to the loss
    of a point p, so that the gradient by p is the sum of :math:`t_j - t_y`: its `pull`. It needs no
    scores of other labels, and no graph of them.

    Parameters
    ----------
    label_vectors, n_trained
        As in `LabelLoss`.
    margin : float, default=0.1
        Above 0.
    negatives : {"first_violation", "all", "hardest"} or int, default="first_violation"
        The first false label in random order that violates the margin, all of them, the one with
        the highest score, or so many at random.
    seed : int, default=0
        Of the draws.

    Examples
    --------
    >>> import torch
    >>> loss = HingeRank(torch.eye(3), margin=0.25, negatives="all")
    >>> loss(torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([0]))
    tensor([0.2500])
    """

    def __init__(self, label_vectors, n_trained=0, margin=0.1, negatives="first_violation", seed=0):
        super().__init__(label_vectors, n_trained)
        self.margin = margin
        self.negatives = negatives
        # Draws on the CPU are the same whatever the device.
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, points, target):
        """Losses (n,) of points (n, vector_size) whose true labels are at positions (n,)."""
        rows, constant, pull = self.pull(points, target)
        values = constant + (points[rows] * pull).sum(dim=1)
        return values.new_zeros(len(points)).index_add(0, rows, values)

    def pull(self, points, target):
        """Where the loss pushes points away from: its gradient by them, in closed form.

        Parameters
        ----------
        points : Tensor of shape (n, vector_size)
        target : Tensor of int64, of shape (n,)

        Returns
        -------
        rows : Tensor of int64, of shape (n_pulls,)
            Points that violate the margin, once or several times; each pull is of one of them.
        constant : Tensor of shape (n_pulls,) or float
            What the loss is besides the product of a point and its pull.
        pull : Tensor of shape (n_pulls, vector_size)
        """
        vectors = self.vectors
        true = vectors[target]
        with torch.no_grad():
            least = torch.linalg.vecdot(points, true) - self.margin
            if self.negatives == "all":
                violates = points @ vectors.T > least[:, None]
                violates.scatter_(1, target[:, None], False)
                violates = violates.to(points.dtype)
            else:
                rows, labels, weight = self._violations(points, target, vectors, least)
        if self.negatives == "all":
            n_violating = violates.sum(dim=1)
            pull = violates @ vectors - n_violating[:, None] * true
            rows = torch.arange(len(points), device=points.device)
            return rows, self.margin * n_violating, pull
        pull = vectors[labels] - true[rows]
        if weight is None:
            return rows, self.margin, pull
        return rows, self.margin * weight, weight[:, None] * pull

    def _violations(self, points, target, vectors, least):
        """Rows, the false label of each that violates the margin, and how much it counts."""
        if self.negatives == "first_violation":
            rows, labels = first_violation(points, target, vectors, least, self.generator)
        elif self.negatives == "hardest":
            rows, labels = hardest(points, target, vectors, least)
        else:
            rows, labels = random_labels(
                points, target, vectors, least, self.negatives, self.generator
            )
        return rows, labels, None
