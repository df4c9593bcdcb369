"""Resize, crop and normalise photos on a GPU, with the same result as on a CPU."""

from collections import defaultdict
from functools import cache, lru_cache
from itertools import chain

import numpy as np
import torch

from skdevise._utils import send

# Larger photos are cropped on the CPU. Resizing them takes little time beside decoding them, and
# batches of whole photos would take gigabytes.
_MAX_PIXELS = 2**21

# Number of products that are computed at once. They take four bytes each.
_N_PRODUCTS = 2**26

# When torch resizes bytes on a CPU, weights are integers of 16 bits, with at most 22 binary places.
_MAX_WEIGHT, _MAX_SHIFT = 2**15, 22


def _linear(distance):
    """One minus the distance, and zero from there on."""
    return np.maximum(0, 1 - distance)


def _cubic(distance):
    """Keys' cubic function with a = -0.5."""
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


# The function of each mode, and the distance at which it ends.
_KERNELS = {"bilinear": (_linear, 1), "bicubic": (_cubic, 2)}


class GPUCrop:
    """The steps of a `CentreCrop`, with `load` in threads of the CPU and `finish` on a GPU.

    The pixels equal those of `CentreCrop.crop`. A second stream sends and crops a batch while the
    network processes the previous one.
    """

    def __init__(self, crop, device):
        self.crop = crop
        self.device = device
        self._stream = _stream(device) if device.type == "cuda" else None

    def load(self, photos):
        """Copy photos, uint8 (3, H, W), to memory that a GPU reads.

        The result has a pair for each photo: the block that holds it, (n, H, W, 3), and whether the
        block is cropped already. Photos of one shape share a block, in their order.
        """
        groups, keys, blocks = defaultdict(list), [], {}
        for photo in photos:
            photo = self.crop.limit(photo)
            is_cropped = photo.shape[0] * photo.shape[1] > _MAX_PIXELS
            photo = self.crop.crop(photo) if is_cropped else photo
            keys.append((photo.shape, is_cropped))
            groups[keys[-1]].append(photo)
        for (shape, is_cropped), group in groups.items():
            size = len(group), *shape
            block = torch.empty(size, dtype=torch.uint8, pin_memory=self._stream is not None)
            np.stack(group, out=block.numpy())  # torch would use several threads.
            blocks[shape, is_cropped] = block, is_cropped
        return [blocks[key] for key in keys]

    def finish(self, loaded):
        """Preprocess a list of results of `load`: float32 Tensor (n, 3, crop_size, crop_size)."""
        if self._stream is None:
            return self._finish(loaded)
        with torch.cuda.stream(self._stream):
            batch = self._finish(loaded)
        stream = torch.cuda.current_stream(self.device)
        stream.wait_stream(self._stream)
        batch.record_stream(stream)
        return batch

    def _finish(self, loaded):
        """Send, resize and crop photos of one shape together, then restore their order."""
        groups = defaultdict(dict)
        for place, (block, is_cropped) in enumerate(loaded):
            group = groups[block.shape[1:], is_cropped]
            group.setdefault(id(block), (block, []))[1].append(place)
        crops, order = [], []
        for (_, is_cropped), group in groups.items():
            sent = [block.to(self.device, non_blocking=True) for block, _ in group.values()]
            photos = torch.cat(sent)
            crops.append(photos if is_cropped else resize_and_crop(photos, self.crop))
            order += chain.from_iterable(places for _, places in group.values())
        crops = torch.cat(crops)
        if len(groups) > 1:
            crops = crops[send(torch.from_numpy(np.argsort(order)), self.device)]
        return self.crop.normalise(crops)


@cache
def _stream(device):
    """Return the stream that sends photos to a GPU. Memory of a stream serves no other stream."""
    # PyTorch has 32 streams of each priority, and gives them out again. The stream must not be the
    # one on which a thread records a network, because the recording would contain the photos.
    return torch.cuda.Stream(device, priority=-1)


def resize_and_crop(photos, crop):
    """Resize and crop uint8 photos (n, H, W, 3) on any device, as `CentreCrop.crop` does."""
    sizes = crop.new_size(photos.shape[1:3])
    for axis in (2, 1):  # torch resizes the rows first, and rounds in between.
        first, n_kept = crop.centre(sizes[axis - 1], crop.crop_size)
        photos = _resize(photos, axis, sizes[axis - 1], first, n_kept, crop.interpolation)
    margins = [crop.crop_size - size for size in photos.shape[1:3]]
    if any(margins):  # A margin around a small photo is black.
        before = [margin // 2 for margin in margins]
        sides = [before[1], margins[1] - before[1], before[0], margins[0] - before[0]]
        photos = torch.nn.functional.pad(photos, [0, 0, *sides])
    return photos


def _resize(photos, axis, size, first, n_kept, mode):
    """Resize an axis of uint8 photos (n, H, W, 3), and keep some of its new rows or columns."""
    places, weights, shift = _filter(photos.shape[axis], size, first, n_kept, mode, photos.device)
    weights = weights.reshape(*weights.shape, *[1] * (photos.ndim - 1 - axis))
    n_products = photos[0].numel() // photos.shape[axis] * places.numel()
    resized = []
    for part in photos.split(max(1, _N_PRODUCTS // n_products)):
        pixels = part.index_select(axis, places.flatten()).unflatten(axis, places.shape)
        total = (pixels * weights).sum(axis + 1, dtype=torch.int32)
        total = (total + 2 ** (shift - 1)) >> shift
        resized.append(total.clamp_(0, 255).to(torch.uint8))
    return torch.cat(resized)


@lru_cache(maxsize=512)
def _filter(n_pixels, size, first, n_kept, mode, device):
    """Find which pixels add to each new one: positions and weights (n_kept, n_weights), shift.

    A new pixel is the sum of pixels times weights, divided by two to the power of the shift.
    """
    kernel, reach = _KERNELS[mode]
    scale = n_pixels / size
    reach *= max(scale, 1)
    centres = scale * (np.arange(size)[:, None] + 0.5)
    start = np.maximum(0, (centres - reach + 0.5).astype(int))
    stop = np.minimum(n_pixels, (centres + reach + 0.5).astype(int))
    places = start + np.arange(np.max(stop - start))
    weights = kernel(np.abs(places - centres + 0.5) / max(scale, 1)) * (places < stop)
    weights /= weights.sum(axis=1, keepdims=True)
    shift = 0
    while shift < _MAX_SHIFT and int(0.5 + weights.max() * 2 ** (shift + 1)) < _MAX_WEIGHT:
        shift += 1
    weights = weights * 2**shift
    weights = np.trunc(weights + np.where(weights < 0, -0.5, 0.5)).astype(np.int32)
    kept = slice(first, first + n_kept)
    parts = np.minimum(places, n_pixels - 1)[kept], weights[kept]
    # The copies are complete when another thread finds them.
    return *(torch.from_numpy(part).to(device) for part in parts), shift
