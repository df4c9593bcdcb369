import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdevise.metrics import HitAtK
from skdevise.model_selection import UnseenClassSplit


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(["ant", "bee", "cat", "dog"]), min_size=2, max_size=30).filter(
        lambda y: len(set(y)) > 1
    ),
    st.integers(0, 1_000),
)
def test_no_class_is_on_both_sides_and_no_sample_is_lost(y, seed):
    y = np.array(y)
    for train, test in UnseenClassSplit(3, test_size=0.4, random_state=seed).split(y, y):
        assert not set(y[train]) & set(y[test])
        assert sorted([*train, *test]) == list(range(len(y)))
        # The share of 0.4 is rounded up.
        assert len(set(y[test])) == np.ceil(0.4 * len(set(y)))


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a", "b", "c"],
        np.array(["b", "a", "b", "c"], dtype=object),
        pd.Series(["b", "a", "b", "c"], index=[5, 6, 7, 8]),
        pd.Series(["b", "a", "b", "c"], dtype="category"),
        [2, 1, 2, 3],
    ],
    ids=["list", "object", "Series", "category", "int"],
)
def test_labels_may_have_any_type(y):
    [(train, test)] = UnseenClassSplit(1, test_size=1, random_state=1).split(np.zeros((4, 1)), y)
    # The seed draws the first of the three sorted classes.
    assert_array_equal(train, [0, 2, 3])
    assert_array_equal(test, [1])


def test_an_int_test_size_is_a_number_of_classes():
    y = np.repeat(range(10), [1, 9, 2, 8, 3, 7, 4, 6, 5, 5])
    for _, test in UnseenClassSplit(5, test_size=3, random_state=0).split(y, y):
        assert len(set(y[test])) == 3


def test_random_state_makes_splits_reproducible():
    y = np.arange(20)
    first, again, other = (
        [test.tolist() for _, test in UnseenClassSplit(4, random_state=seed).split(y, y)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other
    assert len({tuple(test) for test in first}) > 1


@pytest.mark.parametrize("y", [None, ["a", "a"], []])
def test_at_least_two_classes_are_needed(y):
    with pytest.raises(ValueError, match="two classes"):
        next(UnseenClassSplit().split([[0], [0]], y))


@pytest.mark.parametrize("test_size", [0, 1.5, 3, 0.9, "all"])
def test_both_parts_need_a_class(test_size):
    y = ["cat", "dog", "rat"]
    with pytest.raises(ValueError, match=f"test_size={test_size!r} .*3 classes"):
        next(UnseenClassSplit(test_size=test_size).split(y, y))


def test_groups_are_ignored():
    y = ["a", "b", "c"]
    splits = [
        [test.tolist() for _, test in UnseenClassSplit(3, random_state=0).split(y, y, groups)]
        for groups in (None, [0, 0, 0])
    ]
    assert splits[0] == splits[1]


def test_repr_and_number_of_splits():
    cv = UnseenClassSplit(7, test_size=0.5)
    assert cv.get_n_splits() == 7
    assert "UnseenClassSplit(n_splits=7" in repr(cv)
    assert UnseenClassSplit().get_n_splits() == 5


@pytest.mark.parametrize("routing", [False, True])
def test_a_grid_search_can_split_by_class(devise, shapes, routing):
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            devise,
            {"margin": [0.05, 0.2]},
            cv=UnseenClassSplit(2, test_size=3, random_state=0),
            scoring=HitAtK(labels="test"),
            error_score="raise",
        ).fit(*shapes)
    # With three unseen labels, chance is 1/3.
    assert search.best_score_ > 0.8
    assert search.n_splits_ == 2


def test_a_search_with_it_can_be_cloned(devise, shapes):
    search = GridSearchCV(devise, {}, cv=UnseenClassSplit(2, test_size=2, random_state=0))
    assert repr(clone(search).cv) == repr(search.cv)


def test_seen_candidates_score_zero_with_a_warning(devise, shapes):
    # With labels=None the classifier answers with training labels, which the test set lacks.
    cv = UnseenClassSplit(2, test_size=3, random_state=0)
    with pytest.warns(UserWarning, match="candidate"):
        assert_array_equal(cross_val_score(devise, *shapes, cv=cv, scoring=HitAtK(k=6)), [0, 0])


@pytest.mark.parametrize(
    "test_size", [np.float32(0.375), np.float64(0.4), np.int64(2), np.int32(2)]
)
def test_numbers_of_numpy_are_test_sizes(test_size):
    y = ["a", "b", "c", "d", "e"]
    assert len(next(UnseenClassSplit(test_size=test_size).split(y, y))[1]) == 2


@pytest.mark.parametrize(
    ("params", "y", "named"),
    [
        ({}, ["a", None, "b"], "None"),
        ({}, [1.0, np.nan, 2.0], "nan"),
        ({}, np.array([1, "a", 2], dtype=object), "text and numbers"),
        ({}, ["a", "b"], "2"),
        ({"n_splits": 0}, ["a", "b", "c"], "n_splits=0"),
        ({"n_splits": 2.5}, ["a", "b", "c"], "n_splits=2.5"),
        ({"test_size": np.nan}, ["a", "b", "c"], "3 classes"),
        ({"test_size": 3}, ["a", "b", "c"], "3 classes"),
        ({"test_size": True}, ["a", "b", "c"], "test_size=True"),
        ({"test_size": 1.0}, ["a", "b", "c"], "3 classes"),
    ],
)
def test_errors_speak_of_labels_and_classes(params, y, named):
    with pytest.raises(ValueError, match=named) as error:
        next(UnseenClassSplit(**params).split(np.zeros((3, 1)), y))
    assert "group" not in str(error.value)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="StringDType needs NumPy 2.")
def test_labels_may_be_strings_of_numpy_2():
    y = np.array(["b", "a", "b", "c"], dtype=np.dtypes.StringDType())
    train, test = next(UnseenClassSplit(1, test_size=1, random_state=1).split(y, y))
    assert (train.tolist(), test.tolist()) == ([0, 2, 3], [1])
