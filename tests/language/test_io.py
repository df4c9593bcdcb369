"""Files of term vectors: round trips, files of other programs, and malformed files."""

import bz2
import gzip
import lzma
import struct
import zipfile

import fsspec
import numpy as np
import pytest
from gensim.corpora import Dictionary
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from skdevise import PretrainedEmbedder
from skdevise.exceptions import UntrustedError

FORMATS = ["v.txt", "v.bin", "v.safetensors"]
COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
TEXT = [["white", "shark", "swims"], ["great", "dane", "runs"]] * 20


def random_table(n_terms=40, vector_size=5):
    matrix = np.random.default_rng(0).standard_normal((n_terms, vector_size), dtype=np.float32)
    return [f"term{i}" for i in range(n_terms)], matrix


def compress(path, suffix):
    """Compress a file, and return the path of the new file."""
    packed = path.with_name(path.name + suffix)
    if suffix == ".zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, f"folder/{path.name}")
    else:
        packed.write_bytes(COMPRESS[suffix](path.read_bytes()))
    return packed


# Round trips


@pytest.mark.parametrize(
    "name",
    [*FORMATS, "v.vec", "V.BIN", "v.SafeTensors", "v.txt.gz", "v.txt.bz2", "v.TXT.XZ", "v.bin.gz"],
)
def test_a_saved_table_loads_again(tmp_path, animals, name):
    animals.save(tmp_path / name)
    again = PretrainedEmbedder.load(str(tmp_path / name))
    assert [term.lower() for term in again.terms_] == ["white", "shark", "great_dane"]
    terms = ["white shark", "great dane"]
    assert_allclose(again.transform(terms), animals.transform(terms), rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@settings(deadline=None, max_examples=30)
@given(arrays(np.float32, (3, 4), elements=st.floats(0.5, 2, width=32)))
def test_saving_keeps_every_bit_of_float32(tmp_path_factory, matrix):
    folder = tmp_path_factory.mktemp("files")
    for name in FORMATS:
        PretrainedEmbedder((list("abc"), matrix)).save(folder / name)
        assert_array_equal(PretrainedEmbedder.load(folder / name).vectors[1], matrix)


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_files_larger_than_one_chunk_are_read_whole(tmp_path, name):
    # The readers parse 8 MB at once; the text has 12 MB and the binary file 9 MB.
    terms, matrix = random_table(n_terms=9000, vector_size=250 if name == "v.bin" else 110)
    PretrainedEmbedder((terms, matrix)).save(tmp_path / name)
    assert (tmp_path / name).stat().st_size > 2**23
    again = PretrainedEmbedder.load(tmp_path / name)
    assert again.terms_ == tuple(terms)
    assert_array_equal(again.vectors[1], matrix)


def test_save_subtracts_the_common_component(tmp_path):
    terms, matrix = random_table()
    embedder = PretrainedEmbedder((terms, matrix + 3), all_but_the_top=1)
    for name in FORMATS:
        embedder.save(tmp_path / name)
        again = PretrainedEmbedder.load(tmp_path / name)
        expected = embedder.transform(["term3", "term1 term2"])
        assert_allclose(again.transform(["term3", "term1 term2"]), expected, atol=1e-5)


def test_load_passes_options_to_the_embedder(tmp_path, animals):
    animals.save(tmp_path / "v.txt")
    embedder = PretrainedEmbedder.load(tmp_path / "v.txt", oov="error", center=True)
    assert (embedder.oov, embedder.center) == ("error", True)


@pytest.mark.parametrize("name", FORMATS)
def test_limit_reads_the_first_terms(tmp_path, name):
    PretrainedEmbedder((list("abcd"), np.eye(4))).save(tmp_path / name)
    two = PretrainedEmbedder.load(tmp_path / name, limit=2)
    assert two.terms_ == ("a", "b")
    assert_array_equal(two.vectors[1], np.eye(4)[:2])
    assert PretrainedEmbedder.load(tmp_path / name, limit=9).terms_ == tuple("abcd")


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_limit_must_be_a_positive_integer(tmp_path, limit):
    with pytest.raises(ValueError, match=f"limit={limit}"):
        PretrainedEmbedder.load(tmp_path / "v.txt", limit=limit)


# The safetensors format


def test_safetensors_can_be_memory_mapped(tmp_path):
    terms, matrix = random_table()
    whole = PretrainedEmbedder((["Great white", "œuf", *terms[2:]], matrix))
    whole.save(tmp_path / "v.safetensors")
    mapped = PretrainedEmbedder.load(tmp_path / "v.safetensors", mmap=True)
    assert isinstance(mapped.vectors[1], np.memmap)
    assert mapped.terms_ == whole.terms_
    query = ["great_white", "ŒUF", "term7"]
    assert_array_equal(mapped.transform(query), whole.transform(query))
    assert mapped.most_similar("œuf", k=3) == whole.most_similar("œuf", k=3)
    loaded = PretrainedEmbedder.load(tmp_path / "v.safetensors")
    assert not isinstance(loaded.vectors[1], np.memmap)


def test_other_tools_can_read_and_write_our_safetensors(tmp_path):
    matrix = np.array([[1, 2], [3, 4]], dtype=np.float16)
    PretrainedEmbedder((["cat", "dog"], matrix)).save(tmp_path / "v.safetensors")
    tensors = load_file(tmp_path / "v.safetensors")
    assert tensors["terms"].tobytes() == b"cat\ndog"
    assert tensors["vectors"].dtype == np.float16
    assert_array_equal(tensors["vectors"], matrix)
    save_file(tensors, tmp_path / "other.safetensors", metadata={"tool": "another"})
    other = PretrainedEmbedder.load(tmp_path / "other.safetensors", mmap=True)
    assert_array_equal(other.vectors[1], matrix)


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"words": np.zeros(3, np.uint8), "vectors": np.eye(2)}, "'words'"),
        ({"terms": np.frombuffer(b"a\nb", np.uint8), "vectors": np.full((2, 2), np.inf)}, "'a'"),
        ({"terms": np.frombuffer(b"a\nb", np.uint8), "vectors": np.eye(2) > 0}, "bool"),
    ],
)
def test_other_safetensors_are_refused(tmp_path, tensors, named):
    save_file(tensors, tmp_path / "v.safetensors")
    with pytest.raises(ValueError, match=rf"v\.safetensors.*{named}"):
        PretrainedEmbedder.load(tmp_path / "v.safetensors")


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.txt.gz"])
def test_word2vec_formats_cannot_be_memory_mapped(tmp_path, animals, name):
    animals.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"safetensors"):
        PretrainedEmbedder.load(tmp_path / name, mmap=True)


