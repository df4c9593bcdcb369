"""The training loop: skorch, with whole batches, schedules and weighted examples."""

import math
from copy import deepcopy
from functools import partial
from numbers import Real

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, ProgressBar
from skorch.history import History
from torch import nn
from torch.utils.data import Dataset

from skdevise._utils import find_device, fits, keep_freed_memory, send

# "sgd" has the momentum and weight decay of AlexNet (Krizhevsky 2012), the visual model of DeViSE.
OPTIMIZERS = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "sgd": partial(torch.optim.SGD, momentum=0.9, weight_decay=5e-4),
}

# Above it, the weight decay of "sgd" enlarges the weights in each step. With momentum m and decay
# d, this is 2 (1 + m) / d.
_LARGEST_SGD_LR = 2 * 1.9 / 5e-4

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

# Fraction of the learning rate that remains after a fraction of the epochs.
SCHEDULES = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}

# Several small batches are gathered at once, as long as they fit into the processor's cache. On a
# GPU, each operation has a fixed cost of some microseconds, so 16 MB are gathered at once.
_N_CACHED = 2**18
_N_GATHERED = 2**22


def check_training_params(params):
    """Try the optimizers, callbacks and schedule of an estimator's parameters before any work."""
    for name in [name for name in params if name.endswith("optimizer")]:
        optimizer, lr_name = params[name], name.replace("optimizer", "lr")
        lr = params[lr_name]
        if optimizer == "sgd" and lr != "auto" and lr > _LARGEST_SGD_LR:
            raise ValueError(
                f"Training with {lr_name}={lr} diverges, because the weight decay of 'sgd' "
                f"enlarges the weights. Lower {lr_name} below {_LARGEST_SGD_LR:.0f}."
            )
        built = _call(OPTIMIZERS.get(optimizer, optimizer), [nn.Parameter(torch.zeros(1, 1))], lr=1)
        if not isinstance(built, torch.optim.Optimizer):
            raise TypeError(
                f"{name}={optimizer!r} does not create a torch optimizer: {name}(parameters, lr=1) "
                f"gives {built!r}. Pass a class of torch.optim, for example torch.optim.AdamW."
            )
    for item in params["callbacks"] or []:
        is_pair = isinstance(item, tuple | list) and len(item) == 2
        callback = item[1] if is_pair else item
        if is_pair and callback is None:
            continue  # skorch leaves it out.
        callback = _call(callback) if isinstance(callback, type) else callback
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks contains {item!r}, which is not a skorch callback or needs arguments. "
                "Pass instances of skorch.callbacks.Callback, or (name, instance) pairs."
            )
        missing = ("valid_loss",) if params["early_stopping"] else ("valid_loss", "valid_hit@1")
        monitor = str(getattr(callback, "monitor", None))
        if monitor.startswith(missing):
            raise ValueError(
                f"The callback {type(callback).__name__} monitors {monitor!r}, which is not "
                "recorded. Use monitor='train_loss'. A `fit` with early_stopping=True also records "
                "'valid_hit@1'."
            )
    schedule = params["lr_schedule"]
    factor = _call(schedule, 0.0) if callable(schedule) else 1
    if not isinstance(factor, Real) or not 0 <= factor < math.inf:
        raise ValueError(
            f"lr_schedule(0.0) gives {factor!r}. Pass a function that takes the fraction of "
            "finished epochs, and returns the fraction of the learning rate that remains."
        )


