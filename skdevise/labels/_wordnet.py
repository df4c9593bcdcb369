"""Tables of the noun hierarchies that `Hierarchy` is built from."""

from functools import partial

import numpy as np

from skdevise._bundled import LazySequence, load_imagenet_labels, load_wordnet_nouns

# The top nodes of ImageNet's graph of fall 2011: plant, geological formation, natural object,
# sport, artifact, fungus, person and animal.
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
# ImageNet's labels under none of these ("Misc" in its own table) hang under animal.
_FALL11_MISC = "n00015388"


def bundled_tables(variant):
    """Return labels, (parent, child) positions, terms and definitions of a bundled hierarchy."""
    nouns = load_wordnet_nouns()
    if variant == "wordnet":
        return nouns.synsets, nouns.edges, nouns.terms, nouns.definitions
    labels, edges = nouns.synsets, nouns.edges
    tops = np.searchsorted(labels, _FALL11_TOPS)
    misc = np.searchsorted(labels, _FALL11_MISC)
    is_kept = _descendants(edges, tops, len(labels))
    elsewhere = np.searchsorted(labels, load_imagenet_labels().fall11)
    elsewhere = elsewhere[~is_kept[elsewhere]]
    is_kept[elsewhere] = True
    # The tops lose their parents in WordNet, and get one common root.
    edges = edges[is_kept[edges].all(axis=1) & ~np.isin(edges[:, 1], tops)]
    root = len(labels)
    edges = np.vstack(
        [edges, [(root, top) for top in tops], [(misc, label) for label in elsewhere]]
    )
    kept = np.append(np.flatnonzero(is_kept), root)
    terms = [nouns.terms[row] for row in kept[:-1]] + [("fall11",)]
    definitions = LazySequence(partial(_select, nouns.definitions, kept[:-1], ("",)), len(kept))
    return np.append(labels, "fall11")[kept], np.searchsorted(kept, edges), terms, definitions


def _select(entries, rows, last):
    """Return the entries of some rows, followed by the last ones: list."""
    return [*map(entries.__getitem__, rows.tolist()), *last]


def _descendants(edges, starts, n_labels):
    """Mark the starts and everything below them: bool (n_labels,)."""
    is_below = np.zeros(n_labels, dtype=bool)
    is_below[starts] = True
    n_below = 0
    while n_below < is_below.sum():
        n_below = is_below.sum()
        is_below[edges[is_below[edges[:, 0]], 1]] = True
    return is_below


def nltk_tables(reader):
    """Return labels, (parent, child) positions, terms and definitions of nltk's nouns."""
    synsets = sorted(reader.all_synsets("n"), key=lambda synset: synset.offset())
    position = {synset.offset(): i for i, synset in enumerate(synsets)}
    edges = [
        (position[parent.offset()], child)
        for child, synset in enumerate(synsets)
        for parent in synset.hypernyms()
    ]
    terms = [tuple(name.replace("_", " ") for name in synset.lemma_names()) for synset in synsets]
    definitions = [synset.definition() for synset in synsets]
    return [f"n{synset.offset():08d}" for synset in synsets], edges, terms, definitions
