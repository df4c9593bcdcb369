"""The vectors that an embedder returns for terms, with checks of embedders from users."""

from collections.abc import Mapping
from os import PathLike, fspath

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import normalize

from skdevise._utils import as_array

# Largest error of the length of a unit vector. Rows of float16 need it.
_TOLERANCE = 0.005


def check_embedder(embedder):
    """Raise TypeError unless `embedder` embeds terms. The message says what to pass instead."""
    is_object = hasattr(embedder, "transform") and not isinstance(embedder, type)
    # The module of the VisualFeaturizer is above this one.
    is_visual = "VisualFeaturizer" in [cls.__name__ for cls in type(embedder).__mro__]
    if is_object and not is_visual:
        return
    name = type(embedder).__name__
    advice = "Pass a term embedder, such as a PretrainedEmbedder."
    if isinstance(embedder, str | PathLike):
        advice = f"Pass PretrainedEmbedder.load({fspath(embedder)[:200]!r})."
    elif isinstance(embedder, type):
        name, advice = f"class {embedder.__name__}", "Pass an instance of it."
    elif isinstance(embedder, Mapping) and hasattr(embedder.get("embedder"), "transform"):
        advice = "Pass its entry `embedder`."
    elif isinstance(embedder, Mapping | tuple) or hasattr(embedder, "index_to_key"):
        advice = "Pass PretrainedEmbedder(vectors)."
    elif is_visual:
        advice = "It embeds photos, so pass it as `visual` or as the first step of a Pipeline."
    elif callable(embedder):
        advice = "Pass EncoderEmbedder(encoder)."
    raise TypeError(f"A {name} is not a term embedder. {advice}")


def looks_up_words(embedder):
    """Return whether the vectors of an embedder depend on the meaning of the terms: bool."""
    return getattr(embedder, "_looks_up_words", True)


def known_terms(embedder, terms, templates=(), question="has_vector"):
    """Ask an embedder `has_vector` or `has_term` of terms in all templates: bool (n_terms,)."""
    ask = getattr(embedder, question, None)
    if ask is None or not terms:
        return np.ones(len(terms), dtype=bool)
    texts = _fill(templates, terms)
    answers = np.asarray(ask(texts))
    if answers.shape != (len(texts),):
        raise ValueError(
            f"{type(embedder).__name__}.{question} returned shape {answers.shape} for "
            f"{len(texts)} terms. It must return one bool per term."
        )
    return answers.reshape(len(terms), -1).all(axis=1)


def first_known(embedder, terms, templates=()):
    """Return the first of a label's terms that has a vector: str."""
    return terms[known_terms(embedder, list(terms), templates).argmax()]


def embed_terms(embedder, terms, templates=()):
    """Embed terms as unit vectors, each the mean over the templates: (n_terms, vector_size)."""
    vectors = _embed(embedder, _fill(templates, terms))
    if not templates:
        return vectors
    return normalize(vectors.reshape(len(terms), len(templates), -1).mean(axis=1))


def _fill(templates, terms):
    """Put each term into each template: list of n_terms * n_templates texts."""
    return [template.format(term) for term in terms for template in templates or ("{}",)]


def _embed(embedder, texts):
    """Embed texts, and check that the vectors are unit rows: (n_texts, vector_size)."""
    vectors, name = embedder.transform(texts), f"The embedder {type(embedder).__name__}"
    if issparse(vectors):
        raise TypeError(f"{name} returned a sparse matrix. It must return a dense array.")
    vectors = np.asarray(as_array(vectors))  # With set_output, `transform` returns a table.
    if vectors.shape[:1] != (len(texts),) or vectors.ndim != 2 or vectors.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} returned shape {vectors.shape} and dtype {vectors.dtype} for {len(texts)} "
            "terms. It must return one row of numbers for each term."
        )
    is_finite = np.isfinite(vectors).all(axis=1)
    if not is_finite.all():
        raise ValueError(
            f"{name} returned NaN or infinity for {texts[is_finite.argmin()]!r}. Leave the term "
            "out, or let `has_vector` return False for it."
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(np.abs(lengths - 1) > _TOLERANCE)
    if len(wrong):
        raise ValueError(
            f"{name} returned a row of length {lengths[wrong[0]]:.3g} for {texts[wrong[0]]!r}. "
            "Each row must have length 1; EncoderEmbedder(embedder.transform) normalises them."
        )
    return vectors
