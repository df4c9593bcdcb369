"""What a map into the label space is trained to make small.

Each loss gives one value an example from the mapped features `projected` (n, vector_size), which
are not normalised, and from the unit label vectors.
"""

from torch.nn import functional as F


def hinge_rank(true_scores, false_scores, margin):
    """Hinge rank loss, DeViSE eq. 1, over the false labels that it is given.

    Parameters
    ----------
    true_scores : Tensor of shape (n,)
        Score of the true label of each example.
    false_scores : Tensor of shape (n, n_false)
        Scores of false labels.
    margin : float

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> hinge_rank(torch.tensor([0.5]), torch.tensor([[0.25, 0.45, 0.75]]), margin=0.1)
    tensor([0.4000])
    """
    return (margin - true_scores[:, None] + false_scores).clamp_min(0).sum(dim=1)


def squared_error(projected, true_vectors):
    """Squared distance to the true label's vector: the L2 loss of Socher et al. 2013.

    Parameters
    ----------
    projected, true_vectors : Tensor of shape (n, vector_size)

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([2.])
    """
    return (projected - true_vectors).square().sum(dim=1)


def cosine_distance(projected, true_vectors):
    """One less the cosine with the true label's vector.

    Parameters
    ----------
    projected, true_vectors : Tensor of shape (n, vector_size)

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> cosine_distance(torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([1.])
    """
    return 1 - F.cosine_similarity(projected, true_vectors)
