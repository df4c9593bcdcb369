"""What the benchmarks share: a table, and a line on where it was made."""

import os
import platform
from importlib.metadata import version

import numpy as np


def print_table(header, rows):
    """Print a Markdown table; a row is a name and numbers or text."""
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" + " ---: |" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def print_machine():
    """Print the machine and the versions."""
    packages = ("numpy", "scikit-learn", "torch", "torchvision", "skorch", "skdevise")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
    )


def percent(runs):
    """Mean of each figure over runs (n_runs, n_figures), in percent with one decimal."""
    return [f"{100 * figure:.1f}" for figure in np.mean(runs, axis=0)]


def spread(ratios, digits=2):
    """Median of some ratios, and their range if there are several."""
    median, *ends = (f"{own:.{digits}f}" for own in (np.median(ratios), min(ratios), max(ratios)))
    return median if len(ratios) == 1 else f"{median} ({'-'.join(ends)})"


def least_cosine(a, b):
    """The least of the cosines of rows (n, n_features) with those of the other array."""
    a, b = a.astype(float), b.astype(float)
    return ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min()
