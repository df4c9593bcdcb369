import io
import pickle
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._photos import Photos, chunks_of


class PhotoDataset(Dataset):
    def __init__(self, photos, targets=None):
        self.photos = photos
        self.targets = targets

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        photo = self.photos[index]
        return photo if self.targets is None else (photo, self.targets[index])


class OpeningDataset(PhotoDataset):
    def open(self):
        raise AssertionError


class Member:
    """What gives a binary file when it is opened."""

    def __init__(self, path):
        self.path = path

    def open(self, mode):
        assert mode == "rb"
        return open(self.path, mode)

    def __str__(self):
        return f"archive/{self.path.name}"


def pixels(X):
    """By the fast path, after checking that the image is the same."""
    photos = Photos(X)
    arrays = [photos.pixels(index).permute(1, 2, 0).numpy() for index in range(len(photos))]
    for index, array in enumerate(arrays):
        assert photos[index].mode == "RGB"
        np.testing.assert_array_equal(photos[index], array)
    return arrays


@pytest.fixture
def archive(paths, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for path in paths:
            file.write(path, path.name)
    return tmp_path / "photos.zip"


def test_every_form_gives_the_same_pixels(arrays, paths, archive):
    files = [path.read_bytes() for path in paths]
    tensors = [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]
    opened = [open(path, "rb") for path in paths]
    in_archive = zipfile.Path(archive)
    forms = {
        "str": [str(path) for path in paths],
        "Path": paths,
        "tuple": tuple(paths),
        "array of str": np.array([str(path) for path in paths]),
        "Series": pd.Series(paths, index=[9, 8, 7, 6, 5]),
        "members": [Member(path) for path in paths],
        "zipfile.Path": [in_archive / path.name for path in paths],
        "binary files": opened,
        "BytesIO": [io.BytesIO(data) for data in files],
        "bytes": files,
        "bytearray": [bytearray(data) for data in files],
        "memoryview": [memoryview(data) for data in files],
        "PIL": [Image.fromarray(array) for array in arrays],
        "opened": [Image.open(path) for path in paths],
        "arrays": arrays,
        "one array": np.stack(arrays),
        "memory map": np.broadcast_to(np.stack(arrays), (5, 20, 24, 3)),  # read-only
        "tensors": tensors,
        "one tensor": torch.stack(tensors),
        "mixed": [arrays[0], paths[1], files[2], Image.fromarray(arrays[3]), tensors[4]],
        "Dataset": PhotoDataset(arrays),
        "Dataset of pairs": PhotoDataset(paths, targets=range(5)),
        "Dataset that opens": OpeningDataset(arrays),
        "TensorDataset": TensorDataset(torch.stack(tensors), torch.arange(5)),
    }
    for name, X in forms.items():
        np.testing.assert_array_equal(pixels(X), arrays, err_msg=name)
    for file in opened:
        file.close()
    in_archive.root.close()


def test_grey_is_spread_over_three_channels():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tensor = torch.from_numpy(grey)
    for X in ([grey], [tensor], [tensor[None]], tensor[None, None], [Image.fromarray(grey)]):
        np.testing.assert_array_equal(pixels(X)[0], np.stack([grey] * 3, axis=2))


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


def test_nothing_is_read_before_it_is_asked_for():
    asked = []

    class Recorder(Sequence):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            asked.append(index)
            return np.zeros((2, 2), np.uint8)

    photos = Photos(Recorder())
    assert asked == []
    photos.pixels(2)
    photos.digest(3)
    assert asked == [2, 3]


def test_files_stay_where_they_are(paths):
    with open(paths[0], "rb") as file:
        file.seek(7)
        photos = Photos([file])
        assert photos.digest(0) == Photos([paths[0]]).digest(0)
        photos.pixels(0)
        assert file.tell() == 7


@pytest.mark.parametrize("form", [lambda path: open(path, "rb"), Image.open])
def test_one_object_in_many_threads(form, arrays, paths):
    for array, path in zip(arrays, paths, strict=True):
        with form(path) as item:
            photos = Photos([item] * 16)
            barrier = threading.Barrier(8)

            def read(index, photos=photos, barrier=barrier):
                barrier.wait()
                return photos.pixels(index)

            with ThreadPoolExecutor(8) as pool:
                for own in pool.map(read, range(16)):
                    np.testing.assert_array_equal(own.permute(1, 2, 0), array)


def test_photos_pickle(arrays, paths):
    for X in (paths, arrays, [io.BytesIO(path.read_bytes()) for path in paths]):
        copy = pickle.loads(pickle.dumps(Photos(X, first=3)))
        np.testing.assert_array_equal(copy.pixels(4).permute(1, 2, 0), arrays[4])
        assert copy.digest(4) == Photos(X).digest(4)


# --- digests


def test_digest_is_that_of_the_content(arrays, paths, tmp_path):
    files = [path.read_bytes() for path in paths]
    moved = tmp_path / "moved.png"
    moved.write_bytes(files[0])
    as_files = Photos([moved, files[0], bytearray(files[0]), Member(moved), io.BytesIO(files[0])])
    digests = {as_files.digest(index) for index in range(len(as_files))}
    assert digests == {Photos(paths).digest(0)}
    tensor = torch.from_numpy(arrays[0]).permute(2, 0, 1)
    decoded = Photos([arrays[0], tensor, Image.fromarray(arrays[0]), Image.open(paths[0])])
    digests = {decoded.digest(index) for index in range(len(decoded))}
    assert digests == {Photos(np.stack(arrays)).digest(0)}
    assert all(len(digest) == 16 for digest in digests)


def test_other_photos_have_other_digests(arrays, paths):
    turned = Image.fromarray(arrays[0])
    turned.getexif()[0x0112] = 3
    zeros = np.zeros((4, 6, 3), np.uint8)
    # A file that holds the very bytes that are hashed of an array is another photo.
    photos = Photos([*arrays, *paths, turned, zeros, zeros.reshape(6, 4, 3), bytes(zeros)])
    assert len({photos.digest(index) for index in range(len(photos))}) == len(photos)


def test_digest_does_not_decode():
    assert len(Photos([b"not a photo"]).digest(0)) == 16
    with pytest.raises(UnreadablePhotoError, match="missing.jpg cannot be read, as there is no"):
        Photos(["missing.jpg"]).digest(0)


# --- what is refused


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("cat.jpg", r"X is a single path, 'cat.jpg': put it in a list"),
        (Image.new("RGB", (2, 2)), "X is a single photo: put it in a list"),
        (b"photo", "X is a single photo: put it in a list"),
        (bytearray(b"photo"), "X is a single photo: put it in a list"),
        (io.BytesIO(b"photo"), "X is a single photo: put it in a list"),
        (Member(None), "X is a single photo: put it in a list"),
        (np.zeros((2, 2, 3), np.uint8), r"X is a ndarray of shape \(2, 2, 3\) and dtype uint8"),
        (np.zeros((4, 3)), r"X is a ndarray of shape \(4, 3\) and dtype float64: X is a sequence"),
        (np.zeros((2, 8, 8, 3)), r"shape \(2, 8, 8, 3\) and dtype float64"),
        (pd.DataFrame({"a": [1.0]}), r"X is a DataFrame of shape \(1, 1\)"),
        (torch.zeros(2, 3, 8, 8), r"X is a Tensor of shape \(2, 3, 8, 8\) and dtype torch.float32"),
        ((path for path in ["a.jpg"]), "X is of type generator, which has no order or length"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"X is a Tensor of shape \(3, 8, 8\) and dtype"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), r"X is a Tensor of shape \(2, 8, 8, 3\)"),
        ({"a": "a.jpg"}, "X is of type dict"),
        ([[0.1, 0.2]], "Photo number 0 is of type list"),
        (
            [np.zeros((2, 2), np.uint8), np.zeros((2, 2))],
            r"Photo number 1 is an array of shape \(2, 2\) and dtype float64",
        ),
        ([np.zeros((2, 2, 4), np.uint8)], r"Photo number 0 is an array of shape \(2, 2, 4\)"),
        (
            [torch.zeros(8, 8, 3, dtype=torch.uint8)],
            r"Photo number 0 is a tensor of shape \(8, 8, 3\) and dtype torch.uint8: X is",
        ),
    ],
)
def test_other_forms_are_refused_at_once(X, message):
    with pytest.raises(TypeError, match=message):
        Photos(X)


