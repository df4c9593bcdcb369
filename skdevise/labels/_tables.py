"""Tables from which a `Hierarchy` is built: those of pairs, of WordNet, and of an nltk reader."""

from collections.abc import Iterable, Mapping, Sized
from functools import partial

import numpy as np

from skdevise._bundled import LazySequence, load_imagenet_labels, load_wordnet_nouns
from skdevise._columns import check_types
from skdevise._utils import check_choice
from skdevise.labels._graph import Graph

# The top nodes of ImageNet's graph of fall 2011: plant, geological formation, natural object,
# sport, artifact, fungus, person and animal. Its other labels ("Misc") hang under animal.
_FALL11_TOPS = (
    "n00017222 n09287968 n00019128 n00523513 n00021939 n12992868 n00007846 n00015388"
).split()


def pair_tables(pairs, definitions):
    """Return the labels of pairs (parent, child), the positions of the pairs, and definitions."""
    is_table = hasattr(pairs, "columns")  # A table of pyarrow is not iterable.
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable) and not is_table:
        raise TypeError(f"pairs={pairs!r:.80} is not a list. Pass (parent, child) pairs.")
    if is_table:
        pairs = np.asarray(pairs, dtype=object)
        if pairs.shape[1] != 2:
            raise ValueError(
                f"The number of columns is {pairs.shape[1]}, not 2. Select parents, then children."
            )
    position, edges = {}, {}
    for pair in pairs:
        if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
            raise ValueError(f"{pair!r} is not an edge. Pass (parent, child) pairs.")
        check_types(pair)
        # Tables of levels repeat the upper pairs.
        edges[tuple(position.setdefault(label, len(position)) for label in pair)] = True
    if not edges:
        raise ValueError("There are no edges. Pass at least one (parent, child) pair.")
    if definitions is not None:
        if not isinstance(definitions, Mapping):
            raise TypeError(f"definitions={definitions!r:.80} is not a dict of labels and text.")
        unknown = [label for label in definitions if label not in position]
        if unknown:
            raise ValueError(
                f"definitions has entries for {unknown}, which are in no edge. Remove them."
            )
        definitions = [definitions.get(label, "") for label in position]
    return list(position), list(edges), definitions


def bundled_tables(variant):
    """Return the parameters of a bundled hierarchy."""
    check_choice("variant", variant, ("wordnet", "imagenet-fall11"))
    nouns = load_wordnet_nouns()
    if variant == "wordnet":
        return nouns.synsets, nouns.edges, nouns.terms, nouns.definitions, nouns.counts
    labels, edges = nouns.synsets, nouns.edges
    tops = np.searchsorted(labels, _FALL11_TOPS)
    *_, animal = tops
    graph = Graph(edges, len(labels))
    is_kept = graph.distances(graph.children, tops) >= 0
    elsewhere = np.searchsorted(labels, load_imagenet_labels().fall11)
    elsewhere = elsewhere[~is_kept[elsewhere]]
    is_kept[elsewhere] = True
    # The tops lose their parents in WordNet, and get one common root.
    edges = edges[is_kept[edges].all(axis=1) & ~np.isin(edges[:, 1], tops)]
    root = len(labels)
    edges = np.vstack(
        [edges, [(root, top) for top in tops], [(animal, label) for label in elsewhere]]
    )
    kept = np.append(np.flatnonzero(is_kept), root)
    terms = [nouns.terms[row] for row in kept[:-1]] + [("fall11",)]
    definitions, counts = (
        LazySequence(partial(_select, entries, kept[:-1], last), len(kept))
        for entries, last in ((nouns.definitions, ""), (nouns.counts, (0,)))
    )
    labels = np.append(labels, "fall11")[kept]
    return labels, np.searchsorted(kept, edges), terms, definitions, counts


def _select(entries, rows, last):
    """Return the entries of some rows, followed by one more: list."""
    return [*map(entries.__getitem__, rows.tolist()), last]


def nltk_tables(reader):
    """Return the parameters of the hierarchy of an nltk reader's nouns."""
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


def check_tables(n_labels, **tables):
    """Raise an error unless each table is None or has one entry of its kind per label."""
    for name, entries in tables.items():
        if isinstance(entries, str | bytes) or not isinstance(entries, Sized | None):
            raise TypeError(f"{name}={entries!r:.80} is not a list. Pass one entry per label.")
        if entries is not None and len(entries) != n_labels:
            raise ValueError(
                f"There are {n_labels} labels but {name} has {len(entries)} entries. Pass one "
                "entry per label."
            )
        # The bundled tables make their entries later.
        if name != "definitions" and isinstance(entries, list | tuple):
            wrong = [entry for entry in entries if not isinstance(entry, list | tuple | np.ndarray)]
            if wrong:
                raise ValueError(f"{name} has the entry {wrong[0]!r:.80}. Pass a list per label.")
    terms, counts = tables["terms"], tables["counts"]
    if isinstance(counts, list | tuple) and terms is not None:
        for label_terms, label_counts in zip(terms, counts, strict=True):
            if len(label_terms) != len(label_counts):
                raise ValueError(
                    f"The terms {label_terms!r:.80} have the counts {label_counts!r:.80}. Pass one "
                    "count per term."
                )
