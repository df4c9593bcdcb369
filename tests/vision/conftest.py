"""Small photos and networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from skdevise import VisualFeaturizer


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def tiny_net():
    """Map photos of 16 x 16 pixels to 6 features and 3 scores. It can be pickled."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(6, 3),
    )


def headless_net():
    """Map photos to 5 features, without a softmax layer."""
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def convolutional_head():
    """Map photos to 12 features, whose scores a convolution of 2 x 2 pixels computes."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Conv2d(3, 5, 2), nn.Flatten())


def brightness(image):
    return torch.full((3, 16, 16), image.getextrema()[0][1] / 255)


class Power(nn.Module):
    """A network whose text does not show its exponent."""

    def __init__(self, exponent):
        super().__init__()
        self.exponent = exponent

    def forward(self, x):
        return x.mean((2, 3)) ** self.exponent


def tiny(**params):
    """Return a featurizer with a tiny network."""
    return VisualFeaturizer(**{"backbone": tiny_net, "image_size": 16, "random_state": 0, **params})


@pytest.fixture
def arrays():
    """Five photos of 20 x 24 random pixels."""
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (5, 20, 24, 3), dtype=np.uint8))


@pytest.fixture
def paths(arrays, tmp_path):
    """The same photos as PNG files, which keep every pixel."""
    files = []
    for index, array in enumerate(arrays):
        files.append(tmp_path / f"{index}.png")
        Image.fromarray(array).save(files[-1])
    return files


@pytest.fixture
def two_colours():
    """Twelve reddish or bluish photos, and their labels."""
    rng = np.random.default_rng(1)
    photos, labels = [], []
    for index in range(12):
        photo = rng.integers(0, 60, (16, 16, 3), dtype=np.uint8)
        photo[..., 0 if index % 2 else 2] += 150
        photos.append(photo)
        labels.append("red" if index % 2 else "blue")
    return photos, labels


@pytest.fixture(scope="session")
def shared_data():
    folder = Path(__file__).parents[2].parent / "shared" / "data"
    if not folder.exists():
        pytest.skip(f"needs the development data in {folder}")
    return folder
