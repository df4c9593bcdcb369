"""The state of a fit on disk, from which one that was interrupted goes on."""

import math
from pathlib import Path

import torch
from skorch.history import History

from skdevise._utils import atomic_write
from skdevise.training._history import plain_rows


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
        If the file cannot be read, or holds something else.
    """

    def __init__(self, folder, key, seed):
        self.path = Path(folder) / f"{key}.pt"
        self.seed = seed
        self._state = None
        if not self.path.exists():
            return
        try:
            self._state = torch.load(self.path, map_location="cpu", weights_only=True)
            self.seed = self._state["seed"]
        except Exception as error:  # torch raises whatever it likes on a broken file
            raise ValueError(
                f"The checkpoint {str(self.path)!r} cannot be read: delete it to train from the "
                "start."
            ) from error

    def save(self, net, generators, early_stopping, has_ended):
        """Write the state after an epoch; the file of before stays until it is whole.

        Parameters
        ----------
        net : TrainingNet
        generators : list of torch.Generator
            All that the training draws from, besides torch's global one.
        early_stopping : EarlyStopping or None
        has_ended : bool
            Whether training has come to its end before the last epoch.
        """
        state = {
            "seed": self.seed,
            "has_ended": has_ended,
            "weights": net.weights(),
            "optimizer": net.optimizer_.state_dict(),
            "generators": [generator.get_state() for generator in generators],
            "torch": torch.get_rng_state(),
            "history": plain_rows(net.history),
            "early_stopping": None if early_stopping is None else early_stopping.state,
        }
        if net.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(net.device)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.path) as unfinished:
            torch.save(state, unfinished)

    def resume(self, net, generators, early_stopping):
        """Take up the state of the last epoch that was written, if there is one.

        Parameters
        ----------
        net : TrainingNet
        generators : list of torch.Generator
        early_stopping : EarlyStopping or None

        Returns
        -------
        int or float
            Epochs that are done; infinitely many if training has ended.
        """
        state = self._state
        if state is None:
            return 0
        net.load_weights(state["weights"])
        net.optimizer_.load_state_dict(state["optimizer"])
        for generator, own in zip(generators, state["generators"], strict=True):
            generator.set_state(own)
        torch.set_rng_state(state["torch"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], net.device)
        net.history_ = History({**row, "batches": [{}]} for row in state["history"])
        if early_stopping is not None:
            early_stopping.state = state["early_stopping"]
        return math.inf if state["has_ended"] else len(net.history)
