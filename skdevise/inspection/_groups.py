"""Groups of labels."""

from collections import Counter
from collections.abc import Hashable, Mapping

import pandas as pd

from skdevise._columns import by_label
from skdevise.labels import Hierarchy

# Group of labels that belong to no other group.
OTHER = "other"


def group_of_each(labels, groups):
    """Turn the parameter `groups` into a list with the group of each label."""
    if isinstance(groups, Hierarchy):
        groups = hypernym_groups(labels, groups)
    elif callable(groups):
        groups = [groups(label) for label in labels]
    groups = by_label(groups, labels, "groups")
    if isinstance(groups, Mapping):
        groups = [groups.get(label, OTHER) for label in labels]
    for label, group in zip(labels, groups, strict=True):
        if not isinstance(group, Hashable) or pd.isna(group):
            raise ValueError(f"{label!r} has the group {group!r}. Use text, a number or {OTHER!r}.")
    return groups


def hypernym_groups(labels, hierarchy, n_groups=9, largest=0.13):
    """Group labels by the n_groups hypernyms that cover most: a dict of label to term.

    A hypernym that covers more than the share `largest` of the labels is too general to be used.
    """
    labels = list(labels)
    above = {label: hierarchy.ancestors(label) | {label} for label in labels}
    totals = Counter(node for nodes in above.values() for node in nodes)
    group_of = {}
    for _ in range(n_groups):
        rest = [label for label in labels if label not in group_of]
        sizes = Counter(
            node for label in rest for node in above[label] if totals[node] <= largest * len(labels)
        )
        size = max(sizes.values(), default=0)
        if size < 2:
            break
        # Among equal hypernyms, the most specific one covers fewest labels, and lies deepest.
        equal = [node for node, n in sizes.items() if n == size]
        depth = {node: len(hierarchy.ancestors(node)) for node in equal}
        chosen = min(equal, key=lambda node: (totals[node], -depth[node], str(node)))
        group_of |= {label: hierarchy.terms(chosen)[0] for label in rest if chosen in above[label]}
    return {label: group_of.get(label, OTHER) for label in labels}
