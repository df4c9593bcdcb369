"""Preprocessing, augmentation, and loading of batches in threads."""

import gc
import threading
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.functional import pil_to_tensor, to_tensor

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._batches import (
    CentreCrop,
    PhotoTensors,
    flip_crop,
    load_batches,
)
from skdevise.vision._photos import Photos

CROP = CentreCrop(crop_size=8, resize_size=10)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    if not set(threading.enumerate()) <= before:
        gc.collect()  # A discarded generator ends its threads.
    assert set(threading.enumerate()) <= before


# --- preprocessing


def preprocess_by_pillow(crop, array):
    """The same steps with Pillow's resize: (3, crop_size, crop_size)."""
    steps = [
        v2.Resize(crop.resize_size, v2.InterpolationMode(crop.interpolation)),
        v2.CenterCrop(crop.crop_size),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(crop.mean, crop.std),
    ]
    return v2.Compose(steps)(Image.fromarray(array))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    sizes=st.sampled_from([(16, 16), (16, 20), (24, 16), (15, 18)]),  # (24, 16) needs padding.
    seed=st.integers(0, 2**32 - 1),
)
def test_pixels_differ_from_pillows_by_two_levels_at_most(
    height, width, interpolation, sizes, seed
):
    crop = CentreCrop(*sizes, interpolation=interpolation)
    # Values far from 0 and 255, so that bicubic interpolation is not clipped halfway.
    array = np.random.default_rng(seed).integers(64, 192, (height, width, 3), dtype=np.uint8)
    tensor = crop(Image.fromarray(array))
    assert tensor.shape == (3, sizes[0], sizes[0]) and tensor.dtype == torch.float32
    difference = (tensor - preprocess_by_pillow(crop, array)).abs()
    levels = difference * 255 * torch.tensor(crop.std)[:, None, None]
    assert levels.max() < 2.001


