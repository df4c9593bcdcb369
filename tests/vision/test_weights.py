"""State dicts from files, as they are commonly saved."""

import argparse

import pytest
import torch
from torch import nn

from skdevise.vision._backbones import load_backbone
from skdevise.vision._weights import is_path
from tests.vision.conftest import headless_net, tiny_net


@pytest.fixture
def saved():
    """A net that was fine-tuned for four classes."""
    net = tiny_net()
    net[6] = nn.Linear(6, 4)
    return net


def check(loaded, saved):
    assert loaded.n_classes == 4
    assert loaded.recipe["weights"] is None
    assert loaded.weights_digest is None
    photos = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.net(photos), saved.eval()(photos), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.PTH"])
def test_weights_from_a_file(name, saved, tmp_path):
    torch.save(saved.state_dict(), tmp_path / name)
    for path in (tmp_path / name, str(tmp_path / name)):
        check(load_backbone(tiny_net, path, image_size=16), saved)


def test_weights_from_safe_tensors(saved, tmp_path):
    torch_files = pytest.importorskip("safetensors.torch")
    torch_files.save_file(saved.state_dict(), tmp_path / "net.safetensors")
    check(load_backbone(tiny_net, tmp_path / "net.safetensors", image_size=16), saved)


def test_safe_tensors_without_their_package(tmp_path, monkeypatch):
    (tmp_path / "net.safetensors").touch()

    def without(name):
        raise ModuleNotFoundError(name="safetensors")

    monkeypatch.setattr("skdevise._utils.import_module", without)
    with pytest.raises(ImportError, match=r"net.safetensors' needs .*'skdevise\[safetensors\]'"):
        load_backbone(tiny_net, tmp_path / "net.safetensors", image_size=16)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{key}": state[key] for key in state}},
    ],
)
def test_weights_as_training_scripts_save_them(wrap, saved, tmp_path):
    torch.save(wrap(saved.state_dict()), tmp_path / "net.pth")
    check(load_backbone(tiny_net, tmp_path / "net.pth", image_size=16), saved)


def test_a_net_that_is_itself_wrapped_keeps_its_names(saved, tmp_path):
    torch.save(nn.DataParallel(saved).state_dict(), tmp_path / "net.pth")
    loaded = load_backbone(nn.DataParallel(tiny_net()), tmp_path / "net.pth", image_size=16)
    assert loaded.softmax_name == "module.6"
    check(loaded, saved)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_named_nets_take_weights_from_a_file(suffix, tmp_path):
    # Without what torch.save tells of its layers' versions, mnasnet refuses a state dict.
    saved = load_backbone("mnasnet0_5", None, image_size=32)
    saved.resize_softmax(3)
    if suffix == ".pth":
        torch.save(saved.net.state_dict(), tmp_path / "net.pth")
    else:
        torch_files = pytest.importorskip("safetensors.torch")
        torch_files.save_file(saved.net.state_dict(), tmp_path / "net.safetensors")
    loaded = load_backbone("mnasnet0_5", tmp_path / f"net{suffix}", image_size=32)
    assert (loaded.n_features, loaded.n_classes, loaded.categories) == (1280, 3, None)
    assert loaded.digest() == saved.digest()


def test_squeezenet_with_other_classes_from_a_file(tmp_path):
    saved = load_backbone("squeezenet1_1", None, image_size=32)
    saved.resize_softmax(5)
    torch.save(saved.net.state_dict(), tmp_path / "net.pth")
    loaded = load_backbone("squeezenet1_1", tmp_path / "net.pth", image_size=32)
    assert loaded.net(torch.rand(2, 3, 32, 32)).shape == (2, 5)


def test_files_that_do_not_fit(tmp_path):
    torch.save(headless_net().state_dict(), tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    torch.save({**tiny_net().state_dict(), "more": torch.ones(1)}, tmp_path / "more.pth")
    torch.save({**tiny_net().state_dict(), "6.weight": 3}, tmp_path / "number.pth")
    torch.save(tiny_net(), tmp_path / "whole.pth")
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "empty.safetensors").touch()
    for name, message in [
        ("other.pth", r"does not fit the backbone tiny_net.*'0.weight' is of shape \(5, 3, 3, 3\)"),
        ("list.pth", "does not fit the backbone tiny_net.*the file has a list"),
        ("epoch.pth", "does not fit the backbone tiny_net.*'0.weight' is missing"),
        ("more.pth", "does not fit the backbone tiny_net.*'more' is unknown"),
        ("number.pth", "does not fit the backbone tiny_net.*'6.weight' is of shape None"),
        ("whole.pth", "is not a state dict that can be loaded safely"),
        ("text.pt", "is not a state dict that can be loaded safely"),
        ("empty.safetensors", "is not a state dict that can be loaded safely"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_backbone(tiny_net, tmp_path / name, image_size=16)


@pytest.mark.parametrize("name", ["no.pth", "no.safetensors"])
def test_missing_file(name):
    with pytest.raises(FileNotFoundError, match=f"weights='{name}': there is no such file"):
        load_backbone(tiny_net, name)


def test_what_is_a_path(tmp_path):
    assert is_path(tmp_path) and is_path("a/b.pt") and is_path("b.safetensors")
    assert not any(map(is_path, [None, "DEFAULT", "ResNet50_Weights.IMAGENET1K_V2"]))
