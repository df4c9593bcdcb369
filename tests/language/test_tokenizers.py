import pytest

from skdevise.language._terms import words_of
from skdevise.language._tokenizers import TOKENIZERS, as_tokenizer, lower_tokens

TEXT = "Don't miss the in-line skate, U.S. fans :-)"


# As nltk's documentation describes each of them.
@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("words", "don t miss the in line skate u s fans"),
        ("wordpunct", "don ' t miss the in - line skate , u . s . fans :-)"),
        ("treebank", "do n't miss the in-line skate , u.s. fans : - )"),
        ("toktok", "don ' t miss the in-line skate , u.s. fans : - )"),
        ("casual", "don't miss the in-line skate , u . s . fans :-)"),
    ],
)
def test_each_tokenizer_has_its_own_way(name, tokens):
    assert as_tokenizer(name)(TEXT) == tokens.split()


def test_all_are_tested():
    assert TOKENIZERS == {"words", "wordpunct", "treebank", "toktok", "casual"}
    assert as_tokenizer("words") is words_of


def test_a_callable_is_lower_cased_too():
    assert as_tokenizer(str.split)("The CAT") == ["the", "cat"]


@pytest.mark.parametrize("tokens", ["the cat", b"the", 7, None, [1], [None]])
def test_what_is_no_token_list_is_refused(tokens):
    with pytest.raises(TypeError, match="Expected a list of tokens, each a str, got"):
        lower_tokens(tokens)
    with pytest.raises(TypeError, match="Expected a list of tokens"):
        as_tokenizer(lambda text: tokens)("the cat")
