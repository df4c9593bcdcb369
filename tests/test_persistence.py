"""Files of `save`: round trips, damage and hostile content."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy import sparse
from sklearn import config_context
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skdevise import (
    ConSEClassifier,
    Hierarchy,
    LabelSpace,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    load,
    save,
)
from skdevise._storage import UntrustedError, read, write
from skdevise.metrics import HitAtK

EMBEDDER = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.8, 0.6]})
X, Y = np.array([[0.0, 1], [0, 2], [3, 0], [4, 0]]), ["cat", "cat", "truck", "truck"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        float("inf"),
        "text",
        (1, [2, {"three": {4}}]),
        {1: "one", "1": 1, None: None, (2, 3): slice(1, None)},
        np.float32(0.1),
        np.arange(6).reshape(2, 3).T,
        np.array(["a", "élan", ""]),
        np.array([["a"], ["b"]], dtype=object),
        np.array([], dtype=float),
        np.array([True, False]),
    ],
    ids=repr,
)
def test_values_are_the_same_after_loading(path, value):
    write(value, path)
    loaded = read(path)
    assert type(loaded) is type(value)
    assert repr(loaded) == repr(value)
    if isinstance(value, np.ndarray):
        assert loaded.flags.f_contiguous == value.flags.f_contiguous


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_array", "csr_matrix"])
def test_sparse_arrays_are_the_same_after_loading(path, kind):
    value = getattr(sparse, kind)(np.array([[0, 1.5, 0], [2, 0, 0]]))
    write(value, path)
    assert type(read(path)) is type(value)
    assert_array_equal(read(path).toarray(), value.toarray())


def test_an_array_that_occurs_twice_is_stored_once(path):
    big = np.zeros(100_000)
    write({"a": big, "b": big}, path)
    assert path.stat().st_size < 1.1 * big.nbytes
    loaded = read(path)
    assert loaded["a"] is loaded["b"]


def test_a_classifier_stores_its_vocabulary_once(path, tmp_path):
    labels = [f"label number {i}" for i in range(5_000)]
    clf = ConSEClassifier(embedder=RandomEmbedder(8), labels=labels).fit(X, labels[:4])
    save(clf, path)
    space = tmp_path / "space.safetensors"
    clf.label_space().save(space)
    # The labels of the constructor are stored, and the space of the four training labels.
    assert path.stat().st_size < 1.5 * space.stat().st_size


@pytest.mark.parametrize(
    "value",
    [
        LabelVocabulary({"sofa": ["sofa", "couch"], "cat": ["cat"]}, pool="mean"),
        LabelVocabulary([1, 2], {1: "cat"}),
        Hierarchy.wordnet("imagenet-fall11"),
        Hierarchy.from_edges([("pet", "cat"), ("pet", "dog")], definitions={"cat": "it purrs"}),
        HitAtK(2, labels=["cat", "truck"]),
        LabelSpace(["cat", "truck"], EMBEDDER),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_are_the_same_after_loading(path, value):
    save(value, path)
    loaded = load(path)
    assert repr(loaded) == repr(value)
    if isinstance(value, LabelVocabulary):
        assert loaded == value
    if isinstance(value, Hierarchy):
        assert [loaded.terms(x) for x in loaded.labels[:9].tolist()] == [
            value.terms(x) for x in value.labels[:9].tolist()
        ]
        assert loaded.definitions(value.labels[:9]) == value.definitions(value.labels[:9])


def test_metadata_requests_are_the_same_after_loading(path):
    with config_context(enable_metadata_routing=True):
        clf = RidgeProjectionClassifier(EMBEDDER).set_fit_request(sample_weight=True)
        save(clf, path)
        assert str(load(path).get_metadata_routing()) == str(clf.get_metadata_routing())


def test_a_pipeline_answers_the_same_after_loading(path):
    pipe = make_pipeline(Normalizer(), StandardScaler(), RidgeProjectionClassifier(EMBEDDER))
    pipe.fit(X, Y)
    save(pipe, path)
    loaded = load(path)
    assert_array_equal(loaded.predict_proba(X), pipe.predict_proba(X))
    assert loaded.predict(X, labels=["lynx"]).tolist() == ["lynx"] * 4


def test_a_mapped_space_shares_its_file(path):
    space = LabelSpace(["cat", "truck", "lynx"], EMBEDDER)
    space.save(path)
    mapped = LabelSpace.load(path)
    LabelSpace(["lynx"], EMBEDDER).save(path)  # Others may still map the old file.
    assert_array_equal(mapped.scores([[1, 0]]), space.scores([[1, 0]]))
    assert LabelSpace.load(path).labels.tolist() == ["lynx"]


def test_functions_need_trust(path):
    clf = TfidfVectorizer(tokenizer=os.path.basename, dtype=np.float32)
    save(clf, path)
    with pytest.raises(UntrustedError, match="posixpath:basename"):
        load(path)
    assert load(path, trusted=["posixpath:basename"]).tokenizer is os.path.basename
    with pytest.raises(TypeError, match="list"):
        load(path, trusted="posixpath:basename")


def test_parts_that_cannot_be_stored_are_named(path):
    with pytest.raises(TypeError, match=r"Pipeline\.steps\[0\]\[1\]\.tokenizer"):
        save(make_pipeline(TfidfVectorizer(tokenizer=lambda text: text)), path)
    with pytest.raises(TypeError, match=r"dict\['a'\] is a Thread"):
        from threading import Thread

        write({"a": Thread()}, path)
    assert not path.exists()


def test_folders_of_the_machine_are_not_stored(path):
    from skdevise import VisualFeaturizer

    save(VisualFeaturizer(cache=Path("photos"), checkpoint="state"), path)
    loaded = load(path)
    assert loaded.cache is None
    assert loaded.checkpoint is None


def test_a_failed_save_keeps_the_old_file(path):
    save(EMBEDDER, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(make_pipeline(TfidfVectorizer(tokenizer=lambda text: text)), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# Damage


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "model.safetensors"
    save(RidgeProjectionClassifier(EMBEDDER).fit(X, Y), path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def forge(path, change, arrays=None):
    """Write a file with right checksums and a changed description."""
    from skdevise import _storage

    with safe_open(path, framework="np") as file:
        text = json.loads(file.metadata()["skdevise"])
    change(text)
    arrays = load_file(path) if arrays is None else arrays
    text["checks"] = {name: _storage._digest(array) for name, array in arrays.items()}
    text = json.dumps(text)
    digest = _storage.hashlib.sha256(text.encode()).hexdigest()
    save_file(arrays, path, {"skdevise": text, "sha256": digest})


@pytest.mark.parametrize(
    "content",
    [
        {"is": "object", "id": 0, "of": "os:system", "state": []},
        {"is": "object", "id": 0, "of": "sklearn.base:clone", "state": []},
        {"is": "object", "id": 0, "of": "sklearn._loss:LinkFunction", "state": []},
        {"is": "object", "id": 0, "of": "subprocess:Popen", "state": []},
        {"is": "object", "id": 0, "of": "Trainer", "state": []},
        {"is": "init__"},
        {"is": "same", "of": 7},
        {"is": "array", "of": "array_9", "writeable": True},
        {"is": "sparse", "of": "csr_array", "parts": ["a", "b", "c"], "shape": [2, 2]},
        {"is": "special", "of": "shell", "id": 0, "state": None},
        {"of": 1},
    ],
    ids=str,
)
def test_hostile_content_is_refused(path, content):
    write(1, path)
    forge(path, lambda text: text.update(content=content), {"x": np.zeros(1)})
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def test_wrong_indices_of_sparse_arrays_are_refused(path):
    write(sparse.csr_array(np.eye(3)), path)
    arrays = load_file(path)
    for name, array in arrays.items():
        if array.dtype.kind == "i" and len(array) == 3:
            arrays[name] = array + 1_000_000
    forge(path, lambda text: None, arrays)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def test_deep_content_is_refused(path):
    write(1, path)
    deep = "[" * 900 + "]" * 900
    forge(path, lambda text: text.update(content=json.loads(deep)))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def test_files_of_newer_versions_are_refused(path):
    write(1, path)
    forge(path, lambda text: text.update(format=99))
    with pytest.raises(ValueError, match="99"):
        load(path)


def test_other_files_are_refused(path):
    save_file({"a": np.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"save did not write it"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(path.with_name("nothing"))
