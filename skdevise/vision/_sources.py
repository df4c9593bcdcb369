"""Where nets come from: torchvision, timm, EfficientNet-Lite0, or the caller."""

import copy
from dataclasses import dataclass

from torch import nn

from skdevise.vision._efficientnet_lite import Lite0Net
from skdevise.vision._presets import imagenet_preset
from skdevise.vision._timm_nets import TimmNet
from skdevise.vision._torchvision_nets import TorchvisionNet
from skdevise.vision._weights import STATE_DICT_FILE


def find_source(backbone, weights, image_size):
    """Find out where a net comes from, without making it.

    Parameters
    ----------
    backbone : str, callable or Module
        See `VisualFeaturizer`.
    weights : str, WeightsEnum or None
        "DEFAULT", the name of published weights, or None for random ones.
    image_size : int or None
        Side of the crop; None is what the weights were trained with.

    Returns
    -------
    TorchvisionNet, TimmNet, Lite0Net or GivenNet

    Raises
    ------
    ImportError
        If a package that the net needs is not installed.
    ValueError
        If there is no such net, or there are no such weights for it.
    """
    if not isinstance(backbone, str):
        return GivenNet.find(backbone, weights, image_size)
    if backbone == "efficientnet_lite0":
        return Lite0Net.find(weights, image_size)
    if backbone.startswith("timm:"):
        return TimmNet.find(backbone.removeprefix("timm:"), weights, image_size)
    return TorchvisionNet.find(backbone, weights, image_size)


@dataclass(frozen=True, eq=False)
class GivenNet:
    """A net that the caller has, or makes.

    Parameters
    ----------
    backbone : callable or Module
    image_size : int or None
        Side of the crop; None is 224.
    """

    backbone: object
    image_size: int | None
    weights = None

    @classmethod
    def find(cls, backbone, weights, image_size):
        """Check that there is no name among the weights.

        Raises
        ------
        ValueError
            If there is.
        """
        if weights not in ("DEFAULT", None):
            raise ValueError(
                f"weights={weights!r} does not go with a backbone that is not a name: give "
                f"'DEFAULT' for the weights that it has, {STATE_DICT_FILE}, or None."
            )
        return cls(backbone, image_size)

    @property
    def title(self):
        """What errors call it."""
        return f"the backbone {getattr(self.backbone, '__name__', type(self.backbone).__name__)}"

    @property
    def preset(self):
        """Preprocessing as most nets want it."""
        return imagenet_preset(self.image_size)

    def build(self):
        """Make the net, or copy it, with the weights that it has.

        Raises
        ------
        TypeError
            If a callable does not make a module.
        """
        if isinstance(self.backbone, nn.Module):
            # The caller's net stays as it is: not trained, not moved, not put in evaluation mode.
            return copy.deepcopy(self.backbone).cpu()
        net = self.backbone()
        if not isinstance(net, nn.Module):
            raise TypeError(
                f"backbone made a {type(net).__name__}: a callable backbone returns a "
                "torch.nn.Module."
            )
        return net