def test_empty_x_is_refused():
    for X in ([], np.zeros((0, 8, 8, 3), np.uint8), PhotoDataset([])):
        with pytest.raises(ValueError, match="X is empty: give at least one photo"):
            Photos(X)


def test_other_tensors_in_a_dataset_are_refused():
    photos = Photos(TensorDataset(torch.zeros(2, 3, 8, 8)))
    with pytest.raises(TypeError, match="Photo number 1 is a tensor of shape .* torch.float32"):
        photos.pixels(1)


def test_unreadable_photos_are_named(paths, tmp_path):
    truncated, text, empty = (tmp_path / name for name in ("cut.png", "notes.jpg", "empty.jpg"))
    truncated.write_bytes(paths[0].read_bytes()[:200])
    text.write_text("not a photo")
    empty.touch()
    for path, reason in [
        (tmp_path / "missing.jpg", "there is no such file"),
        (tmp_path, "directory"),
        (text, "it is not an image"),
        (truncated, "truncated"),
        (empty, "it is empty"),
    ]:
        with pytest.raises(UnreadablePhotoError, match=f"{path}.* cannot be read, as .*{reason}"):
            Photos([path])[0]
    with pytest.raises(UnreadablePhotoError, match="archive/cut.png cannot be read, as .*truncat"):
        Photos([Member(truncated)]).pixels(0)
    with (
        open(truncated, "rb") as file,
        pytest.raises(UnreadablePhotoError, match=f"{truncated} cannot be read"),
    ):
        Photos([file]).pixels(0)
    with (
        Image.open(truncated) as opened,
        pytest.raises(UnreadablePhotoError, match="photo number 1 cannot be read"),
    ):
        Photos([paths[0], opened])[1]
    with pytest.raises(UnreadablePhotoError, match="photo number 101 cannot be read, as it is not"):
        Photos([paths[0], b"not a photo"], first=100).pixels(1)


