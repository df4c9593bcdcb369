"""Features of many photos: kept, streamed, and in spite of files that cannot be read."""

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision import VisualFeaturizer
from skdevise.vision._cache import FeatureCache
from skdevise.vision._photos import Photos
from skdevise.vision.engines import InferenceEngine
from tests.vision.conftest import tiny_net
from tests.vision.test_featurizer import tiny


@pytest.fixture
def n_run(monkeypatch):
    """Sizes of the batches that went through a net."""
    sizes, run = [], InferenceEngine.__call__

    def counted(self, photos):
        sizes.append(len(photos))
        return run(self, photos)

    monkeypatch.setattr(InferenceEngine, "__call__", counted)
    return sizes


@pytest.mark.parametrize("cached, n_forward", [(True, 100), (False, 2_100)])
def test_a_search_sends_each_photo_through_the_net_once(tmp_path, n_run, cached, n_forward):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    y = np.arange(100) % 2
    pipe = make_pipeline(
        tiny(image_size=8, cache=tmp_path if cached else None), LogisticRegression()
    )
    # 4 candidates on 5 folds of 80 + 20 photos, and a last fit on all 100.
    GridSearchCV(pipe, {"logisticregression__C": [0.1, 1, 10, 100]}).fit(X, y)
    assert sum(n_run) == n_forward


def test_what_is_kept_is_not_decoded_and_loads_no_net(arrays, tmp_path, monkeypatch):
    featurizer = tiny(cache=tmp_path).fit(arrays)
    first = featurizer.transform(arrays)
    again = pickle.loads(pickle.dumps(featurizer))

    def refuse(*args):
        raise AssertionError("not needed")

    monkeypatch.setattr(Photos, "pixels", refuse)
    monkeypatch.setattr(VisualFeaturizer, "_load", refuse)
    monkeypatch.setattr("skdevise.vision._photos._pixels", refuse)
    paths = []
    for index, array in enumerate(arrays):
        paths.append(tmp_path / f"{index}.npy")
        np.save(paths[-1], array)
    with pytest.raises(AssertionError, match="not needed"):
        again.transform(paths)  # Other photos, as their files tell: they have to be decoded.
    monkeypatch.undo()
    np.testing.assert_array_equal(again.transform(arrays), first)
    assert again.cache_info().hits == 5


def test_files_that_are_kept_are_not_decoded(paths, tmp_path, monkeypatch):
    featurizer = tiny(cache=tmp_path / "cache").fit(paths)
    first = featurizer.transform(paths)
    again = pickle.loads(pickle.dumps(featurizer))
    monkeypatch.setattr(Photos, "pixels", None)
    monkeypatch.setattr(VisualFeaturizer, "_load", None)
    np.testing.assert_array_equal(again.transform(paths), first)


@pytest.mark.parametrize(
    "params",
    [
        {"image_size": 12},
        {"backbone": tiny_net()},
        {"preprocess": "own"},
        {"engine": "torch"},
        {"weights": None, "max_epochs": 1},
    ],
)
def test_another_net_has_features_of_its_own(arrays, tmp_path, n_run, params):
    tiny(cache=tmp_path).fit(arrays).transform(arrays)
    if params.get("preprocess") == "own":
        params = {"preprocess": eight_by_eight, "image_size": None}
    featurizer = tiny(cache=tmp_path, **params).fit(arrays, list("ababa"))
    expected = tiny(**params)
    if "backbone" in params:
        expected.set_params(backbone=params["backbone"])
    kept = featurizer.transform(arrays)
    assert sum(n_run) == 10
    np.testing.assert_allclose(
        kept, expected.fit(arrays, list("ababa")).transform(arrays), rtol=1e-6
    )


def eight_by_eight(image):
    from torchvision.transforms.functional import to_tensor

    return to_tensor(image.resize((8, 8)))


def test_a_net_trained_further_has_features_of_its_own(arrays, tmp_path):
    featurizer = tiny(cache=tmp_path).fit(arrays)
    before = featurizer.transform(arrays)
    next(featurizer._feature_net().parameters()).data += 1
    featurizer._keep_weights()
    assert not np.allclose(featurizer.transform(arrays), before)


def test_the_cache_can_be_limited_and_asked(arrays, tmp_path):
    cache = FeatureCache(tmp_path, "5M")
    featurizer = tiny(cache=cache).fit(arrays)
    featurizer.transform(arrays)
    featurizer.transform(arrays[:2])
    assert featurizer.cache_info()[:3] == (2, 5, 5)
    with pytest.raises(ValueError, match="There is no cache: give cache=folder"):
        tiny().fit(arrays).cache_info()