# Files of other programs


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_gensim_reads_our_word2vec_files(tmp_path, name):
    PretrainedEmbedder({"great white shark": [1, 2]}).save(tmp_path / name)
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=name == "v.bin")
    assert keyed.index_to_key == ["great_white_shark"]
    assert_array_equal(keyed["great_white_shark"], [1, 2])


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_word2vec_files_of_gensim_are_read(tmp_path, name):
    _, matrix = random_table(2, 3)
    keyed = KeyedVectors(3)
    keyed.add_vectors(["œuf", "cat"], matrix)
    keyed.save_word2vec_format(str(tmp_path / name), binary=name == "v.bin")
    embedder = PretrainedEmbedder.load(tmp_path / name)
    assert embedder.terms_ == ("œuf", "cat")
    assert_array_equal(embedder.vectors[1], matrix)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", ["v.kv", "v.wordvectors", "v.model", "fasttext.model"])
def test_saves_of_gensim_are_read(tmp_path, name, mmap):
    params = {"vector_size": 4, "min_count": 1, "seed": 0, "workers": 1}
    is_fasttext = name.startswith("fasttext")
    model = FastText(TEXT, bucket=20, **params) if is_fasttext else Word2Vec(TEXT, **params)
    saved = model if name.endswith("model") else model.wv
    saved.save(str(tmp_path / name), sep_limit=0)  # Large arrays get their own files.
    with pytest.raises(UntrustedError, match="trusted=True"):
        PretrainedEmbedder.load(tmp_path / name, mmap=mmap)
    embedder = PretrainedEmbedder.load(tmp_path / name, mmap=mmap, trusted=True)
    _, matrix, subwords = embedder.vectors
    assert isinstance(subwords.vectors if is_fasttext else matrix, np.memmap) == mmap
    assert_array_equal(matrix, model.wv.vectors)
    assert embedder.has_vector(["sharkskin"])[0] == is_fasttext
    two = PretrainedEmbedder.load(tmp_path / name, limit=2, trusted=True)
    assert two.terms_ == embedder.terms_[:2]


