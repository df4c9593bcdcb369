"""The cache returns written features, stays below its limit, and survives killed writers."""

import copy
import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
from contextlib import closing
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skdevise.vision import CacheInfo, FeatureCache, VisualFeaturizer


def keys(numbers):
    return [f"photo {number}" for number in numbers]


def rows(numbers, n_features=5):
    """Features of a photo: its number n, n + 1, n + 2, ..."""
    numbers = np.asarray(numbers, dtype=np.float32)
    return np.add.outer(numbers, np.arange(n_features, dtype=np.float32))


def cache_file(cache):
    (path,) = Path(cache.folder).glob("*.sqlite")
    return path


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


def test_reading_returns_what_was_written_in_the_order_of_the_photos(cache):
    cache.write("net", keys([1, 2, 3]), rows([1, 2, 3]))
    found, features = cache.read("net", keys([3, 9, 1, 3]), n_features=5)
    assert found.tolist() == [True, False, True, True]
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, [[3, 4, 5, 6, 7], [1, 2, 3, 4, 5], [3, 4, 5, 6, 7]])


def test_an_empty_cache_finds_nothing(cache):
    found, features = cache.read("net", keys([1, 2]), n_features=5)
    assert found.tolist() == [False, False] and features.shape == (0, 5)
    found, features = cache.read("net", [], n_features=5)
    assert found.shape == (0,) and features.shape == (0, 5)


def test_many_photos_are_read_at_once(cache):
    numbers = np.random.default_rng(0).permutation(1201).tolist()
    cache.write("net", keys(numbers), rows(numbers))
    found, features = cache.read("net", keys(range(1300)), n_features=5)
    assert found.sum() == 1201 and found[:1201].all()
    np.testing.assert_array_equal(features, rows(range(1201)))


def test_networks_do_not_share_rows(cache):
    cache.write("net", keys([1]), rows([1]))
    assert not cache.read("another net", keys([1]), n_features=5)[0].any()


def test_writing_again_replaces_a_row(cache):
    cache.write("net", keys([1, 1]), rows([1, 1]))
    cache.write("net", keys([1]), rows([5]))
    assert cache.info().n_rows == 1
    np.testing.assert_array_equal(cache.read("net", keys([1]), n_features=5)[1], rows([5]))


def test_features_and_photos_must_have_the_same_length(cache):
    with pytest.raises(ValueError):
        cache.write("net", keys([1, 2, 3]), rows([1, 2]))
    assert cache.info().n_rows == 0


def test_info_counts_hits_rows_and_bytes(cache):
    cache.write("net", keys(range(100)), rows(range(100), 1000))
    cache.read("net", keys([1, 2, 700]), 1000)
    info = cache.info()
    assert isinstance(info, CacheInfo)
    assert (info.hits, info.misses, info.n_rows, info.size_limit) == (2, 1, 100, None)
    assert info.folder == cache.folder
    assert 400_000 < info.n_bytes == cache_file(cache).stat().st_size < 500_000


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_use_the_same_file(tmp_path, make_copy):
    original = FeatureCache(tmp_path, size_limit="2M")
    original.write("net", keys([1]), rows([1]))
    other = make_copy(original)
    assert repr(other) == repr(original) == f"FeatureCache({str(tmp_path)!r}, size_limit=2097152)"
    np.testing.assert_array_equal(other.read("net", keys([1]), 5)[1], rows([1]))


def test_clones_of_a_featurizer_count_their_hits_in_its_cache(cache):
    featurizer = VisualFeaturizer("efficientnet_lite0", weights=None, cache=cache)
    before = joblib.hash(featurizer)
    clone(featurizer).cache.read("net", keys([1]), n_features=5)
    assert cache.info().misses == 1
    # The memory of a Pipeline recognises the featurizer by this hash.
    assert joblib.hash(featurizer) == before


def test_a_relative_folder_does_not_follow_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = FeatureCache("features")
    monkeypatch.chdir("/")
    cache.write("net", keys([1]), rows([1]))
    assert FeatureCache(tmp_path / "features").info().n_rows == 1


# --- size limit