def test_files_that_are_not_binary_or_closed(paths):
    with open(paths[0]) as text, tempfile.TemporaryFile("w+") as wrapped:
        for file in (text, wrapped, io.StringIO("photo")):
            with pytest.raises(UnreadablePhotoError, match="the file is open as text, not by 'rb'"):
                Photos([file]).pixels(0)
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(UnreadablePhotoError, match="photo number 0 cannot be read, as .*closed"):
        Photos([closed]).pixels(0)


def test_photo_without_pixels():
    with pytest.raises(UnreadablePhotoError, match="number 0 cannot be read, as it has no pixels"):
        Photos([np.zeros((0, 4, 3), np.uint8)]).pixels(0)


def test_too_many_pixels_are_named(paths, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnreadablePhotoError, match=f"{paths[0]} cannot be read, as .*480 pixels"):
        Photos(paths).pixels(0)


def test_failing_dataset_names_the_photo():
    class Broken(PhotoDataset):
        def __getitem__(self, index):
            raise self.targets

    for error, reason in [(OSError("disk on fire"), "disk on fire"), (MemoryError(), "MemoryErr")]:
        with pytest.raises(UnreadablePhotoError, match=f"number 3 cannot be read, as {reason}"):
            Photos(Broken(range(5), targets=error))[3]


# --- photos from an iterable


def test_chunks_are_numbered_on_and_taken_as_they_are_needed(arrays):
    taken = []

    def stream():
        for index, array in enumerate([*arrays, b"not a photo"]):
            taken.append(index)
            yield array

    chunks = chunks_of(stream(), 4)
    assert taken == []
    first = next(chunks)
    assert len(first) == 4 and taken == [0, 1, 2, 3]
    np.testing.assert_array_equal(first[3], arrays[3])
    (second,) = chunks
    with pytest.raises(UnreadablePhotoError, match="photo number 5 cannot be read"):
        second.pixels(1)
    assert list(chunks_of([], 4)) == []
    assert [len(chunk) for chunk in chunks_of(arrays[:4], 2)] == [2, 2]


def test_what_comes_before_a_failure_is_not_lost(arrays):
    def failing():
        yield from arrays[:3]
        raise OSError("disk on fire")

    for stream, error, message in [
        (failing(), OSError, "disk on fire"),
        ([*arrays[:3], 0.5], TypeError, "Photo number 3 is of type float"),
    ]:
        chunks = chunks_of(stream, 2)
        assert [len(next(chunks)), len(next(chunks))] == [2, 1]
        with pytest.raises(error, match=message):
            next(chunks)


def test_what_cannot_be_iterated_over_is_refused_at_once():
    for X, message in [
        ("cat.jpg", "X is a single path"),
        (io.BytesIO(), "single photo"),
        (3, "iterable"),
    ]:
        with pytest.raises(TypeError, match=message):
            chunks_of(X, 2)
