"""Files that are written whole or not at all, and the folders that they are kept in."""

import os
import threading
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_or_not_at_all(path):
    """Give a path to write to, that takes its name once all is written.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no folder for it, or it is one itself.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write in: make it.")
    # Beside it first: what breaks off leaves the file of before. No process or thread shares it.
    own = f"{os.getpid()}-{threading.get_ident()}"
    unfinished = path.with_name(f"{path.name}.{own}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def check_folder(folder):
    """Refuse what is no folder that can be written to, and make it if it does not exist.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    ValueError
        If it cannot be used.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("it cannot be written to")
    except OSError as error:
        raise ValueError(
            f"checkpoint={str(folder)!r} is no folder that can be used ({error}): give another."
        ) from error
