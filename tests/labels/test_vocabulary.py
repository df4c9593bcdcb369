import json
import pickle
from collections import UserDict
from copy import deepcopy
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import cross_validate

from skdevise import Hierarchy, LabelVocabulary, PretrainedEmbedder, RandomEmbedder
from skdevise.labels._vocabulary import as_vocabulary

DOG, CAT = "n02084071", "n02121620"
OPTIONS = {"pool": "mean", "templates": ("a {}", "my {}, too"), "on_missing": "drop"}


def options_of(vocabulary):
    return {name: getattr(vocabulary, name) for name in OPTIONS}


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
        {"cat": "cat", "dog": ["dog"]}.keys(),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_are_any_sequence(labels):
    vocabulary = LabelVocabulary(labels)
    assert vocabulary.labels.tolist() == ["cat", "dog"]
    assert vocabulary.terms == (("cat",), ("dog",))
    assert vocabulary.n_labels == 2


@pytest.mark.parametrize("labels", [{"cat", "dog"}, frozenset(["cat", "dog"])])
def test_a_set_is_refused(labels):
    for function in (LabelVocabulary, as_vocabulary, lambda x: LabelVocabulary(["cat"]) - x):
        with pytest.raises(TypeError, match="cat"):
            function(labels)


@pytest.mark.parametrize("labels", ["cat", b"cat", 7, None])
def test_labels_that_are_no_sequence_are_refused(labels):
    with pytest.raises(TypeError, match=str(labels)):
        LabelVocabulary(labels)
    if labels is not None:
        with pytest.raises(TypeError, match=str(labels)):
            LabelVocabulary(["cat"]) | labels


@pytest.mark.parametrize("labels", [[3, 1], [True, False], [1.5, 2.5], [1, "1"], ["a", "a\0"]])
def test_labels_keep_their_type_and_have_their_text_as_term(labels):
    vocabulary = LabelVocabulary(labels)
    kept = vocabulary.labels.tolist()
    assert kept == labels
    assert [type(label) for label in kept] == [type(label) for label in labels]
    assert vocabulary.terms == tuple((str(label),) for label in labels)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["dog", None], "None"),
        (["dog", float("nan")], "nan"),
        (["dog", pd.NA], "NA"),
        ([], "no labels"),
        (["cat", "rat", "cat", "dog", "rat"], r"\['cat', 'rat'\]"),
        ([["a", "b"]], "2"),
        (np.eye(2), "2"),
        ([["cat", "dog"], "rat"], "lists"),
    ],
)
def test_invalid_labels_are_named(labels, named):
    with pytest.raises(ValueError, match=named):
        LabelVocabulary(labels)


# Terms


def test_a_dict_gives_the_terms_of_some_labels():
    vocabulary = LabelVocabulary(["car", "cat", 7], {"car": ["car", "auto"], 7: "seven"})
    assert vocabulary.terms == (("car", "auto"), ("cat",), ("seven",))


def test_a_sequence_gives_the_terms_of_all_labels():
    vocabulary = LabelVocabulary(["car", "cat"], [("car", "auto"), "puss"])
    assert vocabulary.terms == (("car", "auto"), ("puss",))


def test_labels_may_be_a_dict_of_terms():
    vocabulary = LabelVocabulary({"car": ["car", "auto"], 7: "seven"})
    assert vocabulary == LabelVocabulary(["car", 7], [("car", "auto"), "seven"])
    assert as_vocabulary({"car": ["car", "auto"], 7: "seven"}) == vocabulary


def test_wordnet_ids_have_the_terms_of_wordnet():
    vocabulary = LabelVocabulary(["cat", DOG, "n99999999", "n0208407"], {"cat": "puss"})
    dog = ("dog", "domestic dog", "Canis familiaris")
    assert vocabulary.terms == (("puss",), dog, ("n99999999",), ("n0208407",))
    assert LabelVocabulary({DOG: "hound"}).terms == (("hound",),)


@pytest.mark.parametrize(
    ("terms", "error", "named"),
    [
        ({"dog": "hound", "rat": "mouse"}, ValueError, r"\['dog', 'rat'\]"),
        ([["cat"], ["dog"]], ValueError, "1 labels .*2"),
        ({"cat": []}, ValueError, "'cat'"),
        ([7], ValueError, "7"),
        ([[None]], TypeError, "None"),
        ([[b"cat"]], TypeError, "b'cat'"),
        ("cat", TypeError, "'cat'"),
        (7, TypeError, "7"),
    ],
)
def test_invalid_terms_are_named(terms, error, named):
    with pytest.raises(error, match=named):
        LabelVocabulary(["cat"], terms)


