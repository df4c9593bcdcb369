"""Samplers of the false labels that a ranking loss trains against.

Each sampler takes:

- `points`, projected features (n, vector_size).
- `target`, positions of their true labels (n,).
- `vectors`, unit vectors of all labels (n_labels, vector_size).
- `least`, the score of each point above which a false label violates the margin (n,).

It returns the positions of false labels, (n,) or (n, n_draws), and whether they violate the margin.
The position means nothing for a point without a violating label. Random numbers are drawn on the
device of the generator.
"""

import torch

# A trial of one label costs as much as its share of a matrix product with about fifty labels
# (benchmarks/training.py). With few labels, the matrix is always faster.
_N_TRIALS = 8
_TRIAL_COST = 50
_MANY_LABELS = 4_096

# Number of scores computed at once. Larger blocks do not fit into the processor's cache. On a GPU,
# fewer blocks are faster.
_N_SCORES = 2**21
_N_SCORES_ON_GPU = 2**26

# Two unit vectors are the same, up to rounding, if their cosine is closer to 1 than this.
_SAME = 1e-6


def first_violation(points, target, vectors, least, generator, count_draws=False):
    """Draw the violating label that comes first in a random order: labels, violates (, n_draws).

    In a random order, each violating label comes first with the same probability. So one of them is
    drawn uniformly, and no order is made (DeViSE, section 3.2). `n_draws` is the number of draws
    with replacement that found it.
    """
    if points.device.type != "cpu":
        labels, counts = first_by_key(points, target, vectors, least, generator, count_draws)
        if not count_draws:
            return labels, counts
    elif len(vectors) < _MANY_LABELS:
        labels, counts = _from_matrix(points, target, vectors, least, generator)
    else:
        labels, n_draws = _from_trials(points, target, vectors, least, generator)
        return (labels, n_draws > 0, n_draws) if count_draws else (labels, n_draws > 0)
    if not count_draws:
        return labels, counts > 0
    return labels, counts > 0, _count_draws(counts, len(vectors), generator)


def first_by_key(points, target, vectors, least, generator, count=True):
    """Give each false label a random key, and take the violating one with the largest key.

    It returns labels, and the numbers of violating labels or, without `count`, whether there are
    any. All results have a fixed size, so that the processor does not wait for a GPU.
    """
    n_rows = max(1, _N_SCORES_ON_GPU // len(vectors))
    if len(points) > n_rows:
        parts = _parts(n_rows, points, target, least)
        found = [first_by_key(*p, vectors, lowest, generator, count) for *p, lowest in parts]
        return tuple(map(torch.cat, zip(*found, strict=True)))
    fails = points @ vectors.T <= least[:, None]
    fails.scatter_(1, target[:, None], True)
    keys = torch.rand(fails.shape, generator=generator, device=generator.device)
    largest, labels = keys.to(points.device).masked_fill_(fails, -1).max(dim=1)
    return labels, len(vectors) - fails.sum(dim=1) if count else largest >= 0


def _parts(n_rows, *tensors):
    """Split tensors of the same length into parts of at most n_rows."""
    return zip(*(tensor.split(n_rows) for tensor in tensors), strict=True)


def _from_matrix(points, target, vectors, least, generator):
    """Draw a violating label of each point from all scores: labels, numbers of violating labels."""
    labels, counts = [], []
    n_rows = max(1, _N_SCORES // len(vectors))
    for part, true, lowest in _parts(n_rows, points, target, least):
        violates = part @ vectors.T > lowest[:, None]
        violates.scatter_(1, true[:, None], False)
        running = violates.cumsum(dim=1, dtype=torch.int32)
        counts.append(running[:, -1])
        # Violating label i of a point, from 0, is the first whose running count exceeds i.
        i = (uniform(len(part), generator, points.device) * counts[-1]).int()
        found = torch.searchsorted(running, i[:, None], right=True).squeeze(1)
        labels.append(found.clamp_max_(len(vectors) - 1))
    return torch.cat(labels), torch.cat(counts)


def _from_trials(points, target, vectors, least, generator):
    """Try a few labels of each point before all of them: labels, n_draws (0 if none violates)."""
    labels, n_draws, n_before = torch.zeros_like(target), torch.zeros_like(target), 0
    rows = torch.arange(len(points), device=points.device)
    while len(rows):
        drawn = _draw_false(target[rows], len(vectors), _N_TRIALS, generator)
        violates = _scores(points[rows], vectors, drawn) > least[rows, None]
        hit = violates.any(dim=1)
        trial = violates[hit].to(torch.uint8).argmax(dim=1)
        labels[rows[hit]], n_draws[rows[hit]] = drawn[hit, trial], n_before + trial + 1
        n_tried, n_before, rows = len(rows), n_before + _N_TRIALS, rows[~hit]
        # Another round pays if each hit spared the scores of all labels often enough.
        if len(trial) * len(vectors) < n_tried * _N_TRIALS * _TRIAL_COST:
            break
    if len(rows):
        left = points[rows], target[rows], vectors, least[rows]
        labels[rows], counts = _from_matrix(*left, generator)
        found = counts > 0
        n_draws[rows[found]] = n_before + _count_draws(counts[found], len(vectors), generator)
    return labels, n_draws


def _count_draws(n_violating, n_labels, generator):
    """Draw the number of draws that find a violating label, from its geometric law: (n,)."""
    # A share of zero would give infinity, which no integer can hold.
    share = (n_violating / (n_labels - 1)).clamp_min(1e-9)
    draw = uniform(len(share), generator, share.device)
    return (torch.log1p(-draw) / torch.log1p(-share)).long() + 1


def hardest(points, target, vectors, least):
    """Return the false label with the highest score, and whether it violates the margin.

    Labels that share the true label's vector, such as two synsets of "crane", are skipped. No map
    can separate them, so one of them would always be the hardest.
    """
    is_same = vectors[target] @ vectors.T > 1 - _SAME
    best, labels = (points @ vectors.T).masked_fill_(is_same, -torch.inf).max(dim=1)
    return labels, best > least


def random_labels(points, target, vectors, least, n_labels, generator):
    """Draw `n_labels` false labels of each point: labels (n, n_labels), and which violate."""
    drawn = _draw_false(target, len(vectors), n_labels, generator)
    if n_labels * _TRIAL_COST < len(vectors):
        scores = _scores(points, vectors, drawn)
    else:
        scores = (points @ vectors.T).gather(1, drawn)
    return drawn, scores > least[:, None]


def _scores(points, vectors, labels):
    """Score some labels of each point: (n, n_draws) from (n, n_draws) positions."""
    return (vectors[labels] @ points[:, :, None]).squeeze(2)


def _draw_false(target, n_labels, n_draws, generator):
    """Draw positions of false labels with replacement: (n, n_draws)."""
    shape = (len(target), n_draws)
    drawn = torch.randint(n_labels - 1, shape, generator=generator, device=generator.device)
    drawn = drawn.to(target.device)
    return drawn + (drawn >= target[:, None])


def uniform(n, generator, device):
    """Draw n numbers in [0, 1) with the generator, and move them to the device."""
    return torch.rand(n, generator=generator, device=generator.device).to(device)
