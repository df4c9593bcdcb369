import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from skdevise.labels.search import best_columns


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
