"""Find networks by name: torchvision, timm, EfficientNet-Lite, or a given module."""

import copy
import difflib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import nn

from skdevise._compat import imagenet_categories
from skdevise._utils import import_optional
from skdevise.vision._crop import CentreCrop
from skdevise.vision._efficientnet_lite import VARIANTS, EfficientNetLite, published_weights


class Source(NamedTuple):
    """Everything known about a network before it is built."""

    title: str  # name of the network in errors
    weights: str | None  # full name of the published weights, if any
    preprocess: object  # a callable, or timm's description of one
    categories: Sequence | None  # labels of the published weights
    build: Callable  # build(loads_published) -> nn.Module


def find_source(backbone, weights, image_size, verbose):
    """Find a network and its published weights by name, without building it."""
    if not isinstance(backbone, str):
        return _given_source(backbone, weights, image_size)
    if backbone in VARIANTS:
        return _lite_source(backbone, weights, image_size)
    if backbone.startswith("timm:"):
        return _timm_source(backbone.removeprefix("timm:"), weights, image_size)
    return _torchvision_source(backbone, weights, image_size, verbose)


def _given_source(backbone, weights, image_size):
    """Use a module, or a callable that returns one."""
    title = f"backbone={getattr(backbone, '__name__', type(backbone).__name__)}"
    _check_name(weights, f"{title} has no published weights")

    def build(loads_published):
        if isinstance(backbone, nn.Module):
            is_wrapper = isinstance(backbone, nn.DataParallel)  # It needs a GPU.
            return copy.deepcopy(backbone.module if is_wrapper else backbone).cpu()
        net = backbone()
        if not isinstance(net, nn.Module):
            raise TypeError(
                f"backbone={backbone!r} returns an object of type {type(net).__name__}. Return a "
                "torch.nn.Module."
            )
        return net

    return Source(title, None, _scaled_crop(image_size), None, build)


def _lite_source(name, weights, image_size):
    """Use an EfficientNet-Lite, whose weights are part of a Python package."""
    title = f"backbone={name!r}"
    _check_name(weights, f"{title} has one set of published weights")

    def build(loads_published):
        net = EfficientNetLite(name)
        if loads_published:
            net.load_state_dict(published_weights(name))
        return net

    # The published networks leave out a margin of 16 pixels on each side of the photo.
    size = VARIANTS[name].image_size
    # The weights expect (pixel - 127) / 128.
    colours = (127 / 255,) * 3, (128 / 255,) * 3
    preprocess = _scaled_crop(image_size, size, size + 32, *colours, "bicubic")
    categories = None if weights is None else imagenet_categories()
    return Source(title, weights, preprocess, categories, build)


def _torchvision_source(name, weights, image_size, verbose):
    """Use a classifier of torchvision."""
    import torchvision.models  # This import takes seconds, and the other networks do not need it.

    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise ValueError(_unknown_network(name, "torchvision or skdevise", [*VARIANTS, *names]))
    published, preprocess, categories = None, _scaled_crop(image_size), None
    if weights is not None:
        members = torchvision.models.get_model_weights(name)
        member = getattr(weights, "name", weights).removeprefix(f"{members.__name__}.")
        if member not in members.__members__ or not isinstance(weights, str | members):
            raise ValueError(
                f"weights={weights!r} is unknown for backbone={name!r}. Use 'DEFAULT', "
                f"{', '.join(repr(known.name) for known in members)}, None, or the path of a state "
                "dict (.pth, .pt, .ckpt or .safetensors)."
            )
        published = members[member]
        preset, categories = published.transforms(), published.meta["categories"]
        colours = tuple(preset.mean), tuple(preset.std)
        sizes = preset.crop_size[0], preset.resize_size[0]
        preprocess = _scaled_crop(image_size, *sizes, *colours, preset.interpolation.value)

    def build(loads_published):
        if loads_published:
            net = torchvision.models.get_model(name, weights=published, progress=verbose > 0)
        else:
            options = _torchvision_options(name, published, image_size)
            net = torchvision.models.get_model(name, weights=None, **options)
        if published is not None and categories is None:
            net.classifier = nn.Identity()  # IMAGENET1K_FEATURES of VGG-16 holds NaN there.
        return net

    weights = None if published is None else str(published)
    return Source(f"backbone={name!r}", weights, preprocess, categories, build)


def _torchvision_options(name, published, image_size):
    """Return the arguments with which torchvision builds a network for published weights."""
    if name in ("googlenet", "inception_v3"):
        if published is None:
            return {"init_weights": True}  # Without it, both warn.
        is_inception = name == "inception_v3"
        return {"transform_input": True, "aux_logits": is_inception, "init_weights": False}
    size = published.meta["min_size"][0] if published else image_size
    if size is not None and name.startswith("vit_"):
        return {"image_size": size}
    if size is not None and name.startswith("maxvit_"):
        return {"input_size": (size, size)}
    return {}


def _timm_source(name, weights, image_size):
    """Use a classifier of timm."""
    timm = import_optional("timm", extra="timm", purpose=f"backbone='timm:{name}'")
    if not timm.is_model(name):
        names = [f"timm:{model}" for model in timm.list_models()]
        raise ValueError(_unknown_network(f"timm:{name}", "timm", names))
    title = f"backbone='timm:{name}'"
    _check_name(weights, f"{title} names its weights itself, for example 'timm:resnet18.a1_in1k'")
    if weights is not None and not timm.models.is_model_pretrained(name):
        raise ValueError(
            f"{title} has no published weights. Give weights the path of a state dict, or None to "
            "pre-train the network."
        )
    published = timm.get_pretrained_cfg(name).to_dict()
    preprocess = timm.data.resolve_data_config(pretrained_cfg=published)
    if image_size is not None:
        preprocess["input_size"] = (preprocess["input_size"][0], image_size, image_size)
    categories, subset = None, timm.data.infer_imagenet_subset(published)
    if weights is not None and subset == "imagenet-1k":
        categories = imagenet_categories()
    elif weights is not None and subset is not None:
        categories = timm.data.ImageNetInfo(subset).label_names()

    def build(loads_published):
        return timm.create_model(name, pretrained=loads_published)

    return Source(title, weights, preprocess, categories, build)


def _scaled_crop(image_size, crop_size=224, resize_size=256, *options):
    """Return a `CentreCrop` of photos of another size, by default that of ImageNet networks."""
    size = image_size or crop_size
    return CentreCrop(size, round(size * resize_size / crop_size), *options)


def _check_name(weights, reason):
    """Raise ValueError unless `weights` is "DEFAULT" or None."""
    if weights not in ("DEFAULT", None):
        raise ValueError(
            f"{reason}, so weights={weights!r} is unknown. Use 'DEFAULT', None, or the path of a "
            "state dict (.pth, .pt, .ckpt or .safetensors)."
        )


def _unknown_network(backbone, library, names):
    """Return an error message that suggests similar names."""
    similar = difflib.get_close_matches(backbone.lower(), names, n=3) or names[:3]
    return (
        f"backbone={backbone!r} is not a classifier of {library}. Use another name, for example "
        f"{', '.join(map(repr, similar))}."
    )
