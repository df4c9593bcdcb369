"""What is a kind of what: a directed acyclic graph of labels."""

import math
from functools import cache, cached_property
from numbers import Integral

import numpy as np
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components

from skdevise._bundled import load_imagenet_labels, load_wordnet_nouns
from skdevise.labels._array import label_array
from skdevise.language._terms import normalise_term

# Neighbourhoods grow together while the next step cannot reach more pairs (start, label) than this,
# else in two halves. A pair takes 5 bytes; with the halves that wait, 200 MB at the very most.
_N_PAIRS = 2**22

# The tops of ImageNet's graph of fall 2011: plant, geological formation, natural object, sport,
# artifact, fungus, person and animal. Labels elsewhere count as animals there, "Misc" in its words.
_FALL11_TOPS = (
    "n00017222",
    "n09287968",
    "n00019128",
    "n00523513",
    "n00021939",
    "n12992868",
    "n00007846",
    "n00015388",
)


class Hierarchy:
    """A directed acyclic graph of labels, parents above their kinds.

    It is immutable. Make one by `from_edges`, `wordnet` or `from_nltk`.

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
        If the edges run in a circle, or labels, edges and terms do not fit together.

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
        is_text = isinstance(labels, np.ndarray) and labels.dtype.kind == "U"
        # Text cannot lose its type: WordNet's labels need not be looked at one by one.
        self.labels = labels.copy() if is_text else label_array(labels)
        self.labels.flags.writeable = False
        self._edges = _check_edges(edges, len(self.labels))
        if terms is not None and len(terms) != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels came with the terms of {len(terms)}.")
        self._terms = terms
        self._variant = None
        self._position = {label: i for i, label in enumerate(self.labels.tolist())}
        if len(self._position) != len(self.labels):
            raise ValueError("A hierarchy holds each label once; some are given several times.")
        parents, children = self._edges.T
        self._refuse_loops(parents, children)
        self._parents = self._adjacency(children, parents)
        self._children = self._adjacency(parents, children)
        self._neighbours = self._parents + self._children
        self._refuse_circles()

    def _adjacency(self, source, target):
        n = len(self.labels)
        return coo_array((np.ones(len(source), dtype=bool), (source, target)), shape=(n, n)).tocsr()

    def _refuse_loops(self, parents, children):
        loops = np.flatnonzero(parents == children)
        if len(loops):
            label = self.labels[parents[loops[0]]]
            raise ValueError(f"{str(label)!r} is given as its own parent: leave that edge out.")

    def _refuse_circles(self):
        n_components, component = connected_components(self._parents, connection="strong")
        if n_components == len(self.labels):
            return
        circling = np.bincount(component)[component] > 1
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
        for label in position:
            if label is None or label != label:
                raise ValueError(f"A label is text or a number, got {label!r}.")
        return cls(list(position), edges)

    @classmethod
    def wordnet(cls, variant="wordnet"):
        """Give the nouns of WordNet 3.0, bundled: 82,115 synsets by id, as "n02084071".

        Parameters
        ----------
        variant : {"wordnet", "imagenet-fall11"}, default="wordnet"
            "imagenet-fall11" is near to the graph of ImageNet's release of fall 2011: what is
            under its eight tops, below a root "fall11"; its labels that are elsewhere in WordNet
            hang under "animal".

        Returns
        -------
        Hierarchy
            Edges are the hypernym pointers, without those of instances ("Paris" is no kind of
            capital).

        Notes
        -----
        The mean sizes of the correct sets of the 1,000 ILSVRC-2012 labels at k = 2, 5, 10, 20 are
        4.54, 9.48, 17.99, 33.82 in WordNet and 6.29, 11.70, 21.46, 38.63 in the other. The DeViSE
        paper prints 6.5, 12.5, 22.5, 41.7; no published graph gives these exactly.
        """
        if variant not in ("wordnet", "imagenet-fall11"):
            raise ValueError(f"variant is 'wordnet' or 'imagenet-fall11', got {variant!r}.")
        return _wordnet(variant)

    @classmethod
    def from_nltk(cls, reader):
        """Make the hierarchy of the nouns that nltk's WordNet reader has.

        Parameters
        ----------
        reader : nltk.corpus.reader.WordNetCorpusReader
            Of any version of WordNet; ids of ImageNet are of 3.0.

        Returns
        -------
        Hierarchy
            Labels are "n" and the eight digits of the synset's offset.
        """
        synsets = sorted(reader.all_synsets("n"), key=lambda synset: synset.offset())
        position = {synset.offset(): i for i, synset in enumerate(synsets)}
        edges = [
            (position[parent.offset()], child)
            for child, synset in enumerate(synsets)
            for parent in synset.hypernyms()
        ]
        terms = [
            tuple(name.replace("_", " ") for name in synset.lemma_names()) for synset in synsets
        ]
        return cls([f"n{synset.offset():08d}" for synset in synsets], edges, terms)

    def __contains__(self, label):
        return label in self._position

    def __repr__(self):
        return f"Hierarchy(n_labels={len(self.labels)}, n_edges={len(self._edges)})"

    def __sklearn_clone__(self):
        return self

    def __reduce__(self):
        if self._variant is not None:
            # Bundled: a scorer that holds it travels light to other processes.
            return _wordnet, (self._variant,)
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

    def synsets(self, term):
        """Name the labels that go by a term.

        Parameters
        ----------
        term : str
            In any case, with "_" and " " the same.

        Returns
        -------
        list of labels
            In their order; empty if there is none.
        """
        return self.labels[self._rows_of_terms.get(normalise_term(term), [])].tolist()

    @cached_property
    def _rows_of_terms(self):
        rows = {}
        own_terms = (
            self.labels.astype(str)[:, None].tolist() if self._terms is None else self._terms
        )
        for row, terms in enumerate(own_terms):
            for term in dict.fromkeys(map(normalise_term, terms)):
                rows.setdefault(term, []).append(row)
        return rows

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
        distance = self._distances(self._parents, self.positions([label]))
        return set(self.labels[distance > 0].tolist())

    def distance(self, a, b):
        """Count the edges on the shortest way between two labels, up and down.

        Parameters
        ----------
        a, b : label

        Returns
        -------
        int or float
            ``math.inf`` if no way leads from one to the other.
        """
        start, end = self.positions([a, b])
        distance = int(self._distances(self._neighbours, [start])[end])
        return math.inf if distance < 0 else distance

    def lowest_common_ancestor(self, a, b):
        """Find the most special label that two labels are kinds of, or are.

        Parameters
        ----------
        a, b : label

        Returns
        -------
        label or None
            Of several, none above the other, that with the shortest way from `a` over it to `b`;
            then the first. None if they have nothing in common.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> wordnet = Hierarchy.wordnet()
        >>> (dog,), (cat, *_) = wordnet.synsets("domestic dog"), wordnet.synsets("true cat")
        >>> wordnet.terms(wordnet.lowest_common_ancestor(dog, cat))
        ('carnivore',)
        """
        from_a, from_b = (self._distances(self._parents, [i]) for i in self.positions([a, b]))
        common = np.flatnonzero((from_a >= 0) & (from_b >= 0))
        # What is above a common ancestor is one too: the lowest are nobody's parents among them.
        lowest = np.setdiff1d(common, self._parents[common].indices)
        if not len(lowest):
            return None
        ways = from_a[lowest] + from_b[lowest]
        return self.labels[lowest[ways.argmin()]].item()

    def within_hops(self, seeds, edges, direction="up_down"):
        """Collect the labels that few edges part from some labels.

        Parameters
        ----------
        seeds : array-like of labels, or LabelVocabulary
        edges : int
            At most so many from the nearest seed.
        direction : {"up_down", "any", "up", "down"}, default="up_down"
            "up_down" leads up to a common ancestor and from there down, which is how the zero-shot
            sets of ImageNet are counted; "any" leads up and down in any order.

        Returns
        -------
        set of labels
            With the seeds.

        Raises
        ------
        ValueError
            If the hierarchy lacks a seed, `edges` is no whole number of at least 0, or there is no
            such direction.

        Examples
        --------
        >>> from skdevise import Hierarchy
        >>> tree = Hierarchy.from_edges([("pet", "cat"), ("pet", "dog"), ("guard", "dog")])
        >>> sorted(tree.within_hops(["cat"], 2)), sorted(tree.within_hops(["cat"], 3, "any"))
        (['cat', 'dog', 'pet'], ['cat', 'dog', 'guard', 'pet'])
        """
        if not isinstance(edges, Integral) or edges < 0:
            raise ValueError(f"edges is a whole number of at least 0, got {edges!r}.")
        graphs = {
            "up_down": self._parents,
            "any": self._neighbours,
            "up": self._parents,
            "down": self._children,
        }
        if direction not in graphs:
            raise ValueError(f"direction is one of {list(graphs)}, got {direction!r}.")
        distance = self._distances(graphs[direction], self.positions(seeds), edges)
        reached = distance >= 0
        if direction == "up_down":
            # Down from each ancestor, by as many edges as the way up to it has left over.
            for used in range(edges):
                begun = np.flatnonzero(distance == used)
                if not begun.size:
                    break
                below = np.unique(self._children[begun].indices)
                farther = below[(distance[below] < 0) | (distance[below] > used + 1)]
                distance[farther] = used + 1
            reached = distance >= 0
        return set(self.labels[reached].tolist())

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
        start, valid = self.positions([label]), np.unique(self.positions(valid))
        is_valid = np.zeros(len(self.labels), dtype=bool)
        is_valid[valid] = True
        (right,) = self.in_correct_sets(start, valid[None], k, is_valid)
        return set(self.labels[valid[right]].tolist())

    def in_correct_sets(self, starts, answers, k, is_valid):
        """Tell which answers are in the correct sets of labels; all are positions of labels.

        Parameters
        ----------
        starts : ndarray of int, of shape (n,)
            The labels whose sets are asked for.
        answers : ndarray of int, of shape (n, n_answers)
        k : int
        is_valid : ndarray of bool, of shape (n_labels,)

        Returns
        -------
        ndarray of bool, of shape (n, n_answers)
        """
        starts, group = np.unique(starts, return_inverse=True)
        n_reachable = np.bincount(self._component, weights=is_valid)[self._component[starts]]
        n_wanted = np.minimum(k, n_reachable)
        right = np.zeros(answers.shape, dtype=bool)
        n_steps = np.diff(self._steps.indptr)
        near = csr_array(
            (np.ones(len(starts), dtype=bool), starts, np.arange(len(starts) + 1)),
            shape=(len(starts), len(self.labels)),
        )
        to_grow = [(np.arange(len(starts)), near)]
        while to_grow:
            rows, near = to_grow.pop()
            if len(rows) > 1 and n_steps[near.indices].sum() > _N_PAIRS:
                half = len(rows) // 2
                to_grow += [(rows[:half], near[:half]), (rows[half:], near[half:])]
                continue
            n_valid = np.add.reduceat(is_valid[near.indices], near.indptr[:-1], dtype=int)
            done = n_valid >= n_wanted[rows]
            place = np.full(len(starts), -1)
            place[rows[done]] = np.flatnonzero(done)
            asked = np.flatnonzero(place[group] >= 0)
            right[asked] = near[place[group[asked], None], answers[asked]].toarray()
            if not done.all():
                to_grow.append((rows[~done], near[~done] @ self._steps))
        return right & is_valid[answers]

    @cached_property
    def _steps(self):
        return (self._neighbours + eye_array(len(self.labels), dtype=bool, format="csr")).tocsr()

    @cached_property
    def _component(self):
        return connected_components(self._neighbours, directed=False)[1]

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
        if isinstance(labels, str):
            raise TypeError(f"Expected a sequence of labels, got {labels!r}: pass a list.")
        if not isinstance(labels, np.ndarray):
            return self._look_up(list(labels))
        if not labels.ndim == 1 or not labels.dtype.kind == self.labels.dtype.kind == "U":
            return self._look_up(labels.tolist())
        # In a dict, one by one, finding thousands of texts would take most of hp@k's time.
        found = self._row_of_hash[self._hash(labels)]
        missed = self.labels[found] != labels
        found[missed] = self._look_up(labels[missed].tolist())
        return found

    def _look_up(self, labels):
        try:
            return np.fromiter(map(self._position.__getitem__, labels), np.intp, len(labels))
        except KeyError:
            unknown = sorted({str(label) for label in labels if label not in self._position})
            raise ValueError(
                f"The hierarchy does not know {unknown}: add edges to them, or give its labels "
                "the names that you use by Hierarchy.rename."
            ) from None

    def _hash(self, labels):
        """A number below 8 to 16 times the number of labels, for each text in an array."""
        letters = np.ascontiguousarray(labels).view(np.uint32)
        letters = letters.reshape(len(labels), labels.itemsize // 4)
        factors = np.cumprod(np.full(letters.shape[1], 0x9E3779B97F4A7C15, dtype=np.uint64))
        total = np.zeros(len(labels), dtype=np.uint64)
        for column, factor in zip(letters.T, factors, strict=True):
            total += column * factor
        return total >> (61 - len(self.labels).bit_length())

    @cached_property
    def _row_of_hash(self):
        """Where the last label with each hash is; others with the same are looked up."""
        rows = np.zeros(8 << len(self.labels).bit_length(), dtype=np.intp)
        rows[self._hash(self.labels)] = np.arange(len(self.labels))
        return rows

    def _distances(self, adjacency, starts, most=math.inf):
        """Edges from the nearest start to each label, or -1 where none leads to it."""
        distance = np.full(len(self.labels), -1)
        ring = np.unique(starts)
        distance[ring] = 0
        while ring.size and distance[ring[0]] < most:
            reached = np.unique(adjacency[ring].indices)
            ring, step = reached[distance[reached] < 0], distance[ring[0]] + 1
            distance[ring] = step
        return distance


def _check_edges(edges, n_labels):
    edges = np.asarray(edges)
    if not edges.size:
        return np.empty((0, 2), dtype=np.intp)
    if edges.dtype.kind not in "iu":
        raise ValueError(f"An edge is a pair of positions, whole numbers, got {edges.dtype}.")
    for position in (edges.min(), edges.max()):
        if not 0 <= position < n_labels:
            raise ValueError(f"An edge joins positions from 0 to {n_labels - 1}, got {position}.")
    return edges.astype(np.intp).reshape(-1, 2)


@cache
def _wordnet(variant):
    nouns = load_wordnet_nouns()
    labels, edges, terms = nouns.synsets, nouns.edges, nouns.terms
    if variant == "imagenet-fall11":
        labels, edges, terms = _fall11(_wordnet("wordnet"), edges, terms)
    graph = Hierarchy(labels, edges, terms)
    graph._variant = variant
    return graph


def _fall11(wordnet, edges, terms):
    """Labels, edges and terms of ImageNet's graph, cut out of WordNet's nouns."""
    tops = wordnet.positions(_FALL11_TOPS)
    is_kept = wordnet._distances(wordnet._children, tops) >= 0
    elsewhere = wordnet.positions(load_imagenet_labels().fall11)
    elsewhere = elsewhere[~is_kept[elsewhere]]
    is_kept[elsewhere] = True
    # What is above a top is left, or hangs under "animal" itself: no edge leads to a top.
    edges = edges[is_kept[edges].all(axis=1) & ~np.isin(edges[:, 1], tops)]
    root, animal = len(wordnet.labels), wordnet.positions(["n00015388"])[0]
    edges = np.vstack(
        [
            edges,
            np.column_stack([np.full(len(tops), root), tops]),
            np.column_stack([np.full(len(elsewhere), animal), elsewhere]),
        ]
    )
    kept = np.append(np.flatnonzero(is_kept), root)
    labels = np.append(wordnet.labels, "fall11")[kept]
    edges = np.searchsorted(kept, edges)
    return labels, edges, [terms[i] for i in kept[:-1]] + [("fall11",)]
