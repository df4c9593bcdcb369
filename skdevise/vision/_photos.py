"""Read photos in every accepted form as pixels: upright, in RGB, as uint8 arrays."""

import copy
import io
import os
import stat
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
import PIL
from PIL import ExifTags, Image

from skdevise._bounded import MAX_PHOTO_BYTES, check_ratio, is_url, read_all
from skdevise._columns import is_missing, refuse_unordered
from skdevise._compat import decode_jpeg
from skdevise._utils import content_hash
from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._jpeg import is_simple_jpeg

_ADVICE = (
    "Pass a list of paths, bytes, binary files, PIL images, arrays of shape (H, W, 3) or tensors "
    "of shape (3, H, W)."
)
_BYTES = (bytes, bytearray, memoryview)
_PATHS = (str, os.PathLike)
_DTYPES = {"uint8", "uint16", "bool", "float16", "float32", "float64"}
_N_CHANNELS = (1, 3, 4)

# The operation that makes a photo upright, by its orientation (EXIF 2.3, section 4.6.4). Pillow's
# own function also writes the metadata again, which fails if they are damaged.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pixels are converted in bands of rows, so that a large photo takes little extra memory.
_PIXELS_PER_BAND = 2**20

# Without these options, opening a named pipe would wait forever, and Windows would change bytes.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# Two threads must not read the same open file, or load the same PIL image, at the same time.
_LOCKS = [threading.Lock() for _ in range(16)]


class Photos:
    """A sequence of photos in any accepted form, read one by one.

    `first_index` is the index of the first photo in error messages.
    """

    def __init__(self, X, first_index=0):
        refuse_unordered(X, "photos")
        if hasattr(X, "column_names"):  # a table of pyarrow, or a Dataset of Hugging Face
            X = X[X.column_names[0]]
        if hasattr(X, "to_pylist"):  # a column of pyarrow
            X = X.to_pylist()
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
        self._is_checked = isinstance(X, list | tuple) or _kind(X) == "array"
        if self._is_checked:
            for row, photo in enumerate(X):
                # scikit-learn splits a Dataset of pairs (photo, target) into lists of pairs.
                is_pair = isinstance(photo, tuple) and photo
                _check_photo(photo[0] if is_pair else photo, first_index + row)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        """Return the photos of a slice, which keep their indices."""
        part = copy.copy(self)
        part._rows = self._rows[rows]
        return part

    def pixels(self, row):
        """Return the pixels of a photo: uint8 (3, H, W). They may share memory with X."""
        return self.read(row).pixels()

    def read(self, row):
        """Read the `PhotoContent` of a photo. Every failure becomes an UnreadablePhotoError."""
        row = self._rows[row]
        name = f"The photo at index {self._first_index + row}"
        try:
            photo = self._items[row]
        except Exception as error:  # A Dataset can raise anything.
            raise _unreadable(name, error) from error
        if isinstance(photo, tuple) or (isinstance(photo, list) and _is_dataset(self._items)):
            photo = photo[0]  # (photo, target)
        if not self._is_checked:
            _check_photo(photo, self._first_index + row)
        kind = _kind(photo)
        name = _path_of(photo, kind) or name
        try:
            is_decoded = kind in ("array", "image")
            data = read_pixels(photo) if is_decoded else _read_bytes(photo, kind)
            return PhotoContent(name, data)
        except Exception as error:  # A photo of a user's class can raise anything.
            raise _unreadable(name, error) from error


def photo_parts(X, size):
    """Yield `Photos` of at most that many photos, from any accepted form or a generator."""
    has_rows = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    if has_rows or not hasattr(X, "__iter__") or _is_single(X):
        photos = Photos(X)
        for start in range(0, len(photos), size):
            yield photos[start : start + size]
        return
    stream, start = iter(X), 0
    while chunk := list(islice(stream, size)):
        yield Photos(chunk, first_index=start)
        start += len(chunk)


@dataclass(frozen=True)
class PhotoContent:
    """Content of a photo: the bytes of its file, or the pixels of a decoded photo (3, H, W)."""

    name: str  # of the photo in errors
    data: bytes | np.ndarray

    def pixels(self):
        """Return the pixels: uint8 (3, H, W). Raise UnreadablePhotoError for a damaged file."""
        if isinstance(self.data, np.ndarray):
            return self.data
        try:
            return decode(self.data)
        except Exception as error:  # Decoders can raise anything on a damaged file.
            raise _unreadable(self.name, error) from error

    def content_hash(self):
        """Hash the file of a photo, or the upright RGB pixels of a decoded photo."""
        if isinstance(self.data, np.ndarray):
            return content_hash("pixels", self.data.transpose(1, 2, 0))
        return content_hash("file", self.data)

    def __len__(self):
        return self.data.nbytes if isinstance(self.data, np.ndarray) else len(self.data)


