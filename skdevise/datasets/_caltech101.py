"""Features of the photos of Caltech-101."""

import numpy as np

from skdevise._bundled import read_descr, read_table
from skdevise._compat import validate_params
from skdevise.datasets._features import features_bunch, unpack_features


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]}, prefer_skip_nested_validation=True
)
def load_caltech101_features(*, return_X_y=False, as_frame=False):
    """Load features of the photos of Caltech-101, with an honest zero-shot split.

    They are what EfficientNet-Lite0, trained on ILSVRC-2012, gives under its softmax layer,
    rounded to a byte each. 34 of the 96 classes are among the thousand that the net was trained
    on; the other 62 are unseen, by the net as by whatever is trained on the 34.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` in place of the Bunch.
    as_frame : bool, default=False
        Give `data` as a pandas DataFrame and `target` as a Series.

    Returns
    -------
    features : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of float32 of shape (3775, 1280)
            Activations of the net, mean over the photo, between 0 and 6.
        target : ndarray of str of shape (3775,)
            Term of each photo's class, such as "grand piano"; at most 40 photos have the same.
        target_names : ndarray of str of shape (96,)
            The terms, sorted.
        synsets : ndarray of str of shape (96,)
            WordNet 3.0 id of each of them, "" where none fits.
        split : ndarray of str of shape (96,)
            "seen" where a sense of the term is a class of ILSVRC-2012 (34), else "unseen" (62).
        strict : ndarray of bool of shape (96,)
            Whether moreover none of its hypernyms and hyponyms is such a class (43).
        feature_names : list of str of length 1280
            Names of the columns.
        frame : DataFrame of shape (3775, 1281) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            Source, licence and citation.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Examples
    --------
    >>> import numpy as np
    >>> from skdevise.datasets import load_caltech101_features
    >>> caltech = load_caltech101_features()
    >>> seen_names = caltech.target_names[caltech.split == "seen"]
    >>> seen = np.isin(caltech.target, seen_names)
    >>> X_train, y_train = caltech.data[seen], caltech.target[seen]
    >>> X_test, y_test = caltech.data[~seen], caltech.target[~seen]
    >>> len(set(y_train)), len(set(y_test))
    (34, 62)
    """
    table = read_table("caltech101_features")
    names = table["target_names"]
    return features_bunch(
        unpack_features(table),
        names[table["target"]],
        target_names=names,
        synsets=table["synsets"],
        split=np.where(table["seen"], "seen", "unseen"),
        strict=table["strict"],
        DESCR=read_descr("caltech101_features"),
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