def test_colours_are_normalised():
    # EfficientNet-Lite maps 127 to 0 and 255 to 1. ImageNet's green has mean 0.456 and std 0.224.
    lite = CentreCrop(4, 4, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    np.testing.assert_allclose(lite(Image.new("RGB", (9, 9), (127,) * 3)), 0, atol=1e-6)
    np.testing.assert_allclose(lite(Image.new("RGB", (9, 9), "white")), 1, atol=1e-6)
    green = CentreCrop(4, 4)(Image.new("RGB", (9, 9), "white"))[1]
    np.testing.assert_allclose(green, (1 - 0.456) / 0.224, rtol=1e-6)


def test_long_strips_are_cropped_before_they_are_resized():
    # Resizing the whole strip would make 256 x 2,560,000 pixels.
    strip = np.zeros((1, 10_000, 3), np.uint8)
    strip[:, 4_000:6_000] = 255
    crop = CentreCrop(224, 256, mean=(0, 0, 0), std=(1, 1, 1))
    for array in (strip, strip.transpose(1, 0, 2)):
        assert crop(Image.fromarray(array)).min() > 0.999


# --- augmentation

# Each pixel of this photo holds its place: red is the row, and green the column.
ROW, COLUMN = np.mgrid[:64, :64]
PLACES = np.stack([ROW, COLUMN, np.zeros_like(ROW)], axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def crops():
    """Rows and columns that the network sees in 1,000 draws: (1000, 56, 56, 2)."""
    rng = np.random.default_rng(0)
    photo, centre = Image.fromarray(PLACES), v2.CenterCrop(56)
    return np.stack([np.asarray(centre(flip_crop(photo, rng)))[..., :2] for _ in range(1000)])


def test_flip_crop_moves_the_crop_to_every_window_of_224_in_256(crops):
    # 64 - 56 = 8 pixels are left over, so there are 9 x 9 windows inside the photo.
    top, left = crops.min(axis=(1, 2)).T
    assert set(zip(top.tolist(), left.tolist(), strict=True)) == {
        (row, column) for row in range(9) for column in range(9)
    }
    # The photo is not scaled: neighbouring pixels stay neighbours.
    assert np.all(np.diff(crops[..., 0].astype(int), axis=1) == 1)
    assert np.all(abs(np.diff(crops[..., 1].astype(int), axis=2)) == 1)


def test_flip_crop_flips_half_of_the_photos(crops):
    is_flipped = crops[:, 0, 0, 1] > crops[:, 0, 1, 1]
    assert is_flipped.mean() == pytest.approx(0.5, abs=0.05)  # three standard errors


def test_flip_crop_shifts_each_side_by_its_share():
    # 16/256 of 480 and 320 pixels are 30 and 20.
    rng = np.random.default_rng(0)
    columns, rows = np.meshgrid(np.arange(480) / 4, np.arange(320) / 4)
    photo = Image.fromarray(np.stack([rows, columns, 0 * rows], axis=2).astype(np.uint8))
    shifted = [flip_crop(photo, rng) for _ in range(100)]
    assert {image.size for image in shifted} == {(480, 320)}
    middle = np.array([image.getpixel((240, 160)) for image in shifted]).astype(int)
    np.testing.assert_allclose(np.ptp(middle, axis=0)[:2] * 2, [20, 30], atol=2)


def test_flip_crop_does_not_shift_tiny_photos():
    tiny = Image.new("RGB", (5, 3), "red")
    assert flip_crop(tiny, np.random.default_rng(0)).tobytes() == tiny.tobytes()


# --- batches


class Recorder:
    """Photos that record which rows were read."""

    def __init__(self):
        self.asked = []
        self.condition = threading.Condition()

    def pixels(self, row):
        with self.condition:
            self.asked.append(row)
            self.condition.notify_all()
        return np.full((3, 1, 1), row, dtype=np.uint8)


def load_batch(*source, **options):
    """Load all photos in one batch that has no errors."""
    (tensor,) = [batch.tensor for batch in load_batches(*source, 9, **options)]
    return tensor


@pytest.mark.parametrize("n_jobs", [None, 2, -1])
@pytest.mark.parametrize("preprocess", [CROP, to_tensor])
def test_batches_keep_the_order_of_rows(n_jobs, preprocess, arrays):
    rows = np.array([4, 0, 3, 3, 1, 2, 0])
    photos = Photos(arrays)
    expected = torch.stack([preprocess(Image.fromarray(array)) for array in arrays])
    batches = list(load_batches(photos.pixels, rows, preprocess, 3, n_jobs))
    assert [batch.rows for batch in batches] == [[4, 0, 3], [3, 1, 2], [0]]
    assert all(batch.errors == {} for batch in batches)
    assert torch.equal(torch.cat([batch.tensor for batch in batches]), expected[rows])
    for batch in batches:
        assert batch.tensor.is_contiguous(memory_format=torch.channels_last)


def test_no_rows_give_no_batches(arrays):
    assert list(load_batches(Photos(arrays).pixels, [], CROP, 5)) == []


def test_unreadable_photos_are_reported_beside_the_others(arrays):
    photos = Photos([arrays[0], b"text", arrays[2], arrays[3], "missing.jpg", b""])
    first, second, third = load_batches(photos.pixels, range(6), CROP, 2, n_jobs=2)
    assert (first.rows, second.rows, third.rows) == ([0], [2, 3], [])
    assert third.tensor is None
    assert torch.equal(second.tensor, load_batch(photos.pixels, [2, 3], CROP))
    assert list(first.errors | second.errors | third.errors) == [1, 4, 5]
    assert "missing.jpg" in str(third.errors[4])


def test_two_batches_are_prepared_ahead():
    photos = Recorder()
    batches = load_batches(photos.pixels, range(60), pil_to_tensor, 4)
    for number in range(1, 15):
        next(batches)
        n_expected = 4 * min(number + 2, 15)
        with photos.condition:
            assert photos.condition.wait_for(
                lambda n=n_expected: len(photos.asked) >= n, timeout=60
            )
        assert len(photos.asked) == n_expected
    batches.close()


def test_closing_the_generator_ends_its_threads():
    photos = Recorder()
    batches = load_batches(photos.pixels, range(100), pil_to_tensor, 5, n_jobs=3)
    next(batches)
    batches.close()
    assert not any(thread.name.startswith("skdevise") for thread in threading.enumerate())
    assert len(photos.asked) <= 15


def test_errors_of_preprocess_come_after_the_batches_before_them():
    def preprocess(image):
        if image.getpixel((0, 0))[0] == 7:
            raise ZeroDivisionError("seven")
        return pil_to_tensor(image)

    batches = load_batches(Recorder().pixels, range(20), preprocess, 3, n_jobs=2)
    assert [next(batches).rows, next(batches).rows] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ZeroDivisionError, match="seven"):
        next(batches)


def test_preprocess_must_return_tensors_of_one_shape(arrays):
    with pytest.raises(ValueError, match=r"\(3, 5, 24\)"):
        load_batch(Photos([arrays[0], arrays[0][:5]]).pixels, [0, 1], to_tensor)
    with pytest.raises(TypeError, match="ndarray"):
        load_batch(Photos(arrays).pixels, [0], np.asarray)


@pytest.mark.parametrize("preprocess", [CROP, to_tensor])
def test_batches_on_a_device_have_the_same_numbers(device, arrays, preprocess):
    photos = Photos([*arrays, b"text", *arrays[:2]])
    expected = list(load_batches(photos.pixels, range(8), preprocess, 3))
    batches = list(load_batches(photos.pixels, range(8), preprocess, 3, None, torch.device(device)))
    for batch, same in zip(batches, expected, strict=True):
        assert batch.rows == same.rows
        assert batch.errors.keys() == same.errors.keys()
        assert batch.tensor.device.type == device
        assert batch.tensor.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.tensor.cpu(), same.tensor)


