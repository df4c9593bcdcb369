import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import cross_validate
from sklearn.utils.validation import _check_method_params

from skdevise import Hierarchy, LabelVocabulary
from skdevise.labels.vocabulary import as_vocabulary

DOG, CAT = "n02084071", "n02121620"


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog"],
        ("cat", "dog"),
        np.array(["cat", "dog"]),
        np.array(["cat", "dog"], dtype=object),
        pd.Series(["cat", "dog"], index=[7, 8]),
        (label for label in ["cat", "dog"]),
        {"cat": 1, "dog": 2},
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_are_any_iterable(labels):
    vocabulary = LabelVocabulary(labels)
    assert vocabulary.labels.tolist() == ["cat", "dog"]
    assert vocabulary.terms == (("cat",), ("dog",))
    assert vocabulary.n_labels == 2


@pytest.mark.parametrize("labels", [[3, 1], [True, False], [1.5, 2.5]])
def test_other_labels_than_text_have_their_text_as_term(labels):
    vocabulary = LabelVocabulary(labels)
    assert vocabulary.labels.tolist() == labels
    assert vocabulary.terms == tuple((str(label),) for label in labels)


@pytest.mark.parametrize("labels", [[1, "1"], [2**53 + 1, 0.5], ["a", "a\0"]])
def test_labels_of_mixed_kinds_stay_what_they_are(labels):
    kept = LabelVocabulary(labels).labels.tolist()
    assert kept == labels
    assert [type(label) for label in kept] == [type(label) for label in labels]


@pytest.mark.parametrize("label", [None, b"cat", float("nan")])
def test_what_is_neither_text_nor_number_is_refused(label):
    with pytest.raises(ValueError, match=f"A label is text or a number, got {label!r}"):
        LabelVocabulary(["dog", label])
    with pytest.raises(TypeError, match=f"A term is text, got {label!r}"):
        LabelVocabulary(["dog"], [[label]])


@pytest.mark.parametrize("labels", [[], np.array([]), ()])
def test_no_label_is_refused(labels):
    with pytest.raises(ValueError, match="There are no labels to choose from"):
        LabelVocabulary(labels)


def test_labels_given_twice_are_named():
    with pytest.raises(ValueError, match=r"given several times: \['cat', 'rat'\]"):
        LabelVocabulary(["cat", "rat", "cat", "dog", "rat", "rat"])


@pytest.mark.parametrize("labels", ["cat", b"cat", 7, None])
def test_what_is_no_sequence_of_labels_is_refused(labels):
    with pytest.raises(TypeError, match=r"Expected a sequence of labels.*pass a list"):
        LabelVocabulary(labels)


@pytest.mark.parametrize("labels", [[["a", "b"]], np.array([["a"], ["b"]]), np.eye(2)])
def test_a_table_of_labels_is_refused(labels):
    with pytest.raises(ValueError, match="one-dimensional sequence of labels, got 2-D"):
        LabelVocabulary(labels)


# Terms


def test_a_dict_gives_the_terms_of_some_labels():
    vocabulary = LabelVocabulary(["car", "cat", 7], {"car": ["car", "auto"], 7: "seven"})
    assert vocabulary.terms == (("car", "auto"), ("cat",), ("seven",))


def test_a_sequence_gives_the_terms_of_all_labels():
    vocabulary = LabelVocabulary(["car", "cat"], [("car", "auto"), "puss"])
    assert vocabulary.terms == (("car", "auto"), ("puss",))


def test_synset_ids_have_the_terms_of_wordnet():
    vocabulary = LabelVocabulary(["cat", DOG, "n99999999", "n0208407"], {"cat": "puss"})
    dog = ("dog", "domestic dog", "Canis familiaris")
    assert vocabulary.terms == (("puss",), dog, ("n99999999",), ("n0208407",))
    assert LabelVocabulary([DOG], {DOG: "hound"}).terms == (("hound",),)


def test_a_hierarchy_gives_the_terms_of_its_synsets():
    wordnet = Hierarchy.wordnet()
    assert LabelVocabulary.from_synsets([CAT, DOG], wordnet).terms == (
        ("cat", "true cat"),
        ("dog", "domestic dog", "Canis familiaris"),
    )
    # Labels that were renamed keep the terms that they had.
    renamed = wordnet.rename({DOG: "Hund"})
    assert LabelVocabulary.from_synsets(["Hund"], renamed).terms[0][0] == "dog"
    with pytest.raises(ValueError, match=r"does not know \['n99999999'\]"):
        LabelVocabulary.from_synsets([DOG, "n99999999"], wordnet)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"dog": "hound", "rat": "mouse"}, r"Terms are given for \['dog', 'rat'\]"),
        ([["cat"], ["dog"]], "1 labels came with the terms of 2"),
        ({"cat": []}, "The label 'cat' needs a term"),
        ([()], "The label 'cat' needs a term"),
    ],
)
def test_terms_that_do_not_fit_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        LabelVocabulary(["cat"], terms)


# Union and difference


def test_a_union_keeps_order_and_terms_of_the_left_one_first():
    left = LabelVocabulary(["dog", "cat"], {"cat": "puss"})
    right = LabelVocabulary(["rat", "cat", "ant"], {"cat": "tiger", "ant": "emmet"})
    union = left | right
    assert union.labels.tolist() == ["dog", "cat", "rat", "ant"]
    assert union.terms == (("dog",), ("puss",), ("rat",), ("emmet",))
    assert left | left == left


