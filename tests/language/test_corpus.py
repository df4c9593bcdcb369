import bz2
import gzip
import lzma

import pandas as pd
import pytest

from skdevise.language import _corpus as corpus
from skdevise.language._corpus import Corpus

DOCUMENTS = ["The great white shark swims.", "", "A great-white day", "große Übung"]
TOKENS = [
    ["the", "great", "white", "shark", "swims"],
    [],
    ["a", "great", "white", "day"],
    ["große", "übung"],
]


@pytest.mark.parametrize(
    ("name", "opened"),
    [("text.txt", open), ("text.gz", gzip.open), ("text.bz2", bz2.open), ("text.xz", lzma.open)],
)
def test_a_file_reads_like_the_list_of_its_lines(tmp_path, name, opened):
    path = tmp_path / name
    with opened(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(DOCUMENTS))
    for source in (path, str(path), DOCUMENTS):
        assert list(Corpus(source)) == TOKENS


def test_a_corpus_can_be_read_again():
    corpus = Corpus(["one", "two words"])
    assert list(corpus) == list(corpus) == [["one"], ["two", "words"]]


def test_token_lists_are_taken_as_they_are_but_for_case():
    documents = [["Great", "white", "U.S."], ("great", "white", "shark")]
    assert list(Corpus(documents)) == [["great", "white", "u.s."], ["great", "white", "shark"]]


def test_bytes_are_refused():
    with pytest.raises(TypeError, match="got b'a cat'"):
        list(Corpus([b"a cat"]))


def test_text_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match="latin.txt' is not text in UTF-8"):
        list(Corpus(path))


@pytest.mark.parametrize(
    "source",
    [(line for line in DOCUMENTS), iter(DOCUMENTS), map(str, DOCUMENTS)],
    ids=["generator", "iterator", "map"],
)
def test_what_can_be_read_only_once_is_refused(source):
    with pytest.raises(
        TypeError, match=r"can be read only once.*pass a list, the path of a file.*spool=True"
    ):
        Corpus(source)


def test_an_open_file_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("a line")
    with (
        open(tmp_path / "text.txt") as file,
        pytest.raises(TypeError, match="TextIOWrapper can be read only once"),
    ):
        Corpus(file)


@pytest.mark.parametrize("source", ["nowhere.txt", "the cat sat", "a cat " * 1000])
def test_a_string_that_is_no_file_is_refused(source):
    with pytest.raises(
        FileNotFoundError, match=rf"no text file at '{source[:99]}.*; documents go in as"
    ):
        Corpus(source)


@pytest.mark.parametrize("source", [None, 7, b"a cat", {"a": "cat"}])
def test_what_is_no_text_is_refused(source):
    with pytest.raises(TypeError, match="Expected documents or the path of a text file"):
        Corpus(source)


@pytest.mark.parametrize("document", [5, [1, 2], None])
def test_documents_that_are_no_text_are_refused(document):
    with pytest.raises(TypeError, match="A document is text or a list of tokens, got"):
        list(Corpus([document]))


def test_what_can_be_read_only_once_is_taken_where_it_may_be():
    assert list(Corpus((line for line in DOCUMENTS), once=True)) == TOKENS


@pytest.fixture
def folder(tmp_path):
    """Files in folders, as corpora are shipped, and what does not belong to the text."""
    (tmp_path / "AB").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("hidden")
    (tmp_path / ".DS_Store").write_bytes(b"\xff")
    (tmp_path / "AB" / "wiki_01").write_text("third")
    with lzma.open(tmp_path / "AA.xz", "wt") as file:
        file.write("first\nsecond")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_names(folder):
    expected = [["first"], ["second"], ["third"]]
    for source in (folder, str(folder), [folder], (folder / "AA.xz", folder / "AB" / "wiki_01")):
        assert list(Corpus(source)) == expected


def test_a_folder_without_text_is_refused(tmp_path):
    (tmp_path / ".hidden").write_text("text")
    with pytest.raises(FileNotFoundError, match="no text file in the folder"):
        Corpus(tmp_path)
    with pytest.raises(FileNotFoundError, match="no text file at .*gone.txt"):
        Corpus([tmp_path / ".hidden", tmp_path / "gone.txt"])


def test_names_of_files_are_not_taken_for_text(folder):
    with pytest.raises(ValueError, match=r"AA.xz' is the name of a file: pass files as pathlib"):
        Corpus([str(folder / "AA.xz"), str(folder / "AB" / "wiki_01")])
    with pytest.raises(ValueError, match=r"AA.xz' is the name of a file"):
        Corpus(pd.Series([str(folder / "AA.xz")], index=[7]))


def test_a_column_of_a_table_is_documents():
    table = pd.DataFrame({"text": DOCUMENTS})
    for column in (table, table["text"], table.to_numpy()):
        assert list(Corpus(column)) == TOKENS
    with pytest.raises(TypeError, match=r"one column of text, got a table of shape \(\d, 2\)"):
        Corpus(table.assign(rating=1))


def test_a_byte_order_mark_is_no_text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("cat sat", encoding="utf-8-sig")
    assert list(Corpus(file, str.split)) == [["cat", "sat"]]


@pytest.mark.parametrize("blank", [" ", "-"])
def test_a_text_of_one_line_is_read_in_pieces(tmp_path, monkeypatch, blank):
    monkeypatch.setattr(corpus, "_LONG", 10)
    lines = ["one", *("fish" * n for n in range(1, 3)), "two fish red fish blue fish", ""]
    file = tmp_path / "text.txt"
    file.write_text("\n".join(lines).replace(" ", blank))
    pieces = [piece for (piece,) in Corpus(file, lambda text: [text])]
    assert max(map(len, pieces)) < 2 * 10
    if blank == " ":
        assert " ".join(pieces).split() == file.read_text().split()
    else:
        assert "".join(pieces) == file.read_text().replace("\n", "")


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_a_file_that_breaks_off_is_named(tmp_path, suffix, compress):
    path = tmp_path / f"text{suffix}"
    path.write_bytes(compress(b"a great white shark")[:-9])
    with pytest.raises(ValueError, match=rf"text{suffix}' cannot be decompressed"):
        list(Corpus(path))
    path.write_bytes(b"plain text, and no other")
    with pytest.raises(ValueError, match=rf"text{suffix}' cannot be decompressed"):
        list(Corpus(path))
