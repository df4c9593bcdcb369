"""Checkpoints: the state of a fit on disk, from which an interrupted fit resumes."""

import math
from pathlib import Path

import torch
from skorch.callbacks import ProgressBar

from skdevise import _storage
from skdevise._bounded import parsing
from skdevise._utils import content_hash


class Checkpoint:
    """The file of one fit in a folder that several fits may share, in the format of `save`."""

    def __init__(self, folder, key):
        self.path = Path(folder) / f"{key}.safetensors"

    def save(self, net, data, early_stopping, has_ended):
        """Save the state after an epoch. If the disk is full, warn and keep the last state."""
        state = {
            "net": net.state(data),
            "early_stopping": early_stopping and early_stopping.state(),
            "has_ended": has_ended,
            "callbacks": self._callbacks,
        }
        random = {"generators": state["net"].pop("generators"), "torch": torch.get_rng_state()}
        if net.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(net.device)
        state["random"] = net.gather(random)
        if net.rank == 0:
            _storage.write_checkpoint(state, self.path)

    def resume(self, net, data, early_stopping):
        """Restore the saved state, if any, and return the number of finished epochs."""
        self._callbacks = _describe(net.callbacks)
        with parsing(self.path, "Delete this checkpoint to train from the start."):
            state = net.from_first(lambda: self.path.exists() and _storage.read(self.path))
            if not state:
                return 0
            random = state["random"][net.rank]
            net.load_state(state["net"] | {"generators": random["generators"]}, data)
            if early_stopping is not None:
                early_stopping.load_state(state["early_stopping"])
            torch.set_rng_state(random["torch"])
            if "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"], net.device)
            has_ended = bool(state["has_ended"])
            # Callbacks that can have ended the training must be the same ones.
            if early_stopping is None or not early_stopping.has_ended:
                has_ended = has_ended and state["callbacks"] == self._callbacks
        return math.inf if has_ended else len(net.history)


def _describe(callbacks):
    """Describe callbacks by their classes, and the numbers and texts that they are given: str."""
    facts = []
    for item in callbacks or []:
        callback = item[1] if isinstance(item, tuple | list) else item
        kind = callback if isinstance(callback, type) else type(callback)
        if callback is None or kind is ProgressBar:  # Neither ends the training.
            continue
        # skorch lets the names of attributes that training changes end with "_".
        given = [] if callback is kind else sorted(vars(callback).items())
        given = {
            name: value
            for name, value in given
            if not name.endswith("_") and isinstance(value, int | float | str)
        }
        facts.append(f"{kind.__qualname__}({given})")
    return ", ".join(facts)


def fit_key(params, *parts):
    """Hash the parameters and data of a fit: str. The error names an unusable parameter."""
    for name, value in params.items():
        try:
            content_hash(value)
        except ValueError as error:
            raise ValueError(
                f"checkpoint needs parameters that can be pickled, but {name}={value!r} cannot. "
                "Define functions and classes at the top level of a module."
            ) from error
    return content_hash(params, *parts)
