"""Senses of plain names: the labels of a hierarchy that a name can mean in a photo."""

from skdevise.language._terms import spellings, words_of


def photo_senses(names, hierarchy):
    """Find the labels that each name can mean in a photo.

    These are the labels that have the name as a term (`Hierarchy.synsets`), if they are below
    "physical entity" and neither "person" nor below it. If there is none, the other number of the
    name is tried: "banks" is a botanist, and therefore means "bank". If there is none either, all
    labels with the name count. If no label has the name, the name without its first word is looked
    up, and so on: "oat milk" means "milk".

    Parameters
    ----------
    names : sequence of n_names str
        Names to look up.
    hierarchy : Hierarchy
        Source of the labels, usually WordNet. A condition is left out if the hierarchy lacks its
        term.

    Returns
    -------
    list of n_names lists of labels
        The labels for which the name is used most come first. A list is empty if neither the name
        nor its last word is a term.
    """
    can_be_shown = ~_at_or_below("person", hierarchy)
    is_physical = _at_or_below("physical entity", hierarchy)
    if is_physical.any():
        can_be_shown &= is_physical
    return [_senses(name, hierarchy, can_be_shown) for name in names]


def _senses(name, hierarchy, can_be_shown):
    """Return the senses of a name that can be shown, or else all its senses: list of labels."""
    words = words_of(name)
    while not (every := hierarchy.synsets(name)) and len(words) > 1:
        words = words[1:]
        name = " ".join(words)
    for spelling in spellings(name):
        labels = hierarchy.synsets(spelling)
        is_shown = can_be_shown[hierarchy.positions(labels)]
        if is_shown.any():
            return [label for label, shown in zip(labels, is_shown, strict=True) if shown]
    return every


def _at_or_below(term, hierarchy):
    """Mark the label for which a term is used most, and everything below: bool (n_labels,)."""
    tops = hierarchy.positions(hierarchy.synsets(term)[:1])
    graph = hierarchy.graph
    return graph.distances(graph.children, tops) >= 0
