"""Directed acyclic graphs of positions, on which hierarchies of labels stand."""

import math
from functools import cached_property

import numpy as np
from scipy.sparse import block_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components, dijkstra

from skdevise._utils import check_choice

# Most (start, node) pairs that one step of the search for correct sets may visit. Larger searches
# are split. A pair takes 5 bytes, so the searches need less than 200 MB.
_MAX_PAIRS = 2**22


class Graph:
    """A directed graph of the nodes 0 to n_nodes - 1, from pairs (parent, child) of shape (n, 2).

    Row i of `parents`, `children` and `neighbours`, csr_array of bool of shape (n_nodes, n_nodes),
    holds the parents of node i, its children, or both.
    """

    def __init__(self, edges, n_nodes):
        self.n_nodes = n_nodes
        self.edges = _check_edges(edges, n_nodes)
        # Before SciPy 1.13, `dijkstra` needs positions of int32.
        ones, (parents, children) = np.ones(len(self.edges), bool), self.edges.T.astype(np.int32)
        self.parents = csr_array((ones, (children, parents)), shape=(n_nodes, n_nodes))
        self.children = self.parents.T.tocsr()
        self.neighbours = self.parents + self.children

    def _with_itself(self, adjacency):
        """Add an edge from each node to itself."""
        return (adjacency + eye_array(self.n_nodes, dtype=bool, format="csr")).tocsr()

    def check_acyclic(self, names):
        """Raise ValueError if there is a cycle. `names` (n_nodes,) are for the message."""
        component = connected_components(self.parents, connection="strong")[1]
        on_cycle = (np.bincount(component)[component] > 1) | self.parents.diagonal()
        if on_cycle.any():
            names = [str(name) for name in names[on_cycle][:5]]
            raise ValueError(f"The edges form a cycle through {names}. Remove one of its edges.")

    def distances(self, adjacency, starts, most=math.inf):
        """Count the edges from the nearest start to each node; -1 if there are more than most."""
        distance = dijkstra(adjacency, True, starts, unweighted=True, limit=most, min_only=True)
        return np.where(np.isfinite(distance), distance, -1).astype(int)

    def within(self, direction, starts, most):
        """Mark the nodes within some edges, as `Hierarchy.within_hops` defines it: (n_nodes,)."""
        steps = {"any": self.neighbours, "up": self.parents, "down": self.children}
        check_choice("direction", direction, ("up_down", *steps))
        if direction == "up_down":
            # Each node stands here twice: on the way up, and on the way down after it.
            blocks = [[self.parents, self.children], [None, self.children]]
            steps[direction] = block_array(blocks, format="csr")
        distance = self.distances(steps[direction], starts, most)
        return (distance >= 0).reshape(-1, self.n_nodes).any(axis=0)

    def lowest_common_ancestors(self, a, b):
        """Return the lowest nodes above or equal to a and b, the nearest one first."""
        from_a, from_b = (self.distances(self.parents, [node]) for node in (a, b))
        common = np.flatnonzero((from_a >= 0) & (from_b >= 0))
        # Parents of common ancestors are common ancestors too, but not the lowest.
        lowest = np.setdiff1d(common, self.parents[common].indices)
        return lowest[np.argsort(from_a[lowest] + from_b[lowest], kind="stable")]

    def ancestors(self, nodes):
        """Find each of the nodes (n,) and all nodes above it: csr_array of bool (n, n_nodes)."""
        steps, reached, n_reached = self._with_itself(self.parents), self._rows(nodes), 0
        while n_reached < reached.nnz:
            n_reached, reached = reached.nnz, reached @ steps
        return reached

    def in_correct_sets(self, starts, answers, k, is_valid, max_pairs=_MAX_PAIRS):
        """Check which answers are in the correct sets of their true labels: bool (n, n_answers).

        `Hierarchy.correct_set` defines the sets. The true labels are the nodes `starts` (n,), and
        the answers are nodes (n, n_answers). `is_valid` marks the nodes that can be answered.
        """
        starts, group = np.unique(starts, return_inverse=True)
        n_reachable = np.bincount(self._component, weights=is_valid)[self._component[starts]]
        n_wanted = np.minimum(k, n_reachable)
        is_correct = np.zeros(answers.shape, dtype=bool)
        n_steps = np.diff(self._steps.indptr)
        # Row i of `near` holds the nodes within the current radius of the i-th start.
        growing = [(np.arange(len(starts)), self._rows(starts))]
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

    def _rows(self, nodes):
        """Build a sparse matrix with one of the nodes in each row: (n, n_nodes)."""
        ones = np.ones(len(nodes), dtype=bool)
        shape = (len(nodes), self.n_nodes)
        return csr_array((ones, nodes, np.arange(len(nodes) + 1)), shape=shape)

    @cached_property
    def _steps(self):
        """Adjacency in both directions, with each node as its own neighbour."""
        return self._with_itself(self.neighbours)

    @cached_property
    def _component(self):
        """Number of the connected component of each node: (n_nodes,)."""
        return connected_components(self.neighbours, directed=False)[1]


def _check_edges(edges, n_nodes):
    """Validate pairs of (parent, child): int (n_edges, 2)."""
    edges = np.asarray(edges)
    if not edges.size:
        return np.empty((0, 2), dtype=np.intp)
    if edges.dtype.kind not in "iu":
        raise ValueError(f"edges has dtype {edges.dtype}. Pass positions as whole numbers.")
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ValueError(f"edges has shape {edges.shape}. Pass pairs: (n_edges, 2).")
    for position in (edges.min(), edges.max()):
        if not 0 <= position < n_nodes:
            raise ValueError(f"edges holds {position}. Positions run from 0 to {n_nodes - 1}.")
    return edges.astype(np.intp)
