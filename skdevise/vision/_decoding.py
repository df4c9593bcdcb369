"""Files, images and arrays to pixels: uint8 tensors, upright and in RGB."""

import io

import numpy as np
import torch
import torchvision.io  # registers the JPEG operator, where the build has it
from PIL import ExifTags, Image

_RGB = torchvision.io.ImageReadMode.RGB.value

# How to turn a photo so that it is seen as its EXIF orientation says.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data):
    """Decode a photo's file.

    Pillow reads the header of every file, and the pixels of all but grey and colour JPEGs. These go
    through torchvision, whose decoder takes two thirds of the time: both are built on
    libjpeg-turbo, and gave the same pixels for each of 4,969 photos of Caltech-101 and ImageNet.
    What torchvision refuses is left to Pillow to judge.

    Parameters
    ----------
    data : bytes
        What is in the file.

    Returns
    -------
    Tensor of shape (3, H, W), uint8
        The channels of a pixel lie side by side in memory. Of several frames, the first.

    Raises
    ------
    Exception
        Whatever Pillow raises of a file that is no image, or is damaged or truncated;
        `ValueError` if it is empty or has more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.new("CMYK", (4, 2), "white").save(file, "JPEG")
    >>> decode(file.getvalue()).shape
    torch.Size([3, 2, 4])
    """
    if not data:
        raise ValueError("it is empty")
    with Image.open(io.BytesIO(data)) as image:
        # Before anything is decoded. Pillow itself warns up to twice as many.
        limit = Image.MAX_IMAGE_PIXELS
        n_pixels = image.width * image.height
        if limit is not None and n_pixels > limit:
            raise ValueError(
                f"it has {n_pixels} pixels, and PIL.Image.MAX_IMAGE_PIXELS allows {limit}"
            )
        pixels = _decode_jpeg(data) if _is_plain_jpeg(image) else None
        if pixels is None:
            return image_pixels(image)
        turn = _turn(image)
        return pixels if turn is None else image_pixels(as_image(pixels).transpose(turn))


def image_pixels(image):
    """Give the pixels of a PIL image of any mode.

    Transparency is dropped. Grey of 16 bits is scaled to 8; of 32 bits it is taken for such, and
    floating-point grey for 0 to 255, and cut there.

    Parameters
    ----------
    image : PIL.Image.Image

    Returns
    -------
    Tensor of shape (3, H, W), uint8

    Examples
    --------
    >>> image_pixels(Image.new("HSV", (1, 1), "red")).flatten()
    tensor([255,   0,   0], dtype=torch.uint8)
    """
    turn = _turn(image)
    if turn is not None:
        image = image.transpose(turn)
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow would clip it at 255 instead of scaling it.
        grey = np.asarray(image).astype(np.float64) / 257
        return array_pixels(grey.round().clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:
        # Pillow warns when a palette's transparency is thrown away in one step.
        image = image.convert("RGBA")
    return array_pixels(np.array(image.convert("RGB")))


def array_pixels(array):
    """Give the pixels of an array.

    Parameters
    ----------
    array : ndarray of shape (H, W, 3) or (H, W), uint8

    Returns
    -------
    Tensor of shape (3, H, W), uint8
        It may share the memory of `array`: it is not to be written to.

    Examples
    --------
    >>> array_pixels(np.array([[1, 2]], dtype=np.uint8)).tolist()
    [[[1, 2]], [[1, 2]], [[1, 2]]]
    """
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    # torch warns of memory that it must not write to, such as that of a memory map.
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).permute(2, 0, 1)


def tensor_pixels(tensor):
    """Give the pixels of a tensor.

    Parameters
    ----------
    tensor : Tensor of shape (3, H, W), (1, H, W) or (H, W), uint8
        On any device.

    Returns
    -------
    Tensor of shape (3, H, W), uint8
        On the CPU, with the channels of a pixel side by side. It may share the memory of `tensor`.

    Examples
    --------
    >>> tensor_pixels(torch.zeros(1, 2, 4, dtype=torch.uint8)).shape
    torch.Size([3, 2, 4])
    """
    array = tensor.numpy(force=True)
    if array.ndim == 3:
        array = array[0] if len(array) == 1 else array.transpose(1, 2, 0)
    return array_pixels(array)


def as_image(pixels):
    """Make a PIL image of pixels.

    Parameters
    ----------
    pixels : Tensor of shape (3, H, W), uint8

    Returns
    -------
    PIL.Image.Image
        In RGB.

    Examples
    --------
    >>> as_image(torch.zeros(3, 2, 4, dtype=torch.uint8)).size
    (4, 2)
    """
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _is_plain_jpeg(image):
    """Whether both decoders give the same pixels; an MPO is a JPEG with further ones behind it."""
    return image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L")


def _decode_jpeg(data):
    """Decode a JPEG by torchvision, as its header has it; None if it cannot."""
    try:
        # The operator itself: the function around it warns that torchvision will give it up.
        operator = torch.ops.image.decode_jpeg
        return operator(torch.frombuffer(bytearray(data), dtype=torch.uint8), _RGB, False)
    except (AttributeError, RuntimeError):  # there is none any more, or it refuses the file
        return None


def _turn(image):
    return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
