"""Classifiers of torchvision, with the weights that are published for them."""

import difflib
from dataclasses import dataclass

import torchvision.models
from torch import nn
from torchvision.models import VGG16_Weights, WeightsEnum

from skdevise.vision._presets import imagenet_preset, to_preset
from skdevise.vision._structure import without_draws
from skdevise.vision._weights import (
    STATE_DICT_FILE,
    fetch_published,
    first_line,
    published_file,
)


@dataclass(frozen=True)
class TorchvisionNet:
    """A classifier of torchvision.

    Parameters
    ----------
    name : str
    published : WeightsEnum or None
        What it is built for; None for random weights.
    image_size : int or None
        Side of the crop; None is what the weights were trained with, or 224.
    """

    name: str
    published: WeightsEnum | None
    image_size: int | None

    @classmethod
    def find(cls, name, weights, image_size):
        """Look a net and its weights up by name.

        Raises
        ------
        ValueError
            If there is no such net, or no such weights for it.
        """
        names = torchvision.models.list_models(module=torchvision.models)
        if name not in names:
            raise ValueError(no_such_net(name, "torchvision", name, names))
        return cls(name, None if weights is None else _find_weights(name, weights), image_size)

    @property
    def title(self):
        """What errors call it."""
        return f"backbone={self.name!r}"

    @property
    def weights(self):
        """Full name of the published weights."""
        return None if self.published is None else str(self.published)

    @property
    def preset(self):
        """Preprocessing that the weights want."""
        if self.published is None:
            return imagenet_preset(self.image_size)
        preset = self.published.transforms
        if self.image_size is None:
            return to_preset(preset())
        share = preset.keywords.get("resize_size", 256) / preset.keywords["crop_size"]
        return to_preset(
            preset(crop_size=self.image_size, resize_size=round(self.image_size * share))
        )

    def categories(self, n_classes):
        """What the softmax layer answers."""
        return self.published.meta["categories"] if n_classes and self.published else None

    def build(self):
        """Make the net as its weights want it, with random ones."""
        return self._cut(
            torchvision.models.get_model(self.name, weights=None, **self._build_options())
        )

    def fetch(self, progress):
        """Download the weights' file, if it is not there.

        Returns
        -------
        str
            Name of the file, which has a part of its hash in it.

        Raises
        ------
        OSError
            If it cannot be downloaded.
        """
        return fetch_published(self.published.url, f"the weights {self.weights}", progress)

    def load(self):
        """Make the net with its published weights, whose file is there."""
        try:
            with without_draws():
                net = torchvision.models.get_model(self.name, weights=self.published)
        except Exception as error:  # whatever zip, pickle and torch say of a foreign file
            raise OSError(
                f"{published_file(self.published.url)} is not the file of {self.weights} "
                f"({first_line(error)}): remove it, and it is downloaded again."
            ) from error
        return self._cut(net)

    def _cut(self, net):
        if self.published is VGG16_Weights.IMAGENET1K_FEATURES:
            net.classifier = nn.Identity()  # these weights have no numbers there
        return net

    def _build_options(self):
        """What the net of its weights has that it would not have without."""
        is_inception = self.name == "inception_v3"
        if is_inception or self.name == "googlenet":
            if self.published is None:
                return {"init_weights": True}  # both warn unless they are told how to begin
            # Pixels are scaled within the net; GoogLeNet's weights leave its auxiliary outputs out.
            return {"transform_input": True, "aux_logits": is_inception, "init_weights": False}
        size = self.published.meta["min_size"][0] if self.published else self.image_size
        if self.name.startswith("vit_") and size is not None:
            return {"image_size": size}
        if self.name.startswith("maxvit_") and size is not None:
            return {"input_size": (size, size)}
        return {}


def no_such_net(backbone, library, name, names):
    """Say that there is no such net, and which names are near."""
    near = difflib.get_close_matches(name, names, n=3) or names[:3]
    return (
        f"backbone={backbone!r} is not the name of a classifier in {library}: did you mean "
        f"{' or '.join(repr(found) for found in near)}?"
    )


def _find_weights(name, weights):
    published = torchvision.models.get_model_weights(name)
    if isinstance(weights, published):
        return weights
    member = str(weights).removeprefix(f"{published.__name__}.")
    if member not in published.__members__:
        raise ValueError(
            f"weights={weights!r} do not exist for {name!r}: give 'DEFAULT', "
            f"{', '.join(repr(known.name) for known in published)}, {STATE_DICT_FILE}, or None."
        )
    return published[member]