def test_a_difference_keeps_order_and_terms():
    vocabulary = LabelVocabulary(["dog", "cat", "rat"], {"rat": "mouse"})
    remaining = vocabulary - LabelVocabulary(["dog"])
    assert remaining == LabelVocabulary(["cat", "rat"], {"rat": "mouse"})
    with pytest.raises(ValueError, match="There are no labels to choose from"):
        vocabulary - ["rat", "cat", "dog"]


labels_of_two_kinds = st.lists(
    st.integers(0, 12) | st.integers(0, 12).map(str), min_size=1, max_size=20, unique=True
)


@settings(deadline=None, max_examples=50)
@given(labels_of_two_kinds, labels_of_two_kinds)
def test_union_and_difference_never_take_a_number_for_its_text(left, right):
    union = LabelVocabulary(left) | right
    assert union.labels.tolist() == left + [label for label in right if label not in left]
    remaining = [label for label in left if label not in right]
    if remaining:
        assert (LabelVocabulary(left) - right).labels.tolist() == remaining


# Immutable, compared by content


def test_equal_contents_make_equal_vocabularies():
    one, other = LabelVocabulary(["cat", "rat"]), LabelVocabulary(np.array(["cat", "rat"]))
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    "other",
    [
        LabelVocabulary(["rat", "cat"]),
        LabelVocabulary(["cat"]),
        LabelVocabulary(["cat", "rat"], {"cat": "puss"}),
        ["cat", "rat"],
        None,
    ],
)
def test_other_contents_make_other_vocabularies(other):
    assert LabelVocabulary(["cat", "rat"]) != other


def copies(vocabulary):
    return vocabulary, pickle.loads(pickle.dumps(vocabulary)), deepcopy(vocabulary)


@pytest.mark.parametrize("labels", [["cat", "rat"], [1, "1"], [3, 4]])
def test_copies_are_equal_and_their_labels_cannot_be_written_to(labels):
    vocabulary = LabelVocabulary(labels, {labels[0]: ["lion", "puss"]})
    for each in copies(vocabulary):
        assert each == vocabulary
        assert hash(each) == hash(vocabulary)
        with pytest.raises(ValueError, match="read-only"):
            each.labels[0] = labels[1]


def test_what_the_labels_came_from_can_still_be_written_to():
    labels = np.array(["cat", "rat"])
    vocabulary = LabelVocabulary(labels)
    labels[0] = "dog"
    assert vocabulary.labels.tolist() == ["cat", "rat"]


def test_repr_shows_the_first_labels_and_how_many_there_are():
    assert repr(LabelVocabulary(["cat", 7])) == "LabelVocabulary(['cat', 7], n_labels=2)"
    assert repr(LabelVocabulary("abcd"[i] for i in range(4))) == (
        "LabelVocabulary(['a', 'b', 'c', ...], n_labels=4)"
    )


def test_a_clone_is_the_vocabulary_itself():
    vocabulary = LabelVocabulary(["cat"])
    assert clone(vocabulary) is vocabulary


# scikit-learn slices what is as long as the samples


@pytest.mark.parametrize("name", ["__len__", "__iter__", "__getitem__", "__array__", "shape"])
def test_it_has_nothing_by_which_it_could_be_sliced(name):
    assert not hasattr(LabelVocabulary(["cat"]), name)


def test_it_passes_whole_where_a_list_of_the_same_length_is_sliced():
    X = np.zeros((4, 1))
    labels = ["a", "b", "c", "d"]
    vocabulary = LabelVocabulary(labels)
    passed = _check_method_params(X, {"list": labels, "vocabulary": vocabulary}, indices=[0, 2])
    assert passed["list"] == ["a", "c"]
    assert passed["vocabulary"] is vocabulary


class Recorder(ClassifierMixin, BaseEstimator):
    """Tells, as its score, how many labels `fit` was given."""

    def fit(self, X, y, labels=None):
        self.n_labels_ = labels.n_labels
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return self.n_labels_


def test_cross_validation_passes_it_whole():
    X, y = np.zeros((20, 1)), np.arange(20) % 2
    params = {"labels": LabelVocabulary(range(20))}
    scores = cross_validate(Recorder(), X, y, cv=2, params=params)["test_score"]
    assert_array_equal(scores, [20, 20])


# as_vocabulary


def test_a_vocabulary_stays_itself():
    vocabulary = LabelVocabulary(["cat"])
    assert as_vocabulary(vocabulary) is vocabulary
    assert as_vocabulary(vocabulary, known=LabelVocabulary(["cat"], ["puss"])) is vocabulary


def test_labels_take_the_terms_that_are_known():
    known = LabelVocabulary(["cat", "dog"], {"cat": ["puss", "kitty"]})
    vocabulary = as_vocabulary(np.array(["rat", "cat", DOG]), known=known)
    assert vocabulary.terms == (
        ("rat",),
        ("puss", "kitty"),
        ("dog", "domestic dog", "Canis familiaris"),
    )
    assert as_vocabulary(["cat"]).terms == (("cat",),)


def test_pool_is_part_of_the_vocabulary():
    first = LabelVocabulary(["cat"], pool="first")
    assert first != LabelVocabulary(["cat"])
    assert pickle.loads(pickle.dumps(first)) == first
    assert (first | ["dog"]).pool == (first - ["dog"]).pool == "first"
    assert as_vocabulary(["cat"], known=first).pool == "first"
    with pytest.raises(ValueError, match="pool is 'terms', 'first' or 'mean', got 'max'"):
        LabelVocabulary(["cat"], pool="max")


def test_lists_among_labels_are_refused():
    with pytest.raises(ValueError, match="Expected a one-dimensional sequence of labels"):
        LabelVocabulary([["cat", "dog"], "rat"])
