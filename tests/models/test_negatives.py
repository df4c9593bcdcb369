import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from skdevise.models._negatives import (
    _count_draws,
    first_by_key,
    first_violation,
    hardest,
    random_labels,
)

MARGIN = 0.1
N_POINTS = 6_000

# Scores of the labels; label 0 is the true one, so 0.45, 0.9 and 0.41 violate the margin.
SCORES = [0.5, 0.45, 0.1, 0.9, 0.41, 0.39]


def least_scores(scores, target):
    return scores.gather(1, target[:, None]).squeeze(1) - MARGIN


def by_scores(sampler, scores, target, *options):
    """Call a sampler with scores. They are the points if the label vectors are unit axes."""
    vectors = torch.eye(len(scores[0]), device=scores.device)
    return sampler(scores, target, vectors, least_scores(scores, target), *options)


def count_by_key(*arguments, count_draws=False):
    """Draw as a GPU does, on any device."""
    labels, counts = first_by_key(*arguments)
    if not count_draws:
        return labels, counts > 0
    vectors, generator = arguments[2], arguments[4]
    return labels, counts > 0, _count_draws(counts, len(vectors), generator)


def draw(sampler, n_labels, violating, device, **flags):
    """Draw for 6,000 equal points with true label 0, whose labels `violating` alone violate."""
    # One dimension is enough: vectors of 1 violate, and vectors of -1 do not.
    vectors = -torch.ones(n_labels, 1, device=device)
    vectors[violating] = 1
    points = torch.ones(N_POINTS, 1, device=device)
    target = torch.zeros(N_POINTS, dtype=torch.int64, device=device)
    generator = torch.Generator(device).manual_seed(0)
    least = torch.zeros(N_POINTS, device=device)
    return sampler(points, target, vectors, least, generator, **flags)


# Few labels are drawn from a matrix of scores. Of many labels, some are tried first: if half of
# them violate, trials find one for every point; if 1 % do, trials find one for some points. On a
# GPU, each label gets a random key.
WAYS = {
    "matrix": (first_violation, 6, [1, 3, 4]),
    "trials": (first_violation, 5_000, list(range(1, 5_000, 2))),
    "both": (first_violation, 5_000, list(range(50, 5_000, 100))),
    "keys": (count_by_key, 60, list(range(1, 60, 3))),
}


@pytest.fixture(params=WAYS)
def way(request):
    """Sampler, number of labels, and the labels that violate the margin."""
    return WAYS[request.param]


def sequential_first_violation(scores, target, rng):
    """Go through the false labels in random order, and stop at the first violation (DeViSE)."""
    for j in rng.permutation(len(scores)):
        if j != target and MARGIN - scores[target] + scores[j] > 0:
            return j
    return -1


def wsabie_draws(share, rng):
    """Draw false labels with replacement until one violates (algorithm 1 of WSABIE)."""
    n_draws = 1
    while rng.random() >= share:
        n_draws += 1
    return n_draws


def test_every_violating_label_is_equally_likely(way, device):
    sampler, n_labels, violating = way
    drawn, violates = draw(sampler, n_labels, violating, device)
    assert violates.all()
    counts = np.bincount(drawn.cpu(), minlength=n_labels)
    assert counts[violating].sum() == N_POINTS
    assert chisquare(counts[violating]).pvalue > 0.001


