"""Turn photos into batches for a network: preprocessing, augmentation, loading in threads."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from joblib import effective_n_jobs
from PIL import Image
from torch.nn import functional as F

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._photos import as_image, image_pixels

# Number of batches that threads prepare while the network works.
_BATCHES_AHEAD = 2

# Resizing a strip of 1 x 10,000 pixels to a short side of 256 would make 655 million pixels.
_MAX_ASPECT_RATIO = 100

# Krizhevsky's network, which DeViSE starts from, crops 224 of 256 pixels at a random place.
_MAX_SHIFT = (256 - 224) / 2 / 256


@dataclass(frozen=True)
class CentreCrop:
    """Resize the short side of a photo, crop its centre, and normalise its colours.

    torchvision's presets for classification take the same steps with Pillow's resize. Ours resizes
    the decoded pixels with torch, which is faster. Pixels differ by at most 2 of 255 levels. We do
    not import torchvision, because that takes a third of the time to the first features.
    """

    crop_size: int
    resize_size: int
    mean: tuple = (0.485, 0.456, 0.406)
    std: tuple = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    def __call__(self, image):
        """Preprocess a PIL image: float32 (3, crop_size, crop_size)."""
        return self.from_pixels(image_pixels(image))

    def empty(self, n_photos):
        """Return an array for preprocessed photos: float32 (n_photos, crop_size, crop_size, 3)."""
        return np.empty((n_photos, self.crop_size, self.crop_size, 3), dtype=np.float32)

    def from_pixels(self, pixels, out=None):
        """Preprocess uint8 pixels (3, H, W): float32 (3, crop_size, crop_size).

        The result is written to `out` (crop_size, crop_size, 3), if given.
        """
        if out is None:
            (out,) = self.empty(1)
        pixels = pixels.permute(1, 2, 0)
        longest = _MAX_ASPECT_RATIO * min(pixels.shape[:2])
        pixels = _centre(pixels, longest, longest)
        pixels = _centre(self._resize(pixels), self.crop_size, self.crop_size).numpy()
        height, width = pixels.shape[:2]
        if height < self.crop_size or width < self.crop_size:
            out[:] = 0  # A margin around a small photo is black.
        top, left = (self.crop_size - height) // 2, (self.crop_size - width) // 2
        out[top : top + height, left : left + width] = pixels
        # NumPy is fast along long rows, so the colours' factors are repeated for a row of pixels.
        factors, offsets = _normalisation(self.mean, self.std, self.crop_size)
        rows = out.reshape(self.crop_size, -1)
        rows *= factors
        rows += offsets
        return torch.from_numpy(out).permute(2, 0, 1)

    def _resize(self, pixels):
        """Resize the short side of pixels (H, W, 3)."""
        height, width = pixels.shape[:2]
        size = [self.resize_size * side // min(height, width) for side in (height, width)]
        batch = pixels[None].permute(0, 3, 1, 2)
        resized = F.interpolate(batch, size, mode=self.interpolation, antialias=True)
        return resized[0].permute(1, 2, 0)


def _centre(pixels, max_height, max_width):
    """Crop the centre of pixels (H, W, 3), along sides that are longer than the given ones."""
    height, width = pixels.shape[:2]
    top = max(0, round((height - max_height) / 2))
    left = max(0, round((width - max_width) / 2))
    return pixels[top : top + max_height, left : left + max_width]


@lru_cache
def _normalisation(mean, std, n_pixels):
    """Return the factors and offsets of a row of pixels, whose values are 0 to 255."""
    mean, std = np.array(mean), np.array(std)
    factors, offsets = 1 / (255 * std), -mean / std
    return tuple(np.tile(values, n_pixels).astype(np.float32) for values in (factors, offsets))


def flip_crop(image, rng):
    """Shift a PIL image by up to 16/256 of each side, and flip it with probability 0.5.

    The centre crop of the preprocessing then falls on a random window of 224/256 of each side, as
    in DeViSE (appendix A.1) and Krizhevsky et al. (2012, section 4.1). The image keeps its size, so
    the network sees objects at the same scale in training and in use. Edge pixels are repeated.
    """
    pixels = np.asarray(image)
    for axis in (0, 1):
        size = pixels.shape[axis]
        max_shift = round(size * _MAX_SHIFT)
        shift = rng.integers(-max_shift, max_shift, endpoint=True)
        pixels = pixels.take(np.arange(size) + shift, axis, mode="clip")
    if rng.integers(2):
        pixels = pixels[:, ::-1]
    return Image.fromarray(pixels)


class Batch(NamedTuple):
    """Photos that are ready for a network."""

    rows: list  # rows of the photos that could be read
    tensor: torch.Tensor | None  # (len(rows), C, H, W), channels last; None if no photo was read
    errors: dict  # row -> UnreadablePhotoError


def load_batches(read_pixels, rows, preprocess, batch_size, n_jobs=None):
    """Yield a Batch for every `batch_size` rows, and prepare the next batches in threads.

    `read_pixels(row)` returns pixels (3, H, W). `preprocess` turns a PIL image into a tensor. The
    threads end when the generator is closed.
    """
    starts = range(0, len(rows), batch_size)
    pool = ThreadPoolExecutor(effective_n_jobs(n_jobs), thread_name_prefix="skdevise-photos")
    under_way = deque()
    try:
        for start in starts:
            batch_rows = list(rows[start : start + batch_size])
            # Only `CentreCrop` has a known shape.
            is_known = isinstance(preprocess, CentreCrop)
            buffer = preprocess.empty(len(batch_rows)) if is_known else [None] * len(batch_rows)
            futures = [
                pool.submit(_load, read_pixels, row, preprocess, out)
                for row, out in zip(batch_rows, buffer, strict=True)
            ]
            under_way.append((batch_rows, futures, buffer))
            if len(under_way) > _BATCHES_AHEAD:
                yield _collect(*under_way.popleft())
        while under_way:
            yield _collect(*under_way.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def load_batch(read_pixels, rows, preprocess, n_jobs=None):
    """Load some photos at once: (len(rows), C, H, W), channels last."""
    (batch,) = load_batches(read_pixels, rows, preprocess, len(rows), n_jobs)
    for error in batch.errors.values():
        raise error
    return batch.tensor


def _load(read_pixels, row, preprocess, out):
    """Read and preprocess one photo: (C, H, W), or the error if it cannot be read.

    A `CentreCrop` writes the photo to `out`.
    """
    try:
        pixels = read_pixels(row)
    except UnreadablePhotoError as error:
        return error
    if isinstance(preprocess, CentreCrop):
        return preprocess.from_pixels(pixels, out)
    tensor = preprocess(as_image(pixels))
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(
            f"preprocess returns type {type(tensor).__name__}. Return a float32 tensor of shape "
            "(channels, height, width)."
        )
    return tensor


def _collect(rows, futures, buffer):
    """Wait for the photos of a batch, and stack those that are not in the buffer."""
    loaded = {row: future.result() for row, future in zip(rows, futures, strict=True)}
    errors = {row: item for row, item in loaded.items() if isinstance(item, Exception)}
    readable = [row for row in rows if row not in errors]
    if not readable:
        return Batch([], None, errors)
    if isinstance(buffer, np.ndarray):
        if errors:
            buffer = buffer[[row not in errors for row in rows]]
        return Batch(readable, torch.from_numpy(buffer).movedim(-1, 1), errors)
    shapes = {tuple(loaded[row].shape) for row in readable}
    if len(shapes) > 1:
        raise ValueError(
            f"preprocess returns tensors of different shapes: {sorted(shapes)[:2]}. It must crop "
            "or resize every photo to the same shape."
        )
    # torch.stack would use several threads, which wait for the cores that decode photos.
    stacked = np.stack([loaded[row].movedim(0, -1).numpy(force=True) for row in readable])
    stacked = torch.from_numpy(np.ascontiguousarray(stacked))  # channels last in memory
    return Batch(readable, stacked.movedim(-1, 1), errors)


class PhotoTensors:
    """Photos for training: index by a tensor of rows to get a batch (n, C, H, W).

    `augment` is "flip_crop", a callable (image, rng) -> image, or None. Its random numbers come
    from `generator`, whose state a checkpoint saves.
    """

    n_rows_at_once = 1  # The training loop asks for one batch at a time.

    def __init__(self, photos, preprocess, n_jobs, augment=None, seed=0):
        self.photos = photos
        self.preprocess = preprocess
        self.n_jobs = n_jobs
        self.augment = flip_crop if isinstance(augment, str) else augment
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, rows):
        rows = rows.tolist()
        if self.augment is None:
            return load_batch(self.photos.pixels, rows, self.preprocess, self.n_jobs)
        # Draw a seed for each photo here, because threads finish in any order.
        seeds = torch.randint(2**63 - 1, (len(rows),), generator=self.generator).tolist()
        seeded_rows = list(zip(rows, seeds, strict=True))
        return load_batch(self._augmented_pixels, seeded_rows, self.preprocess, self.n_jobs)

    def _augmented_pixels(self, seeded_row):
        row, seed = seeded_row
        image = as_image(self.photos.pixels(row))
        image = self.augment(image, np.random.default_rng(seed))
        if not isinstance(image, Image.Image):
            raise TypeError(f"augment returns type {type(image).__name__}. Return a PIL image.")
        return image_pixels(image)
