"""The base of every loss: it holds the label vectors."""

import torch
from torch import nn
from torch.nn import functional as F


class LabelLoss(nn.Module):
    """Base class of the losses. It compares projected features with the vectors of their labels.

    `forward(points, target)` returns one loss per example, of shape (n,). `points`, of shape
    (n, vector_size), are projected features without normalisation. `target`, of shape (n,),
    contains the positions of the true labels in `label_vectors`.

    Parameters
    ----------
    label_vectors : ndarray or Tensor of float32, of shape (n_labels, vector_size)
        Unit vectors of the labels.
    n_trained : int, default=0
        Number of label vectors to train, counted from the first (DeViSE, footnote 5). They keep
        unit length. Labels that share a vector continue to share it. 0 trains none.
    """

    def __init__(self, label_vectors, n_trained=0):
        super().__init__()
        vectors = torch.as_tensor(label_vectors)
        self.n_trained = n_trained
        self.register_buffer("fixed", vectors[n_trained:], persistent=False)
        if n_trained:
            table, rows = torch.unique(vectors[:n_trained], dim=0, return_inverse=True)
            self.register_buffer("rows", rows, persistent=False)
            self.table = nn.Parameter(table.clone())

    def replace_vectors(self, label_vectors):
        """Replace the labels. This is only possible if no label vector is trained."""
        self.fixed = torch.as_tensor(label_vectors).to(self.fixed.device)

    @property
    def vectors(self):
        """Unit vectors of the labels, of shape (n_labels, vector_size)."""
        if not self.n_trained:
            return self.fixed
        return torch.cat([F.normalize(self.table, dim=1)[self.rows], self.fixed])
