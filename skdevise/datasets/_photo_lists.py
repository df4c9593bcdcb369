"""Lists of photos: tests for unreadable files, messages, and the objects that loaders return."""

import os
from itertools import compress
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.utils import Bunch

from skdevise._bounded import check_padding
from skdevise._columns import name_some
from skdevise._utils import warn
from skdevise.language._terms import normalise_term
from skdevise.vision._photos import Photos

# Pillow registers these formats, but needs other software to decode them.
_NOT_PHOTOS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
# Pillow needs a plugin for these suffixes. Without it, such files are listed as unreadable.
_NEED_A_PLUGIN = {".heic", ".heif", ".jxl"}
# Folders with these names usually hold the subsets of a data set, not its classes.
_SUBSETS = {"train", "training", "val", "valid", "validation", "test", "testing"}

# Number of files that a message names.
N_NAMES = 3


def photo_names(files):
    """Select the photos among files, given by the parts of their names, and sort them."""
    formats = Image.registered_extensions().items()
    decoded = {*Image.OPEN, "MPO"} - _NOT_PHOTOS  # Pillow opens an MPO file as a JPEG.
    suffixes = {suffix for suffix, name in formats if name in decoded} | _NEED_A_PLUGIN
    # The photos of a folder come before those of the folders inside it.
    return sorted(
        (parts for parts in files if PurePosixPath(parts[-1]).suffix.lower() in suffixes),
        key=lambda parts: (parts[:-1], parts[-1]),
    )


def readable_bunch(photos, labels, check, source, *, class_folders=(), index=None, **options):
    """Return the readable photos of a source, and their labels, as `photos_bunch` does."""
    readable = [check is None or _is_readable(photo, check) for photo in photos]
    unreadable = [photo for photo, good in zip(photos, readable, strict=True) if not good]
    if unreadable:
        warn(
            f"{len(unreadable)} of {len(photos)} files are not readable images and are left out: "
            f"{name_some(list(map(str, unreadable)), N_NAMES)}.",
        )
    if len(unreadable) == len(photos):
        example = f", for example {str(photos[0])!r}" if photos else ""
        raise ValueError(
            f"{source!r} has no readable photos{example}. Give files that Pillow can decode, such "
            "as .jpg or .png."
        )
    for texts in (photos, labels):
        check_padding([text for text in texts if isinstance(text, str)])
    data, target = list(compress(photos, readable)), list(compress(labels, readable))
    if class_folders:
        _warn_about_folders(class_folders, set(target))
    left_out = f", without {len(unreadable)} unreadable files" if unreadable else ""
    summary = f"{len(data)} photos of {len(set(target))} labels from {source}{left_out}."
    index = None if index is None else index[readable]
    return photos_bunch(data, target, index, unreadable=unreadable, DESCR=summary, **options)


def _is_readable(photo, check):
    """Return True if Pillow can read the header of a photo, or all of its pixels."""
    if isinstance(photo, str) and not os.path.isfile(photo):
        return False  # Opening a named pipe would wait forever.
    try:
        if check == "pixels":
            Photos([photo]).pixels(0)
            return True
        with (
            open(photo, "rb") if isinstance(photo, str) else photo.open() as file,
            Image.open(file),
        ):
            return True
    except Exception:  # Pillow and the archive formats have many errors for a damaged file.
        return False


def _warn_about_folders(labels, labels_with_photos):
    """Warn about classes without photos, and about subsets that are taken for classes."""
    empty = sorted(labels - labels_with_photos)
    if empty:
        warn(
            f"{len(empty)} of {len(labels)} class folders have no readable photo and are left out: "
            f"{name_some(empty, N_NAMES)}.",
        )
    if len(labels_with_photos) > 1 and labels_with_photos <= _SUBSETS:
        names = name_some(sorted(labels_with_photos), N_NAMES)
        warn(
            f"The class folders look like subsets: {names}. To read one of them, pass "
            f"folder={min(labels_with_photos)!r}.",
        )


def photos_bunch(photos, target, index=None, *, return_X_y, as_frame, **attributes):
    """Return photos and labels as a Bunch or a tuple, in arrays or in a DataFrame."""
    data, target = _to_array(photos), np.asarray(target)
    names, counts = np.unique(target, return_counts=True)
    spellings = {}
    for name in names.tolist():
        spellings.setdefault(normalise_term(str(name)), []).append(name)
    twins = [name for some in spellings.values() if len(some) > 1 for name in some]
    if twins:
        warn(
            "These labels differ only in case, blanks, apostrophes or the encoding of accents, but "
            f"are different classes: {name_some(twins, N_NAMES)}. Rename some of them. If they "
            "look the same, convert all labels with unicodedata.normalize('NFC', label)."
        )
    frame = None
    if as_frame:
        column = "image" if data.ndim > 1 else "path"
        columns = {column: list(data) if data.ndim > 1 else data, "target": target}
        frame = pd.DataFrame(columns, index)
        data, target = frame[column], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        counts=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        frame=frame,
        **attributes,
    )


def _to_array(photos):
    """Return an array of paths, an object array of stored photos, or the given array."""
    if isinstance(photos, np.ndarray) or all(isinstance(photo, str) for photo in photos):
        return np.asarray(photos)
    array = np.empty(len(photos), dtype=object)
    array[:] = photos
    return array