def test_a_cache_that_is_no_folder_is_refused_in_fit(arrays, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be used"):
        tiny(cache=tmp_path / "file").fit(arrays)


# --- photos that cannot be read


@pytest.fixture
def with_broken(arrays):
    return [arrays[0], b"no photo", arrays[1], "missing.jpg", arrays[2]]


@pytest.mark.parametrize("cached", [True, False])
def test_a_broken_photo_loses_nothing_that_was_computed(
    arrays, with_broken, tmp_path, cached, n_run
):
    featurizer = tiny(batch_size=2, cache=tmp_path if cached else None).fit(arrays)
    expected = featurizer.transform(arrays)[:3]
    with pytest.raises(UnreadablePhotoError, match="photo number 1 cannot be read") as caught:
        featurizer.transform(with_broken)
    np.testing.assert_allclose(caught.value.features, expected[:1], rtol=1e-6)
    nans = featurizer.set_params(on_error="nan")
    with pytest.warns(UserWarning, match="2 of 5 photos cannot be read .photo number 1"):
        features = nans.transform(with_broken)
    np.testing.assert_allclose(features[[0, 2, 4]], expected, rtol=1e-6)
    assert np.isnan(features[[1, 3]]).all()
    features, skipped = nans.set_params(on_error="skip").transform(with_broken, return_skipped=True)
    np.testing.assert_allclose(features, expected, rtol=1e-6)
    assert skipped.tolist() == [1, 3]
    if cached:
        assert sum(n_run) == 5


def test_broken_photos_are_never_answered(arrays, with_broken):
    for on_error in ("nan", "skip"):
        featurizer = tiny(on_error=on_error).fit(arrays)
        for method in ("predict", "predict_proba"):
            with pytest.raises(UnreadablePhotoError):
                getattr(featurizer, method)(with_broken)


@pytest.mark.parametrize("on_error", ["nan", "skip"])
def test_pretraining_leaves_broken_photos_out(two_colours, on_error):
    photos, labels = two_colours
    params = {"weights": None, "max_epochs": 3, "batch_size": 4}
    expected = tiny(**params).fit(photos, labels)
    with pytest.warns(UserWarning, match="1 of 13 photos cannot be read"):
        found = tiny(on_error=on_error, **params).fit([*photos, b"no photo"], [*labels, "red"])
    for key, own in expected.weights_.items():
        np.testing.assert_array_equal(found.weights_[key], own)
    with pytest.raises(UnreadablePhotoError):
        tiny(**params).fit([*photos, b"no photo"], [*labels, "red"])


# --- streams


@pytest.mark.parametrize("form", ["list", "array", "generator"])
def test_features_come_as_photos_do(arrays, form):
    X = {"list": arrays * 4, "array": np.array(arrays * 4), "generator": (a for a in arrays * 4)}
    featurizer = tiny(batch_size=1).fit(arrays)
    parts = list(featurizer.transform_iter(X[form]))
    assert [len(rows) for rows, _ in parts] == [8, 8, 4]
    assert np.concatenate([rows for rows, _ in parts]).tolist() == list(range(20))
    np.testing.assert_allclose(
        np.concatenate([features for _, features in parts]),
        np.tile(featurizer.transform(arrays), (4, 1)),
        rtol=1e-6,
    )


def test_a_stream_skips_what_cannot_be_read(arrays, with_broken):
    featurizer = tiny(batch_size=1, on_error="skip").fit(arrays)
    ((rows, features),) = featurizer.transform_iter(photo for photo in with_broken)
    assert rows.tolist() == [0, 2, 4]
    np.testing.assert_allclose(features, featurizer.transform(arrays)[:3], rtol=1e-6)


def test_what_is_no_stream_is_refused(arrays):
    with pytest.raises(TypeError, match="X is of type NoneType, which gives no photos"):
        tiny().fit(arrays).transform_iter(None)


def test_a_stream_is_read_as_it_is_needed(arrays):
    n_taken = []

    def endless():
        while True:
            n_taken.append(1)
            yield arrays[0]

    stream = tiny(batch_size=2).fit(arrays).transform_iter(endless())
    next(stream)
    assert len(n_taken) == 16
    stream.close()


# --- engines


def test_the_engine_in_use_is_told(arrays):
    featurizer = tiny(engine="torch").fit(arrays)
    assert featurizer.engine_ is None
    featurizer.transform(arrays)
    assert featurizer.engine_ == "torch"


def test_engines_agree(arrays):
    pytest.importorskip("openvino")
    by_torch = tiny(engine="torch").fit(arrays)
    by_openvino = tiny(engine="openvino").fit(arrays)
    np.testing.assert_allclose(
        by_openvino.transform(arrays), by_torch.transform(arrays), rtol=1e-4, atol=1e-5
    )
    assert by_openvino.engine_ == "openvino"
    np.testing.assert_allclose(
        by_openvino.predict_proba(arrays), by_torch.predict_proba(arrays), atol=1e-5
    )
