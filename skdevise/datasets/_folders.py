"""Photos and labels from a folder, an archive or a table."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd

from skdevise._bounded import MAX_ROW, MAX_TABLE_BYTES, open_bounded, parsing
from skdevise._columns import name_some
from skdevise._compat import StrOptions, validate_params
from skdevise._typing import PathLike
from skdevise._utils import warn
from skdevise.datasets._photo_files import StoredPhoto, is_local_folder, list_files
from skdevise.datasets._photo_lists import N_NAMES, photo_names, readable_bunch

_OPTIONS = {
    "check": [StrOptions({"header", "pixels"}), None],
    "return_X_y": ["boolean"],
    "as_frame": ["boolean"],
}


@validate_params({"root": [str, os.PathLike], "folder": [str, os.PathLike, None], **_OPTIONS})
def load_image_folder(
    root: PathLike,
    *,
    folder: PathLike | None = None,
    check: Literal["header", "pixels"] | None = "header",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    """List the photos of a folder or archive that has one folder for each class.

    The name of the class folder is the label. Folders inside a class folder belong to the same
    class. A single folder above the class folders, such as "photos" in "photos/okapi" and
    "photos/zebra", does not matter. Hidden files and ``__MACOSX`` are ignored. A link to a folder
    is followed, unless it leads back to a folder above the link.

    A photo is a file with a suffix that Pillow can decode, such as ".jpg", ".png", ".tif", ".webp"
    or ".avif". Upper and lower case are the same. ".heic", ".heif" and ".jxl" files need a plugin
    of Pillow, such as pillow-heif. Without the plugin, they are listed as unreadable. Other files
    and named pipes are ignored.

    The photos stay where they are. `data` holds paths, or small objects that stand for photos in an
    archive. :class:`~skdevise.VisualFeaturizer` accepts both.

    Parameters
    ----------
    root : str or path
        Folder, archive or URL to read. It can be:

        - a folder;
        - a ``.zip``, ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz`` archive. A compressed tar
          file is decompressed into a temporary file, which exists until Python exits;
        - a URL that fsspec can open, such as "s3://bucket/photos" or
          "zip://train::/data/photos.zip". Some protocols need another package, such as s3fs;
        - a ``.csv`` table with the columns "path" and "label" (see :func:`load_image_table`).
    folder : str or path, default=None
        Folder inside `root` that holds the class folders, such as "train". The default searches
        the whole of `root`.
    check : {"header", "pixels"} or None, default="header"
        Test for unreadable files. Files that fail it are left out of `data` and listed in
        `unreadable`.

        - "header" reads the beginning of each file. It finds empty files and other file formats.
        - "pixels" decodes each photo. It also finds truncated photos, but takes as long as loading
          all photos once. Use it before a long job that must not stop at a bad photo.
        - None reads nothing. Use it for remote photos, where each check is a request.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of the Bunch.
    as_frame : bool, default=False
        If True, `data` and `target` are pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : ndarray of shape (n_photos,)
            Paths of the photos as str, sorted by class. For archives and URLs, objects with an
            ``open`` method that can be hashed and pickled.
        target : ndarray of str of shape (n_photos,)
            Label of each photo.
        target_names : ndarray of str of shape (n_classes,)
            Sorted labels.
        counts : dict of str to int
            Number of photos of each label.
        unreadable : list
            Files with the suffix of an image that failed the check. They are not in `data`.
        frame : DataFrame of shape (n_photos, 2) or None
            Columns "path" and "target", if `as_frame` is True.
        DESCR : str
            Summary of the photos.

    (data, target) : tuple, if `return_X_y` is True
        The first two of these attributes.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `root` does not exist, or is a file in another format.
    ValueError
        If `root` has no class folders, no readable photos, or no such `folder`, or is a damaged
        archive.

    Warns
    -----
    UserWarning
        If labels differ only in case, blanks or accents that look the same. If files are unreadable
        or outside of the class folders, or a class folder is empty or has no readable photo. Also
        if the class folders have names of subsets, such as "train" and "val".

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
    ...
    >>> photos.target.tolist()
    ['okapi', 'zebra']
    >>> archived.data[0].url
    'zip://okapi/1.png::...photos.zip'
    """
    root = os.fspath(root)
    if root.lower().endswith(".csv"):
        if folder is not None:
            raise ValueError(f"folder={folder!r} is not supported for a table. Remove it.")
        return load_image_table(root, check=check, return_X_y=return_X_y, as_frame=as_frame)
    files = list_files(root)
    if folder is not None:
        files = _files_in_folder(files, folder, root)
    depth = _class_depth(files)
    # Drop the files above and beside the class folders.
    outside = photo_names(parts for parts in files if 0 < len(parts) <= depth + 1)
    files = {parts: file for parts, file in files.items() if len(parts) > depth + 1}
    if all(file is None for file in files.values()):
        raise ValueError(f"{root!r} has no class folders. Put each class in its own folder.")

    if outside:
        warn(
            "Photos outside of the class folders are left out: "
            f"{name_some(['/'.join(parts) for parts in outside], N_NAMES)}."
        )
    photos = photo_names(files)  # sorted by class
    return readable_bunch(
        [files[parts] for parts in photos],
        [parts[depth] for parts in photos],
        check,
        root,
        class_folders={parts[depth] for parts in files},
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


@validate_params(
    {
        "table": "no_validation",
        "path_column": [str],
        "label_column": [str],
        "root": [str, os.PathLike, None],
        **_OPTIONS,
    }
)
def load_image_table(
    table: Any,
    *,
    path_column: str = "path",
    label_column: str = "label",
    root: PathLike | None = None,
    check: Literal["header", "pixels"] | None = "header",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Any:
    r"""List the photos of a table of paths and labels, in the order of the table.

    Parameters
    ----------
    table : str, path or DataFrame
        Table with one row for each photo, of pandas, polars or pyarrow. A file must be a CSV in
        UTF-8 with a header. Commas or semicolons separate its columns. The labels of a CSV are
        always text, including "007" and "NA".
    path_column : str, default="path"
        Name of the column that holds the paths.
    label_column : str, default="label"
        Name of the column that holds the labels.
    root : str or path, default=None
        Folder, archive or URL that relative paths start from (see :func:`load_image_folder`). The
        default is the folder of the CSV file, or the current folder for a DataFrame.
    check, return_X_y
        See :func:`load_image_folder`.
    as_frame : bool, default=False
        If True, `data` and `target` are pandas Series. They keep the index of the table, without
        unreadable photos. The index of a CSV file counts its rows from 0.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Attributes of :func:`load_image_folder`: `data`, `target`, `target_names`, `counts`,
        `unreadable`, `frame` and `DESCR`.

    Raises
    ------
    FileNotFoundError
        If the table or one of its photos does not exist.
    ValueError
        If the table lacks a column, has no rows, or has rows without a path or a label.

    Warns
    -----
    UserWarning
        If files are unreadable. They are left out of `data`. Also if labels differ only in case,
        blanks or accents that look the same.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skdevise.datasets import load_image_table
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (8, 8)).save(Path(folder, "7.png"))
    ...     table = Path(folder, "photos.csv")
    ...     _ = table.write_text("path,animal\n7.png,okapi\n")
    ...     photos = load_image_table(table, label_column="animal")
    ...
    >>> photos.target.tolist()
    ['okapi']
    """
    if isinstance(table, (str, os.PathLike)):
        name = os.fspath(table)
        root = os.path.dirname(name) if root is None else os.fspath(root)
        table = _read_csv(name)
    elif hasattr(table, "columns") or hasattr(table, "column_names"):
        name, root = "The DataFrame", os.fspath(root or "")
        if not hasattr(table, "iloc"):  # polars and pyarrow
            columns = getattr(table, "column_names", None) or table.columns
            table = pd.DataFrame({column: np.asarray(table[column]) for column in columns})
    else:
        raise TypeError(f"table is a {type(table).__name__}. Pass a DataFrame or a CSV path.")

    columns = table.columns.tolist()
    for column in (path_column, label_column):
        n_columns = columns.count(column)
        if n_columns != 1:
            number = f"{n_columns} columns" if n_columns else "no column"
            raise ValueError(
                f"{name} has {number} {column!r}. Set path_column and label_column to two of its "
                f"columns, which are {columns[:99]}. Commas or semicolons separate those of a CSV."
            )
    paths, labels = table[path_column], table[label_column]
    if table.empty:
        raise ValueError(f"{name} has no rows. Pass a table with one row for each photo.")
    missing = np.flatnonzero(paths.isna() | (paths == "") | labels.isna() | (labels == ""))
    if len(missing):
        raise ValueError(
            f"{name} has {len(table)} rows, and {len(missing)} of them lack a path or a label, "
            f"such as row {table.index.tolist()[missing[0]]!r}. Fill these in, or remove the rows."
        )
    photos = _find_photos(paths.tolist(), root)
    options = {"index": table.index, "return_X_y": return_X_y, "as_frame": as_frame}
    return readable_bunch(photos, labels.tolist(), check, name, **options)


def _read_csv(path):
    """Read a CSV file of text: a DataFrame."""
    with (
        parsing(path, "Save it as a CSV in UTF-8, or pass a DataFrame."),
        open_bounded(path, MAX_TABLE_BYTES, MAX_ROW) as file,
    ):
        # Spreadsheets write semicolons in countries where the comma separates decimals.
        header = re.sub(rb'"[^"]*"', b"", file.peek()).partition(b"\n")[0]
        separator = max(b",", b";", key=header.count).decode()
        # Without a header, pandas keeps repeated columns and refuses longer rows.
        options = {"sep": separator, "skipinitialspace": True}
        rows = pd.read_csv(file, header=None, dtype=str, na_filter=False, **options)
        rows = rows.map(str.strip)
        return rows[1:].set_axis(rows.iloc[0], axis=1).reset_index(drop=True)


def _files_in_folder(files, folder, root):
    """Select the files in `folder`, which may be below single top folders."""
    wanted, top = PurePosixPath(Path(folder).as_posix()).parts, ()
    while True:
        start = top + wanted
        found = {
            parts[len(start) :]: file
            for parts, file in files.items()
            if parts[: len(start)] == start and len(parts) > len(start)
        }
        if found:
            return found
        subfolders = {
            parts[: len(top) + 1]
            for parts, file in files.items()
            if file is not None and len(parts) > len(top) + 1
        }
        if len(subfolders) != 1:
            names = name_some(sorted("/".join(parts) for parts in subfolders), N_NAMES)
            raise ValueError(
                f"{root!r} has no folder {str(folder)!r} with files. Use one of {names}."
            )
        [top] = subfolders


def _class_depth(files):
    """Find the first level at which the folder names differ."""
    folders = [parts[:-1] for parts, file in files.items() if file is not None]
    for depth in range(max(map(len, folders), default=0)):
        if len({parts[depth] for parts in folders if len(parts) > depth}) > 1:
            return depth
    return 0


def _find_photos(paths, root):
    """Return the photos at `paths` below `root`. All of them must exist."""
    files = None if is_local_folder(root) else list_files(root)

    def find(path):
        if isinstance(path, StoredPhoto):  # from the frame of load_image_folder
            return path
        if files is not None:
            return files.get(PurePosixPath(str(path)).parts)
        photo = os.path.join(root, str(path))
        return photo if os.path.exists(photo) else None

    photos = [find(path) for path in paths]
    missing = [str(path) for path, photo in zip(paths, photos, strict=True) if photo is None]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(paths)} photos are missing in {root or os.getcwd()!r}: "
            f"{name_some(missing, N_NAMES)}. Set root to the folder or archive that holds them."
        )
    return photos
