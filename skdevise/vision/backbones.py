"""A net by name, with its weights, its preprocessing and its softmax layer."""

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.models import SqueezeNet

from skdevise._random import seeded
from skdevise.vision.sources import make_net


@dataclass
class Backbone:
    """A net in evaluation mode, and what belongs to it.

    Attributes
    ----------
    net : Module
        From preprocessed photos (n, C, H, W) to the softmax layer's scores, or to features if
        the net has no softmax layer.
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image.
    softmax_name : str or None
        Where the softmax layer is in `net`; None if there is none.
    n_features : int
        Number of activations under the softmax layer.
    categories : sequence of str or None
        What the softmax layer answers, where this is known.
    """

    net: nn.Module
    preprocess: Callable
    softmax_name: str | None
    n_features: int
    categories: Sequence | None = None

    @property
    def n_classes(self):
        """Number of outputs of the softmax layer; 0 if there is none."""
        if self.softmax_name is None:
            return 0
        return self.net.get_submodule(self.softmax_name).weight.shape[0]

    def state_arrays(self):
        """Return the state dict as arrays, which later training leaves as they are."""
        return {
            key: tensor.numpy(force=True).copy() for key, tensor in self.net.state_dict().items()
        }

    def without_softmax(self):
        """Return the net up to its softmax layer; the weights are shared, not copied."""
        shared = {id(tensor): tensor for tensor in chain(self.net.parameters(), self.net.buffers())}
        cut = copy.deepcopy(self.net, shared)
        if hasattr(cut, "aux_logits"):
            # GoogLeNet and Inception 3 would give three outputs while they train.
            cut.aux_logits = False
        return cut if self.softmax_name is None else _replace(cut, self.softmax_name, nn.Identity())

    def resize_softmax(self, n_classes):
        """Put a new softmax layer in the old one's place if it has not `n_classes` outputs."""
        if self.n_classes == n_classes:
            return
        if self.softmax_name is None:
            self.net = nn.Sequential(self.net, nn.Linear(self.n_features, n_classes))
            self.softmax_name = "1"
        elif isinstance(self.net, SqueezeNet):
            new = nn.Conv2d(self.n_features, n_classes, 1)
            _replace(self.net, self.softmax_name, new)
        else:
            _replace(self.net, self.softmax_name, nn.Linear(self.n_features, n_classes))
        self.categories = None


def load_backbone(
    backbone, weights, preprocess="auto", image_size=None, verbose=0, reads_weights=True
):
    """Make a net, with the weights and the preprocessing that go with it.

    Parameters are those of `VisualFeaturizer`; with `weights=None` the weights are random, drawn
    from torch's global generator. Without `reads_weights` they are random too, in the net that
    published `weights` are for.

    Returns
    -------
    Backbone

    Raises
    ------
    ImportError
        If a package that the net needs is not installed.
    OSError
        If weights cannot be downloaded, or their file does not exist.
    TypeError
        If a callable `backbone` does not make a module, or `preprocess` not a tensor.
    ValueError
        If there is no such net, or there are no such weights for it, or the net does not make a
        vector of each photo.
    """
    path = weights if _is_path(weights) else None
    net, own_preprocess, categories = make_net(
        backbone,
        None if path else weights,
        image_size,
        progress=verbose > 0,
        reads_weights=reads_weights,
    )
    made = _examine(net, own_preprocess if preprocess == "auto" else preprocess, _name(backbone))
    made.categories = categories
    if path:
        _load_file(made, path, _name(backbone))
    return made


def load_fitted(recipe, arrays, n_classes):
    """Make a net again.

    Parameters
    ----------
    recipe : dict
        The parameters of `load_backbone`.
    arrays : dict of str to ndarray, or None
        State dict of the net; None for the published weights that the recipe names.
    n_classes : int
        Number of outputs of the softmax layer.

    Returns
    -------
    Backbone
    """
    with seeded(0, torch.device("cpu")):
        backbone = load_backbone(**recipe, reads_weights=arrays is None)
        backbone.resize_softmax(n_classes)
    if arrays is not None:
        state = {key: torch.tensor(array) for key, array in arrays.items()}
        backbone.net.load_state_dict(state)
    return backbone


