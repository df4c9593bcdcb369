"""Damaged files, full disks, kills, and processes that write the same file."""

import os
import subprocess
import sys

import numpy as np
import pytest

from skdevise import LabelSpace, LabelVocabulary, PretrainedEmbedder, load, save
from tests import fuzz

resource = pytest.importorskip("resource", reason="Limits of a process belong to Unix.")
GROUPS = sorted({name.partition(":")[0] for name in fuzz.TARGETS})


def run_python(code, *arguments):
    """Run code in another process; return what it prints."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Memory is read from /proc.")
@pytest.mark.parametrize("group", GROUPS)
def test_damaged_files_are_refused_or_give_usable_answers(group):
    command = [sys.executable, "-m", "tests.fuzz", group]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    print(run.stdout)
    # The end of the errors names the case, also if the process crashed or was killed.
    assert run.returncode == 0, run.stderr[-3000:].replace("\r", "\n")


def test_there_are_100_000_cases():
    assert sum(target.n_cases for target in fuzz.TARGETS.values()) >= 100_000


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    ["vectors: word2vec", "labels: vocabulary", "hierarchy: edges", "archives: tar", "cache"],
)
def test_a_few_damaged_files_are_refused_or_give_usable_answers(tmp_path, name):
    target = fuzz.TARGETS[name]
    path = tmp_path / target.file
    target.make(path)
    good = path.read_bytes()
    outcomes = {fuzz.run_case(target, path, good, None, seed) for seed in range(50)}
    assert outcomes == {"read", "refused"}


# Full disks. A limit on the size of files takes the place of a full disk.


@pytest.fixture
def full_disk():
    """Let files have at most 20,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("v.txt", lambda path, data: PretrainedEmbedder(data).save(path)),
        ("v.txt.gz", lambda path, data: PretrainedEmbedder(data).save(path)),
        ("v.bin", lambda path, data: PretrainedEmbedder(data).save(path)),
        ("v.safetensors", lambda path, data: PretrainedEmbedder(data).save(path)),
        ("labels.json", lambda path, data: LabelVocabulary(data[0]).save(path)),
        ("space", lambda path, data: LabelSpace(data[0], PretrainedEmbedder(data)).save(path)),
        ("model", lambda path, data: save(PretrainedEmbedder(data), path)),
    ],
)
def test_a_full_disk_keeps_the_old_file_and_is_named(tmp_path, name, write, full_disk):
    terms = [f"term {i}" for i in range(2_000)]
    data = terms, np.random.default_rng(0).standard_normal((2_000, 8)).astype(np.float32)
    path = tmp_path / name
    path.write_bytes(b"before")
    with pytest.raises(OSError, match=rf"(large.*{path}|{path}.*large)"):
        write(path, data)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


# Kills, and several writers


_SAVE_FOREVER = """
import itertools, os, random, signal, sys, time
import numpy as np
from skdevise import load, save

path, n_kills = sys.argv[1], int(sys.argv[2])
save(np.full(200_000, 1.0), path)
for kill in range(n_kills):
    children = []
    for child in range(2):
        pid = os.fork()
        if pid == 0:
            for number in itertools.count():
                save(np.full(200_000, float(number)), path)
        children.append(pid)
    time.sleep(random.Random(kill).uniform(0, 0.03))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found = load(path)
    assert len(found) == 200_000 and (found == found[0]).all(), kill
print("intact")
"""


@pytest.mark.slow
def test_killed_and_concurrent_writers_leave_a_whole_file(tmp_path):
    assert run_python(_SAVE_FOREVER, tmp_path / "model", 200) == "intact\n"


_FILL_CACHE = """
import os, random, signal, sys, time
import numpy as np
from skdevise import FeatureCache

folder, n_kills = sys.argv[1], int(sys.argv[2])
photos = [str(i) for i in range(50)]
rows = np.arange(50 * 200, dtype=np.float32).reshape(50, 200)
for kill in range(n_kills):
    children = []
    for child in range(2):
        pid = os.fork()
        if pid == 0:
            while True:
                part = np.random.default_rng().permutation(50)[:20]
                FeatureCache(folder).write("net", [photos[i] for i in part], rows[part])
        children.append(pid)
    time.sleep(random.Random(kill).uniform(0, 0.03))
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found, features = FeatureCache(folder).read("net", photos, 200)
    assert (features == rows[found]).all(), kill
print(found.all())
"""


@pytest.mark.slow
def test_killed_and_concurrent_writers_leave_a_right_cache(tmp_path):
    assert run_python(_FILL_CACHE, tmp_path, 200) == "True\n"


def test_a_reader_of_a_mapped_file_keeps_it_while_others_write(tmp_path):
    path = tmp_path / "model"
    save(np.zeros(100_000), path)
    mapped = load(path, mmap=True)
    save(np.ones(10), path)
    assert (mapped == 0).all() and (load(path) == 1).all()
    assert os.listdir(tmp_path) == ["model"]
