"""Term vectors and text small enough to reckon with by hand."""

import pytest

from skdevise import PretrainedEmbedder


@pytest.fixture
def animals():
    """Directions: white is up, shark to the right, the Great Dane between the two."""
    return PretrainedEmbedder({"white": [0, 2], "shark": [3, 0], "Great_Dane": [1, 1]})
