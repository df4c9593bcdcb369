"""What is written is read again, and as other programs write and read it."""

import bz2
import errno
import gzip
import lzma
import shutil
import struct
import zipfile

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from skdevise import PretrainedEmbedder
from skdevise.language._subwords import Subwords
from skdevise.language.formats.npz import read_npz

HALF = np.sqrt(0.5)
ARRAY_FILES = ["v.npz", "v.safetensors"]


@pytest.fixture(autouse=True)
def safetensors():
    return pytest.importorskip("safetensors")


@pytest.mark.parametrize(
    "name",
    ["v.txt", "v.txt.gz", "v.txt.bz2", "v.txt.xz", "v.vec", "v.bin", "v.bin.gz", "v.d1.bin"],
)
def test_what_is_saved_is_loaded(tmp_path, animals, name):
    animals.save(tmp_path / name)
    again = PretrainedEmbedder.load(str(tmp_path / name))
    assert again.terms_ == ("white", "shark", "Great_Dane")
    asked = ["white shark", "great dane"]
    assert_allclose(again.transform(asked), animals.transform(asked), rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_zip_tells_the_format_of_a_member_without_a_suffix(tmp_path, animals):
    animals.save(tmp_path / "v.bin")
    with zipfile.ZipFile(tmp_path / "v.bin.zip", "w") as archive:
        archive.write(tmp_path / "v.bin", "v")
    assert PretrainedEmbedder.load(tmp_path / "v.bin.zip").terms_ == animals.terms_


def test_a_full_disk_is_no_damaged_file(tmp_path, animals, monkeypatch):
    animals.save(tmp_path / "v.npz")
    (tmp_path / "v.npz.gz").write_bytes(gzip.compress((tmp_path / "v.npz").read_bytes()))

    def fill(stream, copy):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fill)
    with pytest.raises(OSError, match="No space left on device"):
        PretrainedEmbedder.load(tmp_path / "v.npz.gz")


@pytest.mark.parametrize("name", ["v.txt.gz", "v.bin", "v.npz", "v.safetensors"])
def test_the_case_of_a_suffix_does_not_matter(tmp_path, animals, name):
    animals.save(tmp_path / name)
    (tmp_path / name).rename(tmp_path / name.upper())
    assert PretrainedEmbedder.load(tmp_path / name.upper()).terms_ == animals.terms_
    animals.save(tmp_path / name.upper())
    (tmp_path / name.upper()).rename(tmp_path / name)
    assert PretrainedEmbedder.load(tmp_path / name).terms_ == animals.terms_


@settings(deadline=None, max_examples=30)
@given(
    arrays(np.float32, (3, 4), elements=st.floats(allow_nan=False, allow_infinity=False, width=32))
)
def test_saved_numbers_lose_nothing(tmp_path_factory, matrix):
    folder = tmp_path_factory.mktemp("files")
    for name in ("v.txt", "v.bin", "v.npz", "v.safetensors"):
        PretrainedEmbedder((list("abc"), matrix)).save(folder / name)
        assert_array_equal(PretrainedEmbedder.load(folder / name).vectors[1], matrix)


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_gensim_reads_what_is_saved(tmp_path, name):
    PretrainedEmbedder({"great white shark": [1, 2]}).save(tmp_path / name)
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary="bin" in name)
    assert keyed.index_to_key == ["great_white_shark"]
    assert_array_equal(keyed["great_white_shark"], [1, 2])


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_what_gensim_writes_is_read(tmp_path, name):
    keyed = KeyedVectors(3)
    matrix = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    keyed.add_vectors(["œuf", "cat"], matrix)
    keyed.save_word2vec_format(str(tmp_path / name), binary="bin" in name)
    embedder = PretrainedEmbedder.load(tmp_path / name)
    assert embedder.terms_ == ("œuf", "cat")
    assert_array_equal(embedder.vectors[1], matrix)


# Text


@pytest.fixture(params=["glove.txt", "glove.txt.gz", "glove.txt.bz2", "glove.txt.xz", "glove.zip"])
def glove_file(request, tmp_path):
    """Terms and numbers without a header, as GloVe writes them."""
    path = tmp_path / request.param
    content = "the 0.0 2.0 0.0\n, 1 1 1\nœuf -3e0 0 0\n".encode()
    compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("glove.txt", content)
    else:
        path.write_bytes(compress.get(path.suffix, bytes)(content))
    return path