@pytest.mark.parametrize(
    ("size_limit", "n_bytes"), [("1M", 2**20), ("1.5G", 1.5 * 2**30), (np.int64(5e6), 5_000_000)]
)
def test_size_limits_are_numbers_or_text(tmp_path, size_limit, n_bytes):
    assert FeatureCache(tmp_path, size_limit).size_limit == n_bytes


@pytest.mark.parametrize("size_limit", ["2 GB", "", "infG", "1K", 1000, 0, -1, [1]])
def test_wrong_size_limits_are_refused(tmp_path, size_limit):
    with pytest.raises(ValueError, match="size_limit"):
        FeatureCache(tmp_path / "features", size_limit)
    assert not (tmp_path / "features").exists()


def test_the_oldest_rows_are_deleted_when_the_cache_is_full(tmp_path):
    limit = 2 * 2**20
    cache = FeatureCache(tmp_path, limit)
    for start in range(0, 2000, 50):  # 40 times 0.25 MB
        numbers = range(start, start + 50)
        cache.write("net", keys(numbers), rows(numbers, 1280))
        assert cache_file(cache).stat().st_size <= limit
    found, features = cache.read("net", keys(range(2000)), 1280)
    kept = np.flatnonzero(found)
    assert kept.tolist() == list(range(kept[0], 2000))
    np.testing.assert_array_equal(features, rows(kept, 1280))
    assert cache.info().n_bytes > 0.75 * limit


def test_a_lower_limit_shrinks_the_file(tmp_path):
    FeatureCache(tmp_path).write("net", keys(range(1000)), rows(range(1000), 1280))
    cache = FeatureCache(tmp_path, size_limit="1M")
    cache.write("net", keys([1000]), rows([1000], 1280))
    assert cache_file(cache).stat().st_size <= 2**20
    assert cache.read("net", keys([1000]), 1280)[0].all()


def test_clear_deletes_all_rows_and_shrinks_the_file(cache):
    cache.write("net", keys(range(1000)), rows(range(1000), 1280))
    cache.clear()
    assert cache.info().n_rows == 0
    assert cache_file(cache).stat().st_size < 50_000
    cache.write("net", keys([1]), rows([1]))
    assert cache.read("net", keys([1]), 5)[0].all()


# --- threads and processes


