"""Engines compute the same features as the network in eager mode."""

import copy
import os
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skdevise.vision._efficientnet_lite import EfficientNetLite
from skdevise.vision._engines import (
    CONVERT_FROM,
    FOLD_FROM,
    InferenceEngine,
    check_precision,
    choose_plan,
    fold_batch_norms,
)

SHAPE = (3, 16, 16)
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is missing.")


class Net(nn.Module):
    """Layers by name, and a function that applies them."""

    def __init__(self, run, **layers):
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x).mean((2, 3))


class ActivatingNorm(nn.BatchNorm2d):
    """A batch norm that holds an activation, as those of timm do."""

    def __init__(self, n):
        super().__init__(n)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


def conv(n_in=3, n_out=6, **options):
    return nn.Conv2d(n_in, n_out, 3, padding=1, **options)


def norm(n=6, layer=nn.BatchNorm2d, **options):
    """Return a batch norm whose statistics are not those of the start."""
    made = layer(n, **options)
    generator = torch.Generator().manual_seed(n)
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(n, generator=generator) + 0.5)
    return made


def conv_norm(net, x):
    return net.norm(net.conv(x))


# Functions that return a network, and the number of batch norms that stay after folding.
NETS = {
    "sequential": (
        lambda: nn.Sequential(
            conv(), norm(), nn.ReLU(inplace=True), conv(6, 4), norm(4), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        0,
    ),
    "no bias": (lambda: Net(conv_norm, conv=conv(bias=False), norm=norm()), 0),
    "groups": (lambda: Net(conv_norm, conv=conv(3, 6, groups=3), norm=norm()), 0),
    "no weight": (lambda: Net(conv_norm, conv=conv(), norm=norm(affine=False)), 0),
    "residual": (
        lambda: Net(
            lambda net, x: x + net.b(net.second(F.relu(net.a(net.first(x))))),
            first=conv(), a=norm(), second=conv(6, 3), b=norm(3),
        ),
        0,
    ),
    "activating norm": (lambda: Net(conv_norm, conv=conv(), norm=norm(layer=ActivatingNorm)), 0),
    "convolution runs twice": (
        lambda: Net(lambda net, x: net.norm(net.conv(net.conv(x))), conv=conv(3, 3), norm=norm(3)),
        1,
    ),
    "norm before the convolution": (
        lambda: Net(lambda net, x: net.conv(net.norm(x)), conv=conv(3, 3), norm=norm(3)),
        1,
    ),
    "convolution is read twice": (
        lambda: Net(lambda net, x: (y := net.conv(x)) + net.norm(y), conv=conv(), norm=norm()),
        1,
    ),
    "statistics of the batch": (
        lambda: Net(conv_norm, conv=conv(), norm=norm(track_running_stats=False)),
        1,
    ),
    "attribute of the norm is used": (
        lambda: Net(
            lambda net, x: net.norm(net.conv(x)) / net.norm.momentum, conv=conv(), norm=norm()
        ),
        1,
    ),
}  # fmt: skip


def make(name):
    torch.manual_seed(0)
    return NETS[name][0]().eval()


def photos(n, seed=1, shape=SHAPE):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def eager(net, batch):
    with torch.no_grad():
        return net(batch).numpy()


def n_batch_norms(net):
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


# --- folding


@pytest.mark.parametrize("name", NETS)
def test_folding_keeps_the_features(name):
    net = make(name)
    folded = fold_batch_norms(net, SHAPE)
    assert n_batch_norms(folded) == NETS[name][1]
    np.testing.assert_allclose(eager(folded, photos(3)), eager(net, photos(3)), atol=1e-5)


def test_all_batch_norms_of_efficientnet_lite0_are_folded():
    net = EfficientNetLite("efficientnet_lite0").eval()
    folded = fold_batch_norms(net, (3, 32, 32))
    # A stem and a head, and 16 blocks of 3 batch norms, of which the first has 2.
    assert n_batch_norms(net) == 2 + 15 * 3 + 2
    assert n_batch_norms(folded) == 0


# --- all engines


def plans():
    marks = {"openvino": needs_openvino, "compile": pytest.mark.slow}
    names = ("torch", "torch with folding", "compile", "openvino")
    return [pytest.param(name, marks=marks.get(name, ())) for name in names]


@pytest.mark.parametrize("plan", plans())
@pytest.mark.parametrize("name", ["sequential", "residual", "convolution is read twice"])
def test_engines_compute_the_same_features(plan, name):
    net = make(name)
    before, text = copy.deepcopy(net.state_dict()), str(net)
    run = InferenceEngine(net, SHAPE, plan)
    for n in (4, 1, 7, 4):
        features = run(photos(n, seed=n).to(memory_format=torch.channels_last))
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, eager(net, photos(n, seed=n)), atol=1e-5)
    assert str(net) == text
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


