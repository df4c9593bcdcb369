"""Published photo sets, which are downloaded once."""

import os
from typing import Any, Literal

import numpy as np

from skdevise._bounded import parsing, read_all
from skdevise._bundled import load_wordnet_nouns
from skdevise._compat import StrOptions, validate_params
from skdevise._typing import PathLike
from skdevise.datasets._photo_files import list_files
from skdevise.datasets._photo_lists import photos_bunch
from skdevise.datasets._photo_sets import data_folder, fetch_set, missing_error

_TINY_IMAGENET_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
_TINY_IMAGENET_HASH = "md5:90528d7ca1a48142e341f4ef8d21d0de"


def _options(*subsets):
    """Return the parameter constraints of a fetcher."""
    options = {
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    }
    return options | ({"subset": [StrOptions({*subsets, "all"})]} if subsets else {})


@validate_params(_options())
def fetch_caltech101(
    *,
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch Caltech-101: 8,677 photos of 101 classes of objects, about 300 x 200 pixels.

    The download has 137 MB. The class of background clutter is left out. For features of some of
    these photos without a download, see :func:`load_caltech101_features`.

    Parameters
    ----------
    data_home, download_if_missing, return_X_y, as_frame
        See :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`fetch_cifar100`. `data` holds the paths of JPEG files, and `target` the
        name of each photo's class, such as "grand_piano".
    """
    return fetch_set("caltech101", "all", data_home, download_if_missing, return_X_y, as_frame)


@validate_params(_options("train", "test"))
def fetch_cifar100(
    *,
    subset: Literal["train", "test", "all"] = "train",
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch CIFAR-100: 60,000 photos of 100 classes, 32 x 32 pixels.

    The download has 169 MB.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Subset to return: the 50,000 training photos, the 10,000 test photos, or both.
    data_home : str or path, default=None
        Folder of the downloaded sets. It can be the `root` of torchvision's data sets. None means
        ``$SKDEVISE_HOME/data``, or ``~/.cache/skdevise/data`` if that variable is not set.
    download_if_missing : bool, default=True
        If False, raise FileNotFoundError instead of downloading a set that is not in `data_home`.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of the Bunch.
    as_frame : bool, default=False
        If True, `data` and `target` are pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : ndarray of uint8 of shape (n_photos, 32, 32, 3)
            RGB photos.
        target : ndarray of str of shape (n_photos,)
            Fine label of each photo, such as "aquarium_fish".
        target_names : ndarray of str of shape (100,)
            Sorted labels.
        counts : dict of str to int
            Number of photos of each label.
        frame : DataFrame of shape (n_photos, 2) or None
            `data` and `target` together, if `as_frame` is True.
        DESCR : str
            Source and citation.

    (data, target) : tuple, if `return_X_y` is True
        The first two of these attributes.

    Raises
    ------
    OSError
        If the set is missing and cannot be downloaded.
    RuntimeError
        If a file is damaged.

    Examples
    --------
    >>> from skdevise.datasets import fetch_cifar100
    >>> photos = fetch_cifar100()  # doctest: +SKIP
    >>> photos.data.shape  # doctest: +SKIP
    (50000, 32, 32, 3)
    """
    return fetch_set("cifar100", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(_options("train", "test"))
def fetch_cifar10(
    *,
    subset: Literal["train", "test", "all"] = "train",
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch CIFAR-10: 60,000 photos of 10 classes, 32 x 32 pixels.

    The download has 170 MB.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Subset to return: the 50,000 training photos, the 10,000 test photos, or both.
    data_home, download_if_missing, return_X_y, as_frame
        See :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`fetch_cifar100`. `data` holds RGB photos, and `target` the name of each
        photo's class, such as "airplane".
    """
    return fetch_set("cifar10", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(_options("train", "val", "test"))
def fetch_flowers102(
    *,
    subset: Literal["train", "val", "test", "all"] = "train",
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch Oxford 102 Flower: 8,189 photos of 102 kinds of flowers.

    The download has 345 MB. The names of the flowers need torchvision 0.22 or later.

    Parameters
    ----------
    subset : {"train", "val", "test", "all"}, default="train"
        Subset to return: 1,020 training, 1,020 validation or 6,149 test photos, or all of them.
    data_home, download_if_missing, return_X_y, as_frame
        See :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`fetch_cifar100`. `data` holds the paths of JPEG files, and `target` the
        name of each photo's flower, such as "pink primrose".
    """
    return fetch_set("flowers102", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(_options("train", "test"))
def fetch_food101(
    *,
    subset: Literal["train", "test", "all"] = "train",
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch Food-101: 101,000 photos of 101 dishes, at most 512 pixels wide and high.

    The download has 5 GB. Its authors state that some labels of the training photos are wrong.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Subset to return: the 75,750 training photos, the 25,250 test photos, or both.
    data_home, download_if_missing, return_X_y, as_frame
        See :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`fetch_cifar100`. `data` holds the paths of JPEG files, and `target` the
        name of each photo's dish, such as "apple_pie".
    """
    return fetch_set("food101", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(_options("train", "test"))
def fetch_pets(
    *,
    subset: Literal["train", "test", "all"] = "train",
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch Oxford-IIIT Pet: 7,349 photos of 37 breeds of cats and dogs.

    The download has 811 MB.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Subset to return: the 3,680 training photos, the 3,669 test photos, or both.
    data_home, download_if_missing, return_X_y, as_frame
        See :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`fetch_cifar100`. `data` holds the paths of JPEG files, and `target` the
        name of each photo's breed, such as "Abyssinian".
    """
    return fetch_set("pets", subset, data_home, download_if_missing, return_X_y, as_frame)


@validate_params(_options("train", "val"))
def fetch_tiny_imagenet(
    *,
    subset: Literal["train", "val", "all"] = "train",
    data_home: PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """Fetch Tiny-ImageNet: 110,000 photos of 200 classes of ImageNet, 64 x 64 pixels.

    The download has 248 MB, and the photos stay in the archive. A network that was trained on
    ILSVRC-2012 has seen all of these classes. The test photos are left out, because their labels
    were not published.

    Parameters
    ----------
    subset : {"train", "val", "all"}, default="train"
        Subset to return: the 100,000 training photos, the 10,000 validation photos, or both.
    data_home, download_if_missing, return_X_y, as_frame
        See :func:`fetch_cifar100`.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`fetch_cifar100`. `data` holds photos in the archive, like those of
        :func:`load_image_folder`. `target` holds the WordNet 3.0 id of each photo's class, such as
        "n01443537". Another attribute:

        terms : list of tuple of str, of length 200
            Terms of each target name, such as ``("goldfish", "Carassius auratus")``.

    Examples
    --------
    >>> from skdevise.datasets import fetch_tiny_imagenet
    >>> photos = fetch_tiny_imagenet(subset="val")  # doctest: +SKIP
    >>> photos.terms[0]  # doctest: +SKIP
    ('goldfish', 'Carassius auratus')
    """
    folder = data_folder(data_home)
    archive = folder / "tiny-imagenet-200.zip"
    if download_if_missing:
        import pooch

        pooch.retrieve(
            _TINY_IMAGENET_URL, _TINY_IMAGENET_HASH, archive.name, folder, progressbar=True
        )
    elif not archive.exists():
        raise missing_error("Tiny-ImageNet", archive)
    files = list_files(f"zip://tiny-imagenet-200::{archive}")
    photos, target = [], []
    if subset != "val":
        for parts in sorted(files):
            if parts[0] == "train" and parts[-1].endswith(".JPEG"):
                photos.append(files[parts])
                target.append(parts[1])
    if subset != "train":
        with (
            parsing(archive, "Delete it to download it again."),
            files["val", "val_annotations.txt"].open() as table,
        ):
            for line in read_all(table).decode().splitlines():
                name, synset, *_ = line.split("\t")
                photos.append(files["val", "images", name])
                target.append(synset)
    nouns = load_wordnet_nouns()
    rows = np.searchsorted(nouns.synsets, sorted(set(target)))
    return photos_bunch(
        photos,
        target,
        return_X_y=return_X_y,
        as_frame=as_frame,
        terms=[nouns.terms[row] for row in rows],
        DESCR=f"Tiny-ImageNet, subset {subset!r}: {len(photos)} photos of {len(set(target))} "
        f"labels.\n\n:Source: {_TINY_IMAGENET_URL}\n"
        ":Terms: those of ImageNet, for non-commercial research and education only.",
    )
