"""The candidate labels of a prediction, and their terms."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from numbers import Number
from typing import Any, Literal, Self

import numpy as np

from skdevise._bounded import MAX_VOCABULARY_BYTES, open_bounded, parsing
from skdevise._columns import SYNSET_ID, by_label, check_labels, entries, name_some
from skdevise._typing import ArrayLike, Coverage, Embedder, Labels, PathLike, Pool
from skdevise._utils import atomic_write, check_choice
from skdevise.labels._coverage import coverage_of
from skdevise.labels._embedding import check_embedder, looks_up_words
from skdevise.labels._hierarchy import Hierarchy
from skdevise.labels._index import TermIndex
from skdevise.language._terms import check_terms


class LabelVocabulary:
    """Candidate labels, and the terms (synonyms) of each label.

    A vocabulary is immutable. Two vocabularies with the same content are equal. The operators
    ``|`` (union), ``&`` (intersection) and ``-`` (difference) combine it with another vocabulary or
    a list. They keep the order, the terms and the options of the left operand.

    A vocabulary has no ``len``: use `n_labels`. Otherwise, scikit-learn's cross-validation would
    slice a vocabulary that happens to have as many labels as there are samples.

    Parameters
    ----------
    labels : sequence of shape (n_labels,), or mapping of label to terms
        Unique labels: text or numbers. A mapping, such as a dict, gives the terms too. A set is
        refused, because it has no order.
    terms : mapping, or sequence of n_labels entries, default=None
        Terms of the labels: each entry is one string, or several with the preferred one first. A
        mapping may omit labels. A pandas Series whose index holds labels is a mapping. A label
        without an entry gets the terms of its synset if it is a WordNet 3.0 noun id ("n02084071").
        Any other label is its own term. Word vectors are never looked up by a number, however, so
        name numbers here.
    pool : {"terms", "first", "mean"}, default="terms"
        Rule for the score of a label with several terms. "terms" scores its nearest term, as the
        DeViSE paper does (appendix A.2). "first" scores only its first term with a vector. "mean"
        scores the normalised mean of its vectors. In training, the target is the vector of the
        first term with a vector, or the mean with "mean".
    templates : sequence of str, default=None
        Sentences that each term is put into, such as "a photo of a {}". The vector of a term is
        then the normalised mean over the sentences. Use them with sentence encoders. None embeds
        the term alone.
    on_missing : {"error", "drop", "wordnet"}, default="error"
        Treatment of labels without a vector. "error" raises an error that names them. "drop"
        removes candidates with a warning; training labels are never dropped. "wordnet" uses the
        vector of the first synonym in WordNet that has one, or else of the nearest broader term.
        "yoghurt" then gets the vector of "yogurt", and "mayfly" that of "insect". `coverage` lists
        these terms. A label for which WordNet has no such term still raises an error.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
        The labels.
    terms : tuple of n_labels tuples of str
        Terms of each label.
    n_labels : int
        Number of labels.
    pool, templates, on_missing
        The parameters. `templates` is a tuple of str.

    Raises
    ------
    TypeError
        If `labels` or `terms` is a set, a table, one string, or not a sequence.
    ValueError
        If there are no labels, labels repeat, or another parameter is invalid. ``&`` and ``-`` also
        raise it if no label is left.

    See Also
    --------
    LabelSpace : A vocabulary with the vectors of its terms, to share or to save.
    Hierarchy : The source of terms for WordNet ids.

    Examples
    --------
    >>> from skdevise import LabelVocabulary
    >>> seen = LabelVocabulary(["cat", "n02084071"])
    >>> seen.terms
    (('cat',), ('dog', 'domestic dog', 'Canis familiaris'))
    >>> (seen | ["okapi"]).labels.tolist()
    ['cat', 'n02084071', 'okapi']
    >>> LabelVocabulary({"sofa": ["sofa", "couch"]}).terms
    (('sofa', 'couch'),)
    """

    # NumPy arrays and pandas Series then leave operators to the vocabulary.
    __array_ufunc__ = None
    __pandas_priority__ = 10_000

    def __init__(
        self,
        labels: Labels,
        terms: Mapping[Any, Any] | ArrayLike | None = None,
        pool: Pool = "terms",
        *,
        templates: Sequence[str] | None = None,
        on_missing: Literal["error", "drop", "wordnet"] = "error",
    ) -> None:
        check_choice("pool", pool, ("terms", "first", "mean"))
        check_choice("on_missing", on_missing, ("error", "drop", "wordnet"))
        if terms is None and isinstance(labels, Mapping):
            terms = labels
        self.pool = pool
        self.templates = _check_templates(templates)
        self.on_missing = on_missing
        self.labels = check_labels(labels)
        self.labels.flags.writeable = False
        given = _terms_by_label(self.labels, terms, getattr(labels, "index", None))
        self._unnamed = tuple(
            label
            for label in self.labels.tolist()
            if isinstance(label, Number) and label not in given
        )
        self.terms = tuple(
            _check_label_terms(label, given[label]) if label in given else default_terms(label)
            for label in self.labels.tolist()
        )

    @classmethod
    def from_synsets(
        cls, synsets: ArrayLike, hierarchy: Hierarchy, pool: Pool = "terms", **options: Any
    ) -> Self:
        """Build a vocabulary of labels in a hierarchy, with the terms that it has for them.

        Parameters
        ----------
        synsets : sequence of labels of shape (n_labels,)
            Labels in the hierarchy, for example WordNet ids.
        hierarchy : Hierarchy
            Source of the terms.
        pool, **options
            `pool`, `templates` and `on_missing`, as in the constructor.

        Returns
        -------
        LabelVocabulary

        Examples
        --------
        >>> from skdevise import Hierarchy, LabelVocabulary
        >>> LabelVocabulary.from_synsets(["n02121620"], Hierarchy.wordnet()).terms
        (('cat', 'true cat'),)
        """
        labels = check_labels(synsets)
        terms = [hierarchy.terms(synset) for synset in labels.tolist()]
        return cls(labels, terms, pool, **options)

    @classmethod
    def from_terms(
        cls, terms: Sequence[str], hierarchy: Hierarchy, pool: Pool = "terms", **options: Any
    ) -> Self:
        """Build a vocabulary of all labels in a hierarchy that have one of the given terms.

        Parameters
        ----------
        terms : sequence of str
            Terms to look up. An ambiguous term adds all its labels: "crane" adds the bird and the
            machine.
        hierarchy : Hierarchy
            Source of the labels and of all their terms.
        pool, **options
            `pool`, `templates` and `on_missing`, as in the constructor.

        Returns
        -------
        LabelVocabulary
            Labels in the order of the terms.

        Raises
        ------
        ValueError
            If the hierarchy has no label for a term. The message names all such terms.

        Examples
        --------
        >>> from skdevise import Hierarchy, LabelVocabulary
        >>> cranes = LabelVocabulary.from_terms(["crane"], Hierarchy.wordnet())
        >>> cranes.terms[0], cranes.terms[2]
        (('crane',), ('Grus', 'Crane'))
        """
        found = {term: hierarchy.synsets(term) for term in check_terms(terms)}
        unknown = [term for term, labels in found.items() if not labels]
        if unknown:
            raise ValueError(
                f"The hierarchy has no label for {unknown}. Remove these terms or use its spelling."
            )
        labels = dict.fromkeys(chain.from_iterable(found.values()))
        return cls.from_synsets(list(labels), hierarchy, pool, **options)

    @property
    def n_labels(self) -> int:
        """Number of labels: int."""
        return len(self.labels)

    def labels_of(self, term: str) -> tuple[Any, ...]:
        """Return the labels that have a term.

        Parameters
        ----------
        term : str
            Term to look up, in the spellings that `Hierarchy.synsets` understands.

        Returns
        -------
        tuple of labels
            Labels in order. It is empty if no label has the term.
        """
        return tuple(self.labels[list(self._term_index.counts(*check_terms([term])))].tolist())

    @cached_property
    def _term_index(self):
        return TermIndex(self.terms)

    def coverage(self, embedder: Embedder) -> Coverage:
        """Report for which labels an embedder has a vector.

        Parameters
        ----------
        embedder : fitted term embedder
            Embedder to ask.

        Returns
        -------
        Coverage
            Object with three arrays of labels, by their first term with a vector. ``as_term``: the
            embedder knows the term as a whole. ``composed``: the embedder composes its vector from
            the vectors of the words. `missing`: no term has a vector. With `on_missing="wordnet"`,
            the dicts ``synonyms`` and ``broader`` map labels to the terms that WordNet gives them.

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
        check_embedder(embedder)
        refuse_numbers(self, embedder)
        return coverage_of(self, embedder)

    def save(self, path: PathLike) -> None:
        """Write the vocabulary to a JSON file.

        Parameters
        ----------
        path : str or Path
            File to write. `load` reads it.
        """
        labels, terms = self.labels.tolist(), self._named_terms
        content = {"labels": labels, "terms": list(map(terms.get, labels)), **self._options}
        with atomic_write(path) as unfinished:
            unfinished.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a vocabulary that `save` wrote.

        Parameters
        ----------
        path : str or Path
            JSON file to read.

        Returns
        -------
        LabelVocabulary

        Raises
        ------
        ValueError
            If the file does not hold a vocabulary.
        """
        path = os.fspath(path)
        with (
            parsing(path, "Give a file that LabelVocabulary.save wrote."),
            open_bounded(path, MAX_VOCABULARY_BYTES) as file,
        ):
            content = json.load(file)
            terms = zip(content["labels"], content.pop("terms"), strict=True)
            # JSON has null for the terms of a number that has none.
            return cls(**content, terms={label: t for label, t in terms if t is not None})

    def __or__(self, other):
        other = as_vocabulary(other)
        # Lists keep 1 and "1" apart; NumPy would turn both into text.
        labels = dict.fromkeys([*self.labels.tolist(), *other.labels.tolist()])
        terms = other._named_terms | self._named_terms
        return LabelVocabulary(list(labels), terms, **self._options)

    def __and__(self, other):
        others = set(as_vocabulary(other).labels.tolist())
        return select_labels(self, [x for x in self.labels.tolist() if x in others])

    def __sub__(self, other):
        others = set(as_vocabulary(other).labels.tolist())
        return select_labels(self, [x for x in self.labels.tolist() if x not in others])

    def __ror__(self, other):
        return as_vocabulary(other) | self

    def __rand__(self, other):
        return as_vocabulary(other) & self

    def __rsub__(self, other):
        return as_vocabulary(other) - self

    @property
    def _named_terms(self):
        """Terms of each label, without those of numbers that nobody named: dict."""
        unnamed, pairs = set(self._unnamed), zip(self.labels.tolist(), self.terms, strict=True)
        return {label: terms for label, terms in pairs if label not in unnamed}

    @property
    def _options(self):
        return {"pool": self.pool, "templates": self.templates, "on_missing": self.on_missing}

    def __eq__(self, other):
        if not isinstance(other, LabelVocabulary):
            return NotImplemented
        return self is other or self._key == other._key

    def __hash__(self):
        return self._hash

    # Cached, because every prediction asks and 20,000 labels take milliseconds.
    @cached_property
    def _hash(self):
        return hash(self._key)

    @cached_property
    def _key(self):
        options = tuple(self._options.values())
        labels = tuple(self.labels.tolist())
        dtype = self.labels.dtype
        # Arrays of the same text can differ in the length that they allow.
        kind = "U" if dtype.kind == "U" else dtype.str
        return kind, labels, self.terms, self._unnamed, options

    def __repr__(self):
        shown = ", ".join(repr(label) for label in self.labels[:3].tolist())
        dots = ", ..." if self.n_labels > 3 else ""
        return f"LabelVocabulary([{shown}{dots}], n_labels={self.n_labels})"

    def __reduce__(self):
        # The constructor makes the unpickled labels read-only again.
        return partial(LabelVocabulary, **self._options), (self.labels, self._named_terms)

    def __sklearn_clone__(self):
        return self


def as_vocabulary(labels, known=None):
    """Turn labels into a vocabulary. Missing terms, and the options, come from `known`."""
    if isinstance(labels, LabelVocabulary):
        if known is None or not labels._unnamed:
            return labels
        terms = known._named_terms | labels._named_terms
        return select_labels(labels, labels.labels, terms)
    if known is None:
        return LabelVocabulary(labels)
    return select_labels(known, labels, labels if isinstance(labels, Mapping) else None)


def select_labels(vocabulary, labels, terms=None, **options):
    """Build a vocabulary of labels, with the terms and options that another one has for them."""
    labels = check_labels(labels)
    terms = vocabulary._named_terms if terms is None else terms
    terms = {label: terms[label] for label in labels.tolist() if label in terms}
    return LabelVocabulary(labels, terms, **vocabulary._options | options)


def refuse_numbers(vocabulary, embedder, name="labels"):
    """Raise ValueError if an embedder would look up numbers that have no terms as words."""
    if vocabulary._unnamed and looks_up_words(embedder):
        raise ValueError(
            f"{name} holds class numbers ({name_some(vocabulary._unnamed)}), which are not words. "
            "Pass names, or labels=LabelVocabulary(numbers, terms=names)."
        )


def _terms_by_label(labels, terms, index):
    """Turn the parameter `terms` into a mapping. `index` is that of the labels, if any."""
    if terms is None:
        return {}
    labels = labels.tolist()
    terms = by_label(terms, labels, "terms", index)
    if not isinstance(terms, Mapping):
        return dict(zip(labels, terms, strict=True))
    known = set(labels)
    unknown = [label for label in terms if label not in known]
    if unknown:
        raise ValueError(f"terms has entries for {unknown}, which are not labels. Remove them.")
    return terms


def _check_templates(templates):
    """Validate templates: a tuple of str with one {} each."""
    if templates is None:
        return ()
    if isinstance(templates, str | bytes) or not hasattr(templates, "__iter__"):
        raise TypeError(f"templates={templates!r} is not a list. Pass ['a photo of a {{}}'].")
    templates = tuple(entries(templates))
    for template in templates:
        is_text = isinstance(template, str)
        if not is_text or "{}" not in template or re.sub("[^{}]", "", template) != "{}":
            raise ValueError(f'{template!r} is not a template. Use text with one "{{}}" in it.')
    return templates


def _check_label_terms(label, terms):
    """Validate the terms of one label: a tuple of str."""
    terms = (terms,) if isinstance(terms, str) else terms
    terms = terms.to_list() if hasattr(terms, "to_list") else terms  # polars gives a Series
    if not isinstance(terms, list | tuple | np.ndarray) or not len(terms):
        raise ValueError(f"The label {label!r} has the terms {terms!r}. Give it text or a list.")
    return tuple(check_terms(terms))


def default_terms(label):
    """Return the terms of a label that came without any: WordNet's for ids, else its text."""
    if isinstance(label, str) and SYNSET_ID.fullmatch(label):
        wordnet = Hierarchy.wordnet()
        if label in wordnet:
            return wordnet.terms(label)
    return (str(label),)
