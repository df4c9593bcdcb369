"""Hierarchies: directed acyclic graphs of labels, such as WordNet."""

import math
from functools import cache, cached_property
from numbers import Integral

import numpy as np
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components

from skdevise._columns import label_array
from skdevise.labels._label_index import LabelIndex
from skdevise.labels._wordnet import bundled_graph, nltk_graph
from skdevise.language._terms import normalise_term

# Most (start, label) pairs that one step of the search for correct sets may visit. Larger searches
# are split. A pair takes 5 bytes, so the searches need less than 200 MB.
_MAX_PAIRS = 2**22


class Hierarchy:
    """A directed acyclic graph of labels, in which parents are more general than children.

    Use it to measure hierarchical precision (hp@k), and to look up related labels and synonyms.
    Build one with `from_edges`, `wordnet` or `from_nltk`. Methods raise ValueError for a label that
    the hierarchy does not have; ``label in hierarchy`` checks it. A hierarchy is immutable.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        Unique labels: text or numbers.
    edges : array-like of int of shape (n_edges, 2)
        Positions of (parent, child) in `labels`.
    terms : sequence of n_labels sequences of str, default=None
        Terms (synonyms) of each label. None means that each label is its own term.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
        The labels.

    Raises
    ------
    ValueError
        If the edges form a cycle, or `labels`, `edges` and `terms` do not match.

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
        # label_array checks labels one by one, which is slow for WordNet and needless for text.
        is_text = isinstance(labels, np.ndarray) and labels.dtype.kind == "U"
        self.labels = labels.copy() if is_text else label_array(labels)
        self.labels.flags.writeable = False
        self._index = LabelIndex(self.labels)
        self._terms = [(str(label),) for label in self.labels] if terms is None else terms
        if len(self._terms) != len(self.labels):
            raise ValueError(
                f"There are {len(self.labels)} labels but terms for {len(terms)}. Pass one entry "
                "per label."
            )
        self._variant = None
        self._edges = _check_edges(edges, len(self.labels))
        parents, children = self._edges.T
        self._parents = self._adjacency(children, parents)
        self._children = self._adjacency(parents, children)
        self._neighbours = self._parents + self._children
        self._check_acyclic()

    def _adjacency(self, source, target):
        """Build the sparse matrix of edges from source to target: (n_labels, n_labels)."""
        n = len(self.labels)
        return coo_array((np.ones(len(source), dtype=bool), (source, target)), shape=(n, n)).tocsr()

    def _check_acyclic(self):
        """Raise ValueError if the edges form a cycle."""
        component = connected_components(self._parents, connection="strong")[1]
        on_cycle = np.bincount(component)[component] > 1
        on_cycle |= self._parents.diagonal()
        if on_cycle.any():
            names = [str(label) for label in self.labels[on_cycle][:5]]
            raise ValueError(f"The edges form a cycle through {names}. Remove one of its edges.")

    @classmethod
    def from_edges(cls, pairs):
        """Build a hierarchy from pairs of labels.

        Parameters
        ----------
        pairs : iterable of (parent, child)
            Edges of the graph.

        Returns
        -------
        Hierarchy

        Raises
        ------
        ValueError
            If there are no pairs, an entry is not a pair, or the pairs form a cycle.
        """
        position, edges = {}, []
        for pair in pairs:
            if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
                raise ValueError(f"{pair!r} is not an edge. Pass (parent, child) pairs.")
            edges.append([position.setdefault(label, len(position)) for label in pair])
        if not edges:
            raise ValueError("There are no edges. Pass at least one (parent, child) pair.")
        for label in position:
            if label is None or label != label:
                raise ValueError(f"{label!r} cannot be a label. Use text or numbers.")
        return cls(list(position), edges)

    @classmethod
    def wordnet(cls, variant="wordnet"):
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

        Notes
        -----
        For the 1,000 labels of ILSVRC-2012, the mean sizes of the correct sets at k = 2, 5, 10, 20
        are 4.54, 9.48, 17.99, 33.82 in WordNet. In the other variant they are 6.29, 11.70, 21.46,
        38.63. The DeViSE paper prints 6.5, 12.5, 22.5, 41.7; no known graph gives exactly these.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> Hierarchy.wordnet().terms("n02084071")
        ('dog', 'domestic dog', 'Canis familiaris')
        """
        if variant not in ("wordnet", "imagenet-fall11"):
            raise ValueError(f"variant={variant!r} is unknown. Use 'wordnet' or 'imagenet-fall11'.")
        return _bundled_hierarchy(variant)

    @classmethod
    def from_nltk(cls, reader):
        """Build the hierarchy of nouns from nltk's WordNet reader.

        Parameters
        ----------
        reader : nltk.corpus.reader.WordNetCorpusReader
            Reader of any WordNet version, such as `nltk.corpus.wordnet`. ImageNet's ids need
            version 3.0.

        Returns
        -------
        Hierarchy
            Labels are "n" followed by the eight digits of the synset's offset.
        """
        return cls(*nltk_graph(reader))

    def __contains__(self, label):
        return label in self._index

    def __repr__(self):
        return f"Hierarchy(n_labels={len(self.labels)}, n_edges={len(self._edges)})"

    def __sklearn_clone__(self):
        return self

    def __reduce__(self):
        # A bundled graph is pickled by name, so that scorers that hold it stay small.
        if self._variant is not None:
            return _bundled_hierarchy, (self._variant,)
        return Hierarchy, (self.labels, self._edges, self._terms)

    def rename(self, names):
        """Rename labels, for example synset ids to words.

        Parameters
        ----------
        names : dict
            The keys are labels of the hierarchy, and the values their new names.

        Returns
        -------
        Hierarchy
            New hierarchy with the same edges and terms. Labels not in `names` keep their names.

        Raises
        ------
        ValueError
            If an old name is unknown, or two labels would get the same name.
        """
        names = dict(names)
        self.positions(list(names))
        labels = [names.get(label, label) for label in self.labels.tolist()]
        return Hierarchy(labels, self._edges, self._terms)

    def terms(self, label):
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

    def synsets(self, term):
        """Return the labels that have a term.

        Parameters
        ----------
        term : str
            Term to look up. Case does not matter, and "_" equals " ".

        Returns
        -------
        list of labels
            Labels in order. It is empty if no label has the term.
        """
        return self.labels[self._rows_by_term.get(normalise_term(term), [])].tolist()

    @cached_property
    def _rows_by_term(self):
        rows_by_term = {}
        for row, terms in enumerate(self._terms):
            for term in dict.fromkeys(map(normalise_term, terms)):
                rows_by_term.setdefault(term, []).append(row)
        return rows_by_term

    def ancestors(self, label):
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
        distance = self._distances(self._parents, self.positions([label]))
        return set(self.labels[distance > 0].tolist())

    def distance(self, a, b):
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
        distance = int(self._distances(self._neighbours, [start])[end])
        return math.inf if distance < 0 else distance

    def lowest_common_ancestor(self, a, b):
        """Return the most specific label that is above or equal to both labels.

        Parameters
        ----------
        a, b : label
            Labels in the hierarchy.

        Returns
        -------
        label or None
            None means that there is no common ancestor. If labels have several parents, there can
            be several lowest ancestors. The result is then the one with the fewest edges to `a` and
            `b` together, and the first of equal ones.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> wordnet = Hierarchy.wordnet()
        >>> (dog,), (cat, *_) = wordnet.synsets("domestic dog"), wordnet.synsets("true cat")
        >>> wordnet.terms(wordnet.lowest_common_ancestor(dog, cat))
        ('carnivore',)
        """
        from_a, from_b = (self._distances(self._parents, [row]) for row in self.positions([a, b]))
        common = np.flatnonzero((from_a >= 0) & (from_b >= 0))
        # Parents of common ancestors are common ancestors too, but not the lowest.
        lowest = np.setdiff1d(common, self._parents[common].indices)
        if not len(lowest):
            return None
        return self.labels[lowest[(from_a[lowest] + from_b[lowest]).argmin()]].item()

    def within_hops(self, seeds, edges, direction="up_down"):
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
        if not isinstance(edges, Integral) or edges < 0:
            raise ValueError(f"edges={edges!r} is invalid. Use a whole number from 0.")
        graphs = {
            "up_down": self._parents,
            "any": self._neighbours,
            "up": self._parents,
            "down": self._children,
        }
        if direction not in graphs:
            raise ValueError(f"direction={direction!r} is unknown. Use one of {list(graphs)}.")
        distance = self._distances(graphs[direction], self.positions(seeds), edges)
        if direction == "up_down":
            # Descend from each ancestor with the edges that the climb has left.
            for used in range(edges):
                ring = np.flatnonzero(distance == used)
                if not ring.size:
                    break
                below = np.unique(self._children[ring].indices)
                farther = below[(distance[below] < 0) | (distance[below] > used + 1)]
                distance[farther] = used + 1
        return set(self.labels[distance >= 0].tolist())

    def correct_set(self, label, k, valid):
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
            Labels that can be answered.

        Returns
        -------
        set of labels
            It has fewer than k labels if fewer valid labels can be reached.
        """
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"k={k!r} is invalid. Use a whole number from 1.")
        start, valid = self.positions([label]), np.unique(self.positions(valid))
        is_valid = np.zeros(len(self.labels), dtype=bool)
        is_valid[valid] = True
        (is_correct,) = self.in_correct_sets(start, valid[None], k, is_valid)
        return set(self.labels[valid[is_correct]].tolist())

    def in_correct_sets(self, starts, answers, k, is_valid, max_pairs=_MAX_PAIRS):
        """Check which answers are in the correct sets of their true labels.

        Parameters
        ----------
        starts : ndarray of int of shape (n,)
            Positions of the true labels.
        answers : ndarray of int of shape (n, n_answers)
            Positions of the answers.
        k : int
            Smallest size of the sets.
        is_valid : ndarray of bool of shape (n_labels,)
            Labels that can be answered.
        max_pairs : int
            Limit of memory: most (start, label) pairs in one step.

        Returns
        -------
        ndarray of bool of shape (n, n_answers)
        """
        starts, group = np.unique(starts, return_inverse=True)
        n_reachable = np.bincount(self._component, weights=is_valid)[self._component[starts]]
        n_wanted = np.minimum(k, n_reachable)
        is_correct = np.zeros(answers.shape, dtype=bool)
        n_steps = np.diff(self._steps.indptr)
        # Row i of `near` holds the labels within the current radius of the i-th start.
        near = csr_array(
            (np.ones(len(starts), dtype=bool), starts, np.arange(len(starts) + 1)),
            shape=(len(starts), len(self.labels)),
        )
        growing = [(np.arange(len(starts)), near)]
        while growing:
            rows, near = growing.pop()
            if len(rows) > 1 and n_steps[near.indices].sum() > max_pairs:
                half = len(rows) // 2
                growing += [(rows[:half], near[:half]), (rows[half:], near[half:])]
                continue
            n_valid = np.add.reduceat(is_valid[near.indices], near.indptr[:-1], dtype=int)
            done = n_valid >= n_wanted[rows]
            row_of_start = np.full(len(starts), -1)
            row_of_start[rows[done]] = np.flatnonzero(done)
            asked = np.flatnonzero(row_of_start[group] >= 0)
            is_correct[asked] = near[row_of_start[group[asked], None], answers[asked]].toarray()
            if not done.all():
                growing.append((rows[~done], near[~done] @ self._steps))
        return is_correct & is_valid[answers]

    @cached_property
    def _steps(self):
        """Adjacency in both directions, with each label as its own neighbour."""
        return (self._neighbours + eye_array(len(self.labels), dtype=bool, format="csr")).tocsr()

    @cached_property
    def _component(self):
        """Number of the connected component of each label: (n_labels,)."""
        return connected_components(self._neighbours, directed=False)[1]

    def positions(self, labels):
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

    def _distances(self, adjacency, starts, most=math.inf):
        """Count the edges from the nearest start to each label; -1 if there are more than most."""
        distance = np.full(len(self.labels), -1)
        ring = np.unique(starts)
        distance[ring] = 0
        while ring.size and distance[ring[0]] < most:
            reached = np.unique(adjacency[ring].indices)
            ring, step = reached[distance[reached] < 0], distance[ring[0]] + 1
            distance[ring] = step
        return distance


def _check_edges(edges, n_labels):
    """Validate positions of (parent, child): int (n_edges, 2)."""
    edges = np.asarray(edges)
    if not edges.size:
        return np.empty((0, 2), dtype=np.intp)
    if edges.dtype.kind not in "iu":
        raise ValueError(f"edges has dtype {edges.dtype}. Pass positions as whole numbers.")
    for position in (edges.min(), edges.max()):
        if not 0 <= position < n_labels:
            raise ValueError(f"edges holds {position}. Positions run from 0 to {n_labels - 1}.")
    return edges.astype(np.intp).reshape(-1, 2)


@cache
def _bundled_hierarchy(variant):
    """Build a bundled hierarchy once per process."""
    graph = Hierarchy(*bundled_graph(variant))
    graph._variant = variant
    return graph
