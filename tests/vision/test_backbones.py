"""Networks of every origin, their softmax layers, and the hash that identifies them."""

import copy
import functools
import importlib
import pickle
import sys
import urllib.error

import numpy as np
import pytest
import torch
import torchvision.models
from PIL import Image
from torch import nn
from torchvision.models import (
    ResNet18_Weights,
    VGG16_Weights,
    get_model_weights,
    list_models,
)
from torchvision.transforms.functional import to_tensor

from skdevise.vision._backbones import find_softmax, find_source, load_backbone, load_fitted
from skdevise.vision._batches import CentreCrop
from tests.vision.conftest import (
    Power,
    brightness,
    convolutional_head,
    headless_net,
    tiny_net,
)

# The smallest network of each family of torchvision, with its number of features in the tables of
# the papers, and the smallest photos that it accepts.
FAMILIES = {
    "alexnet": (4096, 63),
    "convnext_tiny": (768, 32),
    "densenet121": (1024, 32),
    "efficientnet_b0": (1280, 32),
    "efficientnet_v2_s": (1280, 32),
    "googlenet": (1024, 32),
    "inception_v3": (2048, 75),
    "maxvit_t": (512, 224),
    "mnasnet0_5": (1280, 32),
    "mobilenet_v2": (1280, 32),
    "mobilenet_v3_small": (1024, 32),
    "regnet_x_400mf": (400, 32),
    "regnet_y_400mf": (440, 32),
    "resnet18": (512, 32),
    "shufflenet_v2_x0_5": (1024, 32),
    "squeezenet1_1": (512, 32),
    "swin_t": (768, 32),
    "swin_v2_t": (768, 32),
    "vgg11": (4096, 32),
    "vit_b_32": (768, 32),
}


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Give torch an empty folder of published weights, and no network. Return the folder."""

    def download(url, *args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def publish(name, folder, **options):
    """Put random weights into the folder of published weights. Return the network and the file."""
    net = torchvision.models.get_model(name, weights=None, **options)
    file = folder / get_model_weights(name).DEFAULT.url.rpartition("/")[2]
    torch.save(net.state_dict(), file)
    return net, file


# --- softmax layers


LARGE = {"maxvit_t", "vgg11"}  # Random weights of these take seconds.


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in FAMILIES]
)
def test_scores_are_the_softmax_layer_of_the_features(name):
    n_features, size = FAMILIES[name]
    loaded = load_backbone(name, None, image_size=size)
    assert (loaded.n_features, loaded.n_classes) == (n_features, 1000)
    photos = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features, scores = loaded.without_softmax()(photos).numpy(), loaded.net(photos).numpy()
    assert features.shape == (2, n_features)
    assert loaded.is_linear == (name != "squeezenet1_1")  # SqueezeNet pools its scores.
    if loaded.is_linear:
        weight, bias = loaded.linear_softmax()
        expected = features @ weight.T + bias
        np.testing.assert_allclose(expected, scores, rtol=1e-3, atol=1e-4 * abs(scores).max())


@pytest.mark.parametrize(
    ("name", "softmax_name", "n_features"),
    [
        ("test_resnet", "fc", 96),
        ("test_efficientnet", "classifier", 256),
        ("resnetv2_18", "head.fc", 512),  # a convolution of pooled maps
    ],
)
def test_softmax_layers_of_timm(name, softmax_name, n_features):
    pytest.importorskip("timm")
    loaded = load_backbone(f"timm:{name}", None)
    found = loaded.softmax_name, loaded.n_features, loaded.n_classes, loaded.is_linear
    assert found == (softmax_name, n_features, 1000, True)


class Reversed(nn.Linear):
    """A layer that does more than its weight shows."""

    def forward(self, x):
        return super().forward(x).flip(1)


class Whole(nn.Linear):
    """A network that is a single layer."""

    def forward(self, x):
        return super().forward(x.flatten(1))


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), ("1", 48, 4, True)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Dropout()), ("1", 48, 4, True)),
        (nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 5, 1), nn.Flatten()), ("1", 3, 5, True)),
        (nn.Sequential(nn.Flatten(), Reversed(48, 4)), ("1", 48, 4, False)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Sigmoid()), (None, 4, 0, False)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 9), nn.ReLU(inplace=True)), (None, 9, 0, False)),
        (nn.Sequential(nn.Flatten(2), nn.Linear(16, 2), nn.Flatten()), (None, 6, 0, False)),
        (Whole(48, 4), (None, 4, 0, False)),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), ("1", 48, 4, True)),
    ],
)
def test_the_softmax_layer_is_the_dense_layer_whose_output_is_returned(net, expected):
    photo = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert find_softmax(net.eval(), photo, "the network") == expected


@pytest.mark.parametrize("make", [tiny_net, headless_net, convolutional_head, "squeezenet1_1"])
def test_the_softmax_layer_gets_another_number_of_classes(make):
    loaded = load_backbone(make, None, image_size=32)
    loaded.resize_softmax(7)
    assert loaded.n_classes == 7
    assert loaded.net(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    assert loaded.without_softmax()(torch.rand(2, 3, 32, 32)).shape == (2, loaded.n_features)


def test_the_network_without_its_softmax_layer_shares_the_weights():
    loaded = load_backbone(tiny_net, "DEFAULT", image_size=16)
    cut = loaded.without_softmax()
    assert cut[0].weight is loaded.net[0].weight
    assert isinstance(loaded.net[6], nn.Linear)


# --- torchvision


@pytest.mark.parametrize(
    "weights",
    [
        "DEFAULT",
        "IMAGENET1K_V1",
        "ResNet18_Weights.IMAGENET1K_V1",
        "ResNet18_Weights.DEFAULT",
        ResNet18_Weights.IMAGENET1K_V1,
    ],
)
def test_published_weights_are_found_by_every_name(weights, offline):
    net, _ = publish("resnet18", offline)
    before = torch.get_rng_state()
    loaded = load_backbone("resnet18", weights, image_size=112)
    assert loaded.categories == ResNet18_Weights.DEFAULT.meta["categories"]
    assert (loaded.preprocess.crop_size, loaded.preprocess.resize_size) == (112, 128)
    assert loaded.recipe["weights"] == "ResNet18_Weights.IMAGENET1K_V1"
    assert loaded.is_published and not loaded.net.training
    torch.testing.assert_close(loaded.net.fc.weight, net.fc.weight)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", list_models(module=torchvision.models))
def test_preprocessing_is_that_of_the_published_weights(name):
    for weights in get_model_weights(name):
        preset = weights.transforms()
        source = find_source(name, weights.name, image_size=None, verbose=0)
        assert source.weights == str(weights)
        assert source.categories == weights.meta["categories"]
        assert source.preprocess == CentreCrop(
            preset.crop_size[0],
            preset.resize_size[0],
            tuple(preset.mean),
            tuple(preset.std),
            preset.interpolation.value,
        )


@pytest.mark.parametrize(
    ("weights", "image_size", "sizes"),
    [("DEFAULT", None, (224, 232)), ("IMAGENET1K_V1", None, (224, 256))]
    + [("DEFAULT", 112, (112, 116)), (None, None, (224, 256)), (None, 448, (448, 512))],
)
def test_preprocessing_follows_the_weights_and_the_image_size(weights, image_size, sizes):
    loaded = load_backbone("mobilenet_v2", weights, image_size=image_size, with_weights=False)
    assert (loaded.preprocess.crop_size, loaded.preprocess.resize_size) == sizes
    again = load_fitted(
        pickle.loads(pickle.dumps(loaded.recipe)), loaded.state_arrays(), n_classes=1000
    )
    assert again.preprocess == loaded.preprocess


def test_alexnet_is_the_network_of_the_paper():
    loaded = load_backbone("alexnet", "DEFAULT", with_weights=False)
    assert loaded.recipe["weights"] == "AlexNet_Weights.IMAGENET1K_V1"
    assert (loaded.softmax_name, loaded.n_features) == ("classifier.6", 4096)


def test_vgg16_with_weights_of_its_convolutions_has_no_softmax_layer():
    weights = VGG16_Weights.IMAGENET1K_FEATURES
    loaded = load_backbone("vgg16", weights, image_size=32, with_weights=False)
    # 512 maps of 7 x 7
    assert (loaded.n_features, loaded.n_classes, loaded.categories) == (25088, 0, None)
    assert loaded.preprocess.std == (1 / 255,) * 3


def test_a_vision_transformer_is_built_for_the_image_size():
    loaded = load_backbone("vit_b_32", None, image_size=64)
    assert loaded.net.seq_length == 1 + 2 * 2


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_a_fine_tuned_network_needs_no_published_weights(name, offline):
    options = {"init_weights": False} if name == "googlenet" else {}
    _, file = publish(name, offline, **options)
    loaded = load_backbone(name, "DEFAULT", image_size=64)
    file.unlink()
    again = load_fitted(loaded.recipe, loaded.state_arrays(), n_classes=1000)
    photos = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again.net(photos), loaded.net(photos), rtol=0, atol=0)
    assert loaded.is_published and not again.is_published
    # In training, GoogLeNet returns no auxiliary outputs.
    assert again.without_softmax().train()(photos).shape == (2, loaded.n_features)


def test_an_mnasnet_is_built_again_from_arrays():
    # Its layers check their version, which arrays do not hold.
    loaded = load_backbone("mnasnet0_5", None, image_size=32)
    again = load_fitted(loaded.recipe, loaded.state_arrays(), n_classes=1000)
    torch.testing.assert_close(again.net.classifier[1].weight, loaded.net.classifier[1].weight)


def test_the_error_of_a_failed_download_names_the_alternatives(offline):
    with pytest.raises(OSError, match="resnet50.*efficientnet_lite0.*weights=None"):
        load_backbone("resnet50", "DEFAULT")


# --- timm


def test_unknown_networks_and_weights_of_timm():
    timm = pytest.importorskip("timm")
    with pytest.raises(ValueError, match="'timm:resnet_18'.*'timm:resnet18'"):
        load_backbone("timm:resnet_18", "DEFAULT")
    with pytest.raises(ValueError, match="'V9'"):
        load_backbone("timm:test_resnet", "V9")
    name = next(name for name in timm.list_models() if not timm.models.is_model_pretrained(name))
    with pytest.raises(ValueError, match=name):
        load_backbone(f"timm:{name}", "DEFAULT")


def test_the_error_without_timm_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"skdevise\[timm\]"):
        load_backbone("timm:resnet18", "DEFAULT")


def test_published_weights_of_timm(monkeypatch):
    timm = pytest.importorskip("timm")
    create, asked = timm.create_model, []

    def create_offline(name, pretrained=False):
        asked.append(pretrained)
        return create(name)

    monkeypatch.setattr(timm, "create_model", create_offline)
    loaded = load_backbone("timm:test_resnet.r160_in1k", "DEFAULT")
    assert asked == [True]
    assert loaded.is_published
    assert (loaded.categories[0], loaded.categories[-1]) == ("tench", "toilet tissue")
    load_fitted(loaded.recipe, loaded.state_arrays(), n_classes=1000)
    assert asked == [True, False]


def test_the_error_of_a_failed_download_by_timm(monkeypatch):
    timm = pytest.importorskip("timm")

    def fail(name, pretrained):
        raise FileNotFoundError("no network")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(OSError, match="'timm:test_resnet'.*no network.*efficientnet_lite0"):
        load_backbone("timm:test_resnet", "DEFAULT")


def test_preprocessing_by_timm():
    timm = pytest.importorskip("timm")
    config = timm.data.resolve_model_data_config(timm.create_model("test_resnet"))
    expected = timm.data.create_transform(**{**config, "input_size": (3, 64, 64)})
    loaded = load_backbone("timm:test_resnet", None, image_size=64)
    assert repr(loaded.preprocess) == repr(expected)
    assert pickle.loads(pickle.dumps(loaded.recipe)) == loaded.recipe


# --- modules and callables


def test_a_module_is_copied():
    module = tiny_net().train()
    before = copy.deepcopy(module.state_dict())
    loaded = load_backbone(module, "DEFAULT", image_size=16)
    assert loaded.net is not module
    assert module.training
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


def test_a_fitted_network_is_built_again_from_arrays():
    loaded = load_backbone(headless_net, None, image_size=16)
    loaded.resize_softmax(3)
    again = load_fitted(loaded.recipe, loaded.state_arrays(), n_classes=3)
    photos = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(again.net(photos), loaded.net(photos), rtol=0, atol=0)


def attention_net():
    """A small vision transformer made of torchvision's parts."""
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16
    )


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"backbone": "resnet_18"}, ValueError, "'resnet_18'.*'resnet18'"),
        ({"backbone": "efficientnet-lite0"}, ValueError, "'efficientnet_lite0'"),
        ({"backbone": "ResNet50"}, ValueError, "'resnet50'"),
        ({"backbone": "fasterrcnn_resnet50_fpn"}, ValueError, "fasterrcnn_resnet50_fpn"),
        ({"backbone": "resnet18", "weights": "V9"}, ValueError, "'V9'.*'IMAGENET1K_V1'"),
        (
            {"backbone": "resnet50", "weights": ResNet18_Weights.DEFAULT},
            ValueError,
            "ResNet18_Weights.*'resnet50'",
        ),
        ({"backbone": "efficientnet_lite0", "weights": "V9"}, ValueError, "'V9'"),
        ({"backbone": tiny_net, "weights": "V9"}, ValueError, "tiny_net.*'V9'"),
        ({"backbone": dict}, TypeError, "dict"),
        (
            {"backbone": lambda: nn.Conv2d(3, 2, 1), "image_size": 8},
            ValueError,
            r"\(1, 2, 8, 8\)",
        ),
        ({"backbone": attention_net, "image_size": 48}, ValueError, r"\(3, 48, 48\)"),
        ({"backbone": tiny_net, "preprocess": np.asarray}, TypeError, "ndarray"),
    ],
)
def test_errors_name_the_value(params, error, message):
    with pytest.raises(error, match=message):
        load_backbone(**{"weights": "DEFAULT", **params})


