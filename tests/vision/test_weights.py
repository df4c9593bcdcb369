"""State dicts from files, in the forms in which training scripts save them."""

import argparse

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from skdevise.vision._backbones import is_path, load_backbone
from tests.vision.conftest import headless_net, tiny_net


@pytest.fixture
def saved():
    """A network that was fine-tuned for four classes."""
    net = tiny_net()
    net[6] = nn.Linear(6, 4)
    return net


def check(loaded, saved):
    assert loaded.n_classes == 4
    assert loaded.recipe["weights"] is None
    assert not loaded.is_published
    photos = torch.rand(2, 3, 16, 16)
    saved.cpu().eval()  # DataParallel moves it to a GPU.
    with torch.inference_mode():
        torch.testing.assert_close(loaded.net(photos), saved(photos), rtol=0, atol=0)


def with_prefix(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.ckpt", "net.PTH", "net.safetensors"])
def test_weights_from_a_file(name, saved, tmp_path):
    save = save_file if name.endswith(".safetensors") else torch.save
    save(saved.state_dict(), tmp_path / name)
    for path in (tmp_path / name, str(tmp_path / name)):
        check(load_backbone(tiny_net, path, image_size=16), saved)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{key}": state[key] for key in state}},
        lambda state: {"model_state_dict": state, "loss": 0.5},
        # PyTorch Lightning, with the weights of a loss, and torch.compile around DataParallel.
        lambda state: {"state_dict": with_prefix(state, "model.") | {"loss.weight": torch.ones(3)}},
        lambda state: with_prefix(state, "_orig_mod.module."),
        # A layer of another network has the name of the first one.
        lambda state: with_prefix(state, "net.") | {"text.0.weight": torch.ones(3)},
    ],
)
def test_weights_as_training_scripts_save_them(wrap, saved, tmp_path):
    torch.save(wrap(saved.state_dict()), tmp_path / "net.pth")
    check(load_backbone(tiny_net, tmp_path / "net.pth", image_size=16), saved)


class Wrapped(nn.Module):
    """A network whose own names have the prefix "module."."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, photos):
        return self.module(photos)


@pytest.mark.parametrize(("wrap", "softmax_name"), [(Wrapped, "module.6"), (nn.DataParallel, "6")])
def test_a_wrapped_network_takes_the_weights_of_a_wrapped_one(wrap, softmax_name, saved, tmp_path):
    torch.save(wrap(saved).state_dict(), tmp_path / "net.pth")
    loaded = load_backbone(wrap(tiny_net()), tmp_path / "net.pth", image_size=16)
    assert loaded.softmax_name == softmax_name
    check(loaded, saved)


def test_a_named_network_takes_weights_from_a_file(tmp_path):
    # The layers of MNASNet check their version, which safetensors files do not hold.
    saved = load_backbone("mnasnet0_5", None, image_size=32)
    saved.resize_softmax(3)
    save_file(saved.net.state_dict(), tmp_path / "net.safetensors")
    loaded = load_backbone("mnasnet0_5", tmp_path / "net.safetensors", image_size=32)
    assert (loaded.n_features, loaded.n_classes, loaded.categories) == (1280, 3, None)
    assert loaded.digest() == saved.digest()


def test_a_squeezenet_with_other_classes_from_a_file(tmp_path):
    saved = load_backbone("squeezenet1_1", None, image_size=32)
    saved.resize_softmax(5)
    torch.save(saved.net.state_dict(), tmp_path / "net.pth")
    loaded = load_backbone("squeezenet1_1", tmp_path / "net.pth", image_size=32)
    assert loaded.net(torch.rand(2, 3, 32, 32)).shape == (2, 5)


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    state = tiny_net().state_dict()
    torch.save(headless_net().state_dict(), tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    torch.save({}, tmp_path / "nothing.pth")
    torch.save(with_prefix(state, "student.") | with_prefix(state, "ema."), tmp_path / "two.pth")
    torch.save({**state, "more": torch.ones(1)}, tmp_path / "more.pth")
    torch.save({**state, "6.weight": 3}, tmp_path / "number.pth")
    torch.save(tiny_net(), tmp_path / "whole.pth")
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "empty.safetensors").touch()
    for name, message in [
        ("other.pth", r"tiny_net.*'0.weight'.*\(5, 3, 3, 3\).*\(6, 3, 3, 3\)"),
        ("list.pth", "list.pth.*list"),
        ("epoch.pth", "tiny_net.*'0.weight'.*'epoch'"),
        ("nothing.pth", "tiny_net.*'0.weight'"),
        ("two.pth", "tiny_net.*'0.weight'.*'student.0.weight'"),
        ("more.pth", "tiny_net.*'more'"),
        ("number.pth", "tiny_net.*'6.weight'"),
        ("whole.pth", "whole.pth"),
        ("text.pt", "text.pt"),
        ("empty.safetensors", "empty.safetensors"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_backbone(tiny_net, tmp_path / name, image_size=16)
    # PyTorch suggests an unsafe option for such a file.
    with pytest.raises(ValueError, match="text.pt") as raised:
        load_backbone(tiny_net, tmp_path / "text.pt", image_size=16)
    assert "weights_only" not in str(raised.value)


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match="no.pth"):
        load_backbone(tiny_net, "no.pth")


def test_paths_and_names_are_told_apart(tmp_path):
    assert is_path(tmp_path) and is_path("a/b.pt") and is_path("b.safetensors")
    assert not any(map(is_path, [None, "DEFAULT", "ResNet50_Weights.IMAGENET1K_V2"]))