def test_a_save_of_gensim_without_vectors_is_refused(tmp_path):
    Dictionary([["cat"]]).save(str(tmp_path / "v.model"))
    with pytest.raises(ValueError, match="Dictionary"):
        PretrainedEmbedder.load(tmp_path / "v.model", trusted=True)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zip"])
def test_models_of_fasttext_keep_their_n_grams(tmp_path, suffix, center):
    model = FastText(TEXT, vector_size=4, min_count=1, bucket=20, seed=0, workers=1)
    path = tmp_path / "cc.en.300.bin"
    save_facebook_model(model, str(path))
    path = compress(path, suffix) if suffix else path
    embedder = PretrainedEmbedder.load(path, center=center)
    vector = embedder.transform(["sharkskin"])
    if not center:
        assert_allclose(vector[0], model.wv.get_vector("sharkskin", norm=True), atol=1e-5)
    embedder.save(tmp_path / "v.safetensors")
    again = PretrainedEmbedder.load(tmp_path / "v.safetensors", mmap=True)
    assert_allclose(again.transform(["sharkskin"]), vector, atol=1e-5)
    with pytest.warns(UserWarning, match=r"v\.txt.*\.safetensors"):
        embedder.save(tmp_path / "v.txt")


def test_a_remote_model_of_fasttext_is_read(tmp_path):
    model = FastText(TEXT, vector_size=4, min_count=1, bucket=20, seed=0, workers=1)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    fsspec.filesystem("memory").pipe("/model.bin", (tmp_path / "model.bin").read_bytes())
    vectors = [
        PretrainedEmbedder.load(path).transform(["sharkskin"])
        for path in (tmp_path / "model.bin", "memory://model.bin")
    ]
    assert_array_equal(*vectors)


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zip"])
def test_glove_files_have_no_header(tmp_path, suffix):
    path = tmp_path / "glove.42B.300d.txt"
    path.write_text("the 0.0 2.0 0.0\n, 1 1 1\nœuf -3e0 0 0\n", encoding="utf-8")
    path = compress(path, suffix) if suffix else path
    embedder = PretrainedEmbedder.load(path)
    assert embedder.terms_ == ("the", ",", "œuf")
    assert_array_equal(embedder.transform(["œuf", "the"]), [[-1, 0, 0], [0, 1, 0]])


def test_text_may_have_blanks_in_terms_and_at_the_end_of_lines(tmp_path):
    # fastText ends lines with a blank, and glove.840B has terms with blanks. U+0085 is a line end
    # for Python's str, but a term of GloVe.
    path = tmp_path / "v.vec"
    path.write_bytes("4 2\nof 1 2 \nat name@domain.com 3 4\r\n\x85 5 6\n. . . 7 8\n\n".encode())
    embedder = PretrainedEmbedder.load(path)
    assert embedder.terms_ == ("of", "at name@domain.com", "\x85", ". . .")
    assert_array_equal(embedder.vectors[1], [[1, 2], [3, 4], [5, 6], [7, 8]])


