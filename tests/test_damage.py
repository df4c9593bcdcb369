"""Files at random damage: each is refused, or gives the right answer. None crashes or hangs."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from skdevise import LabelSpace, LabelVocabulary, PretrainedEmbedder, load, save
from skdevise._tensors import digest
from skdevise.training._checkpoint import Checkpoint
from skdevise.training._net import TrainingNet, TrainingSet
from tests.test_persistence import EMBEDDER, SAVED

pytestmark = pytest.mark.slow
N_CASES = 2_000


def damage(content, rng):
    """Change some bytes: flip, overwrite, cut, lengthen, move or repeat a part."""
    content = bytearray(content)
    start, stop = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    short = slice(start, start + int(rng.integers(1, 20)))
    match int(rng.integers(7)):
        case 0 | 1:
            content[min(start, len(content) - 1)] ^= 1 << int(rng.integers(8))
        case 2:
            content[short] = rng.bytes(len(content[short]))
        case 3:
            del content[start:]
        case 4:
            del content[short]
        case 5:
            content[start:start] = rng.bytes(9)
        case 6:
            content[short] = content[stop : stop + short.stop - short.start]
    return bytes(content)


def count_refusals(path, read, answer):
    """Read damaged files, and compare the answers of accepted ones: number of refused files."""
    good, rng, n_refused = path.read_bytes(), np.random.default_rng(0), 0
    expected = answer(read(path))
    for case in range(N_CASES):
        path.write_bytes(damage(good, rng))
        try:
            found = read(path)
        except ValueError as error:
            n_refused += 1
            assert path.name in str(error), case
        else:
            np.testing.assert_equal(answer(found), expected, err_msg=f"case {case}")
    print(f"{path.name}: {n_refused} of {N_CASES} refused, 0 wrong")
    return n_refused


def test_saved_models(tmp_path):
    path = tmp_path / "model"
    save(load(SAVED[-1])["devise"], path)
    assert count_refusals(path, load, lambda clf: clf.predict_proba(np.eye(4))) > 0.9 * N_CASES


@pytest.mark.parametrize("mmap", [False, True])
def test_saved_label_spaces(tmp_path, mmap):
    path = tmp_path / "space"
    LabelSpace(["cat", "truck", "lynx"], EMBEDDER).save(path)
    scores = lambda space: space.scores([[1, 0]])  # noqa: E731
    assert count_refusals(path, lambda p: LabelSpace.load(p, mmap), scores) > 0.9 * N_CASES


def test_saved_vectors(tmp_path):
    path = tmp_path / "v.safetensors"
    EMBEDDER.save(path)
    read = lambda embedder: embedder.transform(["cat", "truck", "lynx"])  # noqa: E731
    assert count_refusals(path, PretrainedEmbedder.load, read) > 0.9 * N_CASES


def test_saved_vocabularies_are_refused_or_can_be_used(tmp_path):
    # The file is text that people edit, so it has no checksum.
    path = tmp_path / "labels.json"
    LabelVocabulary({"sofa": ["sofa", "couch"], "cat": ["cat"]}, pool="mean").save(path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for content in [b"[" * 100_000, *(damage(good, rng) for _ in range(N_CASES))]:
        path.write_bytes(content)
        try:
            repr(LabelVocabulary.load(path))
        except ValueError as error:
            assert path.name in str(error)


def test_checkpoints(tmp_path):
    data = TrainingSet(torch.eye(6), range(6), [0, 1, 2, 0, 1, 2])

    def train(n_epochs):
        torch.manual_seed(0)
        net = TrainingNet.build(
            nn.Linear(6, 3), nn.CrossEntropyLoss(reduction="none"), optimizer="adam", lr=0.1,
            batch_size=2, callbacks=None, precision="float32", device="cpu", order_seed=0,
            verbose=0,
        )  # fmt: skip
        net.train_epochs(data, n_epochs, checkpoint=Checkpoint(tmp_path, "fit"))
        return net

    train(1)
    path = Checkpoint(tmp_path, "fit").path
    good = path.read_bytes()

    def resume(path):
        # The finished epoch is read, and the second one overwrites the file.
        return train(2)

    def answer(net):
        path.write_bytes(good)
        return net.weights()[0]["weight"].numpy()

    assert count_refusals(path, resume, answer) > 0.9 * N_CASES


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path):
    path, delays = tmp_path / "model", np.random.default_rng(0).uniform(0, 0.2, 10)
    code = f"""
import itertools
import numpy as np
from skdevise import save
for number in itertools.count():
    save(np.full(10**6, number), {str(path)!r})
    print(number, flush=True)
"""
    for delay in delays:
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            process.stdout.readline()  # One file is written.
            process.stdout.readline()
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
        found = load(path)
        assert (found == found[0]).all()


# Files of attackers: checksums are right, and the description or the arrays are wrong.


def change_description(node, rng):
    """Replace a random part of a description by another part, or by an odd value."""
    places = []

    def collect(part):
        items = part.items() if isinstance(part, dict) else enumerate(part)
        for key, value in items:
            places.append((part, key))
            if isinstance(value, dict | list):
                collect(value)

    collect(node)
    part, key = places[rng.integers(len(places))]
    odd = [None, -1, 2**31, 1.5, "", "array_0", [], {}, {"is": "same", "of": 0}, [[1, 2]], True]
    if rng.random() < 0.5:
        part[key] = odd[rng.integers(len(odd))]
    else:
        other, other_key = places[rng.integers(len(places))]
        part[key] = copy.deepcopy(other[other_key])


def change_array(arrays, rng):
    """Replace an array by one of another shape, type or range."""
    name = list(arrays)[rng.integers(len(arrays))]
    array = arrays[name]
    changes = [
        lambda: array[:0].copy(),
        lambda: np.concatenate([array, array]),
        lambda: array.astype(np.float64),
        lambda: array.astype(np.int64) + 10**9,
        lambda: -array.astype(np.int64) - 1,
        lambda: np.full_like(array, np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1),
        lambda: array.ravel(),
        lambda: array[None],
    ]
    arrays[name] = np.ascontiguousarray(changes[rng.integers(len(changes))]())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(json.loads(SAVED[-1].with_suffix(".json").read_text())))
def test_models_of_attackers(tmp_path, name):
    path = tmp_path / "model"
    save(load(SAVED[-1])[name], path)
    good, rng, n_refused, n_failed = load_file(path), np.random.default_rng(0), 0, 0
    for _ in range(N_CASES // 5):
        arrays = dict(good)
        stored = json.loads(arrays.pop("description").tobytes())
        if rng.random() < 0.5 or not arrays:
            change_description(stored["content"], rng)
        else:
            change_array(arrays, rng)
        stored["checks"] = {key: digest(array) for key, array in arrays.items()}
        arrays["description"] = np.frombuffer(json.dumps(stored).encode(), dtype=np.uint8)
        metadata = {"format": "skdevise 1", "sha256": digest(arrays["description"])}
        save_file(arrays, path, metadata)
        try:
            clf = load(path)
        except ValueError as error:
            n_refused += 1
            assert path.name in str(error) or "trusted" in str(error)
            continue
        try:
            clf.predict(np.eye(4), labels=["lynx", "lorry"])
        except Exception:  # The model is wrong, and Python says so.
            n_failed += 1
    print(f"{name}: {n_refused} of {N_CASES // 5} refused, {n_failed} failed to predict")
