"""The nets of the classifiers that learn label vectors: WSABIE and the nearest class mean."""

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


def make_wsabie_net(n_features, n_labels, params, seed):
    """Create a net with random weights from the parameters of a classifier: WSABIENet."""
    size = params["embedding_size"]
    seeds = np.random.SeedSequence(seed).generate_state(3).tolist()
    device = find_device(params["device"])
    with seeded(seeds[0], device):
        projection = LinearProjection(n_features, size, scale=size**-0.5)
        # The draws of the loss are made on the device of its vectors.
        vectors = (size**-0.5 * torch.randn(n_labels, size)).to(device)
    loss = WarpOfLearnedLabels(vectors, seeds[2])
    net = _build(WSABIENet, projection, loss, params, params["lr"], seeds[1])
    net.max_norm = params["max_norm"]
    net.bound_columns()
    return net


def train_wsabie(features, targets, weight, n_labels, params, seed):
    """Train on scaled features: V (embedding_size, n_features), W (n_labels, embedding_size)."""
    net = make_wsabie_net(features.shape[1], n_labels, params, seed)
    _train(net, features, targets, weight, params)
    matrices = net.module_.weight, net.criterion_.weight
    return [matrix.numpy(force=True).copy() for matrix in matrices]


class NearestMeans(nn.Module):
    """Score each class by minus half the squared distance to its mean, projected by W.

    The part of the distance that all classes share is left out. `coef` is W, (n_components,
    n_features), and `means` are class means of shape (n_classes, n_features).
    """

    def __init__(self, coef, means):
        super().__init__()
        self.weight = nn.Parameter(as_tensor(coef))
        self.register_buffer("means", as_tensor(means))

    def forward(self, features):
        """Score features (n, n_features): (n, n_classes)."""
        centres = self.means @ self.weight.T
        return features @ self.weight.T @ centres.T - centres.square().sum(dim=1) / 2


def train_metric(coef, means, features, targets, weight, params, seed):
    """Train W from a start `coef` by the multi-class logistic loss: (n_components, n_features)."""
    # Features may have any scale, and W has the inverse one.
    lr = params["lr"] * float(np.sqrt(np.mean(coef**2)))
    loss = nn.CrossEntropyLoss(reduction="none")
    net = _build(TrainingNet, NearestMeans(coef, means), loss, params, lr, seed)
    _train(net, features, targets, weight, params)
    return net.module_.weight.numpy(force=True).copy()


def _build(kind, module, loss, params, lr, order_seed):
    """Create a net of a kind, with the options that both classifiers share."""
    options = {name: params[name] for name in ("batch_size", "device", "verbose")}
    options |= {"optimizer": "adagrad", "callbacks": None, "precision": "float32"}
    return kind.build(module, loss, lr=lr, order_seed=order_seed, **options)


def _train(net, features, targets, weight, params):
    """Train a net on scaled features for all epochs."""
    # The mean weight is one, so the learning rate has the same effect as without weights.
    weight = None if weight is None else weight / weight.mean()
    features = place_features(as_tensor(features), find_device(params["device"]))
    net.train_epochs(
        TrainingSet(features, np.arange(len(features)), targets, weight), params["max_epochs"]
    )
