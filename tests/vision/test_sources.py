"""Nets of every origin, and what is refused."""

import sys

import pytest
import torch
import torchvision.models
from torch import nn
from torchvision.models import (
    ResNet18_Weights,
    get_model_weights,
    list_models,
)

from skdevise.vision._backbones import load_backbone
from skdevise.vision._presets import make_preprocess
from skdevise.vision._sources import find_source
from tests.vision.conftest import headless_net, tiny_net


def attention_net():
    """A small vision transformer with torchvision's parts."""
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16
    )


def image_to_list(photo):
    return [0.0]


@pytest.mark.parametrize("name", list_models(module=torchvision.models))
def test_every_published_weights_of_torchvision_by_each_of_their_names(name):
    for published in get_model_weights(name):
        expected = published.transforms()
        for weights in (published, str(published), published.name):
            source = find_source(name, weights, None)
            assert source.weights == str(published)
            assert repr(make_preprocess(source.preset)) == repr(expected)
        for n_classes in (0, 1000):
            categories = published.meta["categories"] if n_classes else None
            assert source.categories(n_classes) == categories
    assert find_source(name, "DEFAULT", None).published is get_model_weights(name).DEFAULT


@pytest.mark.parametrize("name", ["quantized_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18"])
def test_what_is_no_classifier_of_photos_is_refused(name):
    with pytest.raises(ValueError, match=f"backbone='{name}' is not the name of a classifier in t"):
        find_source(name, "DEFAULT", None)


def test_alexnet_is_the_nets_of_the_paper():
    source = find_source("alexnet", "DEFAULT", None)
    assert source.weights == "AlexNet_Weights.IMAGENET1K_V1"
    loaded = load_backbone("alexnet", None)
    assert (loaded.softmax_name, loaded.n_features) == ("classifier.6", 4096)


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
            {"backbone": "resnet50", "weights": ResNet18_Weights.DEFAULT},
            ValueError,
            "weights=ResNet18_Weights.IMAGENET1K_V1 do not exist for 'resnet50': give 'DEFAULT', '",
        ),
        (
            {"backbone": "resnet50", "weights": "ResNet18_Weights.IMAGENET1K_V1"},
            ValueError,
            "weights='ResNet18_Weights.IMAGENET1K_V1' do not exist for 'resnet50'",
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
    ],
)
def test_errors(kwargs, error, message):
    with pytest.raises(error, match=message):
        load_backbone(**{"weights": "DEFAULT", **kwargs})


# --- timm


def test_unknown_timm_net():
    timm = pytest.importorskip("timm")
    with pytest.raises(ValueError, match="backbone='timm:resnet_18' is not .* mean 'resnet18'"):
        load_backbone("timm:resnet_18", "DEFAULT")
    with pytest.raises(ValueError, match="'timm:test_resnet.TAG'"):
        load_backbone("timm:test_resnet", "V9")
    without = next(name for name in timm.list_models() if not timm.models.is_model_pretrained(name))
    with pytest.raises(ValueError, match=f"timm has no weights for '{without}': give a path"):
        load_backbone(f"timm:{without}", "DEFAULT")


def test_timm_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"backbone='timm:resnet18' needs .*'skdevise\[timm\]'"):
        load_backbone("timm:resnet18", "DEFAULT")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's folder on disk, where a file is a link to one that bears its hash."""
    timm = pytest.importorskip("timm")
    from skdevise.vision import _timm_nets as timm_nets

    net = timm.create_model("test_resnet")
    timm_nets._fetch_from_hub.cache_clear()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0123abcd").touch()
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "blobs" / "0123abcd")
    asked = []

    def download(repository, filename, revision=None):
        asked.append((repository, filename, revision))
        if filename != "model.safetensors":
            raise FileNotFoundError("no network")
        return str(tmp_path / filename)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: saved)
    saved = net.state_dict()
    yield net, asked
    timm_nets._fetch_from_hub.cache_clear()


def test_published_weights_of_timm_wait_until_the_net_is_asked_for(hub):
    net, asked = hub
    before = torch.get_rng_state()
    for _ in range(2):
        loaded = load_backbone("timm:test_resnet.r160_in1k", "DEFAULT")
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors", None)]
    assert "net" not in vars(loaded)
    assert loaded.weights_digest == "timm:test_resnet.r160_in1k DEFAULT blobs/0123abcd"
    assert (loaded.n_features, loaded.n_classes) == (96, 1000)
    assert (loaded.categories[0], loaded.categories[-1]) == ("tench", "toilet tissue")
    torch.testing.assert_close(loaded.net.fc.weight, net.fc.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_offline_timm_says_what_to_do(hub, monkeypatch):
    def offline(*args, **kwargs):
        raise FileNotFoundError("no network.\nTry again")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(OSError, match=r"'timm:test_resnet' could not .* \(no network\)") as caught:
        load_backbone("timm:test_resnet", "DEFAULT")
    message = str(caught.value)
    assert "get the file from https://huggingface.co/timm/test_resnet.r160_in1k by hand" in message
    assert "work offline with backbone='efficientnet_lite0'" in message


def test_weights_of_timm_that_are_not_on_the_hub(tmp_path, monkeypatch):
    timm = pytest.importorskip("timm")
    name = next(
        name for name in timm.list_pretrained() if not timm.get_pretrained_cfg(name).hf_hub_id
    )
    url = timm.get_pretrained_cfg(name).url
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    source = find_source(f"timm:{name}", "DEFAULT", None)
    calls = []
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *args: calls.append(args))
    assert source.fetch(progress=False) == url.rpartition("/")[2]
    assert calls[0][0] == url


def test_preprocessing_of_timm_is_its_own():
    timm = pytest.importorskip("timm")
    net = timm.create_model("test_resnet")
    config = timm.data.resolve_model_data_config(net)
    assert find_source("timm:test_resnet", None, None).preset == {"timm": config}
    expected = timm.data.create_transform(**{**config, "input_size": (3, 64, 64)})
    loaded = load_backbone("timm:test_resnet", None, image_size=64)
    assert repr(loaded.preprocess) == repr(expected)


@pytest.mark.parametrize(
    ("n_classes", "first"), [(1000, "tench"), (11821, "n00005787"), (10, None)]
)
def test_categories_of_timm(n_classes, first):
    pytest.importorskip("timm")
    categories = find_source("timm:test_resnet", "DEFAULT", None).categories(n_classes)
    if first is None:
        assert categories is None
    else:
        assert (categories[0], len(categories)) == (first, n_classes)
    assert find_source("timm:test_resnet", None, None).categories(n_classes) is None


# --- given nets


def test_a_given_module_is_left_as_it_is():
    module = tiny_net().train()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    loaded = load_backbone(module, "DEFAULT", image_size=16)
    assert loaded.net is not module
    assert module.training
    for key, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, before[key])


def test_given_nets_are_never_taken_for_one_another():
    assert find_source(headless_net, None, 8) != find_source(headless_net, None, 8)
