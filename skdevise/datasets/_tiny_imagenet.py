"""Tiny-ImageNet, read out of its archive."""

import numpy as np

from skdevise._bundled import load_wordnet_nouns
from skdevise._compat import validate_params
from skdevise.datasets._archives import list_archive
from skdevise.datasets._download import RemoteFile, data_home_path, fetch_files, fetch_options
from skdevise.datasets._photo_list import count, photos_bunch

_ZIP = RemoteFile(
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip", "90528d7ca1a48142e341f4ef8d21d0de"
)
_TOP = "tiny-imagenet-200"


@validate_params(fetch_options("train", "val"), prefer_skip_nested_validation=True)
def fetch_tiny_imagenet(
    *, subset="train", data_home=None, download_if_missing=True, return_X_y=False, as_frame=False
):
    """Fetch Tiny-ImageNet: 110,000 photos of 200 classes of ImageNet, of 64 x 64 pixels.

    248 MB; the photos stay in the archive. A net that was trained on ILSVRC-2012 has been told
    all of these classes. The test photos, whose labels were not published, are left out.

    Parameters
    ----------
    subset : {"train", "val", "all"}, default="train"
        100,000 or 10,000 photos, or both together.
    data_home : str or path, default=None
        Folder of fetched sets; None is ``data`` in the folder that the environment's
        `SKDEVISE_HOME` names, or in ``~/.cache/skdevise``.
    download_if_missing : bool, default=True
        If False, raise an error in place of using the network.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of object of shape (n_photos,)
            Photos in the archive, as :func:`load_image_folder` gives them.
        target : ndarray of str of shape (n_photos,)
            WordNet 3.0 id of each photo's class, such as "n01443537".
        target_names : ndarray of str of shape (200,)
            The ids, sorted.
        terms : list of tuple of str, of length 200
            The terms of each of them, such as ``("goldfish", "Carassius auratus")``.
        counts : dict of str to int
            How many photos each id has.
        frame : DataFrame of shape (n_photos, 2) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            Source and terms of use.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    OSError
        If the archive is missing and cannot be downloaded; says what may be put where by hand.
    ValueError
        If the archive is damaged, or is not the published one.

    Examples
    --------
    >>> from skdevise.datasets import fetch_tiny_imagenet
    >>> photos = fetch_tiny_imagenet(subset="val")  # doctest: +SKIP
    >>> photos.terms[0]  # doctest: +SKIP
    ('goldfish', 'Carassius auratus')
    """
    data_home = data_home_path(data_home)
    fetch_files([_ZIP], data_home, download_if_missing)
    files, _ = list_archive(_ZIP.path(data_home))
    photos, target = [], []
    for read in (_train, _val) if subset == "all" else ({"train": _train, "val": _val}[subset],):
        for photo, synset in read(files):
            photos.append(photo)
            target.append(synset)
    nouns = load_wordnet_nouns()
    rows = np.searchsorted(nouns.synsets, sorted(set(target)))
    return photos_bunch(
        photos,
        target,
        return_X_y=return_X_y,
        as_frame=as_frame,
        terms=[nouns.terms[row] for row in rows],
        DESCR=f"Tiny-ImageNet, subset {subset!r}: {count(photos, 'photo')} of "
        f"{count(set(target), 'synset')}.\n\n:Source: {_ZIP.url}\n"
        ":Terms: those of ImageNet: non-commercial research and education only.",
    )


def _train(files):
    """The photos of each class's folder, in order."""
    for parts in sorted(files):
        if parts[:2] == (_TOP, "train") and parts[-1].endswith(".JPEG"):
            yield files[parts], parts[2]


def _val(files):
    """The photos of one folder, with a table of what they show."""
    with files[_TOP, "val", "val_annotations.txt"].open() as table:
        for line in table.read().decode().splitlines():
            name, synset, *_ = line.split("\t")
            yield files[_TOP, "val", "images", name], synset
