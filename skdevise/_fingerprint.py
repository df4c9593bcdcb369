"""What tells a fit from others: by it, a checkpoint is found again."""

import joblib


def fingerprint(params, arrays, blocks):
    """Tell a fit from others by its parameters and its data.

    Parameters
    ----------
    params : dict
    arrays : list of arrays
    blocks : iterable of arrays
        Of the features.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a parameter cannot be told from others in another process.

    Examples
    --------
    >>> fingerprint({"lr": 1}, [], [[0, 1]]) == fingerprint({"lr": 1}, [], [[0, 2]])
    False
    """
    for name, own in params.items():
        try:
            joblib.hash(own)
        except Exception as error:  # pickle raises whatever it likes
            raise ValueError(
                f"A checkpoint needs parameters that can be pickled, but {name}={own!r} cannot: "
                "define it at the top of a module."
            ) from error
    return joblib.hash([params, arrays, [joblib.hash(block) for block in blocks]])
