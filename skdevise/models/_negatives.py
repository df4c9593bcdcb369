"""Which false labels an example is trained against.

Each sampler takes points (n, vector_size), the positions of their true labels (n,), the vectors of
all labels, and the least score of a false label that violates the margin (n,). It gives pairs: the
rows of points, and the position of a false label that violates the margin for each.
"""

import torch

# Trials of one round, and from how many labels on they come first: a trial of one label costs as
# much as the scores of about fifty in a matrix product (benchmarks/training.py).
_N_TRIALS = 8
_TRIAL_COST = 50
_MANY_LABELS = 4_096

# Unit vectors whose cosine is less than this below 1 are one and the same, but for rounding.
_SAME = 1e-6

# Scores that are in memory at once: 16 MB. Of a few a random key each is the quickest way.
_N_SCORES = 2**22
_FEW_SCORES = 2**13


def first_violation(points, target, vectors, least, generator, count_draws=False):
    """Draw the first false label, in a fresh random order per example, that violates the margin.

    In an order where each is as likely as any other, the first of the violating labels is any one
    of them with equal probability; so it is drawn from them, and no order is made (section 3.2 of
    the DeViSE paper). Where labels are many a few are tried before all are looked at.

    Parameters
    ----------
    points : Tensor of shape (n, vector_size)
    target : Tensor of int64, of shape (n,)
    vectors : Tensor of shape (n_labels, vector_size)
    least : Tensor of shape (n,)
    generator : torch.Generator
    count_draws : bool, default=False
        Also tell how many draws, with replacement, it took to find a label.

    Returns
    -------
    rows : Tensor of int64, of shape (n_pairs,)
        Points for which a label violates the margin.
    labels : Tensor of int64, of shape (n_pairs,)
    n_draws : Tensor of int64, of shape (n_pairs,)
        If `count_draws`; itself drawn where all labels were looked at.

    Examples
    --------
    >>> vectors, generator = torch.eye(3), torch.Generator().manual_seed(0)
    >>> points = torch.tensor([[0.5, 0.45, 0.1], [0.9, 0.2, 0.1]])
    >>> first_violation(
    ...     points, torch.tensor([0, 0]), vectors, torch.tensor([0.4, 0.8]), generator
    ... )
    (tensor([0]), tensor([1]))
    """
    if len(vectors) < _MANY_LABELS:
        return _among_all(points, target, vectors, least, generator, count_draws)
    found = []
    rows = torch.arange(len(points), device=points.device)
    n_before = 0
    while len(rows):
        drawn = _draw_false(target[rows], len(vectors), _N_TRIALS, generator)
        scores = (vectors[drawn] @ points[rows, :, None]).squeeze(2)
        violates = scores > least[rows, None]
        hit = violates.any(dim=1)
        trial = violates[hit].to(torch.uint8).argmax(dim=1)
        n_draws = [n_before + trial + 1] if count_draws else []
        found.append([rows[hit], drawn[hit, trial], *n_draws])
        n_before += _N_TRIALS
        n_tried, rows = len(rows), rows[~hit]
        # Another round pays while it saves the scores of all labels often enough.
        if (n_tried - len(rows)) * len(vectors) < n_tried * _N_TRIALS * _TRIAL_COST:
            break
    if len(rows):
        own, *drawn = _among_all(
            points[rows], target[rows], vectors, least[rows], generator, count_draws
        )
        n_draws = [n_before + drawn.pop()] if count_draws else []
        found.append([rows[own], *drawn, *n_draws])
    return tuple(map(torch.cat, zip(*found, strict=True)))


