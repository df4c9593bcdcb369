"""What comes out of a net, and from which layer, found without its weights."""

from functools import cache
from typing import NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models import SqueezeNet

from skdevise.vision._weights import first_line


class Structure(NamedTuple):
    """What is known of a net that was looked at."""

    softmax_name: str | None
    """Where the softmax layer is in the net; None if there is none."""
    n_features: int
    """Number of activations under the softmax layer."""
    n_classes: int
    """Number of outputs of the softmax layer; 0 if there is none."""
    is_linear: bool
    """Whether the scores are a linear function of the features."""


def examine(net, photos, title):
    """Run a photo through a net, to see what comes out.

    Parameters
    ----------
    net : Module
        Is put into evaluation mode.
    photos : Tensor of shape (1, C, H, W)
        On the net's device, which may be "meta".
    title : str
        What errors call the net.

    Returns
    -------
    Structure

    Raises
    ------
    ValueError
        If the net does not take such photos, or does not make a vector of each.
    """
    last = {}

    def remember(name):
        def hook(layer, inputs, output):
            last.update(name=name, layer=layer, output=output, version=output._version)

        return hook

    net.eval()
    hooks = [
        layer.register_forward_hook(remember(name))
        for name, layer in net.named_modules()
        if name and isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    try:
        # Not inference_mode: the parameters that a lazy layer makes here must be trainable.
        with torch.no_grad():
            output = net(photos)
    except Exception as error:  # nets refuse a size in many ways
        raise _not_taken(photos, title, error) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        what = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"{title} makes {what} of one photo, not (1, n_features): end it with pooling and "
            "flattening."
        )
    if isinstance(net, SqueezeNet):
        # The one family of torchvision that pools after its softmax layer.
        layer = net.classifier[1]
        return Structure("classifier.1", layer.in_channels, layer.out_channels, False)
    if not last or not _is_output(last["output"], last["version"], last["layer"], output):
        return Structure(None, output.shape[1], 0, False)
    layer = last["layer"]
    is_linear = (
        type(layer).forward in (nn.Linear.forward, nn.Conv2d.forward)
        and not layer._forward_pre_hooks
        and not layer._forward_hooks
    )
    return Structure(last["name"], layer.weight.shape[1], len(layer.weight), is_linear)


@cache
def structure_of(source, shape):
    """Look at a named net; nothing is drawn, and its weights take no memory.

    Parameters
    ----------
    source : TorchvisionNet, TimmNet or Lite0Net
    shape : tuple of int
        Of a photo, (C, H, W).

    Returns
    -------
    Structure

    Raises
    ------
    ValueError
        As `examine`.
    """
    photos = torch.empty(1, *shape, device="meta")
    try:
        try:
            with without_memory():
                net = source.build().to("meta")
        except Exception as error:  # vision transformers are built for a size
            raise _not_taken(photos, source.title, error) from error
        return examine(net, photos, source.title)
    except ValueError as error:
        if "meta" not in str(error):
            raise
    # A few of timm's nets look at numbers, of which there are none on that device.
    with without_draws():
        net = source.build()
    return examine(net, torch.zeros(1, *shape), source.title)


def without_memory():
    """Make nets whose weights are on the device "meta"; what else they compute is on the CPU."""
    return _WithoutMemory()


def without_draws():
    """Make nets whose random weights are zeros, where other weights are put in anyway.

    This takes half the time, and leaves torch's global generator as it is.
    """
    return _WithoutDraws()


class _WithoutMemory(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.empty:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


class _WithoutDraws(TorchFunctionMode):
    _DRAWS = {
        nn.init.kaiming_uniform_,
        nn.init.normal_,
        nn.init.uniform_,
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
    }

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func not in self._DRAWS:
            return func(*args, **kwargs)
        with torch.no_grad():
            return (args[0] if args else kwargs["tensor"]).zero_()


def _is_output(layer_output, version, layer, output):
    """Whether a net's output (1, n) is that of its last layer, at most in another shape."""
    if isinstance(layer, nn.Conv2d):
        # As wide as the softmax layer of pooled maps, which some nets flatten afterwards.
        shape = (layer.kernel_size, layer.stride, layer.padding, layer.groups)
        if shape != ((1, 1), (1, 1), (0, 0), 1):
            return False
    return (
        layer_output.untyped_storage()._cdata == output.untyped_storage()._cdata
        and len(layer.weight) == layer_output.numel() == output.numel()
        and version == output._version  # nothing has worked on it in place
    )


def _not_taken(photos, title, error):
    return ValueError(
        f"{title} does not take photos of shape {tuple(photos.shape[1:])} ({first_line(error)}): "
        "change image_size or preprocess."
    )
