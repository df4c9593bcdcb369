"""The file format of `save`: how each kind of value is stored, and what comes back."""

import json
import re
from enum import Enum
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file
from scipy import sparse
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector
from sklearn.feature_selection import chi2
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
from sklearn.utils import Bunch

from skdevise import (
    EncoderEmbedder,
    Hierarchy,
    LabelSpace,
    LabelVocabulary,
    PretrainedEmbedder,
    load,
    save,
)
from skdevise._storage import read, write
from skdevise.exceptions import UntrustedError
from skdevise.language._io import Subwords
from skdevise.model_selection import UnseenClassSplit
from tests.test_persistence import forge
from tests.test_persistence_sklearn import forge_part, generator_at, load_trusting

EMBEDDER = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.8, 0.6]})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


class Colour(Enum):
    RED = 1


def content(path):
    """Return the description of the value in a file."""
    return json.loads(load_file(path)["description"].tobytes())["content"]


def special(name, state):
    return {"is": "special", "id": 0, "of": name, "state": state}


ARRAY = {"is": "array", "of": "array_0", "writeable": True}


# Later versions read these files, so the names in them must stay.
@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.str_("a"), "a"),
        (float("-inf"), {"is": "float", "of": "-inf"}),
        ((1, 2), {"is": "tuple", "of": [1, 2]}),
        ({3}, {"is": "set", "of": [3]}),
        (frozenset({3}), {"is": "frozenset", "of": [3]}),
        ({1: "a"}, {"is": "dict", "of": [[1, "a"]]}),
        (slice(1, None, 2), {"is": "slice", "of": [1, None, 2]}),
        (np.float32(2), {"is": "scalar", "of": "array_0"}),
        (np.arange(3), ARRAY),
        (np.zeros((2, 3)).T, {"is": "transposed", "of": "array_0"}),
        (np.zeros((2, 1)).T, ARRAY),
        (np.array([["ab"]]), {"is": "text", "of": "array_0", "shape": [1, 1]}),
        (np.array([None, 1]), {"is": "cells", "of": [None, 1], "shape": [2]}),
        (
            np.ma.masked_array([1, 2], [True, False]),
            {"is": "masked", "of": [ARRAY, ARRAY | {"of": "array_1"}]},
        ),
        (
            sparse.csc_array(np.eye(2, 3)),
            {
                "is": "sparse", "of": "csc_array", "parts": ["array_0", "array_1", "array_2"],
                "shape": [2, 3],
            },
        ),
        (np.float32, {"is": "type", "of": "<f4"}),
        (np.dtype(">i2"), {"is": "dtype", "of": ">i2"}),
        (np.add, {"is": "function", "of": "numpy:add"}),
        (chi2, {"is": "function", "of": "sklearn.feature_selection:chi2"}),
        (Path("a/b"), special("path", "a/b")),
        (Colour.RED, special("enum", "Colour.RED")),
        (Bunch(a=1), special("bunch", {"is": "dict", "of": [["a", 1]]})),
        (torch.zeros(2), special("tensor", {"is": "tuple", "of": [ARRAY, [0], False]})),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_are_stored_under_these_names(path, value, stored):
    write(value, path)
    assert content(path) == stored


def stored_names(node):
    """Yield the names of all classes and special kinds below a node."""
    if isinstance(node, dict):
        if node.get("is") in ("object", "special"):
            yield node["of"]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from stored_names(part)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (np.random.RandomState(0), {"random state"}),
        (pd.DataFrame({"a": [1, 2]}), {"table"}),
        (StandardScaler(), {"sklearn.preprocessing:StandardScaler"}),
        (LabelVocabulary(["cat"]), {"vocabulary"}),
        (EMBEDDER, {"PretrainedEmbedder", "term table"}),
        (PretrainedEmbedder((["cat"], [[1]], Subwords(np.eye(9, 1), 3, 6))), {"Subwords"}),
        (UnseenClassSplit(), {"UnseenClassSplit"}),
        (Hierarchy.from_edges([("pet", "cat")]), {"hierarchy"}),
        (LabelSpace(["cat"], EMBEDDER, search="tree"), {"LabelSpace", "tree"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_are_stored_under_these_names(path, value, names):
    write(value, path)
    assert names <= set(stored_names(content(path)))
    assert type(read(path)) is type(value)


def test_a_shared_object_is_stored_once(path):
    scaler = StandardScaler()
    write([scaler, scaler], path)
    assert content(path)[1] == {"is": "same", "of": content(path)[0]["id"]}
    first, second = read(path)
    assert first is second


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=pd.Index([3, 7], name="row")),
        pd.DataFrame([[1, 2.5], [3, 4.5]], columns=["same", "same"]),
        pd.DataFrame(
            {"a": [1, 2]},
            index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["letter", "number"]),
        ),
    ],
    ids=["named index", "equal names", "two levels"],
)
def test_tables_are_the_same_after_loading(path, table):
    write(table, path)
    pd.testing.assert_frame_equal(read(path), table)


