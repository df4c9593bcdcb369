"""The store of features: what is read is what was written, whoever writes, dies or forks beside."""

import copy
import gc
import os
import pickle
import signal
import sqlite3
import sys
import threading
import traceback
import warnings
from collections import OrderedDict
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdevise.vision import _cache as cache_module
from skdevise.vision._cache import CacheInfo, FeatureCache
from skdevise.vision._feature_file import FILE_NAME

NET = b"net"
N_FEATURES = 16_000  # 64 kB a row: a limit of 1 MB is soon reached


def digest(number):
    return number.to_bytes(16, "little")


def digests(numbers):
    return [digest(number) for number in numbers]


def rows(numbers, n_features=N_FEATURES):
    """Tell each photo's features from its number: 7 is 7, 8, 9, ..."""
    return np.add.outer(np.asarray(numbers, dtype=np.float32), np.arange(n_features, dtype="f4"))


def fill(cache, numbers, n_features=N_FEATURES, batch_size=4):
    for start in range(0, len(numbers), batch_size):
        batch = numbers[start : start + batch_size]
        cache.write(NET, digests(batch), rows(batch, n_features))


def stored(folder):
    """Numbers of the photos in the store, the least recently used one first."""
    with closing(sqlite3.connect(Path(folder, FILE_NAME))) as connection:
        found = connection.execute("SELECT photo FROM entries ORDER BY used").fetchall()
    return [int.from_bytes(photo, "little") for (photo,) in found]


def folder_size(folder):
    return sum(path.stat().st_size for path in Path(folder).iterdir())


@pytest.fixture
def cache(tmp_path):
    with closing(FeatureCache(tmp_path / "features")) as cache:
        yield cache


def test_reads_what_was_written_in_the_order_asked_for(cache):
    cache.write(NET, digests([1, 2, 3]), rows([1, 2, 3], 5))
    found, features = cache.read(NET, digests([3, 9, 1, 3]), n_features=5)
    assert found.tolist() == [True, False, True, True]
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, [[3, 4, 5, 6, 7], [1, 2, 3, 4, 5], [3, 4, 5, 6, 7]])


def test_finds_nothing_in_an_empty_store_or_for_no_photos(cache):
    found, features = cache.read(NET, digests([1, 2]), n_features=5)
    assert found.tolist() == [False, False] and features.shape == (0, 5)
    cache.write(NET, [], np.empty((0, 5)))
    found, features = cache.read(NET, [], n_features=5)
    assert found.shape == (0,) and found.dtype == bool and features.shape == (0, 5)


def test_more_photos_than_a_statement_takes(cache):
    numbers = np.random.default_rng(0).permutation(1201).tolist()
    cache.write(NET, digests(numbers), rows(numbers, 3))
    found, features = cache.read(NET, digests(range(1300)), n_features=3)
    assert found.sum() == 1201 and found[:1201].all()
    np.testing.assert_array_equal(features, rows(range(1201), 3))


def test_nets_do_not_see_each_others_rows(cache):
    # Joined without a border, b"ne" and b"t..." would be b"net" and b"...".
    cache.write(b"ne", [b"tphoto"], rows([1], 2))
    assert not cache.read(b"net", [b"photo"], n_features=2)[0].any()


def test_a_row_of_another_length_is_not_found_and_gives_way(cache):
    cache.write(NET, digests([1, 2]), rows([1, 2], 2))
    assert not cache.read(NET, digests([1]), n_features=3)[0].any()
    cache.write(NET, digests([1]), rows([1], 3))
    np.testing.assert_array_equal(cache.read(NET, digests([1]), n_features=3)[1], rows([1], 3))
    assert cache.info().n_rows == 2


def test_writing_again_keeps_one_row(cache):
    cache.write(NET, digests([1, 1]), rows([1, 1], 2))
    cache.write(NET, digests([1]), rows([5], 2))
    assert cache.info().n_rows == 1
    np.testing.assert_array_equal(cache.read(NET, digests([1]), n_features=2)[1], rows([5], 2))


def test_rows_that_do_not_match_their_photos_are_refused_as_a_whole(cache):
    with pytest.raises(ValueError, match="zip"):
        cache.write(NET, digests([1, 2, 3]), rows([1, 2], 2))
    assert cache.info().n_rows == 0


