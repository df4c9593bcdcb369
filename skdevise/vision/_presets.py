"""Preprocessing in plain values, to be saved with the weights that it belongs to."""

import types

import torch
from joblib.hashing import NumpyHasher
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from skdevise._utils import import_optional


def imagenet_preset(image_size=None, resize_size=None, **options):
    """Describe a resize, a centre crop and a normalization.

    Parameters
    ----------
    image_size : int, default=None
        Side of the crop; None is 224.
    resize_size : int, default=None
        Of the short side, before it is cropped; None is 256 for a crop of 224.
    **options
        "mean" and "std", by default ImageNet's, and "interpolation".

    Returns
    -------
    dict
        Of numbers, strings and lists of them.

    Examples
    --------
    >>> preset = imagenet_preset(112)
    >>> preset["crop_size"], preset["resize_size"], preset["interpolation"]
    (112, 128, 'bilinear')
    """
    size = 224 if image_size is None else image_size
    resize_size = round(size * 256 / 224) if resize_size is None else resize_size
    return to_preset(ImageClassification(crop_size=size, resize_size=resize_size, **options))


def to_preset(preprocess):
    """Describe a preset of torchvision; any other callable stays as it is."""
    if type(preprocess) is not ImageClassification:
        return preprocess
    return {
        "crop_size": _number(preprocess.crop_size),
        "resize_size": _number(preprocess.resize_size),
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
        "interpolation": preprocess.interpolation.value,
        "antialias": preprocess.antialias,
    }


def make_preprocess(preset):
    """Make what turns a PIL image into a tensor.

    Parameters
    ----------
    preset : dict or callable
        As `to_preset` gives it; a dict with the key "timm" has the data config of timm there.

    Returns
    -------
    callable
        Makes a (C, H, W) tensor of a PIL image.

    Examples
    --------
    >>> make_preprocess(imagenet_preset(8, interpolation=InterpolationMode.BICUBIC)).crop_size
    [8]
    """
    if not isinstance(preset, dict):
        return preset
    if "timm" in preset:
        data = import_optional("timm.data", extra="timm", purpose="Preprocessing for a timm net")
        return data.create_transform(**preset["timm"], is_training=False)
    interpolation = InterpolationMode(preset["interpolation"])
    return ImageClassification(**{**preset, "interpolation": interpolation})


def preset_digest(preset):
    """Hash preprocessing: its values, or the state and the code of a callable.

    What a callable's code calls in turn is known by its name only.

    Parameters
    ----------
    preset : dict or callable

    Returns
    -------
    str
        In hexadecimal; the same in each process.

    Raises
    ------
    ValueError
        If a callable holds what cannot be pickled.
    """
    try:
        return _Hasher(hash_name="sha256").hash(preset)
    except Exception as error:  # objects refuse to be pickled in many ways
        name = getattr(preset, "__name__", type(preset).__name__)
        raise ValueError(
            f"preprocess={name} cannot be told from others ({error}), which cache needs so as not "
            "to give features of other preprocessing: make it of what can be pickled, or leave "
            "cache=None."
        ) from error


class _Hasher(NumpyHasher):
    """Takes functions and classes by what they do as well, tensors by their values."""

    def save(self, obj):
        if isinstance(obj, torch.Tensor):
            flat = obj.detach().cpu().contiguous().reshape(-1)
            obj = (str(obj.dtype), tuple(obj.shape), flat.view(torch.uint8).numpy())
        super().save(obj)

    def save_global(self, obj, name=None):
        self.memoize(obj)
        self.save((obj.__module__, getattr(obj, "__qualname__", name)))
        if isinstance(obj, types.FunctionType):
            cells = [cell.cell_contents for cell in obj.__closure__ or ()]
            self.save((obj.__code__, obj.__defaults__, obj.__kwdefaults__, cells))
        elif isinstance(obj, type):
            methods = [
                (base.__qualname__, method.__name__, method.__code__)
                for base in obj.__mro__
                for method in vars(base).values()
                if isinstance(method, types.FunctionType)
            ]
            self.save(methods)

    def save_code(self, code):
        self.save((code.co_code, code.co_names, code.co_consts))

    dispatch = NumpyHasher.dispatch | {
        types.CodeType: save_code,
        types.FunctionType: save_global,
        types.BuiltinFunctionType: save_global,
        type: save_global,
        frozenset: NumpyHasher.save_set,
    }


def _number(sides):
    return sides[0] if len(sides) == 1 else list(sides)
