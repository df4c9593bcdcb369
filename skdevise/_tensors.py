"""Tensors of safetensors files, which can be mapped into memory, with checksums."""

import hashlib
import json
import os
from math import prod

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from skdevise._utils import atomic_write

_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
}


def read_tensors(path, mmap=True):
    """Read or map the tensors of a safetensors file: dict of arrays, and its metadata."""
    with open(path, "rb") as file:
        with safe_open(path, framework="np"):
            pass  # Opening the file checks that its header fits its size.
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        metadata = header.pop("__metadata__", {})
        arrays = {}
        for name, tensor in header.items():
            if tensor["dtype"] not in _DTYPES:
                raise ValueError(f"The type {tensor['dtype']} of {name!r} is not supported.")
            dtype, shape = np.dtype(_DTYPES[tensor["dtype"]]), tuple(tensor["shape"])
            offset = start + tensor["data_offsets"][0]
            if mmap and 0 not in shape:  # A map cannot be empty.
                arrays[name] = np.memmap(path, dtype, "r", offset, shape)
            else:
                file.seek(offset)
                arrays[name] = np.fromfile(file, dtype, prod(shape)).reshape(shape)
    return arrays, metadata


def write_tensors(path, arrays, metadata):
    """Write arrays and metadata (dict of str) to a file, which is replaced at once."""
    with atomic_write(path) as unfinished:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        try:
            save_file(arrays, unfinished, metadata)
        except SafetensorError as error:  # The disk is full, for example.
            raise OSError(f"{str(path)!r} cannot be written: {error}") from error
        unfinished.chmod(mode)  # safetensors hides its files from other users.
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())


def as_stored(array):
    """Convert an array to the order of rows and bytes in files."""
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def digest(array):
    """Hash the type, the shape and the numbers of an array: str."""
    array = as_stored(array)
    made = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    made.update(array.data if array.size else b"")
    return made.hexdigest()


def check_digests(arrays, digests):
    """Raise ValueError if arrays differ from those with these digests, dict by name."""
    if arrays.keys() != digests.keys():
        raise ValueError(f"Its arrays are {sorted(arrays)}, not {sorted(digests)}.")
    for name, array in arrays.items():
        if digest(array) != digests[name]:
            raise ValueError(f"The bytes of its array {name!r} have changed.")