@pytest.mark.parametrize("position", [0, 1, 624])
def test_a_random_generator_goes_on_after_loading(path, position):
    generator = np.random.RandomState(3)
    generator.standard_normal()  # It keeps the second number of a pair.
    state = generator.get_state(legacy=False)
    state["state"]["pos"] = position
    generator.set_state(state)
    write(generator, path)
    assert_array_equal(read(path).standard_normal(700), generator.standard_normal(700))


@pytest.mark.parametrize("position", [-1, 625])
def test_a_random_generator_outside_of_its_state_is_refused(path, position):
    write(np.random.RandomState(0), path)

    def change(stored):
        (state,) = (v for k, v in stored["content"]["state"]["of"] if k == "state")
        state["of"] = [[k, position if k == "pos" else v] for k, v in state["of"]]

    forge(path, change)
    with pytest.raises(ValueError, match="random generator"):
        load(path)


@pytest.mark.parametrize("search", ["tree", "lsh", "hnsw"])
def test_a_search_gives_the_same_answers_after_loading(path, search):
    if search != "tree":
        pytest.importorskip("faiss")
    labels = ["cat", "truck", "lynx"]
    space = LabelSpace(labels, EMBEDDER, search=search)
    save(space, path)
    assert ("tree" if search == "tree" else "faiss") in stored_names(content(path))
    points = [[1, 0], [0.7, 0.7]]
    for trusted in ([], ["faiss"]):
        loaded = load(path, trusted=trusted)
        assert_array_equal(loaded.top_k(points, 2)[0], space.top_k(points, 2)[0])


@pytest.mark.parametrize(
    "array",
    [
        np.ma.masked_array([[1.5, 2], [3, 4]], [[True, False], [False, False]]),
        np.array(["a\U0010ffff", "\x00b"]),  # the largest and the smallest code point
        np.array([[1, 2], [3]], dtype=object),
        np.array([None, "a"] * 3, dtype=object).reshape(3, 2),
    ],
    ids=["masked", "text", "lists", "cells"],
)
def test_unusual_arrays_are_the_same_after_loading(path, array):
    write(array, path)
    assert type(read(path)) is type(array)
    assert repr(read(path)) == repr(array)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, complex), np.complex128(1j), sparse.csr_array([[1j]]),
        np.zeros(2, "datetime64[s]"), np.datetime64("2013-12-05"), np.bytes_(b"cat"),
        np.zeros(2, np.longdouble), np.longdouble(1),
    ],
    ids=repr,
)  # fmt: skip
def test_numbers_of_other_types_are_named(path, value):
    with pytest.raises(TypeError, match=re.escape(f"list[1] has the type {value.dtype}")):
        write([1, value], path)
    assert not path.exists()


def test_arrays_of_other_classes_are_named(path):
    with pytest.raises(TypeError, match=r"dict\['a'\] is a dok_array"):
        write({"a": sparse.dok_array((2, 2))}, path)


def test_arrays_can_be_changed_as_before(path):
    fixed = np.zeros(2)
    fixed.flags.writeable = False
    write({"fixed": fixed, "free": np.zeros(2)}, path)
    loaded = load(path)
    assert loaded["free"].flags.writeable and not loaded["fixed"].flags.writeable
    assert not load(path, mmap=True)["free"].flags.writeable


@pytest.mark.parametrize("name", ["DataFrame", "LabelSpace", "AdamOptimizer"])
@pytest.mark.parametrize("base", [object, BaseEstimator])
def test_classes_of_others_are_refused_whatever_their_names(path, name, base):
    with pytest.raises(TypeError, match=name):
        write(type(name, (base,), {})(), path)


