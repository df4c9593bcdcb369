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
    trained : bool, default=False
        Whether the gradient reaches the vectors (footnote 5 of the DeViSE paper). They stay of unit
        length, and labels that share a vector go on sharing it.
    """

    def __init__(self, label_vectors, trained=False):
        super().__init__()
        vectors = torch.as_tensor(label_vectors)
        self.trained = trained
        if trained:
            vectors, rows = torch.unique(vectors, dim=0, return_inverse=True)
            self.register_buffer("rows", rows, persistent=False)
            self.table = nn.Parameter(vectors.clone())
        else:
            self.register_buffer("table", vectors, persistent=False)

    def replace_vectors(self, label_vectors):
        """Take other labels, where vectors are not trained."""
        self.table = torch.as_tensor(label_vectors).to(self.table.device)

    @property
    def vectors(self):
        """Unit vectors of the labels: (n_labels, vector_size)."""
        return F.normalize(self.table, dim=1)[self.rows] if self.trained else self.table
