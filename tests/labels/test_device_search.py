"""Search on a GPU. The same operations of torch run on the CPU here."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import normalize

from skdevise import DeViSEClassifier, LabelSpace, LabelVocabulary, RandomEmbedder
from skdevise.labels._device_search import DeviceSearch, best_columns, find_gpu, in_blocks

# Hypothesis warns about fixtures of functions. This one only names a device.
named_device = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@named_device
@given(st.data(), st.integers(1, 70), st.integers(0, 5), st.sampled_from([2, 5, 1_000]))
def test_best_columns_equal_a_stable_sort(device, data, n_columns, n_rows, n_different):
    k = data.draw(st.integers(1, n_columns))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    scores = rng.integers(n_different, size=(n_rows, n_columns)) / np.float32(7)
    found = best_columns(torch.tensor(scores, device=device), k)
    assert found.tolist() == np.argsort(-scores, axis=1, kind="stable")[:, :k].tolist()


@named_device
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=20),
    st.data(),
    st.sampled_from([np.float32, np.float64]),
)
def test_labels_are_ranked_by_their_nearest_vector(device, vectors_of, data, dtype):
    # Whole numbers have exact products, many of which are equal.
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    vectors = rng.integers(-3, 4, (10, 2)).astype(np.float32)
    points = rng.integers(-3, 4, (4, 2)).astype(dtype)[::-1]
    sizes = list(map(len, vectors_of))
    search = DeviceSearch(
        torch.device(device), vectors, np.concatenate(vectors_of), np.cumsum(sizes) - sizes
    )
    expected = np.array([[max(vectors[rows] @ p) for rows in vectors_of] for p in points])
    scores = search.scores(points)
    assert scores.dtype == dtype
    assert_array_equal(scores, expected)
    k = data.draw(st.integers(1, len(vectors_of)))
    for offsets in (None, rng.integers(2, size=len(vectors_of)).astype(dtype)):
        top, best = search.top_k(points, k, offsets)
        shifted = expected if offsets is None else expected - offsets
        assert_array_equal(top, np.argsort(-shifted, axis=1, kind="stable")[:, :k])
        assert_array_equal(best, np.take_along_axis(shifted, top, axis=1))
        assert best.dtype == dtype


def test_a_block_that_does_not_fit_into_memory_is_halved():
    done, sizes = [], []

    def compute(block):
        sizes.append(block.stop - block.start)
        if sizes[-1] > 3:
            raise torch.cuda.OutOfMemoryError("Tried to allocate too much.")
        done.extend(range(block.start, block.stop))

    in_blocks(compute, n_rows=11, size=8)
    assert done == list(range(11))
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 1]


def test_an_error_that_smaller_blocks_do_not_help_is_raised():
    def compute(block):
        raise torch.cuda.OutOfMemoryError("Tried to allocate too much.")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_blocks(compute, n_rows=11, size=8)


@pytest.fixture
def points():
    return normalize(np.random.default_rng(0).standard_normal((30, 8))).astype(np.float32)


@pytest.mark.parametrize("terms", [None, {3: ["2", "7"]}])
def test_a_space_answers_the_same_on_every_device(device, points, terms):
    vocabulary = LabelVocabulary(range(50), terms)
    here, there = (LabelSpace(vocabulary, RandomEmbedder(8), device=d) for d in ("cpu", device))
    assert_allclose(there.scores(points), here.scores(points), atol=1e-6)
    for k, offsets in ((1, None), (4, None), (50, None), (4, np.arange(50) % 3)):
        labels, scores = here.top_k(points, k, offsets)
        found, found_scores = there.top_k(points, k, offsets)
        assert_array_equal(found, labels)
        assert_allclose(found_scores, scores, atol=1e-6)
    copied = pickle.loads(pickle.dumps(there))
    assert_array_equal(copied.top_k(points, 3)[0], here.top_k(points, 3)[0])


def test_a_gpu_is_chosen_for_large_searches(device):
    gpu = torch.device("cuda") if torch.cuda.is_available() else None
    assert find_gpu("auto") == gpu
    assert find_gpu("auto", n_products=1_000) is None
    assert getattr(find_gpu(device, n_products=1), "type", "cpu") == device
    # A space from another machine.
    assert find_gpu("cuda:77") is None


def test_a_classifier_searches_on_the_device_of_its_training(device, shapes, embedder):
    clf = DeViSEClassifier(embedder, device=device, random_state=0).fit(*shapes)
    assert torch.device(clf.device_).type == torch.device(clf.label_space_.device).type == device
    assert clf.score(*shapes) == 1


def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match="nowhere"):
        LabelSpace(["cat", "dog"], RandomEmbedder(4), device="nowhere")
