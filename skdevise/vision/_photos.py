"""Photos in any accepted form."""

import hashlib
import os
import threading
from collections.abc import Mapping
from itertools import islice

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import Dataset

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._decoding import array_pixels, as_image, decode, image_pixels, tensor_pixels

_FORMS = (
    "X is a sequence of photos: paths, binary files, bytes, PIL images, uint8 arrays of shape "
    "(H, W, 3) or (H, W), or uint8 tensors of shape (3, H, W), (1, H, W) or (H, W); or one uint8 "
    "array of shape (n, H, W, 3) or tensor of shape (n, 3, H, W); or a map-style torch Dataset"
)
_BYTES = (bytes, bytearray, memoryview)
_DECODED = (Image.Image, np.ndarray, torch.Tensor)

# An open file has one position, and a PIL image that was not loaded has one file: of two threads
# with the same object, one waits. Which lock it is does not matter, if it is always the same.
_LOCKS = [threading.Lock() for _ in range(16)]


class Photos:
    """X in any accepted form, photo by photo, upright and in RGB.

    `photos[i]` is a PIL image, and `photos.pixels(i)` the same as a tensor, without the detour.

    Parameters
    ----------
    X : sequence, ndarray of shape (n, H, W, 3), Tensor of shape (n, 3, H, W) or torch Dataset
        The photos: paths; what gives a binary file by ``open("rb")``, such as `zipfile.Path`;
        binary files that can seek, which are read from their beginning and stay where they are;
        bytes of a file; PIL images of any mode; uint8 arrays or tensors. A Dataset gives any of
        these, or (photo, target). Their kinds are checked at once, but those of a Dataset's;
        their contents when they are read.
    first : int, default=0
        Number of the first photo, for messages about those that have no name.

    Raises
    ------
    TypeError
        If X is not in one of the accepted forms.
    ValueError
        If X is empty.

    Examples
    --------
    >>> grey = np.full((2, 4), 7, dtype=np.uint8)
    >>> photos = Photos([grey, Image.fromarray(grey)])
    >>> photos[0].mode, photos.pixels(1).shape
    ('RGB', torch.Size([3, 2, 4]))
    >>> photos.digest(0) == photos.digest(1)
    True
    """

    def __init__(self, X, first=0):
        _check_container(X)
        # A Series is indexed by label; its array is indexed by position.
        self._items = X.to_numpy() if hasattr(X, "iloc") else X
        self._first = first
        if len(self._items) == 0:
            raise ValueError("X is empty: give at least one photo.")
        if isinstance(self._items, (list, tuple, np.ndarray)):
            for index, item in enumerate(self._items):
                _check_photo(item, first + index)

    def __len__(self):
        return len(self._items)

    def __getitem__(self, index):
        return as_image(self.pixels(index))

    def pixels(self, index):
        """Give the pixels of a photo.

        Parameters
        ----------
        index : int

        Returns
        -------
        Tensor of shape (3, H, W), uint8
            With the channels of a pixel side by side. It may share memory with X: it is not to be
            written to.

        Raises
        ------
        TypeError
            If a Dataset gives what is no photo.
        UnreadablePhotoError
            If the photo cannot be read.
        """
        return self._read(index, _pixels)

    def digest(self, index):
        """Hash what a photo shows, without decoding it.

        Parameters
        ----------
        index : int

        Returns
        -------
        bytes of length 16
            Of the file's bytes if the photo is a file, of the upright RGB pixels if it is not.

        Raises
        ------
        TypeError
            If a Dataset gives what is no photo.
        UnreadablePhotoError
            If the photo cannot be read.
        """
        return self._read(index, _digest)

    def _read(self, index, function):
        number = self._first + index
        try:
            item = self._items[index]
        except Exception as error:  # a Dataset decodes, and fails, in its own ways
            raise _unreadable(f"photo number {number}", error) from error
        if isinstance(self._items, Dataset) and isinstance(item, (tuple, list)):
            item = item[0]  # (photo, target)
        _check_photo(item, number)
        try:
            return function(item)
        except Exception as error:  # decoders raise whatever they like on a broken file
            raise _unreadable(_name(item, number), error) from error


def chunks_of(iterable, size):
    """Take photos from an iterable as they come.

    Parameters
    ----------
    iterable : iterable of photos
        In any form that `Photos` takes them one by one.
    size : int
        How many photos are taken at once.

    Yields
    ------
    Photos
        The next ones, numbered on. If the iterable fails or gives what is no photo, those before
        it still come, and then the exception.

    Raises
    ------
    TypeError
        At once if `iterable` is a single photo or cannot be iterated over.

    Examples
    --------
    >>> paths = (f"{number}.jpg" for number in range(5))
    >>> [len(photos) for photos in chunks_of(paths, 2)]
    [2, 2, 1]
    """
    _refuse_single(iterable)
    if not hasattr(iterable, "__iter__"):
        raise TypeError(
            f"X is of type {type(iterable).__name__}, which gives no photos: pass an iterable."
        )
    return _chunks(iter(iterable), size)