# --- the hash of a network


def test_the_hash_differs_for_other_networks_weights_and_preprocessing():
    torch.manual_seed(0)
    net = tiny_net()
    without_dropout = copy.deepcopy(net)
    without_dropout[5] = nn.Identity()
    backbones = [
        load_backbone(net, "DEFAULT", image_size=16),
        load_backbone(tiny_net(), "DEFAULT", image_size=16),
        load_backbone(headless_net, "DEFAULT", image_size=16),
        load_backbone(without_dropout, "DEFAULT", image_size=16),
        load_backbone(net, "DEFAULT", image_size=17),
        load_backbone(net, "DEFAULT", brightness),
        load_backbone(net, "DEFAULT", functools.partial(brightness)),
        load_backbone(Power(1), "DEFAULT", image_size=16),
        load_backbone(Power(2), "DEFAULT", image_size=16),
    ]
    assert len({loaded.digest() for loaded in backbones}) == len(backbones)


def test_the_hash_stays_the_same_for_the_same_network():
    net = tiny_net()
    loaded = load_backbone(net, "DEFAULT", image_size=16)
    digest = loaded.digest()
    assert load_backbone(net, "DEFAULT", image_size=16).digest() == digest
    recipe = pickle.loads(pickle.dumps(loaded.recipe))
    assert load_fitted(recipe, loaded.state_arrays(), 3).digest() == digest
    loaded.net.to(memory_format=torch.channels_last)
    assert loaded.digest() == digest
    loaded.net[6].bias.data += 1
    assert loaded.digest() != digest