@pytest.mark.parametrize("content", ["\ufeffcat 1 2\ndog 3 4\n", "\ufeff2 2\ncat 1 2\ndog 3 4\n"])
def test_a_byte_order_mark_is_not_part_of_a_term(tmp_path, content):
    (tmp_path / "v.txt").write_text(content, encoding="utf-8")
    assert PretrainedEmbedder.load(tmp_path / "v.txt").terms_ == ("cat", "dog")


def test_urls_are_read(tmp_path):
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(b"cat 1 2\n"))
    url = (tmp_path / "v.txt.gz").as_uri()
    assert PretrainedEmbedder.load(url).terms_ == ("cat",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.txt", b"cat 1 0\ndog 0 1\ncat 0 1\ncat 5 5\n"),
        ("v.vec", b"4 2\ncat 1 0\ndog 0 1\ncat 0 1\ncat 5 5\n"),
        ("v.bin", b"3 2\ncat \0\0\x80?\0\0\0\0dog \0\0\0\0\0\0\x80?cat " + bytes(8)),
    ],
)
def test_the_first_of_repeated_terms_counts(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.warns(UserWarning, match=f"{name}.*'cat'"):
        embedder = PretrainedEmbedder.load(tmp_path / name)
    assert embedder.terms_ == ("cat", "dog")
    assert_array_equal(embedder.transform(["cat", "dog"]), [[1, 0], [0, 1]])


# Malformed files


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("empty.txt", b"", "1"),
        ("words.txt", b"cat\ndog\n", "1"),
        ("prose.txt", b"It was a dark night\n", "was"),
        ("short.txt", b"cat 1 2 3\ndog 1 2\n", "2 has 2 values instead of 3"),
        ("long.txt", b"cat 1 2\ndog 1 2 3\n", "2 has 3 values instead of 2"),
        ("longer.txt", b"cat 1 2\ndog 1 2 3 4\n", "2 has 4 values instead of 2"),
        # The number of values is right in total.
        ("uneven.txt", b"cat 1 2\ndog 1 2 3\nrat 1\n", "2 has 3 values instead of 2"),
        ("wide.vec", b"2 2\ncat 1 2 3\ndog 1 2 3\n", "2 has 3 values instead of 2"),
        ("header.vec", b"0 2\n", "no vector"),
        ("size0.vec", b"2 0\n", "1"),
        ("cut.vec", b"3 2\ncat 1 2\ndog 1 2\n", "2 of 3"),
        ("nan.txt", b"cat 1 2\ndog nan 2\n", "'dog'"),
        ("inf.txt", b"cat 1 2\ndog 2 -inf\n", "'dog'"),
        ("large.txt", b"cat 1 2\ndog 2 1e99\n", "'dog'"),
        # One bit of an exponent, 2 ** 64, makes the second vector far longer than the others.
        ("flipped.txt", b"cat 1 2\ndog 2 18446744073709551616\nrat 3 2\n", "'dog'"),
        ("comma.txt", b"cat 1,5 2\n", "1,5"),
        ("latin1.txt", b"cat 1 2\ncaf\xe9 1 2\n", "0xe9"),
        ("cut.bin", b"2 2\ncat abcdefghdog abc", "1 of 2"),
        ("fasttext.bin", struct.pack("<2i", 793712314, 12) + b"abc", "requires"),
        ("prose.bin", b"It was a dark night\n", "n_terms vector_size"),
        ("nan.bin", b"1 1\ncat " + struct.pack("<f", np.nan), "'cat'"),
        ("cut.txt.gz", gzip.compress(b"cat 1 2\n" * 999, mtime=0)[:-9], "end"),
        ("plain.txt.gz", b"cat 1 2\n", "gzip"),
        ("plain.txt.xz", b"cat 1 2\n", "format"),
        ("plain.zip", b"cat 1 2\n", "zip"),
        ("plain.kv", b"cat 1 2\n", "[Pp]ickle"),
        ("plain.safetensors", b"cat 1 2\n", "header"),
    ],
)
def test_malformed_files_are_named_with_the_place(tmp_path, name, content, named):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.*{named}"):
        PretrainedEmbedder.load(tmp_path / name, trusted=True)