def test_a_hierarchy_gives_the_terms_of_its_labels():
    wordnet = Hierarchy.wordnet()
    assert LabelVocabulary.from_synsets([CAT, DOG], wordnet).terms == (
        ("cat", "true cat"),
        ("dog", "domestic dog", "Canis familiaris"),
    )
    renamed = wordnet.rename({DOG: "Hund"})
    assert LabelVocabulary.from_synsets(["Hund"], renamed).terms[0][0] == "dog"
    with pytest.raises(ValueError, match="n99999999"):
        LabelVocabulary.from_synsets([DOG, "n99999999"], wordnet)


def test_a_term_gives_all_labels_that_have_it():
    hierarchy = Hierarchy(
        ["machine", "bird", "thing", "dog"],
        [(2, 0), (2, 1), (2, 3)],
        [("crane", "hoist"), ("heron", "Crane"), ("thing",), ("dog", "hound")],
    )
    vocabulary = LabelVocabulary.from_terms(["hound", "CRANE", "hoist"], hierarchy, "first")
    # "hoist" is a term of the machine, which "CRANE" has already added.
    assert vocabulary.labels.tolist() == ["dog", "machine", "bird"]
    assert vocabulary.terms == (("dog", "hound"), ("crane", "hoist"), ("heron", "Crane"))
    assert vocabulary.pool == "first"
    with pytest.raises(ValueError, match=r"\['gnu', 'elk'\]"):
        LabelVocabulary.from_terms(["gnu", "dog", "elk"], hierarchy)
    with pytest.raises(TypeError, match="crane"):
        LabelVocabulary.from_terms("crane", hierarchy)


def test_labels_are_found_by_term():
    terms = {"taxi": ["cab", "Taxi_cab"], "car": ["car", "CAB", "cab"]}
    vocabulary = LabelVocabulary(["taxi", "car", 7], terms)
    assert vocabulary.labels_of("Cab") == ("taxi", "car")
    assert vocabulary.labels_of("taxi  cab") == vocabulary.labels_of("taxi-cabs") == ("taxi",)
    assert vocabulary.labels_of("7") == vocabulary.labels_of(7) == (7,)
    assert vocabulary.labels_of("taxi") == ()


# Options


@pytest.mark.parametrize("make", [list, tuple, np.array, iter], ids=lambda make: make.__name__)
def test_templates_are_any_sequence_of_text(make):
    assert LabelVocabulary(["cat"], templates=make(["a {}", "{}"])).templates == ("a {}", "{}")


@pytest.mark.parametrize(
    "template", ["a photo", "", "{} or {}", "{0}", "{}}", "{{}}", "{} {a}", "}{", 7]
)
def test_a_template_has_one_pair_of_braces(template):
    with pytest.raises(ValueError) as raised:
        LabelVocabulary(["cat"], templates=["a {}", template])
    assert repr(template) in str(raised.value)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"templates": "a {}"}, TypeError, "a {}"),
        ({"pool": "max"}, ValueError, "max"),
        ({"on_missing": "ignore"}, ValueError, "ignore"),
    ],
)
def test_invalid_options_are_named(options, error, named):
    with pytest.raises(error, match=named):
        LabelVocabulary(["cat"], **options)


def copies(vocabulary):
    return vocabulary, pickle.loads(pickle.dumps(vocabulary)), deepcopy(vocabulary)


def test_options_are_kept():
    vocabulary = LabelVocabulary(["cat", "dog"], **OPTIONS)
    plain = LabelVocabulary(["cat", "rat"])
    for each in (
        *copies(vocabulary),
        vocabulary | plain,
        vocabulary & plain,
        vocabulary - plain,
        as_vocabulary(["rat", "cat"], known=vocabulary),
        as_vocabulary({"rat": "mouse"}, known=vocabulary),
        LabelVocabulary.from_synsets([CAT], Hierarchy.wordnet(), **OPTIONS),
        LabelVocabulary.from_terms(["cat"], Hierarchy.wordnet(), **OPTIONS),
    ):
        assert options_of(each) == OPTIONS
    # The options of the left operand count.
    for each in (plain | vocabulary, plain & vocabulary, plain - LabelVocabulary(["cat"])):
        assert options_of(each) == {"pool": "terms", "templates": (), "on_missing": "error"}


