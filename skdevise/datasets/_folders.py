"""Photos in folders, one folder a class, on disk or in an archive."""

import os
import warnings
from pathlib import Path, PurePosixPath

from skdevise._compat import validate_params
from skdevise.datasets._archives import list_archive
from skdevise.datasets._photo_list import SUFFIXES, count, first, keep_readable, photos_bunch
from skdevise.datasets._tables import load_image_table

# Folders of these names hold the parts of a set, not its classes.
_SUBSETS = {"train", "training", "val", "valid", "validation", "test", "testing"}


@validate_params(
    {
        "root": [str, os.PathLike],
        "folder": [str, os.PathLike, None],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(root, *, folder=None, return_X_y=False, as_frame=False):
    """List the photos of a folder or an archive that has one folder for each class.

    The folder's name is the label; folders within it belong to the same class. The class folders
    are the first ones that differ: a single folder above them is looked through. Names that begin
    with a dot and ``__MACOSX`` are skipped. No photo is decoded and no archive unpacked: `data`
    holds paths, or small objects that stand for a photo in the archive, which
    :class:`~skdevise.vision.VisualFeaturizer` reads when it needs them.

    Parameters
    ----------
    root : str or path
        A folder; a .zip or a plain .tar, in which links are passed over; or a .csv with columns
        "path" and "label" (see :func:`load_image_table`).
    folder : str or path, default=None
        A folder in `root` that holds the class folders, such as "train".
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_photos,)
            Paths of the photos, as str, class after class. Of an archive, objects that can be
            hashed and pickled; ``photo.open("rb")`` gives the bytes.
        target : ndarray of str of shape (n_photos,)
            Label of each photo.
        target_names : ndarray of str of shape (n_classes,)
            The labels, sorted.
        counts : dict of str to int
            How many photos each label has.
        unreadable : list
            What ends as an image does but holds none; it is not in `data`. Photos that break off
            after the file's header are not found out here.
        frame : DataFrame of shape (n_photos, 2) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            What was found where.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `root` does not exist, or is a file of another kind.
    ValueError
        If no class or no photo is found, `root` has no such `folder`, or an archive is damaged or
        gives no access to single files, such as a .tar.gz.

    Warns
    -----
    UserWarning
        If files are unreadable, a class is left out because it has no photo, or the class folders
        look like the parts of a set.

    Examples
    --------
    >>> from pathlib import Path
    >>> from shutil import make_archive
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skdevise.datasets import load_image_folder
    >>> with TemporaryDirectory() as root:
    ...     for label in ("okapi", "zebra"):
    ...         Path(root, "photos", label).mkdir(parents=True)
    ...         Image.new("RGB", (8, 8)).save(Path(root, "photos", label, "1.png"))
    ...     photos = load_image_folder(f"{root}/photos")
    ...     archived = load_image_folder(make_archive(f"{root}/photos", "zip", f"{root}/photos"))
    >>> photos.target.tolist()
    ['okapi', 'zebra']
    >>> archived.data[0].member
    'okapi/1.png'
    """
    root = os.fspath(root)
    if not os.path.exists(root):
        raise FileNotFoundError(f"There is no folder {root!r}.")
    is_folder = os.path.isdir(root)
    if not is_folder and root.lower().endswith(".csv"):
        if folder is not None:
            raise ValueError(f"folder={folder!r} does not go with a table, {root!r}: leave it out.")
        return load_image_table(root, return_X_y=return_X_y, as_frame=as_frame)
    files, folders = _list_folder(root) if is_folder else list_archive(root)
    photos, folders = _photos_among(files, folders)
    where = root
    if folder is not None:
        photos, folders = _within(photos, folders, folder, root)
        where = os.path.join(root, folder)
    depth = _class_depth(folders, where)
    labels = sorted({parts[depth] for parts in folders if len(parts) > depth})

    # Class after class; in each, a folder's photos before those of the folders within it.
    names = sorted(
        (parts for parts in photos if len(parts) > depth + 1),
        key=lambda parts: (parts[:-1], parts[-1]),
    )
    data, target, unreadable = keep_readable(
        [photos[parts] for parts in names], [parts[depth] for parts in names], where, stacklevel=3
    )
    if not data:
        raise ValueError(
            f"No readable image in the {count(labels, 'class folder')} of {where!r}; "
            f"files that end in {', '.join(SUFFIXES)} are looked for."
        )
    _warn_of_labels(labels, set(target), where)
    return photos_bunch(
        data,
        target,
        return_X_y=return_X_y,
        as_frame=as_frame,
        unreadable=unreadable,
        DESCR=f"{count(data, 'photo')} of {count(set(target), 'label')} in {where!r}; "
        f"{count(unreadable, 'unreadable file')} left out.",
    )


def _list_folder(root):
    """List files and folders under `root` as `list_archive` does; links are followed."""
    files, folders = {}, set()

    def walk(path, parts, above):
        real = os.path.realpath(path)
        if real in above:  # A link to a folder above it would be followed without end.
            return
        with os.scandir(path) as entries:
            for entry in entries:
                name = (*parts, entry.name)
                if not _is_folder(entry):
                    files[name] = entry.path
                elif not _is_hidden(entry.name):
                    folders.add(name)
                    walk(entry.path, name, above | {real})

    walk(root, (), frozenset())
    return files, folders


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_hidden(name):
    return name.startswith(".") or name == "__MACOSX"


def _photos_among(files, folders):
    """What ends as images do, and all folders, those of archives that have no entry of theirs too.

    Nothing hidden is among them.
    """
    folders = folders | {parts[:n] for parts in files for n in range(1, len(parts))}
    photos = {
        parts: file
        for parts, file in files.items()
        if parts[-1].lower().endswith(SUFFIXES) and not any(map(_is_hidden, parts))
    }
    return photos, {parts for parts in folders if not any(map(_is_hidden, parts))}


def _within(photos, folders, folder, root):
    """Keep what is in `folder`, which may stand below a single top folder."""
    wanted = PurePosixPath(Path(folder).as_posix()).parts
    above = ()
    while above + wanted not in folders:
        inside = {parts for parts in folders if parts[:-1] == above}
        if len(inside) != 1:
            found = first(sorted("/".join(parts) for parts in inside)) if inside else "none"
            raise ValueError(f"{root!r} has no folder {str(folder)!r}; the folders in it: {found}.")
        [above] = inside
    start = above + wanted

    def below(parts):
        return len(parts) > len(start) and parts[: len(start)] == start

    return (
        {parts[len(start) :]: photo for parts, photo in photos.items() if below(parts)},
        {parts[len(start) :] for parts in folders if below(parts)},
    )


def _class_depth(folders, where):
    """How far down the class folders are: the first level whose names differ."""
    if not folders:
        raise ValueError(
            f"{where!r} has no sub-folder; put the photos of each class into a sub-folder "
            "named after the class."
        )
    for depth in range(max(map(len, folders))):
        if len({parts[depth] for parts in folders if len(parts) > depth}) > 1:
            return depth
    return 0


def _warn_of_labels(labels, kept, where):
    empty = [label for label in labels if label not in kept]
    if empty:
        warnings.warn(
            f"{count(empty, 'class folder')} of {where!r} without a readable image will be "
            f"left out: {first(empty)}.",
            stacklevel=4,
        )
    if len(kept) > 1 and kept <= _SUBSETS:
        warnings.warn(
            f"The class folders of {where!r} look like the parts of a set: {first(sorted(kept))}. "
            f"Pass folder={min(kept)!r} to read one of them.",
            stacklevel=4,
        )
