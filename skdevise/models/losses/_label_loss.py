"""What losses have in common: the vectors of labels."""

import torch
from torch import nn
from torch.nn import functional as F


class LabelLoss(nn.Module):
    """A loss of mapped features against labels: `forward(points, target)` gives one an example.

    `points` (n, vector_size) are mapped features, which are not normalised, and `target` (n,) are
    the positions of their true labels.

    Parameters
    ----------
    label_vectors : ndarray or Tensor of float32, of shape (n_labels, vector_size)
        Unit rows.
    n_trained : int, default=0
        How many of the vectors, from the first on, the gradient reaches (footnote 5 of the DeViSE
        paper). They stay of unit length, and labels that share a vector go on sharing it.
    """

    def __init__(self, label_vectors, n_trained=0):
        super().__init__()
        vectors = torch.as_tensor(label_vectors)
        self.n_trained = n_trained
        self.register_buffer("fixed", vectors[n_trained:], persistent=False)
        if n_trained:
            own, rows = torch.unique(vectors[:n_trained], dim=0, return_inverse=True)
            self.register_buffer("rows", rows, persistent=False)
            self.table = nn.Parameter(own.clone())

    def replace_vectors(self, label_vectors):
        """Take other labels, where vectors are not trained."""
        self.fixed = torch.as_tensor(label_vectors).to(self.fixed.device)

    @property
    def vectors(self):
        """Unit vectors of the labels: (n_labels, vector_size)."""
        if not self.n_trained:
            return self.fixed
        return torch.cat([F.normalize(self.table, dim=1)[self.rows], self.fixed])
