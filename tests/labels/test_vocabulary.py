import json
import pickle
import re
from copy import deepcopy
from pathlib import Path

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
from skdevise.labels._vocabulary import as_vocabulary

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


@pytest.mark.parametrize("label", [None, b"cat", float("nan"), pd.NA])
def test_what_is_neither_text_nor_number_is_refused(label):
    with pytest.raises(ValueError, match=re.escape(f"text or a number, got {label!r}")):
        LabelVocabulary(["dog", label])
    with pytest.raises(TypeError, match=re.escape(f"A term is text, got {label!r}")):
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


@pytest.mark.parametrize("terms", ["cat", 7])
def test_what_is_no_list_of_terms_is_refused(terms):
    with pytest.raises(TypeError, match=f"terms is a dict or a list.*got {terms!r}"):
        LabelVocabulary(["a", "b", "c"], terms)


def test_a_term_stands_for_all_labels_that_go_by_it():
    hierarchy = Hierarchy(
        ["machine", "bird", "thing", "dog"],
        [(2, 0), (2, 1), (2, 3)],
        [("crane", "hoist"), ("heron", "Crane"), ("thing",), ("dog", "hound")],
    )
    vocabulary = LabelVocabulary.from_terms(["hound", "CRANE", "hoist"], hierarchy, "first")
    # "hoist" is a term of the machine, which "CRANE" has brought before.
    assert vocabulary.labels.tolist() == ["dog", "machine", "bird"]
    assert vocabulary.terms == (("dog", "hound"), ("crane", "hoist"), ("heron", "Crane"))
    assert vocabulary.pool == "first"
    with pytest.raises(ValueError, match=r"has no label for \['gnu', 'elk'\]"):
        LabelVocabulary.from_terms(["gnu", "dog", "elk"], hierarchy)
    with pytest.raises(TypeError, match="got 'crane': pass a list"):
        LabelVocabulary.from_terms("crane", hierarchy)
    with pytest.raises(ValueError, match="There are no labels to choose from"):
        LabelVocabulary.from_terms([], hierarchy)


def test_both_cranes_of_imagenet_are_cranes():
    cranes = LabelVocabulary.from_terms(["crane"], Hierarchy.wordnet())
    # The bird and the machine among the 1,000 categories of ILSVRC-2012.
    assert {"n02012849", "n03126707"} < set(cranes.labels)
    assert all("crane" in map(str.lower, terms) for terms in cranes.terms)


def test_labels_are_found_by_term():
    terms = {"taxi": ["cab", "Taxi_cab"], "car": ["car", "CAB", "cab"]}
    vocabulary = LabelVocabulary(["taxi", "car", 7], terms)
    assert vocabulary.labels_of("Cab") == ("taxi", "car")
    assert vocabulary.labels_of("taxi  cab") == ("taxi",)
    assert vocabulary.labels_of("7") == (7,)
    # The label has other terms than its name.
    assert vocabulary.labels_of("taxi") == ()


# Options

OPTIONS = {"pool": "mean", "templates": ("a {}", "my {}, too"), "on_missing": "drop"}


def options_of(vocabulary):
    return {name: getattr(vocabulary, name) for name in OPTIONS}


def test_options_have_defaults():
    assert options_of(LabelVocabulary(["cat"])) == {
        "pool": "terms",
        "templates": (),
        "on_missing": "error",
    }


@pytest.mark.parametrize("sequence", [list, tuple, np.array, iter], ids=lambda kind: kind.__name__)
def test_templates_are_any_iterable_of_texts(sequence):
    vocabulary = LabelVocabulary(["cat"], templates=sequence(["a {}", "{}"]))
    assert vocabulary.templates == ("a {}", "{}")


@pytest.mark.parametrize("templates", ["a photo of a {}", b"a {}", 7])
def test_what_is_no_sequence_of_templates_is_refused(templates):
    with pytest.raises(TypeError, match=f"got {templates!r}: pass a list, as in"):
        LabelVocabulary(["cat"], templates=templates)


