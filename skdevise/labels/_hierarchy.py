"""Hierarchies: directed acyclic graphs of labels, such as WordNet."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Literal, Self

import numpy as np

from skdevise._bounded import parsing
from skdevise._columns import check_labels
from skdevise._typing import ArrayLike, Labels, NDArray
from skdevise._utils import check_count
from skdevise.labels._graph import Graph
from skdevise.labels._index import LabelIndex, TermIndex
from skdevise.labels._tables import bundled_tables, check_tables, nltk_tables, pair_tables
from skdevise.language._terms import check_terms


class Hierarchy:
    """A directed acyclic graph of labels, in which parents are more general than children.

    Use it to measure hierarchical precision (hp@k), and to look up related labels, synonyms and
    definitions. Methods raise ValueError for a label that the hierarchy does not have;
    ``label in hierarchy`` checks it. A hierarchy is immutable.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        Unique labels: text or numbers.
    edges : array-like of int of shape (n_edges, 2)
        Positions of (parent, child) in `labels`.
    terms : sequence of n_labels sequences of str, default=None
        Terms (synonyms) of each label. None means that each label is its own term.
    definitions : sequence of n_labels str, default=None
        Definition of each label. None means that there are no definitions.
    counts : sequence of n_labels sequences of int, default=None
        Number of uses of each term for the label. It decides the order of `synsets`. None means
        that the numbers are unknown.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
        The labels.
    graph : Graph
        The edges between the positions of the labels, for work on many labels at once.
    term_index : TermIndex
        The positions of the labels that have a term, with the numbers of uses.

    Raises
    ------
    ValueError
        If the edges form a cycle, or a parameter does not match `labels`.

    Examples
    --------
    >>> from skdevise import Hierarchy
    >>> tree = Hierarchy.from_edges(
    ...     [("animal", "cat"), ("animal", "dog"), ("dog", "beagle"), ("dog", "husky")]
    ... )
    >>> sorted(tree.correct_set("beagle", k=2, valid=["cat", "beagle", "husky"]))
    ['beagle', 'husky']
    >>> sorted(tree.ancestors("husky"))
    ['animal', 'dog']
    """

    def __init__(
        self,
        labels: ArrayLike,
        edges: ArrayLike,
        terms: Sequence[Sequence[str]] | None = None,
        definitions: Sequence[str] | None = None,
        counts: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.labels = check_labels(labels)
        self.labels.flags.writeable = False
        self._index = LabelIndex(self.labels)
        self._terms = [(str(label),) for label in self.labels] if terms is None else terms
        self._definitions = definitions
        self._counts = counts
        check_tables(len(self.labels), terms=terms, definitions=definitions, counts=counts)
        self._variant = None
        self.graph = Graph(edges, len(self.labels))
        self.graph.check_acyclic(self.labels)

    @classmethod
    def from_edges(
        cls, pairs: Iterable[tuple[Any, Any]], definitions: Mapping[Any, str] | None = None
    ) -> Self:
        """Build a hierarchy from pairs of labels.

        Parameters
        ----------
        pairs : iterable of (parent, child), or table
            Edges of the graph. A table has two columns: parents and children.
        definitions : mapping of label to str, default=None
            Definitions of labels. It may omit labels.

        Returns
        -------
        Hierarchy

        Raises
        ------
        ValueError
            If there are no pairs, an entry is not a pair, the pairs form a cycle, or a definition
            belongs to no label.
        TypeError
            If `pairs` is not a list, or `definitions` is not a dict.
        """
        labels, edges, definitions = pair_tables(pairs, definitions)
        return cls(labels, edges, definitions=definitions)

    @classmethod
    def wordnet(cls, variant: Literal["wordnet", "imagenet-fall11"] = "wordnet") -> Self:
        """Return the bundled nouns of WordNet 3.0; labels are ids such as "n02084071".

        Parameters
        ----------
        variant : {"wordnet", "imagenet-fall11"}, default="wordnet"
            "wordnet" holds all 82,115 noun synsets (groups of words with one meaning).
            "imagenet-fall11" approximates the graph of ImageNet's fall 2011 release. It holds eight
            synsets, such as "animal" and "artifact", and everything below them. Their parent is the
            label "fall11". ImageNet's other labels are children of "animal".

        Returns
        -------
        Hierarchy
            The edges are WordNet's hypernym pointers. Proper names have no ancestors, because
            "Paris" is an instance of a capital, not a kind of capital. Five names are exceptions.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> Hierarchy.wordnet().terms("n02084071")
        ('dog', 'domestic dog', 'Canis familiaris')
        """
        return _bundled_hierarchy(variant)

    @classmethod
    def from_nltk(cls, reader: Any) -> Self:
        """Build the hierarchy of nouns from nltk's WordNet reader.

        Parameters
        ----------
        reader : nltk.corpus.reader.WordNetCorpusReader
            Reader of any WordNet version, such as `nltk.corpus.wordnet`. ImageNet's ids need
            version 3.0.

        Returns
        -------
        Hierarchy
            Labels are "n" followed by the eight digits of the synset's offset. The counts of uses
            are not read, so `synsets` returns labels in order.
        """
        with parsing(str(getattr(reader, "root", reader)), "Give complete files."):
            if hasattr(reader, "all_synsets"):  # This loads the files of `nltk.corpus.wordnet`.
                return cls(*nltk_tables(reader))
        raise TypeError(f"{reader!r:.80} is not a reader of WordNet. Pass nltk.corpus.wordnet.")

    def __contains__(self, label):
        return label in self._index

    def __repr__(self):
        return f"Hierarchy(n_labels={len(self.labels)}, n_edges={len(self.graph.edges)})"

    def __sklearn_clone__(self):
        return self

    def __reduce__(self):
        # A bundled graph is pickled by name, so that scorers that hold it stay small.
        if self._variant is not None:
            return _bundled_hierarchy, (self._variant,)
        return Hierarchy, (self.labels, *self._tables)

    @property
    def _tables(self):
        """Parameters of the constructor after `labels`."""
        return self.graph.edges, self._terms, self._definitions, self._counts

    def rename(self, names: Mapping[Any, Any]) -> "Hierarchy":
        """Rename labels, for example synset ids to words.

        Parameters
        ----------
        names : dict
            The keys are labels of the hierarchy, and the values their new names.

        Returns
        -------
        Hierarchy
            New hierarchy, equal in all but the names. Labels not in `names` keep theirs.

        Raises
        ------
        ValueError
            If an old name is unknown, or two labels would get the same name.
        """
        names = dict(names)
        self.positions(list(names))
        labels = [names.get(label, label) for label in self.labels.tolist()]
        return Hierarchy(labels, *self._tables)

    def terms(self, label: Hashable) -> tuple[str, ...]:
        """Return the terms of a label, the preferred one first.

        Parameters
        ----------
        label : label
            Label in the hierarchy.

        Returns
        -------
        tuple of str
        """
        (row,) = self.positions([label])
        return tuple(self._terms[row])

    def synsets(self, term: str) -> list[Any]:
        """Return the labels that have a term, the most common meaning first.

        Parameters
        ----------
        term : str
            Term to look up. Case does not matter, and "_" and "-" equal " ". If no label has the
            term in this form, "wolves" finds "wolf", and "hairdryer" finds "hair dryer".

        Returns
        -------
        list of labels
            It is empty if no label has the term. Labels with equal or unknown numbers of uses keep
            their order. WordNet's authors counted uses in texts that lack many of its nouns.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> wordnet = Hierarchy.wordnet()
        >>> wordnet.definition(wordnet.synsets("Oranges")[0])
        'round yellow to orange fruit of any of several citrus trees'
        """
        return self.labels[list(self.term_index.counts(*check_terms([term])))].tolist()

    @cached_property
    def term_index(self) -> TermIndex:
        return TermIndex(self._terms, self._counts)

    def definition(self, label: Hashable) -> str:
        """Return the definition of a label.

        Parameters
        ----------
        label : label
            Label in the hierarchy.

        Returns
        -------
        str
            It is empty if the hierarchy has no definition of the label. WordNet's definitions come
            without its quoted examples.
        """
        return self.definitions([label])[0]

    def definitions(self, labels: Labels) -> list[str]:
        """Return the definitions of many labels.

        Parameters
        ----------
        labels : sequence of labels, or LabelVocabulary
            Labels in the hierarchy.

        Returns
        -------
        list of str
            An entry is empty if the hierarchy has no definition of the label.
        """
        rows = self.positions(labels).tolist()
        if self._definitions is None:
            return [""] * len(rows)
        return [self._definitions[row] for row in rows]

    def parents(self, label: Hashable) -> list[Any]:
        """Return the labels directly above a label.

        Parameters
        ----------
        label : label
            Label in the hierarchy.

        Returns
        -------
        list of labels
            Parents in the order of `labels`. It is empty for a root.
        """
        return self.labels[self.graph.parents[self.positions([label])].indices].tolist()

    def ancestors(self, label: Hashable) -> set[Any]:
        """Return all labels above a label, up to the root.

        Parameters
        ----------
        label : label
            Label in the hierarchy.

        Returns
        -------
        set of labels
            All ancestors, without the label.
        """
        distance = self.graph.distances(self.graph.parents, self.positions([label]))
        return set(self.labels[distance > 0].tolist())

    def distance(self, a: Hashable, b: Hashable) -> float:
        """Count the edges of the shortest path between two labels.

        The path can go up and down several times, so it need not pass a common ancestor.

        Parameters
        ----------
        a, b : label
            Labels in the hierarchy.

        Returns
        -------
        int or float
            Number of edges. It is ``math.inf`` if no path exists.
        """
        start, end = self.positions([a, b])
        distance = int(self.graph.distances(self.graph.neighbours, [start])[end])
        return math.inf if distance < 0 else distance

    def lowest_common_ancestor(self, a: Hashable, b: Hashable) -> Any:
        """Return the most specific label that is above or equal to both labels.

        Parameters
        ----------
        a, b : label
            Labels in the hierarchy.

        Returns
        -------
        label or None
            None means that there is no common ancestor. Among several lowest ones, the result is
            the one with the fewest edges to `a` and `b` together, and the first of equal ones.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> wordnet = Hierarchy.wordnet()
        >>> (dog,), (cat, *_) = wordnet.synsets("domestic dog"), wordnet.synsets("true cat")
        >>> wordnet.terms(wordnet.lowest_common_ancestor(dog, cat))
        ('carnivore',)
        """
        lowest = self.graph.lowest_common_ancestors(*self.positions([a, b]))
        return next(iter(self.labels[lowest].tolist()), None)

    def within_hops(
        self,
        seeds: Labels,
        edges: int,
        direction: Literal["up_down", "any", "up", "down"] = "up_down",
    ) -> set[Any]:
        """Return the labels within a number of edges of the seeds.

        Parameters
        ----------
        seeds : sequence of labels, or LabelVocabulary
            Labels to start from. They belong to the result.
        edges : int
            Largest number of edges from the nearest seed.
        direction : {"up_down", "any", "up", "down"}, default="up_down"
            Direction of the paths. "up" finds only ancestors, and "down" only descendants.
            "up_down" first climbs and then descends. ImageNet's zero-shot sets are made this way:
            "2-hop" with one edge and "3-hop" with two. "any" mixes both directions freely.

        Returns
        -------
        set of labels

        Raises
        ------
        ValueError
            If a seed is unknown, or `edges` or `direction` is invalid.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> tree = Hierarchy.from_edges([("pet", "cat"), ("pet", "dog"), ("guard", "dog")])
        >>> sorted(tree.within_hops(["cat"], 2)), sorted(tree.within_hops(["cat"], 3, "any"))
        (['cat', 'dog', 'pet'], ['cat', 'dog', 'guard', 'pet'])
        """
        check_count("edges", edges, least=0)
        is_within = self.graph.within(direction, self.positions(seeds), edges)
        return set(self.labels[is_within].tolist())

    def correct_set(self, label: Hashable, k: int, valid: Labels) -> set[Any]:
        """Return the labels that count as correct answers at k (DeViSE, appendix A.3).

        For the radius R = 0, 1, 2, ... the set takes all valid labels within R edges of the label.
        It stops at the first R that gives at least k of them, or when nothing more is reachable.
        Distances run up and down, through all labels, valid or not.

        Parameters
        ----------
        label : label
            The true label.
        k : int
            Smallest size of the set.
        valid : sequence of labels, or LabelVocabulary
            Candidates: the labels that a classifier chooses from.

        Returns
        -------
        set of labels
            It has fewer than k labels if fewer valid labels can be reached.
        """
        check_count("k", k)
        start, valid = self.positions([label]), np.unique(self.positions(valid))
        is_valid = np.zeros(len(self.labels), dtype=bool)
        is_valid[valid] = True
        (is_correct,) = self.graph.in_correct_sets(start, valid[None], k, is_valid)
        return set(self.labels[valid[is_correct]].tolist())

    def positions(self, labels: Labels) -> NDArray[np.intp]:
        """Return the positions of labels in `self.labels`.

        Parameters
        ----------
        labels : sequence of labels, or LabelVocabulary
            Labels to look up.

        Returns
        -------
        ndarray of int of shape (n_labels,)

        Raises
        ------
        ValueError
            If labels are unknown. The message names them.
        """
        return self._index.positions(getattr(labels, "labels", labels))


@cache
def _bundled_hierarchy(variant):
    """Build a bundled hierarchy once per process."""
    graph = Hierarchy(*bundled_tables(variant))
    graph._variant = variant
    return graph
