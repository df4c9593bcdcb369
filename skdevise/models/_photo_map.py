"""The visual net under the map: its features of altered photos, and both in one module."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class AugmentedFeatures:
    """Features of photos that are augmented afresh each time.

    Parameters
    ----------
    photos : PhotoTensors
    net : nn.Module
        The visual net up to its softmax layer.
    scale : callable
        Scales features.
    """

    n_rows_at_once = 1

    def __init__(self, photos, net, scale):
        self.photos = photos
        self.net = net
        self.scale = scale
        self.generator = photos.generator

    def __getitem__(self, rows):
        device = next(self.net.parameters(), torch.empty(0)).device
        with torch.no_grad():
            features = self.net(self.photos[rows].to(device)).cpu().numpy()
        return torch.from_numpy(np.asarray(self.scale(features), dtype=np.float32))


class PhotoMap(nn.Module):
    """The visual net and the map in one: photos (n, 3, H, W) to points (n, vector_size).

    Parameters
    ----------
    net, projection : nn.Module
    feature_scaling : str
    scaler : StandardScaler or None
    freeze_batch_norm : bool
        Batch norms of the net go on using the statistics that they have.
    """

    def __init__(self, net, projection, feature_scaling, scaler, freeze_batch_norm):
        super().__init__()
        self.net = net
        self.projection = projection
        self.feature_scaling = feature_scaling
        self.freeze_batch_norm = freeze_batch_norm
        if scaler is not None:
            self.register_buffer("mean", torch.tensor(scaler.mean_, dtype=torch.float32))
            self.register_buffer("std", torch.tensor(scaler.scale_, dtype=torch.float32))

    def train(self, mode=True):
        """As of any module, but for frozen batch norms."""
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.net.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, photos):
        """Map photos to the space."""
        features = self.net(photos)
        if self.feature_scaling == "l2":
            features = F.normalize(features, dim=1)
        elif self.feature_scaling == "standard":
            features = (features - self.mean) / self.std
        return self.projection(features)
