"""The labels of ImageNet, and features of one photo for each of a thousand of them."""

import numpy as np
from sklearn.utils import Bunch

from skdevise._bundled import (
    load_imagenet_labels,
    load_wordnet_nouns,
    read_descr,
    read_table,
    synset_ids,
)
from skdevise._compat import StrOptions, validate_params
from skdevise.datasets._features import features_bunch, unpack_features

# Edges from the nearest of the thousand; names count the nodes on the way.
_MOST_HOPS = {"2-hop": 1, "3-hop": 2, "all": 3}


@validate_params({"name": [StrOptions({*_MOST_HOPS, "1k"})]}, prefer_skip_nested_validation=True)
def load_zero_shot_split(name):
    """Load the labels of a zero-shot test on ImageNet, as the DeViSE paper's table 2 has them.

    Parameters
    ----------
    name : {"2-hop", "3-hop", "all", "1k"}
        The labels of the fall 2011 release that are parents or children of one of the thousand
        classes of ILSVRC-2012 ("2-hop"), those and their next relatives, siblings among them
        ("3-hop"), or all but the thousand ("all"); or the thousand themselves ("1k").

    Returns
    -------
    split : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        labels : list of str
            WordNet 3.0 ids, sorted: 1,549, 7,860, 20,842 or 1,000 of them.
        DESCR : str
            Source, licence and citation.

    Examples
    --------
    >>> from skdevise.datasets import load_zero_shot_split
    >>> len(load_zero_shot_split("2-hop").labels), len(load_zero_shot_split("3-hop").labels)
    (1549, 7860)
    """
    table = read_table("imagenet_labels")
    if name == "1k":
        offsets = table["ilsvrc2012"]
    else:
        hops = table["hops"]
        offsets = table["fall11"][(hops > 0) & (hops <= _MOST_HOPS[name])]
    return Bunch(labels=sorted(synset_ids(offsets).tolist()), DESCR=read_descr("imagenet_labels"))


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]}, prefer_skip_nested_validation=True
)
def load_imagenet_features(*, return_X_y=False, as_frame=False):
    """Load features of a thousand photos, one for each class of ILSVRC-2012.

    They are what EfficientNet-Lite0 gives under its softmax layer, rounded to a byte each. A map
    into a label space can be trained on them where ImageNet itself is not at hand.

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

        data : ndarray of float32 of shape (1000, 1280)
            Activations of the net, mean over the photo, between 0 and 6.
        target : ndarray of str of shape (1000,)
            WordNet 3.0 id of each photo.
        target_names : ndarray of str of shape (1000,)
            First term of each photo's synset. Some occur twice: "crane" is a bird and a machine.
        feature_names : list of str of length 1280
            Names of the columns.
        frame : DataFrame of shape (1000, 1281) or None
            `data` and `target` together, if `as_frame`.
        DESCR : str
            Source, licence and citation.

    (data, target) : tuple, if `return_X_y`
        The first two of these.

    Examples
    --------
    >>> from skdevise.datasets import load_imagenet_features
    >>> X, y = load_imagenet_features(return_X_y=True)
    >>> X.shape, y[:2].tolist()
    ((1000, 1280), ['n01440764', 'n01443537'])
    """
    data = unpack_features(read_table("imagenet_features"))
    target = load_imagenet_labels().ilsvrc2012
    nouns = load_wordnet_nouns()
    rows = np.searchsorted(nouns.synsets, target)
    return features_bunch(
        data,
        target,
        target_names=np.array([nouns.terms[row][0] for row in rows]),
        DESCR=read_descr("imagenet_features"),
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
