"""The two stages of training: the map on given features, then the visual net with it."""

import numpy as np
import pandas as pd
import torch
from sklearn.utils import _safe_indexing
from torch.utils.data import Dataset, Subset

from skdevise._device import find_device
from skdevise._random import seeded
from skdevise._training.batches import TrainingSet
from skdevise._training.checkpoints import Checkpoint, fingerprint
from skdevise._training.early_stopping import EarlyStopping
from skdevise._training.history import epoch_table
from skdevise._training.hold_out import hold_out_classes, hold_out_samples
from skdevise._training.loop import train_epochs, uncompiled
from skdevise.models._prediction import calibration_rows
from skdevise.models.features import ResidentFeatures, StreamedFeatures
from skdevise.models.nets import label_vectors, make_map, new_net, settings, state_arrays
from skdevise.models.photo_map import AugmentedFeatures, PhotoMap
from skdevise.models.tables import is_streamed

# What the result of a fit does not depend on.
_NOT_COMPARED = {
    "embedder", "visual", "labels", "negative_labels", "search", "expand", "seen_penalty",
    "hubness", "callbacks", "checkpoint", "compile", "warm_start", "device", "random_state",
    "verbose",
}  # fmt: skip


def train_map(clf, samples, start=None):
    """Stage 1: train a classifier's map alone.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, its net and the history.
    samples : Samples
    start : dict of str to ndarray, default=None
        State of the projection that it begins from.
    """
    net, trained = _run_stage(clf, samples, start=start)
    _keep(clf, net.module_, net, trained)
    clf.net_, clf.history_ = net, epoch_table(net.history)


def finetune(clf, samples):
    """Stage 2: train a classifier's map and its visual net.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, the net's weights and the history.
    samples : Samples
        Only those that the temperature is fitted on are left, with features of the net trained.
    """
    net, trained = _run_stage(clf, samples, 2, clf._map_state())
    clf.visual_._keep_weights()
    _keep(clf, uncompiled(net.module_).projection, net, trained, "finetune_lr")
    vars(clf).pop("net_", None)  # Made again around the new map when it is asked for.
    tables = {1: clf.history_, 2: epoch_table(net.history)}
    clf.history_ = pd.concat(tables, names=["stage"])
    samples.keep(calibration_rows(len(samples.rows)))
    samples.table = clf._table(take_photos(samples.X, samples.rows))
    samples.rows = np.arange(len(samples.rows))


def train_pass(clf, samples, net=None):
    """Train a classifier's map for one pass, as `partial_fit` does.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, its net and the history.
    samples : Samples
    net : MapNet, default=None
        That of an earlier call; there may be more labels by now, and other parameters.
    """
    net = _run_pass(clf, samples, net)
    _keep(clf, net.module_, net, np.arange(len(clf.classes_)))
    clf.net_, clf.history_ = net, epoch_table(net.history)


def _run_stage(clf, samples, stage=1, start=None):
    """Train a classifier's map, and in stage 2 its visual net with it.

    Parameters
    ----------
    clf : DeViSEClassifier
        With the labels bound to their vectors; its parameters say how.
    samples : Samples
    stage : {1, 2}, default=1
    start : dict of str to ndarray, default=None
        State of the projection that it begins from.

    Returns
    -------
    net : MapNet
    trained : ndarray of int
        Positions of the classes that are trained on: not all, if some are held out.
    """
    checkpoint = None
    if clf.checkpoint is not None:
        key = _fingerprint(clf, samples, stage, start)
        checkpoint = Checkpoint(clf.checkpoint, key, samples.seed)
        samples.seed = checkpoint.seed  # So that stage 2 holds out the same.
    kept, held_out = hold_out(clf, samples)
    trained, targets = np.arange(len(clf.classes_)), samples.targets[kept]
    by_class = clf.early_stopping and clf.validation_split == "classes"
    if by_class:
        trained, targets = np.unique(targets, return_inverse=True)
    seeds = np.random.SeedSequence([samples.seed, stage]).generate_state(4).tolist()
    with seeded(seeds[0], find_device(clf.device)):
        module = make_map(clf, samples.table.shape[1], start)
        if stage == 2:
            module = _with_net(clf, module)
        source, plain = _sources(clf, samples, stage, seeds[3])
        early_stopping = None
        if clf.early_stopping:
            # Held-out classes are told apart by vectors of their own, seen ones by those of the
            # loss, which may be trained.
            own, place = np.unique(samples.targets[held_out], return_inverse=True)
            early_stopping = EarlyStopping(
                plain,
                torch.from_numpy(samples.rows[held_out]),
                torch.from_numpy(place if by_class else samples.targets[held_out]),
                _Nearest(clf.label_space_.targets[own] if by_class else None, len(trained)),
                clf.n_iter_no_change,
            )
        net = new_net(clf, module, trained, seeds, stage)
        train_epochs(
            net,
            # Weights are one on average, so that learning rates mean what they do without.
            _training_set(samples, source, kept, targets, samples.mean_weight(kept)),
            clf.max_epochs if stage == 1 else clf.finetune_epochs,
            schedule=clf.lr_schedule,
            early_stopping=early_stopping,
            checkpoint=checkpoint,
        )
    return net, trained


