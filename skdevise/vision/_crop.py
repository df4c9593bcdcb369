"""Preprocessing of photos: resize, crop, normalise."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from skdevise.vision._photos import image_pixels

# Resizing a strip of 1 x 10,000 pixels to a short side of 256 would make 655 million pixels.
_MAX_ASPECT_RATIO = 100


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
        """Preprocess a PIL image: float32 tensor (3, crop_size, crop_size)."""
        import torch

        (out,) = self.empty(1)
        self.from_pixels(image_pixels(image), out)
        return torch.from_numpy(out).permute(2, 0, 1)

    def empty(self, n_photos, dtype=np.float32):
        """Return an array for preprocessed photos: (n_photos, crop_size, crop_size, 3)."""
        return np.empty((n_photos, self.crop_size, self.crop_size, 3), dtype=dtype)

    def from_pixels(self, pixels, out):
        """Preprocess uint8 pixels (3, H, W) into float32 `out` (crop_size, crop_size, 3)."""
        self.crop(pixels, out)
        # NumPy is fast along long rows, so the colours' factors are repeated for a row of pixels.
        factors, offsets = _normalisation(self.mean, self.std, self.crop_size)
        rows = out.reshape(self.crop_size, -1)
        rows *= factors
        rows += offsets

    def crop(self, pixels, out):
        """Resize and crop uint8 pixels (3, H, W) into `out` (crop_size, crop_size, 3)."""
        pixels = pixels.transpose(1, 2, 0)
        longest = _MAX_ASPECT_RATIO * min(pixels.shape[:2])
        pixels = _centre(pixels, longest, longest)
        pixels = _centre(self._resize(pixels), self.crop_size, self.crop_size)
        height, width = pixels.shape[:2]
        if height < self.crop_size or width < self.crop_size:
            out[:] = 0  # A margin around a small photo is black.
        top, left = (self.crop_size - height) // 2, (self.crop_size - width) // 2
        out[top : top + height, left : left + width] = pixels

    def normalise(self, photos):
        """Normalise the colours of crops on any device: float32 from uint8 (n, 3, H, W) tensors.

        The numbers equal those of `from_pixels`.
        """
        factors, offsets = _normalisation_on(photos.device, self.mean, self.std)
        return photos.float().mul_(factors).add_(offsets)

    def _resize(self, pixels):
        """Resize the short side of pixels (H, W, 3)."""
        import torch

        batch = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
        size, mode = self._new_size(pixels), self.interpolation
        resized = torch.nn.functional.interpolate(batch, size, mode=mode, antialias=True)
        return resized[0].permute(1, 2, 0).numpy()

    def _new_size(self, pixels):
        """Return the height and width after resizing the short side of pixels (H, W, 3)."""
        height, width = pixels.shape[:2]
        return [self.resize_size * side // min(height, width) for side in (height, width)]


@dataclass(frozen=True)
class PillowCrop(CentreCrop):
    """The same steps with Pillow's resize, which does not need torch."""

    def _resize(self, pixels):
        height, width = self._new_size(pixels)
        filter_ = Image.Resampling[self.interpolation.upper()]
        return np.asarray(Image.fromarray(pixels).resize((width, height), filter_))


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


@lru_cache
def _normalisation_on(device, mean, std):
    """Return the factors and offsets of the colours on a device: two tensors (3, 1, 1)."""
    import torch

    return [torch.tensor(x, device=device)[:, None, None] for x in _normalisation(mean, std, 1)]
