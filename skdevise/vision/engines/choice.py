"""The engine that a number of photos pays for."""

import threading

import torch

from skdevise.vision.engines import openvino_engine
from skdevise.vision.engines.precision import find_dtype
from skdevise.vision.engines.torch_engine import TorchEngine

ENGINES = ("auto", "torch", "compile", "openvino")

_CPU = torch.device("cpu")

# To fold batch norms, or to load a compiled net, takes as long as 3 to 30 photos do in torch.
FEW = 32
# To compile a net, as long as 30 to 200.
MANY = 256


class InferenceEngine:
    """A net that is run as fast as the number of photos pays for.

    Parameters
    ----------
    net : Module
        From photos (n, C, H, W) to features (n, n_features), in evaluation mode. It stays as it
        is, and its weights are not to change while the engine is in use.
    shape : tuple of int
        (C, H, W) of a photo.
    engine : {"auto", "torch", "compile", "openvino"}, default="auto"
        "torch" folds batch norms where photos are not few. "compile" is `torch.compile`.
        "openvino" needs the extra `fast`, and a CPU. "auto" is "openvino" on a CPU where it is
        installed, photos are many or the net was compiled before, and the net can be converted;
        else "torch".
    dtype : {"float32", "bfloat16", "auto"}, default="float32"
        What the net computes in; the features are float32. "auto" is bfloat16 where the device
        has instructions for it.
    device : torch.device, default=cpu
    verbose : int, default=0
        Above 0, the engine is named whenever it changes.

    Attributes
    ----------
    name : str
        The engine in use: "torch", "compile" or "openvino".
    dtype : str
        "float32" or "bfloat16".

    Raises
    ------
    ImportError
        If OpenVINO is asked for by name and is not installed.
    ValueError
        If the device has not the precision or the engine asked for.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten()).eval()
    >>> engine = InferenceEngine(net, (3, 8, 8))
    >>> engine.expect(5)
    >>> engine(torch.zeros(5, 3, 8, 8)).shape
    (5, 12)
    >>> engine.name, engine.dtype
    ('torch', 'float32')
    """

    def __init__(self, net, shape, engine="auto", dtype="float32", device=_CPU, verbose=0):
        if engine == "openvino" and device.type != "cpu":
            raise ValueError(
                f"engine='openvino' computes on the CPU, not on device '{device}': take "
                "engine='auto', or device='cpu'."
            )
        self.name = None
        self.dtype = find_dtype(dtype, device)
        self._net, self._shape, self._device = net, tuple(shape), device
        self._verbose = verbose
        if engine == "auto":
            has_openvino = device.type == "cpu" and openvino_engine.is_installed()
            engine = "fastest" if has_openvino else "torch"
        # From how many photos on, what runs the net.
        self._steps = {
            "torch": [(0, self._plain), (FEW, self._folded)],
            "compile": [(0, self._compiled_by_torch)],
            "openvino": [(0, self._compiled_by_openvino)],
            "fastest": [(0, self._plain), (FEW, self._fastest_at_hand), (MANY, self._fastest)],
        }[engine]
        self._n_photos = 0
        self._run = None
        self._lock = threading.Lock()

    def expect(self, n_photos):
        """Prepare for photos that come next, beside those that were expected before.

        Parameters
        ----------
        n_photos : int

        Raises
        ------
        RuntimeError
            If an engine that was asked for by name cannot run the net.
        """
        with self._lock:
            self._n_photos += n_photos
            make = None
            while self._steps and self._n_photos >= self._steps[0][0]:
                make = self._steps.pop(0)[1]
            if make is not None:
                self._run = make()
                if self._verbose > 0 and self._run.name != self.name:
                    print(f"[VisualFeaturizer] engine: {self._run.name}, {self.dtype}")
                self.name = self._run.name

    def __call__(self, photos):
        """Compute features.

        Parameters
        ----------
        photos : Tensor of shape (n, C, H, W), float32
            On the CPU; n is any number.

        Returns
        -------
        ndarray of shape (n, n_features), float32
        """
        if self._run is None:
            self.expect(len(photos))
        return self._run(photos)

    def _plain(self):
        return self._by_torch(folds=False)

    def _folded(self):
        return self._by_torch()

    def _compiled_by_torch(self):
        return self._by_torch(compiles=True)

    def _by_torch(self, **options):
        return TorchEngine(self._net, self._shape, self.dtype, self._device, **options)

    def _compiled_by_openvino(self):
        try:
            return openvino_engine.compile_net(self._net, self._shape, self.dtype)
        except openvino_engine.ConversionError as error:
            raise RuntimeError(f"engine='openvino': {error}: take engine='auto'.") from error

    def _fastest_at_hand(self):
        return self._fastest(compiles=False)

    def _fastest(self, compiles=True):
        made_of = self._net, self._shape, self.dtype
        try:
            if compiles or openvino_engine.is_compiled(*made_of):
                return openvino_engine.compile_net(*made_of)
        except (openvino_engine.ConversionError, ImportError) as error:
            if self._verbose > 0:
                print(f"[VisualFeaturizer] {error}: torch runs it.")
        return self._folded()