def read_pixels(photo):
    """Return the pixels of a decoded photo: uint8 (3, H, W)."""
    if isinstance(photo, np.ndarray):
        return array_pixels(photo)
    if _is_tensor(photo):
        array = photo.numpy(force=True)
        return array_pixels(array.transpose(1, 2, 0) if array.ndim == 3 else array)
    with _lock(photo):
        photo.load()
    return image_pixels(photo)


def decode(data):
    """Decode the bytes of an image file: uint8 (3, H, W). Only the first frame is decoded."""
    # torchvision takes two thirds of Pillow's time for a JPEG and gives the same pixels.
    if is_simple_jpeg(data) and (pixels := decode_jpeg(data)) is not None:
        return pixels
    with Image.open(io.BytesIO(data)) as image:
        check_ratio(image.width * image.height, len(data), "pixels")
        is_plain_jpeg = image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")
        is_plain_jpeg = is_plain_jpeg and _turn(image) is None
        if is_plain_jpeg and (pixels := decode_jpeg(data)) is not None:
            return pixels
        return image_pixels(image)


def image_pixels(image):
    """Return the pixels of a PIL image of any mode: uint8 (3, H, W). Transparency is dropped."""
    # Pillow turns a TIFF in `load`, and then deletes its orientation.
    image.load()
    if image.width == 0 or image.height == 0:
        raise ValueError("it has no pixels")
    if image.mode == "I":
        _check_grey(image)
    turn = _turn(image)
    if turn is not None:
        image = image.transpose(turn)
    # Pillow would clip these modes at 255 instead of scaling them.
    is_scaled = image.mode in ("I", "F") or image.mode.startswith("I;16")
    pixels = np.empty((image.height, image.width, 1 if is_scaled else 3), dtype=np.uint8)
    for rows in _bands(pixels):
        is_whole = rows == slice(0, image.height)
        band = image if is_whole else image.crop((0, rows.start, image.width, rows.stop))
        if is_scaled:
            pixels[rows, :, 0] = _to_uint8(np.asarray(band))
            continue
        if "transparency" in band.info or band.mode == "RGBa":
            # Pillow converts neither to RGB in one step without a warning or an error.
            band = band.convert("RGBA")
        elif band.mode == "La":
            band = band.convert("LA")
        pixels[rows] = band.convert("RGB")
    return array_pixels(pixels)


