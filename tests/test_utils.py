"""Devices, and hashes of content."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from joblib import cpu_count
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skdevise import LabelVocabulary, PretrainedEmbedder, RidgeProjectionClassifier
from skdevise._utils import (
    available_device,
    content_hash,
    fits,
    photo_threads,
    training_device,
)

# --- Devices

LARGE = {
    "n_samples": 100_000, "n_numbers": 2_000, "n_weights": 300_000, "batch_size": 128,
    "max_epochs": 10,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        # A step of 4 * (16 * 30 + 3 * 6,000) = 73,920 bytes is too small.
        {"n_numbers": 30, "n_weights": 6_000, "batch_size": 16},
        # Two steps of 4 * (128 * 2,000 + 3 * 300,000) = 4.6 million bytes are too few.
        {"n_samples": 256, "max_epochs": 1},
    ],
)
def test_small_training_stays_on_the_cpu(change):
    assert torch.device(training_device("auto", **LARGE | change)).type == "cpu"


def test_large_training_uses_a_gpu_if_there_is_one(device):
    assert torch.device(training_device(device, **LARGE)).type == device
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert torch.device(training_device("auto", **LARGE)).type in (best, "mps")


def test_a_device_that_this_machine_lacks_becomes_the_cpu(device):
    assert available_device(device).type == device
    assert available_device("cuda:77").type == "cpu"


def test_a_gpu_gets_all_processors_but_the_one_that_starts_its_work():
    gpu, n_processors = torch.device("cuda"), cpu_count()
    assert photo_threads(None, gpu) == max(1, n_processors - 1)
    assert photo_threads(-1, gpu) == n_processors
    assert photo_threads(3, gpu) == 3
    assert photo_threads(None, None) == 1


def test_only_the_memory_of_a_gpu_is_asked_for(device):
    assert fits(1_000, torch.device(device)) == (device == "cuda")
    assert not fits(10**15, torch.device(device))


# --- Hashes


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


@pytest.mark.slow
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


# --- Warnings


@pytest.mark.parametrize("steps", [[], [Normalizer()]], ids=["alone", "in a pipeline"])
def test_a_warning_points_at_the_line_of_the_user(steps):
    labels = LabelVocabulary(["cat", "dog", "gerenuk"], on_missing="drop")
    clf = RidgeProjectionClassifier(
        PretrainedEmbedder({"cat": [1, 0], "dog": [0, 1]}), labels=labels
    )
    with pytest.warns(UserWarning, match="gerenuk") as caught:
        make_pipeline(*steps, clf).fit(np.eye(2), ["cat", "dog"]).predict(np.eye(2))
    assert {warning.filename for warning in caught} == {__file__}
