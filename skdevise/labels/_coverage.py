"""Terms of labels for which an embedder has a vector, and a report on them."""

from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from skdevise.labels._embedding import known_terms
from skdevise.labels._label_checks import name_some
from skdevise.labels._related import related_terms


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
    found = _own_terms(vocabulary, embedder)
    synonyms, broader = _replacements(vocabulary, found, embedder)
    related = synonyms | broader
    labels = vocabulary.labels.tolist()
    return [
        [related[label]] if label in related else terms
        for label, terms in zip(labels, found, strict=True)
    ]


def _own_terms(vocabulary, embedder):
    """Find the terms of each label that have a vector: list of n_labels lists of str."""
    terms = list(dict.fromkeys(chain.from_iterable(vocabulary.terms)))
    known = dict(zip(terms, known_terms(embedder, terms, vocabulary.templates), strict=True))
    return [[term for term in label_terms if known[term]] for label_terms in vocabulary.terms]


def _replacements(vocabulary, found, embedder):
    """Find synonyms and broader terms for labels without a vector: two dicts of label to term.

    They are empty unless the vocabulary asks for them.
    """
    rows = [row for row, terms in enumerate(found) if not terms]
    if vocabulary.on_missing != "wordnet" or not rows:
        return {}, {}
    labels = vocabulary.labels[rows].tolist()
    terms = [vocabulary.terms[row] for row in rows]
    return related_terms(labels, terms, embedder, vocabulary.templates)


def coverage_of(vocabulary, embedder):
    """Group the labels of a vocabulary by the source of their vector."""
    found = _own_terms(vocabulary, embedder)
    has_vector = np.array(list(map(bool, found)))
    is_whole = np.zeros(vocabulary.n_labels, dtype=bool)
    first = [terms[0] for terms in found if terms]
    is_whole[has_vector] = known_terms(embedder, first, vocabulary.templates, "has_term")
    synonyms, broader = _replacements(vocabulary, found, embedder)
    replaced = [label in synonyms or label in broader for label in vocabulary.labels.tolist()]
    labels = vocabulary.labels
    return Coverage(
        labels[is_whole],
        labels[~is_whole & has_vector],
        labels[~has_vector & ~np.array(replaced)],
        synonyms,
        broader,
    )