def _call(function, *args, **kwargs):
    """Return the result of a user's callable, or the error that it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # A user's callable can raise anything.
        return error


def trains_batch_norms(module):
    """Return whether a module in training mode has batch norms that are not frozen: bool."""
    return any(isinstance(part, BATCH_NORMS) and part.training for part in module.modules())


def place_features(features, device):
    """Move a Tensor of features to a GPU if its memory has room for it, for a whole fit."""
    return features.to(device) if fits(features.nbytes, device) else features


def examples(source, rows):
    """Iterate over the examples at each Tensor of rows. Photos are read ahead."""
    return source.batches(rows) if hasattr(source, "batches") else (source[part] for part in rows)


class TrainingSet(Dataset):
    """Examples of a source (a Tensor, or an object indexed by a Tensor of rows).

    If the source is a Tensor, the other tensors are on its device.
    """

    def __init__(self, source, rows, targets, weights=None):
        self.source = source
        device, self.n_rows_at_once = "cpu", getattr(source, "n_rows_at_once", 1)
        if isinstance(source, torch.Tensor):
            device = source.device
            n_numbers = _N_CACHED if device.type == "cpu" else _N_GATHERED
            self.n_rows_at_once = n_numbers // source.shape[1]
        self.rows = torch.as_tensor(rows, device=device)
        self.targets = torch.as_tensor(targets, device=device)
        if weights is not None:
            weights = torch.as_tensor(weights, dtype=torch.float32, device=device)
        self.weights = weights

    def __len__(self):
        return len(self.rows)


class Batches:
    """Iterate over (X, (target, weight)) in a fresh order each time.

    A `DataLoader` fetches and stacks single examples. Here one index operation gathers a batch. The
    batches are on the device of the generator, which draws the order.
    """

    def __init__(self, dataset, batch_size, generator, skip_single=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator
        self.skip_single = skip_single

    def _order(self):
        """Draw the order of the positions: (n,)."""
        order = self._permutation()
        if self.skip_single and len(order) % self.batch_size == 1 and len(order) > 1:
            order = order[:-1]
        return order

    def _permutation(self):
        """Draw a random order of all positions, where the rows are: (n,)."""
        generator, n = self.generator, len(self.dataset)
        order = torch.randperm(n, generator=generator, device=generator.device)
        return order.to(self.dataset.rows.device)

    def __iter__(self):
        data, size, device = self.dataset, self.batch_size, self.generator.device
        n_batches = max(1, data.n_rows_at_once // size)
        chunks = self._order().split(n_batches * size)
        features = examples(data.source, (data.rows[chunk] for chunk in chunks))
        for chunk, X in zip(chunks, features, strict=True):
            X, target = send(X, device), send(data.targets[chunk], device)
            weight = None if data.weights is None else send(data.weights[chunk], device)
            for start in range(0, len(chunk), size):
                batch = slice(start, start + size)
                yield X[batch], (target[batch], None if weight is None else weight[batch])


class TrainingNet(NeuralNet):
    """A skorch net whose criterion returns one loss per example: (n,)."""

    def __init__(self, *args, precision="float32", **kwargs):
        super().__init__(*args, **kwargs)
        self.precision = precision

    @classmethod
    def build(
        cls, module, criterion, *, optimizer, lr, batch_size, callbacks, precision, device,
        order_seed, verbose,
    ):  # fmt: skip
        """Create an initialised net from the parameters that the estimators share."""
        device = find_device(device)
        module.train()  # Frozen batch norms stay in evaluation mode.
        options = {}
        if optimizer in OPTIMIZERS and device.type == "cpu":
            options["optimizer__fused"] = True
        return cls(
            module,
            criterion=criterion,
            optimizer=OPTIMIZERS.get(optimizer, optimizer),
            lr=lr,
            batch_size=int(batch_size),  # torch refuses integers of NumPy.
            iterator_train=Batches,
            iterator_train__generator=torch.Generator(device).manual_seed(order_seed),
            # Batch norm cannot train on a last batch of one example.
            iterator_train__skip_single=batch_size > 1 and trains_batch_norms(module),
            train_split=None,
            callbacks=[*(callbacks or []), *([ProgressBar()] if verbose > 1 else [])],
            precision=precision,
            device=device,
            verbose=verbose,
            **options,
        ).initialize()

    # `DistributedMixin` overrides these members. Processes are numbered from 0.
    rank, n_processes = 0, 1

    @property
    def bare_module(self):
        """The module that is trained."""
        return self.module_

    @property
    def bare_criterion(self):
        """The criterion that is trained."""
        return self.criterion_

    def average(self, gradient):
        """Average a gradient over the processes, in place."""

    def gather(self, value):
        """Collect a value of each process: list."""
        return [value]

    def from_first(self, make):
        """Return the value that the first process makes."""
        return make()

    def train_epochs(self, data, n_epochs, *, schedule=None, early_stopping=None, checkpoint=None):
        """Train on a `TrainingSet`, then load the best weights if `early_stopping` is given."""
        keep_freed_memory()
        schedule = SCHEDULES.get(schedule, schedule)
        n_done = 0
        if checkpoint is not None:
            n_done = min(checkpoint.resume(self, data, early_stopping), n_epochs)
        self._set_lr(self.lr)
        self.notify("on_train_begin", X=data, y=None)
        for epoch in range(n_done, n_epochs):
            if schedule is not None:  # Otherwise a callback may have changed the learning rate.
                self._set_lr(self.lr * schedule(epoch / n_epochs))
            has_ended = self._train_epoch(data, early_stopping)
            if checkpoint is not None:
                checkpoint.save(self, data, early_stopping, has_ended)
            if has_ended:
                break
        if early_stopping is not None and early_stopping.weights is not None:
            self.load_weights(early_stopping.weights)
        self.notify("on_train_end", X=data, y=None)

    def _set_lr(self, lr):
        """Set the learning rate of the optimizer."""
        for group in self.optimizer_.param_groups:
            group["lr"] = lr

    def _train_epoch(self, data, early_stopping):
        """Train for one epoch, and return whether training must end: bool."""
        self.notify("on_epoch_begin", dataset_train=data, dataset_valid=None)
        self.module_.train()
        self.criterion_.train()
        batches = self.get_iterator(data, training=True)
        self.run_single_epoch(batches, training=True, prefix="train", step_fn=self.train_step)
        if early_stopping is not None:
            early_stopping.evaluate(self)
        has_ended = early_stopping is not None and early_stopping.has_ended
        try:
            self.notify("on_epoch_end", dataset_train=data, dataset_valid=None)
        except KeyboardInterrupt:
            has_ended = True  # Callbacks of skorch end training in this way.
        # The figures of single batches need memory. Callbacks may read the last one.
        del self.history_[-1]["batches"][:-1]
        return has_ended

    def run_single_epoch(self, iterator, training, prefix, step_fn, **params):
        """Run an epoch as skorch does, but read the losses once, so that a GPU does not wait."""
        events, kinds = ("on_batch_begin", "on_batch_end"), {type(c) for _, c in self.callbacks_}
        if any(getattr(kind, e) is not getattr(Callback, e) for kind in kinds for e in events):
            super().run_single_epoch(iterator, training, prefix, step_fn, **params)
            return
        losses, sizes = [], []
        for batch in iterator:
            losses.append(step_fn(batch, **params)["loss"])
            sizes.append(len(batch[0]))
        names = f"{prefix}_loss", f"{prefix}_batch_size"
        rows = zip(torch.stack(losses).tolist(), sizes, strict=True)
        self.history[-1]["batches"] += [dict(zip(names, row, strict=True)) for row in rows]
        self.history.record(f"{prefix}_batch_count", len(losses))

    def train_step(self, batch, **params):
        """Train on one batch, and return its loss for the history."""
        X, (target, weight) = batch
        return {"loss": self.step(X, target, weight, batch), "y_pred": None}

    def step(self, X, target, weight, batch):
        """Update the weights by automatic differentiation, and return the loss: a scalar."""
        losses = []
        # Several processes average their gradients once in a step.
        n_at_once = self.n_at_once(X) if self.n_processes == 1 else len(X)

        def closure():
            self.optimizer_.zero_grad()
            loss = 0
            for start in range(0, len(X), n_at_once):
                part = slice(start, start + n_at_once)
                with torch.autocast(X.device.type, torch.bfloat16, self.precision == "bfloat16"):
                    outputs = self.module_(X[part])
                values = self.criterion_(outputs.float(), target[part])
                values = values if weight is None else values * weight[part]
                share = values.sum() / len(X)
                share.backward()  # Gradients add up.
                loss += share.detach()
            self.notify_gradient(batch)
            losses.append(loss)
            return loss

        self.optimizer_.step(closure)
        return losses[0]

    def n_at_once(self, X):
        """Return how many examples of a batch the module processes at a time: int."""
        return getattr(self.bare_module, "n_at_once", len)(X)

    def notify_gradient(self, batch):
        """Notify the callbacks of the user, because those of skorch ignore gradients."""
        if self.callbacks:
            # A generator would leave no parameters for the second callback.
            parameters = list(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=parameters, batch=batch)

    def generators(self, data=None):
        """List the random generators in use, besides the global one of torch."""
        owners = [self.bare_criterion, data and data.source]
        generators = [getattr(owner, "generator", None) for owner in owners]
        return [self.iterator_train__generator, *(g for g in generators if g is not None)]

    def state(self, data=None):
        """Copy everything that training changes: dict for `load_state`."""
        return {
            "weights": self.weights(),
            "optimizer": deepcopy(self.optimizer_.state_dict()),
            "generators": [generator.get_state() for generator in self.generators(data)],
            "history": plain_rows(self.history),
        }

    def load_state(self, state, data=None):
        """Restore a copy made by `state`."""
        self.load_weights(state["weights"])
        self.optimizer_.load_state_dict(state["optimizer"])
        for generator, saved in zip(self.generators(data), state["generators"], strict=True):
            generator.set_state(saved)
        self.history_ = History({**row, "batches": [{}]} for row in state["history"])

    def weights(self):
        """Copy the parameters and running statistics of module and criterion: list of dict."""
        modules = self.bare_module, self.bare_criterion
        return [dict(deepcopy(module.state_dict())) for module in modules]

    def load_weights(self, weights):
        """Restore a copy made by `weights`."""
        for module, state in zip((self.bare_module, self.bare_criterion), weights, strict=True):
            module.load_state_dict(state)


def plain_rows(history):
    """Extract the numbers and strings of a skorch history, without its batches: list of dict."""
    return [
        {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in row.items()
            if key != "batches"
            and "event_" not in key
            and isinstance(value, int | float | str | np.number | np.bool_)
        }
        for row in history
    ]


def epoch_table(history):
    """Convert a skorch history into a DataFrame with one row per epoch, indexed from 1."""
    import pandas as pd

    rows = [
        {key: value for key, value in row.items() if not key.endswith(("_best", "_batch_count"))}
        for row in plain_rows(history)
    ]
    return pd.DataFrame(rows, columns=None if rows else ["epoch"]).set_index("epoch")
