"""Photos in training: augmentation in stage 1, and fine-tuning of the visual model in stage 2."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, Subset

from skdevise._compat import safe_indexing
from skdevise.models._features import as_tensor
from skdevise.training._net import BATCH_NORMS, trains_batch_norms
from skdevise.vision._engines import InferenceEngine, photos_at_once


class AugmentedFeatures:
    """Scaled features of photos that are augmented anew whenever a batch needs them."""

    def __init__(self, photos, net, scale):
        self.photos = photos
        self.net = net
        self.scale = scale
        self.generator = photos.generator
        self.engine = None

    def batches(self, rows):
        """Iterate over the features at each Tensor of rows. The next photos are decoded ahead."""
        for photos in self.photos.batches(rows):
            if self.engine is None:
                device = next(self.net.parameters(), torch.empty(0)).device
                options = photos.shape[1:], "torch with folding"
                self.engine = InferenceEngine(self.net, *options, device=device)
            yield as_tensor(self.scale(self.engine(photos)))


class PhotoProjection(nn.Module):
    """The visual net and the projection in one module: photos (n, 3, H, W) to points."""

    def __init__(self, net, projection, *, scale, freeze_batch_norm):
        super().__init__()
        self.net = net
        self.projection = projection
        self.feature_scaling = scale.scaling
        self.freeze_batch_norm = freeze_batch_norm
        self._n_at_once = None
        if scale.standard is not None:
            self.register_buffer("mean", as_tensor(scale.standard.mean_))
        if self.feature_scaling == "standard":
            self.register_buffer("std", as_tensor(scale.standard.scale_))

    def train(self, mode=True):
        """Set the training mode. Frozen batch norms keep using their running statistics."""
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.net.modules():
                if isinstance(module, BATCH_NORMS):
                    module.eval()
        return self

    def n_at_once(self, photos):
        """Return how many photos of a batch (n, C, H, W) to train on at a time: int.

        On a CPU, a few photos at a time need little memory, and they are often faster. Batch norms
        that are not frozen need the whole batch.
        """
        if photos.device.type != "cpu" or trains_batch_norms(self):
            return len(photos)
        if self._n_at_once is None:
            self._n_at_once = photos_at_once(self.net, photos.shape[1:])
        return self._n_at_once

    def forward(self, photos):
        """Compute features, scale them and project them."""
        features = self.net(photos)
        if self.feature_scaling in ("centered", "l2"):
            features = F.normalize(features, dim=1)
        if self.feature_scaling in ("centered", "standard"):
            features = features - self.mean
        if self.feature_scaling == "standard":
            features = features / self.std
        return self.projection(features)


def take_photos(X, rows):
    """Select photos by row, in the form that X has."""
    if isinstance(X, Dataset):
        return Subset(X, rows.tolist())
    return safe_indexing(X, rows)
