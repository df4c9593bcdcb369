"""Preprocessing in plain values, to be saved with the weights that it belongs to."""

import types

import torch
from joblib.hashing import NumpyHasher

from skdevise._compat import image_classification_preset
from skdevise._utils import import_optional
from skdevise.vision._batches import CentreCrop


def imagenet_preset(image_size=None, resize_size=None, **options):
    """Return the usual preprocessing of ImageNet networks, with options of `CentreCrop`."""
    size = 224 if image_size is None else image_size
    resize_size = round(size * 256 / 224) if resize_size is None else resize_size
    return CentreCrop(size, resize_size, **options)


def to_preset(preprocess):
    """Turn a preset of torchvision into a `CentreCrop`. Other callables stay as they are."""
    if not isinstance(preprocess, image_classification_preset()):
        return preprocess
    return CentreCrop(
        preprocess.crop_size[0],
        preprocess.resize_size[0],
        tuple(preprocess.mean),
        tuple(preprocess.std),
        preprocess.interpolation.value,
    )


def make_preprocess(preset):
    """Return the callable of a preset. A dict holds timm's data config."""
    if not isinstance(preset, dict):
        return preset
    data = import_optional("timm.data", extra="timm", purpose="Preprocessing for a timm net")
    return data.create_transform(**preset["timm"], is_training=False)


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
