"""Kernels between labels: their similarity in a hierarchy, in their names and in definitions."""

from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from itertools import chain

import numpy as np
from scipy.sparse import csr_array, diags_array, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from skdevise.labels._embedding import embed_terms, known_terms
from skdevise.labels._senses import photo_senses
from skdevise.language import EncoderEmbedder
from skdevise.language._terms import words_of

# benchmarks/zero_shot_weights.py chose the constants on labels of ImageNet that it left out.

# Exponent of the number of uses of a sense, which weighs the senses of a name.
_SENSE_POWER = 0.5

# Shares of the definitions of parents, grandparents and children in the text of a synset.
_PARENTS, _GRANDPARENTS, _CHILDREN = 0.5, 0.25, 0.5

# Widths of the kernels exp((cosine - 1) / width).
_NAME_WIDTH, _GLOSS_WIDTH, _SENTENCE_WIDTH = 0.3, 0.4, 0.5

# Weight of the vector of the name, compared with the idf of the words of its definition.
_NAME_IN_GLOSS = 15.0


@dataclass(frozen=True, eq=False)
class LabelFacts:
    """The terms of some labels, and their senses: positions in a hierarchy."""

    terms: list
    """A tuple of str for each label."""
    senses: list
    """An array of int for each label. It is empty if the hierarchy does not know the label."""
    shares: list
    """Share of each sense, for each label. The shares of a label add up to 1."""
    _names: dict = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, vocabulary, hierarchy):
        """Collect the facts of a vocabulary. Without a hierarchy (None), no label has a sense."""
        labels, terms = vocabulary.labels.tolist(), list(vocabulary.terms)
        if hierarchy is None:
            nothing = [np.zeros(0, int)] * len(terms)
            return cls(terms, nothing, nothing)
        is_known = [label in hierarchy for label in labels]
        others = (names for names, known in zip(terms, is_known, strict=True) if not known)
        distinct = list(dict.fromkeys(chain.from_iterable(others)))
        found = dict(zip(distinct, photo_senses(distinct, hierarchy), strict=True))
        senses, shares = [], []
        for label, names, known in zip(labels, terms, is_known, strict=True):
            # The first term that the hierarchy knows decides.
            name = next(filter(found.get, names), names[0])
            rows = hierarchy.positions([label] if known else found[name])
            counts = {} if known else hierarchy.term_index.counts(name)
            weights = np.array([1.0 + counts.get(row, 0) for row in rows.tolist()]) ** _SENSE_POWER
            senses.append(rows)
            shares.append(weights / weights.sum())
        return cls(terms, senses, shares)

    @property
    def n_labels(self):
        return len(self.terms)

    def take(self, rows):
        """Select labels by a slice."""
        return LabelFacts(self.terms[rows], self.senses[rows], self.shares[rows])

    @cached_property
    def all_senses(self):
        """Positions of the senses of all labels: (n_senses,)."""
        return np.concatenate([np.zeros(0, int), *self.senses])

    @cached_property
    def owners(self):
        """Positions of the labels that have these senses: (n_senses,)."""
        return np.repeat(np.arange(self.n_labels), list(map(len, self.senses)))

    @cached_property
    def mean_of_senses(self):
        """Matrix that averages the rows of senses: (n_labels, n_senses)."""
        shares = np.concatenate([np.zeros(0), *self.shares])
        return _sums(self.owners, self.n_labels, shares)

    @cached_property
    def sum_of_senses(self):
        """Matrix that sums the rows of senses: (n_labels, n_senses)."""
        return _sums(self.owners, self.n_labels)

    def names(self, embedder, hierarchy):
        """Embed the names of labels (`_name_vectors`), once for all kernels."""
        if id(embedder) not in self._names:
            self._names[id(embedder)] = _name_vectors(embedder, hierarchy, self)
        return self._names[id(embedder)]

    @property
    def lacks_sense(self):
        """Positions of the labels without a sense."""
        return np.flatnonzero([not len(rows) for rows in self.senses])


