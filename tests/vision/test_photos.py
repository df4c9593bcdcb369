"""Photos in every form give the same pixels, and unreadable photos are named."""

import io
import struct
import threading
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from torch.utils.data import Dataset, TensorDataset

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._photos import (
    Photos,
    as_image,
    decode,
    image_pixels,
    photo_parts,
    read_pixels,
)


class PhotoDataset(Dataset):
    def __init__(self, photos, targets=None):
        self.photos = photos
        self.targets = targets

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, index):
        photo = self.photos[index]
        return photo if self.targets is None else (photo, self.targets[index])


class Member:
    """A member of an archive, which opens as a binary file."""

    def __init__(self, path):
        self.path = path

    def open(self, mode):
        assert mode == "rb"
        return open(self.path, mode)

    def __str__(self):
        return f"archive/{self.path.name}"


def as_array(pixels):
    return pixels.transpose(1, 2, 0)


def all_pixels(X):
    photos = Photos(X)
    return [as_array(photos.pixels(row)) for row in range(len(photos))]


def encode(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def decode_by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


# --- every form


def test_every_form_gives_the_same_pixels(arrays, paths, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for path in paths:
            file.write(path, path.name)
    in_archive = zipfile.Path(tmp_path / "photos.zip")
    data = [path.read_bytes() for path in paths]
    tensors = [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]
    opened = [open(path, "rb") for path in paths]
    forms = {
        "str": [str(path) for path in paths],
        "Path": paths,
        "tuple": tuple(paths),
        "array of str": np.array([str(path) for path in paths]),
        "column of str": np.array([[str(path)] for path in paths]),
        "Series": pd.Series(paths, index=[9, 8, 7, 6, 5]),
        "table": pd.DataFrame({"photo": [str(path) for path in paths]}, index=[9, 8, 7, 6, 5]),
        "members": [Member(path) for path in paths],
        "zipfile.Path": [in_archive / path.name for path in paths],
        "binary files": opened,
        "BytesIO": [io.BytesIO(item) for item in data],
        "bytes": data,
        "bytearray": [bytearray(item) for item in data],
        "memoryview": [memoryview(item) for item in data],
        "PIL": [Image.fromarray(array) for array in arrays],
        "lazy PIL": [Image.open(path) for path in paths],
        "arrays": arrays,
        "one array": np.stack(arrays),
        "read-only array": np.broadcast_to(np.stack(arrays), (5, 20, 24, 3)),
        "tensors": tensors,
        "one tensor": torch.stack(tensors),
        "mixed": [arrays[0], paths[1], data[2], Image.fromarray(arrays[3]), tensors[4]],
        "Dataset": PhotoDataset(arrays),
        "Dataset of pairs": PhotoDataset(paths, targets=range(5)),
        "TensorDataset": TensorDataset(torch.stack(tensors), torch.arange(5)),
        # scikit-learn splits a Dataset of pairs into lists of pairs.
        "pairs": list(zip(paths, range(5), strict=True)),
    }
    for name, X in forms.items():
        np.testing.assert_array_equal(all_pixels(X), arrays, err_msg=name)
    for file in opened:
        file.close()
    in_archive.root.close()


def test_polars_series_and_tables_are_accepted(arrays, paths):
    pl = pytest.importorskip("polars")
    names = [str(path) for path in paths]
    for X in (pl.Series(names), pl.DataFrame({"photo": names})):
        np.testing.assert_array_equal(all_pixels(X), arrays)


class HuggingFaceDataset:
    """A Dataset of Hugging Face has the rows of a table, and its columns by name."""

    def __init__(self, **columns):
        self.columns = columns
        self.column_names = list(columns)
        self.shape = len(self), len(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name):
        return self.columns[name]


def test_datasets_of_hugging_face_need_one_column(arrays, paths):
    np.testing.assert_array_equal(all_pixels(HuggingFaceDataset(image=paths)), arrays)
    with pytest.raises(TypeError, match="2 columns"):
        Photos(HuggingFaceDataset(image=paths, label=range(5)))


def test_columns_and_tables_of_pyarrow_are_accepted(arrays, paths):
    pa = pytest.importorskip("pyarrow")
    names = pa.array(map(str, paths))
    for X in (names, pa.chunked_array([names]), pa.table({"photo": names})):
        np.testing.assert_array_equal(all_pixels(X), arrays)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
def test_missing_entries_are_unreadable_photos(paths, missing):
    photos = Photos(pd.Series([str(paths[0]), missing], dtype=object))
    assert photos.pixels(0).shape[0] == 3
    for read in (photos.pixels, photos.read):
        with pytest.raises(UnreadablePhotoError, match=f"index 1.*{missing!r}"):
            read(1)


def test_a_url_is_named_as_one():
    with pytest.raises(UnreadablePhotoError, match="s3://photos/cat.jpg.*URL"):
        Photos(["s3://photos/cat.jpg"]).pixels(0)


def test_a_folder_is_named_as_one(tmp_path):
    with pytest.raises(TypeError, match=f"folder {tmp_path}"):
        Photos(tmp_path)


def test_values_of_other_types_are_scaled_to_8_bits():
    levels = np.array([[[0, 100, 255], [7, 8, 9]]], dtype=np.uint8)
    half = np.array([[[False, True, True], [True, False, False]]])
    for array, expected in [
        (levels.astype(np.uint16) * 257, levels),
        ((levels.astype(np.uint16) * 257).astype(">u2"), levels),
        (levels.astype(np.float32) / 255, levels),
        (levels / 255, levels),
        (half, 255 * half.astype(np.uint8)),
        (half.astype(np.float16), 255 * half.astype(np.uint8)),
    ]:
        for X in ([array], array[None]):
            np.testing.assert_array_equal(all_pixels(X)[0], expected)
        if array.dtype.isnative:
            tensor = torch.from_numpy(array).permute(2, 0, 1)
            for X in ([tensor], tensor[None], TensorDataset(tensor[None])):
                np.testing.assert_array_equal(all_pixels(X)[0], expected)
        np.testing.assert_array_equal(all_pixels([array[:, :, 0]])[0][..., 2], expected[..., 0])


def test_a_large_array_is_converted_in_bands():
    # 2,000 x 1,500 pixels make three bands. Rounding is to the nearest level: 128 / 257 < 0.5.
    array = np.arange(3_000_000).reshape(2_000, 1_500) % 65_536
    expected = np.rint(array / 257).astype(np.uint8)
    deep = array.astype(np.uint16)
    for photo in (deep, Image.fromarray(deep), encode(Image.fromarray(deep), "PNG")):
        np.testing.assert_array_equal(all_pixels([photo])[0][..., 1], expected)
    rgb = np.stack([array, array // 3, array // 7], axis=2).astype(np.uint8)
    for mode in ("RGB", "P", "CMYK", "YCbCr"):
        image = Image.fromarray(rgb).convert(mode)
        np.testing.assert_array_equal(all_pixels([image])[0], np.asarray(image.convert("RGB")))


def test_transparency_is_dropped_in_every_form():
    array = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    image, tensor = Image.fromarray(array), torch.from_numpy(array).permute(2, 0, 1)
    for photo in (array, array / 255, tensor, image, encode(image, "PNG"), encode(image, "TIFF")):
        np.testing.assert_array_equal(all_pixels([photo])[0], array[:, :, :3])


@pytest.mark.parametrize(
    ("photo", "values"),
    [
        (np.full((2, 2, 3), 200.0), "200"),
        (np.array([[-0.5, 1.0]]), "-0.5"),
        (np.array([[np.nan, 1.0]]), "nan"),
        (torch.full((3, 2, 2), 2.5), r"2\.5"),
        (Image.fromarray(np.array([[0, 200]], dtype=np.float32)), "200"),
        (encode(Image.fromarray(np.array([[0, 9]], dtype=np.float32)), "TIFF"), "0 to 9"),
        (Image.new("L", (2, 2), 200).convert("I"), "200"),
        (Image.fromarray(np.array([[0, 65_536]], dtype=np.int32)), "65536"),
        (Image.fromarray(np.array([[-1, 300]], dtype=np.int32)), "-1"),
        (Image.new("RGB", (0, 5)), "no pixels"),
    ],
)
def test_values_with_an_unknown_scale_are_refused(photo, values):
    with pytest.raises(UnreadablePhotoError, match=f"index 0.*{values}"):
        Photos([photo]).pixels(0)


@pytest.mark.parametrize("top", [0, 200, 65_535])
def test_16_bit_grey_of_a_known_depth_is_scaled(top):
    # Pillow reads a PPM file with 16 bits in mode "I". 200 / 257 rounds to 1.
    data = b"P5 2 1 65535\n" + np.array([0, top], dtype=">u2").tobytes()
    assert Image.open(io.BytesIO(data)).mode in ("I", "I;16")
    assert decode(data)[0].tolist() == [[0, round(top / 257)]]


def test_grey_photos_get_three_channels():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tensor = torch.from_numpy(grey)
    for X in ([grey], [tensor], [tensor[None]], tensor[None, None], [Image.fromarray(grey)]):
        np.testing.assert_array_equal(all_pixels(X)[0], np.stack([grey] * 3, axis=2))


def test_exif_orientation_is_applied_to_files_and_images(tmp_path):
    photo = Image.new("RGB", (6, 4), "black")
    photo.paste("white", (0, 0, 3, 4))
    exif = photo.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    photo.save(tmp_path / "turned.png", exif=exif)
    for X in ([tmp_path / "turned.png"], [Image.open(tmp_path / "turned.png")]):
        upright = all_pixels(X)[0]
        assert upright.shape == (6, 4, 3)
        assert np.all(upright[:3] == 255) and np.all(upright[3:] == 0)


def test_slices_keep_the_indices_of_photos(arrays):
    part = Photos([*arrays, b"not a photo"], first_index=100)[2:]
    assert len(part) == 4
    np.testing.assert_array_equal(as_array(part.pixels(0)), arrays[2])
    with pytest.raises(UnreadablePhotoError, match="index 105"):
        part.pixels(3)


def test_open_files_keep_their_position(paths):
    with open(paths[0], "rb") as file:
        file.seek(7)
        Photos([file]).pixels(0)
        assert file.tell() == 7


@pytest.mark.parametrize("open_photo", [lambda path: open(path, "rb"), Image.open])
def test_many_threads_can_read_the_same_object(open_photo, arrays, paths):
    for array, path in zip(arrays, paths, strict=True):
        with open_photo(path) as photo, ThreadPoolExecutor(8) as pool:
            photos, barrier = Photos([photo] * 16), threading.Barrier(8)

            def read(row, photos=photos, barrier=barrier):
                barrier.wait()
                return photos.pixels(row)

            for pixels in pool.map(read, range(16)):
                np.testing.assert_array_equal(as_array(pixels), array)


def test_tensors_on_a_device_are_read(device):
    tensor = torch.arange(36, dtype=torch.uint8, device=device).reshape(3, 3, 4)
    assert np.array_equal(read_pixels(tensor), tensor.cpu())


# --- hashes


def test_hash_depends_on_the_content_only(arrays, paths, tmp_path):
    data = paths[0].read_bytes()
    (tmp_path / "moved.png").write_bytes(data)
    files = [tmp_path / "moved.png", data, bytearray(data), Member(paths[0]), io.BytesIO(data)]
    photos = Photos([paths[0], *files])
    assert len({photos.read(row).content_hash() for row in range(len(photos))}) == 1
    tensor = torch.from_numpy(arrays[0]).permute(2, 0, 1)
    photos = Photos([arrays[0], tensor, Image.fromarray(arrays[0]), Image.open(paths[0])])
    assert len({photos.read(row).content_hash() for row in range(len(photos))}) == 1


def test_different_photos_have_different_hashes(arrays, paths):
    turned = Image.fromarray(arrays[0])
    turned.getexif()[0x0112] = 3
    zeros = np.zeros((4, 6, 3), np.uint8)
    photos = Photos([*arrays, *paths, turned, zeros, zeros.reshape(6, 4, 3), bytes(zeros)])
    assert len({photos.read(row).content_hash() for row in range(len(photos))}) == len(photos)


def test_hash_of_a_file_does_not_decode_it():
    Photos([b"not a photo"]).read(0).content_hash()
    with pytest.raises(UnreadablePhotoError, match="missing.jpg"):
        Photos(["missing.jpg"]).read(0).content_hash()


# --- errors


@pytest.mark.parametrize("use", [Photos, lambda X: next(photo_parts(X, 2))])
@pytest.mark.parametrize(
    "X",
    [
        "cat.jpg",
        Path("cat.jpg"),
        Image.new("RGB", (2, 2)),
        b"photo",
        bytearray(b"x"),
        io.BytesIO(b"photo"),
        Member(None),
    ],
    ids=lambda X: type(X).__name__,
)
def test_single_photos_are_refused(X, use):
    with pytest.raises(TypeError, match="list"):
        use(X)


@pytest.mark.parametrize(
    ("X", "value"),
    [
        (np.zeros((2, 2, 3), np.uint8), r"\(2, 2, 3\).*\[photo\]"),
        (np.zeros((2, 2), np.uint8), r"\(2, 2\).*\[photo\]"),
        (np.zeros((4, 3)), "float64"),
        (np.zeros((2, 8, 8, 3), int), "int64"),
        (np.zeros((2, 3, 8, 8), np.uint8), "from axis 0 to axis 2"),
        (np.zeros((2, 8, 8)), r"\(2, 8, 8\)"),
        (pd.DataFrame({"a": [1.0]}), r"\(1, 1\)"),
        (pd.DataFrame({"a": ["cat.jpg"], "b": ["dog.jpg"]}), "table of 2 columns"),
        ({"a.jpg"}, "set"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int32), "int32"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"\(3, 8, 8\).*\[photo\]"),
        (np.zeros((8, 8, 3)), r"\[photo\]"),
        ((path for path in ["a.jpg"]), "generator"),
        ({"a": "a.jpg"}, "dict"),
        ([[0.1, 0.2]], "index 0 .*list"),
        ([np.zeros((2, 2), np.uint8), np.zeros((2, 2), complex)], "index 1 .*complex128"),
        ([np.zeros((2, 2, 5), np.uint8)], r"index 0 .*\(2, 2, 5\)"),
        ([np.zeros((0, 2, 3), np.uint8)], r"index 0 .*\(0, 2, 3\)"),
        ([torch.zeros(3, 8, 0)], r"index 0 .*\(3, 8, 0\)"),
        (np.zeros((2, 0, 8, 3), np.uint8), r"index 0 .*\(0, 8, 3\)"),
        ([np.zeros((3, 8, 8))], "from axis 0 to axis 2"),
        ([torch.zeros(8, 8, 3, dtype=torch.uint8)], "from axis 2 to axis 0"),
        ([np.float32(3)], "index 0 .*float32"),
        ([np.zeros(12, np.uint8)], r"\(12,\)"),
    ],
)
def test_other_forms_are_refused_at_once(X, value):
    with pytest.raises(TypeError, match=value):
        Photos(X)


def test_empty_x_is_refused():
    for X in ([], np.zeros((0, 8, 8, 3), np.uint8), PhotoDataset([])):
        with pytest.raises(ValueError, match="empty"):
            Photos(X)


def test_wrong_photos_in_a_dataset_are_refused_when_read():
    photos = Photos(TensorDataset(torch.zeros(2, 3, 8, 8, dtype=torch.int64)))
    with pytest.raises(TypeError, match="index 1 .*int64"):
        photos.pixels(1)


def test_named_pipes_are_unreadable(make_pipe, tmp_path):
    make_pipe(tmp_path / "pipe.png")
    for read in (Photos([tmp_path / "pipe.png"]).pixels, Photos(["/dev/zero"]).read):
        with pytest.raises(UnreadablePhotoError, match=r"pipe\.png|zero"):
            read(0)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="Linux makes such files")
def test_a_file_of_unknown_size_is_read_whole():
    assert Path("/proc/version").stat().st_size == 0
    assert Photos(["/proc/version"]).read(0).data == Path("/proc/version").read_bytes()


def test_unreadable_files_are_named(paths, tmp_path):
    for name, data in [("cut.png", paths[0].read_bytes()[:200]), ("a.jpg", b"text"), ("b", b"")]:
        path = tmp_path / name
        path.write_bytes(data)
        for photo in (path, str(path)):
            with pytest.raises(UnreadablePhotoError, match=str(path)):
                Photos([photo]).pixels(0)
        with open(path, "rb") as file, pytest.raises(UnreadablePhotoError, match=str(path)):
            Photos([file]).pixels(0)
        with pytest.raises(UnreadablePhotoError, match=f"archive/{name}"):
            Photos([Member(path)]).pixels(0)
    for path in (tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(UnreadablePhotoError, match=str(path)):
            Photos([path]).pixels(0)


def test_files_that_are_too_large_are_unreadable(tmp_path):
    path = tmp_path / "large.jpg"
    with open(path, "wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(UnreadablePhotoError, match=f"large.*{2**28} bytes"):
        Photos([path]).read(0)


def test_unreadable_photos_without_a_name_are_numbered(paths):
    class Broken(PhotoDataset):
        def __getitem__(self, index):
            raise OSError("disk on fire")

    closed = io.BytesIO()
    closed.close()
    for X in ([paths[0], b"text"], [paths[0], closed], [paths[0], io.StringIO("text")]):
        with pytest.raises(UnreadablePhotoError, match="index 1"):
            Photos(X).pixels(1)
    with pytest.raises(UnreadablePhotoError, match="index 3 .*disk on fire"):
        Photos(Broken(range(5))).pixels(3)


def test_decompression_bombs_are_refused(paths, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses twice as many.
    with pytest.raises(UnreadablePhotoError, match="480 pixels"):
        Photos(paths).pixels(0)
    with pytest.raises(UnreadablePhotoError, match="1887 pixels"):
        Photos([JPEGS["4:2:0"]]).pixels(0)


# --- files

# This photo is smooth and has edges, so its JPEG uses most features of the format.
_ROWS, _COLUMNS = np.mgrid[:37, :51]
PHOTO = Image.fromarray(
    np.stack([5 * _ROWS, 5 * _COLUMNS, 255 * (_ROWS > _COLUMNS)], axis=2).astype(np.uint8)
)


def with_late_orientation(jpeg):
    """Insert an orientation right before the pixels of a JPEG, where few programs write it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = exif.tobytes()
    place = jpeg.index(b"\xff\xda")
    segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content
    return jpeg[:place] + segment + jpeg[place:]


JPEGS = {
    "4:2:0": encode(PHOTO, "JPEG", subsampling="4:2:0"),
    "4:2:2": encode(PHOTO, "JPEG", subsampling="4:2:2"),
    "4:4:4": encode(PHOTO, "JPEG", subsampling="4:4:4", quality=95),
    "progressive": encode(PHOTO, "JPEG", progressive=True),
    "stored as RGB": encode(PHOTO, "JPEG", keep_rgb=True),
    "grey": encode(PHOTO.convert("L"), "JPEG"),
    "CMYK": encode(PHOTO.convert("CMYK"), "JPEG"),
    "restarts": encode(PHOTO, "JPEG", restart_marker_blocks=2),
    "several": encode(PHOTO, "MPO", save_all=True, append_images=[ImageOps.mirror(PHOTO)]),
    "late orientation": with_late_orientation(encode(PHOTO, "JPEG")),
    "garbage in EXIF": encode(PHOTO, "JPEG", exif=b"Exif\0\0garbage"),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpegs_have_the_pixels_of_pillow(name):
    expected = decode_by_pillow(JPEGS[name])
    assert expected.shape == ((51, 37, 3) if name == "late orientation" else (37, 51, 3))
    np.testing.assert_array_equal(as_array(decode(JPEGS[name])), expected)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(JPEGS)),
    damage=st.sampled_from(["cut", "overwrite", "insert", "delete"]),
    place=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=20),
)
def test_damaged_jpegs_are_refused_if_pillow_refuses_them(name, damage, place, junk):
    whole = JPEGS[name]
    start = int(place * len(whole))
    rest = {
        "cut": b"",
        "overwrite": junk + whole[start + len(junk) :],
        "insert": junk + whole[start:],
        "delete": whole[start + len(junk) :],
    }[damage]
    data = whole[:start] + rest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = decode_by_pillow(data)
        except Exception:
            with pytest.raises(Exception):  # noqa: B017  (Pillow raises many types)
                decode(data)
        else:
            np.testing.assert_array_equal(as_array(decode(data)), expected)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_lossless_formats_keep_every_pixel(format):
    options = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(as_array(decode(encode(PHOTO, format, **options))), PHOTO)


def test_only_the_first_frame_is_decoded():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("white", "black")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).min() == 255


# The operation that makes a photo upright, by its orientation (EXIF 2.3, section 4.6.4).
TURNS = [
    lambda a: a,
    lambda a: a[:, ::-1],
    lambda a: a[::-1, ::-1],
    lambda a: a[::-1],
    lambda a: a.swapaxes(0, 1),
    lambda a: a.swapaxes(0, 1)[:, ::-1],
    lambda a: a[::-1, ::-1].swapaxes(0, 1),
    lambda a: a.swapaxes(0, 1)[::-1],
]
Image.init()
FORMATS = [name for name in ("JPEG", "MPO", "PNG", "TIFF", "WEBP", "AVIF") if name in Image.SAVE]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(format, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    if format == "AVIF":
        options = {"quality": 100, "subsampling": "4:4:4"}
    data = encode(PHOTO, format, exif=exif, **options)
    with Image.open(io.BytesIO(encode(PHOTO, format, **options))) as image:
        expected = TURNS[orientation - 1](np.asarray(image.convert("RGB")))
    path = tmp_path / "photo"
    path.write_bytes(data)
    loaded, inspected = Image.open(path), Image.open(path)
    loaded.load()
    inspected.getexif().get(0x0112)
    for photo in (data, path, Image.open(path), loaded, inspected, Image.open(path).copy()):
        np.testing.assert_array_equal(all_pixels([photo])[0], expected)
    np.testing.assert_array_equal(decode_by_pillow(data), expected)
    for photo in (data, loaded):
        content = Photos([photo]).read(0)
        np.testing.assert_array_equal(as_array(content.pixels()), expected)
        assert content.content_hash() == Photos([photo]).read(0).content_hash()


def exif_of(*entries):
    """Return EXIF data with entries (tag, type, value of 4 bytes), each with one value."""
    entries = [struct.pack("<HHI4s", tag, type_, 1, value) for tag, type_, value in entries]
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4)


QUARTER_TURN = (0x0112, 3, b"\6\0\0\0")  # type 3 holds unsigned integers of 2 bytes
DAMAGED_EXIF = {
    "no header": (b"Exif\0\0garbage", 1),
    "ends early": (b"Exif\0\0II*\0", 1),
    "negative width": (exif_of((0x0100, 9, struct.pack("<i", -5)), QUARTER_TURN), 6),
    "width is text": (exif_of((0x0100, 2, b"abc\0"), QUARTER_TURN), 6),
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("damage", DAMAGED_EXIF)
def test_photos_with_damaged_metadata_are_read(damage, format):
    exif, orientation = DAMAGED_EXIF[damage]
    options = {"lossless": True} if format == "WEBP" else {}
    with Image.open(io.BytesIO(encode(PHOTO, format, **options))) as image:
        expected = TURNS[orientation - 1](np.asarray(image.convert("RGB")))
    data = encode(PHOTO, format, exif=exif, **options)
    for photo in (data, Image.open(io.BytesIO(data))):
        np.testing.assert_array_equal(all_pixels([photo])[0], expected)


# --- modes of images


@pytest.mark.parametrize(
    "mode",
    "1 L LA La P PA RGB RGBA RGBa RGBX CMYK YCbCr HSV I F".split(),
)
def test_white_is_white_in_every_mode(mode):
    white = Image.new("RGB", (4, 3), "white")
    through = {"LA": "L", "La": "LA", "PA": "P", "F": "L", "RGBa": "RGBA"}.get(mode, "RGB")
    white = white.convert(through).convert(mode)
    if mode in ("I", "F"):
        white = white.point(lambda level: level * (257 if mode == "I" else 1 / 255))
    assert image_pixels(white).shape == (3, 3, 4)
    assert (image_pixels(white) == 255).all()


def test_lab_is_converted_to_rgb():
    red = Image.new("RGB", (1, 1), (200, 30, 60))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    # L, a and b have 8 bits each, so a level or two are lost.
    np.testing.assert_allclose(image_pixels(lab).flatten(), [200, 30, 60], atol=2)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_16_bit_grey_is_scaled(dtype):
    # 65535 / 257 = 255 and 25700 / 257 = 100
    deep = Image.fromarray(np.array([[0, 25_700, 65_535]], dtype=dtype))
    assert image_pixels(deep).tolist() == [[[0, 100, 255]]] * 3


def test_16_bit_files_are_scaled():
    deep = Image.fromarray(np.array([[0, 25_700, 65_535]], dtype=np.uint16))
    for format in ("PNG", "TIFF"):
        assert decode(encode(deep, format))[0].tolist() == [[0, 100, 255]]


def test_float_grey_from_0_to_1_is_scaled():
    # 0.4 * 255 = 102
    grey = Image.fromarray(np.array([[0, 0.4, 1]], dtype=np.float32))
    for photo in (grey, encode(grey, "TIFF"), np.asarray(grey)):
        assert Photos([photo]).pixels(0)[0].tolist() == [[0, 102, 255]]


def test_palettes_with_transparency_keep_their_colours():
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    data = encode(palette, "PNG", transparency=b"\xff\x80")
    assert decode(data)[:, 0, 0].tolist() == [10, 20, 30]


def test_pixels_convert_to_an_image_and_back():
    assert as_image(image_pixels(PHOTO)).tobytes() == PHOTO.tobytes()
