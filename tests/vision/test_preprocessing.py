import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.functional import pil_to_tensor, to_tensor

from skdevise.vision._photos import Photos
from skdevise.vision._preprocessing import CallableBatch, PresetBatch, new_batch

BICUBIC, BILINEAR = InterpolationMode.BICUBIC, InterpolationMode.BILINEAR


def make(preprocess, X, positions=None):
    batch = new_batch(preprocess, len(X))
    photos = Photos(X)
    for row in range(len(X)):
        batch.put(row, photos, row)
    return batch.tensor(list(range(len(X))) if positions is None else positions)


def by_pillow(preset, X):
    return torch.stack([preset(Image.fromarray(array)) for array in X])


def in_levels(difference, preset):
    return difference * 255 * torch.tensor(preset.std)[:, None, None]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    interpolation=st.sampled_from([BICUBIC, BILINEAR]),
    sizes=st.sampled_from([(16, 16), (16, 20), (24, 16), (15, 18)]),  # one of them is padded
    seed=st.integers(0, 2**32 - 1),
)
def test_pixels_are_those_of_the_preset_by_pillow(height, width, interpolation, sizes, seed):
    preset = ImageClassification(
        crop_size=sizes[0], resize_size=sizes[1], interpolation=interpolation
    )
    # Between these, nothing overshoots 0 or 255: where it does and is cut, it matters which side is
    # resized first, and Pillow's order depends on its version and the size.
    X = np.random.default_rng(seed).integers(64, 192, (2, height, width, 3), dtype=np.uint8)
    batch = make(preset, X)
    assert batch.shape == (2, 3, sizes[0], sizes[0]) and batch.dtype == torch.float32
    difference = in_levels(batch - by_pillow(preset, X), preset).abs()
    assert difference.max() < 2.001  # both round after each side, by weights of their own precision


def test_normalised_by_hand():
    # EfficientNet-Lite takes 127 for 0 and 255 for 1; ImageNet's green has mean .456 and std .224.
    grey, white = np.full((9, 9, 3), 127, np.uint8), np.full((9, 9, 3), 255, np.uint8)
    lite = ImageClassification(crop_size=4, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    np.testing.assert_allclose(make(lite, [grey])[0], 0, atol=1e-6)
    np.testing.assert_allclose(make(lite, [white])[0], 1, atol=1e-6)
    imagenet = ImageClassification(crop_size=4)
    np.testing.assert_allclose(make(imagenet, [white])[0, 1], (1 - 0.456) / 0.224, rtol=1e-6)


def test_batches_have_channels_last(arrays):
    preset = ImageClassification(crop_size=8, resize_size=10)
    for preprocess in (preset, to_tensor):
        whole, some = make(preprocess, arrays), make(preprocess, arrays, [0, 3])
        assert torch.equal(some, whole[[0, 3]])
        for batch in (whole, some):
            assert batch.is_contiguous(memory_format=torch.channels_last)


def test_middle_of_a_strip():
    # Resized as a whole it would have 256 x 2,560,000 pixels.
    strip = np.zeros((1, 10_000, 3), np.uint8)
    strip[:, 4_000:6_000] = 255
    preset = ImageClassification(crop_size=224, mean=(0, 0, 0), std=(1, 1, 1))
    for array in (strip, strip.transpose(1, 0, 2)):
        assert make(preset, [array]).min() > 0.999


def test_a_preset_goes_without_images():
    class PixelsAlone:
        def pixels(self, row):
            return torch.zeros(3, 9, 9, dtype=torch.uint8)

    batch = new_batch(ImageClassification(crop_size=4), 1)
    batch.put(0, PixelsAlone(), 0)
    assert isinstance(batch, PresetBatch)


class OwnPreset(ImageClassification):
    pass


@pytest.mark.parametrize(
    "preprocess",
    [
        OwnPreset(crop_size=8, resize_size=10),
        ImageClassification(crop_size=8, resize_size=10, interpolation=InterpolationMode.NEAREST),
    ],
)
def test_other_callables_get_images(preprocess, arrays):
    assert isinstance(new_batch(preprocess, 1), CallableBatch)
    assert torch.equal(make(preprocess, arrays), by_pillow(preprocess, arrays))


def test_what_a_callable_gives_keeps_its_dtype(arrays):
    batch = make(pil_to_tensor, arrays)
    assert batch.dtype == torch.uint8
    np.testing.assert_array_equal(batch.permute(0, 2, 3, 1), arrays)


def test_what_is_no_tensor_is_refused(arrays):
    with pytest.raises(TypeError, match="preprocess gives a ndarray: it takes a PIL image and ret"):
        make(np.asarray, arrays)


def test_photos_of_several_sizes_need_a_callable_that_crops(arrays):
    with pytest.raises(ValueError, match=r"preprocess gives tensors of several shapes, .*\(3, 20"):
        make(to_tensor, [*arrays, arrays[0][:5]])
