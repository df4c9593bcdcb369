"""In which precision a net computes."""

from pathlib import Path

import torch

_NATIVE = ("avx512_bf16", "amx_bf16")


def find_dtype(dtype, device):
    """Give the precision of that name on a device.

    Parameters
    ----------
    dtype : {"float32", "bfloat16", "auto"}
        "auto" is bfloat16 where the device has instructions for it, else float32.
    device : torch.device

    Returns
    -------
    str
        "float32" or "bfloat16".

    Raises
    ------
    ValueError
        If bfloat16 is asked for where it would only be emulated.
    """
    if dtype == "float32":
        return dtype
    if has_bfloat16(device):
        return "bfloat16"
    if dtype == "auto":
        return "float32"
    raise ValueError(
        f"dtype='bfloat16' is not to be had on {_described(device)}, where it would be slower than "
        "'float32': take 'auto', which is bfloat16 where there are instructions for it."
    )


def has_bfloat16(device):
    """Whether a device computes natively in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
    return device.type == "cpu" and any(flag in _processor_flags() for flag in _NATIVE)


def _processor_flags():
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:  # not Linux; known to torch from 2.10 on
        known = getattr(torch.cpu, "get_capabilities", dict)()
        return {flag for flag, is_there in known.items() if is_there}


def _described(device):
    if device.type == "cpu":
        return f"this processor (it has neither {' nor '.join(_NATIVE)})"
    return f"device '{device}'"
