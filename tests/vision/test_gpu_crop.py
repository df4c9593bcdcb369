"""Photos that a GPU resizes have the same pixels as on a CPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skdevise.vision._crop import CentreCrop
from skdevise.vision._gpu_crop import GPUCrop, resize_and_crop


def draw_pixels(*shape, seed=0):
    """Draw pixels (H, W, 3) of which some are at the ends of the range."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.integers(-100, 356, (*shape, 3)), 0, 255).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    crop_size=st.integers(1, 40),
    resize_size=st.integers(2, 48),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_pixels_of_any_size_are_the_same(height, width, crop_size, resize_size, interpolation):
    crop = CentreCrop(crop_size, resize_size, interpolation=interpolation)
    photos = np.stack([draw_pixels(height, width, seed=seed) for seed in range(2)])
    resized = resize_and_crop(torch.from_numpy(photos), crop)
    assert resized.dtype == torch.uint8
    assert_array_equal(resized, [crop.crop(photo) for photo in photos])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(375, 500), (500, 333), (224, 224), (1_201, 1_600), (90, 64)])
def test_pixels_of_real_sizes_are_the_same(device, shape, interpolation):
    crop = CentreCrop(224, 256, interpolation=interpolation)
    photo = draw_pixels(*shape)
    resized = resize_and_crop(torch.from_numpy(photo)[None].to(device), crop)
    assert resized.device.type == device
    assert_array_equal(resized[0].cpu(), crop.crop(photo))


def test_many_large_photos_are_resized_in_parts(device):
    crop = CentreCrop(224, 256)
    photos = np.repeat([draw_pixels(1_000, 1_000)], 12, axis=0)
    resized = resize_and_crop(torch.from_numpy(photos).to(device), crop)
    assert_array_equal(resized.cpu(), [crop.crop(photos[0])] * 12)


def test_a_batch_may_mix_sizes(device):
    crop = CentreCrop(16, 20)
    large = (1_500, 1_400), (1_400, 1_500)
    shapes = (30, 20), (20, 30), (30, 20), large[0], (16, 16), (2, 450), large[1], (20, 30)
    photos = [draw_pixels(*s, seed=i).transpose(2, 0, 1) for i, s in enumerate(shapes)]
    gpu_crop = GPUCrop(crop, torch.device(device))
    loaded = gpu_crop.load(photos[:5]) + gpu_crop.load(photos[5:])
    assert [is_cropped for _, is_cropped in loaded] == [h > 1_000 for h, _ in shapes]
    batch = gpu_crop.finish(loaded)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    expected = [crop.from_pixels(photo).transpose(2, 0, 1) for photo in photos]
    assert_array_equal(batch.cpu(), expected)
