"""Photos in folders, one folder a class."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

_SUFFIXES = (
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


@validate_params(
    {"root": [str, os.PathLike], "return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_image_folder(root, *, return_X_y=False, as_frame=False):
    """List the photos of a folder that has one sub-folder for each class.

    The sub-folder's name is the label; folders within it belong to the same class. Names that
    begin with a dot are skipped. No photo is decoded: `data` holds paths, which
    :class:`~skdevise.vision.VisualFeaturizer` reads when it needs them.

    Parameters
    ----------
    root : str or path
        The folder.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of str of shape (n_photos,)
            Paths of the photos, class after class.
        target : ndarray of str of shape (n_photos,)
            Label of each photo.
        target_names : ndarray of str of shape (n_classes,)
            The labels, sorted.
        counts : dict of str to int
            How many photos each label has.
        unreadable : list of str
            Paths that end as an image does but hold none; they are not in `data`. Photos that
            break off after the file's header are not found out here.
        frame : DataFrame of shape (n_photos, 2) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            What was found where.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `root` does not exist or is a file.
    ValueError
        If no class or no photo is found.

    Warns
    -----
    UserWarning
        If files are unreadable, or a class is left out because it has no photo.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skdevise.datasets import load_image_folder
    >>> with TemporaryDirectory() as root:
    ...     for label in ("okapi", "zebra"):
    ...         (Path(root) / label).mkdir()
    ...         Image.new("RGB", (8, 8)).save(Path(root) / label / "1.png")
    ...     photos = load_image_folder(root)
    >>> photos.target.tolist()
    ['okapi', 'zebra']
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"There is no folder {str(root)!r}.")
    if not root.is_dir():
        raise NotADirectoryError(f"{str(root)!r} is a file; pass the folder of the class folders.")
    labels = sorted(
        path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not labels:
        raise ValueError(
            f"{str(root)!r} has no sub-folder; put the photos of each class into a sub-folder "
            "named after the class."
        )

    paths, unreadable, counts = [], [], {}
    for label in labels:
        candidates = _image_files(root / label)
        readable = [path for path in candidates if _is_image(path)]
        unreadable += sorted(set(candidates).difference(readable))
        paths += readable
        if readable:
            counts[label] = len(readable)
    if unreadable:
        warnings.warn(
            f"{_count(unreadable, 'file')} under {str(root)!r} could not be read as an image and "
            f"will be left out: {_first(unreadable)}.",
            stacklevel=2,
        )
    if not paths:
        raise ValueError(
            f"No readable image in the {_count(labels, 'class folder')} of {str(root)!r}; "
            f"files that end in {', '.join(_SUFFIXES)} are looked for."
        )
    empty = [label for label in labels if label not in counts]
    if empty:
        warnings.warn(
            f"{_count(empty, 'class folder')} of {str(root)!r} without a readable image will be "
            f"left out: {_first(empty)}.",
            stacklevel=2,
        )

    data = np.array(paths)
    target = np.repeat(list(counts), list(counts.values()))
    frame = None
    if as_frame:
        import pandas as pd

        frame = pd.DataFrame({"path": data, "target": target})
        data, target = frame["path"], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=np.array(list(counts)),
        counts=counts,
        unreadable=unreadable,
        frame=frame,
        DESCR=f"{_count(paths, 'photo')} of {_count(counts, 'label')} in {str(root)!r}; "
        f"{_count(unreadable, 'unreadable file')} left out.",
    )


def _image_files(folder):
    """Paths of all files under `folder` that end as images do, in order."""
    found, visited = [], set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in visited:  # A link to a folder above it would be followed without end.
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            os.path.join(where, name)
            for name in sorted(names)
            if name.lower().endswith(_SUFFIXES) and not name.startswith(".")
        ]
    return found


def _is_image(path):
    """Whether the file's header is that of an image; the pixels are not read."""
    try:
        with Image.open(path):
            return True
    except (OSError, Image.DecompressionBombError):
        return False


def _count(things, name):
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _first(names, n=3):
    """The first few names for a message."""
    rest = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(map(repr, names[:n])) + rest
