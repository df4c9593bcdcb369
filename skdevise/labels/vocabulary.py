"""The candidate labels of a prediction, and the terms of each."""

import re
from collections import Counter
from functools import cached_property

import numpy as np

from skdevise.labels._array import label_array
from skdevise.labels.hierarchy import Hierarchy
from skdevise.language.terms import check_terms

_SYNSET_ID = re.compile(r"n\d{8}")


class LabelVocabulary:
    """The candidates of a prediction: labels, and the terms (synonyms) of each.

    It is immutable, compares by content, and has no length on purpose: scikit-learn slices what
    is as long as the samples in cross-validation, so that 20 labels would become 10 in a fold of
    half the photos. A vocabulary goes through metadata routing whole.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        The labels, each once.
    terms : dict, or sequence of n_labels entries, default=None
        The terms of the labels: a string or several, the leading one first. A dict may leave out
        labels. A label without an entry that is the id of a WordNet 3.0 noun synset ("n02084071")
        has the terms of that synset; any other label is its own term.
    pool : {"terms", "first", "mean"}, default="terms"
        Where a label of several terms lies. With "terms" it is as near as the nearest of them,
        which ranks labels as the DeViSE paper does (appendix A.2); "first" lets only its first
        term with a vector count, on which it is trained; "mean" is the direction of their mean.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
    terms : tuple of n_labels tuples of str
    pool : str
    n_labels : int

    Raises
    ------
    ValueError
        If there is no label, a label twice, or a label that has no term, or no such pool.

    Examples
    --------
    >>> from skdevise import LabelVocabulary
    >>> seen = LabelVocabulary(["cat", "n02084071"])
    >>> seen.terms
    (('cat',), ('dog', 'domestic dog', 'Canis familiaris'))
    >>> (seen | LabelVocabulary(["okapi"])).labels.tolist()
    ['cat', 'n02084071', 'okapi']
    """

    def __init__(self, labels, terms=None, pool="terms"):
        if pool not in ("terms", "first", "mean"):
            raise ValueError(f"pool is 'terms', 'first' or 'mean', got {pool!r}.")
        labels = _check_labels(labels)
        if terms is None or isinstance(terms, dict):
            given = terms or {}
            known = set(labels.tolist())
            unknown = [label for label in given if label not in known]
            if unknown:
                raise ValueError(f"Terms are given for {unknown}, which are not among the labels.")
        else:
            terms = list(terms)
            if len(terms) != len(labels):
                raise ValueError(f"{len(labels)} labels came with the terms of {len(terms)}.")
            given = dict(zip(labels.tolist(), terms, strict=True))
        labels.flags.writeable = False
        self.pool = pool
        self.labels = labels
        self.terms = tuple(
            _check_label_terms(label, given[label]) if label in given else _own_terms(label)
            for label in labels.tolist()
        )

    @classmethod
    def from_synsets(cls, synsets, hierarchy, pool="terms"):
        """Make a vocabulary of synsets, with the terms that the hierarchy has for them.

        Parameters
        ----------
        synsets : array-like of str, of shape (n_labels,)
        hierarchy : Hierarchy
        pool : {"terms", "first", "mean"}, default="terms"
            As in the constructor.

        Returns
        -------
        LabelVocabulary

        Raises
        ------
        ValueError
            If the hierarchy lacks one of them.
        """
        labels = _check_labels(synsets)
        return cls(labels, [hierarchy.terms(synset) for synset in labels.tolist()], pool)

    @property
    def n_labels(self):
        """How many labels there are: int."""
        return len(self.labels)

    def __or__(self, other):
        """Labels of both; of those in both, and of the pools, the left one counts."""
        # Sets, as NumPy would compare numbers with text by turning them into text.
        terms = dict(zip(self.labels.tolist(), self.terms, strict=True))
        other = as_vocabulary(other)
        for label, own in zip(other.labels.tolist(), other.terms, strict=True):
            terms.setdefault(label, own)
        return LabelVocabulary(terms, terms, self.pool)

    def __ror__(self, other):
        return as_vocabulary(other) | self

    def __sub__(self, other):
        """Labels that are not among the others."""
        gone = set(as_vocabulary(other).labels.tolist())
        own = zip(self.labels.tolist(), self.terms, strict=True)
        terms = {label: terms for label, terms in own if label not in gone}
        return LabelVocabulary(terms, terms, self.pool)

    def __eq__(self, other):
        if not isinstance(other, LabelVocabulary):
            return NotImplemented
        return self is other or self._key == other._key

    def __hash__(self):
        return self._hash

    # Of 20,000 labels these take milliseconds, and every prediction asks for them.
    @cached_property
    def _hash(self):
        return hash(self._key)

    @cached_property
    def _key(self):
        return self.labels.dtype.str, tuple(self.labels.tolist()), self.terms, self.pool

    def __repr__(self):
        shown = ", ".join(repr(label) for label in self.labels[:3].tolist())
        dots = ", ..." if self.n_labels > 3 else ""
        return f"LabelVocabulary([{shown}{dots}], n_labels={self.n_labels})"

    def __reduce__(self):
        # An array that is unpickled as it stands can be written to.
        return LabelVocabulary, (self.labels, self.terms, self.pool)

    def __sklearn_clone__(self):
        return self


def as_vocabulary(labels, known=None):
    """Give labels as a vocabulary.

    Parameters
    ----------
    labels : LabelVocabulary or array-like of shape (n_labels,)
    known : LabelVocabulary, default=None
        Where labels that come without terms have theirs from, if it has them, and their pool.

    Returns
    -------
    LabelVocabulary

    Examples
    --------
    >>> as_vocabulary(["puss"], known=LabelVocabulary(["puss"], {"puss": "cat"})).terms
    (('cat',),)
    """
    if isinstance(labels, LabelVocabulary):
        return labels
    labels = _check_labels(labels)
    if known is None:
        return LabelVocabulary(labels)
    given = dict(zip(known.labels.tolist(), known.terms, strict=True))
    given = {label: given[label] for label in labels.tolist() if label in given}
    return LabelVocabulary(labels, given, known.pool)


def _check_labels(labels):
    if isinstance(labels, str | bytes) or not hasattr(labels, "__iter__"):
        raise TypeError(f"Expected a sequence of labels, got {labels!r}: pass a list.")
    try:
        array = label_array(labels)
    except ValueError as error:  # lists of several lengths
        raise ValueError("Expected a one-dimensional sequence of labels, got lists.") from error
    if not array.size:
        raise ValueError("There are no labels to choose from: give at least one.")
    if array.ndim != 1:
        raise ValueError(f"Expected a one-dimensional sequence of labels, got {array.ndim}-D.")
    for label in array.tolist():
        if label is None or isinstance(label, bytes) or label != label:
            raise ValueError(f"A label is text or a number, got {label!r}.")
    repeated = [label for label, n in Counter(array.tolist()).items() if n > 1]
    if repeated:
        raise ValueError(
            f"Each label can be a candidate only once; given several times: {repeated}."
        )
    return array


def _check_label_terms(label, terms):
    terms = (terms,) if isinstance(terms, str) else terms
    if not isinstance(terms, list | tuple | np.ndarray) or not len(terms):
        raise ValueError(f"The label {label!r} needs a term or a list of terms, got {terms!r}.")
    return tuple(check_terms(terms))


def _own_terms(label):
    if isinstance(label, str) and _SYNSET_ID.fullmatch(label):
        wordnet = Hierarchy.wordnet()
        if label in wordnet:
            return wordnet.terms(label)
    return (str(label),)
