"""Hostile and damaged files end with one error that names them, in bounded time and memory."""

import gzip
import io
import json
import os
import sqlite3
import struct
import tarfile
import zipfile
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from skdevise import FeatureCache, Hierarchy, LabelVocabulary, PretrainedEmbedder, load
from skdevise._bounded import MAX_PHOTO_BYTES, open_bounded, read_all
from skdevise.datasets import load_image_folder, load_image_table
from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._backbones import read_state_dict
from skdevise.vision._photos import Photos
from tests.fuzz import make_fasttext

resource = pytest.importorskip("resource")


@pytest.fixture(autouse=True)
def little_memory():
    """Let a test allocate at most 1 GB more than the process already has."""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("The size of a process is read from /proc, which this system does not have.")
    with open("/proc/self/statm") as file:
        n_bytes = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def compress(path, *parts, n_megabytes):
    """Write parts and then many equal bytes: about 1,000 times fewer bytes on the disk."""
    # A file of several gzip streams is the stream of their contents.
    content = gzip.compress(b"".join(parts)) + gzip.compress(b"1" * 2**20) * n_megabytes
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("start", [b"", b"ab 1 1\n", b"2 2\nab 1 1\n"])
def test_a_line_of_a_file_of_vectors_has_at_most_a_megabyte(tmp_path, start):
    path = tmp_path / "vectors.txt"
    path.write_bytes(start + b"a" + b" 1" * 2**20)
    with pytest.raises(ValueError, match=r"vectors\.txt.*1048576 bytes"):
        PretrainedEmbedder.load(path)


def test_a_long_line_of_vectors_is_still_read(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"a" + b" 1" * 5000 + b"\nb" + b" 2" * 5000)
    assert PretrainedEmbedder.load(path).transform(["a", "b"]).shape == (2, 5000)


@pytest.mark.parametrize(
    ("name", "named"), [("vectors.txt.gz", "1048576 bytes"), ("vectors.bin.gz", "n_terms")]
)
def test_a_compressed_line_is_not_read_to_its_end(tmp_path, name, named):
    path = compress(tmp_path / name, n_megabytes=20)
    with pytest.raises(ValueError, match=named):
        PretrainedEmbedder.load(path)


@pytest.mark.parametrize(
    "content", [b"10 1000000000000\nab 1", b"10 2\n" + b"a" * 2**21, b"9" * 5000 + b" 2\nab 1"]
)
def test_claims_of_a_binary_file_are_bounded(tmp_path, content):
    path = tmp_path / "vectors.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vectors\.bin"):
        PretrainedEmbedder.load(path)


def test_a_file_gives_at_most_100_times_its_size(tmp_path):
    # 64 MB are always allowed. 700 kB may become 70 MB.
    path = tmp_path / "file.gz"
    compress(path, n_megabytes=70)
    with open_bounded(path) as stream, pytest.raises(ValueError, match=str(2**26)):
        while stream.read(2**20):
            pass
    compress(path, os.urandom(700_000), n_megabytes=66)
    with open_bounded(path) as stream:
        assert sum(iter(lambda: len(stream.read(2**20)), 0)) == 700_000 + 66 * 2**20


def test_a_small_archive_does_not_fill_the_disk(tmp_path):
    path = compress(tmp_path / "photos.tar.gz", n_megabytes=70)
    with pytest.raises(ValueError, match=str(2**26)):
        load_image_folder(path)


def test_a_small_member_of_a_zip_file_has_at_most_64_megabytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("cat/1.png", "w") as member:
            for _ in range(65):
                member.write(bytes(2**20))
        archive.writestr("dog/1.png", b"")
    photo, _ = load_image_folder(tmp_path / "a.zip", check=None).data
    with pytest.raises(UnreadablePhotoError, match=str(2**26)):
        Photos([photo]).pixels(0)


def test_members_of_a_zip_file_are_compressed_with_deflate(tmp_path):
    # zipfile would decompress all of the others at once.
    path = tmp_path / "vectors.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("vectors.txt", "cat 1 2\n")
    with pytest.raises(ValueError, match=r"vectors\.zip.*deflate"):
        PretrainedEmbedder.load(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_name_of_a_member_leads_to_no_other_file(tmp_path, kind):
    # fsspec would open the file that follows "::".
    path = tmp_path / f"photos.{kind}"
    names = ["cat/1.jpg", "dog/1.jpg::/etc/photos.zip"]
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    else:
        with tarfile.open(path, "w") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ValueError, match=rf"photos\.{kind}.*::"):
        load_image_folder(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "read", "bound"),
    [("labels.json", LabelVocabulary.load, 2**24), ("photos.csv", load_image_table, 2**16)],
)
def test_vocabularies_and_lines_of_tables_are_bounded(tmp_path, name, read, bound, suffix):
    path = tmp_path / (name + suffix)
    if suffix:
        compress(path, n_megabytes=65)
    else:
        with open(path, "wb") as file:
            file.truncate(2**26 + 1)
    with pytest.raises(ValueError, match=rf"{name}.*{bound}"):
        read(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_are_below_at_most_100_folders(tmp_path, kind):
    path = tmp_path / f"photos.{kind}"
    names = ["a/" * 24_000 + "1.jpg", "b/" * 24_000 + "1.jpg"]
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    else:
        with tarfile.open(path, "w") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ValueError, match="100 folders"):
        load_image_folder(path)


