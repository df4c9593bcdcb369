"""Seeds for generators of our own."""

from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state


def draw_seed(random_state):
    """Draw the seed of a generator; None draws fresh entropy, not from NumPy's global generator.

    Parameters
    ----------
    random_state : int, RandomState instance or None

    Returns
    -------
    int

    Examples
    --------
    >>> draw_seed(0) == draw_seed(0)
    True
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def seeded(seed, device):
    """Seed torch's global generators, and put them back as they were afterwards.

    Parameters
    ----------
    seed : int
    device : torch.device
    """
    import torch

    accelerator = None if device.type == "cpu" else getattr(torch, device.type)
    with torch.random.fork_rng(
        devices=range(accelerator.device_count()) if accelerator else [],
        device_type=device.type if accelerator else "cuda",
    ):
        # torch.manual_seed seeds every accelerator: on the CPU none is put back, so none is seeded.
        (torch.manual_seed if accelerator else torch.default_generator.manual_seed)(seed)
        yield