def test_glove_files_have_no_header(glove_file):
    embedder = PretrainedEmbedder.load(glove_file)
    assert embedder.terms_ == ("the", ",", "œuf")
    assert_array_equal(embedder.transform(["œuf", "the"]), [[-1, 0, 0], [0, 1, 0]])


def test_limit_reads_the_first_terms(glove_file):
    assert PretrainedEmbedder.load(glove_file, limit=2).terms_ == ("the", ",")
    assert PretrainedEmbedder.load(glove_file, limit=9).terms_ == ("the", ",", "œuf")


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_limit_is_a_number_of_terms(glove_file, limit):
    with pytest.raises(ValueError, match="limit is a whole number"):
        PretrainedEmbedder.load(glove_file, limit=limit)


def test_load_passes_options_on(glove_file):
    strict = PretrainedEmbedder.load(glove_file, oov="error", center=True)
    assert_array_equal(strict.has_vector(["the", "the œuf"]), [True, False])
    assert strict.center


def test_lines_may_end_in_blanks_and_terms_may_hold_them(tmp_path):
    # fastText ends lines so, and GloVe's 840B has such terms; U+0085 would end a line of str.
    path = tmp_path / "v.vec"
    path.write_bytes("4 2\nof 1 2 \nat name@domain.com 3 4\r\n\x85 5 6\n. . . 7 8\n\n".encode())
    embedder = PretrainedEmbedder.load(path)
    assert embedder.terms_ == ("of", "at name@domain.com", "\x85", ". . .")
    assert_array_equal(embedder.vectors[1], [[1, 2], [3, 4], [5, 6], [7, 8]])


def test_a_byte_order_mark_is_no_part_of_a_term(tmp_path):
    for content in ("\ufeffcat 1 2\ndog 3 4\n", "\ufeff2 2\ncat 1 2\ndog 3 4\n"):
        (tmp_path / "v.txt").write_text(content, encoding="utf-8")
        assert PretrainedEmbedder.load(tmp_path / "v.txt").terms_ == ("cat", "dog")


def test_what_follows_a_limit_is_not_looked_at(tmp_path):
    (tmp_path / "v.vec").write_bytes(b"3 2\na 1 2\nb 3 4\nc 5\n")
    assert PretrainedEmbedder.load(tmp_path / "v.vec", limit=2).terms_ == ("a", "b")


def test_long_files_are_read_in_pieces(tmp_path, monkeypatch):
    from skdevise.language.formats import binary, text

    monkeypatch.setattr(text, "_CHUNK", 50)
    monkeypatch.setattr(binary, "_CHUNK", 50)
    matrix = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    embedder = PretrainedEmbedder(([f"t{i}" for i in range(300)], matrix))
    for name in ("v.txt", "v.bin"):
        embedder.save(tmp_path / name)
        again = PretrainedEmbedder.load(tmp_path / name)
        assert again.terms_ == embedder.terms_
        assert_array_equal(again.vectors[1], matrix)


# Repeated terms


@pytest.mark.parametrize(
    ("name", "content", "places"),
    [
        ("v.txt", b"cat 1 0\ndog 0 1\ncat 0 1\ncat 5 5\n", "line 1, in line 3"),
        ("v.vec", b"4 2\ncat 1 0\ndog 0 1\ncat 0 1\ncat 5 5\n", "line 2, in line 4"),
        (
            "v.bin",
            b"4 2\ncat \0\0\x80?\0\0\0\0dog \0\0\0\0\0\0\x80?cat " + bytes(8) + b"cat " + bytes(8),
            "record 1, in record 3",
        ),
    ],
)
def test_the_first_of_repeated_terms_counts_and_the_second_is_named(
    tmp_path, name, content, places
):
    (tmp_path / name).write_bytes(content)
    with pytest.warns(
        UserWarning, match=f"{name}' repeats terms 2 times, at first 'cat', of {places}"
    ):
        embedder = PretrainedEmbedder.load(tmp_path / name)
    assert embedder.terms_ == ("cat", "dog")
    assert_array_equal(embedder.transform(["cat", "dog"]), [[1, 0], [0, 1]])


