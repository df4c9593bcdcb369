"""Softmax layers are found without weights, and nothing is drawn or held in memory for it."""

import pytest
import torch
import torchvision.models
from torch import nn
from torchvision.models import list_models

from skdevise.vision._backbones import Backbone
from skdevise.vision._structure import examine, structure_of, without_draws, without_memory
from skdevise.vision._timm_nets import TimmNet
from skdevise.vision._torchvision_nets import TorchvisionNet

# Activations under the softmax layer by the longest beginning of a name, as in the tables of the
# papers (or the widths of the last stage there).
N_FEATURES = {
    "alexnet": 4096,
    "convnext_base": 1024,
    "convnext_large": 1536,
    "convnext": 768,
    "densenet121": 1024,
    "densenet161": 2208,
    "densenet169": 1664,
    "densenet201": 1920,
    "efficientnet": 1280,
    "efficientnet_b2": 1408,
    "efficientnet_b3": 1536,
    "efficientnet_b4": 1792,
    "efficientnet_b5": 2048,
    "efficientnet_b6": 2304,
    "efficientnet_b7": 2560,
    "googlenet": 1024,
    "inception_v3": 2048,
    "maxvit_t": 512,
    "mnasnet": 1280,
    "mobilenet": 1280,
    "mobilenet_v3_small": 1024,
    "regnet_x_400mf": 400,
    "regnet_x_800mf": 672,
    "regnet_x_1_6gf": 912,
    "regnet_x_3_2gf": 1008,
    "regnet_x_8gf": 1920,
    "regnet_x_16gf": 2048,
    "regnet_x_32gf": 2520,
    "regnet_y_400mf": 440,
    "regnet_y_800mf": 784,
    "regnet_y_1_6gf": 888,
    "regnet_y_3_2gf": 1512,
    "regnet_y_8gf": 2016,
    "regnet_y_16gf": 3024,
    "regnet_y_32gf": 3712,
    "regnet_y_128gf": 7392,
    "resnet": 2048,
    "resnet18": 512,
    "resnet34": 512,
    "resnext": 2048,
    "shufflenet": 1024,
    "shufflenet_v2_x2_0": 2048,
    "squeezenet": 512,
    "swin": 768,
    "swin_b": 1024,
    "swin_v2_b": 1024,
    "vgg": 4096,
    "vit_b": 768,
    "vit_h": 1280,
    "vit_l": 1024,
    "wide_resnet": 2048,
}
# The smallest side that a net takes, where that is not 32 or less.
SMALLEST = {"alexnet": 63, "inception_v3": 75, "vit_h_14": 14, "maxvit_t": 224}
# The smallest net of each family.
FAMILIES = """alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet
    inception_v3 maxvit_t mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf
    resnet18 shufflenet_v2_x0_5 squeezenet1_1 swin_t swin_v2_t vgg11 vit_b_32""".split()


def smallest(name):
    """The net without weights, and the size of the smallest photos that it takes."""
    size = SMALLEST.get(name, 32)
    return TorchvisionNet.find(name, None, size), size


