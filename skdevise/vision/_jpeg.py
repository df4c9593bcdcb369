"""Recognise JPEG files that need nothing of Pillow."""

import struct

from PIL import Image

from skdevise._bounded import FREE_BYTES

# Segments of a JPEG: frames of pixels, and everything except EXIF and XMP data (0xE1), which can
# hold an orientation.
_FRAMES = {0xC0, 0xC1, 0xC2}
_SIMPLE_SEGMENTS = {*_FRAMES, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0, *range(0xE2, 0xF0), 0xFE}


def is_simple_jpeg(data):
    """Return whether bytes are a JPEG of moderate size, in RGB or grey, without an orientation.

    False also means that only Pillow can say. Pillow takes five times as long to open such a JPEG,
    and keeps Python's lock, for which the threads that decode photos wait.
    """
    if data[:2] != b"\xff\xd8":
        return False
    place, n_pixels = 2, 0
    while place + 10 <= len(data):
        start, marker, size = struct.unpack_from(">BBH", data, place)
        if start != 0xFF or marker not in _SIMPLE_SEGMENTS:
            return False
        if marker == 0xDA:  # the start of the compressed pixels
            return 0 < n_pixels <= min(FREE_BYTES, Image.MAX_IMAGE_PIXELS or FREE_BYTES)
        if marker in _FRAMES:
            n_bits, height, width, n_colours = struct.unpack_from(">BHHB", data, place + 4)
            n_pixels = height * width if n_bits == 8 and n_colours in (1, 3) else 0
        place += 2 + size
    return False
