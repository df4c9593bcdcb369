"""Bundled tables: the nouns of WordNet and the labels of ImageNet."""

from collections.abc import Sequence
from functools import cache, cached_property, partial
from importlib.resources import files
from itertools import islice

import numpy as np
from sklearn.utils import Bunch

_DATA = files("skdevise") / "datasets" / "data"


def read_table(name):
    """Read the arrays of a bundled table. Each call returns new arrays, which may be changed."""
    with (_DATA / f"{name}.npz").open("rb") as file, np.load(file) as table:
        return {key: table[key] for key in table.files}


def read_descr(name):
    """Read the description of a bundled table in reStructuredText."""
    return (_DATA / f"{name}.rst").read_text(encoding="utf-8")


def synset_ids(offsets):
    """Format WordNet offsets as synset ids: 2084071 becomes "n02084071"."""
    # Arithmetic on code points: formatting 82,115 ids one by one would slow reading down by 30 %.
    letters = np.full((len(offsets), 9), ord("n"), dtype=np.uint32)
    letters[:, 1:] = ord("0") + offsets[:, np.newaxis] // 10 ** np.arange(7, -1, -1) % 10
    return letters.view("U9")[:, 0]


class LazySequence(Sequence):
    """Entries that a function makes at the first access. It is pickled as this function.

    Splitting the terms of WordNet takes longer than reading its graph, and many uses of the graph
    need neither terms nor definitions.
    """

    def __init__(self, make_entries, length):
        self._make_entries = make_entries
        self._length = length

    @cached_property
    def _entries(self):
        return self._make_entries()

    def __len__(self):
        return self._length

    def __getitem__(self, index):
        return self._entries[index]

    def __iter__(self):
        return iter(self._entries)

    def __repr__(self):
        return f"<{self._length} entries>"

    def __reduce__(self):
        return LazySequence, (self._make_entries, self._length)


def _split_terms(text):
    """Split the terms of each synset from one text: list of tuples of str."""
    return [tuple(line.split("\t")) for line in text.decode().split("\n")]


def _split_counts(terms, counts):
    """Split the counts of all terms by synset: list of tuples of int."""
    counts = iter(counts.tolist())
    return [tuple(islice(counts, len(synset))) for synset in terms]


@cache
def _read_definitions():
    """Read the definitions of WordNet's synsets once per process: tuple of str."""
    return tuple(read_table("wordnet_definitions")["definitions"].tobytes().decode().split("\n"))


def load_wordnet_nouns() -> Bunch:
    """Load the nouns of WordNet 3.0: synsets, terms, definitions and hypernyms.

    For methods that search WordNet, use `Hierarchy.wordnet`.

    Returns
    -------
    nouns : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        synsets : ndarray of str of shape (82115,)
            Sorted ids: "n" and the eight digits of the offset in WordNet.
        terms : sequence of tuple of str, of length 82115
            Terms of each synset, in the order and case of WordNet, with spaces between words.
        counts : sequence of tuple of int, of length 82115
            Number of times that each term has this meaning in the texts of WordNet's authors.
        definitions : sequence of str, of length 82115
            Definition of each synset, without the quoted examples.
        edges : ndarray of int of shape (75850, 2)
            Hypernym pointers (``@``) as pairs (parent, child) of indices into `synsets`, sorted by
            child. "entity" is the only class without a parent. Instances have no parent here.
        instance_edges : ndarray of int of shape (8577, 2)
            Instance hypernym pointers (``@i``) in the same form, such as (physicist, Einstein).
            Only five of the 7,730 instances also have a parent in `edges`.
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
    n_synsets = len(table["offset_steps"])
    terms = LazySequence(partial(_split_terms, table["terms"].tobytes()), n_synsets)
    return Bunch(
        synsets=synset_ids(np.cumsum(table["offset_steps"], dtype=np.int64)),
        terms=terms,
        counts=LazySequence(partial(_split_counts, terms, table["term_counts"]), n_synsets),
        definitions=LazySequence(_read_definitions, n_synsets),
        edges=_edges(table["parents"], table["n_parents"]),
        instance_edges=_edges(table["instance_parents"], table["n_instance_parents"]),
        DESCR=read_descr("wordnet_nouns"),
    )


def _edges(parents, n_parents):
    """Make pairs (parent, child) from the concatenated parents of all children."""
    children = np.repeat(np.arange(len(n_parents)), n_parents)
    return np.column_stack([parents, children])


def load_imagenet_labels() -> Bunch:
    """Load the synset ids of the labels of ImageNet.

    Returns
    -------
    labels : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        ilsvrc2012 : ndarray of str of shape (1000,)
            WordNet 3.0 ids of the classes of the ILSVRC-2012 challenge, in the order of the class
            numbers of pretrained classifiers.
        fall11 : ndarray of str of shape (21841,)
            Sorted WordNet 3.0 ids of all labels of the fall 2011 release. The release lacks one of
            the 1,000 classes, "n04399382" (teddy).
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
