"""The noun graph of WordNet 3.0."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from sklearn.utils import Bunch

from skdevise.datasets._bundled import read_descr, read_table, synset_ids


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
