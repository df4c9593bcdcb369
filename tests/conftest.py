"""Fixtures of all tests: a hierarchy, features of coloured shapes, and vectors of their names.

If tests run in several processes, the first process only loads this file. So it imports little.
"""

import os
import signal

import numpy as np
import pytest

import skdevise

COLOURS, FORMS = ("red", "green", "blue"), ("ring", "star", "cross")


@pytest.fixture
def make_pipe():
    """Return a function that makes a named pipe. A test that waits for the pipe fails."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("This system has no named pipes.")

    def stop(*_):
        pytest.fail("The test waits for a named pipe.")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield os.mkfifo
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def tiny_tree():
    """animal above cat and dog; dog above beagle and husky."""
    return skdevise.Hierarchy.from_edges(
        [("animal", "cat"), ("animal", "dog"), ("dog", "beagle"), ("dog", "husky")]
    )


@pytest.fixture(scope="module")
def shapes():
    """Nine labels from "red ring" to "blue cross", with six samples each.

    The first three features encode the colour, the last three the form. The vectors of the labels
    are composed in the same way, so a classifier can recognise labels that it never saw.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat([f"{colour} {form}" for colour in COLOURS for form in FORMS], 6)
    clean = [[*(colour in name for colour in COLOURS), *(form in name for form in FORMS)]
             for name in labels]  # fmt: skip
    X = np.array(clean, dtype=np.float32) + rng.uniform(0, 0.2, (54, 6)).astype(np.float32)
    order = rng.permutation(54)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X[order], labels[order]


@pytest.fixture(scope="module")
def blurred(shapes):
    """The same samples with noise, so that some answers are wrong."""
    X, y = shapes
    return X + np.random.default_rng(1).normal(0, 0.25, X.shape).astype(np.float32), y


@pytest.fixture(scope="module")
def embedder():
    """One axis per colour and form; labels are composed of two of them."""
    return skdevise.PretrainedEmbedder(dict(zip(COLOURS + FORMS, np.eye(6), strict=True)))


@pytest.fixture(scope="module")
def by_form():
    """thing above ring, star and cross; each above its three colours."""
    return skdevise.Hierarchy.from_edges(
        [("thing", form) for form in FORMS]
        + [(form, f"{colour} {form}") for form in FORMS for colour in COLOURS]
    )


@pytest.fixture
def devise(embedder):
    """A small DeViSE classifier, not fitted."""
    return skdevise.DeViSEClassifier(embedder, max_epochs=8, random_state=0)


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Name of a torch device. Tests that take it also run on a GPU if the machine has one."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("There is no GPU.")
    return request.param
