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

        return torch.from_numpy(self.from_pixels(image_pixels(image))).permute(2, 0, 1)

    def from_pixels(self, pixels):
        """Preprocess uint8 pixels (3, H, W): float32 array (crop_size, crop_size, 3)."""
        out = self.crop(self.limit(pixels), np.float32)
        # NumPy is fast along long rows, so the colours' factors are repeated for a row of pixels.
        factors, offsets = _normalisation(self.mean, self.std, self.crop_size)
        rows = out.reshape(self.crop_size, -1)
        rows *= factors
        rows += offsets
        return out

    def limit(self, pixels):
        """Cut the ends off pixels (3, H, W) of an extreme shape: (H, W, 3)."""
        pixels = pixels.transpose(1, 2, 0)
        longest = _MAX_ASPECT_RATIO * min(pixels.shape[:2])
        return self._centred(pixels, longest)

    def crop(self, pixels, dtype=np.uint8):
        """Resize and crop pixels from `limit`: array (crop_size, crop_size, 3)."""
        pixels = self._centred(self._resize(pixels), self.crop_size)
        height, width = pixels.shape[:2]
        out = np.empty((self.crop_size, self.crop_size, 3), dtype)
        if height < self.crop_size or width < self.crop_size:
            out[:] = 0  # A margin around a small photo is black.
        top, left = (self.crop_size - height) // 2, (self.crop_size - width) // 2
        out[top : top + height, left : left + width] = pixels
        return out

    def normalise(self, crops):
        """Normalise the colours of crops on any device: float32 (n, 3, H, W) from (n, H, W, 3).

        The numbers equal those of `from_pixels`.
        """
        factors, offsets = _normalisation_on(crops.device, self.mean, self.std, crops.shape[2])
        rows = crops.flatten(2).float().mul_(factors).add_(offsets)
        return rows.view(crops.shape).permute(0, 3, 1, 2)

    def new_size(self, shape):
        """Return the height and width after resizing the short side of a photo: list."""
        return [self.resize_size * side // min(shape) for side in shape]

    @staticmethod
    def centre(size, most):
        """Return where the central part of a side starts, and its size: at most `most`."""
        return max(0, round((size - most) / 2)), min(size, most)

    def _centred(self, pixels, most):
        """Crop the centre of pixels (H, W, 3), along sides that are longer than `most`."""
        (top, height), (left, width) = (self.centre(size, most) for size in pixels.shape[:2])
        return pixels[top : top + height, left : left + width]

    def _resize(self, pixels):
        """Resize the short side of pixels (H, W, 3)."""
        import torch

        batch = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
        size, mode = self.new_size(pixels.shape[:2]), self.interpolation
        resized = torch.nn.functional.interpolate(batch, size, mode=mode, antialias=True)
        return resized[0].permute(1, 2, 0).numpy()


@dataclass(frozen=True)
class PillowCrop(CentreCrop):
    """The same steps with Pillow's resize, which does not need torch."""

    def _resize(self, pixels):
        height, width = self.new_size(pixels.shape[:2])
        filter_ = Image.Resampling[self.interpolation.upper()]
        return np.asarray(Image.fromarray(pixels).resize((width, height), filter_))


@lru_cache
def _normalisation(mean, std, n_pixels):
    """Return the factors and offsets of a row of pixels, whose values are 0 to 255."""
    mean, std = np.array(mean), np.array(std)
    factors, offsets = 1 / (255 * std), -mean / std
    return tuple(np.tile(values, n_pixels).astype(np.float32) for values in (factors, offsets))


@lru_cache
def _normalisation_on(device, mean, std, n_pixels):
    """Return the factors and offsets of a row as tensors on a device."""
    import torch

    return [torch.tensor(values, device=device) for values in _normalisation(mean, std, n_pixels)]