@pytest.mark.parametrize("n_bytes", [0, 1, 2**18, 2**18 + 1, 2**20 - 1, 2**20])
def test_a_stream_is_read_whole(n_bytes):
    data = np.random.default_rng(0).bytes(n_bytes)
    assert read_all(io.BytesIO(data), 2**20) == data
    with pytest.raises(ValueError, match=str(2**20)):
        read_all(io.BytesIO(data + bytes(2**20 - n_bytes + 1)), 2**20)


def test_the_file_of_a_photo_has_at_most_256_megabytes():
    with pytest.raises(ValueError, match=str(2**28)):
        read_all(io.BytesIO(bytes(2**28 + 1)), MAX_PHOTO_BYTES)


def test_a_small_photo_has_at_most_67_million_pixels():
    # 2 ** 26 = 67,108,864, or 100 for each byte of the file.
    file = io.BytesIO()
    Image.new("1", (8193, 8192)).save(file, "png")
    with pytest.raises(UnreadablePhotoError, match="67117056 pixels"):
        Photos([file.getvalue()]).pixels(0)
    Image.new("1", (1000, 8192)).save(file := io.BytesIO(), "png")
    assert Photos([file.getvalue()]).pixels(0).shape == (3, 8192, 1000)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("pipe.txt", PretrainedEmbedder.load),
        ("pipe.safetensors", PretrainedEmbedder.load),
        ("pipe.json", LabelVocabulary.load),
        ("pipe.zip", load_image_folder),
        ("pipe.tar.gz", load_image_folder),
        ("pipe.csv", load_image_table),
        ("pipe.pth", lambda path: read_state_dict(path, None)),
        ("pipe.safetensors", load),
    ],
)
def test_named_pipes_are_refused(tmp_path, name, read):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"labels": [["a"]], "terms": [["a"]]}',
        '{"labels": 7, "terms": []}',
        '{"labels": ["a"], "terms": [["a"]], "pool": {}}',
        "[]",
    ],
)
def test_json_that_is_no_vocabulary_is_refused(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"labels\.json"):
        LabelVocabulary.load(path)


def test_a_missing_file_is_still_a_missing_file(tmp_path):
    for read in (PretrainedEmbedder.load, LabelVocabulary.load, load_image_folder):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing.json")


@pytest.fixture
def fasttext(tmp_path):
    make_fasttext(tmp_path / "fasttext.bin")
    return tmp_path / "fasttext.bin"


def test_a_fasttext_model_with_a_word_without_an_end_is_refused(fasttext):
    content = fasttext.read_bytes()
    # 64 bytes of parameters and 28 bytes of counts, then the first word, "a".
    assert content[92:94] == b"a\0"
    fasttext.write_bytes(content[:93])
    with pytest.raises(ValueError, match=r"fasttext\.bin.*word 1 of 4"):
        PretrainedEmbedder.load(fasttext)


def test_a_fasttext_model_that_claims_a_huge_shape_is_refused(fasttext):
    # 4 words and 20 n-grams of 4 numbers.
    content, shape = fasttext.read_bytes(), struct.pack("<2q", 24, 4)
    assert shape in content
    fasttext.write_bytes(content.replace(shape, struct.pack("<2q", 2**40, 4)))
    with pytest.raises(ValueError, match=rf"fasttext\.bin.*{2**40} vectors"):
        PretrainedEmbedder.load(fasttext)