def test_threads_share_a_cache(cache):
    errors = []

    def work(first):
        try:
            for number in range(first, first + 20):
                cache.write("net", keys([number]), rows([number]))
                found, features = cache.read("net", keys(range(80)), 5)
                assert found[first : number + 1].all()
                np.testing.assert_array_equal(features, rows(np.flatnonzero(found)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert cache.info().n_rows == 80


WRITER = """
import sys
import numpy as np
from skdevise.vision import FeatureCache

cache = FeatureCache(sys.argv[1])
first, n_batches = int(sys.argv[2]), int(sys.argv[3])
for start in range(first, first + 10 * n_batches, 10):
    numbers = np.arange(start, start + 10)
    features = np.add.outer(numbers.astype("f4"), np.arange(1280, dtype="f4"))
    cache.write("net", [f"photo {number}" for number in numbers], features)
    print(start, flush=True)
"""


def start_writer(folder, first, n_batches):
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(n_batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_write_at_once_and_a_killed_one_does_no_harm(tmp_path):
    writer = start_writer(tmp_path, 0, 15)
    endless = start_writer(tmp_path, 2000, 100_000)
    for _ in range(10):
        last = int(endless.stdout.readline())
    endless.send_signal(signal.SIGKILL)
    endless.communicate()
    writer.communicate()
    assert writer.returncode == 0
    cache = FeatureCache(tmp_path)
    numbers = [*range(150), *range(2000, last + 10)]
    found, features = cache.read("net", keys(numbers), 1280)
    assert found.all()
    np.testing.assert_array_equal(features, rows(numbers, 1280))
    assert cache.info().n_rows % 10 == 0  # A batch is written as a whole or not at all.
    with closing(sqlite3.connect(cache_file(cache))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# --- errors


def test_a_full_disk_only_causes_a_warning(cache):
    cache.write("net", keys([1]), rows([1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.warns(RuntimeWarning, match="not cached"):
            cache.write("net", keys(range(2, 1000)), rows(range(2, 1000), 1280))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cache.info().n_rows == 1
    assert cache.read("net", keys([1]), 5)[0].all()


def test_a_folder_that_cannot_be_used_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file"):
        FeatureCache(tmp_path / "file")
    if sys.platform.startswith("linux"):
        with pytest.raises(OSError, match="/proc"):
            FeatureCache("/proc/features")


def test_a_damaged_file_is_named_and_left_alone(cache):
    path = cache_file(cache)
    content = b"a shopping list " * 1000
    path.write_bytes(content)
    with pytest.raises(OSError, match=os.fspath(path)):
        cache.read("net", keys([1]), 5)
    assert path.read_bytes() == content


def damage(cache, change):
    """Change the features of photo 1 in the file of a cache."""
    path = cache_file(cache)
    content = path.read_bytes()
    old = rows([1], 1280).tobytes()
    assert content.count(old[:500]) == 1
    path.write_bytes(content.replace(old[:500], change(old[:500])))


def flip_a_bit(data):
    # The high bit of the exponent of the second feature: 2.0 becomes 0.0.
    return data[:7] + bytes([data[7] ^ 0x40]) + data[8:]


def test_a_damaged_row_is_dropped_and_written_again(cache):
    cache.write("net", keys([1, 1000]), rows([1, 1000], 1280))
    damage(cache, flip_a_bit)
    with pytest.warns(RuntimeWarning, match="1 rows"):
        found, features = cache.read("net", keys([1, 1000]), 1280)
    assert found.tolist() == [False, True]
    np.testing.assert_array_equal(features, rows([1000], 1280))
    cache.write("net", keys([1]), rows([1], 1280))
    found, features = cache.read("net", keys([1, 1000]), 1280)
    np.testing.assert_array_equal(features, rows([1, 1000], 1280))


def test_the_features_of_one_photo_are_never_served_for_another(cache):
    cache.write("net", keys([1, 2]), rows([1, 2]))
    with closing(sqlite3.connect(cache_file(cache))) as connection, connection:
        connection.execute("UPDATE rows SET photo = 'photo 3' WHERE photo = 'photo 1'")
    with pytest.warns(RuntimeWarning):
        assert not cache.read("net", keys([3]), 5)[0].any()


@pytest.mark.parametrize("features", ["'text'", "NULL", "7"])
def test_rows_of_another_type_are_not_found(cache, features):
    cache.write("net", keys([1]), rows([1]))
    with closing(sqlite3.connect(cache_file(cache))) as connection, connection:
        connection.execute(f"UPDATE rows SET features = {features}")
    assert not cache.read("net", keys([1]), 5)[0].any()


@pytest.mark.slow
def test_no_damage_to_the_file_serves_other_features(cache):
    # 3,000 files with changed bytes, lost ends or exchanged pages. Each read returns what was
    # written, finds nothing, or says that the file is damaged.
    numbers = list(range(20))
    cache.write("net", keys(numbers), rows(numbers, 300))
    path, rng = cache_file(cache), np.random.default_rng(0)
    intact = path.read_bytes()
    outcomes = {"all rows": 0, "fewer rows": 0, "refused": 0}
    for _ in range(3000):
        content = np.frombuffer(intact, dtype=np.uint8).copy()
        kind = rng.integers(4)
        if kind < 2:  # single bits, or a few bytes
            places = rng.integers(len(content), size=1 if kind == 0 else rng.integers(2, 50))
            content[places] ^= (1 << rng.integers(8, size=len(places))).astype(np.uint8)
        elif kind == 2:
            content = content[: rng.integers(len(content))]
        else:
            pages = content[: len(content) // 4096 * 4096].reshape(-1, 4096)
            pages[rng.integers(len(pages))] = pages[rng.integers(len(pages))].copy()
        path.write_bytes(content.tobytes())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found, features = cache.read("net", keys(numbers), 300)
        except OSError as error:
            assert os.fspath(path) in str(error)
            outcomes["refused"] += 1
            continue
        np.testing.assert_array_equal(features, rows(np.flatnonzero(found), 300))
        outcomes["all rows" if found.all() else "fewer rows"] += 1
    print(outcomes)
    assert outcomes["all rows"] and outcomes["fewer rows"] and outcomes["refused"]