def _chunks(iterator, size):
    first, error = 0, None
    while error is None:
        chunk = []
        try:
            for item in islice(iterator, size):
                _check_photo(item, first + len(chunk))
                chunk.append(item)
        except Exception as raised:
            error = raised
        if chunk:
            yield Photos(chunk, first)
        elif error is None:
            return
        first += len(chunk)
    raise error


def _check_container(X):
    _refuse_single(X)
    if not hasattr(X, "__len__") or not hasattr(X, "__getitem__") or isinstance(X, Mapping):
        raise TypeError(f"X is of type {type(X).__name__}, which has no order or length: {_FORMS}.")
    n_dimensions = getattr(X, "ndim", 1)
    if n_dimensions != 1 and not _is_stack(X):
        dtype = f" and dtype {X.dtype}" if hasattr(X, "dtype") else ""
        raise TypeError(f"X is a {type(X).__name__} of shape {tuple(X.shape)}{dtype}: {_FORMS}.")


def _refuse_single(X):
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(f"X is a single path, {X!r}: put it in a list, [path].")
    # A Dataset may well have an `open` of its own.
    if isinstance(X, (*_BYTES, Image.Image)) or (_is_file(X) and not hasattr(X, "__getitem__")):
        raise TypeError("X is a single photo: put it in a list, [photo].")


def _is_stack(X):
    """Whether X holds photos of one size, one after the other."""
    if isinstance(X, np.ndarray):
        return X.dtype == np.uint8 and X.ndim == 4 and X.shape[3] == 3
    return (
        isinstance(X, torch.Tensor)
        and X.dtype == torch.uint8
        and X.ndim == 4
        and X.shape[1] in (1, 3)
    )


def _is_file(item):
    """Whether it is an open file, or can be opened as one."""
    return not isinstance(item, _DECODED) and (
        callable(getattr(item, "open", None))
        or (hasattr(item, "read") and hasattr(item, "seek") and hasattr(item, "tell"))
    )


def _check_photo(item, number):
    if isinstance(item, (str, os.PathLike, Image.Image, *_BYTES)) or _is_file(item):
        return
    if isinstance(item, np.ndarray):
        what, uint8 = "an array", np.uint8
        is_grey_or_rgb = item.ndim == 2 or (item.ndim == 3 and item.shape[2] == 3)
    elif isinstance(item, torch.Tensor):
        what, uint8 = "a tensor", torch.uint8
        is_grey_or_rgb = item.ndim == 2 or (item.ndim == 3 and item.shape[0] in (1, 3))
    else:
        raise TypeError(f"Photo number {number} is of type {type(item).__name__}: {_FORMS}.")
    if item.dtype != uint8 or not is_grey_or_rgb:
        raise TypeError(
            f"Photo number {number} is {what} of shape {tuple(item.shape)} and dtype {item.dtype}: "
            f"{_FORMS}."
        )


def _pixels(item):
    if isinstance(item, np.ndarray):
        pixels = array_pixels(item)
    elif isinstance(item, torch.Tensor):
        pixels = tensor_pixels(item)
    elif isinstance(item, Image.Image):
        with _lock(item):
            item.load()
        pixels = image_pixels(item)
    else:
        pixels = decode(_file_bytes(item))
    if pixels.numel() == 0:
        raise ValueError("it has no pixels")
    return pixels


def _digest(item):
    # What is hashed is part of the hash: pixels are never taken for a file of the same bytes.
    if not isinstance(item, _DECODED):
        return hashlib.blake2b(_file_bytes(item), digest_size=16, person=b"file").digest()
    pixels = _pixels(item)
    hashed = hashlib.blake2b(str(tuple(pixels.shape)).encode(), digest_size=16, person=b"pixels")
    hashed.update(pixels.permute(1, 2, 0).numpy())
    return hashed.digest()


def _file_bytes(item):
    """Read the whole file of a photo that is not decoded yet."""
    if isinstance(item, _BYTES):
        return bytes(item)
    if isinstance(item, (str, os.PathLike)):
        with open(item, "rb") as file:
            return file.read()
    if callable(getattr(item, "open", None)):
        with item.open("rb") as file:
            return file.read()
    if hasattr(item, "encoding"):
        raise ValueError("the file is open as text, not by 'rb'")
    with _lock(item):
        position = item.tell()
        item.seek(0)
        try:
            return item.read()
        finally:
            item.seek(position)


def _lock(item):
    return _LOCKS[id(item) // 64 % len(_LOCKS)]


def _name(item, number):
    """What a message calls a photo: its path if it has one."""
    if isinstance(item, (str, os.PathLike)):
        return os.fspath(item)
    if callable(getattr(item, "open", None)):
        return str(item)
    name = getattr(item, "name", None) if _is_file(item) else None
    return name if isinstance(name, str) else f"photo number {number}"


def _unreadable(name, error):
    if isinstance(error, FileNotFoundError):
        reason = "there is no such file"
    elif isinstance(error, PIL.UnidentifiedImageError):
        reason = "it is not an image"
    else:
        reason = str(error).rstrip(".") or type(error).__name__
    return UnreadablePhotoError(f"{name} cannot be read, as {reason}: leave it out or replace it.")
