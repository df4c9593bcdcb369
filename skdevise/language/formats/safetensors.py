"""Files of the package safetensors, which other tools read too."""

import json

import numpy as np

from skdevise._utils import import_optional

# Its names of the types that NumPy has as well; of bfloat16 NumPy knows nothing.
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "U8": "u1", "I32": "<i4", "I64": "<i8"}
_DTYPES |= {"U64": "<u8"}


def read_safetensors(path, mmap=False):
    """Read the arrays of a .safetensors file.

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
    ImportError
        If the package safetensors is not installed.
    ValueError
        If it is no such file, or its numbers are of a type that NumPy does not have.
    """
    safetensors = import_optional(
        "safetensors", extra="safetensors", purpose="Reading .safetensors"
    )
    try:
        # Opening it checks that what the header says and the file's size fit together.
        with safetensors.safe_open(path, framework="np") as file:
            names = list(file.keys())
            dtypes = {name: file.get_slice(name).get_dtype() for name in names}
            for name, dtype in dtypes.items():
                if dtype not in _DTYPES:
                    raise ValueError(f"its {name!r} are {dtype}: save them as float32")
            mapped = {"vectors", "ngrams"}.intersection(names) if mmap else set()
            arrays = {name: file.get_tensor(name) for name in names if name not in mapped}
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    if not mapped:
        return arrays
    with open(path, "rb") as file:
        n_bytes = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(n_bytes))
    for name in mapped:
        arrays[name] = np.memmap(
            path,
            _DTYPES[dtypes[name]],
            "r",
            offset=8 + n_bytes + header[name]["data_offsets"][0],
            shape=tuple(header[name]["shape"]),
        )
    return arrays


def write_safetensors(path, arrays):
    """Write arrays as a .safetensors file.

    Parameters
    ----------
    path : Path
    arrays : dict of str to ndarray
    """
    safetensors = import_optional(
        "safetensors.numpy", extra="safetensors", purpose="Writing .safetensors"
    )
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    safetensors.save_file(arrays, path)