@pytest.mark.parametrize("name", ARRAY_FILES)
def test_the_first_of_repeated_terms_counts_in_arrays_too(tmp_path, name):
    table = ["cat", "dog", "cat"], np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    PretrainedEmbedder(table).save(tmp_path / name)
    with pytest.warns(UserWarning, match="at first 'cat', of row 0, in row 2"):
        embedder = PretrainedEmbedder.load(tmp_path / name)
    assert embedder.terms_ == ("cat", "dog")
    assert_array_equal(embedder.transform(["cat", "dog"]), [[1, 0], [0, 1]])
    mapped = PretrainedEmbedder.load(tmp_path / name, mmap=True)
    assert_array_equal(mapped.transform(["cat", "dog"]), [[1, 0], [0, 1]])


# Files that open at once


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", ARRAY_FILES)
def test_arrays_are_read_or_mapped(tmp_path, name, mmap):
    matrix = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    terms = ["Great white", "in-line skate", "œuf", "O_o", *map(str, range(36))]
    whole = PretrainedEmbedder((terms, matrix))
    whole.save(tmp_path / name)
    again = PretrainedEmbedder.load(tmp_path / name, mmap=mmap)
    assert isinstance(again.vectors[1], np.memmap) == mmap
    # BLAS copies what is not aligned.
    assert again.vectors[1].flags.aligned
    assert_array_equal(again.vectors[1], matrix)
    asked = ["great WHITE", "in line skates", "ŒUF", "o o", "35", "œuf 7"]
    assert_array_equal(again.transform(asked), whole.transform(asked))
    assert again.most_similar("œuf", k=3) == whole.most_similar("œuf", k=3)
    assert again.terms_ == tuple(terms)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", ARRAY_FILES)
def test_arrays_are_limited(tmp_path, name, mmap):
    PretrainedEmbedder((list("abcd"), np.eye(4))).save(tmp_path / name)
    again = PretrainedEmbedder.load(tmp_path / name, mmap=mmap, limit=2)
    assert again.terms_ == ("a", "b")
    assert_array_equal(again.has_vector(list("abcd")), [True, True, False, False])
    assert again.nearest([[0, 1, 0, 9]], k=2).tolist() == [["b", "a"]]


def test_any_arrays_of_these_names_are_a_table(tmp_path):
    np.savez_compressed(tmp_path / "v.npz", terms=["cat", "dog"], vectors=np.eye(2))
    embedder = PretrainedEmbedder.load(tmp_path / "v.npz")
    assert_array_equal(embedder.transform(["Dog"]), [[0, 1]])
    with pytest.raises(ValueError, match="compressed, so that it cannot be memory-mapped"):
        PretrainedEmbedder.load(tmp_path / "v.npz", mmap=True)


