"""The training loop: skorch, with steps of our own."""

from copy import deepcopy

import torch
from skorch import NeuralNet
from skorch.callbacks import ProgressBar
from torch.nn.modules.batchnorm import _BatchNorm

from skdevise._utils import find_device
from skdevise.training._batches import Batches
from skdevise.training._options import OPTIMIZERS, SCHEDULES, check_share


class TrainingNet(NeuralNet):
    """skorch's training loop over `Batches`.

    The criterion gives a loss of each example (n,), of what the module makes of a batch and of the
    positions of its labels (n,).
    """

    def __init__(self, *args, precision="float32", **kwargs):
        super().__init__(*args, **kwargs)
        self.precision = precision
        self.early_stopping = None

    def on_epoch_begin(self, net, **kwargs):
        """Turn everything to training, once an epoch rather than at each step."""
        super().on_epoch_begin(net, **kwargs)
        self.is_among_callbacks = False
        self._set_training(True)

    def on_epoch_end(self, net, **kwargs):
        """Look at the held-out examples, before callbacks ask for what is found."""
        super().on_epoch_end(net, **kwargs)
        if self.early_stopping is not None:
            self.early_stopping.look(self)
        self.is_among_callbacks = True

    def train_step(self, batch, **params):
        """Take a step on a batch (X, (target, weight)); its loss comes back for the history."""
        X, (target, weight) = batch
        # Copies to a GPU go on while the host prepares what comes next.
        X, target = (own.to(self.device, non_blocking=True) for own in (X, target))
        weight = None if weight is None else weight.to(self.device)
        return {"loss": self.step(X, target, weight, batch), "y_pred": None}

    def step(self, X, target, weight, batch):
        """Take a step by autograd: the loss, a scalar Tensor."""
        losses = []

        def closure():
            self.optimizer_.zero_grad()
            with torch.autocast(X.device.type, torch.bfloat16, self.precision == "bfloat16"):
                outputs = self.module_(X)
            values = self.criterion_(outputs.float(), target)
            loss = (values if weight is None else values * weight).mean()
            loss.backward()
            self.notify_gradient(batch)
            losses.append(loss.detach())
            return losses[-1]

        self.optimizer_.step(closure)
        return losses[0]

    def notify_gradient(self, batch):
        """Tell callbacks of a gradient; skorch's own take no notice of it."""
        if self.callbacks:
            self.notify(
                "on_grad_computed", named_parameters=self.get_all_learnable_params(), batch=batch
            )

    def generators(self):
        """What the net draws from, besides torch's global generator: list of torch.Generator."""
        holders = self.get_params_for("iterator_train"), vars(self.criterion_)
        return [holder["generator"] for holder in holders if "generator" in holder]

    def state(self):
        """Copy all that training changes: a tuple for `load_state`."""
        draws = [generator.get_state() for generator in self.generators()]
        return self.weights(), deepcopy(self.optimizer_.state_dict()), draws, len(self.history)

    def load_state(self, state):
        """Put back what `state` has copied."""
        weights, optimizer, draws, n_epochs = state
        self.load_weights(weights)
        self.optimizer_.load_state_dict(optimizer)
        for generator, own in zip(self.generators(), draws, strict=True):
            generator.set_state(own)
        del self.history[n_epochs:]

    def weights(self):
        """Copy all that the net learns, and its running statistics: list of dict."""
        return [
            {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
            for module in (uncompiled(self.module_), self.criterion_)
        ]

    def load_weights(self, weights):
        """Put weights back that `weights` has copied."""
        modules = uncompiled(self.module_), self.criterion_
        for module, state in zip(modules, weights, strict=True):
            module.load_state_dict(state)


def uncompiled(module):
    """The module itself, where it was compiled."""
    return getattr(module, "_orig_mod", module)


def make_net(
    kind,
    module,
    criterion,
    *,
    optimizer,
    lr,
    batch_size,
    callbacks,
    device,
    order_seed,
    verbose,
    precision="float32",
):
    """Make a skorch net, initialised.

    Parameters
    ----------
    kind : TrainingNet class
    module : nn.Module
    criterion : nn.Module
        See `TrainingNet`.
    optimizer : str or callable
        One of `OPTIMIZERS` by name, or what makes an optimizer.
    lr, batch_size, callbacks, device, verbose, precision
        As in `DeViSEClassifier`.
    order_seed : int
        Seeds the order of the examples.

    Returns
    -------
    TrainingNet
    """
    callbacks = list(callbacks or [])
    if verbose > 1:
        callbacks.append(("progress_bar", ProgressBar()))
    device = find_device(device)
    module.train()  # A frozen batch norm stays as it is.
    has_batch_norm = any(
        isinstance(part, _BatchNorm) and part.training for part in module.modules()
    )
    if has_batch_norm and batch_size == 1:
        raise ValueError("batch_size=1 leaves a batch norm nothing to normalise: take 2 or more.")
    options = {}
    if optimizer in OPTIMIZERS and device.type == "cpu":
        options["optimizer__fused"] = True  # One pass over the weights, in place of five.
    return kind(
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
    net : TrainingNet
    data : TrainingSet
    n_epochs : int
    schedule : {"linear", "cosine"}, callable or None, default=None
        The share of the learning rate that is left after a share of the epochs.
    early_stopping : EarlyStopping, default=None
    checkpoint : Checkpoint, default=None
        Where the state is kept after each epoch, and taken up from.

    Raises
    ------
    ValueError
        If a schedule gives what is no share of a learning rate, or a batch norm has one sample.
    """
    schedule = SCHEDULES.get(schedule, schedule)
    iterator = net.get_params_for("iterator_train")
    if iterator["drops_lone"] and len(data) == 1:
        raise ValueError("A batch norm cannot be trained on one sample: give two or more.")
    own = vars(data.source).get("generator")
    generators = net.generators() + ([] if own is None else [own])
    for group in net.optimizer_.param_groups:
        group["lr"] = net.lr
    n_done = 0
    if checkpoint is not None:
        n_done = min(checkpoint.resume(net, generators, early_stopping), n_epochs)
    net.notify("on_train_begin", X=data, y=None)
    net.early_stopping = early_stopping
    for epoch in range(n_done, n_epochs):
        if schedule is not None:
            share = check_share(schedule, epoch / n_epochs)
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
        # Figures of batches have served their purpose, but callbacks may look at the last one.
        del net.history_[-1]["batches"][:-1]
        if has_ended:
            break
    net.early_stopping = None
    if early_stopping is not None and early_stopping.state["weights"] is not None:
        net.load_weights(early_stopping.state["weights"])
    net.notify("on_train_end", X=data, y=None)
