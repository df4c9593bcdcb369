"""Spelling and look-up of terms."""

import pickle
import re
import string
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise.language._terms import (
    TermTuple,
    check_terms,
    find_rows,
    index_terms,
    normalise_term,
    words_of,
)

SHORT_TEXTS = st.text(string.ascii_letters[:3] + "AB_- é'" + "\u0301", max_size=5)


def test_words_are_lower_case_without_punctuation():
    assert words_of("The Great-White_shark's 2 fins!") == [
        *("the", "great", "white", "shark", "s", "2", "fins")
    ]


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_text_are_its_letters_and_digits(text):
    assert words_of(text) == re.findall("[a-z0-9]+", text.lower())


def test_words_may_be_of_any_script():
    assert words_of("Über-Größe, Ёж") == ["über", "größe", "ёж"]


def test_a_normalised_term_keeps_its_punctuation():
    assert normalise_term(" In-line_Skate ") == "in-line skate"


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_normalisation_is_idempotent(text):
    assert normalise_term(normalise_term(text)) == normalise_term(text)


@pytest.mark.parametrize("terms", ["cat", b"cat", 7, None, {"cat"}, np.array("cat")])
def test_a_single_value_or_a_set_is_not_a_sequence_of_terms(terms):
    with pytest.raises(TypeError, match="cat|7|None"):
        check_terms(terms)


def test_numbers_and_dict_keys_are_terms():
    assert check_terms([7, 2.5, "cat"]) == ["7", "2.5", "cat"]
    assert check_terms({"cat": 1, "dog": 2}.keys()) == ["cat", "dog"]


def test_a_table_of_one_column_is_a_sequence_of_terms():
    for column in (np.array([["cat"], ["dog"]]), [["cat"], ["dog"]], [("cat",), ("dog",)]):
        assert check_terms(column) == ["cat", "dog"]
    with pytest.raises(TypeError, match=r"\(1, 2\)"):
        check_terms(np.array([["cat", "dog"]]))


@pytest.mark.parametrize(
    ("terms", "named"), [([["cat"], ["dog", "wolf"]], "cat"), ([None], "None"), ([np.nan], "nan")]
)
def test_lists_and_missing_values_are_not_terms(terms, named):
    with pytest.raises(TypeError, match=named):
        check_terms(terms)


def find_naively(key, terms):
    """Return the first term that is this key, has it as its form, or has its words."""
    for row, term in enumerate(terms):
        if key and term == key:
            return row
    for row, term in enumerate(terms):
        if key and normalise_term(term) == key:
            return row
    for row, term in enumerate(terms):
        if key and "-" in term and " ".join(words_of(term)) == key:
            return row
    return -1


@settings(deadline=None, max_examples=200)
@given(st.lists(SHORT_TEXTS, min_size=1, max_size=12), st.lists(SHORT_TEXTS, max_size=12))
def test_the_index_finds_the_same_rows_as_a_search_of_all_terms(terms, queries):
    index = index_terms(terms)
    keys = [normalise_term(term) for term in queries + terms]
    expected = [find_naively(key, terms) for key in keys]
    assert [index.get(key, -1) for key in keys] == expected
    packed = pickle.loads(pickle.dumps(TermTuple(terms)))
    assert [packed.get(key, -1) for key in keys] == expected
    assert list(packed) == packed[:] == terms
    assert packed[-1] == terms[-1]


def test_look_up_tries_the_exact_spelling_first():
    terms = ["wolf", "in line skates", "In-line skate", "glasses", "glass"]
    index = index_terms(terms)
    rows = find_rows(["Wolves", "in_line_skate", "in-line skate", "GLASS", "glasses"], index)
    assert rows.tolist() == [0, 2, 2, 4, 3]


@settings(deadline=None, max_examples=200)
@given(st.lists(SHORT_TEXTS, min_size=1, max_size=12))
def test_each_term_finds_the_first_row_that_is_spelled_so(terms):
    terms = [unicodedata.normalize("NFC", term) for term in terms]
    expected = [terms.index(term) if normalise_term(term) else -1 for term in terms]
    for index in (index_terms(terms), pickle.loads(pickle.dumps(TermTuple(terms)))):
        assert find_rows(terms, index).tolist() == expected


def test_terms_that_differ_in_case_keep_their_rows():
    # In German, "Weg" is a way, and "weg" means away.
    index = index_terms(["weg", "Weg", "Morgen", "morgen", "Bar", "BAR"])
    assert find_rows(["Weg", "weg", "Morgen", "morgen"], index).tolist() == [1, 0, 2, 3]
    # No term is spelled like these: they find the one in lower case, or the first one.
    assert find_rows(["WEG", "MORGEN", "bar"], index).tolist() == [0, 3, 4]


def test_sharp_s_is_written_as_two_letters_in_capitals():
    index = index_terms(["straße", "Süßwasser", "masse", "maße"])
    words = ["STRASSE", "Strasse", "SÜSSWASSER", "su\u0308sswasser", "MASSE", "Maße"]
    assert find_rows(words, index).tolist() == [0, 0, 1, 1, 2, 3]
    assert find_rows(["Masse"], index_terms(["glass", "mass"])).tolist() == [-1]


def test_typographic_characters_are_the_plain_ones():
    index = index_terms(["l'éléphant", "tシャツ", "ピザ", "fish", "potter’s wheel"])
    words = ["L’éléphant", "Ｔシャツ", "ﾋﾟｻﾞ", "ﬁsh", "Potter's wheel", "potter’s wheels"]
    assert find_rows(words, index).tolist() == [0, 1, 2, 3, 4, -1]


def test_accents_that_english_leaves_out_are_ignored():
    index = index_terms(["creme brulee", "naive", "pinata", "café", "cafe", "bar", "が"])
    words = ["Crème brûlée", "cre\u0300me-bru\u0302le\u0301e", "naïve", "piñatas", "Cafés", "cafe"]
    assert find_rows(words, index).tolist() == [0, 0, 1, 2, 4, 4]
    # "Bär" is German for bear. The marks of other scripts make other letters.
    assert find_rows(["Bär", "か"], index).tolist() == [-1, -1]
    assert find_rows(["Café"], index).tolist() == [3]


def test_capitals_separate_words_if_nothing_else_is_known():
    index = index_terms(["sea lake", "toothbrush", "tooth brush", "i pad", "mc donald"])
    assert find_rows(["SeaLakes", "ToothBrush"], index).tolist() == [0, 1]
    assert find_rows(["iPad", "McDonald", "SEALake"], index).tolist() == [-1, -1, -1]


def test_unknown_and_empty_terms_have_no_row():
    assert find_rows([], index_terms(["cat"])).shape == (0,)
    assert find_rows(["", "_", "-", "dog"], index_terms(["cat", ""])).tolist() == [-1] * 4
