"""The net that WSABIEClassifier trains: projection and label vectors, with bounded columns."""

import numpy as np
import torch
from torch import nn

from skdevise._utils import find_device, seeded
from skdevise.models._features import as_tensor
from skdevise.models._projection import LinearProjection
from skdevise.models.losses import Warp
from skdevise.training._net import TrainingNet, TrainingSet, place_features


class WarpOfLearnedLabels(Warp):
    """WARP loss with a margin of 1 whose label vectors (n_labels, vector_size) are trained."""

    def __init__(self, label_vectors, seed):
        super().__init__(label_vectors, margin=1.0, seed=seed)
        self.weight = nn.Parameter(label_vectors)

    @property
    def vectors(self):
        """Vectors of the labels: (n_labels, vector_size), not of unit length."""
        return self.weight


class WSABIENet(TrainingNet):
    """Net that bounds the norms of the columns of V and W after each step."""

    max_norm = 1.0

    def step(self, X, target, weight, batch):
        """Update the weights, bound their columns, and return the loss: a scalar."""
        loss = super().step(X, target, weight, batch)
        self.bound_columns()
        return loss

    @torch.no_grad()
    def bound_columns(self):
        """Shorten the columns of V, and the label vectors, that are longer than `max_norm`."""
        self.module_.weight.renorm_(2, 1, self.max_norm)
        self.criterion_.weight.renorm_(2, 0, self.max_norm)


def make_net(n_features, n_labels, params, seed):
    """Create a net with random weights from the parameters of a classifier: WSABIENet."""
    size = params["embedding_size"]
    seeds = np.random.SeedSequence(seed).generate_state(3).tolist()
    device = find_device(params["device"])
    with seeded(seeds[0], device):
        projection = LinearProjection(n_features, size, scale=size**-0.5)
        # The draws of the loss are made on the device of its vectors.
        vectors = (size**-0.5 * torch.randn(n_labels, size)).to(device)
    net = WSABIENet.build(
        projection,
        WarpOfLearnedLabels(vectors, seeds[2]),
        optimizer="adagrad",
        lr=params["lr"],
        batch_size=params["batch_size"],
        callbacks=None,
        precision="float32",
        device=params["device"],
        order_seed=seeds[1],
        verbose=params["verbose"],
    )
    net.max_norm = params["max_norm"]
    net.bound_columns()
    return net


def train(features, targets, weight, n_labels, params, seed):
    """Train on scaled features: V (embedding_size, n_features), W (n_labels, embedding_size)."""
    net = make_net(features.shape[1], n_labels, params, seed)
    # The mean weight is one, so the learning rate has the same effect as without weights.
    weight = None if weight is None else weight / weight.mean()
    features = place_features(as_tensor(features), find_device(params["device"]))
    data = TrainingSet(features, np.arange(len(features)), targets, weight)
    net.train_epochs(data, params["max_epochs"])
    matrices = net.module_.weight, net.criterion_.weight
    return [matrix.numpy(force=True).copy() for matrix in matrices]
