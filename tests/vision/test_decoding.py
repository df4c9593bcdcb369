import io
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from skdevise.vision import _decoding as decoding
from skdevise.vision._decoding import array_pixels, as_image, decode, image_pixels, tensor_pixels

# Smooth and with edges, so that a JPEG of it uses what the format has.
_ROWS, _COLUMNS = np.mgrid[:37, :51]
PHOTO = Image.fromarray(
    np.stack([5 * _ROWS, 5 * _COLUMNS, 255 * (_ROWS > _COLUMNS)], axis=2).astype(np.uint8)
)


def encode(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def by_pillow(data):
    """The pixels by Pillow alone."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def as_array(pixels):
    return pixels.permute(1, 2, 0).numpy()


JPEGS = {
    "4:2:0": encode(PHOTO, "JPEG", subsampling="4:2:0"),
    "4:2:2": encode(PHOTO, "JPEG", subsampling="4:2:2"),
    "4:4:4": encode(PHOTO, "JPEG", subsampling="4:4:4", quality=95),
    "progressive": encode(PHOTO, "JPEG", progressive=True),
    "stored as RGB": encode(PHOTO, "JPEG", keep_rgb=True),
    "grey": encode(PHOTO.convert("L"), "JPEG"),
    "restarts": encode(PHOTO, "JPEG", restart_marker_blocks=2),
    "several": encode(PHOTO, "MPO", save_all=True, append_images=[ImageOps.mirror(PHOTO)]),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_jpeg_has_the_pixels_that_pillow_gives(kind, monkeypatch):
    # None of these is left to Pillow: it would give the same, but slower.
    monkeypatch.setattr(decoding, "image_pixels", None)
    np.testing.assert_array_equal(as_array(decode(JPEGS[kind])), by_pillow(JPEGS[kind]))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_jpeg_of_another_mode(mode):
    data = encode(PHOTO.convert(mode), "JPEG")
    np.testing.assert_array_equal(as_array(decode(data)), by_pillow(data))


@pytest.mark.parametrize("kind", JPEGS)
def test_jpeg_without_torchvisions_decoder(kind, monkeypatch):
    expected = decode(JPEGS[kind])
    monkeypatch.setattr(torch.ops, "image", object())
    assert torch.equal(decode(JPEGS[kind]), expected)


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("BMP", {}), ("PPM", {})],
)
def test_formats_that_lose_nothing(format, options):
    np.testing.assert_array_equal(as_array(decode(encode(PHOTO, format, **options))), PHOTO)


def test_the_first_frame_counts():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("white", "black")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).min() == 255


@pytest.mark.parametrize("format", ["JPEG", "PNG", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(PHOTO, format, exif=exif)
    np.testing.assert_array_equal(as_array(decode(data)), by_pillow(data))
    height, width = decode(data).shape[1:]
    assert (width, height) == (PHOTO.size if orientation < 5 else PHOTO.size[::-1])


def test_exif_that_makes_no_sense_is_passed_over():
    for exif in (b"Exif\0\0garbage", b"garbage"):
        data = encode(PHOTO, "JPEG", exif=exif)
        np.testing.assert_array_equal(as_array(decode(data)), by_pillow(data))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(JPEGS)),
    damage=st.sampled_from(["cut", "overwrite", "insert", "delete"]),
    place=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=20),
)
def test_damaged_jpeg_is_refused_where_pillow_refuses_it(kind, damage, place, junk):
    whole = JPEGS[kind]
    at = int(place * len(whole))
    after = {
        "cut": b"",
        "overwrite": junk + whole[at + len(junk) :],
        "insert": junk + whole[at:],
        "delete": whole[at + len(junk) :],
    }[damage]
    data = whole[:at] + after
    try:
        expected = by_pillow(data)
    except Exception:
        with pytest.raises(Exception):  # noqa: B017  (Pillow raises all kinds)
            decode(data)
    else:
        np.testing.assert_array_equal(as_array(decode(data)), expected)


def test_jpeg_that_breaks_off_is_refused():
    # libjpeg would fill the rest with grey.
    for kind, data in JPEGS.items():
        end = len(data) // 3 if kind == "several" else len(data) - 40
        with pytest.raises(OSError, match="(?i)truncated"):
            decode(data[:end])


def test_empty_file_is_refused():
    with pytest.raises(ValueError, match="it is empty"):
        decode(b"")


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_more_pixels_than_pillow_allows(format, monkeypatch):
    data = encode(PHOTO, format)
    n_pixels = 37 * 51
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", n_pixels)
    decode(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", n_pixels - 1)
    monkeypatch.setattr(decoding, "_decode_jpeg", None)  # nothing is decoded any more
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # here Pillow alone would only warn
        with pytest.raises(ValueError, match="it has 1887 pixels, and PIL.Image.MAX_IMAGE_PIXELS"):
            decode(data)
    with pytest.raises(Image.DecompressionBombWarning, match="1887 pixels"):
        decode(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", n_pixels // 3)
    with pytest.raises(Image.DecompressionBombError, match="1887 pixels"):
        decode(data)


def test_pillows_limit_can_be_lifted(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode(JPEGS["4:2:0"]).shape == (3, 37, 51)


# --- images of any mode

MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_white_of_any_mode_is_white(mode):
    white = Image.new("RGB", (4, 3), "white")
    through = {"LA": "L", "PA": "P", "F": "L"}.get(mode, "RGB")
    white = white.convert(through).convert(mode)
    if mode == "I":
        white = white.point(lambda level: level * 257)
    assert image_pixels(white).shape == (3, 3, 4)
    assert torch.all(image_pixels(white) == 255)


def test_lab_is_converted_by_its_meaning():
    red = Image.new("RGB", (1, 1), (200, 30, 60))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    # L, a and b have 8 bits each: a level or two are lost.
    np.testing.assert_allclose(image_pixels(lab).flatten(), [200, 30, 60], atol=2)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_16_bit_grey_is_scaled_not_clipped(dtype):
    # 65535 / 257 = 255, 257 * 100 = 25700
    deep = Image.fromarray(np.array([[0, 25_700, 65_535]], dtype=dtype))
    assert deep.mode.startswith("I")
    assert image_pixels(deep).tolist() == [[[0, 100, 255]]] * 3


def test_16_bit_files():
    deep = Image.fromarray(np.array([[0, 25_700, 65_535]], dtype=np.uint16))
    for format in ("PNG", "TIFF"):
        assert decode(encode(deep, format))[0].tolist() == [[0, 100, 255]]


def test_floating_point_grey_is_cut_at_0_and_255():
    grey = Image.fromarray(np.array([[-3, 0.4, 127, 300]], dtype=np.float32))
    assert image_pixels(grey)[0].tolist() == [[0, 0, 127, 255]]


def test_palette_with_transparency():
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    data = encode(palette, "PNG", transparency=b"\xff\x80")
    assert decode(data)[:, 0, 0].tolist() == [10, 20, 30]
    with Image.open(io.BytesIO(data)) as image:
        assert image_pixels(image)[:, 0, 0].tolist() == [10, 20, 30]


def test_turned_image_of_any_mode():
    for mode in ("L", "P", "I;16", "CMYK"):
        image = Image.new(mode, (4, 3))
        image.getexif()[0x0112] = 6
        assert image_pixels(image).shape == (3, 4, 3)


# --- arrays and tensors


def test_arrays_that_must_not_be_written_to():
    array = np.asarray(PHOTO)
    assert not array.flags.writeable
    for own in (array, array[::2, ::-1]):
        np.testing.assert_array_equal(as_array(array_pixels(own)), own)


def test_tensors_of_each_shape():
    grey = torch.arange(12, dtype=torch.uint8).reshape(3, 4)
    for tensor in (grey, grey[None], grey.expand(3, 3, 4)):
        assert torch.equal(tensor_pixels(tensor), grey.expand(3, 3, 4))
    colour = torch.arange(36, dtype=torch.uint8).reshape(3, 3, 4)
    assert torch.equal(tensor_pixels(colour), colour)


def test_channels_lie_side_by_side():
    planar = torch.zeros(3, 5, 4, dtype=torch.uint8)
    for pixels in (decode(JPEGS["grey"]), image_pixels(PHOTO), tensor_pixels(planar)):
        assert pixels.stride(0) == 1 and pixels.stride(2) == 3


def test_pixels_make_an_image():
    assert as_image(image_pixels(PHOTO)).tobytes() == PHOTO.tobytes()
