import bz2
import gzip
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise.language.corpus import Corpus

DOCUMENTS = ["The great white shark swims.", "", "A great-white day", "große Übung"]
TOKENS = [["the", "great white", "shark", "swims"], ["a", "great white", "day"], ["große", "übung"]]


@pytest.mark.parametrize(
    ("name", "opened"),
    [("text.txt", open), ("text.gz", gzip.open), ("text.bz2", bz2.open), ("text.xz", lzma.open)],
)
def test_a_file_reads_like_the_list_of_its_lines(tmp_path, name, opened):
    path = tmp_path / name
    with opened(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(DOCUMENTS))
    for source in (path, str(path), DOCUMENTS):
        assert list(Corpus(source, terms=["Great White"])) == TOKENS


def test_a_corpus_can_be_read_again():
    corpus = Corpus(["one", "two words"])
    assert list(corpus) == list(corpus) == [["one"], ["two", "words"]]


def test_token_lists_are_taken_as_they_are_but_for_case():
    documents = [["Great", "white", "U.S."], ("great", "white", "shark")]
    assert list(Corpus(documents, terms=["great white"])) == [
        ["great white", "u.s."],
        ["great white", "shark"],
    ]


def test_bytes_are_refused():
    with pytest.raises(TypeError, match="got b'a cat'"):
        list(Corpus([b"a cat"]))


def test_text_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match="latin.txt' is not text in UTF-8"):
        list(Corpus(path))


@pytest.mark.parametrize("term", ["great white shark", "Great_White_Shark", "great-white  SHARK"])
def test_the_spelling_of_a_term_does_not_matter(term):
    assert list(Corpus(["Great white-shark"], terms=[term])) == [["great white shark"]]


def merge_naively(tokens, phrases):
    """At each place take the longest phrase that begins there, or else the token alone."""
    merged = []
    while tokens:
        longest = max((p for p in phrases if tokens[: len(p)] == p), key=len, default=tokens[:1])
        merged.append(" ".join(longest))
        tokens = tokens[len(longest) :]
    return merged


words = st.sampled_from("abc")


@settings(deadline=None, max_examples=50)
@given(st.lists(words, min_size=1, max_size=20), st.lists(st.lists(words, min_size=2, max_size=4)))
def test_the_longest_term_is_merged_first(tokens, phrases):
    corpus = Corpus([tokens], terms=[" ".join(phrase) for phrase in phrases])
    assert list(corpus) == [merge_naively(tokens, phrases)]


def test_long_documents_come_in_pieces_that_gensim_does_not_cut():
    tokens = [str(i) for i in range(25_000)]
    pieces = list(Corpus([tokens]))
    assert [len(piece) for piece in pieces] == [10_000, 10_000, 5_000]
    assert sum(pieces, []) == tokens


def test_progress_is_told_in_tokens():
    told = []
    list(Corpus(DOCUMENTS, terms=["great white"], progress=told.append))
    assert sum(told) == 9


@pytest.mark.parametrize(
    "source",
    [(line for line in DOCUMENTS), iter(DOCUMENTS), map(str, DOCUMENTS)],
    ids=["generator", "iterator", "map"],
)
def test_what_can_be_read_only_once_is_refused(source):
    with pytest.raises(TypeError, match=r"can be read only once: pass a list, the path of a file"):
        Corpus(source)


def test_an_open_file_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("a line")
    with (
        open(tmp_path / "text.txt") as file,
        pytest.raises(TypeError, match="TextIOWrapper can be read only once"),
    ):
        Corpus(file)


@pytest.mark.parametrize("source", ["nowhere.txt", "the cat sat", "."])
def test_a_string_that_is_no_file_is_refused(source):
    with pytest.raises(FileNotFoundError, match=rf"no text file at '{source}'; documents go in as"):
        Corpus(source)


@pytest.mark.parametrize("source", [None, 7])
def test_what_is_no_text_is_refused(source):
    with pytest.raises(TypeError, match="Expected documents or the path of a text file"):
        Corpus(source)


@pytest.mark.parametrize("document", [5, [1, 2], None])
def test_documents_that_are_no_text_are_refused(document):
    with pytest.raises(TypeError, match="A document is text or a list of tokens, got"):
        list(Corpus([document]))
