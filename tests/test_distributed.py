"""Search, features and predictions on a Dask cluster of two processes on this machine."""

import os
import pickle
import signal
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from torch import nn

from skdevise import DeViSEClassifier, PretrainedEmbedder, VisualFeaturizer
from skdevise.distributed import scattered

pytest.importorskip("distributed")


class TracedEmbedder(PretrainedEmbedder):
    """Write down the process of each copy that is made of the vectors."""

    def __setstate__(self, state):
        super().__setstate__(state)
        with open(os.environ["SKDEVISE_TRACE"], "a") as file:
            file.write(f"{os.getpid()}\n")


def traced_net():
    with open(os.environ["SKDEVISE_TRACE"], "a") as file:
        file.write(f"{os.getpid()}\n")
    net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 2))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.5)
    return net


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Client of two worker processes, which know the file of `trace`."""
    from distributed import Client, LocalCluster

    with (
        pytest.MonkeyPatch.context() as patch,
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0",
            env={"SKDEVISE_TRACE": str(tmp_path_factory.mktemp("trace") / "trace")},
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        patch.setenv("SKDEVISE_TRACE", client.submit(os.getenv, "SKDEVISE_TRACE").result())
        yield client


@pytest.fixture
def trace(client):
    """Return an empty file in which processes write down that they loaded something."""
    file = Path(os.environ["SKDEVISE_TRACE"])
    file.write_text("")
    return file


def loads(trace):
    """Count how often each process but this one loaded something: list."""
    counts = Counter(trace.read_text().split())
    counts.pop(str(os.getpid()), None)
    return sorted(counts.values())


def problem(embedder_class=PretrainedEmbedder):
    rng = np.random.default_rng(0)
    words = [f"label{i}" for i in range(6)]
    embedder = embedder_class((words, rng.standard_normal((6, 4)).astype(np.float32)))
    rows = np.arange(60) % 6
    X = rng.standard_normal((6, 8))[rows] + rng.standard_normal((60, 8))
    return embedder, X.astype(np.float32), np.array(words)[rows]


def make_search(embedder):
    clf = DeViSEClassifier(embedder, max_epochs=3, random_state=0, device="cpu")
    return GridSearchCV(clf, {"margin": [0.1, 0.3], "lr": [0.1, 0.5]}, cv=3)


@pytest.mark.slow
def test_a_pickle_is_a_reference_only_in_the_block():
    from distributed import Client

    embedder, X, y = problem()
    clf = DeViSEClassifier(embedder, max_epochs=1, random_state=0)
    with Client(processes=False, dashboard_address=":0", n_workers=1) as client:
        with scattered(embedder, client=client):
            reference = pickle.dumps(clf)
            np.testing.assert_array_equal(
                pickle.loads(reference).fit(X, y).coef_, clf.fit(X, y).coef_
            )
            other, _, _ = problem()
            assert b"label5" in pickle.dumps(other)
    assert b"label5" not in reference
    assert b"label5" in pickle.dumps(clf)


@pytest.mark.slow
def test_a_search_on_a_cluster_gives_the_local_results_and_sends_the_vectors_once(client, trace):
    embedder, X, y = problem(TracedEmbedder)
    with scattered(embedder, client=client), joblib.parallel_config("dask"):
        search = make_search(embedder).fit(X, y)
    assert loads(trace) == [1, 1]
    local = make_search(embedder).fit(X, y)
    for key, column in local.cv_results_.items():
        if not key.endswith("time"):
            np.testing.assert_array_equal(search.cv_results_[key], column)
    assert search.best_estimator_.embedder is embedder


@pytest.fixture
def photos(tmp_path):
    """Names of 20 files with a photo of one colour each."""
    from PIL import Image

    names = [str(tmp_path / f"{i}.png") for i in range(20)]
    for i, name in enumerate(names):
        Image.new("RGB", (10, 8), (10 * i, 5 * i, 0)).save(name)
    return names


def compute(paths, featurizer):
    return featurizer.transform(list(paths))


def compute_table(paths, featurizer):
    return paths.to_frame().assign(feature=featurizer.transform(list(paths))[:, 0])


def fitted():
    return VisualFeaturizer(traced_net, image_size=8, device="cpu").fit(["any.png"])


@pytest.mark.slow
def test_features_over_dask_collections(client, trace, photos):
    import dask
    import dask.array as da
    import dask.bag as db

    featurizer = fitted()
    expected = featurizer.transform(photos)
    shared = dask.delayed(featurizer).persist()
    bag = db.from_sequence(photos, partition_size=3).map_partitions(compute, shared)
    np.testing.assert_array_equal(np.stack(bag.compute()), expected)
    paths = da.from_array(np.array(photos), chunks=3)
    array = paths.map_blocks(
        compute, shared, new_axis=1, chunks=(paths.chunks[0], 5), meta=expected[:0]
    )
    assert array.shape == expected.shape
    np.testing.assert_array_equal(array.compute(), expected)
    # There are 14 parts. A worker may receive the featurizer again while Dask spreads it.
    assert len(loads(trace)) == 2
    assert max(loads(trace)) <= 2


@pytest.mark.slow
def test_features_over_a_dask_dataframe(client, photos, trace):
    pytest.importorskip("pyarrow")
    import dask
    import dask.dataframe as dd
    import pandas as pd

    featurizer = fitted()
    series = pd.Series(photos, name="path", index=range(100, 120))
    shared = dask.delayed(featurizer).persist()
    table = dd.from_pandas(series, npartitions=4).map_partitions(
        compute_table, shared, meta={"path": str, "feature": "f4"}
    )
    expected = compute_table(series, featurizer)
    pd.testing.assert_frame_equal(table.compute(), expected, check_dtype=False)


def compute_or_die(paths, featurizer, marker):
    paths = list(paths)
    if Path(marker).exists() and paths[0].endswith("6.png"):
        Path(marker).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return featurizer.transform(paths)


@pytest.mark.slow
def test_the_part_of_a_lost_worker_is_computed_again(client, tmp_path, photos):
    import dask
    import dask.bag as db

    (tmp_path / "marker").touch()
    featurizer = fitted()
    shared = dask.delayed(featurizer).persist()
    client.amm.run_once()  # Dask keeps one copy, which can be the one of the lost worker.
    bag = db.from_sequence(photos, partition_size=3)
    features = bag.map_partitions(compute_or_die, shared, str(tmp_path / "marker")).compute()
    np.testing.assert_array_equal(np.stack(features), featurizer.transform(photos))
    assert not (tmp_path / "marker").exists()
