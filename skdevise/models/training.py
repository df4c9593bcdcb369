"""The training loop of a map into the label space: skorch, and steps of our own."""

import math

import torch
from skorch import NeuralNet
from skorch.callbacks import ProgressBar
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Dataset

from skdevise._device import find_device
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, Warp
from skdevise.models.projections import LinearProjection

OPTIMIZERS = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}

LOSSES = {
    "hinge_rank": HingeRank,
    "warp": Warp,
    "mse": MeanSquaredError,
    "cosine": Cosine,
    "contrastive": Contrastive,
}

# The share of the learning rate that is left after a share of the epochs.
SCHEDULES = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


class TrainingSet(Dataset):
    """Examples that batches are taken from.

    Parameters
    ----------
    source : ResidentFeatures, StreamedFeatures, or photos as a net reads them
        Indexed by a Tensor of rows.
    rows : Tensor of int64, of shape (n,)
        Which of the source's rows are trained on.
    targets : Tensor of int64, of shape (n,)
        Positions of their labels.
    weights : Tensor of float32, of shape (n,), default=None
        How much each counts; one on average.
    """

    def __init__(self, source, rows, targets, weights=None):
        self.source = source
        self.rows = rows
        self.targets = targets
        self.weights = weights

    def __len__(self):
        return len(self.rows)


