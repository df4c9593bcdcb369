"""Photos in any accepted form, decoded a batch at a time."""

import os
from collections.abc import Mapping

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps
from sklearn.utils.parallel import Parallel, delayed
from torch.utils.data import Dataset

from skdevise.exceptions import UnreadablePhotoError

_FORMS = (
    "X is a sequence of photos: paths, PIL images, or uint8 arrays of shape (H, W, 3) or (H, W); "
    "or one uint8 array of shape (n, H, W, 3); or a map-style torch Dataset"
)


class Photos:
    """X in any accepted form; `photos[i]` decodes one photo, upright and in RGB.

    Parameters
    ----------
    X : sequence, ndarray of shape (n, H, W, 3) or torch Dataset
        The photos. Their kinds are checked at once, their contents when they are decoded.

    Raises
    ------
    TypeError
        If X is not in one of the accepted forms.
    ValueError
        If X is empty.
    """

    def __init__(self, X):
        _check_container(X)
        # A Series is indexed by label; its array is indexed by position.
        self._items = X.to_numpy() if hasattr(X, "iloc") else X
        if len(self._items) == 0:
            raise ValueError("X is empty: give at least one photo.")
        if isinstance(self._items, (list, tuple, np.ndarray)):
            for index, item in enumerate(self._items):
                _check_photo(item, index)

    def __len__(self):
        return len(self._items)

    def __getitem__(self, index):
        try:
            item = self._items[index]
        except Exception as error:  # a Dataset decodes, and fails, in its own ways
            raise _unreadable(f"photo number {index}", error) from error
        if isinstance(self._items, Dataset) and isinstance(item, (tuple, list)):
            item = item[0]  # (image, target)
        _check_photo(item, index)
        name = f"photo number {index}"
        try:
            if isinstance(item, np.ndarray):
                return Image.fromarray(item).convert("RGB")
            if isinstance(item, Image.Image):
                return _upright_rgb(item)
            name = os.fspath(item)
            with Image.open(item) as image:
                return _upright_rgb(image)
        except Exception as error:  # decoders raise whatever they like on a broken file
            raise _unreadable(name, error) from error


def load_batch(photos, indices, preprocess, n_jobs):
    """Decode and preprocess some photos.

    Parameters
    ----------
    photos : Photos
    indices : sequence of int
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image.
    n_jobs : int or None
        Number of threads.

    Returns
    -------
    Tensor of shape (len(indices), C, H, W)

    Raises
    ------
    UnreadablePhotoError
        If a photo cannot be decoded.
    ValueError
        If `preprocess` gives tensors of several shapes.
    """
    # Threads, not processes: Pillow and torch let go of the interpreter while they work.
    tensors = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(lambda index: preprocess(photos[index]))(index) for index in indices
    )
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        raise ValueError(
            f"preprocess gives tensors of several shapes, among them {sorted(shapes)[:2]}: "
            "make it crop or resize every photo to one size."
        )
    return torch.stack(tensors)


def _check_container(X):
    if isinstance(X, (str, bytes, os.PathLike)):
        raise TypeError(f"X is a single path, {X!r}: put it in a list, [path].")
    if isinstance(X, Image.Image):
        raise TypeError("X is a single photo: put it in a list, [photo].")
    if not hasattr(X, "__len__") or not hasattr(X, "__getitem__") or isinstance(X, Mapping):
        raise TypeError(f"X is of type {type(X).__name__}, which has no order or length: {_FORMS}.")
    n_dimensions = getattr(X, "ndim", 1)
    if n_dimensions != 1 and not (
        isinstance(X, np.ndarray) and X.dtype == np.uint8 and X.ndim == 4 and X.shape[3] == 3
    ):
        dtype = f" and dtype {X.dtype}" if hasattr(X, "dtype") else ""
        raise TypeError(f"X is a {type(X).__name__} of shape {tuple(X.shape)}{dtype}: {_FORMS}.")


def _check_photo(item, index):
    if isinstance(item, (str, os.PathLike, Image.Image)):
        return
    if not isinstance(item, np.ndarray):
        raise TypeError(f"Photo number {index} is of type {type(item).__name__}: {_FORMS}.")
    is_grey_or_rgb = item.ndim == 2 or (item.ndim == 3 and item.shape[2] == 3)
    if item.dtype != np.uint8 or not is_grey_or_rgb:
        raise TypeError(
            f"Photo number {index} is an array of shape {item.shape} and dtype {item.dtype}: "
            f"{_FORMS}."
        )


def _upright_rgb(image):
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        # 16-bit grey: Pillow would clip it at 255 instead of scaling it.
        grey = np.asarray(image).astype(np.float64) / 257
        image = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:
        # Pillow warns when a palette's transparency is thrown away in one step.
        image = image.convert("RGBA")
    return image.convert("RGB")


def _unreadable(name, error):
    if isinstance(error, FileNotFoundError):
        reason = "there is no such file"
    elif isinstance(error, PIL.UnidentifiedImageError):
        reason = "it is not an image"
    else:
        reason = str(error).rstrip(".")
    return UnreadablePhotoError(f"{name} cannot be read, as {reason}: leave it out or replace it.")
