"""The hinge rank loss of DeViSE."""

import torch

from skdevise.models._negatives import first_violation, hardest, random_labels
from skdevise.models.losses._label_loss import LabelLoss


class HingeRank(LabelLoss):
    r"""Hinge rank loss (DeViSE, eq. 1) over the false labels chosen by `negatives`.

    Let p be a projected photo and y its true label. A false label j violates the margin if
    :math:`margin + p \cdot (t_j - t_y)` is positive. The loss is the sum of these numbers over the
    violating labels that `negatives` selects.

    Parameters
    ----------
    label_vectors, n_trained, seed
        See `LabelLoss`.
    margin : float, default=0.1
        Score by which the true label must exceed a false one. It must be positive.
    negatives : {"first_violation", "all", "hardest"} or int, default="first_violation"
        False labels in the sum. "first_violation" selects the first violating label in random
        order, "all" selects all violating labels, and "hardest" the one with the highest score. An
        int is the number of labels to draw at random; those that violate the margin are selected.

    Examples
    --------
    >>> import torch
    >>> loss = HingeRank(torch.eye(3), margin=0.25, negatives="all")
    >>> loss(torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([0]))
    tensor([0.2500])
    """

    def __init__(self, label_vectors, n_trained=0, margin=0.1, negatives="first_violation", seed=0):
        super().__init__(label_vectors, n_trained, seed)
        self.margin = margin
        self.negatives = negatives

    def forward(self, points, target):
        """Compute the losses (n,) of points (n, vector_size) with true labels (n,)."""
        rows, constant, pull = self.pull(points, target)
        values = constant + (points[rows] * pull).sum(dim=1)
        return values.new_zeros(len(points)).index_add(0, rows, values)

    def pull(self, points, target):
        r"""Compute the gradient of the loss by the points in closed form.

        The gradient of a violating label j is :math:`t_j - t_y`. We call the sum of gradients in
        one row of the result a pull. Automatic differentiation is not needed.

        Parameters
        ----------
        points : Tensor of shape (n, vector_size)
            Projected features.
        target : Tensor of int64, of shape (n,)
            Positions of the true labels.

        Returns
        -------
        rows : Tensor of int64, of shape (n_pulls,)
            Position of the point that each pull belongs to. A point may have none or several.
        constant : float or Tensor of shape (n_pulls,)
            Part of the loss that does not depend on the point. The other part is the dot product of
            the point and its pull.
        pull : Tensor of shape (n_pulls, vector_size)
            Gradient of the loss by the point.
        """
        vectors = self.vectors
        true = self.true_vectors(target)
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
        """Return violating pairs and their weights: rows, labels, weight (None means 1)."""
        arrays = points, target, vectors, least
        if self.negatives == "first_violation":
            return *first_violation(*arrays, self.generator), None
        if self.negatives == "hardest":
            return *hardest(*arrays), None
        return *random_labels(*arrays, self.negatives, self.generator), None
