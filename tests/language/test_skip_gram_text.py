"""What SkipGramEmbedder makes of its text: the lexicon, and the forms that text comes in."""

import gzip
import lzma
import tempfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdevise import LabelVocabulary
from tests.language._small import TEXT, small, vectors_of

# The lexicon


def test_words_are_counted_without_case_and_punctuation():
    embedder = small().fit(TEXT)
    counts = dict(zip(embedder.vectors_.terms_, embedder.counts_.tolist(), strict=True))
    # Of each of the three sentences there are three.
    assert counts == {
        **dict.fromkeys(["the"], 15),
        **dict.fromkeys(["great", "shark", "swims", "in", "sea", "whale"], 6),
        **dict.fromkeys(["white"], 9),
        **dict.fromkeys(["a", "too", "eats"], 3),
    }
    assert (np.diff(embedder.counts_) <= 0).all()


def test_terms_of_several_words_become_one_unit():
    terms = ["Great_White", "great white shark", "white whale", "blue whale"]
    embedder = small(terms=terms).fit(TEXT)
    counts = dict(zip(embedder.vectors_.terms_, embedder.counts_.tolist(), strict=True))
    assert counts["great white shark"] == 6
    assert counts["white whale"] == 3
    assert counts["whale"] == 3
    # Each "great" and each "white" is part of a longer term; the blue whale is not in the text.
    assert not {"great", "white", "great white", "blue whale"} & counts.keys()
    assert_array_equal(embedder.has_vector(["Great-white shark", "blue whale"]), [True, False])


def test_rare_words_are_left_out_but_for_the_named_terms():
    text = [*TEXT, "an octopus"]
    assert_array_equal(
        small(min_count=3).fit(text).has_vector(["eats", "octopus", "an"]), [True, False, False]
    )
    assert_array_equal(
        small(min_count=3, terms=["Octopus"]).fit(text).has_vector(["octopus", "an"]), [True, False]
    )


def test_max_vocab_keeps_the_named_terms_and_the_most_frequent_ones():
    assert small(max_vocab=2).fit(TEXT).vectors_.terms_ == ("the", "white")
    assert small(max_vocab=2, terms=["eats"]).fit(TEXT).vectors_.terms_ == ("the", "eats")
    # Named terms go before the limit.
    named = small(max_vocab=1, terms=["eats", "too"]).fit(TEXT)
    assert set(named.vectors_.terms_) == {"eats", "too"}


def test_named_terms_need_not_be_kept():
    text = [*TEXT, "an octopus"]
    embedder = small(min_count=3, terms=["Octopus", "white whale"], always_keep=False).fit(text)
    assert embedder.has_term(["octopus", "white whale"]).tolist() == [False, True]


def test_coverage_tells_how_often_each_term_was_seen():
    terms = ["Great_White", "great white shark", "whale", "octopus", "kraken"]
    embedder = small(min_count=3, terms=terms, always_keep=False).fit([*TEXT, "an octopus"])
    table = embedder.coverage_
    assert table.index.tolist() == terms
    # Each great white is a shark here, and is not counted by itself.
    assert table["count"].tolist() == [0, 6, 6, 1, 0]
    assert table["in_lexicon"].tolist() == [False, True, True, False, False]


def test_the_terms_of_a_vocabulary_are_those_of_all_its_labels():
    vocabulary = LabelVocabulary(["fish", "whale"], [["great white shark", "shark"], "white whale"])
    embedder = small(terms=vocabulary).fit(TEXT)
    assert embedder.coverage_["count"].to_dict() == {
        "great white shark": 6,
        "shark": 0,
        "white whale": 3,
    }


def test_the_nouns_of_wordnet_are_merged():
    embedder = small(terms="wordnet").fit(["the Great white shark", "an electric eel"])
    assert {"great white shark", "electric eel"} <= set(embedder.vectors_.terms_)


def test_phrases_are_learned_after_terms_are_merged():
    # By gensim's score: (20 - 5) / (20 * 20) times 404 distinct tokens and pairs is above 10.
    text = ["great white shark attack"] * 20 + ["w"] * 5 + [f"w{i}" for i in range(400)]
    embedder = small(terms=["great white shark"], phrases=True, min_count=5).fit(text)
    assert embedder.vectors_.terms_ == ("great white shark attack", "w")
    assert list(embedder.phrases_) == [("great white shark", "attack")]
    # What was learned is what is merged from then on.
    embedder.partial_fit(["great white shark attack"] * 5)
    assert embedder.counts_.tolist() == [25, 5]
    assert small(terms=["great white shark"]).fit(text).phrases_ == {}


