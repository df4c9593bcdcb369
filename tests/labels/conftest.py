"""A small tree of animals."""

import pytest

from skdevise import Hierarchy


@pytest.fixture
def tiny_tree():
    """animal above cat and dog; dog above beagle and husky."""
    return Hierarchy.from_edges(
        [("animal", "cat"), ("animal", "dog"), ("dog", "beagle"), ("dog", "husky")]
    )