class FeatureKernel:
    """Product of sparse features of labels, which have unit length."""

    # A subclass has `features(facts)`, which returns (n_labels, n_features).

    def __init__(self, hierarchy):
        self.hierarchy = hierarchy

    def fit(self, facts):
        """Compare the training labels: (n, n)."""
        self.training = self.features(facts)
        return self(facts)

    def __call__(self, facts):
        """Compare labels with the training labels: (n_labels, n_training)."""
        return (self.features(facts) @ self.training.T).toarray()


class HierarchyKernel(FeatureKernel):
    """Cosine of the sets of ancestors. An ancestor of many training labels counts less."""

    def fit(self, facts):
        """Learn the weights of ancestors, and compare the training labels: (n, n)."""
        above = self.hierarchy.graph.ancestors(facts.all_senses)
        n_below = (facts.sum_of_senses @ above > 0).sum(axis=0)
        self._weights = diags_array(1 / np.sqrt(np.maximum(n_below, 1)), format="csr")
        return super().fit(facts)

    def features(self, facts):
        """Describe labels by their weighted ancestors: sparse (n_labels, n_nodes)."""
        above = self.hierarchy.graph.ancestors(facts.all_senses)
        return facts.mean_of_senses @ unit_rows(above @ self._weights)


class DefinitionKernel(FeatureKernel):
    """Cosine of the words of definitions and synonyms (tf-idf)."""

    def features(self, facts):
        """Describe labels by their weighted words: sparse (n_labels, n_words)."""
        corpus, senses = _corpus(self.hierarchy), self.hierarchy.labels[facts.all_senses].tolist()
        terms = [" ".join(self.hierarchy.terms(label)) for label in senses]
        counts = corpus.near(facts.all_senses) + corpus.count(terms)
        features = facts.mean_of_senses @ unit_rows(corpus.weigh(counts))
        if not len(facts.lacks_sense):
            return features
        names = corpus.count([" ".join(facts.terms[i]) for i in facts.lacks_sense])
        place = _sums(facts.lacks_sense, facts.n_labels)
        return features + place @ unit_rows(corpus.weigh(names))


class VectorKernel:
    """Similarity exp((cosine - 1) / width) of centred vectors, averaged over those of a label."""

    # A subclass has `width`. Its `_vectors` returns vectors, and the matrix of means over a label.

    def __init__(self, embedder, hierarchy):
        self.embedder = embedder
        self.hierarchy = hierarchy

    def fit(self, facts):
        """Learn the centre, and compare the training labels: (n, n)."""
        vectors, mean = self._vectors(facts)
        self._centre = vectors.mean(axis=0) if len(vectors) else 0.0
        self._training, self._mean = unit_rows(vectors - self._centre), mean.T
        kernel = self._compare(vectors, mean)
        np.fill_diagonal(kernel, 1.0)  # A label without a vector still equals itself.
        return kernel

    def __call__(self, facts):
        """Compare labels with the training labels: (n_labels, n_training)."""
        return self._compare(*self._vectors(facts))

    def _compare(self, vectors, mean):
        """Compare labels, given by vectors and the matrix that averages them."""
        cosines = unit_rows(vectors - self._centre) @ self._training.T
        return mean @ (np.exp((cosines - 1) / self.width) @ self._mean)


class NameKernel(VectorKernel):
    """Similarity of the vectors of the first terms, or of the means of all terms."""

    width = _NAME_WIDTH

    def __init__(self, embedder, hierarchy, uses_all):
        super().__init__(embedder, hierarchy)
        self.uses_all = uses_all

    def _vectors(self, facts):
        first, mean, named = facts.names(self.embedder, self.hierarchy)
        return mean if self.uses_all else first, _sums(named, facts.n_labels)


