"""Training a net with its softmax layer on labelled photos (section 3.2 of the paper)."""

from functools import partial

import numpy as np
import torch
from torch import nn

from skdevise._training.batches import TrainingSet
from skdevise._training.checkpoints import Checkpoint, check_folder, fingerprint
from skdevise._training.early_stopping import EarlyStopping
from skdevise._training.hold_out import hold_out_samples
from skdevise._training.loop import OPTIMIZERS, TrainingNet, make_net, train_epochs

# Momentum and weight decay of Krizhevsky's net, the one that DeViSE starts from.
_OPTIMIZERS = OPTIMIZERS | {"sgd": partial(torch.optim.SGD, momentum=0.9, weight_decay=5e-4)}

# What the result of pre-training does not depend on.
_NOT_COMPARED = {
    "backbone", "weights", "n_jobs", "device", "engine", "cache", "on_error", "callbacks",
    "checkpoint", "random_state", "verbose",
}  # fmt: skip


def pretrain(
    net,
    photos,
    plain,
    rows,
    targets,
    *,
    sample_weight,
    optimizer,
    lr,
    lr_schedule,
    max_epochs,
    batch_size,
    early_stopping,
    validation_fraction,
    n_iter_no_change,
    callbacks,
    checkpoint,
    precision,
    device,
    seed,
    verbose,
):
    """Train a net in place by cross-entropy; dropout comes from torch's global generators.

    Parameters
    ----------
    net : Module
        Ends in a softmax layer. It is left in evaluation mode.
    photos, plain : PhotoTensors
        The photos as they are trained on, and the same without augmentation. They are decoded anew
        in each epoch.
    rows : ndarray of int64, of shape (n,)
        Which of the photos are trained on.
    targets : ndarray of int64, of shape (n,)
        The index of each one's class.
    sample_weight : ndarray of shape (n,), or None
        How much each counts.
    optimizer, lr, lr_schedule, max_epochs, batch_size, early_stopping, validation_fraction, \
n_iter_no_change, callbacks, verbose
        As in `VisualFeaturizer`.
    checkpoint : Checkpoint or None
    precision : {"float32", "bfloat16"}
    device : str
    seed : int
        Of the order of the photos, and of what is held out.

    Returns
    -------
    skorch.history.History

    Raises
    ------
    ValueError
        If the weights are not finite in the end, or nothing can be held out.
    """
    if hasattr(net, "aux_logits"):
        # GoogLeNet and Inception 3 would give three outputs while they train.
        net.aux_logits = False
    order_seed, hold_out_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    kept, look = slice(None), None
    if early_stopping:
        kept, held_out = hold_out_samples(targets, validation_fraction, hold_out_seed)
        look = EarlyStopping(
            plain,
            torch.from_numpy(rows[held_out]),
            torch.from_numpy(targets[held_out]),
            _most_probable,
            n_iter_no_change,
        )
    trainer = make_net(
        TrainingNet,
        net.to(memory_format=torch.channels_last),
        nn.CrossEntropyLoss(reduction="none"),
        optimizer=_OPTIMIZERS.get(optimizer, optimizer),
        lr=lr,
        batch_size=batch_size,
        callbacks=callbacks,
        precision=precision,
        device=device,
        order_seed=order_seed,
        verbose=verbose,
    )
    weight = None
    if sample_weight is not None:
        # One on average, so that the learning rate means what it does without.
        weight = sample_weight[kept] / sample_weight[kept].mean()
        weight = torch.from_numpy(weight).float()
    own = torch.from_numpy(rows[kept]), torch.from_numpy(targets[kept])
    data = TrainingSet(photos, *own, weight)
    train_epochs(
        trainer,
        data,
        max_epochs,
        schedule=lr_schedule,
        early_stopping=look,
        checkpoint=checkpoint,
    )
    net.eval()
    if not all(torch.isfinite(own).all() for own in net.state_dict().values()):
        raise ValueError(
            f"Pre-training diverged within {len(trainer.history)} epochs: lower lr={lr}."
        )
    return trainer.history


def open_checkpoint(featurizer, photos, rows, targets, seed):
    """Find the state of a fit that was interrupted, by its parameters, photos and labels.

    Parameters
    ----------
    featurizer : VisualFeaturizer
    photos : Photos
    rows, targets : ndarray of int64, of shape (n,)
    seed : int

    Returns
    -------
    Checkpoint

    Raises
    ------
    ValueError
        If the folder cannot be used, its file cannot be read, or a parameter cannot be pickled.
    """
    check_folder(featurizer.checkpoint)
    params = featurizer.get_params(deep=False)
    backbone = params["backbone"]
    if isinstance(params["random_state"], int | np.integer):
        params["seed"] = seed
    params = {name: own for name, own in params.items() if name not in _NOT_COMPARED}
    start = None
    if isinstance(backbone, nn.Module):
        start = {key: own.numpy(force=True) for key, own in backbone.state_dict().items()}
        backbone = repr(backbone)
    params["backbone"] = backbone
    digests = (photos.digest(row) for row in rows.tolist())
    key = fingerprint(params, [targets, start], digests)
    return Checkpoint(featurizer.checkpoint, key, seed)


def _most_probable(net, scores):
    return scores.argmax(dim=1)
