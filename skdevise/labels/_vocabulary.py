"""The candidate labels of a prediction, and the terms of each."""

import json
import re
from collections import Counter
from functools import cached_property
from numbers import Number
from pathlib import Path

import numpy as np

from skdevise._utils import atomic_write
from skdevise.labels._array import label_array
from skdevise.labels._coverage import label_coverage
from skdevise.labels._hierarchy import Hierarchy
from skdevise.language._terms import check_terms, normalise_term

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
    templates : sequence of str, default=None
        Texts such as "a photo of a {}" that each term is put into; its vector is the direction of
        the mean over them. For embedders of sentences; None means the term alone.
    on_missing : {"error", "drop"}, default="error"
        What becomes of candidates without a vector: an error names them, or they are left out
        with a warning that does. Labels of training photos are never left out.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
    terms : tuple of n_labels tuples of str
    pool : str
    templates : tuple of str
    on_missing : str
    n_labels : int

    Raises
    ------
    ValueError
        If there is no label, a label twice, a label that has no term, a template without "{}", or
        no such pool.

    Examples
    --------
    >>> from skdevise import LabelVocabulary
    >>> seen = LabelVocabulary(["cat", "n02084071"])
    >>> seen.terms
    (('cat',), ('dog', 'domestic dog', 'Canis familiaris'))
    >>> (seen | LabelVocabulary(["okapi"])).labels.tolist()
    ['cat', 'n02084071', 'okapi']
    """

    # An array or a Series on the left of an operator leaves it to the vocabulary.
    __array_ufunc__ = None
    __pandas_priority__ = 10_000

    def __init__(self, labels, terms=None, pool="terms", *, templates=None, on_missing="error"):
        if pool not in ("terms", "first", "mean"):
            raise ValueError(f"pool is 'terms', 'first' or 'mean', got {pool!r}.")
        if on_missing not in ("error", "drop"):
            raise ValueError(f"on_missing is 'error' or 'drop', got {on_missing!r}.")
        self.templates = _check_templates(templates)
        self.on_missing = on_missing
        labels = _check_labels(labels)
        if terms is None or isinstance(terms, dict):
            given = terms or {}
            known = set(labels.tolist())
            unknown = [label for label in given if label not in known]
            if unknown:
                raise ValueError(f"Terms are given for {unknown}, which are not among the labels.")
        elif isinstance(terms, str | bytes) or not hasattr(terms, "__iter__"):
            raise TypeError(f"terms is a dict or a list with an entry a label, got {terms!r}.")
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
    def from_synsets(cls, synsets, hierarchy, pool="terms", **options):
        """Make a vocabulary of synsets, with the terms that the hierarchy has for them.

        Parameters
        ----------
        synsets : array-like of str, of shape (n_labels,)
        hierarchy : Hierarchy
        pool : {"terms", "first", "mean"}, default="terms"
            As in the constructor.
        **options
            `templates` and `on_missing`, as in the constructor.

        Returns
        -------
        LabelVocabulary

        Raises
        ------
        ValueError
            If the hierarchy lacks one of them.
        """
        labels = _check_labels(synsets)
        terms = [hierarchy.terms(synset) for synset in labels.tolist()]
        return cls(labels, terms, pool, **options)

    @classmethod
    def from_terms(cls, terms, hierarchy, pool="terms", **options):
        """Make a vocabulary of all the labels in a hierarchy that go by some terms.

        Parameters
        ----------
        terms : array-like of str
            "crane" stands for the bird, the machine, and whatever else is called so.
        hierarchy : Hierarchy
        pool : {"terms", "first", "mean"}, default="terms"
            As in the constructor.
        **options
            `templates` and `on_missing`, as in the constructor.

        Returns
        -------
        LabelVocabulary
            Labels in the order of the terms, each with all the terms that the hierarchy has.

        Raises
        ------
        ValueError
            If the hierarchy has no label for a term; all such terms are named.

        Examples
        --------
        >>> from skdevise import Hierarchy, LabelVocabulary
        >>> cranes = LabelVocabulary.from_terms(["crane"], Hierarchy.wordnet())
        >>> cranes.terms[0], cranes.terms[2]
        (('crane',), ('Grus', 'Crane'))
        """
        terms = check_terms(terms)
        found = {term: hierarchy.synsets(term) for term in terms}
        unknown = [term for term, labels in found.items() if not labels]
        if unknown:
            raise ValueError(
                f"The hierarchy has no label for {unknown}: leave them out, or write them as it "
                "does."
            )
        labels = dict.fromkeys(label for own in found.values() for label in own)
        return cls.from_synsets(list(labels), hierarchy, pool, **options)

    @property
    def n_labels(self):
        """How many labels there are: int."""
        return len(self.labels)

    def labels_of(self, term):
        """Name the labels that go by a term.

        Parameters
        ----------
        term : str
            In any case, with "_" and " " the same.

        Returns
        -------
        tuple of labels
            In their order; empty if there is none.
        """
        return tuple(self._labels_of.get(normalise_term(term), ()))

    @cached_property
    def _labels_of(self):
        labels_of = {}
        for label, terms in zip(self.labels.tolist(), self.terms, strict=True):
            for term in dict.fromkeys(map(normalise_term, terms)):
                labels_of.setdefault(term, []).append(label)
        return labels_of

    def coverage(self, embedder):
        """Report which labels an embedder has vectors for.

        Parameters
        ----------
        embedder : fitted term embedder

        Returns
        -------
        Coverage
            Its `as_term`, `composed` and `missing` name the labels.
        """
        return label_coverage(self, embedder)

    def save(self, path):
        """Write the vocabulary as JSON.

        Parameters
        ----------
        path : str or Path
        """
        path = Path(path)
        content = {
            "labels": self.labels.tolist(),
            "terms": self.terms,
            "pool": self.pool,
            "templates": self.templates,
            "on_missing": self.on_missing,
        }
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path):
        """Read what `save` has written.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        LabelVocabulary

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it holds no vocabulary.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(content, dict) or "labels" not in content:
                raise ValueError('there is no entry "labels".')
            return cls(**content)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{str(path)!r} holds no LabelVocabulary: {error}") from error

    def __or__(self, other):
        """Labels of both; of those in both, and of all options, the left one's count."""
        # Dicts, as NumPy would compare numbers with text by turning them into text.
        own, others = self._terms_of, as_vocabulary(other)._terms_of
        return self._with(own | {label: others[label] for label in others if label not in own})

    def __and__(self, other):
        """Labels that are in both, with the terms and options of the left one."""
        kept = as_vocabulary(other)._terms_of
        return self._with({label: own for label, own in self._terms_of.items() if label in kept})

    def __sub__(self, other):
        """Labels that are not among the others."""
        gone = as_vocabulary(other)._terms_of
        kept = {label: own for label, own in self._terms_of.items() if label not in gone}
        return self._with(kept)

    def __ror__(self, other):
        return as_vocabulary(other) | self

    def __rand__(self, other):
        return as_vocabulary(other) & self

    def __rsub__(self, other):
        return as_vocabulary(other) - self

    @property
    def _terms_of(self):
        return dict(zip(self.labels.tolist(), self.terms, strict=True))

    @property
    def _options(self):
        return {"pool": self.pool, "templates": self.templates, "on_missing": self.on_missing}

    def _with(self, terms):
        return LabelVocabulary(terms, terms, **self._options)

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
        options = tuple(self._options.values())
        return self.labels.dtype.str, tuple(self.labels.tolist()), self.terms, options

    def __repr__(self):
        shown = ", ".join(repr(label) for label in self.labels[:3].tolist())
        dots = ", ..." if self.n_labels > 3 else ""
        return f"LabelVocabulary([{shown}{dots}], n_labels={self.n_labels})"

    def __reduce__(self):
        # An array that is unpickled as it stands can be written to.
        return _rebuild, (self.labels, self.terms, self._options)

    def __sklearn_clone__(self):
        return self