def _among_all(points, target, vectors, least, generator, count_draws):
    """Draw a violating label of each point from all of them, a block of labels at a time."""
    n_labels = len(vectors)
    if len(points) * n_labels <= _FEW_SCORES and not count_draws:
        return _by_keys(points, target, vectors, least, generator)
    width = max(1, _N_SCORES // len(points))
    is_whole = width >= n_labels
    chosen, n_violating = _among(points, target, vectors[:width], least, generator, is_whole)
    for start in range(width, n_labels, width):
        block = vectors[start : start + width]
        labels, counts = _among(points, target - start, block, least, generator, False)
        n_violating += counts
        # One of this block takes the place of an earlier one with its share of all so far.
        is_taken = _uniform(len(points), generator, points.device) * n_violating < counts
        chosen = torch.where(is_taken, labels + start, chosen)
    rows = n_violating.nonzero().squeeze(1)
    if not count_draws:
        return rows, chosen[rows]
    # Draws with replacement until the first violation: geometrically distributed.
    share = n_violating[rows] / (n_labels - 1)
    draw = _uniform(len(rows), generator, points.device)
    n_draws = (torch.log1p(-draw) / torch.log1p(-share)).long() + 1
    return rows, chosen[rows], n_draws


def _by_keys(points, target, vectors, least, generator):
    """Draw the violating label of each point that has the highest of random keys."""
    violates = points @ vectors.T > least[:, None]
    violates.scatter_(1, target[:, None], False)
    # None of the keys is 0, so that what violates stays above what does not.
    keys = torch.empty(violates.shape).uniform_(1, 2, generator=generator).to(points.device)
    best, labels = keys.mul_(violates).max(dim=1)
    rows = best.nonzero().squeeze(1)
    return rows, labels[rows]


def _among(points, target, vectors, least, generator, is_whole):
    """Draw one of the violating labels of each point, any where there is none, and count them."""
    n, n_labels = len(points), len(vectors)
    violates = points @ vectors.T > least[:, None]
    if is_whole:
        violates.scatter_(1, target[:, None], False)
    else:
        here = ((target >= 0) & (target < n_labels)).nonzero().squeeze(1)
        violates[here, target[here]] = False
    rows, labels = violates.nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=n)
    if not len(rows):
        return target, counts
    # A draw below 1 times a count stays below the count, rounded too.
    draw = (_uniform(n, generator, points.device) * counts).long()
    place = counts.cumsum(0).sub_(counts).add_(draw)
    return labels[place.clamp_max_(len(labels) - 1)], counts


def hardest(points, target, vectors, least):
    """Take the false label with the highest score, where it violates the margin.

    One that shares the true label's vector, as two "cranes" do, cannot be told from it and would
    always be the one: such labels are passed over.

    Parameters
    ----------
    points, target, vectors, least
        As in `first_violation`.

    Returns
    -------
    rows, labels : Tensor of int64, of shape (n_pairs,)

    Examples
    --------
    >>> hardest(torch.tensor([[0.9, 0.1, 0.3]]), torch.tensor([0]), torch.eye(3), torch.zeros(1))
    (tensor([0]), tensor([2]))
    """
    is_same = vectors[target] @ vectors.T > 1 - _SAME
    scores = (points @ vectors.T).masked_fill_(is_same, -torch.inf)
    best, labels = scores.max(dim=1)
    rows = (best > least).nonzero().squeeze(1)
    return rows, labels[rows]


def random_labels(points, target, vectors, least, n_labels, generator):
    """Draw false labels, each as likely as any other, and keep those that violate the margin.

    Parameters
    ----------
    points, target, vectors, least
        As in `first_violation`.
    n_labels : int
        Draws for each point, with replacement.
    generator : torch.Generator

    Returns
    -------
    rows, labels : Tensor of int64, of shape (n_pairs,)

    Examples
    --------
    >>> points, generator = torch.tensor([[0.9, 0.1]]), torch.Generator().manual_seed(0)
    >>> random_labels(points, torch.tensor([0]), torch.eye(2), torch.zeros(1), 2, generator)
    (tensor([0, 0]), tensor([1, 1]))
    """
    drawn = _draw_false(target, len(vectors), n_labels, generator)
    if n_labels * _TRIAL_COST < len(vectors):
        scores = (vectors[drawn] @ points[:, :, None]).squeeze(2)
    else:
        scores = (points @ vectors.T).gather(1, drawn)
    rows, columns = (scores > least[:, None]).nonzero(as_tuple=True)
    return rows, drawn[rows, columns]


def _draw_false(target, n_labels, n_draws, generator):
    shape = (len(target), n_draws)
    drawn = torch.randint(n_labels - 1, shape, generator=generator).to(target.device)
    return drawn + (drawn >= target[:, None])


def _uniform(n, generator, device):
    return torch.rand(n, generator=generator).to(device)
