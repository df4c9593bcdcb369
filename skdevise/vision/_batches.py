"""Turn photos into batches for a network: preprocessing, augmentation, loading in threads."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from skdevise._utils import photo_threads, send
from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._crop import CentreCrop
from skdevise.vision._gpu_crop import GPUCrop
from skdevise.vision._photos import as_image, image_pixels

# Number of batches that threads prepare while the network works.
_BATCHES_AHEAD = 2

# Number of photos that a thread loads in one task. Each task takes time of the interpreter, which
# all threads share.
_PHOTOS_PER_TASK = 4

# Krizhevsky's network, which DeViSE starts from, crops 224 of 256 pixels at a random place.
_MAX_SHIFT = (256 - 224) / 2 / 256


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


def load_batches(read_pixels, rows, preprocess, batch_size, n_jobs=None, device=None):
    """Yield a Batch for every `batch_size` rows. The other parameters are those of `load_each`."""
    starts = range(0, len(rows), batch_size)
    batches = (list(rows[start : start + batch_size]) for start in starts)
    return load_each(read_pixels, batches, preprocess, n_jobs, device)


def load_each(read_pixels, batches, preprocess, n_jobs=None, device=None):
    """Yield a Batch for each list of rows in `batches`, and prepare the next ones in threads.

    `read_pixels(row)` returns pixels (3, H, W). `preprocess` turns a PIL image into a tensor. With
    a `device`, the batches are sent to it, and the steps of a `CentreCrop` are computed there.
    The threads end when the generator is closed.
    """
    if device is not None and isinstance(preprocess, CentreCrop):
        loader = GPUCrop(preprocess, device)
    else:
        loader = _CPULoader(preprocess, device)
    n_threads = photo_threads(n_jobs, device)
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="skdevise-photos")
    under_way = deque()
    try:
        for rows in batches:
            # Each thread should have two tasks in all batches under way.
            size = len(rows) * (_BATCHES_AHEAD + 1) // (2 * n_threads)
            size = min(max(1, size), _PHOTOS_PER_TASK)
            parts = (rows[start : start + size] for start in range(0, len(rows), size))
            futures = [pool.submit(_load_some, read_pixels, part, loader.load) for part in parts]
            under_way.append((rows, futures))
            if len(under_way) > _BATCHES_AHEAD:
                yield _collect(*under_way.popleft(), loader.finish)
        while under_way:
            yield _collect(*under_way.popleft(), loader.finish)
    finally:
        pool.shutdown(cancel_futures=True)


def _load_some(read_pixels, rows, load):
    """Read and load some photos: list of the results, or of the errors of unreadable photos."""
    errors = {}

    def readable():
        for i, row in enumerate(rows):
            try:
                pixels = read_pixels(row)
            except UnreadablePhotoError as error:
                errors[i] = error
            else:
                yield pixels

    loaded = iter(load(readable()))
    return [errors[i] if i in errors else next(loaded) for i in range(len(rows))]


def _collect(rows, futures, finish):
    """Wait for the photos of a batch, and put together those that could be read: Batch."""
    results = chain.from_iterable(future.result() for future in futures)
    pairs = list(zip(rows, results, strict=True))
    errors = {row: item for row, item in pairs if isinstance(item, UnreadablePhotoError)}
    readable = [row for row in rows if row not in errors]
    loaded = [item for row, item in pairs if row not in errors]
    return Batch(readable, finish(loaded) if loaded else None, errors)


class _CPULoader:
    """Preprocess photos in threads of the CPU, and stack them."""

    def __init__(self, preprocess, device):
        self.preprocess = preprocess
        self.device = device

    def load(self, photos):
        """Preprocess photos, uint8 (3, H, W), one by one: list of arrays (H, W, C)."""
        return [self._preprocess(photo) for photo in photos]

    def _preprocess(self, pixels):
        if isinstance(self.preprocess, CentreCrop):
            return self.preprocess.from_pixels(pixels)
        photo = self.preprocess(as_image(pixels))
        if not isinstance(photo, torch.Tensor):
            raise TypeError(
                f"preprocess returns type {type(photo).__name__}. Return a float32 tensor of shape "
                "(channels, height, width)."
            )
        return photo.movedim(0, -1).numpy(force=True)

    def finish(self, photos):
        """Stack photos on the device: Tensor (n, C, H, W), with the channels last in memory."""
        shapes = {photo.shape for photo in photos}
        if len(shapes) > 1:
            raise ValueError(
                "preprocess returns tensors of different shapes: "
                f"{sorted((c, h, w) for h, w, c in shapes)[:2]}. It must crop or resize every "
                "photo to the same shape."
            )
        # torch.stack would use several threads, which wait for the cores that decode photos.
        stacked = torch.from_numpy(np.ascontiguousarray(np.stack(photos))).movedim(-1, 1)
        return stacked if self.device is None else send(stacked, self.device)


class PhotoTensors:
    """Photos for training, as batches (n, C, H, W).

    `augment` is "flip_crop", a callable (image, rng) -> image, or None. Its random numbers come
    from `generator`, whose state a checkpoint saves. `device` is a GPU that batches are sent to.
    """

    def __init__(self, photos, preprocess, n_jobs, augment=None, seed=0, device=None):
        self.photos = photos
        self.preprocess = preprocess
        self.n_jobs = n_jobs
        self.augment = flip_crop if isinstance(augment, str) else augment
        self.generator = torch.Generator().manual_seed(seed)
        self.device = device

    def batches(self, rows):
        """Iterate over the batches at each Tensor of rows. The next ones are decoded ahead."""
        read = self.photos.pixels if self.augment is None else self._augmented_pixels
        batches = map(torch.Tensor.tolist if self.augment is None else self._with_seeds, rows)
        loader = load_each(read, batches, self.preprocess, self.n_jobs, self.device)
        with closing(loader):
            for batch in loader:
                for error in batch.errors.values():
                    raise error
                yield batch.tensor

    def _with_seeds(self, rows):
        """Draw a seed for each photo in the order of rows, because threads finish in any order."""
        seeds = torch.randint(2**63 - 1, (len(rows),), generator=self.generator)
        return list(zip(rows.tolist(), seeds.tolist(), strict=True))

    def _augmented_pixels(self, seeded_row):
        row, seed = seeded_row
        image = as_image(self.photos.pixels(row))
        image = self.augment(image, np.random.default_rng(seed))
        if not isinstance(image, Image.Image):
            raise TypeError(f"augment returns type {type(image).__name__}. Return a PIL image.")
        return image_pixels(image)
