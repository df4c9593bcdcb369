import bz2
import gzip
import lzma
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise import LabelVocabulary
from skdevise.language._corpus import (
    TOKENIZERS,
    PhraseMerger,
    as_tokenizer,
    choose_vocabulary,
    coverage,
    find_spellings,
    read_documents,
    read_shards,
    terms_to_train,
    write_shards,
)
from skdevise.language._terms import words_of

DOCUMENTS = ["The great white shark swims.", "", "A great-white day", "große Übung"]
TOKENS = [
    ["the", "great", "white", "shark", "swims"],
    [],
    ["a", "great", "white", "day"],
    ["große", "übung"],
]

# Documents


@pytest.mark.parametrize(
    ("name", "open_text"),
    [("text.txt", open), ("text.gz", gzip.open), ("text.bz2", bz2.open), ("text.xz", lzma.open)],
)
def test_each_line_of_a_file_is_a_document(tmp_path, name, open_text):
    path = tmp_path / name
    with open_text(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(DOCUMENTS))
    for X in (path, str(path), [path]):
        assert list(read_documents(X)) == TOKENS


def test_documents_come_as_any_iterable_or_as_one_column():
    table = pd.DataFrame({"text": DOCUMENTS})
    one_shot = (text for text in DOCUMENTS)
    for X in (DOCUMENTS, one_shot, np.array(DOCUMENTS), table, table["text"], table.to_numpy()):
        assert list(read_documents(X)) == TOKENS
    with pytest.raises(TypeError):
        list(read_documents(table.assign(rating=1)))


@pytest.mark.parametrize("X", [None, 3, {"text": ["a b"]}], ids=str)
def test_documents_come_in_a_sequence(X):
    with pytest.raises(TypeError, match=type(X).__name__):
        list(read_documents(X))


def test_token_lists_become_lower_case_and_keep_their_punctuation():
    documents = [["Great", "white", "U.S."], ("great", "white", "shark")]
    assert list(read_documents(documents)) == [
        ["great", "white", "u.s."],
        ["great", "white", "shark"],
    ]


@pytest.mark.parametrize("document", [5, [1, 2], None, b"a cat"])
def test_a_document_that_is_no_text_is_an_error(document):
    with pytest.raises(TypeError):
        list(read_documents([document]))


def test_a_folder_is_read_in_the_order_of_its_file_names(tmp_path):
    (tmp_path / "AB").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("hidden")
    (tmp_path / ".DS_Store").write_bytes(b"\xff")
    (tmp_path / "AB" / "wiki_01").write_text("third")
    with lzma.open(tmp_path / "AA.xz", "wt") as file:
        file.write("first\nsecond")
    files = (tmp_path / "AA.xz", tmp_path / "AB" / "wiki_01")
    for X in (tmp_path, str(tmp_path), [tmp_path], files):
        assert list(read_documents(X)) == [["first"], ["second"], ["third"]]
    with pytest.raises(ValueError, match=r"AA\.xz"):  # Strings in a list are documents.
        list(read_documents([str(file) for file in files]))


@pytest.mark.parametrize("X", ["nowhere.txt", "the cat sat"])
def test_a_missing_file_is_an_error_that_names_it(X):
    with pytest.raises(FileNotFoundError, match=X):
        list(read_documents(X))


@pytest.fixture
def remote():
    """Folder with two files and a hidden one, in the memory that fsspec treats as a server."""
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe({"/corpus/b.txt": b"three four", "/corpus/.hidden/c.txt": b"no"})
    system.pipe({"/corpus/a/x.txt.gz": gzip.compress(b"one\ntwo")})
    yield "memory://corpus"
    system.rm("/corpus", recursive=True)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("{}", [["one"], ["two"], ["three", "four"]]),
        ("{}/b.txt", [["three", "four"]]),
        ("{}/**/*.txt.gz", [["one"], ["two"]]),
        (["{}/b.txt", "{}/a/*"], [["three", "four"], ["one"], ["two"]]),
    ],
    ids=str,
)
def test_remote_files_are_read_through_fsspec(remote, names, expected):
    is_text = isinstance(names, str)
    X = names.format(remote) if is_text else [name.format(remote) for name in names]
    assert list(read_documents(X)) == expected


