import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.functional import center_crop, pil_to_tensor

from skdevise.vision._augmentation import PhotoTensors, flip_crop
from skdevise.vision._photos import Photos

# Each pixel of this photo says where it is: red its row, green its column.
ROW, COLUMN = np.mgrid[:64, :64]
PLACES = np.stack([ROW, COLUMN, np.zeros_like(ROW)], axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def crops():
    """What the net sees of it at 1,000 draws: (1000, 56, 56, 2), rows and columns."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(PLACES)
    return np.stack(
        [np.asarray(center_crop(flip_crop(photo, rng), 56))[..., :2] for _ in range(1000)]
    )


def test_the_centre_crop_falls_on_every_window_of_224_in_256(crops):
    # 64 - 56 pixels are left over on either side together: 9 x 9 windows, all within the photo.
    top, left = crops.min(axis=(1, 2)).T
    assert set(zip(top.tolist(), left.tolist(), strict=True)) == {
        (row, column) for row in range(9) for column in range(9)
    }
    # Nothing is scaled: the window's pixels are as far apart as the photo's.
    assert np.all(np.diff(crops[..., 0].astype(int), axis=1) == 1)
    assert np.all(abs(np.diff(crops[..., 1].astype(int), axis=2)) == 1)


def test_every_other_photo_is_mirrored(crops):
    is_mirrored = crops[:, 0, 0, 1] > crops[:, 0, 1, 1]
    assert is_mirrored.mean() == pytest.approx(0.5, abs=0.05)  # three standard errors


@pytest.mark.parametrize(
    ("size", "shifts"),
    # 16/256 of 480 and 320 are 30 and 20; a photo of a few pixels stays where it is.
    [((480, 320), (30, 20)), ((5, 3), (0, 0))],
)
def test_each_side_is_moved_by_its_share(size, shifts):
    rng = np.random.default_rng(0)
    columns, rows = np.meshgrid(np.arange(size[0]) / 4, np.arange(size[1]) / 4)
    photo = Image.fromarray(np.stack([rows, columns, 0 * rows], axis=2).astype(np.uint8))
    moved = [flip_crop(photo, rng) for _ in range(100)]
    assert {image.size for image in moved} == {size}
    # The middle says how far the photo has been moved, to a quarter.
    middle = np.array([image.getpixel((size[0] // 2, size[1] // 2)) for image in moved])
    spread = np.ptp(middle.astype(int), axis=0)
    np.testing.assert_allclose(spread[[1, 0]], np.divide(shifts, 2), atol=1)


def test_the_generator_decides():
    photo = Image.fromarray(PLACES)

    def draw(seed):
        return np.asarray(flip_crop(photo, np.random.default_rng(seed)))

    np.testing.assert_array_equal(draw(0), draw(0))
    assert len({draw(seed).tobytes() for seed in range(8)}) > 4


# --- photos as training takes them


def photo_tensors(n_jobs=None, augment=flip_crop, seed=0):
    rng = np.random.default_rng(0)
    photos = Photos(rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8))
    return PhotoTensors(photos, pil_to_tensor, n_jobs, augment, seed)


def test_plain_photos_at_any_rows():
    source = photo_tensors(augment=None)
    assert len(source) == 6
    batch = source[torch.tensor([4, 0, 4])]
    assert batch.shape == (3, 3, 32, 32)
    assert torch.equal(batch[0], pil_to_tensor(source.photos[4]))
    assert torch.equal(batch[1], pil_to_tensor(source.photos[0]))
    assert torch.equal(batch[2], batch[0])


def test_training_sees_what_the_net_is_used_on():
    # A preset takes pixels, plain or altered, and never resizes them by Pillow.
    preset = ImageClassification(crop_size=16, resize_size=20)
    photos, rows = photo_tensors().photos, torch.arange(6)
    plain = PhotoTensors(photos, preset, n_jobs=None)[rows]
    same = PhotoTensors(photos, preset, n_jobs=None, augment=lambda image, rng: image)[rows]
    mirrored = PhotoTensors(
        photos, preset, n_jobs=None, augment=lambda image, rng: ImageOps.mirror(image)
    )[rows]
    assert torch.equal(same, plain)
    np.testing.assert_allclose(mirrored.flip(3), plain, atol=2.1 / 255 / 0.224)  # 2 levels


def test_altered_photos_do_not_depend_on_threads():
    one, two = photo_tensors(n_jobs=1), photo_tensors(n_jobs=2)
    for rows in (torch.arange(6), torch.tensor([5, 2])):
        assert torch.equal(one[rows], two[rows])


def test_photos_are_altered_afresh_each_time_and_by_seed():
    source, other, rows = photo_tensors(), photo_tensors(seed=1), torch.arange(6)
    first = source[rows]
    assert not torch.equal(source[rows], first)
    assert not torch.equal(other[rows], first)
    # The same photo twice in a batch is altered in two ways, once in a while in the same.
    assert len(source[torch.zeros(6, dtype=torch.int64)].unique(dim=0)) > 1


def test_a_saved_generator_repeats_a_batch():
    source, rows = photo_tensors(), torch.arange(6)
    source[rows]
    state = source.generator.get_state()
    batch = source[rows]
    resumed = photo_tensors(seed=1)
    resumed.generator.set_state(state)
    assert torch.equal(resumed[rows], batch)


def test_global_generators_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    photo_tensors()[torch.arange(6)]
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_what_is_no_image_is_refused():
    source = photo_tensors(augment=lambda image, rng: np.asarray(image))
    with pytest.raises(TypeError, match="augment gives a ndarray: it takes a PIL image and a nu"):
        source[torch.tensor([0])]
