import numpy as np
import pytest

from skdevise import PretrainedEmbedder

# Directions of the plane, by angle: "lynx" lies near "cat", "lorry" near "truck".
ANGLES = {"cat": 0, "lynx": 10, "dog": 45, "lorry": 80, "truck": 90}


@pytest.fixture
def plane():
    """Term vectors in the plane, at the angles above."""
    angles = np.deg2rad(list(ANGLES.values()))
    return PretrainedEmbedder((list(ANGLES), np.column_stack([np.cos(angles), np.sin(angles)])))


@pytest.fixture
def pets_and_trucks():
    """Features whose first column says cat, second dog, third truck."""
    rng = np.random.default_rng(0)
    X = np.repeat(np.eye(3), 20, axis=0) + rng.uniform(0, 0.1, (60, 3))
    return X.astype(np.float32), np.repeat(["cat", "dog", "truck"], 20)