@pytest.mark.parametrize("template", ["a photo", "", "{} or {}", "{0}", "{}}", "{{}}", "{} {a}", 7])
def test_a_template_has_one_place_for_the_term(template):
    with pytest.raises(ValueError, match='A template .* one "{}"') as raised:
        LabelVocabulary(["cat"], templates=["a {}", template])
    assert str(raised.value).endswith(f"got {template!r}.")


def test_an_unknown_way_with_missing_labels_is_refused():
    with pytest.raises(ValueError, match="on_missing is 'error' or 'drop', got 'ignore'"):
        LabelVocabulary(["cat"], on_missing="ignore")


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_makes_another_vocabulary(name):
    plain, other = LabelVocabulary(["cat"]), LabelVocabulary(["cat"], **{name: OPTIONS[name]})
    assert plain != other
    assert len({plain, other}) == 2


def test_options_are_passed_on():
    vocabulary = LabelVocabulary(["cat", "dog"], **OPTIONS)
    plain = LabelVocabulary(["cat", "rat"])
    for each in (
        *copies(vocabulary),
        vocabulary | plain,
        vocabulary & plain,
        vocabulary - plain,
        as_vocabulary(["rat", "cat"], known=vocabulary),
        LabelVocabulary.from_synsets([CAT], Hierarchy.wordnet(), **OPTIONS),
        LabelVocabulary.from_terms(["cat"], Hierarchy.wordnet(), **OPTIONS),
    ):
        assert options_of(each) == OPTIONS
    # Those of the left one count.
    for each in (plain | vocabulary, plain & vocabulary, plain - LabelVocabulary(["cat"])):
        assert options_of(each) == options_of(plain)


# Set algebra


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


def test_an_intersection_keeps_order_and_terms_of_the_left_one():
    left = LabelVocabulary(["dog", "cat", "rat"], {"cat": "puss"})
    right = LabelVocabulary(["ant", "cat", "dog"], {"dog": "hound"})
    assert left & right == LabelVocabulary(["dog", "cat"], {"cat": "puss"})
    with pytest.raises(ValueError, match="There are no labels to choose from"):
        left & ["ant"]


# Numbers and their texts: 1 is another label than "1".
dicts_of_terms = st.dictionaries(
    st.integers(0, 9) | st.integers(0, 9).map(str),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(tuple),
    min_size=1,
)


def items(vocabulary):
    return list(zip(vocabulary.labels.tolist(), vocabulary.terms, strict=True))


def same_or_refused(operation, expected):
    if expected:
        # Labels and terms, and the order of both.
        assert items(operation()) == list(expected.items())
    else:
        with pytest.raises(ValueError, match="There are no labels to choose from"):
            operation()


@settings(deadline=None, max_examples=100)
@given(dicts_of_terms, dicts_of_terms)
def test_set_algebra_is_that_of_dicts(a, b):
    left, right = LabelVocabulary(a, a), LabelVocabulary(b, b)
    both = {label: a[label] for label in a if label in b}
    same_or_refused(lambda: left & right, both)
    same_or_refused(lambda: left - right, {label: a[label] for label in a if label not in b})
    # The terms of `a` go before those of `b`, and so do its labels.
    same_or_refused(lambda: left | right, a | b | both)


@settings(deadline=None, max_examples=100)
@given(dicts_of_terms, dicts_of_terms)
def test_plain_labels_on_either_side_are_their_own_vocabulary(a, b):
    vocabulary = LabelVocabulary(a, a)
    own_terms = {label: (str(label),) for label in b}
    plain = LabelVocabulary(b)
    array = np.array(list(b), dtype=object)
    for labels in (list(b), array, pd.Series(array)):
        assert vocabulary | labels == vocabulary | plain
        assert labels | vocabulary == plain | vocabulary
        same_or_refused(
            lambda labels=labels: labels & vocabulary, {x: own_terms[x] for x in b if x in a}
        )
        same_or_refused(
            lambda labels=labels: labels - vocabulary, {x: own_terms[x] for x in b if x not in a}
        )


@pytest.mark.parametrize("other", [None, 7, "cat"])
def test_what_is_no_sequence_of_labels_takes_no_part(other):
    vocabulary = LabelVocabulary(["cat"])
    for operation in (lambda: vocabulary | other, lambda: other & vocabulary):
        with pytest.raises(TypeError, match="Expected a sequence of labels"):
            operation()


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


