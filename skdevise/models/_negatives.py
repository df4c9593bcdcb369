"""Samplers of the false labels that a ranking loss trains against.

Each sampler takes:

- `points`, projected features (n, vector_size).
- `target`, positions of their true labels (n,).
- `vectors`, unit vectors of all labels (n_labels, vector_size).
- `least`, the score of each point above which a false label violates the margin (n,).

It returns violating pairs: rows of points, and positions of false labels. Random numbers are drawn
on the device of the generator.
"""

import torch

# A trial of one label costs as much as its share of a matrix product with about fifty labels
# (benchmarks/training.py). With few labels, the matrix is always faster.
_N_TRIALS = 8
_TRIAL_COST = 50
_MANY_LABELS = 4_096

# Number of scores computed at once. Larger blocks do not fit into the processor's cache.
_N_SCORES = 2**21

# Two unit vectors are the same, up to rounding, if their cosine is closer to 1 than this.
_SAME = 1e-6


def first_violation(points, target, vectors, least, generator, count_draws=False):
    """Draw the violating label that comes first in a random order: rows, labels (and n_draws).

    In a random order, each violating label comes first with the same probability. So one of them is
    drawn uniformly, and no order is made (DeViSE, section 3.2). `n_draws` is the number of draws
    with replacement that found it.
    """
    if len(vectors) >= _MANY_LABELS:
        rows, labels, n_draws = _from_trials(points, target, vectors, least, generator)
    else:
        rows, labels, n_violating = _from_matrix(points, target, vectors, least, generator)
        if count_draws:
            n_draws = _count_draws(n_violating, len(vectors), generator)
    return (rows, labels, n_draws) if count_draws else (rows, labels)


def _from_matrix(points, target, vectors, least, generator):
    """Draw a violating label of each point from all scores: rows, labels, n_violating."""
    labels, counts = [], []
    n_rows = max(1, _N_SCORES // len(vectors))
    # After trials of many labels, the points that are left have few violating labels.
    pick = _pick_from_dense if len(vectors) < _MANY_LABELS else _pick_from_sparse
    for start in range(0, len(points), n_rows):
        block = slice(start, start + n_rows)
        violates = points[block] @ vectors.T > least[block, None]
        violates.scatter_(1, target[block, None], False)
        picked, n_violating = pick(violates, uniform(len(violates), generator, points.device))
        labels.append(picked)
        counts.append(n_violating)
    labels, counts = torch.cat(labels), torch.cat(counts)
    rows = counts.nonzero().squeeze(1)
    return rows, labels[rows], counts[rows]


def _pick_from_dense(violates, draw):
    """Pick the true column of each row at a share `draw` (n,) of them: columns, counts."""
    running = violates.cumsum(dim=1, dtype=torch.int32)
    # Position i among the true columns, from 0, is the first whose running count exceeds i.
    i = (draw * running[:, -1]).int()
    return torch.searchsorted(running, i[:, None], right=True).squeeze(1), running[:, -1]


def _pick_from_sparse(violates, draw):
    """Pick as `_pick_from_dense` does. It is faster if few columns are true."""
    rows, columns = violates.nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(violates))
    place = counts.cumsum(0) - counts + (draw * counts).long()
    columns = torch.cat([columns, columns.new_zeros(1)])  # for rows without a true column
    return columns[place.clamp_max_(len(columns) - 1)], counts


def _from_trials(points, target, vectors, least, generator):
    """Try a few labels of each point before all of them: rows, labels, n_draws."""
    found, n_before = [], 0
    rows = torch.arange(len(points), device=points.device)
    while len(rows):
        drawn = _draw_false(target[rows], len(vectors), _N_TRIALS, generator)
        violates = _scores(points[rows], vectors, drawn) > least[rows, None]
        hit = violates.any(dim=1)
        trial = violates[hit].to(torch.uint8).argmax(dim=1)
        found.append((rows[hit], drawn[hit, trial], n_before + trial + 1))
        n_tried, n_before, rows = len(rows), n_before + _N_TRIALS, rows[~hit]
        # Another round pays if each hit spared the scores of all labels often enough.
        if len(trial) * len(vectors) < n_tried * _N_TRIALS * _TRIAL_COST:
            break
    if len(rows):
        left, labels, n_violating = _from_matrix(
            points[rows], target[rows], vectors, least[rows], generator
        )
        n_draws = n_before + _count_draws(n_violating, len(vectors), generator)
        found.append((rows[left], labels, n_draws))
    return tuple(map(torch.cat, zip(*found, strict=True)))


def _count_draws(n_violating, n_labels, generator):
    """Draw the number of draws that find a violating label, from its geometric law: (n,)."""
    share = n_violating / (n_labels - 1)
    draw = uniform(len(share), generator, share.device)
    return (torch.log1p(-draw) / torch.log1p(-share)).long() + 1


def hardest(points, target, vectors, least):
    """Return the false label with the highest score if it violates the margin: rows, labels.

    Labels that share the true label's vector, such as two synsets of "crane", are skipped. No map
    can separate them, so one of them would always be the hardest.
    """
    is_same = vectors[target] @ vectors.T > 1 - _SAME
    scores = (points @ vectors.T).masked_fill_(is_same, -torch.inf)
    best, labels = scores.max(dim=1)
    rows = (best > least).nonzero().squeeze(1)
    return rows, labels[rows]


def random_labels(points, target, vectors, least, n_labels, generator):
    """Draw `n_labels` false labels of each point; return the violating ones: rows, labels."""
    drawn = _draw_false(target, len(vectors), n_labels, generator)
    if n_labels * _TRIAL_COST < len(vectors):
        scores = _scores(points, vectors, drawn)
    else:
        scores = (points @ vectors.T).gather(1, drawn)
    rows, columns = (scores > least[:, None]).nonzero(as_tuple=True)
    return rows, drawn[rows, columns]


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
