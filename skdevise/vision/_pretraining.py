"""Train a network with its softmax layer on labelled photos (DeViSE, section 3.2)."""

from itertools import chain

import numpy as np
import torch
from sklearn.utils import check_consistent_length, compute_sample_weight
from torch import nn

from skdevise._columns import check_targets
from skdevise._utils import check_checkpoint_folder, gpu_only, seeded, warn
from skdevise.training._checkpoint import Checkpoint, fit_key
from skdevise.training._early_stopping import EarlyStopping, hold_out_samples
from skdevise.training._net import (
    TrainingNet,
    TrainingSet,
    check_training_params,
    epoch_table,
)
from skdevise.vision._backbones import load_backbone
from skdevise.vision._batches import PhotoTensors, load_batches
from skdevise.vision._network import FittedNetwork

# Parameters that do not change the result of pre-training. The others identify a checkpoint.
_NOT_IN_KEY = {
    "backbone", "weights", "n_jobs", "device", "engine", "cache", "on_error", "callbacks",
    "checkpoint", "random_state", "verbose",
}  # fmt: skip


def pretrain(featurizer, photos, y, seed, device):
    """Train a network on labelled photos: FittedNetwork, and table of epochs."""
    check_training_params(featurizer.get_params(deep=False))
    if y is None:
        raise ValueError(
            "y is missing, and weights=None trains the network on labelled photos. Give y, or "
            "choose weights."
        )
    y = check_targets(y)
    check_consistent_length(photos, y)
    rows = np.arange(len(photos))
    if featurizer.on_error != "raise":
        rows = _readable_rows(photos, featurizer.n_jobs)
    labels = y[rows]
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"y has one class, '{labels[0]}', but pre-training needs at least two. Add photos of "
            "another class."
        )
    checkpoint = None
    if featurizer.checkpoint is not None:
        checkpoint = _open_checkpoint(featurizer, photos, rows, labels, seed, device)
    source = featurizer.backbone, None, featurizer.preprocess, featurizer.image_size
    with seeded(seed, device):
        loaded = load_backbone(*source, featurizer.verbose)
        return _train(featurizer, loaded, photos, rows, labels, seed, device, checkpoint)


def _train(featurizer, loaded, photos, rows, labels, seed, device, checkpoint):
    """Train a `Backbone` by cross-entropy: FittedNetwork, and table of epochs."""
    classes, targets = np.unique(labels, return_inverse=True)
    loaded.resize_softmax(len(classes))
    net = loaded.net
    augmented, plain = (
        PhotoTensors(photos, loaded.preprocess, featurizer.n_jobs, augment, seed, gpu_only(device))
        for augment in (featurizer.augment, None)
    )
    order_seed, hold_out_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    kept, early_stopping = slice(None), None
    if featurizer.early_stopping:
        kept, held_out = hold_out_samples(targets, featurizer.validation_fraction, hold_out_seed)
        early_stopping = EarlyStopping(
            TrainingSet(plain, rows[held_out], targets[held_out]),
            lambda net, scores: scores.argmax(dim=1),
            featurizer.n_iter_no_change,
        )
    weight = None
    if featurizer.class_weight is not None:
        weight = compute_sample_weight(featurizer.class_weight, labels)[kept]
        weight /= weight.mean()  # The learning rate then means the same as without weights.
    trainer = TrainingNet.build(
        net.to(memory_format=torch.channels_last),
        nn.CrossEntropyLoss(reduction="none"),
        optimizer=featurizer.optimizer,
        lr=featurizer.lr,
        batch_size=featurizer.batch_size,
        callbacks=featurizer.callbacks,
        precision=featurizer.precision,
        device=featurizer.device,
        order_seed=order_seed,
        verbose=featurizer.verbose,
    )
    trainer.train_epochs(
        TrainingSet(augmented, rows[kept], targets[kept], weight),
        featurizer.max_epochs,
        schedule=featurizer.lr_schedule,
        early_stopping=early_stopping,
        checkpoint=checkpoint,
    )
    net.eval()
    if not all(torch.isfinite(tensor).all() for tensor in net.state_dict().values()):
        raise ValueError(
            f"Pre-training diverged within {len(trainer.history)} epochs with "
            f"lr={featurizer.lr}. Lower lr."
        )
    return FittedNetwork(loaded, classes), epoch_table(trainer.history)


def _open_checkpoint(featurizer, photos, rows, labels, seed, device):
    """Return the `Checkpoint` of a fit with these parameters, photos and labels."""
    check_checkpoint_folder(featurizer.checkpoint)
    params = featurizer.get_params(deep=False)
    backbone, start = params["backbone"], None
    if isinstance(backbone, nn.Module):
        backbone, start = repr(backbone), backbone.state_dict()
    params = {name: value for name, value in params.items() if name not in _NOT_IN_KEY}
    # The generators of another type of device have other states.
    params |= {"backbone": backbone, "seed": seed, "device": device.type}
    hashes = [photos.read(row).content_hash() for row in rows.tolist()]
    return Checkpoint(featurizer.checkpoint, fit_key(params, labels, start, hashes))


def _readable_rows(photos, n_jobs):
    """Return the rows of the photos that can be read, and warn about the others."""
    # The pixels are decoded, but not kept.
    blank = torch.zeros(1, 1, 1)
    batches = load_batches(photos.pixels, range(len(photos)), lambda photo: blank, 32, n_jobs)
    errors = dict(chain.from_iterable(batch.errors.items() for batch in batches))
    if len(errors) == len(photos):
        raise ValueError(f"None of the {len(photos)} photos can be read. Give other photos.")
    if errors:
        warn(
            f"{len(errors)} of {len(photos)} photos cannot be read. Pre-training leaves them out. "
            f"The first error is: {next(iter(errors.values()))}",
        )
    return np.setdiff1d(np.arange(len(photos)), list(errors))