def test_the_tokenizer_splits_text_and_terms():
    text = ["The U.S. in-line skate rolls."] * 2
    for tokenizer in ("treebank", str.split):
        embedder = small(tokenizer=tokenizer, terms=["in-line skate"]).fit(text)
        assert embedder.coverage_["count"].tolist() == [2]
        assert "u.s." in embedder.vectors_.terms_


def test_terms_can_be_any_iterable():
    for terms in ({"white whale"}, np.array(["white whale"]), {"white whale": 0}.keys()):
        assert "white whale" in small(terms=terms).fit(TEXT).vectors_.terms_


# The text


@pytest.mark.parametrize(
    ("name", "opened"), [("text.txt", open), ("text.txt.gz", gzip.open), ("text.xz", lzma.open)]
)
def test_a_streamed_file_trains_like_the_list_of_its_lines(tmp_path, name, opened):
    with opened(tmp_path / name, "wt") as file:
        file.write("\n".join(TEXT))
    embedder = small(terms=["great white shark"])
    from_list = vectors_of(embedder.fit(TEXT)).copy()
    assert_array_equal(vectors_of(embedder.fit(tmp_path / name)), from_list)


def test_token_lists_train_like_the_text_they_come_from():
    documents = [["the", "cat", "sat"], ["the", "dog", "ran"]]
    texts = [" ".join(tokens) for tokens in documents]
    assert_array_equal(vectors_of(small().fit(documents)), vectors_of(small().fit(texts)))


def test_long_documents_are_not_cut():
    # gensim alone would train on the first 10,000 tokens of each.
    document = ["early"] * 12_000 + ["late", "later"] * 6_000
    embedder = small(sample=0).fit([document])
    assert dict(zip(embedder.vectors_.terms_, embedder.counts_.tolist(), strict=True)) == {
        "early": 12_000,
        "late": 6_000,
        "later": 6_000,
    }
    # Untrained vectors lie within 1 / vector_size of zero in each place.
    assert np.abs(vectors_of(embedder)).max(axis=1).min() > 1 / 6


def test_one_shot_text_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="generator can be read only once.*spool=True"):
        small().fit(line for line in TEXT)


def test_one_shot_text_is_spooled_if_it_may_be():
    embedder = small(spool=True, epochs=2).fit(line for line in TEXT)
    assert_array_equal(vectors_of(embedder), vectors_of(small(epochs=2).fit(TEXT)))


def test_several_files_train_like_their_lines(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT[0])
    with gzip.open(tmp_path / "b.gz", "wt") as file:
        file.write("\n".join(TEXT[1:]))
    expected = vectors_of(small().fit(TEXT))
    for source in (tmp_path, [tmp_path / "a.txt", tmp_path / "b.gz"]):
        assert_array_equal(vectors_of(small().fit(source)), expected)


@pytest.mark.parametrize("broken", [["a cat", 5], ["a cat", "a" * 3 + "\ud800"]])
def test_nothing_is_left_on_the_disk(broken, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if broken[1] == 5:
        with pytest.raises(TypeError, match="got 5"):
            small().fit(broken)
    else:
        small().fit(broken)
    assert not any(tmp_path.iterdir())


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match="no text file at 'nowhere.txt'"):
        small().fit("nowhere.txt")


@pytest.mark.parametrize("text", [[], ["", "!"], [[]]])
def test_text_without_a_word_is_refused(text):
    with pytest.raises(ValueError, match="among the 0 words of the text: give more text"):
        small().fit(text)


@pytest.mark.parametrize("params", [{"max_vocab": 1}, {"model": "cbow", "min_count": 3}])
def test_a_tree_of_one_term_is_refused(params):
    with pytest.raises(ValueError, match="'b' is the only term left to train, and a hierarchical"):
        small(**params).fit(["a b b b"])


def test_text_of_rare_words_alone_is_refused():
    with pytest.raises(ValueError, match="No term occurs min_count=4 times among the 3 words"):
        small(min_count=4).fit(["a b c"])
