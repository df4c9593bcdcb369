"""Nets that train a classifier's map: made by its parameters, and kept as arrays."""

import numpy as np
import torch

from skdevise._utils import draw_seed, find_device, seeded
from skdevise.models._projections import LinearProjection, make_projection
from skdevise.models._training import LOSSES, MapNet
from skdevise.models.losses.contrastive import FIRST_TEMPERATURE

# Parameters of the classifier that each loss takes, besides the seed of its draws.
_LOSS_PARAMS = {
    "hinge_rank": ("margin", "negatives"),
    "warp": ("margin",),
    "contrastive": ("loss_temperature",),
}
_DRAWING_LOSSES = ("hinge_rank", "warp")

# Rows that are in a hidden layer at once.
_N_ROWS_MAPPED = 8_192

# Parameters that a net is made with.
_NET_PARAMS = (
    "projection", "loss", "margin", "negatives", "loss_temperature", "train_label_vectors",
    "optimizer", "batch_size", "callbacks", "precision", "compile", "device", "verbose",
)  # fmt: skip


def draw_seeds(seed, place, kind):
    """Draw the seeds of a stage of `fit` or of a pass of `partial_fit`.

    Parameters
    ----------
    seed : int
        Of the call.
    place : int
        Which stage or pass it is.
    kind : {"stage", "pass"}

    Returns
    -------
    list of int
        Of what torch's global generator is used for, of the order of samples, of draws of false
        labels, and of augmentation.

    Examples
    --------
    >>> draw_seeds(0, 1, "stage") == draw_seeds(0, 1, "pass")
    False
    """
    entropy = [seed, place] if kind == "stage" else [seed, place, 1]
    return np.random.SeedSequence(entropy).generate_state(4).tolist()


def make_map(clf, n_features, state=None):
    """Make the projection of a classifier, as it starts or in a state that it was in.

    Parameters
    ----------
    clf : DeViSEClassifier
    n_features : int
    state : dict of str to ndarray, default=None

    Returns
    -------
    nn.Module
    """
    projection = clf._given["projection"]
    module = make_projection(projection, n_features, clf.label_space_.vector_size, clf.loss)
    if state is not None:
        try:
            module.load_state_dict({key: torch.tensor(own) for key, own in state.items()})
        except RuntimeError as error:
            raise ValueError(
                f"The map of the fit before does not go with {projection=}, "
                f"{n_features} features and {clf.label_space_.vector_size}-d vectors: set "
                "warm_start=False."
            ) from error
    return module


def new_net(clf, module, trained, seeds, stage=1, temperature=None):
    """Make the net that trains a classifier's map against some of its classes.

    Parameters
    ----------
    clf : DeViSEClassifier
    module : nn.Module
    trained : ndarray of int
        Positions of the classes.
    seeds : sequence of int
        Those of `draw_seeds`.
    stage : {1, 2}, default=1
    temperature : float, default=None
        Of the contrastive loss, where it was learned before.

    Returns
    -------
    MapNet
    """
    options = {name: getattr(clf, name) for name in _LOSS_PARAMS.get(clf.loss, ())}
    if clf.loss in _DRAWING_LOSSES:
        options["seed"] = seeds[2]
    if clf.loss == "contrastive":
        options["temperature"] = options.pop("loss_temperature")
        options["start"] = temperature or FIRST_TEMPERATURE
    n_trained = len(trained) if clf.train_label_vectors else 0
    if clf.compile and not isinstance(module, LinearProjection):
        module.compile()
    net = MapNet.build(
        module,
        LOSSES[clf.loss](label_vectors(clf, trained), n_trained, **options),
        optimizer=clf.optimizer if stage == 1 else clf.finetune_optimizer,
        lr=clf.lr if stage == 1 else clf.finetune_lr,
        batch_size=clf.batch_size,
        callbacks=clf.callbacks,
        precision=clf.precision,
        device=clf.device,
        order_seed=seeds[1],
        verbose=clf.verbose,
    )
    net.settings = settings(clf, trained)
    return net


def restored_net(clf):
    """Make the net of a fitted classifier again, around its map."""
    seeds = draw_seeds(draw_seed(clf.random_state), clf._n_passes, "pass")
    state, temperature = clf._map_state()
    with seeded(seeds[0], find_device(clf.device)):
        module = make_map(clf, clf._n_map_features, state)
    return new_net(clf, module, np.arange(len(clf.classes_)), seeds, temperature=temperature)


def restored_map(clf):
    """Make the module of a fitted classifier again, to answer with."""
    try:
        device = find_device(clf.device)
    except ValueError:  # It was trained elsewhere.
        device = torch.device("cpu")
    with seeded(0, device):
        return make_map(clf, clf._n_map_features, clf._map_state()[0]).to(device).eval()


@torch.no_grad()
def map_features(module, features):
    """Send scaled features through a module: (n, vector_size) float32."""
    device = next(module.parameters()).device
    blocks = torch.from_numpy(np.require(features, np.float32, ["C", "W"])).split(_N_ROWS_MAPPED)
    points = [module(block.to(device)).float().cpu() for block in blocks]
    return torch.cat(points).numpy()


def state_arrays(module):
    """Give the state of a module as arrays of their own: dict of str to ndarray."""
    return {key: own.numpy(force=True).copy() for key, own in module.state_dict().items()}


def label_vectors(clf, trained):
    """Vectors of the classes that are trained on, and of false labels beyond them."""
    return np.vstack([clf.label_space_.targets[trained], clf._negative_vectors])


def settings(clf, trained):
    """What a net goes on with as long as it stays the same."""
    # Trained vectors are those of certain classes.
    classes = len(trained) if clf.train_label_vectors else None
    return [getattr(clf, name) for name in _NET_PARAMS] + [classes]
