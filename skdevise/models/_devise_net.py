"""The net that DeViSEClassifier trains: projection, loss and negative sampler in one skorch net."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skdevise._compat import adagrad_step
from skdevise._utils import content_hash, find_device, seeded
from skdevise.models._features import (
    FeaturesOnDisk,
    FeaturesWithMeans,
    as_tensor,
    is_on_disk,
    scaled_tensor,
)
from skdevise.models._fine_tuning import AugmentedFeatures, PhotoProjection
from skdevise.models._projection import LinearProjection, make_projection
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, OwnLoss, Warp
from skdevise.training._checkpoint import Checkpoint, fit_key
from skdevise.training._distributed import DistributedMixin, open_accelerator
from skdevise.training._early_stopping import EarlyStopping
from skdevise.training._net import OPTIMIZERS, TrainingNet, TrainingSet, place_features
from skdevise.training._recorded import Recorded, record_on_gpu

# A change of one of these parameters gives `partial_fit` a new net.
_NET_PARAMS = (
    "loss", "margin", "negatives", "targets", "loss_temperature", "train_label_vectors",
    "optimizer", "batch_size", "callbacks", "precision", "compile", "device", "verbose",
)  # fmt: skip

# A checkpoint belongs to the data and to these parameters, and in stage 2 also to the others.
_STAGE_1_PARAMS = (
    "projection", "loss", "margin", "negatives", "targets", "loss_temperature",
    "train_label_vectors", "feature_scaling", "max_epochs", "lr", "lr_schedule", "optimizer",
    "batch_size", "precision", "early_stopping", "validation_fraction", "validation_split",
    "n_iter_no_change",
)  # fmt: skip
_STAGE_2_PARAMS = "finetune_epochs", "finetune_lr", "finetune_optimizer", "freeze_batch_norm"

# `partial_fit` replays at most this many class means per new sample.
_MOST_REPLAYED = 10


def make_loss(params, vectors, n_trained, seed, temperature=None):
    """Create the loss from the classifier's parameters. Its first vectors may be trained."""
    margin, negatives = params["margin"], params["negatives"]
    match params["loss"]:
        case "hinge_rank":
            return HingeRank(vectors, n_trained, margin, negatives, seed)
        case "warp":
            return Warp(vectors, n_trained, margin, seed)
        case "mse":
            return MeanSquaredError(vectors, n_trained, seed)
        case "cosine":
            return Cosine(vectors, n_trained, seed)
    if callable(params["loss"]):
        return OwnLoss(params["loss"], vectors, n_trained, seed)
    start = {} if temperature is None else {"start": temperature}
    return Contrastive(vectors, n_trained, params["loss_temperature"], seed=seed, **start)


