"""The training loop of a map into the label space: skorch, and batches indexed whole."""

from functools import partial

import numpy as np
import torch
from skorch import NeuralNet
from torch import nn

from skdevise._device import find_device
from skdevise.models.losses import cosine_distance, hinge_rank, squared_error
from skdevise.models.negatives import first_violation, hardest, random_labels

OPTIMIZERS = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}

DISTANCES = {"mse": squared_error, "cosine": cosine_distance}


class LinearMap(nn.Module):
    """The paper's map M: linear, without a bias, started from normal numbers of some scale."""

    def __init__(self, n_features, vector_size, scale, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(vector_size, n_features, generator=generator)
        self.weight = nn.Parameter(scale * start)

    def forward(self, X):
        """Map features (n, n_features) to the space: (n, vector_size)."""
        return X @ self.weight.T


class LabelLoss(nn.Module):
    """Mean loss of a batch of mapped features against the training labels' vectors."""

    def __init__(self, label_vectors, loss, margin, negatives, seed):
        super().__init__()
        self.register_buffer("label_vectors", torch.as_tensor(label_vectors))
        self.distance = DISTANCES.get(loss)
        self.margin = margin
        self.negatives = negatives
        self.seed = seed
        self.generator = None

    def forward(self, projected, target):
        """Loss of features mapped to (n, vector_size), of labels at positions `target` (n,)."""
        true_vectors = self.label_vectors[target]
        if self.distance is not None:
            return self.distance(projected, true_vectors).mean()
        true_scores = (projected * true_vectors).sum(dim=1)
        if self.negatives == "all":
            scores = projected @ self.label_vectors.T
            # The true label stands among them, and adds exactly one margin.
            return hinge_rank(true_scores, scores, self.margin).mean() - self.margin
        negatives = self._draw(projected.detach(), target)
        false_scores = torch.einsum("nd,nmd->nm", projected, self.label_vectors[negatives])
        false_scores = false_scores.masked_fill(negatives < 0, -torch.inf)
        return hinge_rank(true_scores, false_scores, self.margin).mean()

    def _draw(self, projected, target):
        if self.generator is None:
            self.generator = torch.Generator(projected.device).manual_seed(self.seed)
        scores = projected @ self.label_vectors.T
        if self.negatives == "first_violation":
            return first_violation(scores, target, self.margin, self.generator)
        if self.negatives == "hardest":
            return hardest(scores, target)
        return random_labels(scores, target, self.negatives, self.generator)


class Batches:
    """Batches of a data set of tensors, in a fresh order each time.

    A `DataLoader` fetches and stacks example by example; here one index takes the whole batch.
    """

    def __init__(self, dataset, batch_size, generator):
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator

    def __iter__(self):
        order = torch.randperm(len(self.dataset), generator=self.generator)
        for rows in order.split(self.batch_size):
            yield self.dataset.X[rows], self.dataset.y[rows]


def make_net(
    n_features,
    label_vectors,
    *,
    loss,
    margin,
    negatives,
    optimizer,
    lr,
    max_epochs,
    batch_size,
    callbacks,
    device,
    seed,
    verbose,
):
    """Make the skorch net of a linear map into the label space, initialised.

    Parameters
    ----------
    n_features : int
    label_vectors : ndarray of float32, of shape (n_labels, vector_size)
        Unit vectors of the training labels.
    loss, margin, negatives, optimizer, lr, max_epochs, batch_size, callbacks, device, verbose
        As in `DeViSEClassifier`.
    seed : int
        Seeds the start, the order of the examples and the draws of false labels.

    Returns
    -------
    skorch.NeuralNet
    """
    start_seed, order_seed, draw_seed = np.random.SeedSequence(seed).generate_state(3).tolist()
    return NeuralNet(
        LinearMap,
        module__n_features=n_features,
        module__vector_size=label_vectors.shape[1],
        # Losses linear in the map start from zero; a cosine has no gradient there.
        module__scale=n_features**-0.5 if loss == "cosine" else 0.0,
        module__seed=start_seed,
        criterion=LabelLoss,
        criterion__label_vectors=label_vectors,
        criterion__loss=loss,
        criterion__margin=margin,
        criterion__negatives=negatives,
        criterion__seed=draw_seed,
        optimizer=OPTIMIZERS.get(optimizer, optimizer),
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        iterator_train=partial(Batches, generator=torch.Generator().manual_seed(order_seed)),
        train_split=None,
        callbacks=callbacks,
        device=find_device(device),
        verbose=verbose,
    ).initialize()


def train_epochs(net, features, targets, epochs=None):
    """Train a net on.

    Parameters
    ----------
    net : skorch.NeuralNet
    features : ndarray of float32, of shape (n, n_features)
    targets : ndarray of int, of shape (n,)
        Positions of the true labels.
    epochs : int, default=None
        None for the net's `max_epochs`.

    Returns
    -------
    ndarray of float32, of shape (vector_size, n_features)
        The map M.
    """
    # torch takes neither negative strides nor memory that cannot be written.
    features = np.require(features, requirements=["C", "W"])
    net.partial_fit(
        torch.from_numpy(features), torch.from_numpy(targets.astype(np.int64)), epochs=epochs
    )
    return net.module_.weight.detach().cpu().numpy().copy()
