import pytest
import torch
from torch import nn

from skdevise.vision.engines import openvino_engine
from skdevise.vision.engines.stem import split_stem

openvino = pytest.importorskip("openvino")

SHAPE = (3, 16, 16)


class Block(nn.Module):
    """A depthwise convolution and another, with or without a path around them."""

    def __init__(self, skips, groups=4):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 3, padding=1, groups=groups)
        self.second = nn.Conv2d(4, 4, 1)
        self.skips = skips

    def forward(self, x):
        out = self.second(torch.relu(self.first(x)))
        return torch.relu(out + x) if self.skips else torch.relu(out)


class Dense(nn.Module):
    """Each layer reads all that came before it."""

    def __init__(self, n_layers):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 * (i + 1), 3, 1, groups=3) for i in range(n_layers))

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x.mean((2, 3))


def net_of(*blocks):
    torch.manual_seed(0)
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), *blocks, *pool).eval()


def parts_of(net):
    (model,) = openvino_engine._convert(net, SHAPE, "float32")
    return split_stem(model)


def n_convolutions(model):
    return sum(node.get_type_name().endswith("Convolution") for node in model.get_ordered_ops())


def run(parts, photos):
    tensor = photos.numpy()
    for part in parts:
        config = {"INFERENCE_PRECISION_HINT": "f32"}
        tensor = openvino.Core().compile_model(part, "CPU", config)([tensor])[0]
    return torch.from_numpy(tensor)


@pytest.mark.parametrize(
    ("net", "of_each"),
    [
        (net_of(), [1]),
        (net_of(Block(False)), [3]),
        (net_of(Block(False), Block(False)), [3, 2]),
        (net_of(Block(True), Block(True), Block(True)), [3, 4]),
        # Before the second layer of a block, the path around it would be cut as well.
        (net_of(nn.Conv2d(4, 4, 1), Block(True), Block(True)), [4, 2]),
        (Dense(6).eval(), [3, 3]),
        (net_of(*[Block(False) for _ in range(10)]), [3, 18]),
        # Whoever pools gives the places of the largest, too, which nobody reads.
        (net_of(nn.MaxPool2d(2), Block(True), Block(True)), [3, 2]),
        (net_of(Block(True, groups=1), Block(True)), [5]),
    ],
    ids=[
        "one", "three", "sequential", "residual", "shifted", "dense", "deep", "pooled",
        "depthwise too late",
    ],
)  # fmt: skip
def test_a_net_is_cut_where_one_tensor_leads_on(net, of_each):
    photos = torch.randn(5, *SHAPE)
    parts = parts_of(net)
    assert [n_convolutions(part) for part in parts] == of_each
    with torch.no_grad():
        torch.testing.assert_close(run(parts, photos), net(photos), atol=1e-5, rtol=1e-4)


def test_a_net_that_opens_late_stays_whole():
    class Around(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x).mean((2, 3)) + x.mean((2, 3))

    inner = nn.Sequential(*[nn.Conv2d(3, 3, 1, groups=3) for _ in range(12)])
    (model,) = parts_of(Around(inner).eval())
    assert n_convolutions(model) == 12


@pytest.mark.skipif(
    "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this processor has no bfloat16",
)
def test_the_stem_alone_computes_in_float32(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDEVISE_HOME", str(tmp_path))
    net = net_of(Block(True), Block(True))
    for convert in (openvino_engine._convert, None):  # compiled, then from the disk
        openvino_engine._in_use.clear()
        monkeypatch.setattr(openvino_engine, "_convert", convert)
        engine = openvino_engine.compile_net(net, SHAPE, "bfloat16")
        hints = [
            request.get_compiled_model().get_property("INFERENCE_PRECISION_HINT").to_string()
            for request in engine._requests
        ]
        assert hints == ["f32", "bf16"]
