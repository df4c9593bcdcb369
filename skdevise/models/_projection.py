"""The modules that project features into the label space."""

import torch
from torch import nn

from skdevise.models._features import as_tensor

# A hidden layer holds the activations of this many rows at once.
_N_ROWS_PROJECTED = 8_192


class LinearProjection(nn.Module):
    """The linear map M of the paper, without a bias: (n, n_features) to (n, vector_size)."""

    def __init__(self, n_features, vector_size, scale=0.0):
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(vector_size, n_features))

    def forward(self, features):
        return features @ self.weight.T


def make_projection(projection, n_features, vector_size, loss, state=None):
    """Create the projection, and load its state (dict of arrays) if given."""
    if projection == "linear":
        # Starting from zero suits losses that are linear in M. A cosine has no gradient there. A
        # loss of the user can be either, and does well with weights between the two.
        start = 1.0 if loss in ("cosine", "contrastive") else 0.1 if callable(loss) else 0.0
        scale = start * n_features**-0.5
        module = LinearProjection(n_features, vector_size, scale)
    elif projection == "mlp":  # The head of the Keras recipe for DeViSE.
        module = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(n_features, 1024),
            nn.ReLU(),
            nn.BatchNorm1d(1024),
            nn.Linear(1024, vector_size),
        )
    else:
        module = _call_projection(projection, n_features, vector_size)
    if state is not None:
        try:
            module.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        except RuntimeError as error:
            raise ValueError(
                f"The previous fit does not match {projection=}, {n_features} features and "
                f"{vector_size}-dimensional vectors. Set warm_start=False."
            ) from error
    return module


def _call_projection(projection, n_features, vector_size):
    """Create a projection with the user's callable, and try it: nn.Module."""
    try:
        # An nn.Module is callable too, but it computes.
        module = None if isinstance(projection, nn.Module) else projection(n_features, vector_size)
        points = None
        if isinstance(module, nn.Module):
            with torch.no_grad():
                points = module.eval()(torch.zeros(2, n_features))
    except Exception as error:  # A user's callable can raise anything.
        raise ValueError(
            f"projection={projection!r} fails for {n_features} features and {vector_size}-"
            f"dimensional vectors: {error}. Pass a callable that takes (n_features, vector_size)."
        ) from error
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"projection={projection!r} does not create an nn.Module. Pass a callable that takes "
            "(n_features, vector_size) and returns a new module."
        )
    if getattr(points, "shape", None) != (2, vector_size):
        raise ValueError(
            f"projection={projection!r} does not map (2, {n_features}) features to a tensor of "
            f"shape (2, {vector_size}). Use the sizes that it is called with."
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ValueError(
            f"projection={projection!r} has no parameters to train. Return a module with some."
        )
    return module


@torch.no_grad()
def project(module, features):
    """Project scaled features with a module: (n, vector_size) float32."""
    device = next(module.eval().parameters()).device
    blocks = as_tensor(features).split(_N_ROWS_PROJECTED)
    return torch.cat([module(block.to(device)).float().cpu() for block in blocks]).numpy()


def state_arrays(module):
    """Copy the state of a module into arrays: dict of str to ndarray."""
    return {key: value.numpy(force=True).copy() for key, value in module.state_dict().items()}
