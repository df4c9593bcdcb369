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

    @property
    def keeps_all_points(self):
        """True if points without a violating label get a pull of zero, which a GPU prefers."""
        return self.fixed.device.type != "cpu"

    def forward(self, points, target):
        """Compute the losses (n,) of points (n, vector_size) with true labels (n,)."""
        rows, constant, pull = self.pull(points, target)
        values = constant + (points[rows] * pull).sum(dim=1)
        if isinstance(rows, slice):
            return values
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
        rows : Tensor of int64, of shape (n_pulls,), or slice
            Position of the point that each pull belongs to. A point may have none or several. A
            slice of all points means that each has one.
        constant : float or Tensor of shape (n_pulls,)
            Part of the loss that does not depend on the point. The other part is the dot product of
            the point and its pull.
        pull : Tensor of shape (n_pulls, vector_size)
            Gradient of the loss by the point.
        """
        vectors, true = self.vectors, self.true_vectors(target)
        with torch.no_grad():
            least = torch.linalg.vecdot(points, true) - self.margin
            labels, weight = self._violations(points, target, vectors, least)
        if labels is None:
            total = weight.sum(dim=1)
            return slice(None), self.margin * total, weight @ vectors - total[:, None] * true
        if self.keeps_all_points:
            return slice(None), self.margin * weight, weight[:, None] * (vectors[labels] - true)
        rows, *columns = weight.nonzero(as_tuple=True)
        pull = vectors[labels[rows, *columns]] - true[rows]
        if weight.dtype == torch.bool:
            return rows, self.margin, pull
        weight = weight[rows]
        return rows, self.margin * weight, weight[:, None] * pull

    def _violations(self, points, target, vectors, least):
        """Choose false labels, (n,) or (n, k), and their weights, or whether they violate.

        If the labels are None, the weights (n, n_labels) are those of all labels.
        """
        arrays = points, target, vectors, least
        if self.negatives == "first_violation":
            return first_violation(*arrays, self.generator)
        if self.negatives == "hardest":
            return hardest(*arrays)
        if self.negatives == "all":
            violates = points @ vectors.T > least[:, None]
            return None, violates.scatter_(1, target[:, None], False).to(points.dtype)
        labels, violates = random_labels(*arrays, self.negatives, self.generator)
        if not self.keeps_all_points:
            return labels, violates
        counts = points.new_zeros(len(points), len(vectors))
        return None, counts.scatter_add_(1, labels, violates.to(points.dtype))
