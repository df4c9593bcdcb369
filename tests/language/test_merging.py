from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise.language._merging import NamedTerms, PhraseMerger


def merge_naively(tokens, phrases):
    """At each place take the longest phrase that begins there, or else the token alone."""
    merged = []
    while tokens:
        longest = max((p for p in phrases if tokens[: len(p)] == p), key=len, default=tokens[:1])
        merged.append(" ".join(longest))
        tokens = tokens[len(longest) :]
    return merged


words = st.sampled_from("abc")


@settings(deadline=None, max_examples=200)
@given(st.lists(words, max_size=20), st.lists(st.lists(words, min_size=2, max_size=4)))
def test_the_longest_phrase_is_merged_first(tokens, phrases):
    merge = PhraseMerger({tuple(phrase): " ".join(phrase) for phrase in phrases})
    assert merge(tokens) == merge_naively(tokens, phrases)


def test_a_longer_phrase_that_breaks_off_leaves_the_shorter_one():
    merge = PhraseMerger(NamedTerms(["new york", "new york city hall"]).phrases)
    assert merge("in new york city halls".split()) == ["in", "new york", "city", "halls"]


def test_a_merged_token_is_a_token_again():
    merge = PhraseMerger({("white shark", "attack"): "white shark attack"})
    assert merge(["white shark", "attack", "white", "shark"]) == [
        *("white shark attack", "white", "shark")
    ]


def test_terms_are_found_in_each_spelling_that_text_may_have():
    named = NamedTerms(["In-line_Skate"], split=str.split)
    assert named.phrases == {
        ("in", "line", "skate"): "in line skate",
        ("in-line", "skate"): "in line skate",
    }
    assert named.tokens_of == {"In-line_Skate": {"in line skate", "In-line_Skate"}}


def test_a_single_token_with_punctuation_stands_for_its_term():
    # Words alone, as the default tokenizer splits it, and as tokens that were split already.
    named = NamedTerms(["jack-o'-lantern"])
    assert named.tokens_of == {"jack-o'-lantern": {"jack o lantern", "jack-o'-lantern"}}
    assert NamedTerms(["!!"]).phrases == {}