def test_info_counts_this_objects_hits_and_the_stores_rows(cache):
    fill(cache, [1, 2, 3])
    cache.read(NET, digests([1, 2, 7]), N_FEATURES)
    info = cache.info()
    assert isinstance(info, CacheInfo)
    assert (info.hits, info.misses, info.n_rows, info.size_limit) == (2, 1, 3, None)
    assert info.folder == cache.folder
    assert 3 * 4 * N_FEATURES < info.n_bytes < 1.3 * 3 * 4 * N_FEATURES
    assert repr(info).startswith("CacheInfo(hits=2, misses=1, n_rows=3, n_bytes=")
    assert FeatureCache(cache.folder).info()._replace(hits=2, misses=1) == info


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_is_of_the_same_store(tmp_path, make_copy):
    original = FeatureCache(tmp_path, size_limit="2M")
    original.write(NET, digests([1]), rows([1], 3))
    original.read(NET, digests([1, 2]), 3)
    other = make_copy(original)
    assert repr(other) == repr(original) == f"FeatureCache({str(tmp_path)!r}, size_limit=2097152)"
    assert (other.info().hits, other.info().n_rows) == (0, 1)
    np.testing.assert_array_equal(other.read(NET, digests([1]), 3)[1], rows([1], 3))


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = FeatureCache("features")
    monkeypatch.chdir("/")
    fill(pickle.loads(pickle.dumps(cache)), [1])
    assert stored(tmp_path / "features") == [1]


def test_close_leaves_one_file_and_the_next_use_opens_it(cache):
    fill(cache, [1])
    cache.close()
    cache.close()
    assert os.listdir(cache.folder) == [FILE_NAME]
    assert cache.read(NET, digests([1]), N_FEATURES)[0].all()


@pytest.mark.parametrize(
    ("size_limit", "n_bytes"), [("1M", 2**20), ("1.5G", 1.5 * 2**30), (np.int64(5e6), 5_000_000)]
)
def test_size_limits(tmp_path, size_limit, n_bytes):
    assert FeatureCache(tmp_path, size_limit).size_limit == n_bytes


@pytest.mark.parametrize("size_limit", ["2 GB", "", "infG", "1K", 1000, 0, -1, 2e9, [1]])
def test_what_is_no_size_is_refused(tmp_path, size_limit):
    with pytest.raises(ValueError, match="is not a number of bytes.*'2G'"):
        FeatureCache(tmp_path / "features", size_limit)
    assert not (tmp_path / "features").exists()


# The least recently used rows go first


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["read", "write"]), st.lists(st.integers(0, 30), min_size=1, max_size=5)
        ),
        max_size=25,
    )
)
def test_evicts_what_a_naive_model_would_evict(steps):
    model = OrderedDict()  # numbers, the least recently used one first
    with (
        TemporaryDirectory() as folder,
        closing(FeatureCache(folder, size_limit="1M")) as cache,
    ):
        for action, numbers in steps:
            if action == "read":
                found, features = cache.read(NET, digests(numbers), N_FEATURES)
                known = [number for number in numbers if number in model]
                assert found.tolist() == [number in model for number in numbers]
                np.testing.assert_array_equal(features, rows(known))
                for number in known:
                    model.move_to_end(number)
                continue
            cache.write(NET, digests(numbers), rows(numbers))
            for number in numbers:
                model[number] = True
                model.move_to_end(number)
            left = stored(folder)
            assert left == list(model)[-len(left) :]
            # A row takes 16 pages of 4 kB: 15 of them fit under 1 MB beside the other pages, and
            # 14 fit under nine tenths of it.
            assert len(left) == len(model) if len(model) <= 15 else 13 <= len(left) <= 15
            while len(model) > len(left):
                model.popitem(last=False)


def test_what_another_object_read_counts_as_used(tmp_path):
    cache = FeatureCache(tmp_path, "1M")
    fill(cache, range(12))
    reader = FeatureCache(tmp_path)
    reader.read(NET, digests([0, 1]), N_FEATURES)
    del reader
    gc.collect()
    fill(cache, range(12, 20))
    left = stored(tmp_path)
    assert {0, 1} < set(left) and 2 not in left


def test_what_was_read_is_noted_now_and_then(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "_MAX_TOUCHED", 3)
    fill(cache, [1, 2, 3, 4, 5])
    cache.read(NET, digests([1, 2]), N_FEATURES)
    assert stored(cache.folder) == [1, 2, 3, 4, 5]
    cache.read(NET, digests([4, 1]), N_FEATURES)
    assert stored(cache.folder) == [3, 5, 2, 4, 1]


