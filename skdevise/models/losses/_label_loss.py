"""The base of every loss: it holds the label vectors."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skdevise.models._negatives import uniform


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
    seed : int, default=0
        Seed of the random draws. They are made on the device of `label_vectors`.
    """

    def __init__(self, label_vectors, n_trained=0, seed=0):
        super().__init__()
        vectors = torch.as_tensor(label_vectors)
        self.n_trained = n_trained
        self.generator = torch.Generator(vectors.device).manual_seed(seed)
        self.register_buffer("terms", None)
        self.register_buffer("fixed", vectors[n_trained:], persistent=False)
        if n_trained:
            table, rows = torch.unique(vectors[:n_trained], dim=0, return_inverse=True)
            self.register_buffer("rows", rows, persistent=False)
            self.table = nn.Parameter(table.clone())

    def replace_vectors(self, label_vectors):
        """Replace the labels. This is only possible if no label vector is trained."""
        self.fixed = torch.as_tensor(label_vectors).to(self.fixed.device)

    def draw_terms(self, terms):
        """Compare each example with a random term of its true label from now on.

        Parameters
        ----------
        terms : list of ndarray of float32, of shape (n_terms, vector_size)
            Unit vectors of the terms of each label that can be a true label.
        """
        device = self.fixed.device
        sizes = torch.tensor([len(vectors) for vectors in terms], device=device)
        self.register_buffer("n_terms", sizes, persistent=False)
        self.register_buffer("first_terms", sizes.cumsum(0) - sizes, persistent=False)
        vectors = torch.from_numpy(np.concatenate(terms)).to(device)
        self.register_buffer("terms", vectors, persistent=False)

    def true_vectors(self, target):
        """Vectors of the true labels (n,), or of a random term of each: (n, vector_size)."""
        if self.terms is None:
            return self.vectors[target]
        draw = uniform(len(target), self.generator, target.device)
        return self.terms[self.first_terms[target] + (draw * self.n_terms[target]).long()]

    @property
    def vectors(self):
        """Unit vectors of the labels, of shape (n_labels, vector_size)."""
        if not self.n_trained:
            return self.fixed
        return torch.cat([F.normalize(self.table, dim=1)[self.rows], self.fixed])
