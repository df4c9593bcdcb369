"""A net by name, with its weights, its preprocessing and its softmax layer."""

import copy
import hashlib
from contextlib import nullcontext
from functools import cached_property
from itertools import chain

import numpy as np
import torch
from PIL import Image
from torch import nn

from skdevise._utils import seeded
from skdevise.vision._presets import make_preprocess, preset_digest, to_preset
from skdevise.vision._sources import GivenNet, find_source
from skdevise.vision._structure import examine, structure_of, without_draws
from skdevise.vision._weights import is_path, load_file, load_state
from skdevise.vision.engines.digest import net_digest


class Backbone:
    """A net, and what belongs to it.

    What it is made of is known from the start. A net with published weights is made when it is
    first asked for.

    Attributes
    ----------
    net : Module
        From preprocessed photos (n, C, H, W) to the softmax layer's scores, or to features if
        the net has no softmax layer. In evaluation mode.
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image.
    softmax_name : str or None
        Where the softmax layer is in `net`; None if there is none.
    n_features : int
        Number of activations under the softmax layer.
    n_classes : int
        Number of outputs of the softmax layer; 0 if there is none.
    is_linear : bool
        Whether the scores are features @ softmax_weight.T + softmax_bias.
    categories : sequence of str or None
        What the softmax layer answers, where this is known.
    recipe : dict
        Parameters of `load_fitted`, in plain values but for a callable. The weights have their
        full name, and None if they are not published.
    weights_digest : str or None
        What published weights are told by; None for others. Whoever trains the net sets it to None.
    """

    def __init__(self, source, structure, recipe, net=None, weights_digest=None):
        self._source = source
        self.softmax_name, self.n_features, self.n_classes, self.is_linear = structure
        self.recipe = recipe
        self.preprocess = make_preprocess(recipe["preprocess"])
        self.categories = None if net is not None else source.categories(self.n_classes)
        self.weights_digest = weights_digest
        if net is not None:
            self.net = net.eval()

    @cached_property
    def net(self):
        """The net with its published weights."""
        with torch.inference_mode(False):  # else it could not be trained further
            return self._source.load().eval()

    @property
    def softmax_weight(self):
        """The softmax layer's weight, an array (n_classes, n_features), if `is_linear`."""
        weight = self.net.get_submodule(self.softmax_name).weight
        return weight.float().numpy(force=True).reshape(self.n_classes, self.n_features)

    @property
    def softmax_bias(self):
        """The softmax layer's bias, an array (n_classes,), if `is_linear`."""
        bias = self.net.get_submodule(self.softmax_name).bias
        if bias is None:
            return np.zeros(self.n_classes, dtype=np.float32)
        return bias.float().numpy(force=True)

    def digest(self):
        """Hash all that makes features of a photo: preprocessing, the net and its weights.

        Published weights are not read for it.

        Returns
        -------
        str
            In hexadecimal; the same in each process.

        Raises
        ------
        ValueError
            If a callable `preprocess` holds what cannot be pickled.
        """
        net = net_digest(self.net) if self.weights_digest is None else self.weights_digest
        both = f"{net} {preset_digest(self.recipe['preprocess'])}"
        return hashlib.sha256(both.encode()).hexdigest()

    def state_arrays(self):
        """Return the state dict as arrays, which later training leaves as they are."""
        return {
            key: tensor.numpy(force=True).copy() for key, tensor in self.net.state_dict().items()
        }

    def without_softmax(self):
        """Return the net up to its softmax layer; the weights are shared, not copied."""
        shared = {id(tensor): tensor for tensor in chain(self.net.parameters(), self.net.buffers())}
        cut = copy.deepcopy(self.net, shared)
        if hasattr(cut, "aux_logits"):
            # GoogLeNet and Inception 3 would give three outputs while they train.
            cut.aux_logits = False
        return cut if self.softmax_name is None else _replace(cut, self.softmax_name, nn.Identity())

    def resize_softmax(self, n_classes):
        """Put a new softmax layer in the old one's place if it has not `n_classes` outputs."""
        if self.n_classes == n_classes:
            return
        if self.softmax_name is None:
            self.net = nn.Sequential(self.net, nn.Linear(self.n_features, n_classes))
            self.softmax_name, self.is_linear = "1", True
        elif isinstance(self.net.get_submodule(self.softmax_name), nn.Conv2d):
            _replace(self.net, self.softmax_name, nn.Conv2d(self.n_features, n_classes, 1))
        else:
            _replace(self.net, self.softmax_name, nn.Linear(self.n_features, n_classes))
            self.is_linear = True
        self.n_classes = n_classes
        self.categories = self.weights_digest = None


