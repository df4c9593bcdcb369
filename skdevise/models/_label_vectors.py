"""Label spaces of vectors that a classifier makes itself, without an embedder."""

import numpy as np

from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import LabelVocabulary


def space_of_vectors(vocabulary, vectors, search, device="auto"):
    """Build the label space of given vectors (n_labels, vector_size). Rows of zeros are missing."""
    labels = vocabulary.labels.tolist()
    positions = {label: str(position) for position, label in enumerate(labels)}
    # WordNet has no terms for positions.
    on_missing = "drop" if vocabulary.on_missing == "drop" else "error"
    numbered = LabelVocabulary(vocabulary.labels, positions, on_missing=on_missing)
    try:
        space = LabelSpace(numbered, _Rows(vectors), search, device)
    except LabelWithoutVectorError as error:
        raise LabelWithoutVectorError(error.missing, error.n_asked, what="candidates") from None
    space.vocabulary = vocabulary  # Explanations need the terms.
    return space


class _Rows:
    """An embedder whose terms are positions in a table of vectors."""

    def __init__(self, vectors):
        self.vectors = vectors

    def has_vector(self, terms):
        return self.vectors.any(axis=1)[list(map(int, terms))]

    def transform(self, terms):
        # Positions come in order, so all of them need no copy.
        is_all = len(terms) == len(self.vectors)
        return self.vectors if is_all else self.vectors[list(map(int, terms))]


class LabelVectors:
    """Vectors (n_labels, n_components) that a classifier learned for labels, made unit vectors.

    The search for labels needs unit vectors. One more number gives all vectors the same length.
    Points get a zero there, so the dot products stay the same. The method is from Bachrach et al.,
    "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
    spaces", RecSys 2014.
    """

    looks_up_words = False

    def __init__(self, labels, vectors):
        self.row_of = {label: row for row, label in enumerate(labels.tolist())}
        self.vectors = vectors
        self.length = np.linalg.norm(vectors, axis=1).max()

    def rows(self, labels):
        """Return the position of each label, or -1: int (n_labels,)."""
        return np.array([self.row_of.get(label, -1) for label in labels.tolist()])

    def unit(self, vectors):
        """Make vectors, none longer than the longest one, unit vectors: (n, n_components + 1)."""
        vectors = vectors / self.length
        rest = 1 - np.square(vectors).sum(axis=1)
        return np.column_stack([vectors, np.sqrt(rest.clip(0))])

    def points(self, points):
        """Extend points, so that their dot products with the unit vectors are the scores."""
        return np.pad(points * self.length.astype(points.dtype), [(0, 0), (0, 1)])
