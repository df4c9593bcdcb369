"""Run a network on batches of photos with PyTorch, torch.compile or OpenVINO."""

import copy
import threading
import warnings
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skdevise._utils import import_optional

# Numbers of photos that repay folding the batch norms, and converting the network to OpenVINO.
FOLD_FROM, CONVERT_FROM = 32, 256

_CPU = torch.device("cpu")


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


class InferenceEngine:
    """Run a network in evaluation mode, with an engine that suits the number of photos.

    `shape` is that of a preprocessed photo, (C, H, W). The network itself is never changed.
    `name` is the engine in use: "torch", "compile" or "openvino".
    """

    def __init__(self, net, shape, engine="auto", precision="float32", device=_CPU, verbose=0):
        if engine == "openvino" and device.type != "cpu":
            raise ValueError(
                f"engine='openvino' runs on the CPU, not on device '{device}'. Use engine='auto' "
                "or device='cpu'."
            )
        check_precision(precision, device)
        if engine == "auto" and (device.type != "cpu" or find_spec("openvino") is None):
            engine = "torch"
        self.name = None
        self._net, self._shape = net, tuple(shape)
        self._engine, self._precision, self._device = engine, precision, device
        self._verbose = verbose
        self._n_photos = 0
        self._plan, self._run = None, None
        self._lock = threading.Lock()

    def expect(self, n_photos):
        """Prepare for more photos. "auto" and "torch" prepare more for more photos."""
        with self._lock:
            self._n_photos += n_photos
            plan = self._best_plan()
            if plan != self._plan:
                self._start(plan)
                self._plan = plan

    def __call__(self, photos):
        """Compute features: float32 array (n, n_features) from float32 photos (n, C, H, W)."""
        if self._run is None:
            self.expect(len(photos))
        return self._run(photos)

    def _best_plan(self):
        """Choose "openvino", "compile", "torch with folding" or "torch"."""
        if self._engine == "auto" and self._n_photos >= CONVERT_FROM:
            return "openvino"
        if self._engine in ("openvino", "compile"):
            return self._engine
        return "torch with folding" if self._n_photos >= FOLD_FROM else "torch"

    def _start(self, plan):
        """Set `_run` and `name` by a plan. "auto" falls back to PyTorch."""
        name, run = plan.split()[0], None
        if name == "openvino":
            try:
                run = _openvino_run(self._net, self._shape)
            except RuntimeError as error:
                if self._engine == "openvino":
                    raise
                self._print(error)
                name = "torch"
        if run is None:
            net = copy.deepcopy(self._net).cpu()
            if plan != "torch":
                net = fold_batch_norms(net, self._shape)
            run = _torch_run(net, self._precision, self._device, compiles=name == "compile")
        if name != self.name:
            self._print(f"engine: {name}, {self._precision}")
        self.name, self._run = name, run

    def _print(self, message):
        if self._verbose > 0:
            print(f"[VisualFeaturizer] {message}")


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
    """Return a function that runs a network with PyTorch."""
    # Convolutions are up to twice as fast with the channels last, on a CPU too.
    net = net.to(device, memory_format=torch.channels_last)
    if compiles:
        net = torch.compile(net)

    def run(photos):
        photos = photos.to(device, memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            return net(photos).float().numpy(force=True)

    return run


def _openvino_run(net, shape):
    """Return a function that runs a network with OpenVINO, or raise RuntimeError."""
    openvino = import_optional("openvino", extra="fast", purpose="engine='openvino'")
    # The converted network can share memory with the weights, so we convert a copy.
    net, photos = copy.deepcopy(net).cpu(), _noise(shape)
    # OpenVINO cannot convert PyTorch's fused attention.
    has_fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Tracing warns about shapes that become constants.
            model = openvino.convert_model(net, example_input=photos)
        model.reshape([-1, *shape])
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",  # All threads work on one batch.
            "ENABLE_CPU_PINNING": False,  # Other threads and processes need the cores too.
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        # Other photos than the traced ones: a trace can contain their values as constants.
        others = _noise(shape, seed=1)
        is_right = _is_close(compiled([others.numpy()])[0], _features(net, others))
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
    lock = threading.Lock()  # A compiled model runs one batch at a time.

    def run(photos):
        with lock:
            return compiled([photos.contiguous().numpy()], share_inputs=True)[0]

    return run


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
