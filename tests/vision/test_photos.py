import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision.photos import Photos, load_batch


class PhotoDataset(Dataset):
    def __init__(self, photos, targets=None):
        self.photos = photos
        self.targets = targets

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        photo = self.photos[index]
        return photo if self.targets is None else (photo, self.targets[index])


def pixels(X):
    photos = Photos(X)
    return [np.asarray(photos[index]) for index in range(len(photos))]


def test_every_form_gives_the_same_pixels(arrays, paths):
    forms = {
        "str": [str(path) for path in paths],
        "Path": paths,
        "tuple": tuple(paths),
        "array of str": np.array([str(path) for path in paths]),
        "Series": pd.Series(paths, index=[9, 8, 7, 6, 5]),
        "PIL": [Image.fromarray(array) for array in arrays],
        "opened": [Image.open(path) for path in paths],
        "arrays": arrays,
        "one array": np.stack(arrays),
        "mixed": [arrays[0], paths[1], str(paths[2]), Image.fromarray(arrays[3]), arrays[4]],
        "Dataset": PhotoDataset(arrays),
        "Dataset of pairs": PhotoDataset(paths, targets=range(5)),
    }
    for name, X in forms.items():
        np.testing.assert_array_equal(pixels(X), arrays, err_msg=name)


def test_grey_arrays_are_spread_over_three_channels():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(pixels([grey])[0], np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_modes_become_rgb(mode):
    white = Image.new("RGB", (4, 3), "white")
    white = white.convert("RGBA").convert(mode) if mode == "LA" else white.convert(mode)
    assert np.all(pixels([white])[0] == 255)


def test_16_bit_grey_is_scaled_not_clipped():
    # 65535 / 257 = 255, 257 * 100 = 25700
    deep = Image.fromarray(np.array([[0, 25_700, 65_535]], dtype=np.uint16))
    assert pixels([deep])[0][0, :, 0].tolist() == [0, 100, 255]


def test_palette_with_transparency():
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=b"\xff\x80")
    assert pixels([Image.open(file)])[0][0, 0].tolist() == [10, 20, 30]


def test_exif_orientation_is_applied(tmp_path):
    photo = Image.new("RGB", (6, 4), "black")
    photo.paste("white", (0, 0, 3, 4))
    exif = photo.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    photo.save(tmp_path / "turned.png", exif=exif)
    for X in ([tmp_path / "turned.png"], [Image.open(tmp_path / "turned.png")]):
        upright = pixels(X)[0]
        assert upright.shape == (6, 4, 3)
        assert np.all(upright[:3] == 255) and np.all(upright[3:] == 0)


def test_nothing_is_decoded_before_it_is_asked_for():
    asked = []

    class Recorder(Sequence):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            asked.append(index)
            return np.zeros((2, 2), np.uint8)

    photos = Photos(Recorder())
    assert asked == []
    load_batch(photos, [2, 3], lambda photo: torch.zeros(3, 2, 2), n_jobs=2)
    assert sorted(asked) == [2, 3]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("cat.jpg", r"X is a single path, 'cat.jpg': put it in a list"),
        (Image.new("RGB", (2, 2)), "X is a single photo: put it in a list"),
        (np.zeros((2, 2, 3), np.uint8), r"X is a ndarray of shape \(2, 2, 3\) and dtype uint8"),
        (np.zeros((4, 3)), r"X is a ndarray of shape \(4, 3\) and dtype float64: X is a sequence"),
        (np.zeros((2, 8, 8, 3)), r"shape \(2, 8, 8, 3\) and dtype float64"),
        (pd.DataFrame({"a": [1.0]}), r"X is a DataFrame of shape \(1, 1\)"),
        (torch.zeros(2, 3, 8, 8), r"X is a Tensor of shape \(2, 3, 8, 8\) and dtype torch.float32"),
        ((path for path in ["a.jpg"]), "X is of type generator, which has no order or length"),
        ({"a": "a.jpg"}, "X is of type dict"),
        ([[0.1, 0.2]], "Photo number 0 is of type list"),
        (
            [np.zeros((2, 2), np.uint8), np.zeros((2, 2))],
            r"Photo number 1 is an array of shape \(2, 2\) and dtype float64",
        ),
        ([np.zeros((2, 2, 4), np.uint8)], r"Photo number 0 is an array of shape \(2, 2, 4\)"),
    ],
)
def test_other_forms_are_refused_at_once(X, message):
    with pytest.raises(TypeError, match=message):
        Photos(X)


def test_empty_x_is_refused():
    for X in ([], np.zeros((0, 8, 8, 3), np.uint8), PhotoDataset([])):
        with pytest.raises(ValueError, match="X is empty: give at least one photo"):
            Photos(X)


def test_tensors_in_a_dataset_are_refused():
    photos = Photos(TensorDataset(torch.zeros(2, 3, 8, 8)))
    with pytest.raises(TypeError, match="Photo number 1 is of type Tensor"):
        photos[1]


def test_unreadable_photos_are_named(paths, tmp_path):
    truncated, text = tmp_path / "truncated.png", tmp_path / "notes.jpg"
    truncated.write_bytes(paths[0].read_bytes()[:200])
    text.write_text("not a photo")
    for path, reason in [
        (tmp_path / "missing.jpg", "there is no such file"),
        (tmp_path, "directory"),
        (text, "it is not an image"),
        (truncated, "truncated"),
    ]:
        with pytest.raises(UnreadablePhotoError, match=f"{path}.* cannot be read, as .*{reason}"):
            Photos([path])[0]
    with (
        Image.open(truncated) as opened,
        pytest.raises(UnreadablePhotoError, match="photo number 1 cannot be read"),
    ):
        Photos([paths[0], opened])[1]


def test_failing_dataset_names_the_photo():
    class Broken(PhotoDataset):
        def __getitem__(self, index):
            raise OSError("disk on fire")

    with pytest.raises(UnreadablePhotoError, match="photo number 3 cannot be read, as disk on fir"):
        Photos(Broken(range(5)))[3]


def test_photos_of_several_sizes_need_a_preprocess_that_crops():
    photos = Photos([np.zeros((2, 3), np.uint8), np.zeros((4, 3), np.uint8)])
    with pytest.raises(ValueError, match="preprocess gives tensors of several shapes"):
        load_batch(photos, [0, 1], lambda photo: torch.zeros(3, photo.height, 3), n_jobs=None)
