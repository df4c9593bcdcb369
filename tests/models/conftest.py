import numpy as np
import pytest

from skdevise import PretrainedEmbedder

# Angles of the label vectors in degrees. "lynx" is near "cat", and "lorry" is near "truck".
ANGLES = {"cat": 0, "lynx": 10, "dog": 45, "lorry": 80, "truck": 90}


@pytest.fixture
def plane():
    """Term vectors of the plane, at the angles above."""
    angles = np.deg2rad(list(ANGLES.values()))
    return PretrainedEmbedder((list(ANGLES), np.column_stack([np.cos(angles), np.sin(angles)])))


@pytest.fixture
def pets_and_trucks():
    """Sixty samples: one feature is large for cats, one for dogs and one for trucks."""
    rng = np.random.default_rng(0)
    X = np.repeat(np.eye(3), 20, axis=0) + rng.uniform(0, 0.1, (60, 3))
    return X.astype(np.float32), np.repeat(["cat", "dog", "truck"], 20)