def test_the_hash_follows_the_code_of_a_preprocessing_function(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "own_preprocessing.py"
    text = "import torch\n\ndef preprocess(image):\n    return torch.zeros(3, 16, 16)\n"
    file.write_text(text)
    module = importlib.import_module("own_preprocessing")
    before = load_backbone(Power(1), "DEFAULT", module.preprocess).digest()
    file.write_text(text.replace("zeros", "ones"))
    importlib.reload(module)
    assert load_backbone(Power(1), "DEFAULT", module.preprocess).digest() != before


def test_preprocessing_that_cannot_be_pickled_has_no_hash():
    loaded = load_backbone(tiny_net, "DEFAULT", lambda image: brightness(image))
    with pytest.raises(ValueError, match="pickle"):
        loaded.digest()


def test_a_photo_is_preprocessed_as_efficientnet_lite0_expects():
    loaded = load_backbone("efficientnet_lite0", None)
    photo = loaded.preprocess(Image.new("RGB", (300, 260), (255, 127, 0)))
    assert photo.shape == (3, 224, 224)
    # (255 - 127) / 128 = 1, (127 - 127) / 128 = 0, (0 - 127) / 128
    np.testing.assert_allclose(photo[:, 0, 0], [1, 0, -127 / 128], atol=1e-6)


def test_a_callable_preprocessing_is_kept():
    loaded = load_backbone(tiny_net, "DEFAULT", to_tensor)
    assert loaded.preprocess is to_tensor
