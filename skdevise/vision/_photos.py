"""Read photos in every accepted form as pixels: upright, in RGB, as uint8 tensors."""

import copy
import io
import os
import threading
from collections.abc import Mapping

import numpy as np
import PIL
import torch
from PIL import ExifTags, Image, ImageOps
from torch.utils.data import Dataset

from skdevise._compat import decode_jpeg
from skdevise._utils import content_hash
from skdevise.exceptions import UnreadablePhotoError

_ADVICE = (
    "Pass a list of paths, bytes, binary files, PIL images, uint8 arrays of shape (H, W, 3) or "
    "uint8 tensors of shape (3, H, W)."
)
_BYTES = (bytes, bytearray, memoryview)
_PATHS = (str, os.PathLike)
_DECODED = (Image.Image, np.ndarray, torch.Tensor)

# Two threads must not read the same open file, or load the same PIL image, at the same time.
_LOCKS = [threading.Lock() for _ in range(16)]


class Photos:
    """A sequence of photos in any accepted form, read one by one.

    `first_index` is the index of the first photo in error messages.
    """

    def __init__(self, X, first_index=0):
        if hasattr(X, "to_numpy"):  # a Series or a table of pandas or polars
            X = X.to_numpy()
        if isinstance(X, np.ndarray) and X.dtype.kind in "OUT" and X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        _check_container(X)
        if len(X) == 0:
            raise ValueError("X is empty. Give at least one photo.")
        self._items = X
        self._rows = range(len(X))
        self._first_index = first_index
        if isinstance(X, list | tuple | np.ndarray):
            for row, photo in enumerate(X):
                _check_photo(photo, first_index + row)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        """Return the photos of a slice, which keep their indices."""
        part = copy.copy(self)
        part._rows = self._rows[rows]
        return part

    def pixels(self, row):
        """Return the pixels of a photo: uint8 (3, H, W). They may share memory with X."""
        return self._read(row, read_pixels)

    def content_hash(self, row):
        """Hash the file of a photo, or the upright RGB pixels of a decoded photo."""
        return self._read(row, _hash_photo)

    def _read(self, row, function):
        """Apply a function to a photo. Every failure becomes an UnreadablePhotoError."""
        row = self._rows[row]
        name = f"The photo at index {self._first_index + row}"
        try:
            photo = self._items[row]
        except Exception as error:  # A Dataset can raise anything.
            raise _unreadable(name, error) from error
        if isinstance(self._items, Dataset) and isinstance(photo, tuple | list):
            photo = photo[0]  # (photo, target)
        _check_photo(photo, self._first_index + row)
        try:
            return function(photo)
        except Exception as error:  # Decoders can raise anything on a damaged file.
            raise _unreadable(_path_of(photo) or name, error) from error


def read_pixels(photo):
    """Return the pixels of one photo in any accepted form: uint8 (3, H, W)."""
    if isinstance(photo, np.ndarray):
        return array_pixels(photo)
    if isinstance(photo, torch.Tensor):
        array = photo.numpy(force=True)
        return array_pixels(array.transpose(1, 2, 0) if array.ndim == 3 else array)
    if isinstance(photo, Image.Image):
        with _lock(photo):
            photo.load()
        return image_pixels(photo)
    return decode(_read_bytes(photo))


def decode(data):
    """Decode the bytes of an image file: uint8 (3, H, W). Only the first frame is decoded."""
    with Image.open(io.BytesIO(data)) as image:
        # torchvision takes two thirds of Pillow's time for a JPEG and gives the same pixels.
        is_plain_jpeg = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
        if is_plain_jpeg and image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            pixels = decode_jpeg(data)
            if pixels is not None:
                return pixels
        return image_pixels(image)


def image_pixels(image):
    """Return the pixels of a PIL image of any mode: uint8 (3, H, W). Transparency is dropped."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255 instead of scaling it.
        grey = np.asarray(image).astype(np.float64) / 257
        return array_pixels(grey.round().clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:
        # Pillow warns if a palette with transparency is converted to RGB in one step.
        image = image.convert("RGBA")
    return array_pixels(np.array(image.convert("RGB")))


def array_pixels(array):
    """Turn an array (H, W, 3), (H, W, 1) or (H, W) into pixels (3, H, W). It may share memory."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        array = array.repeat(3, axis=2)
    # torch warns about read-only memory, for example that of a memory map.
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).permute(2, 0, 1)


