"""Hashes of content."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from skdevise._utils import content_hash


class Scale:
    """An object with a tensor among its attributes, like the transforms of torchvision and timm."""

    def __init__(self, factor):
        self.factor = torch.tensor(factor)


def test_equal_values_have_equal_hashes():
    X = np.arange(6.0).reshape(2, 3)
    assert content_hash(X) == content_hash(np.asfortranarray(X)) == content_hash(torch.tensor(X))
    assert content_hash({"a": [X]}) == content_hash({"a": [X.copy()]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.ones(4), np.ones(5)),
        (np.ones(4), np.ones(4, np.float32)),
        ("1", 1),
        (torch.ones(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16)),
        (Scale(1.0), Scale(2.0)),
        (partial(int, base=2), partial(int, base=8)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)),
        (torch.optim.SGD, torch.optim.Adam),
    ],
)
def test_other_values_have_other_hashes(one, other):
    assert content_hash(one) != content_hash(other)
    assert content_hash(one) == content_hash(one)


def test_hashes_are_the_same_in_every_process():
    code = (
        "import torch; from torchvision.transforms import Normalize, Compose;"
        "from skdevise._utils import content_hash; from timm.data.transforms_factory import "
        "transforms_imagenet_eval as make; print(content_hash(make(), {'a': (1, None, 'b')}))"
    )
    run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, check=True)
    assert run().stdout == run().stdout


def test_a_value_that_cannot_be_pickled_is_refused():
    with pytest.raises(ValueError, match="lambda"):
        content_hash(lambda x: x)
