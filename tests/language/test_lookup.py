import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skdevise.language import _lookup as lookup
from skdevise.language._lookup import PackedTerms, TermIndex, find_terms
from skdevise.language._terms import normalise_term, words_of

texts = st.text(string.ascii_letters[:3] + "AB_- é'" + "\u0301", max_size=5)


def find_naively(key, terms):
    """The first term that has this form, or else the first with hyphens and these words."""
    for row, term in enumerate(terms):
        if key and normalise_term(term) == key:
            return row
    for row, term in enumerate(terms):
        if key and "-" in term and " ".join(words_of(term)) == key:
            return row
    return -1


@settings(deadline=None, max_examples=200)
@given(st.lists(texts, min_size=1, max_size=12), st.lists(texts, max_size=12))
def test_the_index_finds_what_looking_through_all_terms_finds(terms, asked):
    keys = [normalise_term(term) for term in asked + terms]
    packed = PackedTerms.pack(terms)
    index = TermIndex.build(terms)
    expected = [find_naively(key, terms) for key in keys]
    assert index.find(keys, terms).tolist() == expected
    assert index.find(keys, packed).tolist() == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(texts, min_size=1))
def test_packed_terms_are_a_sequence_of_the_terms(terms):
    packed = PackedTerms.pack(terms)
    assert len(packed) == len(terms)
    assert list(packed) == [packed[row] for row in range(len(terms))] == terms
    assert packed[-1] == terms[-1]
    assert packed[:2] == terms[:2]
    assert list(packed.first(2)) == terms[:2]
    with pytest.raises(IndexError):
        packed[len(terms)]


def test_terms_that_share_a_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(lookup, "_hash", lambda keys: np.zeros(len(keys), np.uint64))
    terms = ["cat", "Dog", "in-line", "dog"]
    asked = ["dog", "cat", "in line", "rat"]
    assert_array_equal(find_terms(asked, TermIndex.build(terms), terms), [1, 0, 2, -1])


def test_no_term_is_found_nowhere():
    assert TermIndex.build(["cat"]).find([], ["cat"]).shape == (0,)
    assert (
        find_terms(["", "_", "-"], TermIndex.build(["cat", ""]), ["cat", ""]).tolist() == [-1] * 3
    )
