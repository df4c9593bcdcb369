import sys

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import normalize

from skdevise._ranking import best_columns, nearest_by_product, score_batches
from skdevise.labels._search import SEARCH_METHODS, ExactSearch, open_search


def sort_whole_rows(scores, k):
    """Rank the k best columns with a stable sort of each row in Python."""
    return [sorted(range(len(row)), key=lambda column: -row[column])[:k] for row in scores.tolist()]


@st.composite
def scores_with_ties(draw):
    """Scores of few different values, so that most rows hold ties; and k."""
    n_columns = draw(st.integers(1, 12) | st.integers(60, 200))
    shape = (draw(st.integers(0, 6)), n_columns)
    values = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0])
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return draw(arrays(dtype, shape, elements=values)), draw(st.integers(1, n_columns))


@settings(deadline=None, max_examples=200)
@given(scores_with_ties())
def test_best_columns_equal_a_stable_sort(example):
    scores, k = example
    top = best_columns(scores, k)
    assert top.shape == (len(scores), k)
    assert top.tolist() == sort_whole_rows(scores, k)


@settings(deadline=None, max_examples=100)
@given(
    n_points=st.integers(0, 5),
    n_vectors=st.integers(1, 900),
    largest=st.sampled_from([1, 3, 40, 2000]),
    n=st.integers(1, 12),
    seed=st.integers(0, 2**31),
)
def test_exact_search_finds_the_best_scores(n_points, n_vectors, largest, n, seed):
    # Products of whole numbers are exact, and many of them are equal.
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-largest, largest, (n_vectors, 2)).astype(np.float32)
    points = rng.integers(-3, 4, (n_points, 2)).astype(np.float32)
    n = min(n, n_vectors)
    scores = points @ vectors.T
    best = -np.sort(-scores, axis=1)[:, :n]
    columns, cosines = nearest_by_product(points, vectors, n)
    assert columns.tolist() == sort_whole_rows(scores, n)
    assert_array_equal(cosines, best)
    for dtype in (np.float32, np.float64):  # The first is searched by faiss if it is installed.
        columns, cosines = ExactSearch(vectors).nearest(points.astype(dtype), n)
        assert_array_equal(cosines, best)
        assert_array_equal(np.take_along_axis(scores, columns, axis=1), best)


@pytest.fixture
def words():
    """Unit vectors in clusters, like those of words, and points near some of them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 12)).repeat(20, axis=0)
    vectors = normalize(centres + 0.5 * rng.standard_normal(centres.shape)).astype(np.float32)
    points = normalize(vectors[::13] + 0.1 * rng.standard_normal((93, 12))).astype(np.float32)
    return vectors, points


@pytest.fixture(params=SEARCH_METHODS)
def method(request):
    """Name of a search method whose package is installed."""
    if request.param in ("hnsw", "lsh"):
        pytest.importorskip("faiss")
    return request.param


def test_each_method_finds_the_nearest(words, method):
    vectors, points = words
    index = open_search(vectors, method)
    assert index.method == method
    columns, cosines = index.nearest(points, 5)
    exact, _ = nearest_by_product(points, vectors, 5)
    found = np.mean([np.isin(e, c).mean() for e, c in zip(exact, columns, strict=True)])
    # HNSW and LSH are approximate.
    assert found >= {"exact": 1, "tree": 1, "hnsw": 0.98, "lsh": 0.9}[method]
    assert_array_equal(cosines, -np.sort(-cosines, axis=1))
    assert_allclose(cosines, np.take_along_axis(points @ vectors.T, columns, axis=1), atol=1e-6)


def test_all_vectors_can_be_requested(method):
    vectors = np.eye(3, dtype=np.float32)
    columns, _ = open_search(vectors, method).nearest(vectors, 3)
    assert sorted(columns[0].tolist()) == [0, 1, 2]
    assert columns[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_an_index_survives_a_file(words, method, mmap_mode, tmp_path):
    vectors, points = words
    index = open_search(vectors, method)
    for path in (tmp_path / "first", tmp_path / "second"):
        before = index
        joblib.dump(index, path)
        index = joblib.load(path, mmap_mode=mmap_mode)
        assert_array_equal(index.nearest(points, 4)[0], before.nearest(points, 4)[0])
        assert isinstance(index.vectors, np.memmap) is (mmap_mode == "r")


def test_auto_builds_a_graph_for_200_000_vectors_if_faiss_is_installed(monkeypatch):
    vectors = np.ones((200_000, 1), dtype=np.float32)
    assert open_search(vectors[1:]).method == "exact"
    monkeypatch.setitem(sys.modules, "faiss", None)  # As if it were not installed.
    assert open_search(vectors).method == "exact"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"hnsw.*faiss.*skdevise\[ann\]"):
        open_search(np.eye(2, dtype=np.float32), "hnsw")


@pytest.mark.parametrize(("n_columns", "n_rows"), [(2**23, 2), (2**30, 1), (5, 256)])
def test_batches_keep_to_64_mib_and_256_rows(n_columns, n_rows):
    # 2**23 scores of 4 bytes take 32 MiB.
    batches = list(score_batches(300, n_columns, itemsize=4))
    assert batches[0] == slice(0, n_rows)
    assert batches[-1].stop == 300