# Set algebra

# Numbers and text: 1 and "1" are different labels.
dicts_of_terms = st.dictionaries(
    st.integers(0, 9) | st.integers(0, 9).map(str),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(tuple),
    min_size=1,
)


def assert_items(operation, expected):
    if expected:
        vocabulary = operation()
        items = list(zip(vocabulary.labels.tolist(), vocabulary.terms, strict=True))
        assert items == list(expected.items())
    else:
        with pytest.raises(ValueError, match="no labels"):
            operation()


@settings(deadline=None, max_examples=100)
@given(dicts_of_terms, dicts_of_terms)
def test_set_algebra_equals_that_of_dicts(a, b):
    left, right = LabelVocabulary(a), LabelVocabulary(b)
    shared = {label: a[label] for label in a if label in b}
    assert_items(lambda: left & right, shared)
    assert_items(lambda: left - right, {label: a[label] for label in a if label not in b})
    # Labels and terms of the left operand go first.
    assert_items(lambda: left | right, a | b | shared)


@settings(deadline=None, max_examples=100)
@given(dicts_of_terms, dicts_of_terms)
def test_plain_labels_may_be_either_operand(a, b):
    vocabulary, plain = LabelVocabulary(a), LabelVocabulary(list(b))
    own_terms = {label: (str(label),) for label in b}
    array = np.array(list(b), dtype=object)
    for labels in (list(b), array, pd.Series(array)):
        assert vocabulary | labels == vocabulary | plain
        assert labels | vocabulary == plain | vocabulary
        assert_items(
            lambda labels=labels: labels & vocabulary, {x: own_terms[x] for x in b if x in a}
        )
        assert_items(
            lambda labels=labels: labels - vocabulary, {x: own_terms[x] for x in b if x not in a}
        )


# Identity


def test_vocabularies_compare_by_content():
    one, same = LabelVocabulary(["cat", "rat"]), LabelVocabulary(np.array(["cat", "rat"]))
    of_more = LabelVocabulary(np.array(["cat", "rat", "butterfly"])[:2])
    assert one == same == of_more
    assert len({one, same, of_more}) == 1
    others = [
        LabelVocabulary(["rat", "cat"]),
        LabelVocabulary(["cat"]),
        LabelVocabulary(["cat", "rat"], {"cat": "puss"}),
        *(LabelVocabulary(["cat", "rat"], **{name: OPTIONS[name]}) for name in OPTIONS),
    ]
    assert len({one, *others}) == 7
    assert all(one != other for other in [*others, ["cat", "rat"], None])


@pytest.mark.parametrize("labels", [["cat", "rat"], [1, "1"], [3, 4]])
def test_labels_are_read_only_in_copies_too(labels):
    vocabulary = LabelVocabulary(labels, {labels[0]: ["lion", "puss"]})
    for each in copies(vocabulary):
        assert each == vocabulary
        assert hash(each) == hash(vocabulary)
        with pytest.raises(ValueError, match="read-only"):
            each.labels[0] = labels[1]


def test_the_array_of_labels_is_copied():
    labels = np.array(["cat", "rat"])
    vocabulary = LabelVocabulary(labels)
    labels[0] = "dog"
    assert vocabulary.labels.tolist() == ["cat", "rat"]


def test_repr_shows_the_first_labels():
    assert repr(LabelVocabulary(["cat", 7])) == "LabelVocabulary(['cat', 7], n_labels=2)"
    assert repr(LabelVocabulary(list("abcd"))) == (
        "LabelVocabulary(['a', 'b', 'c', ...], n_labels=4)"
    )


# scikit-learn slices metadata that is as long as the samples


@pytest.mark.parametrize("name", ["__len__", "__iter__", "__getitem__", "__array__", "shape"])
def test_it_cannot_be_sliced(name):
    assert not hasattr(LabelVocabulary(["cat"]), name)


class Recorder(ClassifierMixin, BaseEstimator):
    """Scores as the number of labels that `fit` received."""

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


def test_a_clone_is_the_vocabulary_itself():
    vocabulary = LabelVocabulary(["cat"])
    assert clone(vocabulary) is vocabulary


def test_plain_labels_take_known_terms():
    known = LabelVocabulary(["cat", "dog"], {"cat": ["puss", "kitty"]})
    vocabulary = as_vocabulary(np.array(["rat", "cat", DOG]), known=known)
    assert vocabulary.terms == (
        ("rat",),
        ("puss", "kitty"),
        ("dog", "domestic dog", "Canis familiaris"),
    )
    assert as_vocabulary({"cat": "tiger"}, known=known).terms == (("tiger",),)
    assert as_vocabulary(vocabulary, known=known) is vocabulary