def test_the_sequential_definition_has_the_same_distribution():
    scores = torch.tensor([SCORES]).repeat(N_POINTS, 1)
    target = torch.zeros(N_POINTS, dtype=torch.int64)
    drawn, _ = by_scores(first_violation, scores, target, torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    sequential = [sequential_first_violation(SCORES, 0, rng) for _ in range(N_POINTS)]
    for counts in (np.bincount(drawn, minlength=6), np.bincount(sequential, minlength=6)):
        assert set(np.flatnonzero(counts)) == {1, 3, 4}
        assert chisquare(counts[[1, 3, 4]]).pvalue > 0.001


def test_draws_of_two_points_are_independent(way, device):
    sampler, n_labels, violating = way
    drawn, _ = draw(sampler, n_labels, violating, device)
    # Neighbouring points draw the same label as often as chance says.
    n_same = int((drawn[::2] == drawn[1::2]).sum())
    expected = N_POINTS / 2 / len(violating)
    assert chisquare([n_same, N_POINTS / 2 - n_same],
                     [expected, N_POINTS / 2 - expected]).pvalue > 0.001  # fmt: skip


def test_the_number_of_draws_is_geometric_as_in_wsabie(way, device):
    sampler, n_labels, violating = way
    *_, n_draws = draw(sampler, n_labels, violating, device, count_draws=True)
    share = len(violating) / (n_labels - 1)
    rng = np.random.default_rng(0)
    sequential = [wsabie_draws(share, rng) for _ in range(N_POINTS)]
    # N draws have the probability (1 - share)^(N - 1) share. Eight bins of equal width, and a rest.
    edges = 1 + np.arange(9) * max(1, round(0.25 / share))
    expected = N_POINTS * -np.diff((1 - share) ** (edges - 1))
    for found in (n_draws.cpu().numpy(), sequential):
        counts = np.histogram(found, bins=edges - 0.5)[0]
        rest = N_POINTS - counts.sum()
        assert chisquare([*counts, rest], [*expected, N_POINTS - expected.sum()]).pvalue > 0.001


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 3, 7, 30, 5_000]),
    st.integers(1, 20),
    st.sampled_from([first_violation, count_by_key]),
)
def test_a_point_gets_a_violating_label_if_there_is_one(seed, n_labels, n, sampler):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(n, 3, generator=generator)
    vectors = torch.nn.functional.normalize(torch.randn(n_labels, 3, generator=generator))
    target = torch.randint(n_labels, (n,), generator=generator)
    scores = points @ vectors.T
    # The highest scores of some points violate, and those of others do not.
    least = scores.amax(dim=1) - torch.randn(n, generator=generator) * 0.1
    labels, violates = sampler(points, target, vectors, least, generator)
    drawn = dict(enumerate(labels.where(violates, -1).tolist()))
    for row in range(n):
        is_near = scores[row] > least[row] - 1e-6  # Sums are rounded in another order.
        violating = [j for j in torch.where(is_near)[0].tolist() if j != target[row]]
        sure = [j for j in violating if scores[row, j] > least[row] + 1e-6]
        assert drawn[row] in violating + ([] if sure else [-1])


def test_more_points_than_fit_into_a_block_are_drawn_for(device):
    # 1,500 points with 3,000 labels have more scores than are computed at once.
    vectors = -torch.ones(3_000, 1, device=device)
    vectors[[7, 9]] = 1
    points = torch.ones(1_500, 1, device=device)
    points[::3] = -1  # For these points, all labels but two violate.
    target = torch.full((1_500,), 7, device=device)
    least = torch.zeros(1_500, device=device)
    generator = torch.Generator(device).manual_seed(0)
    labels, violates = first_violation(points, target, vectors, least, generator)
    assert violates.all()
    is_positive = points[:, 0] > 0
    assert set(labels[is_positive].tolist()) == {9}
    assert not {7, 9} & set(labels[~is_positive].tolist())


def test_a_generator_on_the_cpu_draws_the_same_for_every_device(device):
    scores = torch.rand(50, 30, generator=torch.Generator().manual_seed(0))
    target = torch.arange(50) % 30
    expected = by_scores(first_by_key, scores, target, torch.Generator().manual_seed(1))
    scores, target = scores.to(device), target.to(device)
    found = by_scores(first_by_key, scores, target, torch.Generator().manual_seed(1))
    assert [values.tolist() for values in found] == [values.tolist() for values in expected]


