"""Versions of everything that skdevise uses, for bug reports."""

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from skdevise import __version__


def show_versions() -> None:
    """Print the versions of skdevise, Python and the dependencies, and the devices of torch.

    Add the output to a bug report. Optional dependencies that are not installed have the version
    None.

    Examples
    --------
    >>> import skdevise
    >>> skdevise.show_versions()
    System:
    ...
    Python dependencies:
              skdevise: ...
    """
    system = {
        "python": sys.version.replace("\n", " "),
        "executable": sys.executable,
        "machine": platform.platform(),
    }
    packages = {name: _version(name) for name in _dependencies()}
    sections = {
        "System": system,
        "Python dependencies": {"skdevise": __version__, **packages},
        "Devices of torch": _devices(),
    }
    for title, values in sections.items():
        print(f"{title}:")
        for name, value in values.items():
            print(f"{name:>18}: {value}")
        print()


def _dependencies():
    """List the dependencies in the metadata of skdevise, without those of its developers."""
    try:
        requirements = requires("skdevise")
    except PackageNotFoundError:  # skdevise runs from a source tree without an installation.
        return []
    used = [item for item in requirements if not re.search(r"extra == .(dev|docs)", item)]
    return [re.match(r"[\w.-]+", item).group() for item in used]


def _version(name):
    """Find the version of a package: str, or None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _devices():
    """Describe the devices that torch can use: dict from name to description."""
    import torch

    devices = {"cpu": f"{torch.get_num_threads()} threads"}
    for index in range(torch.cuda.device_count()):
        devices[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    if torch.backends.mps.is_available():
        devices["mps"] = platform.processor()
    return devices
