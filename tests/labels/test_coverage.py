import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skdevise import LabelVocabulary, PretrainedEmbedder, RandomEmbedder
from skdevise.labels._coverage import known_terms


@pytest.fixture
def sea():
    """Four terms; "white shark" is composed of two of them, "gerenuk" has no vector."""
    return PretrainedEmbedder(
        {"white": [0, 1], "shark": [1, 0], "Great_Dane": [1, 1], "broken": [0, 0]}
    )


def kinds(coverage):
    return coverage.as_term.tolist(), coverage.composed.tolist(), coverage.missing.tolist()


def test_labels_are_sorted_by_how_they_have_a_vector(sea):
    vocabulary = LabelVocabulary(
        ["gerenuk", "white shark", "great dane", 7, "broken", 8], {7: "shark", 8: "SHARK white"}
    )
    coverage = vocabulary.coverage(sea)
    assert kinds(coverage) == (["great dane", 7], ["white shark", 8], ["gerenuk", "broken"])
    assert coverage.n_labels == 6


@pytest.mark.parametrize(
    ("terms", "kind"),
    [
        (["shark", "white shark"], "as_term"),
        (["white shark", "shark"], "composed"),
        # The first one has no vector, so that it is not the one that is trained on.
        (["gerenuk", "shark", "white shark"], "as_term"),
        (["broken", "white shark", "shark"], "composed"),
        (["gerenuk", "okapi"], "missing"),
    ],
)
def test_the_first_term_with_a_vector_counts(sea, terms, kind):
    coverage = LabelVocabulary(["fish"], [terms]).coverage(sea)
    assert getattr(coverage, kind).tolist() == ["fish"]
    assert coverage.n_labels == 1


def test_without_composition_nothing_is_composed(sea):
    strict = PretrainedEmbedder(sea.vectors, oov="error")
    coverage = LabelVocabulary(["white shark", "shark"]).coverage(strict)
    assert kinds(coverage) == (["shark"], [], ["white shark"])


def test_a_term_needs_a_vector_in_every_template():
    embedder = PretrainedEmbedder(
        {word: [1, i] for i, word in enumerate(["a", "my", "cat", "a cat", "my cat", "a dog"])}
        | {"dog": [1, 9], "a gnu": [1, 8]}
    )
    coverage = LabelVocabulary(["cat", "dog", "gnu"], templates=["a {}", "my {}"]).coverage(
        embedder
    )
    # "my dog" is composed; "a gnu" is a term, but "my gnu" is nothing, as there is no "gnu".
    assert kinds(coverage) == (["cat"], ["dog"], ["gnu"])


class Unquestionable:
    """An embedder that gives vectors and answers no question."""

    def transform(self, X):
        return np.ones((len(X), 1))


class HasVectorAlone(Unquestionable):
    def has_vector(self, terms):
        return [term != "gnu" for term in terms]


def test_an_embedder_that_cannot_be_asked_has_all_as_one_term():
    vocabulary = LabelVocabulary(["cat", "gnu", "white shark"])
    everything = (["cat", "gnu", "white shark"], [], [])
    assert kinds(vocabulary.coverage(Unquestionable())) == everything
    assert kinds(vocabulary.coverage(RandomEmbedder())) == everything
    assert kinds(vocabulary.coverage(HasVectorAlone())) == (["cat", "white shark"], [], ["gnu"])


words = st.sampled_from(["white", "shark", "great", "dane", "gnu", "broken"])
terms = st.lists(words, min_size=1, max_size=2).map(" ".join)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(terms, min_size=1, max_size=3), min_size=1, max_size=6))
def test_coverage_agrees_with_asking_term_by_term(own_terms):
    embedder = PretrainedEmbedder(
        {"white": [0, 1], "shark": [1, 0], "great dane": [1, 1], "broken": [0, 0]}
    )
    expected = ([], [], [])
    for label, own in enumerate(own_terms):
        known = [term for term in own if embedder.has_vector([term])[0]]
        kind = 2 if not known else 0 if embedder.has_term([known[0]])[0] else 1
        expected[kind].append(label)
    coverage = LabelVocabulary(range(len(own_terms)), own_terms).coverage(embedder)
    assert kinds(coverage) == expected


# The report


def coverage_of(n_missing):
    embedder = PretrainedEmbedder({"white": [0, 1], "shark": [1, 0]})
    missing = [f"gnu{i}" for i in range(n_missing)]
    return LabelVocabulary(["shark", "white shark", *missing]).coverage(embedder)


def test_the_report_names_what_is_missing():
    assert str(coverage_of(0)) == (
        "2 labels: 1 as one term, 1 composed of words, 0 without a vector."
    )
    assert str(coverage_of(2)) == (
        "4 labels: 1 as one term, 1 composed of words, 2 without a vector ('gnu0', 'gnu1')."
    )
    assert str(coverage_of(20)).endswith("'gnu18', 'gnu19').")


def test_the_report_names_20_and_counts_the_others():
    assert str(coverage_of(21)).endswith("'gnu18', 'gnu19' and 1 more).")
    report = str(coverage_of(1232))
    assert report.startswith("1,234 labels: ")
    assert "1,232 without a vector ('gnu0', 'gnu1'," in report
    assert report.endswith("'gnu18', 'gnu19' and 1,212 more).")


def test_a_number_is_named_as_a_number():
    coverage = LabelVocabulary([7, "7"]).coverage(PretrainedEmbedder({"cat": [1]}))
    assert str(coverage).endswith("2 without a vector (7, '7').")


def test_the_report_cannot_be_changed():
    coverage = coverage_of(1)
    with pytest.raises(FrozenInstanceError):
        coverage.missing = np.array([])
    with pytest.raises(ValueError, match="read-only"):
        coverage.missing[0] = "cat"
    assert str(pickle.loads(pickle.dumps(coverage))) == str(coverage)


# known_terms


def test_terms_are_asked_for_once_each_template(sea):
    asked = ["shark", "gerenuk", "white"]
    assert_array_equal(known_terms(sea, asked), [True, False, True])
    assert_array_equal(known_terms(sea, asked, ["{}", "{} shark"]), [True, False, True])
    assert_array_equal(known_terms(sea, asked, ["{}", "a {}"]), [False, False, False])
    assert known_terms(sea, [], ["a {}"]).shape == (0,)
