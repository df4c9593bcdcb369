"""Devices, seeds, files, optional imports and hashes."""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from numbers import Integral
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils import check_random_state

# "auto" trains on a GPU if a step reads and writes at least this many bytes, and all steps together
# this many. Estimates: a step takes about 0.4 ms on a GPU, whose start takes about a second.
_LEAST_STEP_BYTES = 2**20
_LEAST_TRAINING_BYTES = 2**30

# Packages whose functions stand between the code of a user and a warning of ours.
_INNER_PACKAGES = {"skdevise", "sklearn", "joblib", "skorch", "functools", "contextlib"}

# glibc learns from arrays of at most 32 MB, with a header and rounded up to whole pages.
_KEPT_BYTES = 2**25 - 2**13


def find_device(device):
    """Return the torch device called `device`; "auto" prefers a GPU."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"device={device!r} is not available ({reason}). Use 'cpu', or 'auto', which prefers a "
            "GPU."
        ) from error


def training_device(device, *, n_samples, n_numbers, n_weights, batch_size, max_epochs):
    """Return the name of a torch device; "auto" prefers a GPU if the training is large.

    A step reads `n_numbers` for each sample, and reads and writes `n_weights` with their gradient
    and the state of the optimizer.
    """
    step_bytes = 4 * (min(batch_size, n_samples) * n_numbers + 3 * n_weights)
    n_steps = max_epochs * -(-n_samples // batch_size)
    is_small = step_bytes < _LEAST_STEP_BYTES or step_bytes * n_steps < _LEAST_TRAINING_BYTES
    return str(find_device("cpu" if device == "auto" and is_small else device))


def available_device(device):
    """Return the torch device of a fit, or the CPU on a machine without that device."""
    try:
        return find_device(device)
    except ValueError:
        return find_device("cpu")


def gpu_only(device):
    """Return a CUDA device, or None for any other device."""
    return device if device.type == "cuda" else None


def photo_threads(n_jobs, gpu):
    """Return the number of threads that read and decode photos: int. A GPU needs many by default.

    The last processor of the machine starts the work of the GPU.
    """
    if n_jobs is None and gpu is not None:
        return max(1, joblib.effective_n_jobs(-1) - 1)
    return joblib.effective_n_jobs(n_jobs)


def fits(n_bytes, device):
    """Return whether this many bytes take at most half of the free memory of a CUDA device."""
    import torch

    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    # torch keeps memory that it does not use at the moment.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return 2 * n_bytes <= free


def send(tensor, device):
    """Copy a Tensor to a device. The processor does not wait for a copy to a GPU."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    # torch does not reuse the pinned memory before the copy is complete.
    return tensor.pin_memory().to(device, non_blocking=True)


@cache
def keep_freed_memory():
    """Let the C library of Linux keep the memory of freed arrays below 32 MB, up to 64 MB.

    Otherwise it may return the memory of each temporary array to the system. The largest array that
    was freed so far sets this limit, so we free a large one.
    """
    np.empty(_KEPT_BYTES, np.uint8)


def draw_seed(random_state):
    """Draw an int seed. None means fresh entropy; NumPy's global generator is never used."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def seeded(seed, device):
    """Seed torch's global generators inside the block, and restore them afterwards."""
    import torch

    accelerator = None if device.type == "cpu" else getattr(torch, device.type)
    with torch.random.fork_rng(
        devices=range(accelerator.device_count()) if accelerator else [],
        device_type=device.type if accelerator else "cuda",
    ):
        # torch.manual_seed also seeds every GPU, which fork_rng would not restore for a CPU fit.
        (torch.manual_seed if accelerator else torch.default_generator.manual_seed)(seed)
        yield


@contextmanager
def atomic_write(path):
    """Yield a temporary path that replaces `path` if the block succeeds."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder. Give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {str(path.parent)!r} does not exist. Create it first.")
    # The name is unique to this process and thread, so two writers do not share it.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        if error.errno and error.filename is None:  # A full disk has no name.
            error.filename = str(path)
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def check_count(name, value, least=1, most=None, what=None):
    """Raise ValueError unless a value is a whole number in a range, and no bool."""
    is_number = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_number or value < least or (most is not None and value > most):
        limits = f"from {least}" if most is None else f"from {least} to {most}"
        limits += f", the number of {what}" if what else ""
        raise ValueError(f"{name}={value!r} is invalid. Use a whole number {limits}.")


def check_choice(name, value, choices):
    """Raise ValueError unless a value is one of the choices, all of which are text."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is unknown. Use one of {list(choices)}.")


def check_unchanged(estimator, fitted):
    """Raise ValueError if parameters differ from those of the first call, {name: value}."""
    for name, value in fitted.items():
        current = getattr(estimator, name)
        if current is not value and not (np.isscalar(current) and current == value):
            raise ValueError(
                f"partial_fit cannot continue with {name}={current!r:.200}, because the first call "
                f"used {value!r:.200}. Call fit, or restore the parameter."
            )


def check_checkpoint_folder(folder):
    """Create the checkpoint folder, and raise ValueError if it cannot be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("it is not writable")
    except OSError as error:
        raise ValueError(
            f"checkpoint={str(folder)!r} cannot be used as a folder ({error}). Give another one."
        ) from error


def import_optional(name, *, extra, purpose):
    """Import a module, or raise an ImportError that names the extra which installs it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name != package:
            raise  # The package is installed but broken: its own message says more.
        raise ImportError(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Run: pip install 'skdevise[{extra}]'."
        ) from error


def warn(message, category=UserWarning):
    """Warn, and point at the line of the user's code that leads to it."""
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER_PACKAGES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def content_hash(*parts):
    """Hash values by their content: the same hex digest in every process.

    Parts may be nested dicts, lists and tuples of arrays, tensors, text, bytes, numbers and
    anything that can be pickled. The memory layout of an array does not matter.
    """
    try:
        return joblib.hash([_hashable(part) for part in parts], hash_name="sha1")
    except Exception as error:  # Pickling a user's object can raise anything.
        raise ValueError(
            f"A value cannot be hashed, because it cannot be pickled ({error}). Define classes and "
            "functions at the top level of a module."
        ) from error


def as_array(values):
    """Turn a tensor of torch on any device, or a list of tensors, into an array or a list of them.

    Other values stay as they are.
    """
    if isinstance(values, list | tuple) and len(values) and hasattr(values[0], "detach"):
        return list(map(as_array, values))
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    # NumPy has no bfloat16.
    return (tensor.float() if tensor.dtype.itemsize == 2 else tensor).numpy()


def _hashable(part):
    """Turn tensors into C-contiguous arrays, also inside containers and objects."""
    part = as_array(part)
    if isinstance(part, np.ndarray) and part.dtype != object:
        return np.ascontiguousarray(part)
    if isinstance(part, dict):
        return {key: _hashable(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_hashable(value) for value in part]
    if type(part).__module__ not in ("builtins", "numpy") and not isinstance(part, type):
        # The pickle of a tensor differs between processes, so look into objects for tensors.
        reduced = part.__reduce_ex__(4)
        if isinstance(reduced, tuple):
            return [_hashable(list(r) if isinstance(r, Iterator) else r) for r in reduced]
    return part
