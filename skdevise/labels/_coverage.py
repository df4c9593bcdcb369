"""Terms of labels for which an embedder has a vector, their replacements, and a report on them."""

from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from skdevise._columns import name_some
from skdevise.labels._embedding import known_terms
from skdevise.labels._hierarchy import Hierarchy
from skdevise.labels._senses import photo_senses


@dataclass(frozen=True, repr=False, eq=False)
class Coverage:
    """Labels grouped by the source of their vector; `LabelVocabulary.coverage` explains them."""

    as_term: np.ndarray
    composed: np.ndarray
    missing: np.ndarray
    synonyms: dict = field(default_factory=dict)
    broader: dict = field(default_factory=dict)

    @property
    def n_labels(self):
        """Number of labels: int."""
        groups = (self.as_term, self.composed, self.synonyms, self.broader, self.missing)
        return sum(map(len, groups))

    def __repr__(self):
        parts = [f"{len(self.as_term):,} as one term", f"{len(self.composed):,} composed of words"]
        if self.synonyms or self.broader:
            n_synonyms, n_broader = len(self.synonyms), len(self.broader)
            parts += [f"{n_synonyms:,} by a synonym", f"{n_broader:,} by a broader term"]
        parts.append(f"{len(self.missing):,} without a vector")
        names = f" ({name_some(self.missing.tolist())})" if len(self.missing) else ""
        return f"{self.n_labels:,} labels: {', '.join(parts)}{names}."


def embedded_terms(vocabulary, embedder):
    """Find the terms of each label that have a vector, or a related term: list of lists of str."""
    found = _terms_with_vectors(vocabulary, embedder)
    synonyms, broader = _replacements(vocabulary, found, embedder)
    related = synonyms | broader
    labels = vocabulary.labels.tolist()
    return [
        [related[label]] if label in related else terms
        for label, terms in zip(labels, found, strict=True)
    ]


def _terms_with_vectors(vocabulary, embedder):
    """Find the terms of each label that have a vector: list of n_labels lists of str."""
    has_vector = _has_vector(vocabulary, vocabulary.terms, embedder)
    return [[term for term in terms if has_vector[term]] for terms in vocabulary.terms]


def _has_vector(vocabulary, lists_of_terms, embedder):
    """Ask whether terms have a vector in the templates of a vocabulary: dict of term to bool."""
    terms = list(dict.fromkeys(chain.from_iterable(lists_of_terms)))
    return dict(zip(terms, known_terms(embedder, terms, vocabulary.templates), strict=True))


def coverage_of(vocabulary, embedder):
    """Group the labels of a vocabulary by the source of their vector."""
    found = _terms_with_vectors(vocabulary, embedder)
    has_vector = np.array(list(map(bool, found)))
    is_whole = np.zeros(vocabulary.n_labels, dtype=bool)
    first = [terms[0] for terms in found if terms]
    is_whole[has_vector] = known_terms(embedder, first, vocabulary.templates, "has_term")
    synonyms, broader = _replacements(vocabulary, found, embedder)
    labels, replaced = vocabulary.labels, synonyms | broader
    missing = ~has_vector & [label not in replaced for label in labels.tolist()]
    composed = labels[has_vector & ~is_whole]
    return Coverage(labels[is_whole], composed, labels[missing], synonyms, broader)


def _replacements(vocabulary, found, embedder):
    """Find synonyms and broader terms for labels without a vector: two dicts of label to term.

    They are empty unless the vocabulary asks for them. Synonyms are the terms of the label's
    synsets, and broader terms are those of their hypernyms. The nearest hypernym with a vector
    counts. The synset of an id is the id itself. Other labels have the synsets that their terms can
    mean in a photo (`photo_senses`). A synset that has only the last words of a term is broader
    too: "oat milk" is a kind of milk. A label for which WordNet has no term with a vector is in
    neither dict.
    """
    synonyms, broader = {}, {}
    missing = [row for row, terms in enumerate(found) if not terms]
    if vocabulary.on_missing != "wordnet" or not missing:
        return synonyms, broader
    wordnet, labels = Hierarchy.wordnet(), vocabulary.labels[missing].tolist()
    # The first term that is a term of WordNet counts, or else the last words of the first term.
    terms = [vocabulary.terms[row] for row in missing]
    whole = [next(filter(wordnet.synsets, names), None) for names in terms]
    chosen = [name or names[0] for name, names in zip(whole, terms, strict=True)]
    senses = photo_senses(chosen, wordnet)
    senses = [[x] if x in wordnet else found for x, found in zip(labels, senses, strict=True)]
    levels = [wordnet.positions(synsets).tolist() for synsets in senses]
    above = wordnet.graph.ancestors(list(chain.from_iterable(levels))).indices
    terms_of = {row: wordnet.terms(wordnet.labels[row]) for row in dict.fromkeys(above.tolist())}
    has_vector = _has_vector(vocabulary, terms_of.values(), embedder)
    term_of = {
        row: next((term for term in row_terms if has_vector[term]), None)
        for row, row_terms in terms_of.items()
    }
    for label, name, level in zip(labels, whole, levels, strict=True):
        term, n_steps = _nearest_term(level, term_of, wordnet.graph.parents)
        if term is not None:
            is_whole = label in wordnet or name is not None
            (synonyms if is_whole and not n_steps else broader)[label] = term
    return synonyms, broader


def _nearest_term(level, term_of, parents):
    """Climb from some nodes to the first one with a term: the term, and the number of steps."""
    n_steps = 0
    while level:
        for row in level:
            if term_of[row] is not None:
                return term_of[row], n_steps
        level = list(dict.fromkeys(parents[level].indices.tolist()))
        n_steps += 1
    return None, n_steps
