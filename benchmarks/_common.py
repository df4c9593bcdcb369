"""Helpers of the benchmarks: tables, ratios, and a description of the machine."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np


def print_table(header, rows, file=None):
    """Print a Markdown table. The first cell of a row is a name, the others are values."""
    print("| " + " | ".join(header) + " |", file=file)
    print("|" + " --- |" + " ---: |" * (len(header) - 1), file=file)
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", file=file)


def describe_machine():
    """Name the machine and the versions of the packages: str."""
    packages = ("numpy", "scikit-learn", "torch", "torchvision", "skorch", "skdevise")
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
    )


def print_machine():
    """Print the machine and the versions of the packages."""
    print(describe_machine())


def percent(runs):
    """Format the mean of each figure over runs (n_runs, n_figures) in percent."""
    return [f"{100 * figure:.1f}" for figure in np.mean(runs, axis=0)]


def spread(ratios, digits=2):
    """Format the median of ratios, with their range if there are several."""
    median, *ends = (f"{r:.{digits}f}" for r in (np.median(ratios), min(ratios), max(ratios)))
    return median if len(ratios) == 1 else f"{median} ({'-'.join(ends)})"


def least_cosine(a, b):
    """Compute the smallest cosine between the rows of two arrays (n, n_features)."""
    a, b = a.astype(float), b.astype(float)
    return ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min()


def memory(process="self"):
    """Return the memory of a process in MB on Linux: now, and at its peak.

    The figures of the module `resource` would include the memory of the parent process.
    """
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    values = dict(line.split(":") for line in lines)
    return [int(values[name].split()[0]) / 1e3 for name in ("VmRSS", "VmHWM")]
