"""Photos and their labels from a table."""

import csv
import os
from pathlib import PurePosixPath

from skdevise._compat import validate_params
from skdevise.datasets._archives import ArchivePhoto, list_archive
from skdevise.datasets._photo_list import count, first, keep_readable, photos_bunch


@validate_params(
    {
        "table": "no_validation",
        "path_column": [str],
        "label_column": [str],
        "root": [str, os.PathLike, None],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_image_table(
    table,
    *,
    path_column="path",
    label_column="label",
    root=None,
    return_X_y=False,
    as_frame=False,
):
    r"""List the photos that a table names, in its order.

    No photo is decoded: `data` holds paths, which
    :class:`~skdevise.vision.VisualFeaturizer` reads when it needs them.

    Parameters
    ----------
    table : str, path or DataFrame
        A CSV file in UTF-8 with a header, or a DataFrame; one row for each photo.
    path_column : str, default="path"
        The column of paths.
    label_column : str, default="label"
        The column of labels.
    root : str or path, default=None
        Where relative paths begin: a folder, or a .zip or plain .tar that holds the photos. None
        is the folder of the CSV file, or the current one for a DataFrame.
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` and `target` as pandas Series.

    Returns
    -------
    photos : :class:`~sklearn.utils.Bunch`
        Dictionary-like object as :func:`load_image_folder` gives it: `data` of shape (n_photos,),
        `target` of shape (n_photos,), `target_names`, `counts`, `unreadable`, `frame` and `DESCR`.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Raises
    ------
    FileNotFoundError
        If the table or `root` does not exist, or photos that the table names do not.
    ValueError
        If the table cannot be read, lacks one of the columns or has no row, or rows lack a path or
        a label.

    Warns
    -----
    UserWarning
        If files are no images; they are left out.

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
    >>> photos.target.tolist()
    ['okapi']
    """
    if isinstance(table, (str, os.PathLike)):
        name = repr(os.fspath(table))
        root = os.path.dirname(table) if root is None else root
        paths, labels = _read_csv(table, name, path_column, label_column)
    elif hasattr(table, "columns"):
        name = "the DataFrame"
        _check_columns(list(table.columns), name, path_column, label_column)
        rows = table[[path_column, label_column]].astype(object)
        paths, labels = rows.where(rows.notna(), None).to_numpy().T.tolist()
    else:
        raise TypeError(f"table is a {type(table).__name__}: give a CSV's path or a DataFrame.")
    _check_rows(paths, labels, name)
    photos = _find(paths, os.fspath(root or ""), name)
    where = os.fspath(root or os.curdir)
    data, target, unreadable = keep_readable(photos, labels, where, stacklevel=3)
    if not data:
        raise ValueError(f"None of the {count(paths, 'file')} that {name} names is an image.")
    return photos_bunch(
        data,
        target,
        return_X_y=return_X_y,
        as_frame=as_frame,
        unreadable=unreadable,
        DESCR=f"{count(data, 'photo')} of {count(set(target), 'label')} named by {name}; "
        f"{count(unreadable, 'unreadable file')} left out.",
    )


def _read_csv(path, name, *columns):
    """Two columns as lists of str; a cell that its row lacks is None."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no table {name}.")
    # Not pandas: the label "NA" is no missing value, and "007" no number.
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            _check_columns(list(reader.fieldnames or []), name, *columns)
            rows = [[row[column] for column in columns] for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is not a CSV in UTF-8: {error}.") from error
    return [path for path, _ in rows], [label for _, label in rows]


def _check_columns(found, name, path_column, label_column):
    missing = [column for column in (path_column, label_column) if column not in found]
    if missing:
        raise ValueError(
            f"{name} has no column {' and no column '.join(map(repr, missing))}, but "
            f"{', '.join(map(repr, found)) or 'none at all'}: say by path_column and label_column "
            "which to read."
        )


def _check_rows(paths, labels, name):
    if not paths:
        raise ValueError(f"{name} has no row: give one for each photo.")
    lacking = [
        row
        for row, cells in enumerate(zip(paths, labels, strict=True), start=1)
        if any(cell is None or cell == "" for cell in cells)
    ]
    if lacking:
        raise ValueError(
            f"{count(lacking, 'row')} of {name} without a path or without a label, the first is "
            f"row {lacking[0]}: fill them in or leave them out."
        )


def _find(paths, root, name):
    """The photos at `paths` below `root`, all of which must exist."""
    in_archive = os.path.isfile(root)
    members = list_archive(root)[0] if in_archive else {}
    if root and not os.path.exists(root):
        raise FileNotFoundError(f"There is no folder or archive {root!r}.")

    def find(path):
        if isinstance(path, ArchivePhoto):  # from a DataFrame that load_image_folder made
            return path if os.path.exists(path.archive) else None
        if in_archive:
            return members.get(PurePosixPath(path).parts)
        path = os.path.join(root, path)
        return path if os.path.exists(path) else None

    photos = [find(path) for path in paths]
    missing = [path for path, photo in zip(paths, photos, strict=True) if photo is None]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {count(paths, 'photo')} that {name} names do not exist in "
            f"{os.path.abspath(root)!r}: {first(missing)}. Pass the folder or archive that holds "
            "them as root, or leave them out."
        )
    return photos
