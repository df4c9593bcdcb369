"""Read state dicts from files, and load them into networks."""

import argparse
import os
from collections.abc import Mapping
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file

from skdevise._bounded import parsing

_FILE_SUFFIXES = (".pth", ".pt", ".safetensors")


def is_path(weights):
    """Return whether `weights` is the path of a file, and not a name."""
    return isinstance(weights, os.PathLike) or (
        isinstance(weights, str) and weights.lower().endswith(_FILE_SUFFIXES)
    )


def read_state_dict(path, net):
    """Read the state dict of a network, from a file that may also hold other things."""
    state = _read_file(path)
    for key in ("state_dict", "model"):  # Training scripts save it beside other things.
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise ValueError(
            f"weights={str(path)!r} contains a {type(state).__name__}, not a state dict. Save one "
            "with torch.save(net.state_dict(), path)."
        )
    # Training on several devices puts a prefix before all names.
    prefix = "module."
    if all(str(key).startswith(prefix) for key in state) and not any(
        key.startswith(prefix) for key in net.state_dict()
    ):
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state


def _read_file(path):
    """Read a file of weights without running code from it."""
    with parsing(path, "Save a state dict with torch.save(net.state_dict(), path)."):
        if os.fspath(path).lower().endswith(".safetensors"):
            return load_file(path)
        # torchvision's training scripts save their options beside the weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except UnpicklingError as error:  # Its message says how to run code from the file.
                raise ValueError("It is not the file of a state dict") from error


def load_state(net, state):
    """Load a state dict, or raise ValueError with the first entry that does not fit."""
    # The dict of the network also holds the versions of its layers, which some layers check.
    complete = net.state_dict()
    for key, tensor in complete.items():
        shape = getattr(state.get(key), "shape", None)
        if shape != tensor.shape:
            found = "missing" if key not in state else f"of shape {shape and tuple(shape)}"
            raise ValueError(f"{key!r} is {found}, not of shape {tuple(tensor.shape)}")
    unknown = [key for key in state if key not in complete]
    if unknown:
        raise ValueError(f"the network has no {unknown[0]!r}")
    complete.update(state)
    net.load_state_dict(complete)


def first_line(error):
    """Return the first line of an error's message, without a final full stop."""
    return str(error).partition("\n")[0].rstrip(".")