def test_functions_that_others_cannot_import_are_refused(path):
    def of_a_script(text):
        return text

    of_a_script.__module__, of_a_script.__qualname__ = "__main__", "of_a_script"
    for function in (of_a_script, expit):  # The ufuncs of scipy do not name their module.
        with pytest.raises(TypeError, match=function.__name__):
            write(function, path)


def test_methods_of_objects_are_refused(path):
    # Their names lead to a function without the object.
    encoder = json.JSONEncoder()
    with pytest.raises(TypeError, match=r"EncoderEmbedder\.encoder is .*JSONEncoder\.encode"):
        save(EncoderEmbedder(encoder.encode), path)
    write(Hierarchy.wordnet, path)  # The name of a class method leads to this method.
    name = "skdevise.labels._hierarchy:Hierarchy.wordnet"
    assert load(path, trusted=[name]) == Hierarchy.wordnet


def test_a_bundled_hierarchy_is_stored_by_its_name(path):
    save(Hierarchy.wordnet("imagenet-fall11"), path)
    assert content(path)["state"] == "imagenet-fall11"


# Parts that skops stores


@pytest.mark.parametrize(
    "estimator",
    [
        SplineTransformer(3).fit(np.arange(9.0)[:, None]),
        FunctionTransformer(np.add, kw_args={"generator": np.random.default_rng(0)}),
        FunctionTransformer(
            kw_args={"generator": np.random.default_rng(0), "columns": make_column_selector("a")}
        ),
    ],
    ids=["scipy", "numpy", "scikit-learn"],
)
def test_parts_of_scipy_and_numpy_are_the_same_after_loading(path, estimator):
    pytest.importorskip("skops")
    save(estimator, path)
    loaded, _ = load_trusting(path)
    if isinstance(estimator, SplineTransformer):
        X = np.linspace(0, 8, 20)[:, None]
        assert_array_equal(loaded.transform(X), estimator.transform(X))
    else:
        patterns = [vars(e.kw_args.get("columns", e)).get("pattern") for e in (loaded, estimator)]
        assert patterns[0] == patterns[1]
        draws = [e.kw_args["generator"].random(3) for e in (loaded, estimator)]
        assert_array_equal(*draws)


def test_save_refuses_a_part_that_load_would_refuse(path):
    pytest.importorskip("skops")
    selector = make_column_selector()
    selector.groups = sparse.csr_matrix(np.eye(2))
    with pytest.raises(TypeError, match=r"make_column_selector.*joblib"):
        save(FunctionTransformer(kw_args={"columns": selector}), path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["cache", "checkpoint", "memory"])
def test_a_folder_in_a_part_of_skops_is_refused(path, name):
    skops = pytest.importorskip("skops.io")
    forge_part(path, skops.dumps({name: "folder"}))
    with pytest.raises(ValueError, match=name):
        load(path)
    forge_part(path, skops.dumps({name: None}))
    assert load(path) == {name: None}


@pytest.mark.parametrize(
    ("bits", "position"),
    [(np.random.MT19937, 0), (np.random.MT19937, 624), (np.random.Philox, 4)],
    ids=str,
)
def test_generators_within_their_state_are_loaded_by_skops(path, bits, position):
    skops = pytest.importorskip("skops.io")
    generator = generator_at(bits(0), position)
    forge_part(path, skops.dumps(generator))
    assert_array_equal(load(path).random(9), generator.random(9))


def test_a_part_of_skops_that_expands_is_refused(path):
    skops = pytest.importorskip("skops.io")
    part = skops.dumps({"a": "b" * 100_000}, compression=ZIP_DEFLATED)
    assert len(part) < 10_000
    forge_part(path, part)
    with pytest.raises(ValueError, match="larger"):
        load(path)


def test_only_the_types_that_skops_does_not_trust_are_asked_for(path):
    pytest.importorskip("skops")
    save(KNeighborsClassifier(algorithm="kd_tree").fit(np.eye(3), [0, 1, 2]), path)
    with pytest.raises(UntrustedError, match="EuclideanDistance64.*KDTree"):
        load(path)
    with pytest.raises(UntrustedError, match=r"=\['sklearn.neighbors._kd_tree.KDTree'\]"):
        load(path, trusted=["sklearn.metrics._dist_metrics.EuclideanDistance64"])