@pytest.mark.parametrize("name", list_models(module=torchvision.models))
def test_softmax_layer_of_every_classifier_of_torchvision(name):
    source, size = smallest(name)
    with without_memory():
        net = source.build().to("meta")
    structure = examine(net, torch.empty(1, 3, size, size, device="meta"), source.title)
    n_features = N_FEATURES[max(filter(name.startswith, N_FEATURES), key=len)]
    is_linear = not name.startswith("squeezenet")
    assert structure[1:] == (n_features, 1000, is_linear)
    cut = Backbone(source, structure, {"preprocess": source.preset}, net).without_softmax()
    features = cut(torch.empty(2, 3, size, size, device="meta"))
    assert features.shape == (2, n_features)
    if is_linear:
        assert net.get_submodule(structure.softmax_name)(features).shape == (2, 1000)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_the_softmax_layer_of_the_features(name):
    source, size = smallest(name)
    with without_draws():
        net = source.build()
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        nn.init.uniform_(parameter, -0.05, 0.06, generator=generator)
    photos = torch.rand(2, 3, size, size, generator=generator)
    structure = examine(net, photos[:1], source.title)
    backbone = Backbone(source, structure, {"preprocess": source.preset}, net)
    with torch.inference_mode():
        features, scores = backbone.without_softmax()(photos), backbone.net(photos)
    assert features.shape == (2, backbone.n_features)
    assert scores.shape == (2, 1000) and scores.std() > 0
    if name == "squeezenet1_1":
        assert not backbone.is_linear
    else:
        by_hand = features.numpy() @ backbone.softmax_weight.T + backbone.softmax_bias
        torch.testing.assert_close(torch.from_numpy(by_hand), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "softmax_name", "n_features", "n_classes"),
    [
        ("test_resnet", "fc", 96, 1000),
        ("test_efficientnet", "classifier", 256, 1000),
        ("resnetv2_18", "head.fc", 512, 1000),  # a convolution of pooled maps, flattened afterwards
        ("vit_base_mci_224", "head", 768, 512),  # cannot be made on the device "meta"
    ],
)
def test_softmax_layers_of_timm(name, softmax_name, n_features, n_classes):
    pytest.importorskip("timm")
    source = TimmNet.find(name, None, None)
    expected = (softmax_name, n_features, n_classes, True)
    assert structure_of(source, (3, *source.preset["timm"]["input_size"][1:])) == expected


class Reversed(nn.Linear):
    """A layer whose weight does not tell all that it does."""

    def forward(self, x):
        return super().forward(x).flip(1)


class Whole(nn.Linear):
    """A net that is nothing but a layer."""

    def forward(self, x):
        return super().forward(x.flatten(1))


def tokens():
    return nn.Sequential(nn.Flatten(2), nn.Linear(16, 2), nn.Flatten())


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), ("1", 48, 4, True)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Dropout()), ("1", 48, 4, True)),
        (nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 5, 1), nn.Flatten()), ("1", 3, 5, True)),
        (nn.Sequential(nn.Flatten(), Reversed(48, 4)), ("1", 48, 4, False)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.ReLU()), (None, 4, 0, False)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.ReLU(inplace=True)), (None, 4, 0, False)),
        (nn.Sequential(nn.Conv2d(3, 2, 4), nn.Flatten()), (None, 2, 0, False)),
        (tokens(), (None, 6, 0, False)),
        (Whole(48, 4), (None, 4, 0, False)),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), ("1", 48, 4, True)),
    ],
)
def test_which_layer_is_the_softmax_layer(net, expected):
    assert examine(net, torch.rand(1, 3, 4, 4), "the net") == expected


def test_positive_scores_are_still_not_the_softmax_layers():
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.ReLU())
    nn.init.ones_(net[1].bias)
    nn.init.zeros_(net[1].weight)  # the ReLU changes nothing here
    assert examine(net, torch.rand(1, 3, 4, 4), "the net").softmax_name is None


def test_looking_at_a_net_draws_nothing_and_holds_nothing():
    before = torch.get_rng_state()
    source = TorchvisionNet.find("resnet18", None, 48)
    structure_of(source, (3, 48, 48))
    with without_memory():
        assert all(weight.is_meta for weight in torchvision.models.resnet18().parameters())
    with without_draws():
        assert not torchvision.models.resnet18().fc.weight.any()
        assert not torchvision.models.convnext_tiny().classifier[2].weight.any()
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_looked_at_once_for_each_size():
    source = TorchvisionNet.find("squeezenet1_0", None, 40)
    before = structure_of.cache_info()
    for _ in range(3):
        structure_of(TorchvisionNet.find("squeezenet1_0", None, 40), (3, 40, 40))
    after = structure_of.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)
    assert source == TorchvisionNet.find("squeezenet1_0", None, 40)


@pytest.mark.parametrize("size", [20, 30])
def test_size_that_a_net_does_not_take(size):
    source = TorchvisionNet.find("vit_b_16", "DEFAULT", size)
    with pytest.raises(ValueError, match=rf"backbone='vit_b_16' .* shape \(3, {size}, {size}\) .*"):
        structure_of(source, (3, size, size))
    source = TorchvisionNet.find("vit_b_16", None, size)  # built for that size, if at all
    with pytest.raises(
        ValueError, match=r"does not take photos .* \(Input shape indivisible by pa"
    ):
        structure_of(source, (3, size, size))
