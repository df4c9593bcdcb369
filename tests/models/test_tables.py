import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

from skdevise import DeViSEClassifier
from skdevise.models import _tables as tables
from skdevise.models._features import StreamedFeatures
from skdevise.models._tables import is_streamed, parts, read


@pytest.fixture
def small_blocks(monkeypatch):
    """Memory maps of any size count as large, and blocks hold 21 numbers: seven rows of three."""
    monkeypatch.setattr(tables, "_N_RESIDENT_BYTES", 0)
    monkeypatch.setattr(tables, "_N_BLOCK", 21)


@pytest.fixture
def on_disk(tmp_path, pets_and_trucks, small_blocks):
    """The features as a memory map, and as a data set of HDF5."""
    X, _ = pets_and_trucks
    np.save(tmp_path / "X.npy", X)
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = X
    with h5py.File(tmp_path / "X.h5") as file:
        yield {"memory map": np.load(tmp_path / "X.npy", mmap_mode="r"), "HDF5": file["X"]}


def test_what_is_in_memory_is_not_streamed(small_blocks):
    X = np.eye(3)
    assert not any(map(is_streamed, [X, X.tolist(), pd.DataFrame(X), csr_array(X), torch.eye(3)]))


@pytest.mark.parametrize("kind", ["memory map", "HDF5"])
def test_rows_of_a_table_come_in_the_order_asked_for(on_disk, pets_and_trucks, kind):
    X, table = pets_and_trucks[0], on_disk[kind]
    assert is_streamed(table)
    assert parts(table, 16) == [slice(0, 7), slice(7, 14), slice(14, 16)]
    assert np.array_equal(read(table, np.array([3, 50])), X[[3, 50]])
    rows = torch.tensor([50, 3, 9, 4])
    source = StreamedFeatures(table, scale=lambda block: 2 * block)
    assert np.array_equal(source[rows].numpy(), 2 * X[[50, 3, 9, 4]])


@pytest.mark.parametrize("kind", ["memory map", "HDF5"])
@pytest.mark.parametrize(
    "params",
    [{}, {"feature_scaling": "standard"}, {"early_stopping": True}],
    ids=str,
)
def test_a_table_on_disk_trains_as_in_memory(on_disk, pets_and_trucks, kind, params):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(random_state=0, max_epochs=3, batch_size=7, **params)
    weight = np.arange(60.0)  # The first sample is left out.
    resident = clf.fit(X, y, sample_weight=weight)
    coef, points = resident.coef_, resident.transform(X)
    streamed = clf.fit(on_disk[kind], y, sample_weight=weight)
    np.testing.assert_allclose(streamed.coef_, coef, atol=1e-6)
    np.testing.assert_allclose(streamed.transform(on_disk[kind]), points, atol=1e-6)
    assert (streamed.predict(on_disk[kind]) == streamed.predict(X)).all()
    assert streamed.n_features_in_ == 3


def test_a_bad_row_of_a_table_is_named(tmp_path, on_disk, pets_and_trucks):
    X, y = pets_and_trucks
    X[17, 1] = np.nan
    np.save(tmp_path / "bad.npy", X)
    bad = np.load(tmp_path / "bad.npy", mmap_mode="r")
    clf = DeViSEClassifier(random_state=0, max_epochs=1)
    with pytest.raises(ValueError, match="NaN or infinity, first in row 17"):
        clf.fit(bad, y)
    assert not hasattr(clf, "coef_")
    clf.fit(on_disk["HDF5"], y)
    with pytest.raises(ValueError, match="first in row 17"):
        clf.predict(bad)
    with pytest.raises(ValueError, match="has 2 features, but DeViSEClassifier is expecting 3"):
        clf.predict(bad[:, :2])


def test_a_table_of_no_features_is_refused(tmp_path, pets_and_trucks):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["texts"] = [b"a", b"b"]
        with pytest.raises(ValueError, match="it needs numbers, samples by features"):
            DeViSEClassifier().fit(file["texts"], ["cat", "dog"])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_every_kind_of_array_and_tensor_trains(plane, pets_and_trucks, dtype):
    X, y = pets_and_trucks
    tensor = torch.from_numpy(X).to(getattr(torch, dtype))
    clf = DeViSEClassifier(plane, random_state=0).fit(tensor, y)
    assert clf.score(tensor, y) == 1.0
    if dtype != "bfloat16":
        same = DeViSEClassifier(plane, random_state=0).fit(X.astype(dtype), y)
        assert np.array_equal(clf.coef_, same.coef_)


@pytest.mark.slow
def test_a_memory_map_of_10_gb_adds_less_than_200_mb(tmp_path):
    # A sparse file: 10 GB of zeros that take no room, but for some rows. A CUDA build of torch has
    # 800 MB of its own, whatever it trains.
    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", mode="w+", dtype=np.float32, shape=(2_000_000, 1_280)
    )
    X[::1000] = np.random.default_rng(0).random((2_000, 1_280))
    X.flush()
    assert X.nbytes > 10e9
    script = f"""
import resource
import numpy as np
from skdevise import DeViSEClassifier
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
clf = DeViSEClassifier(max_epochs=1, batch_size=1_024, random_state=0)
clf.fit(np.eye(200, 1_280, dtype=np.float32), np.arange(200) % 100)
in_memory = most()
X = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r")
clf.fit(X, np.arange(len(X)) % 100)
print(in_memory, most())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    in_memory, most = map(int, done.stdout.split())
    print(f"{in_memory / 1e9:.2f} GB in memory, {most / 1e9:.2f} GB with the map")
    assert most - in_memory < 2e8