def test_a_pattern_names_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.csv"):
        (tmp_path / name).write_text(name[0])
    expected = [["a"], ["b"]]
    assert list(read_documents(f"{tmp_path}/*.txt")) == expected
    assert list(read_documents([tmp_path / "*.txt"])) == expected
    with pytest.raises(FileNotFoundError, match=r"\*\.log"):
        list(read_documents(f"{tmp_path}/*.log"))


def test_a_text_that_contains_an_address_is_a_document():
    assert list(read_documents(["see s3://bucket/text", "s3://bucket"])) == [
        ["see", "s3", "bucket", "text"], ["s3", "bucket"],
    ]  # fmt: skip


def test_a_folder_without_text_is_an_error(tmp_path):
    (tmp_path / ".hidden").write_text("text")
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        list(read_documents(tmp_path))


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("cat sat", encoding="utf-8-sig")
    assert list(read_documents(file, str.split)) == [["cat", "sat"]]


def test_a_long_line_is_read_in_parts_between_words(tmp_path):
    file = tmp_path / "text.txt"
    words = ["fish"] * 450_000  # With blanks, 200,000 words are a million characters.
    file.write_text(" ".join(words) + "\none more")
    *parts, last = read_documents(file, str.split)
    assert [len(part) for part in parts] == [200_000, 200_000, 50_000]
    assert last == ["one", "more"]

    file.write_text(" ".join(words)[2:])  # Now the millionth character is within a word.
    assert sum(read_documents(file, str.split), []) == ["sh", *words[1:]]


def test_a_file_that_is_no_text_is_an_error_that_names_it(tmp_path):
    latin = tmp_path / "latin.txt"
    latin.write_bytes("café".encode("latin-1"))
    truncated = tmp_path / "truncated.gz"
    truncated.write_bytes(gzip.compress(b"a great white shark")[:-9])
    for path in (latin, truncated):
        with pytest.raises(ValueError, match=path.name):
            list(read_documents(path))


# Tokenizers

SENTENCE = "Don't miss the in-line skate, U.S. fans :-)"


# The tokens follow from nltk's documentation of each tokenizer.
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
def test_each_tokenizer_splits_by_its_own_rules(name, tokens):
    assert name in TOKENIZERS
    assert as_tokenizer(name)(SENTENCE) == tokens.split()


def test_tokens_of_a_callable_become_lower_case():
    assert as_tokenizer(str.split)("The CAT") == ["the", "cat"]


@pytest.mark.parametrize("tokens", ["the cat", b"the", 7, None, [1], [None]])
def test_a_tokenizer_must_return_a_list_of_strings(tokens):
    with pytest.raises(TypeError):
        as_tokenizer(lambda text: tokens)("the cat")


# Multi-word terms


def test_terms_come_in_many_forms():
    vocabulary = LabelVocabulary(["n02084071", "cat"])
    assert terms_to_train(None) == []
    assert terms_to_train(np.array(["a b", "a b", "c"])) == ["a b", "c"]
    assert terms_to_train({"c", "a b", 1}) == ["1", "a b", "c"]
    assert terms_to_train({"a b": 0}.keys()) == ["a b"]
    assert terms_to_train(vocabulary) == ["dog", "domestic dog", "Canis familiaris", "cat"]
    wordnet = terms_to_train("wordnet")
    assert "great white shark" in wordnet and "shark" not in wordnet


@pytest.mark.parametrize("terms", ["imagenet", 7, [None]])
def test_other_terms_are_an_error(terms):
    with pytest.raises(TypeError):
        terms_to_train(terms)


def test_a_term_has_the_spellings_that_text_may_have():
    keys_of, phrases = find_spellings(["In-line_Skate"], str.split)
    assert phrases == {
        ("in", "line", "skate"): "in▁line▁skate",
        ("in-line", "skate"): "in▁line▁skate",
    }
    assert keys_of == {"In-line_Skate": {"in▁line▁skate", "In-line_Skate"}}