def test_vectors_of_zeros_are_read_beside_others(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"a 0 0\nb 0 0\nc 0 3\n")
    assert_array_equal(PretrainedEmbedder.load(tmp_path / "v.txt").transform(["c"]), [[0, 1]])


def test_saves_of_gensim_are_checked_for_finite_vectors(tmp_path):
    keyed = KeyedVectors(2)
    keyed.add_vectors(["cat", "dog"], np.array([[1, 2], [np.inf, 1]], dtype=np.float32))
    keyed.save(str(tmp_path / "v.kv"))
    with pytest.raises(ValueError, match=r"v\.kv.*'dog'"):
        PretrainedEmbedder.load(tmp_path / "v.kv", trusted=True)


def test_other_safetensors_need_one_vector_for_each_term(tmp_path):
    terms = np.frombuffer(b"cat\ndog", dtype=np.uint8)
    save_file({"terms": terms, "vectors": np.eye(3, dtype=np.float32)}, tmp_path / "v.safetensors")
    with pytest.raises(ValueError, match=r"v\.safetensors.*2 terms"):
        PretrainedEmbedder.load(tmp_path / "v.safetensors")


def test_vectors_of_other_machines_are_saved(tmp_path):
    PretrainedEmbedder((["cat"], np.array([[1, 2]], dtype=">f4"))).save(tmp_path / "v.safetensors")
    assert_array_equal(PretrainedEmbedder.load(tmp_path / "v.safetensors").vectors.matrix, [[1, 2]])


def test_changed_bytes_of_our_format_are_noticed(tmp_path, animals):
    path = tmp_path / "v.safetensors"
    animals.save(path)
    arrays = load_file(path)
    arrays["vectors"][0, 0] += 1
    with safe_open(path, framework="np") as file:
        save_file(arrays, path, file.metadata())
    with pytest.raises(ValueError, match=r"v\.safetensors.*'vectors'"):
        PretrainedEmbedder.load(path)
    save_file(arrays, path)  # Files of other tools have no checksums.
    assert_array_equal(PretrainedEmbedder.load(path).vectors.matrix, arrays["vectors"])


def test_a_zip_with_several_files_names_them(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        for size in (50, 100):
            archive.writestr(f"glove.6B.{size}d.txt", "cat 1 2\n")
    with pytest.raises(ValueError, match=r"glove\.6B\.50d\.txt.*glove\.6B\.100d\.txt"):
        PretrainedEmbedder.load(tmp_path / "glove.6B.zip")


def test_the_file_inside_a_zip_determines_the_format(tmp_path, animals):
    animals.save(tmp_path / "vectors.bin")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(tmp_path / "vectors.bin", "vectors.bin")
    assert PretrainedEmbedder.load(tmp_path / "archive.zip").terms_[:2] == ("white", "shark")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        PretrainedEmbedder.load(tmp_path / "nowhere.txt")


@pytest.mark.parametrize(
    "name", ["v.zip", "v.KV", "v.kv.gz", "v.npz", "v.npz.gz", "v.safetensors.xz"]
)
def test_read_only_formats_are_not_written(tmp_path, animals, name):
    with pytest.raises(ValueError, match=name):
        animals.save(tmp_path / name)


@pytest.mark.parametrize("broken", [{"b": [np.nan, 1.0]}, {"b\nc": [1.0, 2.0]}, {"\ud800": [1, 2]}])
@pytest.mark.parametrize("name", FORMATS)
def test_a_failed_save_keeps_the_earlier_file(tmp_path, name, broken):
    (tmp_path / name).write_bytes(b"before")
    with pytest.raises(ValueError, match=r"b|\\ud800"):
        PretrainedEmbedder({"a": [1.0, 2.0], **broken}).save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
