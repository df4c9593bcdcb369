"""What is a kind of what: a directed acyclic graph of labels."""

from functools import cache
from numbers import Integral

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skdevise.datasets import load_wordnet_nouns
from skdevise.labels._array import label_array


class Hierarchy:
    """A directed acyclic graph of labels, parents above their kinds.

    It is immutable. Make one by `from_edges` or `wordnet`.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        The labels, each once.
    edges : array-like of int, of shape (n_edges, 2)
        Positions of (parent, child) among the labels.
    terms : sequence of n_labels sequences of str, default=None
        The terms of each label; None means that a label is its own term.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)

    Raises
    ------
    ValueError
        If the edges run in a circle.

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

    def __init__(self, labels, edges, terms=None):
        self.labels = label_array(labels)
        self.labels.flags.writeable = False
        self._edges = np.asarray(edges, dtype=np.intp).reshape(-1, 2)
        self._terms = terms
        self._position = {label: i for i, label in enumerate(self.labels.tolist())}
        if len(self._position) != len(self.labels):
            raise ValueError("A hierarchy holds each label once; some are given several times.")
        parents, children = self._edges.T
        self._parents = self._adjacency(children, parents)
        self._neighbours = self._adjacency(np.r_[children, parents], np.r_[parents, children])
        self._refuse_circles()

    def _adjacency(self, source, target):
        n = len(self.labels)
        return coo_array((np.ones(len(source), dtype=bool), (source, target)), shape=(n, n)).tocsr()

    def _refuse_circles(self):
        n_components, component = connected_components(self._parents, connection="strong")
        loops = self._edges[:, 0] == self._edges[:, 1]
        if n_components == len(self.labels) and not loops.any():
            return
        circling = np.bincount(component)[component] > 1
        circling[self._edges[loops, 0]] = True
        names = [str(label) for label in self.labels[circling][:5]]
        raise ValueError(f"A hierarchy has no circles, but edges run around through {names}.")

    @classmethod
    def from_edges(cls, pairs):
        """Make a hierarchy of (parent, child) pairs of labels.

        Parameters
        ----------
        pairs : iterable of (label, label)

        Returns
        -------
        Hierarchy

        Raises
        ------
        ValueError
            If there is no pair, what is given are no pairs, or they run in a circle.
        """
        pairs = list(pairs)
        if not pairs:
            raise ValueError("A hierarchy needs at least one (parent, child) pair.")
        for pair in pairs:
            if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
                raise ValueError(f"An edge is a (parent, child) pair, got {pair!r}.")
        position = {}
        edges = [[position.setdefault(label, len(position)) for label in pair] for pair in pairs]
        return cls(list(position), edges)

    @classmethod
    def wordnet(cls):
        """Give the nouns of WordNet 3.0, bundled: 82,115 synsets by id, as "n02084071".

        Returns
        -------
        Hierarchy
            Edges are the hypernym pointers, without those of instances ("Paris" is no kind of
            capital).
        """
        return _wordnet()

    def __contains__(self, label):
        return label in self._position

    def __repr__(self):
        return f"Hierarchy(n_labels={len(self.labels)}, n_edges={len(self._edges)})"

    def __sklearn_clone__(self):
        return self

    def __reduce__(self):
        if _wordnet.cache_info().currsize and self is _wordnet():
            # Bundled: a scorer that holds it travels light to other processes.
            return _wordnet, ()
        return Hierarchy, (self.labels, self._edges, self._terms)

    def rename(self, names):
        """Let labels go by other names, such as a synset id by the word that users see.

        Parameters
        ----------
        names : dict
            The new names, by the old.

        Returns
        -------
        Hierarchy
            The same graph; labels that are not renamed keep their names.

        Raises
        ------
        ValueError
            If an old name is unknown, or a new one is taken.
        """
        self.positions(list(names))
        labels = [names.get(label, label) for label in self.labels.tolist()]
        terms = [(str(label),) for label in self.labels] if self._terms is None else self._terms
        return Hierarchy(labels, self._edges, terms)

    def terms(self, label):
        """Name the terms of a label, the leading one first.

        Parameters
        ----------
        label : label

        Returns
        -------
        tuple of str
        """
        (i,) = self.positions([label])
        return (str(label),) if self._terms is None else tuple(self._terms[i])

    def ancestors(self, label):
        """Collect all that a label is a kind of.

        Parameters
        ----------
        label : label

        Returns
        -------
        set of labels
            Without the label itself.
        """
        rings = list(self._rings(self._parents, *self.positions([label])))
        return set(self.labels[np.concatenate(rings[1:])].tolist()) if rings[1:] else set()

    def correct_set(self, label, k, valid):
        """Give the labels that count as right at k (DeViSE, appendix A.3).

        All valid labels within a graph distance of R from the label, for the least R that gives
        at least k of them, or all that can be reached. Distances are counted in edges, up and
        down, through valid labels and others alike.

        Parameters
        ----------
        label : label
        k : int
        valid : array-like of labels, or LabelVocabulary
            The labels that can be answered.

        Returns
        -------
        set of labels
        """
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"k is a whole number of at least 1, got {k!r}.")
        is_valid = np.zeros(len(self.labels), dtype=bool)
        is_valid[self.positions(valid)] = True
        (start,) = self.positions([label])
        return set(self.labels[self.correct_positions(start, [k], is_valid)[0]].tolist())

    def correct_positions(self, start, ks, is_valid):
        """Give the correct sets of one label for several k, all as positions.

        Parameters
        ----------
        start : int
            Position of the label.
        ks : sequence of int
            In ascending order.
        is_valid : ndarray of bool, of shape (n_labels,)

        Returns
        -------
        list of ndarray of int
        """
        sets = []
        found = np.empty(0, dtype=np.intp)
        for ring in self._rings(self._neighbours, start):
            found = np.concatenate([found, ring[is_valid[ring]]])
            while len(sets) < len(ks) and len(found) >= ks[len(sets)]:
                sets.append(found)
            if len(sets) == len(ks):
                return sets
        return sets + [found] * (len(ks) - len(sets))

    def positions(self, labels):
        """Find labels among `self.labels`.

        Parameters
        ----------
        labels : array-like of labels, or LabelVocabulary

        Returns
        -------
        ndarray of int, of shape (n_labels,)

        Raises
        ------
        ValueError
            If the hierarchy lacks some; it names them.
        """
        labels = getattr(labels, "labels", labels)
        labels = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
        unknown = sorted({str(label) for label in labels if label not in self._position})
        if unknown:
            raise ValueError(
                f"The hierarchy does not know {unknown}: add edges to them, or give its labels "
                "the names that you use by Hierarchy.rename."
            )
        return np.array([self._position[label] for label in labels], dtype=np.intp)

    @staticmethod
    def _rings(adjacency, start):
        """Positions at graph distance 0, 1, 2, ... from `start`, a ring at a time."""
        seen = np.zeros(adjacency.shape[0], dtype=bool)
        seen[start] = True
        ring = np.array([start])
        while ring.size:
            yield ring
            reached = adjacency[ring].indices
            ring = np.unique(reached[~seen[reached]])
            seen[ring] = True


@cache
def _wordnet():
    nouns = load_wordnet_nouns()
    return Hierarchy(nouns.synsets, nouns.edges, nouns.terms)
