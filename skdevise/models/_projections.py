"""Maps from features into the label space, as modules."""

import torch
from torch import nn

# The head of the Keras recipe for DeViSE.
_DROPOUT = 0.3
_N_HIDDEN = 1024


class LinearProjection(nn.Module):
    """The paper's map M: linear, without a bias.

    Parameters
    ----------
    n_features, vector_size : int
    scale : float, default=0.0
        Standard deviation of the normal numbers that it starts from. Losses linear in the map can
        start from zero; a cosine has no gradient there.

    Examples
    --------
    >>> LinearProjection(3, 2)(torch.ones(1, 3)).tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, n_features, vector_size, scale=0.0):
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(vector_size, n_features))

    def forward(self, features):
        """Map features (n, n_features) to the space: (n, vector_size)."""
        return features @ self.weight.T


def mlp_projection(n_features, vector_size):
    """Make the head of the Keras recipe: dropout, 1,024 rectified units, batch norm, linear.

    Parameters
    ----------
    n_features, vector_size : int

    Returns
    -------
    nn.Module

    Examples
    --------
    >>> [type(layer).__name__ for layer in mlp_projection(3, 2)]
    ['Dropout', 'Linear', 'ReLU', 'BatchNorm1d', 'Linear']
    """
    return nn.Sequential(
        nn.Dropout(_DROPOUT),
        nn.Linear(n_features, _N_HIDDEN),
        nn.ReLU(),
        nn.BatchNorm1d(_N_HIDDEN),
        nn.Linear(_N_HIDDEN, vector_size),
    )


def make_projection(projection, n_features, vector_size, loss):
    """Make the module of a projection; what is random comes from torch's global generator.

    Parameters
    ----------
    projection : {"linear", "mlp"} or callable
        A callable makes a module of (n_features, vector_size).
    n_features, vector_size : int
    loss : str
        What it will be trained with.

    Returns
    -------
    nn.Module

    Raises
    ------
    TypeError
        If a callable does not make a module.
    ValueError
        If its module has nothing to train, or does not map features to vectors of the right size.

    Examples
    --------
    >>> make_projection(nn.Linear, 3, 2, "mse")
    Linear(in_features=3, out_features=2, bias=True)
    """
    if projection == "linear":
        scale = n_features**-0.5 if loss in ("cosine", "contrastive") else 0.0
        return LinearProjection(n_features, vector_size, scale)
    if projection == "mlp":
        return mlp_projection(n_features, vector_size)
    if isinstance(projection, nn.Module):
        raise TypeError(
            f"projection is a {type(projection).__name__}: give a callable that makes a module of "
            "(n_features, vector_size), so that each fit starts afresh."
        )
    try:
        module = projection(n_features, vector_size)
    except TypeError as error:
        raise TypeError(
            f"projection={projection!r} cannot be called with (n_features, vector_size): {error}."
        ) from error
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"projection makes a {type(module).__name__}: a callable takes (n_features, "
            "vector_size) and returns an nn.Module."
        )
    try:
        with torch.no_grad():
            points = module.eval()(torch.zeros(2, n_features))
    except Exception as error:  # a user's module raises whatever it likes
        raise ValueError(
            f"projection makes a module that fails on 2 samples of {n_features} float32 features: "
            f"{error}."
        ) from error
    found = tuple(points.shape) if isinstance(points, torch.Tensor) else type(points).__name__
    if found != (2, vector_size):
        raise ValueError(
            f"projection maps 2 samples of {n_features} features to {found}, not to a tensor of "
            f"shape (2, {vector_size})."
        )
    if not any(own.requires_grad for own in module.parameters()):
        raise ValueError("projection makes a module without a parameter that could be trained.")
    return module
