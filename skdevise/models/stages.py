"""The two stages of training: the map on given features, then the visual net with it."""

import numpy as np
import torch
from sklearn.utils import _safe_indexing
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset, Subset

from skdevise._device import find_device
from skdevise._random import draw_seed, seeded
from skdevise._training.batches import TrainingSet
from skdevise._training.checkpoints import Checkpoint, fingerprint
from skdevise._training.early_stopping import EarlyStopping
from skdevise._training.hold_out import hold_out_classes, hold_out_samples
from skdevise._training.loop import make_net, train_epochs
from skdevise.models.features import ResidentFeatures, StreamedFeatures
from skdevise.models.projections import LinearProjection, make_projection
from skdevise.models.tables import is_streamed
from skdevise.models.training import LOSSES, MapNet

# Parameters of the classifier that each loss takes, besides the seed of its draws.
_LOSS_PARAMS = {
    "hinge_rank": ("margin", "negatives"),
    "warp": ("margin",),
    "contrastive": ("temperature",),
}
_DRAWING_LOSSES = ("hinge_rank", "warp")

# Rows that are in a hidden layer at once.
_N_ROWS_MAPPED = 8_192

# Parameters that a net is made with.
_NET_PARAMS = (
    "projection", "loss", "margin", "negatives", "temperature", "train_label_vectors", "optimizer",
    "batch_size", "callbacks", "precision", "compile", "device", "verbose",
)  # fmt: skip

# What the result of a fit does not depend on.
_NOT_COMPARED = {
    "embedder", "visual", "labels", "negative_labels", "search", "expand", "seen_penalty",
    "hubness", "callbacks", "checkpoint", "compile", "warm_start", "device", "random_state",
    "verbose",
}  # fmt: skip


class AugmentedFeatures:
    """Features of photos that are augmented afresh each time.

    Parameters
    ----------
    photos : PhotoTensors
    net : nn.Module
        The visual net up to its softmax layer.
    scale : callable
        Scales features.
    """

    n_rows_at_once = 1

    def __init__(self, photos, net, scale):
        self.photos = photos
        self.net = net
        self.scale = scale
        self.generator = photos.generator

    def __getitem__(self, rows):
        device = next(self.net.parameters(), torch.empty(0)).device
        with torch.no_grad():
            features = self.net(self.photos[rows].to(device)).cpu().numpy()
        return torch.from_numpy(np.asarray(self.scale(features), dtype=np.float32))


class PhotoMap(nn.Module):
    """The visual net and the map in one: photos (n, 3, H, W) to points (n, vector_size).

    Parameters
    ----------
    net, projection : nn.Module
    feature_scaling : str
    scaler : StandardScaler or None
    freeze_batch_norm : bool
        Batch norms of the net go on using the statistics that they have.
    """

    def __init__(self, net, projection, feature_scaling, scaler, freeze_batch_norm):
        super().__init__()
        self.net = net
        self.projection = projection
        self.feature_scaling = feature_scaling
        self.freeze_batch_norm = freeze_batch_norm
        if scaler is not None:
            self.register_buffer("mean", torch.tensor(scaler.mean_, dtype=torch.float32))
            self.register_buffer("std", torch.tensor(scaler.scale_, dtype=torch.float32))

    def train(self, mode=True):
        """As of any module, but for frozen batch norms."""
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.net.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, photos):
        """Map photos to the space."""
        features = self.net(photos)
        if self.feature_scaling == "l2":
            features = F.normalize(features, dim=1)
        elif self.feature_scaling == "standard":
            features = (features - self.mean) / self.std
        return self.projection(features)


def run_stage(clf, samples, stage=1, start=None):
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


def run_epoch(clf, samples, net=None):
    """Train a classifier's map for one pass, as `partial_fit` does.

    Parameters
    ----------
    clf : DeViSEClassifier
    samples : Samples
    net : MapNet, default=None
        That of an earlier call; there may be more labels by now, and other parameters.

    Returns
    -------
    MapNet
    """
    seeds = np.random.SeedSequence([samples.seed, clf._n_passes]).generate_state(4).tolist()
    every = np.arange(len(clf.classes_))
    with seeded(seeds[0], find_device(clf.device)):
        if net is None or net.settings != _settings(clf, every):
            state = None if net is None else clf._map_state()
            net = new_net(clf, make_map(clf, samples.table.shape[1], state), every, seeds)
        elif not clf.train_label_vectors:
            net.criterion_.replace_vectors(_label_vectors(clf, every))
        net.lr = clf.lr
        source, _ = _sources(clf, samples, 1, seeds[3])
        train_epochs(net, _training_set(samples, source, slice(None), samples.targets, 1), 1)
    return net