def _turn(image):
    """Return the operation that makes a PIL image upright, or None."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # Damaged metadata can raise anything, but the pixels are still good.
        return None


def array_pixels(array):
    """Turn an array (H, W) or (H, W, channels) into pixels (3, H, W). It may share memory."""
    if array.ndim == 2:
        array = array[:, :, None]
    array = array[:, :, :3]  # Drop transparency.
    if array.dtype != np.uint8:
        pixels = np.empty(array.shape, dtype=np.uint8)
        for rows in _bands(pixels):
            pixels[rows] = _to_uint8(array[rows])
        array = pixels
    if array.shape[2] == 1:
        array = array.repeat(3, axis=2)
    # torch warns about read-only memory, for example that of a memory map.
    return np.require(array, requirements=["C", "W"]).transpose(2, 0, 1)


def _bands(pixels):
    """Yield slices of the rows of pixels (H, W, channels)."""
    height, width = pixels.shape[:2]
    n_rows = max(1, _PIXELS_PER_BAND // width)
    for start in range(0, height, n_rows):
        yield slice(start, min(start + n_rows, height))


def _to_uint8(values):
    """Scale floats from 0 to 1, levels from 0 to 65535, or booleans to levels from 0 to 255."""
    if values.dtype.kind == "b":
        return values * np.uint8(255)
    if values.dtype.kind == "f":
        lowest, highest = values.min(), values.max()
        if not (lowest >= 0 and highest <= 1):  # also if they are NaN
            raise ValueError(
                f"its floats include values from {lowest:g} to {highest:g}, but must lie between "
                "0 and 1"
            )
        return np.rint(values * np.float32(255))
    return (values.astype(np.uint32) + 128) // 257  # rounded to the nearest level


def _check_grey(image):
    """Raise ValueError if an image of mode "I" does not hold 16-bit levels."""
    lowest, highest = image.getextrema()
    # Pillow reads 16-bit PPM files, and in older versions PNG files, in this mode.
    is_16_bit = highest > 255 or highest == 0 or image.format in ("PNG", "PPM")
    if lowest < 0 or highest > 65535 or not is_16_bit:
        raise ValueError(
            f"it has mode 'I' with grey levels from {lowest} to {highest}, but only 16-bit levels "
            "can be scaled; convert it to mode 'L' or 'I;16'"
        )


def as_image(pixels):
    """Turn pixels (3, H, W) into a PIL image."""
    return Image.fromarray(pixels.transpose(1, 2, 0))


def _read_bytes(photo, kind):
    """Read the whole file of a photo that is not decoded yet. An open file keeps its position."""
    if kind == "bytes":
        return bytes(photo)
    if kind == "path":
        return _read_file(photo)
    if kind == "opener":
        with photo.open("rb") as file:
            return read_all(file, MAX_PHOTO_BYTES)
    if kind is None:
        raise ValueError(f"its entry is {photo!r}")
    with _lock(photo):
        position = photo.tell()
        photo.seek(0)
        try:
            return read_all(photo, MAX_PHOTO_BYTES)
        finally:
            photo.seek(position)


def _read_file(path):
    """Read a regular file with four calls of the system, where `open` needs eight.

    After each of them, a thread waits for Python's lock, if many threads read photos.
    """
    file = os.open(path, _READ)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        if status.st_size > MAX_PHOTO_BYTES:
            raise ValueError(f"it has more than {MAX_PHOTO_BYTES} bytes")
        # Some file systems make a file when it is read, and say that it has 0 bytes.
        size = status.st_size or MAX_PHOTO_BYTES
        data = os.read(file, size)
        while len(data) < size and (part := os.read(file, size - len(data))):
            data += part
        return data
    finally:
        os.close(file)


def _lock(photo):
    return _LOCKS[id(photo) // 64 % len(_LOCKS)]


def _check_container(X):
    """Raise TypeError unless X is a sequence of photos."""
    if isinstance(X, _PATHS) and os.path.isdir(X):
        raise TypeError(f"X is the folder {X!s:.80}. List its photos with load_image_folder.")
    is_sequence = hasattr(X, "__len__") and hasattr(X, "__getitem__") and not _is_single(X)
    n_axes = (1, 4) if _kind(X) == "array" else (1,)
    if not is_sequence or isinstance(X, Mapping) or getattr(X, "ndim", 1) not in n_axes:
        raise TypeError(f"X has {_describe(X)}. {_ADVICE} Put a single photo into a list: [photo].")


def _is_single(X):
    """Return whether X is a single photo, except for an array."""
    return _kind(X) not in (None, "array") and not _is_dataset(X)


def _is_tensor(value):
    """Return whether a value is a torch tensor, without importing torch."""
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _is_dataset(X):
    """Return whether X is a torch Dataset, without importing torch."""
    return "torch" in sys.modules and isinstance(X, sys.modules["torch"].utils.data.Dataset)


def _kind(photo):
    """Name the form of a photo, or return None for other values."""
    if isinstance(photo, _PATHS):
        return "path"
    if isinstance(photo, _BYTES):
        return "bytes"
    if isinstance(photo, Image.Image):
        return "image"
    if isinstance(photo, np.ndarray) or _is_tensor(photo):
        return "array"
    if callable(getattr(photo, "open", None)):
        return "opener"  # for example a member of an archive
    return "file" if all(hasattr(photo, name) for name in ("read", "seek", "tell")) else None


def _check_photo(photo, index):
    """Raise TypeError unless a photo has an accepted form, or its entry in a table is missing."""
    kind = _kind(photo)
    if kind == "array":
        advice = _advise_on_array(photo)
    else:
        advice = _ADVICE if kind is None and not is_missing(photo) else None
    if advice is not None:
        raise TypeError(f"The photo at index {index} has {_describe(photo)}. {advice}")


def _advise_on_array(photo):
    """Return advice if an array or tensor is no photo in an accepted form, otherwise None."""
    if photo.ndim not in (2, 3):
        return _ADVICE
    if 0 in photo.shape:
        return "Remove this photo, because it has no pixels."
    if not _is_accepted(photo.dtype):
        return "Convert it to uint8, with values from 0 to 255."
    axis, other_axis = (2, 0) if isinstance(photo, np.ndarray) else (0, 2)
    if photo.ndim == 2 or photo.shape[axis] in _N_CHANNELS:
        return None
    if photo.shape[other_axis] in _N_CHANNELS:
        return f"Move its channels from axis {other_axis} to axis {axis}."
    return f"Give it 1, 3 or 4 channels along axis {axis}."


@cache
def _is_accepted(dtype):
    """Return whether a dtype of NumPy or torch is accepted. The name of a dtype takes time."""
    return getattr(dtype, "name", str(dtype).removeprefix("torch.")) in _DTYPES


def _describe(value):
    """Describe the type of a value, and the shape and dtype of an array, for an error."""
    name = type(value).__name__
    if not hasattr(value, "shape"):
        return f"type {name}"
    return f"type {name}, shape {tuple(value.shape)} and dtype {value.dtype}"


def _path_of(photo, kind):
    """Return the path of a photo, or None."""
    if kind == "path":
        return os.fspath(photo)
    if kind == "opener":
        return str(photo)
    name = getattr(photo, "name", None) if kind == "file" else None
    return name if isinstance(name, str) else None


def _unreadable(name, error):
    if isinstance(error, FileNotFoundError):
        reason = "there is no such file"
        if is_url(name):
            reason = "a URL is not opened here; pass an open file, for example of fsspec"
    elif isinstance(error, PIL.UnidentifiedImageError):
        reason = "it is not an image that Pillow can decode"
    else:
        reason = str(error).rstrip(".") or type(error).__name__
    return UnreadablePhotoError(f"{name} cannot be read: {reason}. Correct or remove the photo.")
