"""The terms and templates of labels: their checks, and the terms of labels that have none."""

import re
from collections.abc import Mapping

import numpy as np

from skdevise._columns import by_label, entries, refuse_unordered
from skdevise.labels._hierarchy import Hierarchy
from skdevise.language._terms import check_terms

_SYNSET_ID = re.compile(r"n\d{8}")


def terms_by_label(labels, terms, index):
    """Turn the parameter `terms` into a mapping. `index` is that of the labels, if any."""
    if isinstance(terms, str | bytes) or not (terms is None or hasattr(terms, "__iter__")):
        raise TypeError(f"terms={terms!r} is neither a dict nor a list. Pass one entry per label.")
    refuse_unordered(terms, "terms")
    labels = labels.tolist()
    terms = by_label(terms, labels, index) or terms
    if terms is None or isinstance(terms, Mapping):
        terms = terms or {}
        known = set(labels)
        unknown = [label for label in terms if label not in known]
        if unknown:
            raise ValueError(f"terms has entries for {unknown}, which are not labels. Remove them.")
        return terms
    terms = entries(terms)
    if len(terms) != len(labels):
        raise ValueError(
            f"There are {len(labels)} labels but {len(terms)} entries in terms. Pass one per label."
        )
    return dict(zip(labels, terms, strict=True))


def check_templates(templates):
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


def check_label_terms(label, terms):
    """Validate the terms of one label: a tuple of str."""
    terms = (terms,) if isinstance(terms, str) else terms
    terms = terms.to_list() if hasattr(terms, "to_list") else terms  # polars gives a Series
    if not isinstance(terms, list | tuple | np.ndarray) or not len(terms):
        raise ValueError(f"The label {label!r} has the terms {terms!r}. Give it text or a list.")
    return tuple(check_terms(terms))


def default_terms(label):
    """Return the terms of a label that came without any: WordNet's for ids, else its text."""
    if isinstance(label, str) and _SYNSET_ID.fullmatch(label):
        wordnet = Hierarchy.wordnet()
        if label in wordnet:
            return wordnet.terms(label)
    return (str(label),)