def make_map(clf, n_features, state=None):
    """Make the projection of a classifier, as it starts or in a state that it was in.

    Parameters
    ----------
    clf : DeViSEClassifier
    n_features : int
    state : dict of str to ndarray, default=None

    Returns
    -------
    nn.Module
    """
    projection = "linear" if clf.projection in ("ridge", "eszsl") else clf.projection
    module = make_projection(projection, n_features, clf.label_space_.vector_size, clf.loss)
    if state is not None:
        try:
            module.load_state_dict({key: torch.tensor(own) for key, own in state.items()})
        except RuntimeError as error:
            raise ValueError(
                f"The map of the fit before does not go with projection={clf.projection!r}, "
                f"{n_features} features and {clf.label_space_.vector_size}-d vectors: set "
                "warm_start=False."
            ) from error
    return module


def new_net(clf, module, trained, seeds, stage=1):
    """Make the net that trains a classifier's map against some of its classes.

    Parameters
    ----------
    clf : DeViSEClassifier
    module : nn.Module
    trained : ndarray of int
        Positions of the classes.
    seeds : sequence of int
        The second is of the order of samples, the third of draws of false labels.
    stage : {1, 2}, default=1

    Returns
    -------
    MapNet
    """
    options = {name: getattr(clf, name) for name in _LOSS_PARAMS.get(clf.loss, ())}
    if clf.loss in _DRAWING_LOSSES:
        options["seed"] = seeds[2]
    n_trained = len(trained) if clf.train_label_vectors else 0
    if clf.compile and not isinstance(module, LinearProjection):
        module = torch.compile(module)
    net = make_net(
        MapNet,
        module,
        LOSSES[clf.loss](_label_vectors(clf, trained), n_trained, **options),
        optimizer=clf.optimizer if stage == 1 else clf.finetune_optimizer,
        lr=clf.lr if stage == 1 else clf.finetune_lr,
        batch_size=clf.batch_size,
        callbacks=clf.callbacks,
        precision=clf.precision,
        device=clf.device,
        order_seed=seeds[1],
        verbose=clf.verbose,
    )
    net.settings = _settings(clf, trained)
    return net


def restored_net(clf):
    """Make the net of a fitted classifier again, around its map."""
    seeds = np.random.SeedSequence([draw_seed(clf.random_state), clf._n_passes])
    seeds = seeds.generate_state(3).tolist()
    with seeded(seeds[0], find_device(clf.device)):
        module = make_map(clf, clf._n_map_features, clf._map_state())
    return new_net(clf, module, np.arange(len(clf.classes_)), seeds)


@torch.no_grad()
def map_features(net, features):
    """Send scaled features through the map of a net: (n, vector_size) float32."""
    module = net.module_.eval()
    blocks = torch.from_numpy(np.require(features, np.float32, ["C", "W"])).split(_N_ROWS_MAPPED)
    points = [module(block.to(net.device)).float().cpu() for block in blocks]
    return torch.cat(points).numpy()


def take_photos(X, rows):
    """Give the photos at some rows, in the form that X has."""
    if isinstance(X, Dataset):
        return Subset(X, rows.tolist())
    return _safe_indexing(X, rows)


def state_arrays(module):
    """Give the state of a module as arrays of their own: dict of str to ndarray."""
    return {key: own.numpy(force=True).copy() for key, own in module.state_dict().items()}


def _label_vectors(clf, trained):
    """Vectors of the classes that are trained on, and of false labels beyond them."""
    return np.vstack([clf.label_space_.targets[trained], clf._negative_vectors])


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


def _settings(clf, trained):
    """What a net goes on with as long as it stays the same."""
    # Trained vectors are those of certain classes.
    classes = len(trained) if clf.train_label_vectors else None
    return [getattr(clf, name) for name in _NET_PARAMS] + [classes]


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
    vectors = _label_vectors(clf, np.arange(len(clf.classes_)))
    arrays = [vectors, samples.rows, samples.targets, samples.weight, start]
    return fingerprint(params, arrays, (block for _, block, _ in samples.blocks()))