def is_published(backbone, weights):
    """Whether the weights can be had again by name."""
    return isinstance(backbone, str) and weights is not None and not _is_path(weights)


def _examine(net, preprocess, name):
    """Run one made-up photo through the net, to see what comes out and from which layer."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    photo = preprocess(Image.fromarray(pixels))
    if not isinstance(photo, torch.Tensor) or photo.ndim != 3:
        raise TypeError(
            f"preprocess gives a {type(photo).__name__}: it takes a PIL image and returns a tensor "
            "of shape (channels, height, width)."
        )
    last_linear = {}

    def remember(layer_name):
        def hook(layer, inputs, output):
            # A copy: an activation that follows may work in place.
            last_linear.update(name=layer_name, output=output.clone(), inputs=layer.in_features)

        return hook

    net.eval()
    hooks = [
        layer.register_forward_hook(remember(layer_name))
        for layer_name, layer in net.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        # Not inference_mode: the parameters that a lazy layer makes here must be trainable.
        with torch.no_grad():
            output = net(photo[None])
    except Exception as error:  # nets refuse a size in many ways
        raise ValueError(
            f"{name} does not take photos of shape {tuple(photo.shape)} ({_first_line(error)}): "
            "change image_size or preprocess."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        what = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"{name} makes {what} of one photo, not (1, n_features): end it with pooling and "
            "flattening."
        )
    if isinstance(net, SqueezeNet):
        # The one family of torchvision whose softmax layer is a convolution, pooled afterwards.
        return Backbone(net, preprocess, "classifier.1", net.classifier[1].in_channels)
    if last_linear and torch.equal(last_linear["output"], output):
        return Backbone(net, preprocess, last_linear["name"], last_linear["inputs"])
    return Backbone(net, preprocess, None, output.shape[1])


def _replace(net, name, layer):
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, layer)
    return net


def _is_path(weights):
    return isinstance(weights, os.PathLike) or (
        isinstance(weights, str) and weights.endswith((".pth", ".pt"))
    )


def _load_file(backbone, path, name):
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"weights={str(path)!r}: there is no such file.") from error
    except Exception as error:  # whatever zip, pickle and torch say of a foreign file
        raise ValueError(
            f"weights={str(path)!r} is not a state dict that can be loaded safely "
            f"({_first_line(error)}): save it by torch.save(net.state_dict(), path)."
        ) from error
    if backbone.softmax_name is not None and isinstance(state, dict):
        rows = state.get(f"{backbone.softmax_name}.weight")
        if rows is not None:  # a net that was fine-tuned has classes of its own
            backbone.resize_softmax(len(rows))
    try:
        backbone.net.load_state_dict(state)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"weights={str(path)!r} does not fit {name}, whose state dict has other names or "
            f"shapes ({_first_mismatch(backbone.net, state)}): give the backbone that it was "
            "saved from."
        ) from error


def _first_mismatch(net, state):
    if not isinstance(state, dict):
        return f"the file has a {type(state).__name__}"
    wanted = net.state_dict()
    for key in wanted:
        if key not in state:
            return f"{key!r} is missing"
        shape = getattr(state[key], "shape", None)
        if wanted[key].shape != shape:
            return f"{key!r} is of shape {shape and tuple(shape)}, not {tuple(wanted[key].shape)}"
    return f"{next(key for key in state if key not in wanted)!r} is unknown"


def _first_line(error):
    return str(error).partition("\n")[0].rstrip(".")


def _name(backbone):
    if isinstance(backbone, str):
        return f"backbone={backbone!r}"
    return f"the backbone {getattr(backbone, '__name__', type(backbone).__name__)}"
