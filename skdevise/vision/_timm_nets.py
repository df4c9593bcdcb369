"""Classifiers of timm, with the weights that are published for them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from skdevise._utils import import_optional, seeded
from skdevise.vision._torchvision_nets import no_such_net
from skdevise.vision._weights import (
    IMAGENET_CATEGORIES,
    OFFLINE,
    STATE_DICT_FILE,
    fetch_published,
    first_line,
)


@dataclass(frozen=True)
class TimmNet:
    """A classifier of timm.

    Parameters
    ----------
    name : str
        As timm knows it, such as "resnet18" or "resnet18.a1_in1k".
    weights : str or None
        "DEFAULT" for the published ones, which the name tells.
    image_size : int or None
        Side of the crop; None is what the weights were trained with.
    """

    name: str
    weights: str | None
    image_size: int | None

    @classmethod
    def find(cls, name, weights, image_size):
        """Look a net and its weights up by name.

        Raises
        ------
        ImportError
            If timm is not installed.
        ValueError
            If there is no such net, or no such weights for it.
        """
        timm = _timm(name)
        if not timm.is_model(name):
            raise ValueError(no_such_net(f"timm:{name}", "timm", name, timm.list_models()))
        if weights not in ("DEFAULT", None):
            raise ValueError(
                f"weights={weights!r} does not go with a timm net: name them in the backbone, as "
                f"in 'timm:{name.partition('.')[0]}.TAG', or give 'DEFAULT', {STATE_DICT_FILE}, "
                "or None."
            )
        if weights is not None and not timm.models.is_model_pretrained(name):
            raise ValueError(
                f"timm has no weights for {name!r}: give {STATE_DICT_FILE} as weights, or None to "
                "pre-train the net."
            )
        return cls(name, weights, image_size)

    @property
    def title(self):
        """What errors call it."""
        return f"backbone='timm:{self.name}'"

    @property
    def preset(self):
        """Preprocessing that the weights want."""
        timm = _timm(self.name)
        config = timm.data.resolve_data_config(
            pretrained_cfg=timm.get_pretrained_cfg(self.name).to_dict()
        )
        if self.image_size is not None:
            config["input_size"] = (config["input_size"][0], self.image_size, self.image_size)
        return {"timm": config}

    def categories(self, n_classes):
        """What the softmax layer answers: ImageNet-1k's names, or synsets of larger sets."""
        data = _timm(self.name).data
        subset = data.infer_imagenet_subset({"num_classes": n_classes})
        if self.weights is None or subset is None:
            return None
        if subset == "imagenet-1k":
            return IMAGENET_CATEGORIES
        return data.ImageNetInfo(subset).label_names()

    def build(self):
        """Make the net with random weights."""
        return _timm(self.name).create_model(self.name)

    def fetch(self, progress):
        """Download the weights' file, if it is not there.

        Returns
        -------
        str
            Name of the file, with its hash or revision.

        Raises
        ------
        OSError
            If it cannot be downloaded.
        """
        config = _timm(self.name).get_pretrained_cfg(self.name)
        if config.hf_hub_id:
            return _fetch_from_hub(self.name, config.hf_hub_id, config.hf_hub_filename)
        return fetch_published(config.url, f"the weights of 'timm:{self.name}'", progress)

    def load(self):
        """Make the net with its published weights."""
        # Some files leave a layer out, which stays random.
        with seeded(0, torch.device("cpu")):
            return _timm(self.name).create_model(self.name, pretrained=True)


def _timm(name):
    return import_optional("timm", extra="timm", purpose=f"backbone='timm:{name}'")


@cache
def _fetch_from_hub(name, hub_id, filename):
    """Download the file that timm will read: safe tensors, where there are any."""
    hub = import_optional("huggingface_hub", extra="timm", purpose=f"backbone='timm:{name}'")
    repository, _, revision = hub_id.partition("@")
    for candidate in [filename] if filename else ["model.safetensors", "pytorch_model.bin"]:
        try:
            file = hub.hf_hub_download(repository, candidate, revision=revision or None)
        except OSError as error:
            missing = error
            if isinstance(error, hub.utils.LocalEntryNotFoundError):
                break  # nothing can be reached
        else:
            # The hub keeps a link to a file that bears its hash; where links are not to be had,
            # the file is in a folder that bears the revision's.
            return "/".join(Path(file).resolve().parts[-2:])
    raise OSError(
        f"the weights of 'timm:{name}' could not be downloaded ({first_line(missing)}): get the "
        f"file from https://huggingface.co/{repository} by hand and give its path as weights, or "
        f"{OFFLINE}."
    ) from missing
