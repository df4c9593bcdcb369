"""Parameters of training that are callables and callbacks, tried before anything is computed."""

import math
from numbers import Real

import torch
from skorch.callbacks import Callback

OPTIMIZERS = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}

# The share of the learning rate that is left after a share of the epochs.
SCHEDULES = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


def check_optimizer(name, optimizer):
    """Refuse what makes no optimizer.

    Parameters
    ----------
    name : str
        Of the parameter.
    optimizer : str or callable

    Raises
    ------
    TypeError
    """
    if optimizer in OPTIMIZERS:
        return
    try:
        made = optimizer([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    except Exception as error:  # a user's callable raises whatever it likes
        raise TypeError(
            f"{name}={optimizer!r} cannot be called with (parameters, lr=...): {error}."
        ) from error
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"{name}={optimizer!r} makes no torch optimizer, but {made!r}.")


def check_share(schedule, done):
    """Ask a schedule for the share of the learning rate that is left.

    Parameters
    ----------
    schedule : callable
    done : float
        The share of the epochs that is done.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it gives no such share, or takes none of epochs.
    """
    try:
        share = schedule(done)
    except TypeError as error:
        share = error
    if not isinstance(share, Real) or not 0 <= share < math.inf:
        raise ValueError(
            f"lr_schedule gives {share!r} after {done:.2f} of the epochs: it takes the share of "
            "the epochs that is done, and gives that of the learning rate that is left, 0 or more."
        )
    return share


def check_callbacks(callbacks):
    """Refuse what is no skorch callback, and what waits for a loss on held-out samples.

    Parameters
    ----------
    callbacks : list or None

    Raises
    ------
    TypeError
    ValueError
    """
    for own in callbacks or []:
        callback = own[1] if isinstance(own, tuple) and len(own) == 2 else own
        if callback is None and isinstance(own, tuple):
            continue  # skorch's way to turn one of its own off
        if isinstance(callback, type) and issubclass(callback, Callback):
            callback = callback()  # as skorch does
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks holds {own!r}: it takes skorch callbacks, or (name, callback) pairs."
            )
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("valid_loss"):
            raise ValueError(
                f"{type(callback).__name__} monitors {monitor!r}, and no such loss is recorded: "
                "let it monitor 'train_loss', or with early_stopping=True 'valid_hit@1'."
            )
