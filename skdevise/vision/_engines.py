"""Run a network on batches of photos with PyTorch, torch.compile or OpenVINO."""

import copy
import warnings
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from threading import Lock

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skdevise._utils import import_optional, keep_freed_memory, seeded
from skdevise.training._recorded import Recorded, record_on_gpu
from skdevise.vision._openvino import compile_model, no_statistics

# Numbers of photos that repay folding the batch norms, and converting the network to OpenVINO.
FOLD_FROM, CONVERT_FROM = 32, 256

# Size in bytes of a layer's largest output on a CPU. A network holds about three at the same time,
# and `keep_freed_memory` keeps 64 MB. The system would clear the memory of larger ones again.
_LARGEST_OUTPUT, _KEPT_MEMORY = 20 * 2**20, 2**26

_CPU = torch.device("cpu")

# A layer that reads a value from a GPU cannot be recorded. Before torch 2.13, it would harm later
# recordings, so we record only networks with layers of these packages.
_PACKAGES = {"torch", "torchvision", "timm", "skdevise"}


def check_precision(precision, device):
    """Raise ValueError if a torch device cannot compute in this precision."""
    if precision == "float32":
        return
    if device.type != "cuda" or not torch.cuda.is_bf16_supported(including_emulation=False):
        # On a CPU, bfloat16 changes the features of some photos too much: the smallest cosine with
        # float32 over 500 photos was 0.991 by OpenVINO and 0.997 by PyTorch (EfficientNet-Lite0).
        raise ValueError(
            f"precision={precision!r} is not available on device '{device}'. Use 'float32', or a "
            "CUDA device that supports bfloat16."
        )


def choose_plan(engine, n_photos, device):
    """Choose how to run a network on that many photos, by the parameter `engine`.

    The plan is "torch", "torch with folding", "compile" or "openvino". Only "auto" depends on the
    number of photos. Without a history, equal calls give equal features.
    """
    if engine == "torch":
        return "torch with folding"
    if engine != "auto":
        return engine
    if n_photos >= CONVERT_FROM and device.type == "cpu" and find_spec("openvino") is not None:
        return "openvino"
    return "torch with folding" if n_photos >= FOLD_FROM else "torch"


class InferenceEngine:
    """Run a network in evaluation mode: float32 (n, n_features) from float32 (n, C, H, W).

    `shape` is that of a preprocessed photo, (C, H, W). The network itself is never changed.
    `name` is the engine in use: "torch", "compile" or "openvino".
    """

    def __init__(self, net, shape, plan="torch", precision="float32", device=_CPU):
        check_precision(precision, device)
        self.name = plan.split()[0]
        if plan == "openvino":
            self._run = _openvino_run(net, shape, device)
            return
        net = copy.deepcopy(net).cpu()
        if plan != "torch":
            net = fold_batch_norms(net, shape)
        run = _torch_run(net, precision, device, compiles=plan == "compile")
        if plan != "compile" and device.type == "cpu":
            run = _in_parts(run, net, shape)
        elif plan != "compile" and device.type == "cuda" and _never_waits(net):
            run = _recorded(run, device)
        self._run = lambda photos: _read_later(run(photos))

    def __call__(self, photos):
        """Compute features of float32 photos."""
        return self.start(photos)()

    def start(self, photos):
        """Start to compute features, and return a function that waits for them."""
        return self._run(photos)


def fold_batch_norms(net, shape):
    """Fold batch norms into convolutions, in a copy of a CPU network if its features stay equal.

    Most networks register a batch norm right after its convolution, so these pairs are folded. The
    fuser of torch.fx cannot trace networks whose padding depends on the size of the photo.
    """
    folded, n_folded = copy.deepcopy(net), 0
    photos = _noise(shape)
    try:
        for parent in list(folded.modules()):
            for (conv_name, conv), (norm_name, norm) in pairwise(list(parent.named_children())):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
                    # timm's batch norms hold an activation.
                    setattr(parent, norm_name, nn.Sequential(*norm.children()))
                    n_folded += 1
        if n_folded and _is_close(_features(folded, photos), _features(net, photos)):
            return folded
    except Exception:  # The forward method of a network may need the batch norm itself.
        pass
    return net


def _torch_run(net, precision, device, compiles):
    """Return a function that runs a network with PyTorch: Tensor of features, on the device."""
    # Convolutions are up to twice as fast with the channels last, on a CPU too.
    net = net.to(device, memory_format=torch.channels_last)
    if compiles:
        net = torch.compile(net)
    keep_freed_memory()

    @torch.inference_mode()
    def run(photos):
        photos = photos.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return net(photos).float()

    return run


def _in_parts(run, net, shape):
    """Let a function compute a few photos at a time, which is faster on a CPU."""
    n_at_once = cache(partial(photos_at_once, net, shape))

    def run_parts(photos):
        parts = photos.split(n_at_once()) if len(photos) > 1 else [photos]
        return torch.cat([run(part) for part in parts])

    return run_parts


