"""A small text, and embedders that are trained on it in no time."""

from skdevise import SkipGramEmbedder

TEXT = [
    "The great white shark swims in the sea.",
    "A white whale swims in the sea, too.",
    "The great-white shark eats the whale!",
] * 3


def small(**params):
    """An embedder that trains in no time and keeps all terms."""
    return SkipGramEmbedder(**{"vector_size": 6, "min_count": 1, "random_state": 0, **params})


def vectors_of(embedder):
    return embedder.vectors_.vectors[1]
