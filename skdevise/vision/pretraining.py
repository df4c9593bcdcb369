"""Training a net with its softmax layer on labelled photos, through skorch."""

from functools import partial

import numpy as np
import torch
from skorch import NeuralNet
from torch import nn
from torch.utils.data import Dataset

from skdevise._training.history import plain_rows

# Momentum and weight decay of Krizhevsky's net, the one that DeViSE starts from.
_OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, momentum=0.9, weight_decay=5e-4),
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
}


class _LabelledPhotos(Dataset):
    """Hands whole batches to the loader, so that a batch is decoded by several threads."""

    def __init__(self, photos, targets):
        self.photos = photos
        self.targets = torch.as_tensor(targets)

    def __len__(self):
        return len(self.photos)

    def __getitems__(self, indices):
        rows = torch.tensor(indices)
        return self.photos[rows], self.targets[rows]


def _as_it_is(batch):
    return batch


def pretrain(
    net,
    photos,
    targets,
    *,
    optimizer,
    lr,
    max_epochs,
    batch_size,
    device,
    verbose,
):
    """Train a net in place by cross-entropy; order and dropout come from torch's generators.

    Parameters
    ----------
    net : Module
        Ends in a softmax layer. It is left in evaluation mode.
    photos : PhotoTensors
        Decoded anew in each epoch.
    targets : ndarray of shape (n_photos,), int64
        The index of each photo's class.
    optimizer, lr, max_epochs, batch_size, verbose
        As in `VisualFeaturizer`.
    device : torch.device

    Returns
    -------
    list of dict
        A row an epoch.

    Raises
    ------
    ValueError
        If the loss is not finite in the end.
    """
    if hasattr(net, "aux_logits"):
        # GoogLeNet and Inception 3 would give three outputs while they train.
        net.aux_logits = False
    trainer = NeuralNet(
        net,
        criterion=nn.CrossEntropyLoss,
        optimizer=_OPTIMIZERS.get(optimizer, optimizer),
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=None,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=_as_it_is,
        # Batch norm cannot train on one photo; the left-out one differs from epoch to epoch.
        iterator_train__drop_last=len(photos) % batch_size == 1 and len(photos) > batch_size,
        device=device,
        verbose=verbose,
    )
    trainer.fit(_LabelledPhotos(photos, targets))
    net.eval()
    history = plain_rows(trainer.history)
    if not np.isfinite(history[-1]["train_loss"]):
        raise ValueError(
            f"pre-training diverged: the training loss is {history[-1]['train_loss']} after "
            f"{max_epochs} epochs. Lower lr={lr}."
        )
    return history