def _never_waits(net):
    """Return whether all layers come from packages whose layers never wait for a GPU: bool."""
    return all(type(layer).__module__.partition(".")[0] in _PACKAGES for layer in net.modules())


def _recorded(run, device):
    """Record a function on a GPU for the largest batch, so that a batch is started at once."""
    recorded, last_stream, lock = None, None, Lock()

    @torch.inference_mode()
    def run_recorded(photos):
        nonlocal recorded, last_stream
        photos = photos.to(device, memory_format=torch.channels_last)
        stream = torch.cuda.current_stream(device)
        with lock:  # A replay of another thread would overwrite the batch.
            if last_stream not in (None, stream):  # So would one on another stream of the user.
                stream.wait_stream(last_stream)
            last_stream = stream
            if recorded is None or len(photos) > recorded.n_rows:
                recorded = Recorded(run, len(photos), lambda run: record_on_gpu(run, device, []))
            return recorded(photos)

    return run_recorded


def photos_at_once(net, shape):
    """Return how many photos (C, H, W) a network processes at a time on a CPU, for speed: int."""
    sizes = [1]

    def remember(layer, inputs, output):
        if isinstance(output, torch.Tensor):
            sizes.append(output.nbytes)

    hooks = [layer.register_forward_hook(remember) for layer in net.modules()]
    try:
        with seeded(0, _CPU), torch.no_grad():  # Dropout may draw random numbers.
            net(_noise(shape)[:1])
    finally:
        for hook in hooks:
            hook.remove()
    largest, n_threads = max(sizes), torch.get_num_threads()
    n_photos = max(1, _LARGEST_OUTPUT // largest)
    if n_threads == 1 and 16 * largest <= _KEPT_MEMORY:
        return max(16, n_photos // 16 * 16)  # PyTorch has slower convolutions for fewer photos.
    # With many threads, each thread needs enough work.
    return n_photos * max(1, n_threads // 2)


def _read_later(features):
    """Start to copy features to the processor, and return a function that waits for them."""
    if features.device.type != "cuda":
        features = features.numpy(force=True)
        return lambda: features
    copied = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
    copied.copy_(features, non_blocking=True)
    is_copied = torch.cuda.current_stream(features.device).record_event()

    def read():
        is_copied.synchronize()
        return copied.numpy()

    return read


def _openvino_run(net, shape, device):
    """Return a function that runs a network with OpenVINO, or raise RuntimeError."""
    if device.type != "cpu":
        raise ValueError(
            f"engine='openvino' runs on the CPU, not on device '{device}'. Use engine='auto' or "
            "device='cpu'."
        )
    _, run = convert(net, shape, torch.get_num_threads())

    def start(photos):
        features = run(photos.contiguous().numpy())
        return lambda: features

    return start


@no_statistics()
def convert(net, shape, n_threads):
    """Convert a network to OpenVINO, or raise RuntimeError: model, and function that runs it."""
    openvino = import_optional("openvino", extra="fast", purpose="engine='openvino'")
    # The converted network can share memory with the weights, so we convert a copy.
    net, photos = copy.deepcopy(net).cpu(), _noise(shape)
    # OpenVINO cannot convert PyTorch's fused attention.
    has_fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Tracing warns about shapes that become constants.
            # OpenVINO would trace twice and compare, but we compare the converted network below.
            traced = torch.jit.trace(net, photos, strict=False, check_trace=False)
            model = openvino.convert_model(traced, example_input=photos)
        model.reshape([-1, *shape])
        run = compile_model(model, n_threads)
        # Other photos than the traced ones: a trace can contain their values as constants.
        others = _noise(shape, seed=1)
        is_right = _is_close(run(others.numpy()), _features(net, others))
    except Exception as error:  # Tracing runs the network's own code, which can raise anything.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise RuntimeError(
            f"OpenVINO cannot convert this network ({reason[-1]}). Use engine='torch'."
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(has_fast_path)
    if not is_right:
        raise RuntimeError(
            "OpenVINO computes other features of this network than PyTorch. Use engine='torch'."
        )
    return model, run


def _noise(shape, seed=0):
    """Draw two photos of noise to compare engines: (2, C, H, W)."""
    return torch.randn((2, *shape), generator=torch.Generator().manual_seed(seed))


def _features(net, photos):
    """Compute features in eager mode: (n, n_features)."""
    with torch.no_grad():
        return net(photos).numpy()


def _is_close(features, expected):
    """Return whether features differ from the expected ones by at most 0.1 %."""
    distance = np.linalg.norm(features - expected)
    return features.shape == expected.shape and distance <= 1e-3 * np.linalg.norm(expected) + 1e-6
