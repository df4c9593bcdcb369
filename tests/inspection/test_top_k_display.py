from pathlib import Path
from shutil import make_archive

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from skdevise.datasets import load_image_folder
from skdevise.exceptions import UnreadablePhotoError
from skdevise.inspection import TopKDisplay

plt = pytest.importorskip("matplotlib.pyplot")


def test_answers_are_below_each_photo_and_correct_ones_are_green(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("L", (8, 6)).save(path)
    photos = [path, Image.new("RGB", (4, 4)), np.zeros((5, 5), np.uint8)]
    answers = {"DeViSE": [["cat", "dog"]] * 3, "softmax": [["dog", "cat"]] * 3}
    display = TopKDisplay(photos, answers, y_true=["cat", "dog", "rat"]).plot(n_columns=2)
    assert display.axes_.shape == (2, 2)
    first = display.axes_[0, 0]
    assert first.get_title() == "cat"
    texts = [(text.get_text(), text.get_color()) for text in first.texts]
    grey, green = "0.2", "tab:green"
    assert texts == [
        ("DeViSE", "black"), ("cat", green), ("dog", grey),
        ("softmax", "black"), ("dog", grey), ("cat", green),
    ]  # fmt: skip
    assert [len(ax.images) for ax in display.axes_.flat] == [1, 1, 1, 0]


def test_photos_are_read_as_by_the_featurizer(tmp_path):
    # The camera stores a photo of 4 x 8 lying down, and notes that it stands upright.
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    deep = np.full((6, 5), 65535, np.uint16)
    photos = [Image.open(tmp_path / "turned.jpg"), (tmp_path / "turned.jpg").read_bytes()]
    photos += [torch.ones(3, 6, 5), deep]
    axes = TopKDisplay(photos, {"DeViSE": [["cat"]] * 4}).plot().axes_.flat
    images = [ax.images[0].get_array() for ax in axes]
    assert [image.shape for image in images] == [(8, 4, 3), (8, 4, 3), (6, 5, 3), (6, 5, 3)]
    assert (images[2] == 255).all() and (images[3] == 255).all()


def test_an_unreadable_photo_is_named(tmp_path):
    display = TopKDisplay([tmp_path / "gone.jpg"], {"DeViSE": [["cat"]]})
    with pytest.raises(UnreadablePhotoError, match=r"gone\.jpg"):
        display.plot()


def test_each_photo_needs_answers():
    with pytest.raises(ValueError, match="2 photos"):
        TopKDisplay(np.zeros((2, 4, 4), np.uint8), {"DeViSE": [["cat"]]})


@pytest.mark.parametrize(
    ("answers", "y_true", "error", "named"),
    [
        ({"DeViSE": ["cat", "dog"]}, None, ValueError, r"DeViSE.*\(2,\)"),
        ({"DeViSE": [["cat"], ["dog"]]}, ["cat"], ValueError, "1 true"),
        ([["cat"], ["dog"]], None, TypeError, "cat"),
        ({}, None, TypeError, "{}"),
    ],
)
def test_answers_and_true_labels_must_fit_the_photos(answers, y_true, error, named):
    with pytest.raises(error, match=named):
        TopKDisplay(np.zeros((2, 4, 4), np.uint8), answers, y_true)


def test_series_of_photos_in_an_archive_are_drawn(tmp_path):
    Path(tmp_path, "photos/okapi").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "photos/okapi/1.png")
    archive = make_archive(tmp_path / "photos", "zip", tmp_path / "photos")
    photos = load_image_folder(archive, as_frame=True)
    X, y = photos.data.set_axis([7]), photos.target.set_axis([7])
    (ax,) = TopKDisplay(X, {"DeViSE": [["okapi"]]}, y).plot().axes_.flat
    assert ax.get_title() == "okapi"
    assert ax.images[0].get_array().shape == (6, 8, 3)


def test_a_row_needs_a_photo():
    display = TopKDisplay(np.zeros((1, 4, 4), np.uint8), {"DeViSE": [["cat"]]})
    with pytest.raises(ValueError, match="n_columns=0"):
        display.plot(n_columns=0)


def test_labels_are_not_parsed_as_formulas():
    photos, answers = np.zeros((1, 4, 4), np.uint8), {"$\\x$": [["$\\y$"]]}
    TopKDisplay(photos, answers, y_true=["$\\z$"]).plot().figure_.canvas.draw()