def test_hardest_is_the_false_label_with_the_highest_score_if_it_violates(device):
    scores = torch.tensor([[0.5, 0.1, 0.45], [0.2, 0.1, 0.8], [0.9, 0.1, 0.3]], device=device)
    labels, violates = by_scores(hardest, scores, torch.tensor([0, 0, 0], device=device))
    assert violates.tolist() == [True, True, False]
    assert labels.tolist() == [2, 2, 2]


def test_hardest_skips_labels_that_share_the_true_vector():
    vectors = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.6, 0.8]])
    points, target = torch.tensor([[1.0, 1.0]]), torch.tensor([0])
    labels, violates = hardest(points, target, vectors, torch.tensor([0.0]))
    assert (labels.tolist(), violates.tolist()) == ([1], [True])
    _, violates = hardest(points, target, vectors[[0, 2]], torch.tensor([0.0]))
    assert violates.tolist() == [False]


@pytest.mark.parametrize("n_labels", [5, 500])  # 500 labels: only the drawn ones are scored
def test_random_labels_are_false_and_equally_likely(n_labels, device):
    generator = torch.Generator(device).manual_seed(0)
    points = torch.zeros(1000, 3, device=device)
    target = torch.full((1000,), 2, device=device)
    vectors = torch.ones(n_labels, 3, device=device)
    # All scores are 0, so with a least score of -1 all labels violate.
    least = torch.full((1000,), -1.0, device=device)
    drawn, violates = random_labels(points, target, vectors, least, 6, generator)
    assert drawn.shape == (1000, 6)
    assert violates.all()
    counts = np.bincount(drawn.cpu().flatten(), minlength=n_labels)
    assert counts[2] == 0
    assert chisquare(np.delete(counts, 2)).pvalue > 0.001


def test_random_labels_that_do_not_violate_are_left_out():
    generator = torch.Generator().manual_seed(0)
    scores = torch.tensor([[0.5, 0.45, 0.1]]).repeat(50, 1)
    drawn, violates = by_scores(random_labels, scores, torch.zeros(50).long(), 3, generator)
    assert (violates == (drawn == 1)).all()
    assert 40 < violates.sum() < 110  # Half of 150 draws.


@pytest.mark.parametrize("sampler", [first_violation, first_by_key, hardest])
def test_a_score_at_the_margin_is_no_violation(sampler, device):
    points, vectors = torch.tensor([[0.5, 0.25]], device=device), torch.eye(2, device=device)
    target, least = torch.tensor([0], device=device), torch.tensor([0.25], device=device)
    generator = [] if sampler is hardest else [torch.Generator(device).manual_seed(0)]
    found = sampler(points, target, vectors, least, *generator)[1]
    assert not found.any()  # label 1 scores 0.25, which is not above 0.25


@pytest.mark.parametrize("count_draws", [True, False])
@pytest.mark.parametrize("violating", [[], [4]], ids=["none", "one"])
@pytest.mark.parametrize("n_labels", [6, 5_000])
def test_a_point_violates_if_one_label_does(n_labels, violating, count_draws, device):
    drawn, violates, *_ = draw(
        first_violation, n_labels, violating, device, count_draws=count_draws
    )
    assert (violates == bool(violating)).all()
    assert not violating or (drawn == 4).all()


@pytest.mark.parametrize("n_labels", [6, 5_000])
@pytest.mark.parametrize("sampler", [first_violation, random_labels])
def test_scores_of_many_labels_at_the_margin_are_no_violation(sampler, n_labels, device):
    points, vectors = torch.ones(9, 1, device=device), torch.ones(n_labels, 1, device=device)
    target, least = torch.zeros(9, dtype=torch.int64, device=device), points[:, 0]
    number = [2] if sampler is random_labels else []
    generator = torch.Generator(device).manual_seed(0)
    assert not sampler(points, target, vectors, least, *number, generator)[1].any()