class GlossKernel(VectorKernel):
    """Similarity of the sums of the word vectors of the definition and the name."""

    width = _GLOSS_WIDTH

    def _vectors(self, facts):
        corpus = _corpus(self.hierarchy)
        weights = corpus.weigh(corpus.near(facts.all_senses))
        used = np.unique(weights.indices)
        used = used[known_terms(self.embedder, corpus.words[used].tolist())]
        names, _, named = facts.names(self.embedder, self.hierarchy)
        glosses = np.zeros((len(facts.all_senses), names.shape[1]))
        if len(used):
            words = embed_terms(self.embedder, corpus.words[used].tolist())
            glosses += weights[:, used] @ words.astype(float)
        name_of = np.zeros((facts.n_labels, names.shape[1]))
        name_of[named] = names
        glosses += _NAME_IN_GLOSS * name_of[facts.owners]
        only_named = np.intersect1d(facts.lacks_sense, named)
        vectors = unit_rows(np.vstack([glosses, name_of[only_named]]))
        mean = hstack([facts.mean_of_senses, _sums(only_named, facts.n_labels)], format="csr")
        is_known = vectors.any(axis=1)
        return vectors[is_known], mean[:, is_known]


class SentenceKernel(VectorKernel):
    """Similarity of the sentence vectors of the name and its definition."""

    width = _SENTENCE_WIDTH

    def _vectors(self, facts):
        definitions = self.hierarchy.definitions(self.hierarchy.labels[facts.all_senses])
        clauses = [f", {text.split(';')[0]}" if text else "" for text in definitions]
        owners = [*facts.owners, *facts.lacks_sense]
        clauses += [""] * len(facts.lacks_sense)
        texts = [
            f"a photo of a {facts.terms[owner][0]}{clause}"
            for owner, clause in zip(owners, clauses, strict=True)
        ]
        mean = [facts.mean_of_senses, _sums(facts.lacks_sense, facts.n_labels)]
        return embed_terms(self.embedder, texts).astype(float), hstack(mean, format="csr")


class LabelKernel:
    """Weighted mean of all kernels that a hierarchy and some embedders allow.

    Parameters
    ----------
    hierarchy : Hierarchy or None
    embedders : list of term embedders
    hierarchy_weight : float
        Weight of the hierarchy itself. The rest is the weight of names and definitions.
    """

    def __init__(self, hierarchy, embedders, hierarchy_weight):
        self.hierarchy = hierarchy
        texts = []
        for embedder in embedders:
            share = 1 / len(embedders)
            if hierarchy is not None:
                is_encoder = isinstance(embedder, EncoderEmbedder)
                kind, weight = (SentenceKernel, 2) if is_encoder else (GlossKernel, 0.5)
                texts.append(("definition", weight * share, kind(embedder, hierarchy)))
            for uses_all in (False, True):
                texts.append(("name", 0.25 * share, NameKernel(embedder, hierarchy, uses_all)))
        if hierarchy is not None:
            texts.append(("definition", 1.0, DefinitionKernel(hierarchy)))
        total = sum(weight for _, weight, _ in texts)
        rest = 1.0 if hierarchy is None else 1 - hierarchy_weight
        self._parts = [(name, rest * weight / total, kernel) for name, weight, kernel in texts]
        if hierarchy is not None:
            self._parts.append(("hierarchy", hierarchy_weight, HierarchyKernel(hierarchy)))

    def facts(self, vocabulary):
        """Collect the terms and the senses of labels: LabelFacts."""
        return LabelFacts.of(vocabulary, self.hierarchy)

    def fit(self, facts):
        """Learn from the training labels, and compare them: (n, n)."""
        return sum(weight * kernel.fit(facts) for _, weight, kernel in self._parts)

    def __call__(self, facts):
        """Compare labels with the training labels: (n_labels, n_training)."""
        return sum(self.parts(facts).values())

    def parts(self, facts):
        """Compute the shares of "hierarchy", "name" and "definition": dict of arrays."""
        shares = {}
        for name, weight, kernel in self._parts:
            shares[name] = shares.get(name, 0) + weight * kernel(facts)
        return shares

    def ancestors(self, facts):
        """Return two sparse matrices, of labels and of training labels: (n_labels, n_nodes).

        The share of "hierarchy" is the product of the first and the transpose of the second.
        """
        _, weight, kernel = self._parts[-1]
        return weight * kernel.features(facts), kernel.training


