import tracemalloc

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.base import clone

from skdevise import (
    DeViSEClassifier,
    ESZSLClassifier,
    LabelVocabulary,
    NearestClassMeanClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
    WSABIEClassifier,
)
from skdevise._columns import check_targets
from skdevise.models._features import (
    ClassMeans,
    FeaturesOnDisk,
    Samples,
    finite_blocks,
    is_on_disk,
    join_labels,
    row_blocks,
)

# --- Labels


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([1, None, 2], "None in row 1"),
        ([None, None, None], "None in row 0"),
        (["cat", None, "dog"], "None in row 1"),
        (["cat", np.nan, "dog"], "nan in row 1"),
        (["cat", 1, "dog"], "text and numbers"),
        ([0.5, 1.5, 2.0], "continuous"),
    ],
    ids=str,
)
def test_labels_are_text_or_numbers(y, expected):
    dtype = float if isinstance(y[0], float) else object
    with pytest.raises(ValueError, match=expected):
        check_targets(np.array(y, dtype=dtype))


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="needs NumPy 2")
def test_labels_may_be_strings_of_variable_length(plane, pets_and_trucks):
    X, y = pets_and_trucks
    strings = y.astype(np.dtypes.StringDType())
    clf = DeViSEClassifier(plane, random_state=0).fit(X, strings)
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert clf.score(X, strings) == clf.partial_fit(X, strings).score(X, y) == 1.0


@pytest.mark.parametrize(
    "classes",
    [
        {"cat", "dog"}, ("dog", "cat"),
        np.array(["cat", "dog"], dtype=object),
    ],
    ids=lambda classes: type(classes).__name__,
)  # fmt: skip
def test_labels_from_any_collection_are_joined(classes):
    assert join_labels(["ant"], classes, []).tolist() == ["ant", "cat", "dog"]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [("cat", "'cat'"), (7, "7"), (["cat", None], "None"), ([1, 2], "int64")],
    ids=str,
)
def test_other_classes_are_refused(classes, expected):
    with pytest.raises((TypeError, ValueError), match=expected):
        join_labels(np.array(["cat"]), classes)


@pytest.mark.parametrize("wrap", [torch.clone, list])
def test_labels_may_be_tensors(device, wrap):
    y = torch.tensor([2.0, 1.0], dtype=torch.bfloat16, device=device, requires_grad=True)
    assert check_targets(wrap(y)).tolist() == [2, 1]
    assert LabelVocabulary(wrap(y)).labels.tolist() == [2, 1]


@pytest.mark.parametrize(
    "clf",
    [RidgeProjectionClassifier(RandomEmbedder(4)), NearestClassMeanClassifier(metric="euclidean")],
    ids=lambda clf: type(clf).__name__,
)
def test_one_number_weighs_all_samples(pets_and_trucks, clf):
    X, y = pets_and_trucks
    expected = clone(clf).fit(X, y, sample_weight=np.full(60, 2.0)).predict_proba(X)
    assert_allclose(clone(clf).fit(X, y, sample_weight=2.0).predict_proba(X), expected)


# --- Features in memory


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_arrays_and_tensors_of_any_precision_train(plane, pets_and_trucks, dtype):
    X, y = pets_and_trucks
    tensor = torch.from_numpy(X).to(getattr(torch, dtype))
    clf = DeViSEClassifier(plane, random_state=0).fit(tensor, y)
    assert clf.score(tensor, y) == 1.0
    if dtype != "bfloat16":
        same = DeViSEClassifier(plane, random_state=0).fit(X.astype(dtype), y)
        assert np.array_equal(clf.coef_, same.coef_)


def test_a_row_with_nan_is_named(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).fit(X, y)
    for value in (np.nan, np.inf, -np.inf):
        bad = X.copy()
        bad[17, 1] = value
        for call in (lambda: clf.fit(bad, y), lambda: clf.predict(bad)):  # noqa: B023
            with pytest.raises(ValueError, match="row 17"):
                call()