class _Nearest:
    """Answers points by the nearest of some vectors, or of the first ones of the loss."""

    def __init__(self, vectors, n_trained):
        self.vectors = None if vectors is None else torch.from_numpy(vectors)
        self.n_trained = n_trained

    def __call__(self, net, points):
        own = net.criterion_.vectors[: self.n_trained] if self.vectors is None else self.vectors
        return (points @ own.to(points.device).T).argmax(dim=1)


def _run_pass(clf, samples, net):
    """Train a net, or a new one where labels or parameters are others."""
    seeds = np.random.SeedSequence([samples.seed, clf._n_passes]).generate_state(4).tolist()
    every = np.arange(len(clf.classes_))
    with seeded(seeds[0], find_device(clf.device)):
        if net is None or net.settings != settings(clf, every):
            state = None if net is None else clf._map_state()
            net = new_net(clf, make_map(clf, samples.table.shape[1], state), every, seeds)
        elif not clf.train_label_vectors:
            net.criterion_.replace_vectors(label_vectors(clf, every))
        net.lr = clf.lr
        source, _ = _sources(clf, samples, 1, seeds[3])
        train_epochs(net, _training_set(samples, source, slice(None), samples.targets, 1), 1)
    return net


def take_photos(X, rows):
    """Give the photos at some rows, in the form that X has."""
    if isinstance(X, Dataset):
        return Subset(X, rows.tolist())
    return _safe_indexing(X, rows)


def _keep(clf, projection, net, trained, rate="lr"):
    """Keep the state of a trained map, and of label vectors, as arrays."""
    state = state_arrays(uncompiled(projection))
    if not all(np.isfinite(own).all() for own in state.values()):
        raise ValueError(f"Training diverged: lower {rate}={getattr(clf, rate)}.")
    clf._set_map(state)
    if clf.train_label_vectors:
        vectors = net.criterion_.vectors[: len(trained)].numpy(force=True)
        clf._tune_terms(clf.classes_[trained], vectors)


def _with_net(clf, projection):
    scaler = clf.scaler_ if clf.feature_scaling == "standard" else None
    net = clf.visual_._feature_net()
    return PhotoMap(net, projection, clf.feature_scaling, scaler, clf.freeze_batch_norm)


def _sources(clf, samples, stage, seed):
    """What is trained on, and the same without augmentation."""
    if stage == 2:
        augmented, plain = (clf.visual_._photos(samples.X, own, seed) for own in (True, False))
        return augmented, plain
    if is_streamed(samples.table):
        plain = StreamedFeatures(samples.table, clf._scale)
    else:
        plain = ResidentFeatures(clf._scale(samples.table))
    if getattr(clf.visual, "augment", None) is None:
        return plain, plain
    photos = clf.visual_._photos(samples.X, True, seed)
    return AugmentedFeatures(photos, clf.visual_._feature_net(), clf._scale), plain


def hold_out(clf, samples):
    """Positions of the samples that a classifier is trained on, and of those held out."""
    if not clf.early_stopping:
        return slice(None), slice(0)
    hold_out = hold_out_classes if clf.validation_split == "classes" else hold_out_samples
    return hold_out(samples.targets, clf.validation_fraction, samples.seed)


def _training_set(samples, source, kept, targets, mean_weight):
    weight = None
    if samples.weight is not None:
        weight = torch.from_numpy(samples.weight[kept] / mean_weight).float()
    return TrainingSet(
        source,
        torch.from_numpy(samples.rows[kept]),
        torch.from_numpy(targets.astype(np.int64, copy=False)),
        weight,
    )


def _fingerprint(clf, samples, stage, start):
    params = {
        name: own for name, own in clf.get_params(deep=False).items() if name not in _NOT_COMPARED
    }
    # The visual net itself is known by its features.
    params |= {"stage": stage, "augment": getattr(clf.visual, "augment", None)}
    if isinstance(clf.random_state, int | np.integer):
        params["random_state"] = int(clf.random_state)
    vectors = label_vectors(clf, np.arange(len(clf.classes_)))
    arrays = [vectors, samples.rows, samples.targets, samples.weight, start]
    return fingerprint(params, arrays, (block for _, block, _ in samples.blocks()))
