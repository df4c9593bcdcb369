"""Seeds for generators of our own."""

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
