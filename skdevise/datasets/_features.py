"""Tables of photo features, a byte for each, and the Bunch that they are given in."""

import numpy as np
from sklearn.utils import Bunch


def pack_features(features):
    """Round features to a byte each; :func:`unpack_features` undoes it.

    Averaged ReLU activations are many small ones and few large ones: their square roots fill 256
    steps more evenly than they do themselves, which halves the angle of the rounding error.

    Parameters
    ----------
    features : ndarray of float of shape (n_photos, n_features)
        Not negative.

    Returns
    -------
    dict of str to ndarray
        `codes`, uint8 of shape (n_photos, n_features), and `scale`, the step of each feature's
        square root, float32 of shape (n_features,).

    Examples
    --------
    >>> packed = pack_features(np.array([[0.0, 1.0], [4.0, 0.0]]))
    >>> unpack_features(packed).round(3).tolist()
    [[0.0, 1.0], [4.0, 0.0]]
    """
    roots = np.sqrt(features)
    scale = roots.max(axis=0) / 255
    codes = np.rint(roots / np.where(scale > 0, scale, 1)).astype(np.uint8)
    return {"codes": codes, "scale": scale.astype(np.float32)}


def unpack_features(packed):
    """Give the features that :func:`pack_features` rounded.

    Parameters
    ----------
    packed : dict of str to ndarray
        With `codes` and `scale`.

    Returns
    -------
    ndarray of float32 of shape (n_photos, n_features)

    Examples
    --------
    >>> unpack_features({"codes": np.uint8([[2]]), "scale": np.float32([0.5])}).tolist()
    [[1.0]]
    """
    return np.square(packed["codes"] * packed["scale"])


def features_bunch(data, target, *, return_X_y, as_frame, **about):
    """Give features and labels as the caller asked for them.

    Parameters
    ----------
    data : ndarray of shape (n_photos, n_features)
        Features.
    target : ndarray of shape (n_photos,)
        Labels.
    return_X_y : bool
        Give ``(data, target)`` alone.
    as_frame : bool
        Give a DataFrame and a Series.
    **about
        Whatever else the Bunch holds.

    Returns
    -------
    Bunch or tuple

    Examples
    --------
    >>> X, y = np.ones((1, 2)), np.array(["okapi"])
    >>> features_bunch(X, y, return_X_y=False, as_frame=False, DESCR="").feature_names
    ['feature0', 'feature1']
    """
    feature_names = [f"feature{i}" for i in range(data.shape[1])]
    frame = None
    if as_frame:
        import pandas as pd

        frame = pd.DataFrame(data, columns=feature_names).assign(target=target)
        data, target = frame[feature_names], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, feature_names=feature_names, frame=frame, **about)