def test_a_single_token_with_punctuation_stands_for_its_term():
    keys_of, _ = find_spellings(["jack-o'-lantern"])
    assert keys_of == {"jack-o'-lantern": {"jack▁o▁lantern", "jack-o'-lantern"}}
    assert find_spellings(["!!"])[1] == {}


def merge_naively(tokens, phrases):
    """At each position take the longest phrase that starts there, or else the token alone."""
    merged = []
    while tokens:
        longest = max((p for p in phrases if tokens[: len(p)] == p), key=len, default=tokens[:1])
        merged.append(" ".join(longest))
        tokens = tokens[len(longest) :]
    return merged


letters = st.sampled_from("abc")


@settings(deadline=None, max_examples=200)
@given(st.lists(letters, max_size=20), st.lists(st.lists(letters, min_size=2, max_size=4)))
def test_the_longest_phrase_is_merged_first(tokens, phrases):
    merge = PhraseMerger({tuple(phrase): " ".join(phrase) for phrase in phrases})
    assert merge(tokens) == merge_naively(tokens, phrases)


def test_the_shorter_phrase_is_merged_if_the_longer_one_does_not_end():
    merge = PhraseMerger({("new", "york"): "N", ("new", "york", "city", "hall"): "H"})
    assert merge("in new york city halls".split()) == ["in", "N", "city", "halls"]


# Shards and the vocabulary

texts = st.lists(st.lists(st.sampled_from(["a", "b", "c d"]), max_size=4), max_size=12)


@settings(deadline=None, max_examples=50)
@given(texts, st.integers(1, 9))
def test_shards_hold_all_tokens_in_order(tmp_path_factory, documents, shard_tokens):
    folder = tmp_path_factory.mktemp("text") / "shards"
    shards, counts = write_shards(documents, folder, shard_tokens)
    keys = [[token.replace(" ", "▁") for token in document] for document in documents if document]
    assert list(read_shards(shards)) == keys
    assert all(shards.values())  # gensim refuses to train on an empty shard.
    assert counts == Counter(sum(keys, []))
    # A shard ends with the document that fills it, which has four tokens at the most.
    assert all(shard_tokens <= n < shard_tokens + 4 for n in list(shards.values())[:-1])
    assert sum(shards.values()) == counts.total()
    assert [path.name for path in shards] == sorted(path.name for path in folder.iterdir())


def test_a_long_document_becomes_several_lines_of_a_shard(tmp_path):
    shards, counts = write_shards([["a"] * 2_500, ["b"]], tmp_path / "shards")
    assert [len(line) for line in read_shards(shards)] == [1_000, 1_000, 500, 1]
    assert counts == {"a": 2_500, "b": 1}


def test_empty_tokens_are_dropped_from_shards(tmp_path):
    shards, counts = write_shards([["a", "", "new  york "]], tmp_path / "shards")
    assert list(read_shards(shards)) == [["a", "new▁york"]]
    assert counts == {"a": 1, "new▁york": 1}


def test_the_vocabulary_holds_wanted_keys_and_then_the_most_frequent_ones():
    counts = Counter(a=2, b=5, c=1, d=4, e=2)
    assert choose_vocabulary(counts, {"c", "x"}, 2, max_vocab=3) == {"b": 5, "d": 4, "c": 1}
    # "a" comes before "e", which has the same count, because it occurs first.
    assert list(choose_vocabulary(counts, set(), 1, max_vocab=3)) == ["b", "d", "a"]
    # Wanted keys are kept even if there are more than max_vocab.
    assert list(choose_vocabulary(counts, {"a", "c"}, 5, max_vocab=1)) == ["a", "c"]


def test_coverage_adds_the_counts_of_all_spellings():
    keys_of = {"In-line": {"in-line", "in▁line"}, "okapi": {"okapi"}}
    table = coverage(keys_of, Counter({"in-line": 2, "in▁line": 5}), {"in▁line": 5})
    assert table["count"].to_dict() == {"In-line": 7, "okapi": 0}
    assert table["has_own_vector"].to_dict() == {"In-line": True, "okapi": False}


def test_words_of_is_the_default_tokenizer():
    assert as_tokenizer("words") is words_of
