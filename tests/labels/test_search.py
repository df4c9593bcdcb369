import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from sklearn.preprocessing import normalize

from skdevise.labels import _search as search_module
from skdevise.labels._search import SEARCH_METHODS, ExactSearch, best_columns, open_search


def sort_whole_rows(scores, k):
    """The k best columns by a stable sort of each row in Python."""
    return [sorted(range(len(row)), key=lambda column: -row[column])[:k] for row in scores.tolist()]


@st.composite
def scores_with_ties(draw):
    """Scores of few values, so that most rows hold equal ones; and k."""
    n_columns = draw(st.integers(1, 12))
    shape = (draw(st.integers(0, 6)), n_columns)
    values = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0])
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return draw(arrays(dtype, shape, elements=values)), draw(st.integers(1, n_columns))


@settings(deadline=None, max_examples=300)
@given(scores_with_ties())
def test_it_equals_a_stable_sort(example):
    scores, k = example
    top = best_columns(scores, k)
    assert top.shape == (len(scores), k)
    assert top.tolist() == sort_whole_rows(scores, k)


@pytest.mark.parametrize("k", [1, 2, 7, 99, 100])
def test_many_columns(k):
    scores = np.random.default_rng(0).integers(0, 20, (50, 100)).astype(np.float32)
    assert_array_equal(best_columns(scores, k), sort_whole_rows(scores, k))


def test_the_scores_are_left_alone():
    scores = np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    before = scores.copy()
    best_columns(scores, 2)
    assert_array_equal(scores, before)


@settings(deadline=None, max_examples=200)
@given(
    n_points=st.integers(0, 5),
    n_vectors=st.integers(1, 900),
    largest=st.sampled_from([1, 3, 40, 2000]),
    n=st.integers(1, 12),
    seed=st.integers(0, 2**31),
)
def test_exact_search_equals_a_stable_sort_of_all_products(n_points, n_vectors, largest, n, seed):
    # Whole numbers, so that products are exact and many of them equal.
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-largest, largest, (n_vectors, 2)).astype(np.float32)
    points = rng.integers(-3, 4, (n_points, 2)).astype(np.float32)
    n = min(n, n_vectors)
    columns, cosines = ExactSearch(vectors).nearest(points, n)
    scores = points @ vectors.T
    assert columns.tolist() == sort_whole_rows(scores, n)
    assert_array_equal(cosines, np.take_along_axis(scores, columns, axis=1))


@pytest.fixture
def words():
    """Unit vectors in clusters, as those of words are, and points near some of them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 12)).repeat(20, axis=0)
    vectors = normalize(centres + 0.5 * rng.standard_normal(centres.shape)).astype(np.float32)
    points = normalize(vectors[::13] + 0.1 * rng.standard_normal((93, 12))).astype(np.float32)
    return vectors, points


def open_or_skip(vectors, method):
    if method in ("hnsw", "lsh"):
        pytest.importorskip("faiss")
    return open_search(vectors, method)


@pytest.mark.parametrize("method", SEARCH_METHODS)
def test_each_method_finds_the_nearest(words, method):
    vectors, points = words
    index = open_or_skip(vectors, method)
    assert index.method == method
    columns, cosines = index.nearest(points, 5)
    exact, _ = ExactSearch(vectors).nearest(points, 5)
    found = np.mean([np.isin(e, c).mean() for e, c in zip(exact, columns, strict=True)])
    # The last allows for what hashing loses.
    assert found >= {"exact": 1, "tree": 1, "hnsw": 0.98, "lsh": 0.9}[method]
    assert_array_equal(cosines, -np.sort(-cosines, axis=1))
    row = np.arange(len(points))[:, None]
    np.testing.assert_allclose(cosines, (points @ vectors.T)[row, columns], atol=1e-6)


@pytest.mark.parametrize("method", SEARCH_METHODS)
def test_all_that_there_is_can_be_asked_for(method):
    vectors = np.eye(3, dtype=np.float32)
    columns, _ = open_or_skip(vectors, method).nearest(vectors, 3)
    assert sorted(columns[0].tolist()) == [0, 1, 2]
    assert columns[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("method", SEARCH_METHODS)
@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_an_index_travels_through_a_file(words, method, mmap_mode, tmp_path):
    vectors, points = words
    index = open_or_skip(vectors, method)
    joblib.dump(index, tmp_path / "index.joblib")
    loaded = joblib.load(tmp_path / "index.joblib", mmap_mode=mmap_mode)
    assert_array_equal(loaded.nearest(points, 4)[0], index.nearest(points, 4)[0])
    assert isinstance(loaded.vectors, np.memmap) is (mmap_mode == "r")
    if method in ("hnsw", "lsh"):
        assert isinstance(loaded._bytes, np.memmap) is (mmap_mode == "r")


@pytest.mark.parametrize("installed", [True, False])
def test_auto_takes_an_index_where_there_are_many_vectors(monkeypatch, words, installed):
    vectors, _ = words
    if installed:
        pytest.importorskip("faiss")
    else:
        monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    monkeypatch.setattr(search_module, "_MANY_VECTORS", 1_000)
    assert open_search(vectors[:999]).method == "exact"
    assert open_search(vectors).method == ("hnsw" if installed else "exact")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(ImportError, match=r'search="hnsw" needs .*faiss.*skdevise\[ann\]'):
        open_search(np.eye(2, dtype=np.float32), "hnsw")


@pytest.mark.parametrize("block_bytes", [1, 100, 10_000])
def test_blocks_of_any_size_give_the_same_answers(monkeypatch, words, block_bytes):
    vectors, points = words
    columns, cosines = ExactSearch(vectors).nearest(points, 3)
    monkeypatch.setattr(search_module, "_BLOCK_BYTES", block_bytes)
    blocked, blocked_cosines = ExactSearch(vectors).nearest(points, 3)
    assert_array_equal(blocked, columns)
    np.testing.assert_allclose(blocked_cosines, cosines, rtol=1e-5)


def test_blocks_keep_to_the_budget(monkeypatch):
    # Five scores of four bytes each: 60 bytes hold three rows.
    monkeypatch.setattr(search_module, "_BLOCK_BYTES", 60)
    blocks = list(search_module.score_batches(8, 5, itemsize=4))
    assert [block.stop - block.start for block in blocks] == [3, 3, 2]