@torch.inference_mode(False)
def load_backbone(
    backbone, weights, preprocess="auto", image_size=None, verbose=0, reads_weights=True
):
    """Find a net, with the weights and the preprocessing that go with it.

    Published weights are downloaded, and put into the net only when that is asked for. Everything
    else that can be wrong is found here.

    Parameters
    ----------
    backbone, image_size, verbose
        Parameters of `VisualFeaturizer`.
    weights : str, Path, WeightsEnum or None
        See `VisualFeaturizer`; also a member of torchvision's weights. With None the weights are
        random, drawn from torch's global generator.
    preprocess : "auto", callable or dict
        See `VisualFeaturizer`; also as in the recipe of a `Backbone`.
    reads_weights : bool, default=True
        Without, the net is as published `weights` want it, and has zeros for weights.

    Returns
    -------
    Backbone

    Raises
    ------
    ImportError
        If a package that the net needs is not installed.
    OSError
        If weights cannot be downloaded, or their file does not exist.
    TypeError
        If a callable `backbone` does not make a module, or `preprocess` not a tensor.
    ValueError
        If there is no such net, or there are no such weights for it, or the net does not make a
        vector of each photo.
    """
    path = weights if is_path(weights) else None
    source = find_source(backbone, None if path else weights, image_size)
    preset = source.preset if preprocess == "auto" else to_preset(preprocess)
    recipe = {
        "backbone": backbone,
        "weights": source.weights,
        "preprocess": preset,
        "image_size": image_size,
    }
    photo = _made_up_photo(make_preprocess(preset))
    if isinstance(source, GivenNet):
        net = source.build()
        found = Backbone(source, examine(net, photo[None], source.title), recipe, net)
    else:
        structure = structure_of(source, tuple(photo.shape))
        if source.weights is not None and reads_weights:
            file = source.fetch(progress=verbose > 0)
            digest = f"{backbone} {source.weights} {file}"
            return Backbone(source, structure, recipe, weights_digest=digest)
        is_filled = path is not None or source.weights is not None
        with without_draws() if is_filled else nullcontext():
            net = source.build()
        found = Backbone(source, structure, recipe, net)
    if path:
        load_file(found, path, source.title)
    return found


def load_fitted(recipe, arrays, n_classes):
    """Make a net again.

    Parameters
    ----------
    recipe : dict
        That of a `Backbone`.
    arrays : dict of str to ndarray, or None
        State dict of the net; None for the published weights that the recipe names.
    n_classes : int
        Number of outputs of the softmax layer.

    Returns
    -------
    Backbone
    """
    with seeded(0, torch.device("cpu")):
        backbone = load_backbone(**recipe, reads_weights=arrays is None)
        backbone.resize_softmax(n_classes)
    if arrays is not None:
        load_state(backbone.net, {key: torch.tensor(array) for key, array in arrays.items()})
    return backbone


def _made_up_photo(preprocess):
    """Preprocess one photo, to see of which shape they come out."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    photo = preprocess(Image.fromarray(pixels))
    if not isinstance(photo, torch.Tensor) or photo.ndim != 3:
        raise TypeError(
            f"preprocess gives a {type(photo).__name__}: it takes a PIL image and returns a tensor "
            "of shape (channels, height, width)."
        )
    return photo


def _replace(net, name, layer):
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, layer)
    return net
