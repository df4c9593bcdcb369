"""The state of a training on disk, from which one that was interrupted goes on."""

import zipfile
from pathlib import Path

import numpy as np

from skdevise._utils import atomic_write


class TrainingFile:
    """A file in a folder, named after what is trained, so that fits share the folder.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    key : str
        What tells this training from others.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     TrainingFile(folder, "ab12").save({"start": np.array(7)})
    ...     TrainingFile(folder, "ab12").load(["start"])
    {'start': array(7)}
    """

    def __init__(self, folder, key):
        self.path = Path(folder) / f"{key}.npz"

    def load(self, names):
        """Read what was written last.

        Parameters
        ----------
        names : collection of str
            Of the arrays that make up a state.

        Returns
        -------
        dict of str to ndarray, or None
            None if there is no file.

        Raises
        ------
        ValueError
            If the file cannot be read.
        """
        if not self.path.exists():
            return None
        try:
            with open(self.path, "rb") as file, np.load(file) as arrays:
                return {name: arrays[name] for name in names}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"The checkpoint {str(self.path)!r} cannot be read: delete it to train from the "
                "start."
            ) from error

    def save(self, arrays):
        """Write the state; the file of before stays until it is whole.

        Parameters
        ----------
        arrays : dict of str to ndarray
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.path) as unfinished, open(unfinished, "wb") as file:
            np.savez(file, **arrays)