@pytest.mark.parametrize("photos", [["a.jpg", "b.jpg"], np.zeros((2, 8, 8, 3), np.uint8)])
def test_photos_need_a_visual_model(photos):
    with pytest.raises(ValueError, match="visual=VisualFeaturizer"):
        DeViSEClassifier().fit(photos, ["cat", "dog"])


def test_samples_are_taken_with_their_weights():
    samples = Samples(None, np.eye(4), np.array([0, 2, 3]), np.array([1, 0, 1]), np.arange(3.0))
    taken = samples.take([1, 2])
    assert taken.rows.tolist() == [2, 3]
    assert taken.targets.tolist() == [0, 1]
    assert taken.weight.tolist() == [1, 2]
    [(block, weight)] = taken.blocks()
    assert np.array_equal(block, np.eye(4)[2:])
    assert weight.tolist() == [1, 2]


def test_class_means_by_hand():
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    samples = Samples(X, X, np.array([0, 1, 3, 5]), np.array([2, 0, 2, 0]), np.array([1, 1, 3, 2]))
    means, totals = samples.class_means(4, lambda block: 10 * block)
    # Class 0 has the rows 1 and 5 (twice), and class 2 the rows 0 and 3 (three times).
    assert totals.tolist() == [3, 0, 4, 0]
    assert_allclose(means, [[220 / 3, 250 / 3], [0, 0], [45, 55], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("clf", "n_copies"),
    [
        (DeViSEClassifier(RandomEmbedder(4), max_epochs=1, calibrate=False, random_state=0), 1),
        (WSABIEClassifier(embedding_size=4, max_epochs=1, calibrate=False, random_state=0), 1),
        (RidgeProjectionClassifier(RandomEmbedder(4), calibrate=False), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_table_is_copied_once_at_most(clf, n_copies):
    X = np.random.default_rng(0).random((2**15, 256), dtype=np.float32)
    y = np.arange(len(X)) % 4
    clf = clone(clf).fit(X[:100], y[:100])  # This imports modules.
    # The training reads scaled features, which are a copy. Blocks and points need less than one.
    for call, most in ((lambda: clf.fit(X, y), n_copies), (lambda: clf.predict(X), 0)):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < (most + 0.9) * X.nbytes


# --- Features on disk


@pytest.fixture
def wide():
    """Forty samples of three labels, so wide that a block holds five of them."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 3
    X = rng.random((40, 2**20 // 5), dtype=np.float32) + 3 * np.eye(3, 2**20 // 5)[y]
    return X.astype(np.float32), np.array(["cat", "dog", "truck"])[y]


@pytest.fixture
def hdf5(tmp_path, wide):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = wide[0]
    with h5py.File(tmp_path / "X.h5") as file:
        yield file["X"]


def test_only_large_memory_maps_and_datasets_stay_on_disk(tmp_path, hdf5):
    X = np.eye(3)
    np.save(tmp_path / "small.npy", X)
    small = np.load(tmp_path / "small.npy", mmap_mode="r")
    in_memory = [X, small, X.tolist(), pd.DataFrame(X), csr_array(X), torch.eye(3)]
    assert not any(is_on_disk(features) for features in in_memory)
    # A sparse file of 320 MB.
    large = np.memmap(tmp_path / "large", dtype=np.float32, mode="w+", shape=(80_000, 1_000))
    assert is_on_disk(large)
    assert is_on_disk(hdf5)


def test_features_on_disk_are_read_in_blocks(hdf5, wide):
    assert row_blocks(hdf5, 12) == [slice(0, 5), slice(5, 10), slice(10, 12)]
    blocks = list(finite_blocks(hdf5))
    assert len(blocks) == 8
    assert np.array_equal(np.concatenate(blocks), wide[0])


def test_rows_on_disk_come_in_the_order_asked_for(hdf5, wide):
    source = FeaturesOnDisk(hdf5, scale=lambda block: 2 * block)
    rows = torch.tensor([39, 3, 9, 4])
    assert np.array_equal(source[rows].numpy(), 2 * wide[0][rows])


@pytest.mark.parametrize(
    "params",
    [{"feature_scaling": "l2"}, {"feature_scaling": "standard"}, {}, {"early_stopping": True}],
    ids=str,
)
def test_features_on_disk_train_as_in_memory(hdf5, wide, plane, params):
    X, y = wide
    params = {"max_epochs": 2, "batch_size": 7, "device": "cpu", **params}
    clf = DeViSEClassifier(plane, random_state=0, **params)
    weight = np.arange(40.0)  # The first sample is left out.
    clf.fit(X, y, sample_weight=weight)
    coef, points = clf.coef_, clf.transform(X)
    clf.fit(hdf5, y, sample_weight=weight)
    np.testing.assert_allclose(clf.coef_, coef, atol=1e-5)
    np.testing.assert_allclose(clf.transform(hdf5), points, atol=1e-4)
    assert clf.n_features_in_ == X.shape[1]


@pytest.mark.parametrize(
    "clf",
    [
        DeViSEClassifier(max_epochs=1, random_state=0),
        ESZSLClassifier(),
        NearestClassMeanClassifier(),
        RidgeProjectionClassifier(),
        WSABIEClassifier(max_epochs=1, random_state=0),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_the_scaling_changes_in_the_next_fit_only(clf, pets_and_trucks):
    X, y = pets_and_trucks
    scaled = clone(clf).set_params(feature_scaling="centered").fit(X, y)
    scores = scaled.decision_function(X)
    scaled.set_params(feature_scaling="l2")
    assert_allclose(scaled.decision_function(X), scores)
    scaled.fit(X, y)
    assert not hasattr(scaled, "scaler_")
    scores = scaled.decision_function(X)
    scaled.set_params(feature_scaling="standard")
    assert_allclose(scaled.decision_function(X), scores)


def test_a_row_with_nan_on_disk_is_named(tmp_path, wide, plane):
    X, y = wide
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["X"] = X
        file["X"][17, 1] = np.nan
        clf = DeViSEClassifier(plane, max_epochs=1, random_state=0)
        with pytest.raises(ValueError, match="row 17"):
            clf.fit(file["X"], y)
        clf.fit(X, y)
        with pytest.raises(ValueError, match="row 17"):
            clf.predict(file["X"])


def test_a_table_on_disk_needs_numbers_and_labels(tmp_path):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["texts"], file["X"] = [b"a", b"b"], np.eye(2)
        with pytest.raises(ValueError, match=r"shape \(2,\)"):
            DeViSEClassifier().fit(file["texts"], ["cat", "dog"])
        with pytest.raises(ValueError, match="requires y to be passed"):
            DeViSEClassifier().fit(file["X"], None)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            DeViSEClassifier().fit(file["X"], ["cat", "dog", "cow"])


# --- Means of classes

CLASSES = np.array(["cat", "lynx", "truck"])


def make_samples(X, targets, weight=None):
    return Samples(X, X, np.arange(len(X)), targets, weight)


def test_the_mean_of_a_class_is_that_of_all_its_samples():
    X = np.random.default_rng(0).uniform(1, 2, (30, 3))
    targets, weight = np.resize([0, 2, 1], 30), np.random.default_rng(1).uniform(0, 1, 30)
    means = ClassMeans()
    for part in (slice(9), slice(9, 30)):
        means = means.updated(make_samples(X[part], targets[part], weight[part]), CLASSES)
    assert set(means.known) == {"cat", "truck", "lynx"}
    for label, (mean, total) in means.known.items():
        rows = CLASSES[targets] == label
        assert total == pytest.approx(weight[rows].sum())
        assert_allclose(mean, np.average(X[rows], axis=0, weights=weight[rows]))


def test_absent_classes_are_found_among_the_present_classes():
    # Seen: cat (mean 2) and truck (mean 5). With "ant" as a new class, truck moves to column 3.
    means = ClassMeans().updated(make_samples(np.array([[1.0], [3], [5]]), [0, 0, 2]), CLASSES)
    classes = np.array(["ant", "cat", "lynx", "truck"])
    replayed, targets = means.absent_from(make_samples(np.array([[9.0], [9]]), [0, 1]), classes)
    assert_allclose(replayed, [[5]])
    assert targets.tolist() == [3]
    assert means.absent_from(make_samples(np.array([[9.0], [9]]), [1, 3]), classes) is None
