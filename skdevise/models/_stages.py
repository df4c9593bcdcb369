"""The two stages of training: the map on given features, then the visual net with it."""

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, Subset

from skdevise._compat import safe_indexing
from skdevise._utils import content_hash, find_device, seeded
from skdevise.labels._vocabulary import known_terms
from skdevise.language._tuned import TunedEmbedder
from skdevise.models._features import ResidentFeatures, StreamedFeatures
from skdevise.models._inputs import MOST
from skdevise.models._nets import (
    draw_seeds,
    label_vectors,
    make_map,
    new_net,
    settings,
    state_arrays,
)
from skdevise.models._photo_map import AugmentedFeatures, PhotoMap
from skdevise.models._prediction import calibration_rows
from skdevise.models._tables import is_streamed
from skdevise.training._checkpoint import Checkpoint, fit_key
from skdevise.training._early_stopping import EarlyStopping
from skdevise.training._net import TrainingSet, epoch_table

# What the result of a fit does not depend on.
_NOT_COMPARED = {
    "embedder", "visual", "labels", "negative_labels", "search", "expand",
    "seen_penalty", "hubness", "callbacks", "checkpoint", "compile", "warm_start", "device",
    "random_state", "verbose",
}  # fmt: skip
_OF_STAGE_2 = {"finetune_epochs", "finetune_lr", "finetune_optimizer", "freeze_batch_norm"}


def train_map(clf, samples, start=None):
    """Stage 1: train a classifier's map alone.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, its net and the history.
    samples : Samples
    start : tuple, default=None
        The map that it begins from, as `DeViSEClassifier._map_state` gives it.
    """
    net, trained = _run_stage(clf, samples, 1, start or (None, None))
    _keep(clf, net.module_, net, trained)
    clf.net_, clf.history_ = net, epoch_table(net.history)


def finetune(clf, samples):
    """Stage 2: train a classifier's map and its visual net.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, the net's weights and the history.
    samples : Samples

    Returns
    -------
    Samples
        Those that the temperature is fitted on, with features of the net as it is now.
    """
    net, trained = _run_stage(clf, samples, 2, clf._map_state())
    clf.visual_._keep_weights()
    _keep(clf, net.module_.projection, net, trained, "finetune_lr")
    vars(clf).pop("net_", None)  # Made again around the new map when it is asked for.
    tables = {1: clf.history_, 2: epoch_table(net.history)}
    clf.history_ = pd.concat(tables, names=["stage"])
    few = samples.take(calibration_rows(len(samples.rows)))
    few.table = clf.visual_.transform(take_photos(samples.X, few.rows))
    if not np.abs(few.table).max() <= MOST:  # so that NaN is told too
        raise ValueError(f"Training diverged: lower finetune_lr={clf.finetune_lr}.")
    few.rows = np.arange(len(few.rows))
    return few


def train_pass(clf, samples, earlier):
    """Train a classifier's map for one pass, as `partial_fit` does.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, its net and the history.
    samples : Samples
    earlier : ndarray of labels, or None
        The classes of the calls before; None in the first one.
    """
    seeds = draw_seeds(samples.seed, clf._n_passes, "pass")
    every = np.arange(len(clf.classes_))
    net, state, temperature = None, None, None
    if earlier is not None:
        net, (state, temperature) = clf.net_, clf._map_state()
    with seeded(seeds[0], find_device(clf.device)):
        if net is None or net.settings != settings(clf, every):
            module = make_map(clf, samples.table.shape[1], state)
            net = new_net(clf, module, every, seeds, temperature=temperature)
        elif not clf.train_label_vectors:
            net.criterion_.replace_vectors(label_vectors(clf, every))
        net.lr = clf.lr
        source, _ = _sources(clf, samples, 1, seeds[3])
        net.train_epochs(_training_set(samples, source, samples.targets, samples.weight), 1)
    _keep(clf, net.module_, net, every)
    clf.net_, clf.history_ = net, epoch_table(net.history)


