"""Download and read the photo sets that torchvision supports."""

import json
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skdevise._bounded import parsing
from skdevise.datasets._photo_lists import photos_bunch


def data_folder(data_home):
    """Return the folder of the downloaded sets."""
    if data_home is None:
        data_home = Path(os.environ.get("SKDEVISE_HOME") or "~/.cache/skdevise", "data")
    return Path(data_home).expanduser()


def missing_error(title, path):
    """Return the error for a set that is missing and must not be downloaded."""
    return FileNotFoundError(
        f"{title} is not in {str(path)!r}. Set download_if_missing=True, or copy the set there."
    )


def fetch_set(name, subset, data_home, download_if_missing, return_X_y, as_frame):
    """Download a photo set with torchvision if it is missing, and return its photos and labels."""
    photo_set, data_home = _SETS[name], data_folder(data_home)
    if not (data_home / photo_set.folder).is_dir() and not download_if_missing:
        raise missing_error(photo_set.title, data_home / photo_set.folder)
    arguments = photo_set.subsets.values() if subset == "all" else [photo_set.subsets[subset]]
    photos, labels = [], []
    for subset_arguments in arguments:
        if photo_set.read is None or download_if_missing:
            # Import late, because torchvision takes seconds to load.
            dataset_class = getattr(import_module("torchvision.datasets"), photo_set.dataset)
            dataset = dataset_class(data_home, download=download_if_missing, **subset_arguments)
        if photo_set.read is None:
            photos.append(dataset.data)
            labels.extend(dataset.classes[index] for index in dataset.targets)
        else:
            folder = data_home / photo_set.folder
            with parsing(folder, "Delete it to download it again."):
                paths, names = photo_set.read(folder, **subset_arguments)
            photos.append([str(path) for path in paths])
            labels.extend(names)
    photos = np.concatenate(photos)
    return photos_bunch(
        photos,
        labels,
        return_X_y=return_X_y,
        as_frame=as_frame,
        DESCR=f"{photo_set.title}, subset {subset!r}: {len(photos)} photos of {len(set(labels))} "
        f"labels.\n\n:Source: {photo_set.source}\n\n{photo_set.citation}",
    )


# torchvision has no public list of the paths of its photos, so we read the published layouts.


def _read_caltech101(folder):
    paths = sorted(folder.glob("*/image_*.jpg"))
    paths = [path for path in paths if path.parent.name != "BACKGROUND_Google"]
    return paths, [path.parent.name for path in paths]


def _read_flowers102(folder, split):
    from scipy.io import loadmat
    from torchvision.datasets import Flowers102

    key = {"train": "trnid", "val": "valid", "test": "tstid"}[split]
    numbers = loadmat(folder / "setid.mat")[key].ravel()
    classes = loadmat(folder / "imagelabels.mat")["labels"].ravel()[numbers - 1] - 1
    paths = [folder / "jpg" / f"image_{number:05d}.jpg" for number in numbers]
    return paths, [Flowers102.classes[index] for index in classes]


def _read_food101(folder, split):
    names = json.loads((folder / "meta" / f"{split}.json").read_bytes())
    names = [name for names_of_dish in names.values() for name in names_of_dish]
    paths = [folder / "images" / f"{name}.jpg" for name in names]
    return paths, [path.parent.name for path in paths]


def _read_pets(folder, split):
    lines = (folder / "annotations" / f"{split}.txt").read_text("utf-8").splitlines()
    names = [line.split()[0] for line in lines]
    labels = [name.rpartition("_")[0].replace("_", " ").title() for name in names]
    return [folder / "images" / f"{name}.jpg" for name in names], labels


class _PhotoSet(NamedTuple):
    """A photo set that torchvision downloads."""

    title: str
    source: str
    citation: str
    dataset: str  # name of torchvision's class
    folder: str  # folder below the data home
    subsets: dict[str, dict]  # arguments of torchvision's class for each subset
    read: Callable | None = None  # reader of paths and labels, unless torchvision holds the pixels


_CIFAR_CITATION = (
    'Alex Krizhevsky, "Learning multiple layers of features from tiny images", technical report, '
    "University of Toronto, 2009."
)
_CIFAR_SUBSETS = {"train": {"train": True}, "test": {"train": False}}

_SETS = {
    "caltech101": _PhotoSet(
        "Caltech-101",
        "https://data.caltech.edu/records/mzrjq-6wc02, CC BY 4.0",
        'Li Fei-Fei, Rob Fergus and Pietro Perona, "Learning generative visual models from few '
        'training examples", CVPR workshop on generative-model based vision, 2004.',
        "Caltech101",
        "caltech101/101_ObjectCategories",
        {"all": {}},
        _read_caltech101,
    ),
    "cifar10": _PhotoSet(
        "CIFAR-10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        _CIFAR_CITATION,
        "CIFAR10",
        "cifar-10-batches-py",
        _CIFAR_SUBSETS,
    ),
    "cifar100": _PhotoSet(
        "CIFAR-100",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        _CIFAR_CITATION,
        "CIFAR100",
        "cifar-100-python",
        _CIFAR_SUBSETS,
    ),
    "flowers102": _PhotoSet(
        "Oxford 102 Flower",
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        'Maria-Elena Nilsback and Andrew Zisserman, "Automated flower classification over a large '
        'number of classes", ICVGIP 2008.',
        "Flowers102",
        "flowers-102",
        {name: {"split": name} for name in ("train", "val", "test")},
        _read_flowers102,
    ),
    "food101": _PhotoSet(
        "Food-101",
        "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        'Lukas Bossard, Matthieu Guillaumin and Luc Van Gool, "Food-101 - mining discriminative '
        'components with random forests", ECCV 2014.',
        "Food101",
        "food-101",
        {name: {"split": name} for name in ("train", "test")},
        _read_food101,
    ),
    "pets": _PhotoSet(
        "Oxford-IIIT Pet",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/",
        "Omkar M. Parkhi, Andrea Vedaldi, Andrew Zisserman and C. V. Jawahar, "
        '"Cats and dogs", CVPR 2012.',
        "OxfordIIITPet",
        "oxford-iiit-pet",
        {"train": {"split": "trainval"}, "test": {"split": "test"}},
        _read_pets,
    ),
}
