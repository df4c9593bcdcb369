"""The net that learns the metric of NearestClassMeanClassifier."""

import numpy as np
from torch import nn

from skdevise._utils import find_device
from skdevise.models._features import as_tensor
from skdevise.training._net import TrainingNet, TrainingSet, place_features


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
    net = TrainingNet.build(
        NearestMeans(coef, means),
        nn.CrossEntropyLoss(reduction="none"),
        optimizer="adagrad",
        # Features may have any scale, and W has the inverse one.
        lr=params["lr"] * float(np.sqrt(np.mean(coef**2))),
        batch_size=params["batch_size"],
        callbacks=None,
        precision="float32",
        device=params["device"],
        order_seed=seed,
        verbose=params["verbose"],
    )
    # The mean weight is one, so the learning rate has the same effect as without weights.
    weight = None if weight is None else weight / weight.mean()
    features = place_features(as_tensor(features), find_device(params["device"]))
    data = TrainingSet(features, np.arange(len(features)), targets, weight)
    net.train_epochs(data, params["max_epochs"])
    return net.module_.weight.numpy(force=True).copy()