class _Corpus:
    """The words of all definitions of a hierarchy."""

    def __init__(self, hierarchy):
        self._graph = hierarchy.graph
        vectorizer = CountVectorizer(
            analyzer=lambda text: map(_stem, words_of(text)), dtype=np.float64
        )
        labels = hierarchy.labels.tolist()
        definitions = hierarchy.definitions(labels)
        if not any(definitions):  # The terms are all the text that there is.
            definitions = [" ".join(hierarchy.terms(label)) for label in labels]
        self._counts = vectorizer.fit_transform(definitions).tocsr()
        self.count = vectorizer.transform  # From texts to (n_texts, n_words).
        self._idf = diags_array(np.log(len(labels) / np.bincount(self._counts.indices)))
        self.words = vectorizer.get_feature_names_out()

    def near(self, rows):
        """Count the words of definitions of labels and of their relatives: (n, n_words)."""
        parents = self._graph.parents[rows].astype(float)
        grandparents = parents @ self._graph.parents.astype(float)
        children = self._graph.children[rows].astype(float)
        children = diags_array(1 / np.maximum(np.diff(children.indptr), 1)) @ children
        near = _PARENTS * parents + _GRANDPARENTS * grandparents + _CHILDREN * children
        return self._counts[rows] + near @ self._counts

    def weigh(self, counts):
        """Weigh words by their rarity, and damp repeated ones: (n, n_words)."""
        return csr_array(counts).log1p() @ self._idf


_corpus = lru_cache(maxsize=4)(_Corpus)


@cache
def _stem(word):
    """Remove the ending of a plural: str."""
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def _name_vectors(embedder, hierarchy, facts):
    """Embed the first term and the mean term of labels: two (n, vector_size), positions (n,)."""
    terms = [list(names) for names in facts.terms]
    known = _select_known(embedder, terms)
    # The terms of the senses stand in for a name without a vector.
    lacking = [i for i, found in enumerate(known) if not found and len(facts.senses[i])]
    if lacking:
        senses = [hierarchy.labels[facts.senses[i]].tolist() for i in lacking]
        synonyms = [list(chain.from_iterable(map(hierarchy.terms, labels))) for labels in senses]
        for i, found in zip(lacking, _select_known(embedder, synonyms), strict=True):
            known[i] = found
    owners = np.repeat(np.arange(len(known)), list(map(len, known)))
    named, first = np.unique(owners, return_index=True)
    vectors = embed_terms(embedder, list(chain.from_iterable(known))).astype(float)
    sums = (_sums(owners, len(known)) @ vectors)[named]
    return unit_rows(vectors[first]), unit_rows(sums), named


def _select_known(embedder, terms):
    """Keep the terms that have a vector: a list for each label."""
    distinct = list(dict.fromkeys(chain.from_iterable(terms)))
    known = dict(zip(distinct, known_terms(embedder, distinct), strict=True))
    return [[term for term in names if known[term]] for names in terms]


def unit_rows(rows, norm="l2"):
    """Scale rows to length 1. There may be no rows, which scikit-learn refuses."""
    return normalize(rows, norm) if rows.shape[0] else rows


def _sums(owners, n_labels, weights=None):
    """Return the matrix that sums the weighted rows of each label: (n_labels, n_rows)."""
    weights = np.ones(len(owners)) if weights is None else weights
    return csr_array((weights, (owners, np.arange(len(owners)))), shape=(n_labels, len(owners)))