# JSON


def test_the_file_is_readable(tmp_path):
    vocabulary = LabelVocabulary(["Ёж", 7], {"Ёж": ["hedgehog", "Igel"]}, **OPTIONS)
    vocabulary.save(str(tmp_path / "labels.json"))
    text = (tmp_path / "labels.json").read_text(encoding="utf-8")
    assert text.startswith('{"labels": ["Ёж", 7], "terms": [["hedgehog", "Igel"], ["7"]]')
    assert json.loads(text)["templates"] == list(OPTIONS["templates"])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        texts | st.integers() | st.floats(allow_nan=False),
        st.lists(texts, min_size=1, max_size=3),
        min_size=1,
    ),
    st.sampled_from(["terms", "first", "mean"]),
    st.sampled_from([None, ["a {}", "{} – ½"]]),
    st.sampled_from(["error", "drop"]),
)
def test_what_is_loaded_equals_what_was_saved(tmp_path_factory, terms, pool, templates, on_missing):
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    vocabulary = LabelVocabulary(terms, terms, pool, templates=templates, on_missing=on_missing)
    vocabulary.save(path)
    again = LabelVocabulary.load(path)
    assert again == vocabulary
    assert again.labels.dtype == vocabulary.labels.dtype
    assert list(map(type, again.labels.tolist())) == list(map(type, vocabulary.labels.tolist()))


@pytest.mark.parametrize("labels", [[3, 1], np.array([3, 1], dtype=np.uint8), [2**53 + 1, 0.5]])
def test_numbers_stay_numbers(tmp_path, labels):
    LabelVocabulary(labels).save(tmp_path / "labels.json")
    assert LabelVocabulary.load(tmp_path / "labels.json").labels.tolist() == list(labels)


def test_a_save_that_breaks_off_leaves_the_file_of_before(tmp_path, monkeypatch):
    path = tmp_path / "labels.json"
    vocabulary = LabelVocabulary(["cat"])
    vocabulary.save(path)

    def disk_full(self, text, encoding):
        self.write_bytes(text.encode(encoding)[:9])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", disk_full)
    with pytest.raises(OSError, match="No space left"):
        LabelVocabulary(["dog"]).save(path)
    assert LabelVocabulary.load(path) == vocabulary
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "can't decode"),
        (b'{"labels": ["cat"', "Expecting ',' delimiter"),
        (b"[1, 2]", 'there is no entry "labels"'),
        (b'{"terms": []}', 'there is no entry "labels"'),
        (b'{"labels": []}', "There are no labels"),
        (b'{"labels": "cat"}', "Expected a sequence of labels"),
        (b'{"labels": ["cat"], "pool": "max"}', "got 'max'"),
        (b'{"labels": ["cat"], "colour": "red"}', "'colour'"),
    ],
)
def test_a_file_without_a_vocabulary_is_named(tmp_path, content, wrong):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"other.json' holds no LabelVocabulary: .*{wrong}"):
        LabelVocabulary.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        LabelVocabulary.load(tmp_path / "missing.json")


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


# Set algebra


label_sets = st.lists(st.sampled_from([1, 2, 3, "1", "a", "b"]), min_size=1, unique=True)


@settings(deadline=None, max_examples=100)
@given(label_sets, label_sets)
def test_set_algebra_is_that_of_sets_in_the_order_of_the_left(left, right):
    a = LabelVocabulary(left, [[f"left {label}"] for label in left], "mean", on_missing="drop")
    b = LabelVocabulary(right, [[f"right {label}"] for label in right])
    expected = {
        "or": left + [label for label in right if label not in left],
        "and": [label for label in left if label in right],
        "sub": [label for label in left if label not in right],
    }
    for operation, labels in expected.items():
        work = {"or": a.__or__, "and": a.__and__, "sub": a.__sub__}[operation]
        if not labels:
            with pytest.raises(ValueError, match="no labels"):
                work(b)
            continue
        found = work(b)
        assert found.labels.tolist() == labels
        assert found.terms == tuple(
            (f"left {label}" if label in left else f"right {label}",) for label in labels
        )
        assert (found.pool, found.on_missing) == ("mean", "drop")