def test_float16_stays_float16_and_numpy_reads_the_file(tmp_path):
    matrix = np.array([[1, 2], [3, 4]], dtype=np.float16)
    PretrainedEmbedder((["cat", "dog"], matrix)).save(tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz") as archive:
        assert_array_equal(archive["vectors"], matrix)
        assert archive["terms"].tobytes() == b"cat\ndog"
    mapped = PretrainedEmbedder.load(tmp_path / "v.npz", mmap=True)
    assert mapped.vectors[1].dtype == np.float16


def test_a_look_up_of_another_version_is_made_anew(tmp_path):
    PretrainedEmbedder({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).save(tmp_path / "v.npz")
    content = read_npz(tmp_path / "v.npz")
    content |= {"lookup_version": np.array([0]), "lookup_hashes": np.zeros(2, np.uint64)}
    np.savez(tmp_path / "old.npz", **content)
    assert PretrainedEmbedder.load(tmp_path / "old.npz").has_vector(["dog"])[0]


def test_what_is_subtracted_is_left_out_of_the_file(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((30, 6)) + 3
    embedder = PretrainedEmbedder(([f"t{i}" for i in range(30)], matrix), all_but_the_top=1)
    for name in ("v.npz", "v.txt"):
        embedder.save(tmp_path / name)
        again = PretrainedEmbedder.load(tmp_path / name)
        assert_allclose(
            again.transform(["t3", "t1 t2"]), embedder.transform(["t3", "t1 t2"]), atol=1e-5
        )


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.txt.gz"])
def test_what_cannot_be_mapped_says_what_can(tmp_path, animals, name):
    animals.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"cannot be memory-mapped.*save it as \.npz"):
        PretrainedEmbedder.load(tmp_path / name, mmap=True)


# gensim's and fastText's own files

TEXT = [["white", "shark", "swims"], ["great", "dane", "runs"]] * 20


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", ["v.kv", "v.wordvectors", "v.model", "ft.model"])
def test_gensim_saves_are_read(tmp_path, name, mmap):
    kind = FastText if name.startswith("ft") else Word2Vec
    options = {"bucket": 20} if kind is FastText else {}
    model = kind(TEXT, vector_size=4, min_count=1, seed=0, workers=1, **options)
    # Large arrays go into files of their own; these are small.
    (model if name.endswith("model") else model.wv).save(str(tmp_path / name), sep_limit=0)
    embedder = PretrainedEmbedder.load(tmp_path / name, mmap=mmap)
    mapped = embedder.vectors[2].vectors if kind is FastText else embedder.vectors[1]
    assert isinstance(mapped, np.memmap) == mmap
    assert_array_equal(embedder.vectors[1], model.wv.vectors)
    assert embedder.has_vector(["sharkskin"])[0] == (kind is FastText)
    assert PretrainedEmbedder.load(tmp_path / name, limit=2).terms_ == embedder.terms_[:2]


@pytest.mark.parametrize("name", ARRAY_FILES)
def test_a_model_of_fasttext_keeps_its_n_grams(tmp_path, name):
    model = FastText(TEXT, vector_size=4, min_count=1, bucket=20, seed=0, workers=1)
    save_facebook_model(model, str(tmp_path / "ft.bin"))
    embedder = PretrainedEmbedder.load(tmp_path / "ft.bin")
    vector = model.wv.get_vector("sharkskin", norm=True)
    assert_allclose(embedder.transform(["sharkskin"])[0], vector, atol=1e-5)
    PretrainedEmbedder(embedder.vectors, center=True).save(tmp_path / name)
    again = PretrainedEmbedder.load(tmp_path / name, mmap=True)
    centred = PretrainedEmbedder(embedder.vectors, center=True)
    assert_allclose(again.transform(["sharkskin"]), centred.transform(["sharkskin"]), atol=1e-5)
    with pytest.warns(UserWarning, match=r"no room for the n-grams .*\.npz"):
        embedder.save(tmp_path / "v.txt")


# Compressed files

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def pack(path, packing):
    """Compress a file, and give the path of what it becomes."""
    if packing == ".zip":
        # Its own name does not tell what is in it.
        packed = path.with_name("packed.zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, f"folder/{path.name}")
    else:
        packed = path.with_name(path.name + packing)
        packed.write_bytes(COMPRESS[packing](path.read_bytes()))
    return packed


@pytest.mark.parametrize("packing", [*COMPRESS, ".zip"])
@pytest.mark.parametrize("name", ["v.bin", *ARRAY_FILES])
def test_compressed_files_are_read(tmp_path, animals, name, packing):
    animals.save(tmp_path / name)
    path = pack(tmp_path / name, packing)
    embedder = PretrainedEmbedder.load(path)
    assert embedder.terms_ == animals.terms_
    assert_allclose(embedder.transform(animals.terms_), animals.transform(animals.terms_))
    with pytest.raises(ValueError, match=r"cannot be memory-mapped.*save it as \.npz"):
        PretrainedEmbedder.load(path, mmap=True)


@pytest.mark.parametrize("packing", [*COMPRESS, ".zip"])
def test_compressed_models_of_fasttext_are_read(tmp_path, packing):
    model = FastText(TEXT, vector_size=4, min_count=1, bucket=20, seed=0, workers=1)
    save_facebook_model(model, str(tmp_path / "cc.en.300.bin"))
    embedder = PretrainedEmbedder.load(pack(tmp_path / "cc.en.300.bin", packing))
    assert_array_equal(embedder.vectors[1], model.wv.vectors)
    assert embedder.has_vector(["sharkskin"])[0]


def test_a_model_of_fasttext_that_is_cut_off_is_refused(tmp_path):
    model = FastText(TEXT, vector_size=4, min_count=1, bucket=20, seed=0, workers=1)
    path = tmp_path / "cc.en.300.bin"
    save_facebook_model(model, str(path))
    whole = path.read_bytes()
    # The weights of the softmax come last, and are not read.
    n_read = len(whole) - model.syn1neg.nbytes - 17
    for size in range(8, n_read, 23):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"cc.en.300.bin' is not .*: gensim cannot read it"):
            PretrainedEmbedder.load(path)


def test_a_compressed_save_of_gensim_says_what_to_do(tmp_path):
    (tmp_path / "v.kv.gz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"v\.kv\.gz' is not .*: a save of gensim's.*unpack it"):
        PretrainedEmbedder.load(tmp_path / "v.kv.gz")


# Malformed files

TABLE = {"terms": ["a", "b"], "vectors": np.eye(2)}
NGRAMS = TABLE | {"ngrams": np.ones((4, 2)), "ngram_lengths": [3, 4]}


@pytest.mark.parametrize(
    ("name", "content", "detail"),
    [
        ("empty.txt", b"", "line 1 holds no vector"),
        ("empty.bin", b"", "first line is not"),
        ("blank.txt", b"\n", "line 1 holds no vector"),
        ("terms.txt", b"cat\ndog\n", "line 1 holds no vector"),
        ("prose.txt", b"It was a dark night\n", "line 1 holds b'was' for a number"),
        ("short.txt", b"cat 1 2 3\ndog 1 2\n", "line 2 holds 2 values, not 3"),
        ("long.txt", b"cat 1 2\ndog 1 2 3\n", "line 2 holds 3 values, not 2"),
        # As many values in all as there should be.
        ("uneven.txt", b"cat 1 2\ndog 1 2 3\nrat 1\n", "line 2 holds 3 values, not 2"),
        ("gap.txt", b"cat 1 2\n\ndog 1 2\n", "line 2 holds 0 values, not 2"),
        ("wide.vec", b"2 2\ncat 1 2 3\ndog 1 2 3\n", "line 2 holds 3 values, not 2"),
        ("cut.vec", b"3 2\ncat 1 2\ndog 1 2\n", "ends after line 3, with 2 of the 3 terms"),
        ("more.vec", b"2 2\na 1 2\nb 3 4\n\nc 5 6\nd 7\n", "line 5 follows the 2 terms"),
        ("headonly.vec", b"0 2\n", "no vector in it"),
        ("size0.vec", b"2 0\n", "line 1 holds no vector"),
        ("nan.txt", b"cat 1 2\ndog nan 2\n", "line 2 holds a number that is not finite"),
        ("inf.txt", b"cat 1 2\ndog 2 -inf\n", "line 2 holds a number that is not finite"),
        ("large.txt", b"cat 1 2\ndog 2 1e99\n", "line 2 holds a number that is not finite"),
        ("comma.txt", b"cat 1,5 2\n", "line 1 holds b'1,5' for a number"),
        ("latin1.txt", b"cat 1 2\ncaf\xe9 1 2\n", "line 2 is not UTF-8"),
        ("pickle.txt", b"\x80\x04\x95cat", "looks like a pickle; if gensim saved it"),
        ("cut.bin", b"2 2\ncat abcdefghdog abc", "record 2 of 2, at byte 16, is cut off"),
        ("prose.bin", b"It was a dark night\n", "first line is not"),
        ("size0.bin", b"2 0\n", "a vector has 0 numbers"),
        ("endless.bin", b"3 999999999999\ncat abcd", "a vector has 999999999999 numbers"),
        ("nan.bin", b"1 1\ncat " + struct.pack("<f", np.nan), "record 1, at byte 4, .* not finite"),
        ("latin1.bin", b"1 1\ncaf\xe9 \0\0\0\0", "record 1, at byte 4, is not UTF-8"),
        ("more.bin", b"1 1\ncat \0\0\0\0dog \0\0\0\0", "more follows at byte 12"),
        ("noterm.bin", b"1 1\n" + bytes(99999), "record 1, at byte 4, holds no term"),
        ("ft.bin", struct.pack("<ii", 793712314, 12) + b"abc", "gensim cannot read it"),
        ("plain.txt.gz", b"cat 1 2\n", "Not a gzipped file"),
        ("plain.bin.gz", b"1 2\ncat abcdefgh", "Not a gzipped file"),
        ("cut.txt.gz", gzip.compress(b"cat 1 2\n" * 999)[:-9], "decompressed from line 2 on"),
        ("cut.bin.gz", gzip.compress(b"1 2\ncat abcdefgh" + bytes(9))[:-9], "decompressed"),
        ("plain.txt.xz", b"cat 1 2\n", "format"),
        ("plain.txt.bz2", b"cat 1 2\n", "Invalid data stream"),
        ("plain.zip", b"cat 1 2\n", "not a zip file"),
        ("plain.npz.gz", b"cat 1 2\n", "Not a gzipped file"),
        ("plain.npz", b"cat 1 2\n", "not the zip file that an .npz is"),
        ("plain.safetensors", b"cat 1 2\n", "."),
        ("plain.kv", b"cat 1 2\n", "gensim cannot load it"),
    ],
)
def test_a_malformed_file_is_named_in_one_sentence_with_the_place(tmp_path, name, content, detail):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}' is not a file of .*: .*{detail}") as error:
        PretrainedEmbedder.load(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"words": ["cat"]}, "holds .*'words'.*, but no array 'terms'"),
        ({"terms": ["cat"]}, "no array 'vectors'"),
        (
            {"terms": ["cat"], "vectors": [1.0]},
            r"no matrix of numbers, but float64 of shape \(1,\)",
        ),
        ({"terms": ["cat"], "vectors": [["a"]]}, "no matrix of numbers"),
        ({"terms": [1.5], "vectors": [[1.0]]}, "terms are no text, but float64"),
        ({"terms": ["a", "b"], "vectors": [[1.0]]}, "2 terms, but 1 vectors"),
        ({"terms": ["a", "b"], "vectors": [[1.0], [np.nan]]}, "row 1, of 'b', .* not finite"),
        ({"terms": np.array(["a"], object), "vectors": [[1.0]]}, "[Oo]bject"),
        (
            {"terms": np.frombuffer(b"cat\ncaf\xe9", np.uint8), "vectors": np.eye(2)},
            "term of row 1 is not UTF-8",
        ),
        (NGRAMS | {"ngrams": np.ones((4, 3))}, "ngrams are 3-d, but its vectors 2-d"),
        (NGRAMS | {"ngrams": np.ones(2)}, "ngrams are no matrix of numbers"),
        (NGRAMS | {"ngrams": np.ones((0, 2))}, "ngrams are no matrix of numbers"),
        (NGRAMS | {"ngrams": [["a", "b"]]}, "ngrams are no matrix of numbers"),
        (NGRAMS | {"ngrams": [[1.0, 2.0], [np.nan, 1.0]]}, "row 1 of its ngrams .* not finite"),
        (NGRAMS | {"ngram_lengths": [3]}, "ngram_lengths, .* no two whole numbers"),
        (NGRAMS | {"ngram_lengths": [3.5, 4.5]}, "ngram_lengths, .* no two whole numbers"),
        (TABLE | {"ngrams": np.ones((4, 2))}, "ngram_lengths, .* no two whole numbers"),
    ],
)
def test_arrays_that_are_no_table_are_refused(tmp_path, content, detail):
    np.savez(tmp_path / "v.npz", **content)
    with pytest.raises(ValueError, match=rf"v\.npz' is not a file of .*: .*{detail}"):
        PretrainedEmbedder.load(tmp_path / "v.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"lookup_hashes": None},
        {"lookup_rows": None},
        {"lookup_hashes": np.zeros(1, np.uint64)},
        {"lookup_hashes": np.zeros(0, np.uint64), "lookup_rows": np.zeros(0, np.int32)},
        {"lookup_hashes": np.uint64(0), "lookup_rows": np.int32(0)},
        {"lookup_rows": np.array([0, -9], np.int32)},
        {"lookup_version": np.zeros(0, int)},
    ],
)
@pytest.mark.parametrize("mmap", [False, True])
def test_a_look_up_that_is_not_whole_is_made_anew(tmp_path, change, mmap):
    PretrainedEmbedder({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).save(tmp_path / "v.npz")
    content = read_npz(tmp_path / "v.npz") | change
    content = {name: array for name, array in content.items() if array is not None}
    np.savez(tmp_path / "broken.npz", **content)
    embedder = PretrainedEmbedder.load(tmp_path / "broken.npz", mmap=mmap)
    assert_array_equal(embedder.transform(["dog", "cat"]), [[0, 1], [1, 0]])


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    ("place", "bits"),
    [
        # Of the last member's entry in the zip file's directory: the version that is needed,
        # that it is encrypted or patched, how it is compressed, and where it begins.
        (6, 0x80),
        (8, 0x01),
        (8, 0x20),
        (10, 0x80),
        (43, 0x80),
        # Of the end of the file: where the directory begins.
        (-3, 0x80),
    ],
)
def test_a_damaged_zip_file_is_refused_in_one_sentence(tmp_path, place, bits, mmap):
    path = tmp_path / "v.npz"
    PretrainedEmbedder({"cat": [1.0]}).save(path)
    content = bytearray(path.read_bytes())
    content[place if place < 0 else content.rindex(b"PK\1\2") + place] ^= bits
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"v\.npz' is not a file of .*: "):
        PretrainedEmbedder.load(path, mmap=mmap)