def test_a_busy_store_can_be_read(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "_MAX_TOUCHED", 1)
    fill(cache, [1, 2])
    with closing(sqlite3.connect(Path(cache.folder, FILE_NAME))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert cache.read(NET, digests([1]), N_FEATURES)[0].all()
        cache.close()
    assert stored(cache.folder) == [1, 2]  # that 1 was used is lost: no reader waits for it


def test_the_folder_stays_under_its_limit(tmp_path):
    limit = 6 * 2**20
    with closing(FeatureCache(tmp_path, limit)) as cache:
        for start in range(0, 6000, 100):
            numbers = range(start, start + 100)  # 60 times 0.5 MB
            cache.write(NET, digests(numbers), rows(numbers, 1280))
            assert (tmp_path / FILE_NAME).stat().st_size <= limit
            assert folder_size(tmp_path) <= limit + 6 * 2**20
        assert 0.75 * limit < cache.info().n_bytes <= limit
        left = stored(tmp_path)
        np.testing.assert_array_equal(cache.read(NET, digests(left), 1280)[1], rows(left, 1280))
        assert left == list(range(6000 - len(left), 6000))
    assert folder_size(tmp_path) <= limit


def test_a_lower_limit_shrinks_the_file(tmp_path):
    with closing(FeatureCache(tmp_path)) as cache:
        fill(cache, range(100))
    assert folder_size(tmp_path) > 6_000_000
    with closing(FeatureCache(tmp_path, size_limit=2_000_000)) as cache:
        fill(cache, [100])
    assert folder_size(tmp_path) <= 2_000_000
    assert stored(tmp_path)[-1] == 100


def test_a_batch_beyond_the_limit_keeps_its_end(tmp_path):
    with closing(FeatureCache(tmp_path, "1M")) as cache:
        fill(cache, range(50), batch_size=50)
    assert stored(tmp_path) == list(range(50 - len(stored(tmp_path)), 50))
    assert folder_size(tmp_path) <= 2**20


def test_clear_gives_the_space_back(cache):
    fill(cache, range(20))
    cache.clear()
    assert cache.info().n_rows == 0
    assert not cache.read(NET, digests([1]), N_FEATURES)[0].any()
    assert Path(cache.folder, FILE_NAME).stat().st_size < 50_000
    fill(cache, [1])
    assert stored(cache.folder) == [1]


# Several at once, and sudden deaths


def test_threads_share_one_object(cache):
    errors = []

    def work(first):
        try:
            for number in range(first, first + 20):
                fill(cache, [number], 50)
                found, features = cache.read(NET, digests(range(80)), 50)
                assert found[first : number + 1].all()
                np.testing.assert_array_equal(features, rows(np.flatnonzero(found), 50))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert cache.info().n_rows == 80


forks = pytest.mark.usefixtures("quiet_forks")


@pytest.fixture
def quiet_forks():
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    with warnings.catch_warnings():
        # Python warns of a fork beside threads, from 3.12 on: this one is what is tested.
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        yield


def start(work, *args):
    """Run a function in a process of its own; return the id of that, which ends with 0 if well."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)  # a deadlock ends here
            work(*args)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def write_batches(folder, first, n_batches, acknowledge):
    """Write batches of 10 rows; after each, tell its last number through a pipe."""
    cache = FeatureCache(folder, size_limit="2G")
    for start in range(first, first + 10 * n_batches, 10):
        numbers = range(start, start + 10)
        cache.write(NET, digests(numbers), rows(numbers, 1280))
        os.write(acknowledge, digest(numbers[-1]))
    cache.close()


def kill_after(writer, acknowledged, n_batches):
    """Kill a writer amid its next batches; return the last number that it told of these."""
    with os.fdopen(acknowledged, "rb") as pipe:
        numbers = [int.from_bytes(pipe.read(16), "little") for _ in range(n_batches)]
        os.kill(writer, signal.SIGKILL)
    assert os.waitpid(writer, 0)[1] == signal.SIGKILL
    return numbers[-1]


def assert_whole(folder):
    """Check that the file is sound, batches are whole, and each row is right: their numbers."""
    with closing(sqlite3.connect(Path(folder, FILE_NAME))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    numbers = sorted(stored(folder))
    with closing(FeatureCache(folder)) as cache:
        for start in range(0, len(numbers), 10):
            batch = numbers[start : start + 10]
            assert batch == list(range(batch[0], batch[0] + 10))
            found, features = cache.read(NET, digests(batch), 1280)
            assert found.all()
            np.testing.assert_array_equal(features, rows(batch, 1280))
    return numbers


@forks
def test_processes_write_at_once_and_one_is_killed(tmp_path):
    # All of them make the store at the same time; the last one writes on until it is killed.
    told, acknowledge = os.pipe()
    with open(os.devnull, "wb") as nowhere:
        writers = [
            start(write_batches, tmp_path, first, 60, nowhere.fileno())
            for first in (0, 100_000, 200_000)
        ]
        endless = start(write_batches, tmp_path, 300_000, 10_000, acknowledge)
    os.close(acknowledge)
    last = kill_after(endless, told, 30)
    assert [os.waitpid(writer, 0)[1] for writer in writers] == [0, 0, 0]
    numbers = assert_whole(tmp_path)
    assert numbers[:1800] == [*range(600), *range(100_000, 100_600), *range(200_000, 200_600)]
    assert numbers[1800:] == list(range(300_000, numbers[-1] + 1))
    assert last <= numbers[-1]


@forks
def test_a_store_outlives_killed_writers(tmp_path):
    # Killed after different numbers of batches, at whatever point of the next ones.
    first = 0
    for n_batches in (1, 1, 2, 3, 5, 8, 13, 40):
        told, acknowledge = os.pipe()
        writer = start(write_batches, tmp_path, first, 10_000, acknowledge)
        os.close(acknowledge)
        last = kill_after(writer, told, n_batches)
        numbers = assert_whole(tmp_path)
        assert numbers == list(range(len(numbers))) and last <= numbers[-1]
        first = len(numbers)


@forks
def test_parent_and_children_write_on_after_a_fork(cache):
    def work(number):
        fds = Path("/proc/self/fd")  # where there is one: nothing of the store came along
        assert not any(FILE_NAME in os.path.realpath(fd) for fd in fds.glob("*"))
        fill(cache, [number], 50)
        assert cache.read(NET, digests([0, number]), 50)[0].all()

    fill(cache, [0], 50)
    # Long writes: most forks come amid one of them.
    busy = threading.Thread(target=fill, args=(cache, range(1000, 9000), 50, 800))
    busy.start()
    children = [start(work, number) for number in range(1, 9)]
    fill(cache, [100], 50)
    busy.join()
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    expected = [*range(9), 100, *range(1000, 9000)]
    assert sorted(stored(cache.folder)) == expected
    np.testing.assert_array_equal(cache.read(NET, digests(expected), 50)[1], rows(expected, 50))


# What cannot be written or read


def test_a_full_disk_costs_a_warning_and_no_features(tmp_path):
    resource = pytest.importorskip("resource")
    cache = FeatureCache(tmp_path)
    fill(cache, [1, 2])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # no file beyond 1 MB
    try:
        with pytest.warns(RuntimeWarning, match="no longer kept.*has space") as warned:
            for start in range(3, 63, 20):
                fill(cache, range(start, start + 20))
        assert len(warned) == 1
        assert cache.read(NET, digests([1, 2]), N_FEATURES)[0].all()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    cache.close()
    numbers = sorted(stored(tmp_path))
    assert numbers == list(range(1, len(numbers) + 1)) and 2 <= len(numbers) < 62
    with closing(FeatureCache(tmp_path)) as cache:
        np.testing.assert_array_equal(
            cache.read(NET, digests(numbers), N_FEATURES)[1], rows(numbers)
        )


@pytest.mark.parametrize("folder", ["a file", "/dev/null/features", "/proc"])
def test_an_unusable_folder_is_refused_at_once(tmp_path, folder):
    folder = tmp_path / folder  # absolute ones stay as they are
    if not folder.is_relative_to(tmp_path) and not sys.platform.startswith("linux"):
        pytest.skip("a folder of Linux")
    if folder.is_relative_to(tmp_path):
        folder.write_text("no folder")
    with pytest.raises(OSError, match=f"feature cache in '{folder}' cannot be used.*: choose a"):
        FeatureCache(folder)


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / FILE_NAME
    for content in (b"a shopping list " * 1000, b"short"):
        path.write_bytes(content)
        with pytest.raises(OSError, match="not a feature cache .*: delete it"):
            FeatureCache(tmp_path)
        assert path.read_bytes() == content
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE lists (item)")
    content = path.read_bytes()
    with pytest.raises(OSError, match="another program's database.*: delete it"):
        FeatureCache(tmp_path)
    assert path.read_bytes() == content


def test_an_empty_file_is_a_store_that_was_not_made_to_the_end(tmp_path):
    (tmp_path / FILE_NAME).touch()
    with closing(FeatureCache(tmp_path)) as cache:
        fill(cache, [1])
    assert stored(tmp_path) == [1]


def test_a_damaged_store_is_told_when_it_is_read(tmp_path):
    with closing(FeatureCache(tmp_path)) as cache:
        fill(cache, range(50), 1280)
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(OSError, match=f"'{path}' is damaged .*: delete it"):
        FeatureCache(tmp_path).read(NET, digests([1]), 1280)