def test_set_algebra_takes_sequences_on_either_side():
    vocabulary = LabelVocabulary(["cat", "dog"])
    assert (["dog", "okapi"] & vocabulary).labels.tolist() == ["dog"]
    assert (["dog", "okapi"] - vocabulary).labels.tolist() == ["okapi"]
    assert (vocabulary & ["dog"]).labels.tolist() == ["dog"]


# Options


def test_options_count_in_comparisons():
    plain = LabelVocabulary(["cat"])
    for options in ({"templates": ["a {}"]}, {"on_missing": "drop"}, {"pool": "mean"}):
        other = LabelVocabulary(["cat"], **options)
        assert other != plain
        assert other == pickle.loads(pickle.dumps(other)) == LabelVocabulary(["cat"], **options)
        assert hash(other) == hash(LabelVocabulary(["cat"], **options))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"templates": "a {}"}, TypeError, "templates is a list of texts"),
        ({"templates": ["a photo"]}, ValueError, "one .*, got 'a photo'"),
        ({"templates": ["{} or {}"]}, ValueError, "got '{} or {}'"),
        ({"templates": ["{} {0}"]}, ValueError, "no braces but one"),
        ({"templates": [7]}, ValueError, "got 7"),
        ({"on_missing": "ignore"}, ValueError, "on_missing is 'error' or 'drop', got 'ignore'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        LabelVocabulary(["cat"], **options)


# Terms


def test_a_term_shared_by_labels_finds_them_all():
    vocabulary = LabelVocabulary(["bird", "machine"], [["crane"], ["Crane", "lifting_gear"]])
    assert vocabulary.labels_of("CRANE") == ("bird", "machine")
    assert vocabulary.labels_of("lifting gear") == ("machine",)
    assert vocabulary.labels_of("okapi") == ()


def test_terms_bring_all_their_synsets():
    # Design, appendix A.2: "head" names many synsets, of which a vocabulary holds all or some.
    wordnet = Hierarchy.wordnet()
    vocabulary = LabelVocabulary.from_terms(["crane", "Grus"], wordnet, "mean", on_missing="drop")
    assert vocabulary.labels.tolist() == [*wordnet.synsets("crane")] + [
        synset for synset in wordnet.synsets("grus") if synset not in wordnet.synsets("crane")
    ]
    assert vocabulary.labels_of("crane") == tuple(wordnet.synsets("crane"))
    assert (vocabulary.pool, vocabulary.on_missing) == ("mean", "drop")
    with pytest.raises(ValueError, match=r"no label for \['no such term'\]"):
        LabelVocabulary.from_terms(["crane", "no such term"], wordnet)


# Files


@pytest.mark.parametrize(
    "vocabulary",
    [
        LabelVocabulary(["Kätzchen", "n02084071"], pool="mean"),
        LabelVocabulary([1, 2], {1: ["one", "eins"]}, templates=["a {}"], on_missing="drop"),
        LabelVocabulary([1, "1"]),
    ],
)
def test_a_vocabulary_survives_a_file(tmp_path, vocabulary):
    path = tmp_path / "labels.json"
    vocabulary.save(path)
    assert LabelVocabulary.load(path) == vocabulary
    assert [file.name for file in tmp_path.iterdir()] == ["labels.json"]


def test_a_file_is_readable_and_is_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "labels.json"
    LabelVocabulary(["Kätzchen"]).save(path)
    before = path.read_text(encoding="utf-8")
    assert "Kätzchen" in before
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        LabelVocabulary(["dog"]).save(path)
    assert path.read_text(encoding="utf-8") == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "{}", '{"labels": []}', '{"labels": ["a"], "x": 1}']
)
def test_a_file_without_a_vocabulary_is_refused(tmp_path, text):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"labels\.json' holds no LabelVocabulary: "):
        LabelVocabulary.load(path)
    with pytest.raises(FileNotFoundError):
        LabelVocabulary.load(tmp_path / "absent.json")
