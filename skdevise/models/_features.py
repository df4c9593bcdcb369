"""Features as training takes them: at any rows, in float32, scaled."""

import numpy as np
import torch

from skdevise.models._tables import read, rows_at_once

# Numbers that a look-up brings: as many as stay in the processor's cache.
_N_CACHED = 2**18


class ResidentFeatures:
    """Features in memory.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Scaled already.

    Examples
    --------
    >>> ResidentFeatures(np.eye(2))[torch.tensor([1])]
    tensor([[0., 1.]])
    """

    def __init__(self, features):
        # torch takes neither negative strides nor memory that cannot be written.
        features = np.require(features, dtype=np.float32, requirements=["C", "W"])
        self.features = torch.from_numpy(features)
        self.n_rows_at_once = _N_CACHED // features.shape[1]

    def __getitem__(self, rows):
        return self.features[rows]


class StreamedFeatures:
    """Features that stay on disk.

    Parameters
    ----------
    table : object with `shape`, `dtype` and `__getitem__`
        Of shape (n_samples, n_features).
    scale : callable
        Scales a block of features.

    Examples
    --------
    >>> StreamedFeatures(np.eye(2), scale=lambda block: 2 * block)[torch.tensor([1, 0])]
    tensor([[0., 2.],
            [2., 0.]])
    """

    def __init__(self, table, scale):
        self.table = table
        self.scale = scale
        self.n_rows_at_once = rows_at_once(table)

    def __getitem__(self, rows):
        ascending, order = rows.sort()
        block = self.scale(read(self.table, ascending.numpy()))
        features = torch.empty(block.shape)
        features[order] = torch.from_numpy(np.require(block, np.float32, ["C", "W"]))
        return features
