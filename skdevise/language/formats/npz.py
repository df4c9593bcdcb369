"""The format of this package: NumPy's .npz, laid out so that it can be memory-mapped."""

import struct
import zipfile
from itertools import chain
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

# Of the fields that a zip file may hold beside each member: one that no reader looks at.
_PADDING_FIELD = 0xD935
_LOCAL_HEADER = 30
_ZIP64_FIELD = 20


def read_npz(path, mmap=False):
    """Read the arrays of an .npz file.

    Parameters
    ----------
    path : Path
    mmap : bool, default=False
        Map the large arrays, "vectors" and "ngrams", rather than read them.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If it is no such file, its arrays hold Python objects, or they are compressed and are to be
        mapped.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not the zip file that an .npz is")
    # NumPy leaves a file open that it opened itself and then refused.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        mapped = {"vectors", "ngrams"}.intersection(archive.files) if mmap else set()
        arrays = {name: archive[name] for name in archive.files if name not in mapped}
    return arrays | {name: _map(path, name) for name in mapped}


def _map(path, name):
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(
                "it is compressed, so that it cannot be memory-mapped: load it with mmap=False, "
                "and save() it"
            )
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER)
        file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        try:
            shape, is_fortran, dtype = read_header(file)
        except TokenError as error:
            raise ValueError(f"the header of its array {name!r} is damaged ({error})") from error
        if dtype.hasobject:
            raise ValueError(f"its array {name!r} holds Python objects")
        order = "F" if is_fortran else "C"
        return np.memmap(path, dtype, "r", offset=file.tell(), shape=shape, order=order)


def write_npz(stream, arrays, blocks, shape):
    """Write an .npz file whose arrays can be memory-mapped.

    Parameters
    ----------
    stream : binary stream
    arrays : dict of str to ndarray
    blocks : iterable of ndarray of shape (n_rows, vector_size), all of one dtype
        The array "vectors", in pieces.
    shape : tuple (n_terms, vector_size)
    """
    blocks = iter(blocks)
    first = next(blocks)
    with zipfile.ZipFile(stream, "w") as archive:
        with _open_member(archive, "vectors", first.dtype, shape) as member:
            for block in chain([first], blocks):
                member.write(block.tobytes())
        for name, array in arrays.items():
            with _open_member(archive, name, array.dtype, array.shape) as member:
                member.write(np.ascontiguousarray(array).data)


def _open_member(archive, name, dtype, shape):
    """Open a member whose numbers begin at a multiple of 64 bytes, as mapped numbers must."""
    # NumPy pads its own header to 64 bytes; what is before it is padded by a field of its own.
    info = zipfile.ZipInfo(f"{name}.npy")
    behind = archive.fp.tell() + _LOCAL_HEADER + len(info.filename) + _ZIP64_FIELD + 4
    padding = -behind % 64
    info.extra = struct.pack("<HH", _PADDING_FIELD, padding) + bytes(padding)
    member = archive.open(info, "w", force_zip64=True)
    npy.write_array_header_1_0(
        member, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    )
    return member
