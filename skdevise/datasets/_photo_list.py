"""What all lists of photos have in common: which files are images, and the Bunch."""

import warnings

import numpy as np
from PIL import Image
from sklearn.utils import Bunch

SUFFIXES = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)


def keep_readable(photos, labels, where, stacklevel):
    """Leave out what is not an image, with a warning that names it.

    Parameters
    ----------
    photos : list of str or ArchivePhoto
        Only their headers are read.
    labels : list of the same length
    where : str
        Where they are, for the warning.
    stacklevel : int
        1 lets the warning point at the call of this function.

    Returns
    -------
    photos, labels : list
        What is kept.
    unreadable : list of str or ArchivePhoto
        What is left out.

    Warns
    -----
    UserWarning
        If something is left out.

    Examples
    --------
    >>> keep_readable([], [], "nowhere", stacklevel=1)
    ([], [], [])
    """
    kept, kept_labels, unreadable = [], [], []
    for photo, label in zip(photos, labels, strict=True):
        if _is_image(photo):
            kept.append(photo)
            kept_labels.append(label)
        else:
            unreadable.append(photo)
    if unreadable:
        warnings.warn(
            f"{count(unreadable, 'file')} under {where!r} could not be read as an image and "
            f"will be left out: {first(unreadable)}.",
            stacklevel=stacklevel + 1,
        )
    return kept, kept_labels, unreadable


def _is_image(photo):
    """Whether the file's header is that of an image; the pixels are not read."""
    try:
        if isinstance(photo, str):
            with Image.open(photo):
                return True
        with photo.open("rb") as file, Image.open(file):
            return True
    except (OSError, Image.DecompressionBombError):
        return False


def photos_bunch(photos, target, *, return_X_y, as_frame, **about):
    """Give photos and labels as the caller asked for them.

    Parameters
    ----------
    photos : list of str or ArchivePhoto, or ndarray of uint8 of shape (n_photos, H, W, 3)
        The photos, at least one.
    target : sequence of length n_photos
        Label of each photo.
    return_X_y : bool
        Give ``(data, target)`` alone.
    as_frame : bool
        Give Series, and a DataFrame of both.
    **about
        Whatever else the Bunch holds.

    Returns
    -------
    Bunch or tuple

    Examples
    --------
    >>> photos_bunch(["1.jpg"], ["okapi"], return_X_y=False, as_frame=False, DESCR="").counts
    {'okapi': 1}
    """
    data = photos if isinstance(photos, np.ndarray) else _array(photos)
    target = np.asarray(target)
    names, counts = np.unique(target, return_counts=True)
    frame = None
    if as_frame:
        import pandas as pd

        column = "image" if data.ndim > 1 else "path"
        frame = pd.DataFrame({column: list(data) if data.ndim > 1 else data, "target": target})
        data, target = frame[column], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        counts=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        frame=frame,
        **about,
    )


def _array(photos):
    """One dimension, whatever the photos are: of strings where all are paths."""
    if all(isinstance(photo, str) for photo in photos):
        return np.array(photos)
    array = np.empty(len(photos), dtype=object)
    array[:] = photos
    return array


def count(things, name):
    """Say how many there are of something.

    Examples
    --------
    >>> count(["okapi"], "class folder"), count([], "photo")
    ('1 class folder', '0 photos')
    """
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def first(things, n=3):
    """Name the first few things for a message.

    Examples
    --------
    >>> first(["okapi", "zebra", "emu"], n=2)
    "'okapi', 'zebra' and 1 more"
    """
    rest = f" and {len(things) - n} more" if len(things) > n else ""
    return ", ".join(repr(str(thing)) for thing in things[:n]) + rest