def _run_stage(clf, samples, stage, start):
    """Train a classifier's map, and in stage 2 its visual net with it.

    Parameters
    ----------
    clf : DeViSEClassifier
        With the labels bound to their vectors; its parameters say how.
    samples : Samples
    stage : {1, 2}
    start : tuple
        As `DeViSEClassifier._map_state` gives it; of None where it begins afresh.

    Returns
    -------
    net : MapNet
    trained : ndarray of int
        Positions of the classes that are trained on: not all, if some are held out.
    """
    checkpoint = _open_checkpoint(clf, samples, stage, start)
    kept = samples.take(samples.kept)
    trained, targets = np.unique(kept.targets, return_inverse=True)
    seeds = draw_seeds(samples.seed, stage, "stage")
    state, temperature = start
    with seeded(seeds[0], find_device(clf.device)):
        module = make_map(clf, samples.table.shape[1], state)
        if stage == 2:
            module = _with_net(clf, module)
        source, plain = _sources(clf, samples, stage, seeds[3])
        net = new_net(clf, module, trained, seeds, stage, temperature)
        # Weights are one on average, so that learning rates mean what they do without.
        weight = None if kept.weight is None else kept.weight / kept.weight.mean()
        net.train_epochs(
            _training_set(kept, source, targets, weight),
            clf.max_epochs if stage == 1 else clf.finetune_epochs,
            schedule=clf.lr_schedule,
            early_stopping=_early_stopping(clf, samples, plain, len(trained)),
            checkpoint=checkpoint,
        )
    return net, trained


def _open_checkpoint(clf, samples, stage, start):
    if clf.checkpoint is None:
        return None
    return Checkpoint(clf.checkpoint, _fingerprint(clf, samples, stage, start))


def _early_stopping(clf, samples, source, n_trained):
    if not clf.early_stopping:
        return None
    held_out = samples.take(samples.held_out)
    targets, vectors = held_out.targets, None
    if n_trained < len(clf.classes_):
        # Held-out classes are told apart by vectors of their own, seen ones by those of the loss,
        # which may be trained.
        own, targets = np.unique(targets, return_inverse=True)
        vectors = clf.label_space_.targets[own]
    nearest = _Nearest(vectors, n_trained)
    data = TrainingSet(source, held_out.rows, targets)
    return EarlyStopping(data, nearest, clf.n_iter_no_change)


class _Nearest:
    """Answers points by the nearest of some vectors, or of the first ones of the loss."""

    def __init__(self, vectors, n_trained):
        self.vectors = None if vectors is None else torch.from_numpy(vectors)
        self.n_trained = n_trained

    def __call__(self, net, points):
        own = net.criterion_.vectors[: self.n_trained] if self.vectors is None else self.vectors
        return (points @ own.to(points.device).T).argmax(dim=1)


def _keep(clf, projection, net, trained, rate="lr"):
    """Keep the state of a trained map, and what its loss has learned, as arrays."""
    state = state_arrays(projection)
    if not all(np.isfinite(own).all() for own in state.values()):
        raise ValueError(f"Training diverged: lower {rate}={getattr(clf, rate)}.")
    temperature = getattr(net.criterion_, "temperature", None)
    learned = isinstance(temperature, torch.Tensor)
    clf._set_map(state, temperature.item() if learned else None)
    if clf.train_label_vectors:
        _tune_terms(clf, clf.classes_[trained], net.criterion_.vectors[: len(trained)])


def _tune_terms(clf, classes, vectors):
    """Give the terms of some classes the vectors that were trained."""
    given, first = clf._given_embedder, []
    for terms in clf._vocabulary(classes).terms:
        first.append(terms[known_terms(given, list(terms)).argmax()])
    clf._bind_labels(clf.classes_, TunedEmbedder(given, first, vectors.numpy(force=True)))


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


def take_photos(X, rows):
    """Give the photos at some rows, in the form that X has."""
    if isinstance(X, Dataset):
        return Subset(X, rows.tolist())
    return safe_indexing(X, rows)


def _training_set(samples, source, targets, weight):
    return TrainingSet(
        source,
        torch.from_numpy(samples.rows),
        torch.from_numpy(targets.astype(np.int64, copy=False)),
        None if weight is None else torch.from_numpy(weight).float(),
    )


def _fingerprint(clf, samples, stage, start):
    left_out = _NOT_COMPARED | _OF_STAGE_2 if stage == 1 else _NOT_COMPARED
    params = clf.get_params(deep=False)
    params = {name: own for name, own in params.items() if name not in left_out}
    # The visual net itself is known by its features.
    params |= {"stage": stage, "augment": getattr(clf.visual, "augment", None)}
    params["seed"] = samples.seed
    vectors = label_vectors(clf, np.arange(len(clf.classes_)))
    arrays = [vectors, samples.rows, samples.targets, samples.weight, start]
    return fit_key(params, arrays, [content_hash(block) for _, block, _ in samples.blocks()])