class DeViSENet(TrainingNet):
    """A training net that knows the gradient of a linear map under the hinge rank loss.

    `Trainer` sets `trained`, the positions of the classes in the loss, and `params`, the parameters
    that the net is made from. In a long training, a GPU replays a recorded step.
    """

    # Recording takes about as long as this many steps can save.
    least_recorded = 500
    recorded = None

    @property
    def projection(self):
        """The module that maps features to points."""
        module = self.bare_module
        return module.projection if isinstance(module, PhotoProjection) else module

    @property
    def has_closed_form(self):
        """True if the gradient needs no automatic differentiation."""
        return (
            isinstance(self.bare_module, LinearProjection)
            and isinstance(self.bare_criterion, HingeRank)
            and not self.bare_criterion.n_trained
            and self.precision == "float32"
            and self.optimizer in OPTIMIZERS.values()
        )

    @property
    def can_record(self):
        """True if all steps can be the same operations on the same tensors of a GPU."""
        return (
            self.device.type == "cuda"
            and self.has_closed_form
            and self.optimizer is OPTIMIZERS["adagrad"]
            and not self.callbacks
            and self.n_processes == 1
        )

    def train_epochs(self, data, n_epochs, **options):
        """Train, and record the step if that is possible and pays."""
        n_steps = n_epochs * (len(data) // self.batch_size)
        if n_steps >= self.least_recorded and self.can_record:
            name = "The training step"
            self.recorded = Recorded(self._adagrad_step, self.batch_size, self.record, name)
        try:
            super().train_epochs(data, n_epochs, **options)
        finally:
            self.recorded = None  # It is not valid for other tensors, and keeps memory.

    def record(self, run):
        """Record a call without parameters: a function that replays it, and its result."""
        return record_on_gpu(run, self.device, [self.bare_criterion.generator])

    def step(self, X, target, weight, batch):
        """Update the weights, and return the loss: a scalar."""
        if not self.has_closed_form:
            return super().step(X, target, weight, batch)
        lr = float(self.optimizer_.param_groups[0]["lr"])
        if self.recorded is not None:
            return self.recorded(X, target, weight, lr)
        if self.can_record:  # A GPU would wait for the Python code of `Optimizer.step`.
            return self._adagrad_step(X, target, weight, lr)
        loss = self._set_gradient(X, target, weight)
        self.average(self.bare_module.weight.grad)
        self.notify_gradient(batch)
        self.optimizer_.step()
        return loss

    @torch.no_grad()
    def _adagrad_step(self, X, target, weight, lr):
        """Take a step of Adagrad that can be recorded. `lr` is a float or a Tensor."""
        loss = self._set_gradient(X, target, weight)
        adagrad_step(self.optimizer_, self.bare_module.weight, lr)
        return loss

    @torch.no_grad()
    def _set_gradient(self, X, target, weight):
        """Set the gradient of M, which is the outer product of pulls and features."""
        map_ = self.bare_module.weight
        points = X @ map_.T
        rows, constant, pull = self.bare_criterion.pull(points, target)
        if weight is not None:
            pull, constant = pull * weight[rows, None], constant * weight[rows]
        total = points[rows].mul_(pull).sum()
        total += constant.sum() if isinstance(constant, torch.Tensor) else constant * len(rows)
        if map_.grad is None:
            map_.grad = torch.empty_like(map_)
        map_.grad.addmm_(pull.T, X[rows], beta=0, alpha=1 / len(X))
        return total / len(X)


class DistributedDeViSENet(DistributedMixin, DeViSENet):
    """A net that several processes train together."""


def draw_seeds(seed, number, kind):
    """Draw the seeds of a stage of `fit` or a pass of `partial_fit`.

    They seed the weights and dropout, the order of samples, the negatives and the augmentation.
    """
    entropy = [seed, number] if kind == "stage" else [seed, number, 1]
    return np.random.SeedSequence(entropy).generate_state(4).tolist()


def checkpoint_params(params, stage):
    """Select the parameters that the checkpoint of a stage depends on: dict."""
    names = _STAGE_1_PARAMS if stage == 1 else _STAGE_1_PARAMS + _STAGE_2_PARAMS
    return {name: params[name] for name in names}


@dataclass
class Trainer:
    """Trains the projection of a DeViSEClassifier, given its parameters and fitted parts."""

    params: dict
    """Parameters of the classifier."""
    class_vectors: np.ndarray
    """Vectors of the training labels: (n_classes, vector_size)."""
    class_terms: list | None
    """Vectors of the terms of each training label (n_terms, vector_size), if they are drawn."""
    negative_vectors: np.ndarray
    """Vectors of additional false labels: (n_negatives, vector_size)."""
    scale: Any
    """FeatureScaler of the features."""
    visual: Any = None
    """Fitted visual model, or None."""

    def train_stage(self, stage, samples, kept, held_out, seed, start=None):
        """Train the projection (stage 1), or the visual model with it (stage 2): DeViSENet."""
        params, seeds = self.params, draw_seeds(seed, stage, "stage")
        checkpoint = self._open_checkpoint(stage, samples, seed, start)
        training = samples.take(kept)
        # Whole classes may be held out.
        trained, targets = np.unique(training.targets, return_inverse=True)
        # The mean weight is one, so the learning rate has the same effect as without weights.
        weight = None if training.weight is None else training.weight / training.weight.mean()
        with seeded(seeds[0], self.device):
            parts = samples.features.shape[1], start, trained, seeds, stage
            net = self.make_net(*parts, distributed=params["distributed"])
            source, unaltered = self._sources(samples, stage, seeds[3])
            net.train_epochs(
                TrainingSet(source, training.rows, targets, weight),
                params["max_epochs" if stage == 1 else "finetune_epochs"],
                schedule=params["lr_schedule"],
                early_stopping=self._early_stopping(samples.take(held_out), unaltered, trained),
                checkpoint=checkpoint,
            )
            if params["distributed"]:
                # The processes go on independently, with equal copies.
                state, net = net.state(), self.make_net(*parts)
                net.load_state(state)
        return net

    def train_pass(self, number, samples, seed, net=None, start=None, replay=None):
        """Train the projection for one epoch, with the given net if it still fits: DeViSENet.

        `replay` has the mean features of classes that the samples lack, and their targets.
        """
        seeds = draw_seeds(seed, number, "pass")
        every = np.arange(len(self.class_vectors))
        with seeded(seeds[0], self.device):
            if net is None or net.params != self._net_params(every):
                net = self.make_net(samples.features.shape[1], start, every, seeds)
            elif not self.params["train_label_vectors"]:
                net.criterion_.replace_vectors(self._vectors(every))
                self._choose_targets(net.criterion_, every)
                net.trained = every
            net.lr = self.params["lr"]
            source, _ = self._sources(samples, 1, seeds[3])
            data = TrainingSet(source, samples.rows, samples.targets, samples.weight)
            if replay is not None:
                data = self._with_replay(data, len(samples.features), *replay)
            net.train_epochs(data, 1)
        return net

    def _with_replay(self, data, n_rows, means, targets):
        """Add class means to the training data, each as often as a class occurs in the data."""
        n_times = len(data) / len(data.targets.unique())
        n_times = max(1, round(min(n_times, _MOST_REPLAYED * len(data) / len(means))))
        weights = data.weights
        if weights is not None:
            weights = np.append(weights.cpu(), np.full(n_times * len(means), weights.mean().item()))
        source, means = data.source, as_tensor(self.scale(means))
        if isinstance(source, torch.Tensor):
            source = torch.cat([source, means.to(source.device)])
        else:
            source = FeaturesWithMeans(source, n_rows, means)
        return TrainingSet(
            source,
            np.append(data.rows.cpu(), np.tile(n_rows + np.arange(len(means)), n_times)),
            np.append(data.targets.cpu(), np.tile(targets, n_times)),
            weights,
        )

    def restore_net(self, number, n_features, seed, start):
        """Create the net of a fitted projection before a pass: DeViSENet."""
        seeds, every = draw_seeds(seed, number, "pass"), np.arange(len(self.class_vectors))
        with seeded(seeds[0], self.device):
            return self.make_net(n_features, start, every, seeds)

    def make_projection(self, n_features, state=None):
        """Create the projection, in the given state or a new one."""
        sizes = n_features, self.class_vectors.shape[1]
        return make_projection(self.params["projection"], *sizes, self.params["loss"], state)

    def make_net(self, n_features, start, trained, seeds, stage=1, distributed=False):
        """Create the net that trains a projection against the vectors of some classes."""
        params, (state, temperature) = self.params, start or (None, None)
        module = projection = self.make_projection(n_features, state)
        if stage == 2:
            net, is_frozen = self.visual._feature_net(), params["freeze_batch_norm"]
            module = PhotoProjection(net, projection, scale=self.scale, freeze_batch_norm=is_frozen)
        if params["compile"] and not isinstance(module, LinearProjection):
            module.compile()
        n_trained = len(trained) if params["train_label_vectors"] else 0
        loss = make_loss(params, self._vectors(trained), n_trained, seeds[2], temperature)
        self._choose_targets(loss, trained)
        shared = ("batch_size", "callbacks", "precision", "device", "verbose")
        options = {name: params[name] for name in shared}
        for name in ("optimizer", "lr"):
            options[name] = params[name if stage == 1 else f"finetune_{name}"]
        kind = DistributedDeViSENet if distributed else DeViSENet
        net = kind.build(module, loss, order_seed=seeds[1], **options)
        net.trained, net.params = trained, self._net_params(trained)
        return net

    def _net_params(self, trained):
        """Collect the parameters that a net is made from: dict."""
        params = {name: self.params[name] for name in _NET_PARAMS}
        return params | {"n_trained": len(trained) if params["train_label_vectors"] else None}

    def _choose_targets(self, loss, trained):
        """Let a loss draw the terms of some classes, if `targets` says so."""
        if self.class_terms is not None:
            loss.draw_terms([self.class_terms[row] for row in trained])

    @property
    def device(self):
        """Device of the training."""
        return find_device(self.params["device"])

    def _vectors(self, trained):
        """Stack the vectors of some classes and of the additional false labels, on the device."""
        vectors = np.vstack([self.class_vectors[trained], self.negative_vectors])
        return torch.from_numpy(vectors).to(self.device)

    def _sources(self, samples, stage, seed):
        """Return the source of batches, and the same source without augmentation."""
        if stage == 2:
            return [self.visual._photos(samples.X, altered, seed) for altered in (True, False)]
        if is_on_disk(samples.features):
            features = FeaturesOnDisk(samples.features, self.scale)
        else:
            features = place_features(scaled_tensor(samples.features, self.scale), self.device)
        if getattr(self.visual, "augment", None) is None:
            return features, features
        photos = self.visual._photos(samples.X, True, seed)
        return AugmentedFeatures(photos, self.visual._feature_net(), self.scale), features

    def _early_stopping(self, held_out, source, trained):
        """Create the early stopping on held-out samples, or return None."""
        if not self.params["early_stopping"]:
            return None
        targets, vectors = held_out.targets, None
        if self.params["validation_split"] == "classes":
            classes, targets = np.unique(targets, return_inverse=True)
            vectors = torch.from_numpy(self.class_vectors[classes]).to(self.device)

        def answer(net, points):
            candidates = net.bare_criterion.vectors[: len(trained)] if vectors is None else vectors
            return (points @ candidates.T).argmax(dim=1)

        data = TrainingSet(source, held_out.rows, targets)
        return EarlyStopping(data, answer, self.params["n_iter_no_change"])

    def _open_checkpoint(self, stage, samples, seed, start):
        """Find the checkpoint of a stage by its parameters and data, or return None."""
        if self.params["checkpoint"] is None:
            return None
        params = checkpoint_params(self.params, stage)
        params["augment"] = getattr(self.visual, "augment", None)
        if self.params["distributed"]:
            params["n_processes"] = open_accelerator().num_processes
        blocks = [content_hash(block) for block, _ in samples.blocks()]
        data = [samples.rows, samples.targets, samples.weight, blocks]
        vectors = [self.class_vectors, self.class_terms, self.negative_vectors]
        # The generators of another type of device have other states.
        key = fit_key(params, self.device.type, stage, seed, start, vectors, data)
        return Checkpoint(self.params["checkpoint"], key)
