"""The systems that `reproduce_paper.py` compares, one entry each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    ESZSLClassifier,
    Hierarchy,
    NearestClassMeanClassifier,
    NoveltySwitchClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
    VisualFeaturizer,
    WSABIEClassifier,
)


@dataclass(frozen=True)
class Setting:
    """The parts that a system may use in one run."""

    embedder: Any
    """Word vectors."""
    softmax: ClassifierMixin | None
    """Softmax layer of the network for the training labels. None if it does not know them all."""
    hierarchy: Hierarchy
    """Graph of the labels."""
    seed: int


@dataclass(frozen=True)
class System:
    """A system of the tables."""

    name: str
    make: Callable[[Setting], ClassifierMixin]
    """Function that makes the unfitted classifier."""
    answers_unseen: bool = True
    """True if the system can answer labels that are not in training."""
    is_random: bool = False
    """True if the system depends on the seed."""
    needs_softmax: bool = False
    """True if the system needs the softmax layer of the network."""
    pool: str = "first"
    """Rule for the score of a label with several terms, as in `LabelVocabulary`."""
    knows_hierarchy: bool = False
    """True if the system reads WordNet's hierarchy or definitions, which makes hp@k unfair."""
    embedder: Any = None
    """Word vectors of the system. None means those of the setting."""


def devise(setting, embedder=None, **params):
    """Make DeViSE with the word vectors of the setting, or with other vectors.

    The features are not centred, because the map of the paper has no bias.
    """
    embedder = setting.embedder if embedder is None else embedder
    params = {"feature_scaling": "l2", "random_state": setting.seed} | params
    return DeViSEClassifier(embedder, **params)


class SideBySide(BaseEstimator):
    """Word vectors of several embedders side by side. A missing part is zero."""

    def __init__(self, embedders):
        self.embedders = embedders

    def has_vector(self, terms):
        """Return whether each term has a vector in some embedder: bool (n_terms,)."""
        return np.any([embedder.has_vector(terms) for embedder in self.embedders], axis=0)

    def has_term(self, terms):
        """Return whether each term is in the table of some embedder: bool (n_terms,)."""
        return np.any([embedder.has_term(terms) for embedder in self.embedders], axis=0)

    def transform(self, terms):
        """Stack the vectors of each term: unit rows (n_terms, total size)."""
        terms, parts = np.asarray(terms, dtype=object), []
        for embedder in self.embedders:
            known = embedder.has_vector(terms)
            part = np.zeros((len(terms), embedder.vector_size_), np.float32)
            part[known] = embedder.transform(terms[known])
            parts.append(part)
        return normalize(np.hstack(parts))

    @property
    def vector_size_(self):
        return sum(embedder.vector_size_ for embedder in self.embedders)

    def __sklearn_is_fitted__(self):
        return True


@cache
def network_softmax():
    """Load the softmax layer of the network: synset ids, weights and biases."""
    featurizer = VisualFeaturizer("efficientnet_lite0").fit(np.zeros((1, 8, 8, 3), np.uint8))
    return featurizer.synsets_, featurizer.softmax_coef_, featurizer.softmax_intercept_


def frozen_softmax(labels):
    """Return the softmax layer for some of the 1,000 synsets, or None if one is not among them."""
    synsets, coef, intercept = network_softmax()
    rows = np.flatnonzero(np.isin(synsets, labels))
    if len(rows) < len(labels):
        return None
    clf = LogisticRegression()
    clf.classes_, clf.n_features_in_ = synsets[rows], coef.shape[1]
    clf.coef_, clf.intercept_, clf.n_iter_ = coef[rows], intercept[rows], np.zeros(1, int)
    return FrozenEstimator(clf)


def logistic():
    """Make the softmax classifier of features."""
    return LogisticRegression(max_iter=1_000)


def switch(setting, **params):
    """Make the switch between training labels and unseen labels."""
    ridge = RidgeProjectionClassifier(feature_scaling="l2")
    return NoveltySwitchClassifier(logistic(), setting.embedder, projection=ridge, **params)


def regress_weights(setting, **params):
    """Make the regression of weights, on the softmax layer if it knows the training labels."""
    return ClassifierWeightRegressor(setting.softmax or logistic(), setting.embedder, **params)


SEEN_ONLY = {"answers_unseen": False}
NETWORK = {"needs_softmax": True}
RANDOM = {"is_random": True}
WORDNET = {"knows_hierarchy": True}

# DeViSE has these rows for each of the word vectors.
DEVISE = {
    "DeViSE": {},
    "DeViSE, all negatives": {"negatives": "all"},
    "DeViSE, trained label vectors": {"train_label_vectors": True},
}
SYSTEMS = (
    System("softmax", lambda s: logistic(), **SEEN_ONLY),
    System("softmax layer of the network", lambda s: s.softmax, **SEEN_ONLY, **NETWORK),
    System("WSABIE", lambda s: WSABIEClassifier(random_state=s.seed), **SEEN_ONLY, **RANDOM),
    System("DeViSE, nearest term (A.2)", devise, pool="terms", **RANDOM),
    System("random vectors, 500-d", partial(devise, embedder=RandomEmbedder(500)), **RANDOM),
    System("random vectors, 1000-d", partial(devise, embedder=RandomEmbedder(1_000)), **RANDOM),
    System("L2 loss", partial(devise, loss="mse"), **RANDOM),
    System("Keras recipe", partial(devise, loss="cosine", projection="mlp"), **RANDOM),
    System(
        "ridge regression",
        lambda s: RidgeProjectionClassifier(s.embedder, feature_scaling="l2"),
    ),
    System("ESZSL", lambda s: ESZSLClassifier(s.embedder)),
    System("ConSE", lambda s: ConSEClassifier(logistic(), s.embedder)),
    System("ConSE, softmax layer", lambda s: ConSEClassifier(s.softmax, s.embedder), **NETWORK),
    System(
        "nearest class mean",
        lambda s: NearestClassMeanClassifier(s.hierarchy, random_state=s.seed),
        **RANDOM,
        **WORDNET,
    ),
    System("direct similarity", lambda s: DirectSimilarityClassifier(logistic(), s.embedder)),
    System("novelty switch", switch),
    System("novelty switch, LoOP", partial(switch, novelty="loop")),
    System("novelty switch, Bayesian mix", partial(switch, combination="mix")),
    System("weight regression, word vectors", regress_weights),
    System("weight regression", lambda s: regress_weights(s, hierarchy=s.hierarchy), **WORDNET),
)


def systems_of(embedders):
    """List all systems, with the rows of DeViSE for each of the word vectors (a dict)."""
    rows = [
        System(
            f"{name}, {title}",
            partial(devise, embedder=embedder, **params),
            embedder=embedder,
            **RANDOM,
        )
        for title, embedder in embedders.items()
        for name, params in DEVISE.items()
    ]
    return [*SYSTEMS[:3], *rows, *SYSTEMS[3:]]