def test_number_of_torch_threads_is_unchanged(arrays):
    n_threads = torch.get_num_threads()
    load_batch(Photos(arrays).pixels, range(5), CROP, n_jobs=2)
    assert torch.get_num_threads() == n_threads


# --- photos for training


def load(source, rows):
    (batch,) = source.batches([rows])
    return batch


def photo_tensors(n_jobs=None, augment="flip_crop", seed=0, preprocess=pil_to_tensor):
    rng = np.random.default_rng(0)
    photos = Photos(rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8))
    return PhotoTensors(photos, preprocess, n_jobs, augment, seed)


def test_rows_select_photos():
    source = photo_tensors(augment=None)
    batch = load(source, torch.tensor([4, 0, 4]))
    for place, row in enumerate([4, 0, 4]):
        assert np.array_equal(batch[place], source.photos.pixels(row))


def test_an_error_while_training_names_the_photo(arrays):
    source = PhotoTensors(Photos([arrays[0], b"text", "missing.jpg"]), CROP, None)
    with pytest.raises(UnreadablePhotoError, match="missing.jpg"):
        load(source, torch.tensor([0, 2, 1]))


@pytest.mark.parametrize("augment", [None, "flip_crop"])
def test_batches_that_are_read_ahead_equal_single_ones(device, augment):
    make = partial(photo_tensors, augment=augment, preprocess=CentreCrop(16, 20))
    rows = torch.tensor([[4, 0], [1, 1], [5, 2], [3, 0]])
    ahead, single = make(), make()
    ahead.device = torch.device(device)
    for tensor, pair in zip(ahead.batches(iter(rows)), rows, strict=True):
        assert tensor.device.type == device
        assert torch.equal(tensor.cpu(), load(single, pair))
    assert torch.equal(ahead.generator.get_state(), single.generator.get_state())


def test_training_uses_the_preprocessing_of_prediction():
    make, rows = partial(photo_tensors, preprocess=CentreCrop(16, 20)), torch.arange(6)
    plain = load(make(augment=None), rows)
    assert torch.equal(load(make(augment=lambda image, rng: image), rows), plain)
    mirrored = load(make(augment=lambda image, rng: ImageOps.mirror(image)), rows)
    np.testing.assert_allclose(mirrored.flip(3), plain, atol=2.1 / 255 / 0.224)  # 2 levels


def test_augmentation_does_not_depend_on_threads():
    one, two = photo_tensors(n_jobs=1), photo_tensors(n_jobs=2)
    for rows in (torch.arange(6), torch.tensor([5, 2])):
        assert torch.equal(load(one, rows), load(two, rows))


def test_augmentation_differs_between_draws_and_seeds():
    source, rows = photo_tensors(), torch.arange(6)
    first = load(source, rows)
    assert not torch.equal(load(source, rows), first)
    assert not torch.equal(load(photo_tensors(seed=1), rows), first)
    assert torch.equal(load(photo_tensors(), rows), first)
    assert len(load(source, torch.zeros(6, dtype=torch.int64)).unique(dim=0)) > 1


def test_saved_generator_repeats_a_batch():
    source, rows = photo_tensors(), torch.arange(6)
    load(source, rows)
    state = source.generator.get_state()
    batch = load(source, rows)
    resumed = photo_tensors(seed=1)
    resumed.generator.set_state(state)
    assert torch.equal(load(resumed, rows), batch)


def test_global_generators_are_unchanged():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    load(photo_tensors(), torch.arange(6))
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_augment_must_return_an_image():
    source = photo_tensors(augment=lambda image, rng: np.asarray(image))
    with pytest.raises(TypeError, match="ndarray"):
        load(source, torch.tensor([0]))
