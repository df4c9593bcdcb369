"""Tensors of safetensors files, mapped into memory."""

import json

import numpy as np
from safetensors import SafetensorError, safe_open

_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
}


def map_tensors(path):
    """Map the tensors of a safetensors file into memory: dict of read-only arrays."""
    try:
        with safe_open(path, framework="np"):
            pass  # Opening the file checks that its header fits its size.
    except SafetensorError as error:
        raise ValueError(error) from error
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    header.pop("__metadata__", None)
    arrays = {}
    for name, tensor in header.items():
        if tensor["dtype"] not in _DTYPES:
            raise ValueError(f"The type {tensor['dtype']} of {name!r} is not supported.")
        offset, shape = start + tensor["data_offsets"][0], tuple(tensor["shape"])
        if 0 in shape:  # A map cannot be empty.
            arrays[name] = np.zeros(shape, _DTYPES[tensor["dtype"]])
        else:
            arrays[name] = np.memmap(path, _DTYPES[tensor["dtype"]], "r", offset, shape)
    return arrays
