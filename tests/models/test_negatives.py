import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from skdevise.models.negatives import first_violation, hardest, random_labels


def sequential_first_violation(scores, target, margin, rng):
    """The paper's words: go through the false labels in random order, stop at the first one."""
    for j in rng.permutation(len(scores)):
        if j != target and margin - scores[target] + scores[j] > 0:
            return j
    return -1


def test_first_violation_is_distributed_as_the_sequential_definition():
    scores = torch.tensor([[0.5, 0.45, 0.1, 0.9, 0.41, 0.39]])
    target = torch.tensor([0])
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    drawn = first_violation(scores.repeat(6000, 1), target.repeat(6000), 0.1, generator)[:, 0]
    ours = np.bincount(drawn, minlength=6)
    theirs = np.bincount(
        [sequential_first_violation(scores[0].numpy(), 0, 0.1, rng) for _ in range(6000)],
        minlength=6,
    )
    # 0.45, 0.9 and 0.41 violate 0.5 - 0.1; 0.39 does not.
    assert set(np.flatnonzero(ours)) == set(np.flatnonzero(theirs)) == {1, 3, 4}
    assert chisquare(ours[[1, 3, 4]]).pvalue > 0.001
    assert chisquare(theirs[[1, 3, 4]]).pvalue > 0.001


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 20))
def test_first_violation_violates_or_nothing_does(seed, n_labels, n):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(n, n_labels, generator=generator)
    target = torch.randint(n_labels, (n,), generator=generator)
    drawn = first_violation(scores, target, 0.1, generator)[:, 0]
    for row, y, j in zip(scores, target, drawn, strict=True):
        violating = [i for i in range(n_labels) if i != y and row[i] > row[y] - 0.1]
        assert j in violating if violating else j == -1


def test_hardest_is_the_nearest_false_label():
    scores = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.1, 0.8]])
    assert hardest(scores, torch.tensor([0, 0])).tolist() == [[2], [2]]


def test_random_labels_are_false_and_equally_likely():
    generator = torch.Generator().manual_seed(0)
    drawn = random_labels(torch.zeros(1000, 5), torch.full((1000,), 2), 6, generator)
    counts = np.bincount(drawn.flatten(), minlength=5)
    assert drawn.shape == (1000, 6)
    assert counts[2] == 0
    assert chisquare(np.delete(counts, 2)).pvalue > 0.001
