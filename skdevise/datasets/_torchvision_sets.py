"""Photo sets that torchvision reads: what their files are, and how they become a Bunch."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skdevise.datasets._download import RemoteFile, data_home_path, fetch_files
from skdevise.datasets._photo_list import count, photos_bunch


@dataclass(frozen=True)
class _PhotoSet:
    title: str
    source: str
    citation: str
    dataset: str  # torchvision's name of it
    files: tuple[RemoteFile, ...]
    read: Callable  # photos and label names of torchvision's dataset
    subsets: dict[str, dict]  # torchvision's arguments for each


def _arrays(dataset):
    return dataset.data, [dataset.classes[target] for target in dataset.targets]


def _paths(dataset):
    # torchvision has no public list of its paths; the tests hold it to these names.
    paths = dataset._images if hasattr(dataset, "_images") else dataset._image_files
    if not hasattr(dataset, "classes"):  # Flowers102 before 0.22
        raise ImportError("The names of these classes come with torchvision 0.22: upgrade it.")
    return [str(path) for path in paths], [dataset.classes[label] for label in dataset._labels]


def _caltech_paths(dataset):
    labels = [dataset.categories[label] for label in dataset.y]
    folder = os.path.join(dataset.root, "101_ObjectCategories")
    return [
        os.path.join(folder, label, f"image_{index:04d}.jpg")
        for label, index in zip(labels, dataset.index, strict=True)
    ], labels


def fetch_set(name, subset, data_home, download_if_missing, return_X_y, as_frame):
    """Fetch a set, have torchvision read its layout, and give its photos and label names.

    Parameters
    ----------
    name : str
        One of `SETS`.
    subset : str
        One of its subsets, or "all".
    data_home, download_if_missing, return_X_y, as_frame
        See `fetch_cifar100`.

    Returns
    -------
    Bunch or tuple

    Raises
    ------
    OSError
        If a file is missing and cannot be downloaded.
    ValueError
        If what is in the data home is damaged.
    """
    photo_set = SETS[name]
    data_home = data_home_path(data_home)
    fetch_files(photo_set.files, data_home, download_if_missing)
    # Late: torchvision takes seconds to load.
    dataset = getattr(importlib.import_module("torchvision.datasets"), photo_set.dataset)
    subsets = photo_set.subsets.values() if subset == "all" else [photo_set.subsets[subset]]
    try:
        parts = [photo_set.read(dataset(str(data_home), **options)) for options in subsets]
    except (RuntimeError, FileNotFoundError) as error:
        folders = [
            repr(str(file.path(data_home).parent / file.unpacked))
            for file in photo_set.files
            if file.unpacked
        ]
        raise ValueError(
            f"{photo_set.title} is damaged ({error}): delete {' and '.join(folders)}, and call "
            "again to make it anew."
        ) from error
    photos = np.concatenate([photos for photos, _ in parts])
    target = np.concatenate([labels for _, labels in parts])
    return photos_bunch(
        photos,
        target,
        return_X_y=return_X_y,
        as_frame=as_frame,
        DESCR=f"{photo_set.title}, subset {subset!r}: {count(photos, 'photo')} of "
        f"{count(set(target.tolist()), 'label')}.\n\n"
        f":Source: {photo_set.source}\n\n{photo_set.citation}",
    )


_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_FLOWERS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
_CIFAR_CITATION = (
    'Alex Krizhevsky, "Learning multiple layers of features from tiny images", technical report, '
    "University of Toronto, 2009."
)
_CIFAR_SUBSETS = {"train": {"train": True}, "test": {"train": False}}

# Addresses and MD5 sums are torchvision's; a test compares them.
SETS = {
    "caltech101": _PhotoSet(
        "Caltech-101",
        "https://data.caltech.edu/records/mzrjq-6wc02, CC BY 4.0",
        'Li Fei-Fei, Rob Fergus and Pietro Perona, "Learning generative visual models from few '
        'training examples", CVPR workshop on generative-model based vision, 2004.',
        "Caltech101",
        (
            RemoteFile(
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                "3138e1922a9193bfa496528edbbc45d0",
                folder="caltech101",
                unpacked="101_ObjectCategories",
                inner="caltech-101/101_ObjectCategories.tar.gz",
            ),
        ),
        _caltech_paths,
        {"all": {}},
    ),
    "cifar10": _PhotoSet(
        "CIFAR-10",
        f"{_CIFAR}cifar.html",
        _CIFAR_CITATION,
        "CIFAR10",
        (
            RemoteFile(
                f"{_CIFAR}cifar-10-python.tar.gz",
                "c58f30108f718f92721af3b95e74349a",
                unpacked="cifar-10-batches-py",
            ),
        ),
        _arrays,
        _CIFAR_SUBSETS,
    ),
    "cifar100": _PhotoSet(
        "CIFAR-100",
        f"{_CIFAR}cifar.html",
        _CIFAR_CITATION,
        "CIFAR100",
        (
            RemoteFile(
                f"{_CIFAR}cifar-100-python.tar.gz",
                "eb9058c3a382ffc7106e4002c42a8d85",
                unpacked="cifar-100-python",
            ),
        ),
        _arrays,
        _CIFAR_SUBSETS,
    ),
    "flowers102": _PhotoSet(
        "Oxford 102 Flower",
        _FLOWERS,
        'Maria-Elena Nilsback and Andrew Zisserman, "Automated flower classification over a large '
        'number of classes", ICVGIP 2008.',
        "Flowers102",
        (
            RemoteFile(
                f"{_FLOWERS}102flowers.tgz",
                "52808999861908f626f3c1f4e79d11fa",
                folder="flowers-102",
                unpacked="jpg",
            ),
            RemoteFile(
                f"{_FLOWERS}imagelabels.mat",
                "e0620be6f572b9609742df49c70aed4d",
                folder="flowers-102",
            ),
            RemoteFile(
                f"{_FLOWERS}setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c", folder="flowers-102"
            ),
        ),
        _paths,
        {name: {"split": name} for name in ("train", "val", "test")},
    ),
    "food101": _PhotoSet(
        "Food-101",
        "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        'Lukas Bossard, Matthieu Guillaumin and Luc Van Gool, "Food-101 - mining discriminative '
        'components with random forests", ECCV 2014.',
        "Food101",
        (
            RemoteFile(
                "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                "85eeb15f3717b99a5da872d97d918f87",
                unpacked="food-101",
            ),
        ),
        _paths,
        {name: {"split": name} for name in ("train", "test")},
    ),
    "pets": _PhotoSet(
        "Oxford-IIIT Pet",
        _PETS,
        "Omkar M. Parkhi, Andrea Vedaldi, Andrew Zisserman and C. V. Jawahar, "
        '"Cats and dogs", CVPR 2012.',
        "OxfordIIITPet",
        (
            RemoteFile(
                f"{_PETS}data/images.tar.gz",
                "5c4f3ee8e5d25df40f4fd59a7f44e54c",
                folder="oxford-iiit-pet",
                unpacked="images",
            ),
            RemoteFile(
                f"{_PETS}data/annotations.tar.gz",
                "95a8c909bbe2e81eed6a22bccdf3f68f",
                folder="oxford-iiit-pet",
                unpacked="annotations",
            ),
        ),
        _paths,
        {"train": {"split": "trainval"}, "test": {"split": "test"}},
    ),
}
