"""The state of a fit on disk, from which one that was interrupted goes on."""

import os
from pathlib import Path

import joblib
import numpy as np
import torch
from skorch.history import History

from skdevise._history import plain_rows
from skdevise.models.training import load_weights, weights_of

# Rows of the features that tell one data set from another.
_N_ROWS_COMPARED = 64


class Checkpoint:
    """A file in a folder, named after what is trained, so that fits share the folder.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    key : str
        What tells this fit from others.
    seed : int
        Of this fit.

    Attributes
    ----------
    seed : int
        That of the fit which is taken up, if there is one.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """

    def __init__(self, folder, key, seed):
        self.path = Path(folder) / f"{key}.pt"
        self.seed = seed
        self._state = None
        if not self.path.exists():
            return
        try:
            self._state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises whatever it likes on a broken file
            raise ValueError(
                f"The checkpoint {str(self.path)!r} cannot be read: delete it to train from the "
                "start."
            ) from error
        self.seed = self._state["seed"]

    def save(self, net, generators, early_stopping):
        """Write the state after an epoch; the file of before stays until it is whole.

        Parameters
        ----------
        net : MapNet
        generators : list of torch.Generator
            All that the training draws from, besides torch's global one.
        early_stopping : EarlyStopping or None
        """
        state = {
            "seed": self.seed,
            "weights": weights_of(net),
            "optimizer": net.optimizer_.state_dict(),
            "generators": [generator.get_state() for generator in generators],
            "torch": torch.get_rng_state(),
            "history": plain_rows(net.history),
            "early_stopping": None if early_stopping is None else early_stopping.state,
        }
        if net.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(net.device)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            torch.save(state, unfinished)
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)

    def resume(self, net, generators, early_stopping):
        """Take up the state of the last epoch that was written, if there is one.

        Parameters
        ----------
        net : MapNet
        generators : list of torch.Generator
        early_stopping : EarlyStopping or None

        Returns
        -------
        int
            Epochs that are done.
        """
        state = self._state
        if state is None:
            return 0
        load_weights(net, state["weights"])
        net.optimizer_.load_state_dict(state["optimizer"])
        for generator, own in zip(generators, state["generators"], strict=True):
            generator.set_state(own)
        torch.set_rng_state(state["torch"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], net.device)
        net.history_ = History({**row, "batches": []} for row in state["history"])
        if early_stopping is not None:
            early_stopping.state = state["early_stopping"]
        return len(net.history)


def fingerprint(params, arrays, table):
    """Tell a fit from others by its parameters and its data.

    Parameters
    ----------
    params : dict
    arrays : list of arrays
        Compared whole.
    table : object with `shape` and `__getitem__`
        Compared at some of its rows.

    Returns
    -------
    str

    Examples
    --------
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> fingerprint({"lr": 1}, [], X) == fingerprint({"lr": 1}, [], X + 1)
    False
    """
    rows = np.unique(np.linspace(0, len(table) - 1, _N_ROWS_COMPARED, dtype=int))
    return joblib.hash([params, arrays, len(table), [np.asarray(table[row]) for row in rows]])
