"""Examples of a training set, a batch at a time."""

import torch
from torch.utils.data import Dataset


class TrainingSet(Dataset):
    """Examples that batches are taken from.

    Parameters
    ----------
    source : ResidentFeatures, StreamedFeatures, or PhotoTensors
        Indexed by a Tensor of rows.
    rows : Tensor of int64, of shape (n,)
        Which of the source's rows are trained on.
    targets : Tensor of int64, of shape (n,)
        Positions of their labels.
    weights : Tensor of float32, of shape (n,), default=None
        How much each counts; one on average.
    """

    def __init__(self, source, rows, targets, weights=None):
        self.source = source
        self.rows = rows
        self.targets = targets
        self.weights = weights

    def __len__(self):
        return len(self.rows)


class Batches:
    """Batches of a training set, in a fresh order each time.

    A `DataLoader` fetches and stacks example by example; here one index takes a batch, or several
    small ones. Batch norm cannot train on one example: with `drops_lone` a last batch of one is
    left out, which differs from epoch to epoch.
    """

    def __init__(self, dataset, batch_size, generator, drops_lone=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator
        self.drops_lone = drops_lone

    def __iter__(self):
        data, size = self.dataset, self.batch_size
        order = torch.randperm(len(data), generator=self.generator)
        if self.drops_lone and len(order) % size == 1 and len(order) > 1:
            order = order[:-1]
        n_batches = max(1, data.source.n_rows_at_once // size)
        for chunk in order.split(n_batches * size):
            X, target = data.source[data.rows[chunk]], data.targets[chunk]
            weight = None if data.weights is None else data.weights[chunk]
            for start in range(0, len(chunk), size):
                batch = slice(start, start + size)
                yield X[batch], (target[batch], None if weight is None else weight[batch])