class Waits(nn.Module):
    """A layer that reads a value, so a GPU cannot record it."""

    def forward(self, x):
        return x.flatten(1) if x.isnan().any() else 2 * x.flatten(1)


@pytest.mark.parametrize("plan", plans()[:3])
@pytest.mark.parametrize("name", ["sequential", "residual", "waits"])
def test_engines_run_on_every_device(plan, name, device):
    net = Waits() if name == "waits" else make(name)
    run = InferenceEngine(net, SHAPE, plan, device=torch.device(device))
    # A GPU records a network after some batches of the same size.
    for seed, n in enumerate([5, 5, 5, 5, 5, 2, 7, 5]):
        X = photos(n, seed=seed)
        np.testing.assert_allclose(run(X), eager(net, X), rtol=1e-3, atol=1e-3)
    assert run.name == plan.split()[0]


class Repeat(nn.Module):
    """Repeat a photo of 16 x 16 pixels until it has `n_bytes` bytes. It takes no memory."""

    def __init__(self, n_bytes):
        super().__init__()
        self.n_channels = n_bytes // (4 * 16 * 16)

    def forward(self, x):
        return x[:, :1].expand(-1, self.n_channels, -1, -1)


class BatchSize(nn.Module):
    """A network whose only feature is the number of photos that it processes at once."""

    def __init__(self, n_bytes):
        super().__init__()
        self.layer = Repeat(n_bytes)

    def forward(self, x):
        return self.layer(x).new_full((len(x), 1), len(x))


@pytest.mark.parametrize("plan", plans()[:2])
@pytest.mark.parametrize(
    # The limit is 20 MiB for the outputs of a layer. With one thread, 16 photos may take 64 MiB.
    ("n_threads", "n_bytes", "sizes"),
    [
        (1, 2**19, [32, 5]),
        (1, 2**20, [16, 16, 1]),
        (1, 2**22, [16, 3]),
        (1, 2**23, [2, 2, 2, 1]),
        (1, 2**25, [1, 1, 1]),
        (2, 2**20, [20, 20, 1]),
        (4, 2**22, [10, 1]),
    ],
)
def test_torch_processes_a_few_photos_at_once_on_a_cpu(
    plan, n_threads, n_bytes, sizes, monkeypatch
):
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    run = InferenceEngine(BatchSize(n_bytes), SHAPE, plan)
    seen = run(photos(sum(sizes))).ravel().tolist()
    assert seen == [n for n in sizes for _ in range(n)]


@needs_openvino
def test_openvino_converts_attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = Net(
        lambda net, x: net.layer(net.patches(x).flatten(2).transpose(1, 2))[..., None],
        patches=nn.Conv2d(3, 8, 8, stride=8),
        layer=layer,
    ).eval()
    run = InferenceEngine(net, SHAPE, "openvino")
    np.testing.assert_allclose(run(photos(3)), eager(net, photos(3)), atol=1e-5)
    assert torch.backends.mha.get_fastpath_enabled()


