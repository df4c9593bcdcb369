import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise.language._terms import check_terms, normalise_term, words_of


def test_words_are_lower_case_and_free_of_punctuation():
    assert words_of("The Great-White_shark's 2 fins!") == [
        *("the", "great", "white", "shark", "s", "2", "fins")
    ]


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_plain_text_are_its_letters_and_digits(text):
    assert words_of(text) == re.findall("[a-z0-9]+", text.lower())


def test_words_of_other_scripts_are_words_too():
    assert words_of("Über-Größe, Ёж") == ["über", "größe", "ёж"]


def test_a_term_keeps_its_punctuation_but_not_its_case():
    assert normalise_term(" In-line_Skate ") == "in-line skate"


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    assert normalise_term(normalise_term(text)) == normalise_term(text)


@pytest.mark.parametrize("terms", ["cat", b"cat", 7, None, {"cat"}, np.array("cat")])
def test_what_is_no_sequence_of_terms_is_refused(terms):
    with pytest.raises(TypeError, match=r"Expected a sequence of terms.*pass a list"):
        check_terms(terms)


def test_one_column_of_a_table_is_a_sequence_of_terms():
    for column in (np.array([["cat"], ["dog"]]), [["cat"], ["dog"]], [("cat",), ("dog",)]):
        assert check_terms(column) == ["cat", "dog"]
    with pytest.raises(TypeError, match=r"one column of text, got a table of shape \(1, 2\)"):
        check_terms(np.array([["cat", "dog"]]))


def test_keys_of_a_dict_have_an_order():
    assert check_terms({"cat": 1, "dog": 2}.keys()) == ["cat", "dog"]


def test_lists_among_the_terms_are_refused():
    with pytest.raises(TypeError, match=r"A term is text, got \['cat'\]"):
        check_terms([["cat"], ["dog", "wolf"]])
