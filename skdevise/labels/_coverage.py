"""Which labels an embedder has vectors for."""

from dataclasses import dataclass
from itertools import chain

import numpy as np

_N_NAMED = 20


@dataclass(frozen=True, repr=False, eq=False)
class Coverage:
    """Which labels of a vocabulary have a vector, and of what kind; made by its `coverage`.

    Parameters
    ----------
    as_term, composed, missing : ndarray of labels

    Attributes
    ----------
    as_term : ndarray of labels
        Those whose first term with a vector is in the embedder's table as it stands.
    composed : ndarray of labels
        Those whose first term with a vector has that of the words it is made of.
    missing : ndarray of labels
        Those without a vector.
    n_labels : int

    Examples
    --------
    >>> from skdevise import LabelVocabulary, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"white": [0, 1], "shark": [1, 0], "dog": [1, 1]})
    >>> coverage = LabelVocabulary(["dog", "white shark", "okapi"]).coverage(embedder)
    >>> coverage
    3 labels: 1 as one term, 1 composed of words, 1 without a vector ('okapi').
    >>> coverage.composed.tolist()
    ['white shark']
    """

    as_term: np.ndarray
    composed: np.ndarray
    missing: np.ndarray

    def __post_init__(self):
        for labels in (self.as_term, self.composed, self.missing):
            labels.flags.writeable = False

    @property
    def n_labels(self):
        """How many labels there are: int."""
        return len(self.as_term) + len(self.composed) + len(self.missing)

    def __repr__(self):
        names = ", ".join(map(repr, self.missing[:_N_NAMED].tolist()))
        more = len(self.missing) - _N_NAMED
        names = f"{names} and {more:,} more" if more > 0 else names
        return (
            f"{self.n_labels:,} labels: {len(self.as_term):,} as one term, "
            f"{len(self.composed):,} composed of words, {len(self.missing):,} without a vector"
            + (f" ({names})." if names else ".")
        )


def label_coverage(vocabulary, embedder):
    """Sort the labels of a vocabulary by the vectors that an embedder has for them.

    Parameters
    ----------
    vocabulary : LabelVocabulary
    embedder : term embedder

    Returns
    -------
    Coverage

    Examples
    --------
    >>> from skdevise import LabelVocabulary, RandomEmbedder
    >>> label_coverage(LabelVocabulary(["dog", "cat"]), RandomEmbedder())
    2 labels: 2 as one term, 0 composed of words, 0 without a vector.
    """
    terms = list(dict.fromkeys(chain.from_iterable(vocabulary.terms)))
    known = known_terms(embedder, terms, vocabulary.templates)
    whole = known & known_terms(embedder, terms, vocabulary.templates, "has_term")
    kind = {term: own for term, *own in zip(terms, known.tolist(), whole.tolist(), strict=True)}
    # The first term with a vector, or the first of all.
    first = [max(own, key=lambda term: kind[term][0]) for own in vocabulary.terms]
    is_known, is_whole = np.array([kind[term] for term in first]).T
    labels = vocabulary.labels
    return Coverage(labels[is_whole], labels[is_known & ~is_whole], labels[~is_known])


def known_terms(embedder, terms, templates=(), question="has_vector"):
    """Ask an embedder which terms it knows.

    Parameters
    ----------
    embedder : term embedder
        One that cannot be asked knows all of them.
    terms : list of str
    templates : sequence of str
        A term is known if it is in each of them.
    question : {"has_vector", "has_term"}
        Composed of words or not, or not composed.

    Returns
    -------
    ndarray of bool, of shape (n_terms,)

    Examples
    --------
    >>> from skdevise import PretrainedEmbedder
    >>> known_terms(PretrainedEmbedder({"cat": [1]}), ["cat", "dog"])
    array([ True, False])
    """
    ask = getattr(embedder, question, None)
    if ask is None:
        return np.ones(len(terms), dtype=bool)
    if not templates:
        return np.asarray(ask(terms))
    filled = [template.format(term) for term in terms for template in templates]
    return np.asarray(ask(filled)).reshape(len(terms), len(templates)).all(axis=1)
