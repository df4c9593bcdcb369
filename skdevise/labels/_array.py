"""Labels as an array."""

import numpy as np


def label_array(labels):
    """Give labels as an array of their own that keeps numbers apart from text.

    Parameters
    ----------
    labels : iterable of labels

    Returns
    -------
    ndarray
        Of objects, where NumPy would make text of numbers or cut labels short.

    Examples
    --------
    >>> label_array(["1", 1])
    array(['1', 1], dtype=object)
    """
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    array = np.array(labels)
    if array.ndim != 1 or array.tolist() == labels:
        return array
    return np.array(labels, dtype=object)
