import numpy as np
import pytest

from skdevise import LabelVocabulary
from skdevise.language._lexicon import choose_lexicon, terms_to_merge


def test_terms_come_in_many_forms():
    vocabulary = LabelVocabulary(["n02084071", "cat"])
    assert terms_to_merge(None) == []
    assert terms_to_merge(np.array(["a b", "a b", "c"])) == ["a b", "c"]
    assert terms_to_merge({"c", "a b", 1}) == ["1", "a b", "c"]
    assert terms_to_merge(vocabulary) == ["dog", "domestic dog", "Canis familiaris", "cat"]
    wordnet = terms_to_merge("wordnet")
    assert "great white shark" in wordnet and "shark" not in wordnet


@pytest.mark.parametrize("terms", ["imagenet", 7, [None]])
def test_what_is_no_terms_is_refused(terms):
    with pytest.raises(TypeError):
        terms_to_merge(terms)


def test_the_first_of_equally_frequent_tokens_is_kept():
    chosen = choose_lexicon(["a", "b", "c"], np.array([2, 3, 2]), set(), 1, max_vocab=2)
    assert chosen.tolist() == [True, True, False]


def test_named_tokens_go_before_the_limit():
    chosen = choose_lexicon(["a", "b", "c"], np.array([9, 1, 1]), {"b", "c", "x"}, 5, max_vocab=1)
    assert chosen.tolist() == [False, True, True]
