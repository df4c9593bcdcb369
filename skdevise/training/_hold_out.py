"""Samples and classes held out of training."""

import numpy as np


def hold_out_samples(y, share, seed):
    """Hold out a share of the samples of each class that has two at least.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    share : float
        Rounded; of each such class one sample at least, and not all.
    seed : int

    Returns
    -------
    kept, held_out : ndarray of int
        Positions, ascending.

    Raises
    ------
    ValueError
        If each class has one sample.

    Examples
    --------
    >>> kept, held_out = hold_out_samples(np.array(["cat", "cat", "dog"]), 0.5, seed=0)
    >>> len(kept), len(held_out), 2 in kept
    (2, 1, True)
    """
    _, group, size = np.unique(y, return_inverse=True, return_counts=True)
    if size.max() < 2:
        raise ValueError("Each class has one sample: there is none to hold out of training.")
    order = np.random.default_rng(seed).permutation(len(y))
    by_class = order[np.argsort(group[order], kind="stable")]
    rank = np.arange(len(y)) - np.repeat(np.cumsum(size) - size, size)
    n_held_out = np.clip(np.round(share * size), 1, size - 1)
    is_held_out = rank < np.repeat(n_held_out, size)
    return np.sort(by_class[~is_held_out]), np.sort(by_class[is_held_out])


def hold_out_classes(y, share, seed):
    """Hold out all samples of a share of the classes.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    share : float
        Of the classes, rounded; two at least, and two stay.
    seed : int

    Returns
    -------
    kept, held_out : ndarray of int
        Positions, ascending.

    Raises
    ------
    ValueError
        If there are fewer than four classes.

    Examples
    --------
    >>> y = np.repeat(["cat", "cow", "dog", "owl"], 2)
    >>> kept, held_out = hold_out_classes(y, 0.2, seed=0)
    >>> len(set(y[kept])), len(set(y[held_out])), len(set(y[kept]) & set(y[held_out]))
    (2, 2, 0)
    """
    classes, group = np.unique(y, return_inverse=True)
    if len(classes) < 4:
        raise ValueError(
            f"Of {len(classes)} classes none can be held out: two must be left to tell apart on "
            "each side."
        )
    n_held_out = int(np.clip(round(share * len(classes)), 2, len(classes) - 2))
    chosen = np.random.default_rng(seed).permutation(len(classes))[:n_held_out]
    is_held_out = np.isin(group, chosen)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