def test_a_damaged_header_of_a_mapped_array_is_refused(tmp_path):
    path = tmp_path / "v.npz"
    PretrainedEmbedder({"cat": [1.0]}).save(path)
    path.write_bytes(path.read_bytes().replace(b"(1, 1)", b"(1, 1(", 1))
    with pytest.raises(ValueError, match="header of its array 'vectors' is damaged"):
        PretrainedEmbedder.load(path, mmap=True)


def test_n_grams_that_load_would_refuse_are_not_saved(tmp_path):
    subwords = Subwords(np.array([[1.0], [np.nan]]), 3, 4)
    with pytest.raises(ValueError, match="Row 1 of the n-grams .* not finite"):
        PretrainedEmbedder((["cat"], np.ones((1, 1)), subwords)).save(tmp_path / "v.npz")


def test_a_zip_of_several_files_names_them(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        for size in (50, 100):
            archive.writestr(f"glove.6B.{size}d.txt", "cat 1 2\n")
    with pytest.raises(ValueError, match=r"2 files, \['glove.6B.50d.txt', .*unpack the one"):
        PretrainedEmbedder.load(tmp_path / "glove.6B.zip")


def test_a_gensim_save_without_vectors_is_refused(tmp_path):
    from gensim.corpora import Dictionary

    Dictionary([["cat"]]).save(str(tmp_path / "v.model"))
    with pytest.raises(ValueError, match="holds a Dictionary, which has no term vectors"):
        PretrainedEmbedder.load(tmp_path / "v.model")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of term vectors at .*nowhere\.txt"):
        PretrainedEmbedder.load(tmp_path / "nowhere.txt")


@pytest.mark.parametrize("name", ["v.zip", "v.KV", "v.kv.gz", "v.npz.gz", "v.safetensors.xz"])
def test_formats_that_are_only_read_are_not_written(tmp_path, animals, name):
    with pytest.raises(ValueError, match=f"Files such as .*{name}' are read only"):
        animals.save(tmp_path / name)


@pytest.mark.parametrize("name", ["v.txt", "v.bin", *ARRAY_FILES])
def test_what_load_would_refuse_is_not_saved(tmp_path, name):
    for broken in (np.nan, np.inf, -np.inf):
        embedder = PretrainedEmbedder({"a": [1.0, 2.0], "b": [broken, 1.0]})
        with pytest.raises(ValueError, match="vector of 'b' holds a number that is not finite"):
            embedder.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_numbers_too_large_for_a_format_are_not_saved(tmp_path, name):
    # The matrix is float64, the formats are float32.
    embedder = PretrainedEmbedder({"a": [1.0, 2.0], "b": [1e200, 1.0]})
    with pytest.raises(ValueError, match="vector of 'b' .* not finite as float32"):
        embedder.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["v.txt", "v.bin", *ARRAY_FILES])
def test_a_term_that_utf_8_cannot_hold_is_not_saved(tmp_path, name):
    with pytest.raises(ValueError, match=r"text in UTF-8, got '.*\\ud800'"):
        PretrainedEmbedder({"a": [1.0], "b\ud800": [1.0]}).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["v.txt", "v.bin", *ARRAY_FILES])
def test_a_place_that_cannot_be_written_to_is_named(tmp_path, animals, name):
    with pytest.raises(FileNotFoundError, match=r"no folder '[^']*nowhere'"):
        animals.save(tmp_path / "nowhere" / name)
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError, match=f"{name}' is a folder"):
        animals.save(tmp_path / name)


@pytest.mark.parametrize("name", ["v.txt", "v.bin", *ARRAY_FILES])
def test_a_save_that_fails_leaves_the_file_of_before(tmp_path, name):
    (tmp_path / name).write_bytes(b"before")
    with pytest.raises(ValueError, match=r"no line feed, got 'a\\nb'"):
        PretrainedEmbedder({"a": [1.0], "a\nb": [1.0]}).save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
