"""Senses of plain names: the labels of a hierarchy that a name can mean in a photo."""

import re

import numpy as np

from skdevise.language._terms import spellings, split_capitals, words_of

# A description of the thing begins with one of these: "chair (oak)", "jacket for men".
_DESCRIPTION = re.compile(r"[(\[,;]|[\s_](?:[-–—]|for|from|in|on|with|without)[\s_]", re.I)

# If a name is used for persons so many times as often as for things, a photo can show a person.
_MOSTLY = 10


def photo_senses(names, hierarchy):
    """Find the labels that each name can mean in a photo.

    These are the labels that have the name as a term (`Hierarchy.synsets`), if they are visible and
    neither "person" nor below it. Physical entities, visual signals, and signs such as a street
    sign are visible. Persons count too if the name is mostly used for them, such as "man". If there
    is no such label, the other number of the name is tried: "banks" is a botanist, and therefore
    means "bank". If there is none either, all labels with the name count.

    If no label has the name, descriptions are left out: "chair (oak)", "chair, red" and "chair for
    men" mean "chair". But "crane (bird)" only means the crane that is a bird, and "dog, beagle" the
    dog that is a beagle. Then numbers and letters at its end are left out, as in "cat 2". Then the
    name without its first word is looked up, and so on: "oat milk" means "milk". But "maple tree"
    means "maple", because one sense of "maple" is below "tree". A "stop sign" is a sign, and not a
    full stop, which is a rare sense of "stop" and not visible.

    The result has a list for each name, in which the labels that the name is used for most come
    first. The list is empty if neither the name nor its last word is a term. A condition is left
    out if the hierarchy lacks its term.
    """
    is_person = _at_or_below(hierarchy.synsets("person"), hierarchy)
    is_visible = _at_or_below(hierarchy.synsets("physical entity"), hierarchy)
    if is_visible.any():
        # "sign" is mostly used for other things, so the label of public signs is found from below.
        signs = [x for y in hierarchy.synsets("street sign") for x in hierarchy.parents(y)]
        signs += hierarchy.synsets("visual signal")
        is_visible |= _at_or_below(signs, hierarchy)
    else:
        is_visible[:] = True
    rows = [_senses(name, hierarchy, is_visible, is_person) for name in names]
    return [hierarchy.labels[row].tolist() for row in rows]


def _senses(name, hierarchy, is_visible, is_person):
    """Return the positions of the senses that a photo can show, or else of all: int (n_senses,)."""
    index, words = hierarchy.term_index, words_of(split_capitals(name))
    candidates = index.counts(name)
    thing, *descriptions = _DESCRIPTION.split(name)
    if descriptions and not candidates and any(map(_is_word, words_of(thing))):
        found = _senses(thing, hierarchy, is_visible, is_person)
        for description in descriptions if len(found) else ():
            others = _senses(description, hierarchy, is_visible, is_person)
            # "crane (bird)" is one of the cranes, and "dog, beagle" is one of the dogs.
            for rows, tops in ((found, others), (others[:1], found)):
                kinds = _below(rows, tops, hierarchy.graph)
                if len(kinds):
                    found = kinds
                    break
        if len(found):
            return found
    while words and not candidates and not _is_word(words[-1]):
        words.pop()
    for start, word in enumerate(words):
        if candidates:
            break
        if word == "s":  # "Smith's car" is no scar.
            continue
        name = " ".join(words[start:])
        candidates = index.counts(name)
        senses = [*index.counts(" ".join(words[:start]))]
        # A sense that is not visible must be the one for which the word is used most.
        kinds = [row for row in senses if is_visible[row] or row == senses[0]]
        kinds = _below(kinds, candidates, hierarchy.graph)
        if len(kinds):
            return kinds
    for spelling in spellings(name):
        counts = index.counts(spelling)
        rows, counts = np.array([*counts], dtype=int), np.array([*counts.values()], dtype=int)
        rows, counts = rows[is_visible[rows]], counts[is_visible[rows]]
        persons = is_person[rows]
        if counts[persons].sum() > _MOSTLY * max(counts[~persons].sum(), 1):
            return rows
        if not persons.all():
            return rows[~persons]
    return np.array([*candidates], dtype=int)


def _is_word(text):
    """Check whether text is more than a letter and has no digits."""
    return len(text) > 1 and text.isalpha()


def _below(rows, tops, graph):
    """Select the rows that are below one of the tops: int (n_selected,)."""
    rows = np.array([*rows], dtype=int)
    return rows[graph.ancestors(rows)[:, [*tops]].sum(axis=1) > 0]


def _at_or_below(labels, hierarchy):
    """Mark labels and everything below them: bool (n_labels,)."""
    graph = hierarchy.graph
    return graph.distances(graph.children, hierarchy.positions(labels)) >= 0
