"""Features by OpenVINO, the fastest engine on a CPU."""

import copy
import io
import threading
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from weakref import WeakValueDictionary

import torch

from skdevise._utils import import_optional
from skdevise.vision.engines.agreement import agrees, answers, probes
from skdevise.vision.engines.digest import net_digest
from skdevise.vision.engines.disk import CompiledNets
from skdevise.vision.engines.fusion import folded_copy
from skdevise.vision.engines.rounding import round_kernels
from skdevise.vision.engines.stem import split_stem

# Engines in use by what they are made of: copies of a net share one.
_in_use = WeakValueDictionary()
_one_at_a_time = threading.Lock()
_RECIPE = 3  # another number wherever what `_convert` makes of a net changes


class ConversionError(RuntimeError):
    """A net that OpenVINO cannot run."""


class OpenVINOEngine:
    """A compiled net on the CPU.

    Parameters
    ----------
    parts : list of openvino.CompiledModel
        From photos (n, C, H, W) to features (n, n_features), each from what the one before it
        makes; n is any number. (A fixed batch size is not faster.)
    """

    name = "openvino"

    def __init__(self, parts):
        self._requests = [part.create_infer_request() for part in parts]
        self._lock = threading.Lock()

    def __call__(self, photos):
        """Features (n, n_features), float32, of photos (n, C, H, W), float32, on the CPU."""
        tensor = photos.contiguous().numpy()
        with self._lock:
            for request in self._requests:
                tensor = request.infer([tensor], share_inputs=True, share_outputs=True)[0]
            return tensor.copy()  # the next call writes there


def is_installed():
    """Whether OpenVINO is."""
    return find_spec("openvino") is not None


def is_compiled(net, shape, dtype):
    """Whether `compile_net` has this net at hand already."""
    key = _key(net, shape, dtype)
    return (key, torch.get_num_threads()) in _in_use or key in CompiledNets()


def compile_net(net, shape, dtype):
    """Make an engine of a net, or take one that was made before, by this process or another.

    It has as many threads as torch has.

    Parameters
    ----------
    net : Module
        From photos to features, in evaluation mode. It stays as it is.
    shape : tuple of int
        (C, H, W) of a photo.
    dtype : {"float32", "bfloat16"}

    Returns
    -------
    OpenVINOEngine

    Raises
    ------
    ConversionError
        If OpenVINO cannot run the net.
    ImportError
        If OpenVINO is not installed.
    """
    key, n_threads = _key(net, shape, dtype), torch.get_num_threads()
    photo = probes(shape)
    expected = answers(net, photo)

    def is_right(engine):
        return agrees(engine(photo), expected, dtype)

    with _one_at_a_time:
        engine = _in_use.get((key, n_threads))
        if engine is None or not is_right(engine):
            core, configs = _import().Core(), partial(_configs, dtype, n_threads)
            engine = _load(core, configs, key, is_right)
            if engine is None:
                engine = _compile(core, configs, net, shape, dtype, key, is_right)
            _in_use[key, n_threads] = engine
        return engine


def _key(net, shape, dtype):
    openvino = _import()
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if dtype == "bfloat16" and "BF16" not in capabilities:
        raise ConversionError("OpenVINO does not compute in bfloat16 on this processor")
    try:
        made_by = _RECIPE, openvino.get_version(), sorted(capabilities)
        return net_digest(net, tuple(shape), dtype, *made_by)
    except RuntimeError as error:
        raise ConversionError(f"the net's weights cannot be read ({error})") from error


def _configs(dtype, n_threads, n_parts):
    """Settings of each part of a net: what comes before the last is a stem in float32."""
    hints = ["f32"] * (n_parts - 1) + [{"float32": "f32", "bfloat16": "bf16"}[dtype]]
    return [_config(hint, n_threads) for hint in hints]


def _config(hint, n_threads):
    return {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": n_threads,
        "PERFORMANCE_HINT": "LATENCY",  # all threads at one batch
        "ENABLE_CPU_PINNING": False,  # other threads and processes have the cores, too
    }


def _load(core, configs, key, is_right):
    """Take the compiled net from the disk; None where that is not there, or broken."""
    kept = CompiledNets().read(key)
    if kept is not None:
        with suppress(RuntimeError):
            parts = zip(kept, configs(len(kept)), strict=True)
            engine = OpenVINOEngine([core.import_model(part, "CPU", own) for part, own in parts])
            if is_right(engine):
                return engine
    return None


def _compile(core, configs, net, shape, dtype, key, is_right):
    try:
        models = _convert(net, shape, dtype)
        parts = zip(models, configs(len(models)), strict=True)
        compiled = [core.compile_model(part, "CPU", own) for part, own in parts]
        engine = OpenVINOEngine(compiled)
        right = is_right(engine)
    except Exception as error:  # tracing runs the net's own code, which may fail in any way
        raise ConversionError(f"OpenVINO cannot convert this net ({_reason(error)})") from error
    if not right:
        raise ConversionError("OpenVINO makes other features of this net than torch does")
    with suppress(RuntimeError):  # not for every processor can it be kept
        CompiledNets().write(key, [_exported(part) for part in compiled])
    return engine


def _exported(compiled):
    stream = io.BytesIO()  # what comes without one has another type in each version
    compiled.export_model(stream)
    return stream.getvalue()


def _reason(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    telling = [line for line in lines if "No conversion rule" in line] or lines
    return telling[-1].removeprefix("-- ").rstrip(".")


def _convert(net, shape, dtype):
    """Give the models that make features, each from what the one before it makes."""
    # Not openvino.convert_model, which reports its use to the maker, and takes twice as long.
    frontends, decoders = _import("frontend"), _import("frontend.pytorch.ts_decoder")
    # A copy, for a compiled net may share the memory of its weights.
    if dtype == "float32":
        net = copy.deepcopy(net).cpu()
    else:
        net = folded_copy(net, shape)
        round_kernels(net)
    with torch.no_grad(), _quiet(), _without_fast_path():
        traced = torch.jit.trace(net, probes(shape, n=2), check_trace=False)
        decoder = decoders.TorchScriptPythonDecoder(traced)
    frontend = frontends.FrontEndManager().load_by_framework("pytorch")
    loaded = frontend.load(decoder)
    model = frontend.convert(loaded)
    model.reshape([-1, *shape])
    if dtype == "float32":
        return [model]
    _keep_biases(model)
    return split_stem(model)


def _keep_biases(model):
    """Keep the biases of convolutions in float32, where the rest is in bfloat16.

    The constant that is added to a convolution becomes its bias, which OpenVINO rounds as it does
    the weights, but not if something stands between. With EfficientNet-Lite0 the least cosine to
    the features of float32, over 32 photos, rises from 0.9990 to 0.9995, for 7 % of the time.
    """
    opset = _import("opset13")
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Add":
            for port in node.inputs():
                source = port.get_source_output()
                if source.get_node().get_type_name() in ("Convolution", "GroupConvolution"):
                    barrier = opset.clamp(source, -1e30, 1e30)
                    port.replace_source_output(barrier.output(0))


@contextmanager
def _quiet():
    """Without torch's warnings that tracing is old, and that it fixes what depends on the shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _without_fast_path():
    """Without torch's fused attention, which OpenVINO does not know."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def _import(*submodule):
    name = ".".join(["openvino", *submodule])
    return import_optional(name, extra="fast", purpose="engine='openvino'")
