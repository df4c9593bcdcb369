"""Which false labels an example is trained against.

Each sampler takes the scores of all labels and gives positions of false ones: (n, n_false) int64.
"""

import torch


def first_violation(scores, target, margin, generator=None):
    """Draw the first false label, in a fresh random order per example, that violates the margin.

    In an order where each is as likely as any other, the first of the violating labels is any one
    of them with equal probability; so it is drawn from them, and no order is made (section 3.2 of
    the DeViSE paper).

    Parameters
    ----------
    scores : Tensor of shape (n, n_labels)
    target : Tensor of int64, of shape (n,)
        Position of the true label.
    margin : float
    generator : torch.Generator, default=None

    Returns
    -------
    Tensor of int64, of shape (n, 1)
        -1 where no false label violates the margin.

    Examples
    --------
    >>> scores = torch.tensor([[0.5, 0.45, 0.1], [0.9, 0.2, 0.1]])
    >>> first_violation(scores, torch.tensor([0, 0]), margin=0.1)
    tensor([[ 1],
            [-1]])
    """
    violates = scores > scores.gather(1, target[:, None]) - margin
    violates.scatter_(1, target[:, None], False)
    rank = violates.cumsum(dim=1, dtype=torch.int32)
    n_violating = rank[:, -1:]
    draw = torch.rand(n_violating.shape, generator=generator, device=scores.device)
    # In float32 a draw close to 1 may round up to the count itself.
    drawn = torch.minimum((draw * n_violating).int() + 1, n_violating)
    position = torch.searchsorted(rank, drawn)
    return position.masked_fill(n_violating == 0, -1)


def hardest(scores, target):
    """Take the false label with the highest score.

    Parameters
    ----------
    scores : Tensor of shape (n, n_labels)
    target : Tensor of int64, of shape (n,)

    Returns
    -------
    Tensor of int64, of shape (n, 1)

    Examples
    --------
    >>> hardest(torch.tensor([[0.9, 0.1, 0.3]]), torch.tensor([0]))
    tensor([[2]])
    """
    false = scores.scatter(1, target[:, None], -torch.inf)
    return false.argmax(dim=1, keepdim=True)


def random_labels(scores, target, n, generator=None):
    """Draw n false labels, each as likely as any other, with replacement.

    Parameters
    ----------
    scores : Tensor of shape (n_examples, n_labels)
    target : Tensor of int64, of shape (n_examples,)
    n : int
    generator : torch.Generator, default=None

    Returns
    -------
    Tensor of int64, of shape (n_examples, n)

    Examples
    --------
    >>> random_labels(torch.zeros(1, 2), torch.tensor([0]), n=3)
    tensor([[1, 1, 1]])
    """
    n_examples, n_labels = scores.shape
    drawn = torch.randint(n_labels - 1, (n_examples, n), generator=generator, device=scores.device)
    return drawn + (drawn >= target[:, None])
