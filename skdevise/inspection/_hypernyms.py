"""Labels gathered under a few of their hypernyms."""

from collections import Counter

# What is under none of them.
OTHER = "other"


def hypernym_groups(labels, hierarchy, n_groups=9, largest=0.13):
    """Gather labels under the hypernyms that hold most of them.

    Again and again, that hypernym is taken which holds most of the labels that are left, but no
    more than the share `largest` of all: "entity" holds all and tells nothing. Of hypernyms that
    hold the same labels, the most special one gives its name.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
    hierarchy : Hierarchy
        It must know the labels.
    n_groups : int, default=9
        How many groups, at the most.
    largest : float, default=0.13
        The share of the labels that a group holds, at the most.

    Returns
    -------
    dict of label to str
        The first term of its hypernym, or "other".

    Examples
    --------
    >>> from skdevise import Hierarchy
    >>> tree = Hierarchy.from_edges(
    ...     [("thing", "pet"), ("thing", "tool"), ("pet", "cat"), ("pet", "dog"), ("tool", "saw")]
    ... )
    >>> hypernym_groups(["cat", "dog", "saw"], tree, largest=0.7)
    {'cat': 'pet', 'dog': 'pet', 'saw': 'other'}
    """
    labels = list(labels)
    above = {label: hierarchy.ancestors(label) | {label} for label in labels}
    totals = Counter(node for nodes in above.values() for node in nodes)
    group_of = {}
    for _ in range(n_groups):
        left = [label for label in labels if label not in group_of]
        sizes = Counter(
            node for label in left for node in above[label] if totals[node] <= largest * len(labels)
        )
        size = max(sizes.values(), default=0)
        if size < 2:
            break
        same = [node for node, n in sizes.items() if n == size]
        # The most special one: it holds fewest labels in all, and is under the others.
        chosen = min(same, key=lambda node: (totals[node], -len(hierarchy.ancestors(node)), node))
        group_of |= {label: hierarchy.terms(chosen)[0] for label in left if chosen in above[label]}
    return {label: group_of.get(label, OTHER) for label in labels}