# Files

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
    st.sampled_from(["error", "drop", "wordnet"]),
)
def test_a_vocabulary_survives_a_file(tmp_path_factory, terms, pool, templates, on_missing):
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    vocabulary = LabelVocabulary(terms, None, pool, templates=templates, on_missing=on_missing)
    vocabulary.save(path)
    loaded = LabelVocabulary.load(path)
    assert loaded == vocabulary
    assert loaded.labels.dtype == vocabulary.labels.dtype
    assert list(map(type, loaded.labels.tolist())) == list(map(type, vocabulary.labels.tolist()))


def test_the_file_is_readable(tmp_path):
    vocabulary = LabelVocabulary(["Ёж", 7], {"Ёж": ["hedgehog", "Igel"]}, **OPTIONS)
    vocabulary.save(str(tmp_path / "labels.json"))
    text = (tmp_path / "labels.json").read_text(encoding="utf-8")
    assert text.startswith('{"labels": ["Ёж", 7], "terms": [["hedgehog", "Igel"], null]')
    assert json.loads(text)["templates"] == list(OPTIONS["templates"])
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[1, 2]", b"{}", b'{"labels": []}', b'{"labels": ["cat"], "colour": 1}'],
)
def test_a_file_without_a_vocabulary_is_named(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.json"):
        LabelVocabulary.load(path)
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        LabelVocabulary.load(tmp_path / "missing.json")


# Coverage


def groups(coverage):
    return coverage.as_term.tolist(), coverage.composed.tolist(), coverage.missing.tolist()


@pytest.fixture
def sea():
    """Four terms; "white shark" is composed of two of them, "broken" has the zero vector."""
    return PretrainedEmbedder(
        {"white": [0, 1], "shark": [1, 0], "Great_Dane": [1, 1], "broken": [0, 0]}
    )


def test_coverage_groups_labels_by_their_vector(sea):
    vocabulary = LabelVocabulary(
        ["gerenuk", "white shark", "great dane", 7, "broken", 8], {7: "shark", 8: "SHARK white"}
    )
    coverage = vocabulary.coverage(sea)
    assert groups(coverage) == (["great dane", 7], ["white shark", 8], ["gerenuk", "broken"])
    assert coverage.n_labels == 6
    strict = PretrainedEmbedder(sea.vectors, oov="error")
    assert groups(LabelVocabulary(["white shark", "shark"]).coverage(strict)) == (
        ["shark"], [], ["white shark"],
    )  # fmt: skip


def test_a_term_needs_a_vector_in_every_template():
    embedder = PretrainedEmbedder(
        {word: [1, i] for i, word in enumerate(["a", "my", "cat", "a cat", "my cat", "a dog"])}
        | {"dog": [1, 9], "a gnu": [1, 8]}
    )
    vocabulary = LabelVocabulary(["cat", "dog", "gnu"], templates=["a {}", "my {}"])
    # "my dog" is composed; "a gnu" is a term, but "my gnu" has no vector.
    assert groups(vocabulary.coverage(embedder)) == (["cat"], ["dog"], ["gnu"])


class OnlyTransform:
    """An embedder that cannot say which terms it knows."""

    def transform(self, X):
        return np.ones((len(X), 1))


class HasVector(OnlyTransform):
    def has_vector(self, terms):
        return [term != "gnu" for term in terms]


def test_an_embedder_without_has_vector_covers_everything():
    vocabulary = LabelVocabulary(["cat", "gnu", "white shark"])
    everything = (["cat", "gnu", "white shark"], [], [])
    assert groups(vocabulary.coverage(OnlyTransform())) == everything
    assert groups(vocabulary.coverage(RandomEmbedder())) == everything
    assert groups(vocabulary.coverage(HasVector())) == (["cat", "white shark"], [], ["gnu"])


words = st.sampled_from(["white", "shark", "great", "dane", "gnu", "broken"])
terms = st.lists(words, min_size=1, max_size=2).map(" ".join)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(terms, min_size=1, max_size=3), min_size=1, max_size=6))
def test_coverage_depends_on_the_first_term_with_a_vector(terms_of_labels):
    embedder = PretrainedEmbedder(
        {"white": [0, 1], "shark": [1, 0], "great dane": [1, 1], "broken": [0, 0]}
    )
    expected = ([], [], [])
    for label, label_terms in enumerate(terms_of_labels):
        known = [term for term in label_terms if embedder.has_vector([term])[0]]
        group = 2 if not known else 0 if embedder.has_term([known[0]])[0] else 1
        expected[group].append(label)
    vocabulary = LabelVocabulary(range(len(terms_of_labels)), terms_of_labels)
    assert groups(vocabulary.coverage(embedder)) == expected