class Batches:
    """Batches of a training set, in a fresh order each time.

    A `DataLoader` fetches and stacks example by example; here one index takes a batch, or several
    small ones. Batch norm cannot train on one example: with `drops_lone` a last batch of one is
    left out, which differs from epoch to epoch.
    """

    def __init__(self, dataset, batch_size, generator, drops_lone=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator
        self.drops_lone = drops_lone

    def __iter__(self):
        data, size = self.dataset, self.batch_size
        order = torch.randperm(len(data), generator=self.generator)
        if self.drops_lone and len(order) % size == 1 and len(order) > 1:
            order = order[:-1]
        n_batches = max(1, data.source.n_rows_at_once // size)
        for chunk in order.split(n_batches * size):
            X, target = data.source[data.rows[chunk]], data.targets[chunk]
            weight = None if data.weights is None else data.weights[chunk]
            for start in range(0, len(chunk), size):
                batch = slice(start, start + size)
                yield X[batch], (target[batch], None if weight is None else weight[batch])


class MapNet(NeuralNet):
    """skorch's training loop around a map into the label space."""

    def __init__(self, *args, precision="float32", **kwargs):
        super().__init__(*args, **kwargs)
        self.precision = precision
        self.early_stopping = None

    def on_epoch_begin(self, net, **kwargs):
        """Turn everything to training, once an epoch rather than at each step."""
        super().on_epoch_begin(net, **kwargs)
        self.is_among_callbacks = False
        self._set_training(True)
        self.in_closed_form = (
            isinstance(self.module_, LinearProjection)
            and isinstance(self.criterion_, HingeRank)
            and not self.criterion_.n_trained
            and self.precision == "float32"
            and self.optimizer in OPTIMIZERS.values()
        )

    def on_epoch_end(self, net, **kwargs):
        """Look at the held-out examples, before callbacks ask for what is found."""
        super().on_epoch_end(net, **kwargs)
        if self.early_stopping is not None:
            self.early_stopping.look(self)
        self.is_among_callbacks = True

    def train_step(self, batch, **params):
        """Take a step on a batch (X, (target, weight)); its loss comes back for the history."""
        X, (target, weight) = batch
        X, target = X.to(self.device), target.to(self.device)
        weight = None if weight is None else weight.to(self.device)
        if self.in_closed_form:
            loss = self._step_in_closed_form(X, target, weight)
            self._notify_gradient(batch)
            self.optimizer_.step()
            return {"loss": loss, "y_pred": None}
        losses = []

        def closure():
            self.optimizer_.zero_grad()
            with torch.autocast(X.device.type, torch.bfloat16, self.precision == "bfloat16"):
                points = self.module_(X)
            values = self.criterion_(points.float(), target)
            loss = (values if weight is None else values * weight).mean()
            loss.backward()
            self._notify_gradient(batch)
            losses.append(loss.detach())
            return losses[-1]

        self.optimizer_.step(closure)
        return {"loss": losses[0], "y_pred": None}

    @torch.no_grad()
    def _step_in_closed_form(self, X, target, weight):
        """The gradient of a linear map by the hinge rank loss: of each pull, times the features."""
        map_ = self.module_.weight
        points = X @ map_.T
        rows, constant, pull = self.criterion_.pull(points, target)
        if map_.grad is None:
            map_.grad = torch.empty_like(map_)
        if weight is not None:
            pull, constant = pull * weight[rows, None], constant * weight[rows]
        total = points[rows].mul_(pull).sum()
        total += constant.sum() if isinstance(constant, torch.Tensor) else constant * len(rows)
        torch.mm(pull.div_(len(X)).T, X[rows], out=map_.grad)
        return total / len(X)

    def _notify_gradient(self, batch):
        # skorch's own callbacks take no notice of it.
        if self.callbacks:
            self.notify(
                "on_grad_computed", named_parameters=self.get_all_learnable_params(), batch=batch
            )


class EarlyStopping:
    """hit@1 on held-out examples after each epoch, and the best weights.

    Parameters
    ----------
    source : as of `TrainingSet`
    rows, targets : Tensor of int64, of shape (n,)
        The held-out examples, and the positions of their labels among the candidates.
    vectors : Tensor of shape (n_candidates, vector_size), or None
        None takes the first `n_trained` vectors of the loss.
    n_trained : int
    n_iter_no_change : int
        Epochs without a better one after which training has come to its end.
    """

    def __init__(self, source, rows, targets, vectors, n_trained, n_iter_no_change):
        self.source = source
        self.rows = rows
        self.targets = targets
        self.vectors = vectors
        self.n_trained = n_trained
        self.n_iter_no_change = n_iter_no_change
        self.state = {"best": -1.0, "n_misses": 0, "weights": None}

    def look(self, net):
        """Record the hit@1 of an epoch, and keep the weights if it is the best."""
        hit_rate = self._hit_rate(net)
        is_best = hit_rate > self.state["best"]
        net.history.record("valid_hit@1", hit_rate)
        net.history.record("valid_hit@1_best", is_best)
        if is_best:
            self.state = {"best": hit_rate, "n_misses": 0, "weights": weights_of(net)}
        else:
            self.state["n_misses"] += 1

    @torch.no_grad()
    def _hit_rate(self, net):
        net.module_.eval()
        vectors = net.criterion_.vectors[: self.n_trained] if self.vectors is None else self.vectors
        vectors = vectors.to(net.device)
        size = max(self.source.n_rows_at_once, net.batch_size)
        n_hits = 0
        for rows, targets in zip(self.rows.split(size), self.targets.split(size), strict=True):
            points = net.module_(self.source[rows].to(net.device)).float()
            n_hits += (points @ vectors.T).argmax(dim=1).eq(targets.to(net.device)).sum().item()
        return n_hits / len(self.rows)

    @property
    def has_ended(self):
        """Whether too many epochs have brought nothing."""
        return self.state["n_misses"] >= self.n_iter_no_change


def weights_of(net):
    """A copy of all that a net learns, and of its running statistics."""
    return [
        {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
        for module in (uncompiled(net.module_), net.criterion_)
    ]


def load_weights(net, weights):
    """Put weights that `weights_of` has copied into a net."""
    modules = uncompiled(net.module_), net.criterion_
    for module, state in zip(modules, weights, strict=True):
        module.load_state_dict(state)


def uncompiled(module):
    """The module itself, where it was compiled."""
    return getattr(module, "_orig_mod", module)


def make_net(
    module,
    criterion,
    *,
    optimizer,
    lr,
    batch_size,
    callbacks,
    precision,
    compile,
    device,
    order_seed,
    verbose,
):
    """Make the skorch net of a map into the label space, initialised.

    Parameters
    ----------
    module : nn.Module
        Maps a batch to points.
    criterion : LabelLoss
    optimizer, lr, batch_size, callbacks, precision, compile, device, verbose
        As in `DeViSEClassifier`.
    order_seed : int
        Seeds the order of the examples.

    Returns
    -------
    MapNet
    """
    callbacks = list(callbacks or [])
    if verbose > 1:
        callbacks.append(("progress_bar", ProgressBar()))
    device = find_device(device)
    has_batch_norm = any(isinstance(part, _BatchNorm) for part in module.modules())
    if has_batch_norm and batch_size == 1:
        raise ValueError("batch_size=1 leaves a batch norm nothing to normalise: take 2 or more.")
    options = {}
    if optimizer in OPTIMIZERS and device.type == "cpu":
        options["optimizer__fused"] = True  # One pass over the weights, in place of five.
    if compile and not isinstance(module, LinearProjection):
        module = torch.compile(module)
    return MapNet(
        module,
        criterion=criterion,
        optimizer=OPTIMIZERS.get(optimizer, optimizer),
        lr=lr,
        batch_size=batch_size,
        iterator_train=Batches,
        iterator_train__generator=torch.Generator().manual_seed(order_seed),
        iterator_train__drops_lone=has_batch_norm,
        train_split=None,
        callbacks=callbacks,
        precision=precision,
        device=device,
        verbose=verbose,
        **options,
    ).initialize()


def train_epochs(net, data, n_epochs, *, schedule=None, early_stopping=None, checkpoint=None):
    """Train a net on.

    Parameters
    ----------
    net : MapNet
    data : TrainingSet
    n_epochs : int
    schedule : {"linear", "cosine"}, callable or None, default=None
        The share of the learning rate that is left after a share of the epochs.
    early_stopping : EarlyStopping, default=None
    checkpoint : Checkpoint, default=None
        Where the state is kept after each epoch, and taken up from.
    """
    schedule = SCHEDULES.get(schedule, schedule)
    holders = net.get_params_for("iterator_train"), vars(net.criterion_), vars(data.source)
    generators = [holder["generator"] for holder in holders if "generator" in holder]
    n_done = 0
    if checkpoint is not None:
        n_done = min(checkpoint.resume(net, generators, early_stopping), n_epochs)
    net.notify("on_train_begin", X=data, y=None)
    net.early_stopping = early_stopping
    for epoch in range(n_done, n_epochs):
        share = 1 if schedule is None else schedule(epoch / n_epochs)
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * share
        has_ended = False
        try:
            net.fit_loop(data, epochs=1)
        except KeyboardInterrupt:
            # A callback's way to end training; a user who interrupts anything else means it.
            if not net.is_among_callbacks:
                raise
            has_ended = True
        if early_stopping is not None:
            has_ended |= early_stopping.has_ended
        if checkpoint is not None:
            checkpoint.save(net, generators, early_stopping, has_ended)
        # Figures of batches have served their purpose.
        net.history_[-1]["batches"].clear()
        if has_ended:
            break
    net.early_stopping = None
    if early_stopping is not None and early_stopping.state["weights"] is not None:
        load_weights(net, early_stopping.state["weights"])
    net.notify("on_train_end", X=data, y=None)
