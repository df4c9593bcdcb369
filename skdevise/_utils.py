"""Devices, seeds, atomic files, optional imports and fingerprints."""

import os
import threading
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils import check_random_state


def find_device(device):
    """Give the torch device of that name; "auto" is the fastest kind there is.

    Parameters
    ----------
    device : str

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If there is no such device here.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
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
            f"device={device!r} is not to be had here ({reason}): take 'auto', which finds the "
            "fastest there is, or 'cpu'."
        ) from error


@contextmanager
def whole_or_not_at_all(path):
    """Give a path to write to, that takes its name once all is written.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no folder for it, or it is one itself.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write in: make it.")
    # Beside it first: what breaks off leaves the file of before. No process or thread shares it.
    own = f"{os.getpid()}-{threading.get_ident()}"
    unfinished = path.with_name(f"{path.name}.{own}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def check_folder(folder):
    """Refuse what is no folder that can be written to, and make it if it does not exist.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    ValueError
        If it cannot be used.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("it cannot be written to")
    except OSError as error:
        raise ValueError(
            f"checkpoint={str(folder)!r} is no folder that can be used ({error}): give another."
        ) from error


def fingerprint(params, arrays, blocks):
    """Tell a fit from others by its parameters and its data.

    Parameters
    ----------
    params : dict
    arrays : list of arrays
    blocks : iterable of arrays
        Of the features.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a parameter cannot be told from others in another process.

    Examples
    --------
    >>> fingerprint({"lr": 1}, [], [[0, 1]]) == fingerprint({"lr": 1}, [], [[0, 2]])
    False
    """
    for name, own in params.items():
        try:
            joblib.hash(own)
        except Exception as error:  # pickle raises whatever it likes
            raise ValueError(
                f"A checkpoint needs parameters that can be pickled, but {name}={own!r} cannot: "
                "define it at the top of a module."
            ) from error
    return joblib.hash([params, arrays, [joblib.hash(block) for block in blocks]])


def home(*parts):
    """Give a path in the user's folder of skdevise; nothing is made there.

    Parameters
    ----------
    *parts : str
        Names below it.

    Returns
    -------
    Path
        In `$SKDEVISE_HOME`, or `~/.cache/skdevise` where that is not set.

    Examples
    --------
    >>> home("data").name
    'data'
    """
    folder = os.environ.get("SKDEVISE_HOME") or Path.home() / ".cache" / "skdevise"
    return Path(folder, *parts).expanduser()


def import_optional(name, *, extra, purpose):
    """Import module `name`, or say which extra of skdevise installs it.

    Parameters
    ----------
    name : str
        Dotted name of the module.
    extra : str
        The extra of skdevise that installs it.
    purpose : str
        What it is needed for; the beginning of the error's sentence.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the module is not installed.

    Examples
    --------
    >>> import_optional("math", extra="plot", purpose="Drawing").floor(1.5)
    1
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # Installed, but broken: its own message tells more.
        raise ImportError(
            f"{purpose} needs the package {name.partition('.')[0]!r}, which is not installed: "
            f"pip install 'skdevise[{extra}]'."
        ) from error


def draw_seed(random_state):
    """Draw the seed of a generator; None draws fresh entropy, not from NumPy's global generator.

    Parameters
    ----------
    random_state : int, RandomState instance or None

    Returns
    -------
    int

    Examples
    --------
    >>> draw_seed(0) == draw_seed(0)
    True
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def seeded(seed, device):
    """Seed torch's global generators, and put them back as they were afterwards.

    Parameters
    ----------
    seed : int
    device : torch.device
    """
    import torch

    accelerator = None if device.type == "cpu" else getattr(torch, device.type)
    with torch.random.fork_rng(
        devices=range(accelerator.device_count()) if accelerator else [],
        device_type=device.type if accelerator else "cuda",
    ):
        # torch.manual_seed seeds every accelerator: on the CPU none is put back, so none is seeded.
        (torch.manual_seed if accelerator else torch.default_generator.manual_seed)(seed)
        yield
