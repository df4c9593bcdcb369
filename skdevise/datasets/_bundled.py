"""Loaders of the bundled features, term vectors and zero-shot splits."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdevise._bundled import (
    load_imagenet_labels,
    load_wordnet_nouns,
    read_descr,
    read_table,
    synset_ids,
)
from skdevise._compat import StrOptions, validate_params
from skdevise.language import PretrainedEmbedder

_FEATURE_OPTIONS = {"return_X_y": ["boolean"], "as_frame": ["boolean"]}
# Greatest number of edges from the nearest of the 1,000 classes. The names count nodes.
_MAX_EDGES = {"2-hop": 1, "3-hop": 2, "all": 3}


@validate_params(_FEATURE_OPTIONS)
def load_caltech101_features(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load features of the photos of Caltech-101, with an honest zero-shot split.

    The features are the activations below the softmax layer of EfficientNet-Lite0, which was
    trained on ILSVRC-2012. They are stored with 8 bits each. 96 of the 101 classes are included;
    `DESCR` says why. Of these, 34 are among the 1,000 training classes of the network. The other 62
    are unseen by the network and by every classifier that you train on the 34.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of the Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame and `target` a Series.

    Returns
    -------
    features : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : ndarray of float32 of shape (3775, 1280)
            Activations of the network, averaged over the photo, between 0 and 6.
        target : ndarray of str of shape (3775,)
            Term of the class of each photo, such as "grand piano". A class has 31 to 40 photos.
        target_names : ndarray of str of shape (96,)
            Sorted terms.
        synsets : ndarray of str of shape (96,)
            WordNet 3.0 id of each term, or "" if no synset fits.
        split : ndarray of str of shape (96,)
            "seen" if a sense of the term is a class of ILSVRC-2012 (34 terms), "unseen" otherwise.
        strict : ndarray of bool of shape (96,)
            True for the 43 unseen terms without a broader or narrower term (hypernym or hyponym) in
            ILSVRC-2012.
        feature_names : list of str of length 1280
            Names of the columns.
        frame : DataFrame of shape (3775, 1281) or None
            `data` and `target` together, if `as_frame` is True.
        DESCR : str
            Source, licence and citation.

    (data, target) : tuple, if `return_X_y` is True
        The first two of these attributes.

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
    return _features_bunch(
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


@validate_params(_FEATURE_OPTIONS)
def load_imagenet_features(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load features of 1,000 photos, one for each class of ILSVRC-2012.

    The features are the activations below the softmax layer of EfficientNet-Lite0, stored with 8
    bits each. Use them to train a projection into a label space when you do not have ImageNet. Do
    not measure accuracy on them, because the network was probably trained on these photos.

    Parameters
    ----------
    return_X_y, as_frame
        See :func:`load_caltech101_features`.

    Returns
    -------
    features : :class:`~sklearn.utils.Bunch`, or tuple (data, target) if `return_X_y` is True
        Dictionary-like object with `data`, `feature_names`, `frame` and `DESCR`, as those of
        :func:`load_caltech101_features`, and the following attributes.

        target : ndarray of str of shape (1000,)
            WordNet 3.0 id of each photo.
        target_names : ndarray of str of shape (1000,)
            First term of the synset of each photo. Some terms occur twice, such as "crane", which
            is a bird and a machine.

    Examples
    --------
    >>> from skdevise.datasets import load_imagenet_features
    >>> X, y = load_imagenet_features(return_X_y=True)
    >>> X.shape, y[:2].tolist()
    ((1000, 1280), ['n01440764', 'n01443537'])
    """
    target = load_imagenet_labels().ilsvrc2012
    nouns = load_wordnet_nouns()
    rows = np.searchsorted(nouns.synsets, target)
    return _features_bunch(
        unpack_features(read_table("imagenet_features")),
        target,
        target_names=np.array([nouns.terms[row][0] for row in rows]),
        DESCR=read_descr("imagenet_features"),
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def load_term_vectors() -> Bunch:
    """Load vectors of 27,000 terms: frequent nouns, and the labels of the bundled features.

    We trained them with :class:`~skdevise.SkipGramEmbedder` on 31 million words of books and
    Wikipedia, with hierarchical softmax and multi-word terms. For better accuracy, use vectors of a
    larger text, such as GloVe, with `PretrainedEmbedder.load`. Rare words, such as "yoghurt", have
    no vector; ``LabelVocabulary(labels, on_missing="wordnet")`` takes those of related words.

    Returns
    -------
    term_vectors : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        embedder : PretrainedEmbedder
            Embedder of these vectors, which you can pass to a classifier.
        terms : list of str, of length 27000
            Terms in lower case, most frequent first.
        vectors : ndarray of float16, of shape (27000, 100)
            Vectors of unit length, except for rounding.
        DESCR : str
            Source, licence, method, and the labels without a vector.

    Examples
    --------
    >>> from skdevise.datasets import load_term_vectors
    >>> embedder = load_term_vectors().embedder
    >>> [term for term, _ in embedder.most_similar("violin", k=3)]
    ['piano', 'guitar', 'flute']
    """
    table = read_table("term_vectors")
    terms = table["terms"].tobytes().decode().split("\n")
    return Bunch(
        embedder=PretrainedEmbedder((terms, table["vectors"])),
        terms=terms,
        vectors=table["vectors"],
        DESCR=read_descr("term_vectors"),
    )


@validate_params({"name": [StrOptions({*_MAX_EDGES, "1k"})]})
def load_zero_shot_split(name: Literal["2-hop", "3-hop", "all", "1k"]) -> Bunch:
    """Load the labels of a zero-shot test on ImageNet from table 2 of the DeViSE paper.

    Parameters
    ----------
    name : {"2-hop", "3-hop", "all", "1k"}
        Set of labels from the fall 2011 release of ImageNet.

        - "2-hop": the parents and children of the 1,000 classes of ILSVRC-2012.
        - "3-hop": all labels within two edges of the 1,000 classes, so siblings and "2-hop" too.
        - "all": all labels except the 1,000 classes.
        - "1k": the 1,000 classes.

    Returns
    -------
    split : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        labels : list of str
            Sorted WordNet 3.0 ids: 1,549, 7,860, 20,842 or 1,000 of them.
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
        offsets = table["fall11"][(hops > 0) & (hops <= _MAX_EDGES[name])]
    return Bunch(labels=sorted(synset_ids(offsets).tolist()), DESCR=read_descr("imagenet_labels"))


def pack_features(features):
    """Store non-negative features with 8 bits each: (n, n_features) to `codes` and `scale`."""
    # Averaged ReLU activations are mostly small. Their square roots fill the 256 steps more evenly,
    # which halves the angle of the rounding error.
    roots = np.sqrt(features)
    scale = roots.max(axis=0) / 255
    codes = np.rint(roots / np.where(scale > 0, scale, 1)).astype(np.uint8)
    return {"codes": codes, "scale": scale.astype(np.float32)}


def unpack_features(packed):
    """Restore the features that `pack_features` stored, as float32 of shape (n, n_features)."""
    return np.square(packed["codes"] * packed["scale"])


def _features_bunch(data, target, *, return_X_y, as_frame, **attributes):
    """Return features and labels as a Bunch or a tuple, in arrays or in a DataFrame."""
    feature_names = [f"feature{i}" for i in range(data.shape[1])]
    frame = None
    if as_frame:
        frame = pd.DataFrame(data, columns=feature_names).assign(target=target)
        data, target = frame[feature_names], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, feature_names=feature_names, frame=frame, **attributes)
