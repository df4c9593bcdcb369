"""Batches of photos, made ready in threads while a net works on those before them."""

import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from joblib import effective_n_jobs

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._preprocessing import new_batch

# With the one that the net works on, this is all that is ever in memory.
_BATCHES_AHEAD = 2

# A thread that was asked to stop does so within that many photos.
_PHOTOS_AT_ONCE = 4


@dataclass(frozen=True)
class Batch:
    """Photos that are ready for a net."""

    photos: object
    """Where they come from."""
    rows: list
    """Rows of `photos` that could be read, in the order asked for."""
    tensor: torch.Tensor | None
    """(len(rows), C, H, W), with channels last; None if no photo could be read."""
    failures: dict
    """Row to `UnreadablePhotoError` of those that could not be read."""


def load_batches(photos, rows, preprocess, batch_size, n_jobs=None):
    """Load some photos, batch by batch.

    Parameters
    ----------
    photos : Photos
    rows : sequence of int
        Which of them, in which order.
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image.
    batch_size : int
    n_jobs : int or None
        See `load_ahead`.

    Yields
    ------
    Batch
        See `load_ahead`.

    Examples
    --------
    >>> import numpy as np
    >>> from torchvision.transforms._presets import ImageClassification
    >>> from skdevise.vision._photos import Photos
    >>> photos = Photos([np.zeros((20, 30, 3), np.uint8), b"not a photo", "missing.jpg"])
    >>> preset = ImageClassification(crop_size=8, resize_size=10)
    >>> for batch in load_batches(photos, [2, 1, 0], preset, batch_size=2):
    ...     print(batch.rows, list(batch.failures), batch.tensor is None or batch.tensor.shape)
    [] [2, 1] True
    [0] [] torch.Size([1, 3, 8, 8])
    """
    parts = ((photos, rows[at : at + batch_size]) for at in range(0, len(rows), batch_size))
    return load_ahead(parts, preprocess, n_jobs)


def load_ahead(parts, preprocess, n_jobs=None):
    """Load batches in threads, up to two ahead of the one that is in use.

    Close the generator to end its threads early; whatever ends it ends them. What torch and numpy
    do in them is done in one thread each, unless `preprocess` is a callable that does otherwise.

    Parameters
    ----------
    parts : iterable of (Photos, sequence of int)
        The photos and rows of each batch. It is read in the caller's thread, as they are needed.
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image. A preset of torchvision takes pixels as they are
        decoded, instead: see :class:`skdevise.vision._preprocessing.PresetBatch`.
    n_jobs : int or None
        Number of threads beside the caller's, as joblib has it: None is 1, -1 one a core.

    Yields
    ------
    Batch
        In the order of `parts`. If these fail, the batches before still come, and then the
        exception.

    Raises
    ------
    TypeError, ValueError
        If `preprocess` gives no tensors, or tensors of several shapes. Whatever else it raises is
        passed on.

    Examples
    --------
    >>> import numpy as np
    >>> from torchvision.transforms.functional import to_tensor
    >>> from skdevise.vision._photos import chunks_of
    >>> stream = (np.zeros((8, 8), np.uint8) for _ in range(5))
    >>> parts = ((photos, range(len(photos))) for photos in chunks_of(stream, 3))
    >>> [tuple(batch.tensor.shape) for batch in load_ahead(parts, to_tensor)]
    [(3, 3, 8, 8), (2, 3, 8, 8)]
    """
    under_way, error, parts = deque(), None, iter(parts)
    pool = ThreadPoolExecutor(effective_n_jobs(n_jobs), thread_name_prefix="skdevise-photos")
    try:
        while True:
            while parts is not None and len(under_way) <= _BATCHES_AHEAD:
                try:
                    photos, rows = next(parts)
                except StopIteration:
                    parts = None
                except Exception as raised:
                    parts, error = None, raised
                else:
                    under_way.append(_Loading(pool, photos, rows, preprocess))
            if not under_way:
                break
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if error is not None:
        raise error


def load_batch(photos, rows, preprocess, n_jobs):
    """Load some photos at once.

    Parameters
    ----------
    photos : Photos
    rows : sequence of int
        At least one.
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image.
    n_jobs : int or None
        Number of threads.

    Returns
    -------
    Tensor of shape (len(rows), C, H, W)
        With channels last.

    Raises
    ------
    UnreadablePhotoError
        If a photo cannot be read.
    ValueError
        If `preprocess` gives tensors of several shapes.
    """
    (batch,) = load_ahead([(photos, rows)], preprocess, n_jobs)
    for error in batch.failures.values():
        raise error
    return batch.tensor


class _Loading:
    """A batch that threads put photos into."""

    def __init__(self, pool, photos, rows, preprocess):
        self.photos = photos
        self.rows = list(rows)
        self.batch = new_batch(preprocess, len(self.rows))
        self.failures = {}  # by position
        starts = range(0, len(self.rows), _PHOTOS_AT_ONCE)
        self.futures = [pool.submit(self._put_some, start) for start in starts]

    def _put_some(self, start):
        for position in range(start, min(start + _PHOTOS_AT_ONCE, len(self.rows))):
            try:
                self.batch.put(position, self.photos, self.rows[position])
            except UnreadablePhotoError as error:
                self.failures[position] = _without_memory(error)

    def result(self):
        """Wait for the batch."""
        for future in self.futures:
            future.result()
        readable = [at for at in range(len(self.rows)) if at not in self.failures]
        return Batch(
            self.photos,
            [self.rows[at] for at in readable],
            self.batch.tensor(readable) if readable else None,
            {self.rows[at]: self.failures[at] for at in sorted(self.failures)},
        )


def _without_memory(error):
    """Let go of the files and batches that an error's frames hold: there may be many errors."""
    if error.__cause__ is not None:
        traceback.clear_frames(error.__cause__.__traceback__)
    return error.with_traceback(None)