@needs_openvino
def test_a_conversion_sends_no_statistics():
    telemetry = pytest.importorskip("openvino_telemetry")
    environment = dict(os.environ)
    InferenceEngine(make("sequential"), SHAPE, "openvino")
    assert not telemetry.Telemetry().consent
    assert dict(os.environ) == environment


@needs_openvino
def test_later_training_does_not_change_an_engine():
    net = make("sequential")
    run = InferenceEngine(net, SHAPE, "openvino")
    before = run(photos(2))
    with torch.no_grad():
        for weight in net.parameters():
            weight.fill_(0)
    np.testing.assert_array_equal(run(photos(2)), before)


# --- the choice of "auto"

CPU, META = torch.device("cpu"), torch.device("meta")


@needs_openvino
@pytest.mark.parametrize(
    ("engine", "n_photos", "device", "plan"),
    [
        ("auto", 1, CPU, "torch"),
        ("auto", FOLD_FROM, CPU, "torch with folding"),
        ("auto", CONVERT_FROM - 1, CPU, "torch with folding"),
        ("auto", CONVERT_FROM, CPU, "openvino"),
        ("auto", CONVERT_FROM, META, "torch with folding"),
        ("torch", 1, CPU, "torch with folding"),
        ("openvino", 1, CPU, "openvino"),
        ("compile", CONVERT_FROM, CPU, "compile"),
    ],
)
def test_only_auto_depends_on_the_number_of_photos(engine, n_photos, device, plan):
    assert choose_plan(engine, n_photos, device) == plan


def test_without_openvino_auto_uses_torch_and_its_name_raises(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_plan("auto", CONVERT_FROM, CPU) == "torch with folding"
    with pytest.raises(ImportError, match=r"skdevise\[fast\]"):
        InferenceEngine(make("sequential"), SHAPE, "openvino")


def test_openvino_runs_on_the_cpu_only():
    with pytest.raises(ValueError, match="'openvino'.*'meta'"):
        InferenceEngine(make("sequential"), SHAPE, "openvino", device=META)


UNFIT = {
    "OpenVINO has no such operation": lambda net, x: torch.linalg.eigvalsh(x)[:, :, None],
    "the trace holds the mean of its photos": lambda net, x: x + float(x.mean()),
}


@needs_openvino
@pytest.mark.parametrize("reason", UNFIT)
def test_a_network_that_openvino_cannot_run_is_refused(reason):
    with pytest.raises(RuntimeError, match="OpenVINO"):
        InferenceEngine(Net(UNFIT[reason]).eval(), SHAPE, "openvino")


# --- precision


def test_bfloat16_is_refused_on_a_cpu():
    with pytest.raises(ValueError, match="'bfloat16'.*'cpu'"):
        InferenceEngine(make("sequential"), SHAPE, precision="bfloat16")
    check_precision("float32", torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU.")
def test_bfloat16_on_a_gpu_is_close_to_float32():
    net, device = make("residual"), torch.device("cuda")
    run = InferenceEngine(net, SHAPE, precision="bfloat16", device=device)
    features, expected = run(photos(5)), eager(net, photos(5))
    assert features.dtype == np.float32
    cosines = F.cosine_similarity(torch.from_numpy(features), torch.from_numpy(expected))
    assert cosines.min() > 0.999


@pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU.")
def test_a_recorded_network_serves_several_streams():
    net, device = make("sequential"), torch.device("cuda")
    engine = InferenceEngine(net, SHAPE, device=device)
    streams = [torch.cuda.Stream(device) for _ in range(2)]
    batches = [factor * photos(64) for factor in range(12)]
    waiting = []
    for i, batch in enumerate(batches):
        with torch.cuda.stream(streams[i % 2]):
            waiting.append(engine.start(batch))
    for batch, read in zip(batches, waiting, strict=True):
        np.testing.assert_allclose(read(), eager(net, batch), rtol=1e-2, atol=1e-2)