def as_image(pixels):
    """Turn pixels (3, H, W) into a PIL image."""
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _hash_photo(photo):
    """Hash the bytes of a file, or the pixels of a decoded photo."""
    if isinstance(photo, _DECODED):
        return content_hash("pixels", read_pixels(photo).permute(1, 2, 0))
    return content_hash("file", _read_bytes(photo))


def _read_bytes(photo):
    """Read the whole file of a photo that is not decoded yet. An open file keeps its position."""
    if isinstance(photo, _BYTES):
        return bytes(photo)
    if isinstance(photo, _PATHS):
        with open(photo, "rb") as file:
            return file.read()
    if callable(getattr(photo, "open", None)):
        with photo.open("rb") as file:
            return file.read()
    with _lock(photo):
        position = photo.tell()
        photo.seek(0)
        try:
            return photo.read()
        finally:
            photo.seek(position)


def _lock(photo):
    return _LOCKS[id(photo) // 64 % len(_LOCKS)]


def _check_container(X):
    """Raise TypeError unless X is a sequence of photos."""
    if isinstance(X, (*_PATHS, *_BYTES, Image.Image)) or (
        _is_file(X) and not isinstance(X, Dataset)
    ):
        raise TypeError(
            f"X is a single photo of type {type(X).__name__}. Put it into a list: [photo]."
        )
    if not hasattr(X, "__len__") or not hasattr(X, "__getitem__") or isinstance(X, Mapping):
        raise TypeError(f"X has type {type(X).__name__}, not a sequence of photos. {_ADVICE}")
    if getattr(X, "ndim", 1) != 1 and not _is_stack(X):
        advice = "Put a single photo into a list: [photo]." if _is_pixels(X) else _ADVICE
        raise TypeError(f"X has {_describe(X)}. {advice}")


def _is_stack(X):
    """Return whether X is one array or tensor of photos of the same size."""
    if isinstance(X, np.ndarray):
        return X.dtype == np.uint8 and X.ndim == 4 and X.shape[3] == 3
    return (
        isinstance(X, torch.Tensor)
        and X.dtype == torch.uint8
        and X.ndim == 4
        and X.shape[1] in (1, 3)
    )


def _is_file(photo):
    """Return whether a photo is an open file, or opens as one."""
    if isinstance(photo, _DECODED):
        return False
    has_open = callable(getattr(photo, "open", None))
    return has_open or all(hasattr(photo, name) for name in ("read", "seek", "tell"))


def _check_photo(photo, index):
    """Raise TypeError unless a photo has an accepted form."""
    if isinstance(photo, (*_PATHS, *_BYTES, Image.Image)) or _is_file(photo):
        return
    if not _is_pixels(photo):
        raise TypeError(f"The photo at index {index} has {_describe(photo)}. {_ADVICE}")


def _is_pixels(photo):
    """Return whether a photo is an array or tensor in an accepted form."""
    if isinstance(photo, np.ndarray):
        has_channels = photo.ndim == 3 and photo.shape[2] == 3
        is_uint8 = photo.dtype == np.uint8
    elif isinstance(photo, torch.Tensor):
        has_channels = photo.ndim == 3 and photo.shape[0] in (1, 3)
        is_uint8 = photo.dtype == torch.uint8
    else:
        return False
    return is_uint8 and 0 not in photo.shape and (has_channels or photo.ndim == 2)


def _describe(value):
    """Describe the type of a value, and the shape and dtype of an array, for an error."""
    name = type(value).__name__
    if not hasattr(value, "shape"):
        return f"type {name}"
    return f"type {name}, shape {tuple(value.shape)} and dtype {value.dtype}"


def _path_of(photo):
    """Return the path of a photo, or None."""
    if isinstance(photo, _PATHS):
        return os.fspath(photo)
    if callable(getattr(photo, "open", None)):
        return str(photo)
    name = None if isinstance(photo, _DECODED) else getattr(photo, "name", None)
    return name if isinstance(name, str) else None


def _unreadable(name, error):
    if isinstance(error, FileNotFoundError):
        reason = "there is no such file"
    elif isinstance(error, PIL.UnidentifiedImageError):
        reason = "it is not an image"
    else:
        reason = str(error).rstrip(".") or type(error).__name__
    return UnreadablePhotoError(f"{name} cannot be read: {reason}. Remove or replace the photo.")