def test_a_wrong_position_in_a_zip_file_is_refused(tmp_path):
    path = tmp_path / "vectors.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vectors.txt", "cat 1 2\n")
    content = bytearray(path.read_bytes())
    content[-6:-2] = b"\xff\0\0\0"  # the position of the list of members
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vectors\.zip"):
        PretrainedEmbedder.load(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"ngrams": np.ones((5, 3), dtype=np.float32)},
        {"ngrams": np.full((5, 2), np.nan, dtype=np.float32)},
        {"ngram_lengths": np.array([3, 2**31])},
        {"ngram_lengths": np.array([-1, 3])},
        {"ngram_lengths": np.array([4, 3])},
        {"vectors": np.ones((2, 2, 2), dtype=np.float32)},
        {"vectors": np.ones(2, dtype=np.float32)},
        {"vectors": np.ones((2, 0), dtype=np.float32)},
        {"ngrams": np.ones((0, 2), dtype=np.float32)},
        {"ngram_lengths": np.array([3])},
    ],
    ids=str,
)
def test_vectors_and_n_grams_that_do_not_fit_are_refused(tmp_path, changed):
    tensors = {
        "terms": np.frombuffer(b"cat\ndog", dtype=np.uint8),
        "vectors": np.ones((2, 2), dtype=np.float32),
        "ngrams": np.ones((5, 2), dtype=np.float32),
        "ngram_lengths": np.array([3, 6]),
    }
    path = tmp_path / "vectors.safetensors"
    save_file(tensors, path)
    assert PretrainedEmbedder.load(path).has_vector(["cow"]).all()
    save_file(tensors | changed, path)
    with pytest.raises(ValueError, match=r"vectors\.safetensors"):
        PretrainedEmbedder.load(path)


def test_a_table_has_at_most_64_megabytes(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_bytes(b"path,label\n" + (b"a" * 2**15 + b",cat\n") * 2**11)
    with pytest.raises(ValueError, match=rf"photos\.csv.*{2**26} bytes"):
        load_image_table(path)


@pytest.mark.parametrize(
    ("row", "place"),
    [("1.png,cat,brown", "line 3"), ("1.png", "row 1"), ("1.png" + "," * 60_000, "line 3")],
)
def test_a_row_of_a_table_with_other_columns_is_refused(tmp_path, row, place):
    # pandas would take the first fields of a longer row for its index.
    path = tmp_path / "photos.csv"
    path.write_text(f"path,label\n2.png,dog\n{row}\n")
    with pytest.raises(ValueError, match=rf"photos\.csv.*{place}"):
        load_image_table(path)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("separators.txt", b"cat 1_0 2\ndog 3 4\n", "1_0"),
        ("empty.bin", b"2 0\ncat dog ", "0 numbers"),
        (
            "order.bin",
            b"2 1\ncat " + struct.pack(">f", 1) + b"dog " + struct.pack(">f", 2),
            "order",
        ),
    ],
)
def test_numbers_that_mean_something_else_are_refused(tmp_path, name, content, named):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.*{named}"):
        PretrainedEmbedder.load(tmp_path / name)


def test_one_long_text_does_not_make_all_others_long(tmp_path):
    # An array would have 4 bytes for each character of the longest text: 4.8 GB.
    path = tmp_path / "photos.csv"
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    path.write_text("path,label\n1.png," + "x" * 60_000 + "\n" + "1.png,cat\n" * 20_000)
    with pytest.raises(ValueError, match="60000 characters"):
        load_image_table(path, check=None)
    labels = ["x" * 60_000, *map(str, range(20_000))]
    with pytest.raises(ValueError, match="60000 characters"):
        LabelVocabulary(labels)
    path.write_text(json.dumps({"labels": labels, "terms": labels}))
    with pytest.raises(ValueError, match=r"photos\.csv.*60000 characters"):
        LabelVocabulary.load(path)


def test_a_member_of_a_tar_file_has_no_negative_size(tmp_path):
    # Some versions of Python would read the first header again and again.
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("cat/1.png")
        member.pax_headers = {"size": "-1536"}
        archive.addfile(member)
    with pytest.raises(ValueError, match=r"photos\.tar"):
        load_image_folder(path)


@pytest.mark.parametrize(
    "table",
    [
        "VIEW rows AS WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) "
        "SELECT 'net' network, 'a' photo, zeroblob(16) features, i checksum FROM r",
        "TABLE rows (network, photo, features AS (zeroblob(1000000000)), checksum)",
    ],
)
def test_a_cache_with_other_tables_is_refused(tmp_path, table):
    FeatureCache(tmp_path)
    (path,) = tmp_path.iterdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE rows")
        connection.execute(f"CREATE {table}")
    with pytest.raises(OSError, match=path.name):
        FeatureCache(tmp_path)


@pytest.mark.parametrize(
    ("edges", "tables", "named"),
    [
        ([(0, 1, 2), (1, 2, 0)], {}, r"\(2, 3\)"),
        ([0, 1, 1, 2], {}, r"\(4,\)"),
        ([(0, 1)], {"terms": ["cat", "dog", "fox"]}, "cat"),
        ([(0, 1)], {"terms": [["cat"], None, ["fox"]]}, "None"),
        ([(0, 1)], {"terms": [["a", "b"]] * 3, "counts": [[1]] * 3}, "counts"),
    ],
)
def test_tables_of_a_hierarchy_that_do_not_fit_are_refused(edges, tables, named):
    with pytest.raises(ValueError, match=named):
        Hierarchy(["a", "b", "c"], edges, **tables)