def test_the_report_names_20_missing_labels(sea):
    def report(n_missing):
        missing = [f"gnu{i}" for i in range(n_missing)]
        return str(LabelVocabulary(["shark", "white shark", *missing]).coverage(sea))

    assert report(0) == "2 labels: 1 as one term, 1 composed of words, 0 without a vector."
    assert report(2).endswith("2 without a vector ('gnu0', 'gnu1').")
    assert report(20).endswith("'gnu18', 'gnu19').")
    assert report(1232).startswith("1,234 labels: ")
    assert report(1232).endswith("'gnu18', 'gnu19' and 1,212 more).")


def test_coverage_needs_an_embedder():
    with pytest.raises(TypeError, match=r"glove\.txt"):
        LabelVocabulary(["cat"]).coverage("glove.txt")


@pytest.mark.parametrize("mapping", [dict, MappingProxyType, UserDict, pd.Series])
def test_any_mapping_gives_terms_by_label(mapping):
    terms = mapping({"n2": "dog", "n1": ["cat", "puss"]})
    assert LabelVocabulary(["n1", "n2"], terms=terms).terms == (("cat", "puss"), ("dog",))
    assert LabelVocabulary(["n1", "n2", "n3"], terms=terms).terms[2] == ("n3",)
    with pytest.raises(ValueError, match="n2"):
        LabelVocabulary(["n1"], terms=terms)
    if mapping is not pd.Series:  # As labels, a Series is a column.
        assert LabelVocabulary(terms).labels.tolist() == ["n2", "n1"]
        assert (LabelVocabulary(["n2"]) & terms).labels.tolist() == ["n2"]


def test_a_series_gives_terms_by_the_labels_in_its_index():
    numbers = LabelVocabulary([2, 0], terms=pd.Series(["cat", "dog", "okapi"])[[0, 2]])
    assert numbers.terms == (("okapi",), ("cat",))
    with pytest.raises(ValueError, match="index"):
        LabelVocabulary(["a"], terms=pd.Series(["cat", "dog"], index=["a", "a"]))


def test_a_series_gives_terms_by_position_if_its_index_counts_rows():
    assert LabelVocabulary(["a", "b"], terms=pd.Series(["cat", "dog"])).terms[1] == ("dog",)
    assert LabelVocabulary([7, 8], terms=pd.Series(["cat", "dog"])).terms[1] == ("dog",)
    table = pd.DataFrame({"id": [9, 1, 0], "term": ["emu", "cat", "dog"]}).iloc[1:]
    vocabulary = LabelVocabulary(table["id"], terms=table["term"])
    assert vocabulary.labels.tolist() == [1, 0]
    assert vocabulary.terms == (("cat",), ("dog",))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_terms_may_be_columns_of_lists(library):
    module = pytest.importorskip(library)
    column = getattr(module, "Series", None) or module.array
    terms = column([["cat", "puss"], ["dog"]])
    assert LabelVocabulary(column(["a", "b"]), terms=terms).terms == (("cat", "puss"), ("dog",))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_sets_and_tables_are_neither_labels_nor_terms(library):
    module = pytest.importorskip(library)
    make_table = getattr(module, "DataFrame", None) or module.table
    table = make_table({"cat": ["a", "b"], "dog": ["c", "d"]})
    for values in (table, {"a", "b"}, {"a": 1}.items()):
        with pytest.raises(TypeError):
            LabelVocabulary(values)
        with pytest.raises(TypeError):
            LabelVocabulary(["a", "b"], terms=values)
    assert LabelVocabulary({"b": 1, "a": 2}.keys()).labels.tolist() == ["b", "a"]


@pytest.mark.parametrize("labels", [["cat", None], ["cat", np.nan], ["cat", pd.NA]], ids=str)
def test_a_missing_label_is_refused(labels):
    for form in (list, pd.Series):
        with pytest.raises(ValueError, match=r"None|nan|NA"):
            LabelVocabulary(form(labels))
