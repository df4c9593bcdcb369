"""Tables that the package carries: WordNet's nouns and the labels of ImageNet."""

from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

_DATA = files("skdevise") / "datasets" / "data"


def read_table(name):
    """Read the arrays of the bundled table `name`, a compressed ``.npz`` file.

    Parameters
    ----------
    name : str
        File name in ``skdevise/datasets/data``, without the suffix.

    Returns
    -------
    dict of str to ndarray
        Read anew at each call: a caller may change them in place.

    Examples
    --------
    >>> sorted(read_table("imagenet_labels"))
    ['fall11', 'hops', 'ilsvrc2012']
    """
    with (_DATA / f"{name}.npz").open("rb") as file, np.load(file) as table:
        return {key: table[key] for key in table.files}


def read_descr(name):
    """Read what is said of the bundled table `name`: source, licence, how it was made.

    Parameters
    ----------
    name : str
        File name in ``skdevise/datasets/data``, without the suffix ``.rst``.

    Returns
    -------
    str
        reStructuredText, the `DESCR` of the loader.

    Examples
    --------
    >>> print(read_descr("imagenet_labels").splitlines()[0])
    Labels of ImageNet
    """
    return (_DATA / f"{name}.rst").read_text(encoding="utf-8")


def synset_ids(offsets):
    """Write WordNet offsets as synset ids: 2084071 is ``"n02084071"``.

    Parameters
    ----------
    offsets : ndarray of int of shape (n,)
        Offsets in WordNet's ``data.noun``.

    Returns
    -------
    ndarray of str of shape (n,)

    Examples
    --------
    >>> synset_ids(np.array([2084071])).tolist()
    ['n02084071']
    """
    letters = np.full((len(offsets), 9), ord("n"), dtype=np.uint32)
    letters[:, 1:] = ord("0") + offsets[:, np.newaxis] // 10 ** np.arange(7, -1, -1) % 10
    return letters.view("U9")[:, 0]


class _SynsetTerms(Sequence):
    """The terms of each synset; split from one string when first asked for.

    Splitting takes longer than reading the graph, and much use of the graph asks for no term.
    """

    def __init__(self, text):
        self._text = text

    @cached_property
    def _terms(self):
        return [tuple(line.split("\t")) for line in self._text.split("\n")]

    def __len__(self):
        return self._text.count("\n") + 1

    def __getitem__(self, index):
        return self._terms[index]

    def __repr__(self):
        return f"<terms of {len(self)} synsets>"


def load_wordnet_nouns():
    """Load the nouns of WordNet 3.0: synsets, their terms and hypernyms, without glosses.

    Returns
    -------
    nouns : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        synsets : ndarray of str of shape (82115,)
            Ids, "n" and the eight digits of WordNet's offset, sorted.
        terms : sequence of tuple of str, of length 82115
            The terms of each synset, in WordNet's order and case, words separated by a space.
        edges : ndarray of int of shape (75850, 2)
            Hypernym pointers (``@``) as pairs (parent, child) of indices into `synsets`, the
            children in ascending order. The one synset without a parent among the classes is
            "entity"; instances have none here.
        instance_edges : ndarray of int of shape (8577, 2)
            Instance hypernym pointers (``@i``) likewise, such as (physicist, Einstein). All but
            five of the 7,730 instances have no other tie to the graph.
        DESCR : str
            Source, licence and citation.

    Examples
    --------
    >>> from skdevise.datasets import load_wordnet_nouns
    >>> nouns = load_wordnet_nouns()
    >>> dog = nouns.synsets.searchsorted("n02084071")
    >>> nouns.terms[dog]
    ('dog', 'domestic dog', 'Canis familiaris')
    >>> parents = nouns.edges[nouns.edges[:, 1] == dog, 0]
    >>> [nouns.terms[parent][0] for parent in parents]
    ['canine', 'domestic animal']
    """
    table = read_table("wordnet_nouns")
    return Bunch(
        synsets=synset_ids(np.cumsum(table["offset_steps"], dtype=np.int64)),
        terms=_SynsetTerms(table["terms"].tobytes().decode()),
        edges=_edges(table["parents"], table["n_parents"]),
        instance_edges=_edges(table["instance_parents"], table["n_instance_parents"]),
        DESCR=read_descr("wordnet_nouns"),
    )


def _edges(parents, n_parents):
    """Pairs (parent, child) from the parents of all children in a row."""
    children = np.repeat(np.arange(len(n_parents)), n_parents)
    return np.column_stack([parents, children])


def load_imagenet_labels():
    """Load the synset ids that ImageNet labels its photos with.

    Returns
    -------
    labels : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        ilsvrc2012 : ndarray of str of shape (1000,)
            WordNet 3.0 ids of the classes of the ILSVRC-2012 challenge, in the order in which
            classifiers number them.
        fall11 : ndarray of str of shape (21841,)
            WordNet 3.0 ids of all labels of the fall 2011 release, sorted. It lacks one of the
            thousand, "n04399382" (teddy).
        DESCR : str
            Source, licence and citation.

    Examples
    --------
    >>> from skdevise.datasets import load_imagenet_labels
    >>> labels = load_imagenet_labels()
    >>> labels.ilsvrc2012[:3].tolist()
    ['n01440764', 'n01443537', 'n01484850']
    >>> len(set(labels.fall11) - set(labels.ilsvrc2012))
    20842
    """
    table = read_table("imagenet_labels")
    return Bunch(
        ilsvrc2012=synset_ids(table["ilsvrc2012"]),
        fall11=synset_ids(table["fall11"]),
        DESCR=read_descr("imagenet_labels"),
    )