def as_vocabulary(labels, known=None):
    """Give labels as a vocabulary.

    Parameters
    ----------
    labels : LabelVocabulary or array-like of shape (n_labels,)
    known : LabelVocabulary, default=None
        Where labels that come without terms have theirs from, if it has them, and all options.

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
    given = known._terms_of
    given = {label: given[label] for label in labels.tolist() if label in given}
    return LabelVocabulary(labels, given, **known._options)


def _rebuild(labels, terms, options):
    return LabelVocabulary(labels, terms, **options)


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
        if not isinstance(label, str | Number) or label != label:
            raise ValueError(f"A label is text or a number, got {label!r}.")
    repeated = [label for label, n in Counter(array.tolist()).items() if n > 1]
    if repeated:
        raise ValueError(
            f"Each label can be a candidate only once; given several times: {repeated}."
        )
    return array


def _check_templates(templates):
    if templates is None:
        return ()
    if isinstance(templates, str | bytes) or not hasattr(templates, "__iter__"):
        raise TypeError(
            f"templates is a list of texts, got {templates!r}: pass a list, as in ['a photo of a "
            "{}']."
        )
    templates = tuple(templates)
    for template in templates:
        if not isinstance(template, str) or template.count("{}") != 1:
            raise ValueError(f'A template is a text with one "{{}}" in it, got {template!r}.')
        if set(template.replace("{}", "")) & set("{}"):
            raise ValueError(f'A template has no braces but one "{{}}", got {template!r}.')
    return templates


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
