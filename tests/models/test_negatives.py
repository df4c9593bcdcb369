import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from skdevise.models import _negatives as negatives
from skdevise.models._negatives import first_violation, hardest, random_labels

MARGIN = 0.1


def least_scores(scores, target):
    return scores.gather(1, target[:, None]).squeeze(1) - MARGIN


def by_scores(sampler, scores, target, *options, **flags):
    """A sampler asked with scores: in as many dimensions as there are labels, they are points."""
    vectors = torch.eye(scores.shape[1])
    return sampler(scores, target, vectors, least_scores(scores, target), *options, **flags)


def sequential_first_violation(scores, target, rng):
    """The paper's words: go through the false labels in random order, stop at the first one."""
    for j in rng.permutation(len(scores)):
        if j != target and MARGIN - scores[target] + scores[j] > 0:
            return j
    return -1


def wsabie_draws(violating, n_labels, rng):
    """Algorithm 1 of WSABIE: draw false labels, with replacement, until one violates."""
    n_draws = 1
    while rng.integers(n_labels - 1) >= violating:
        n_draws += 1
    return n_draws


@pytest.fixture(params=["keys", "matrix", "blocks", "trials"])
def way(request, monkeypatch):
    """All labels by a key each or at once, two at a time, or some tried first: draws are alike."""
    monkeypatch.setattr(negatives, "_FEW_SCORES", 2**20 if request.param == "keys" else 0)
    if request.param == "blocks":
        monkeypatch.setattr(negatives, "_N_SCORES", 12_000)
    if request.param == "trials":
        monkeypatch.setattr(negatives, "_MANY_LABELS", 2)
        monkeypatch.setattr(negatives, "_TRIAL_COST", 0.5)
        monkeypatch.setattr(negatives, "_N_TRIALS", 2)


def test_first_violation_is_distributed_as_the_sequential_definition(way):
    scores = torch.tensor([[0.5, 0.45, 0.1, 0.9, 0.41, 0.39]]).repeat(6000, 1)
    target = torch.zeros(6000, dtype=torch.int64)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    rows, drawn = by_scores(first_violation, scores, target, generator)
    assert sorted(rows.tolist()) == list(range(6000))
    ours = np.bincount(drawn, minlength=6)
    theirs = np.bincount(
        [sequential_first_violation(scores[0].numpy(), 0, rng) for _ in range(6000)], minlength=6
    )
    # 0.45, 0.9 and 0.41 violate 0.5 - 0.1; 0.39 does not.
    assert set(np.flatnonzero(ours)) == set(np.flatnonzero(theirs)) == {1, 3, 4}
    assert chisquare(ours[[1, 3, 4]]).pvalue > 0.001
    assert chisquare(theirs[[1, 3, 4]]).pvalue > 0.001


def test_draws_of_two_examples_are_independent(way):
    # Of three violating labels both take the same one a third of the time.
    scores = torch.tensor([[0.5, 0.45, 0.1, 0.9, 0.41, 0.39]]).repeat(2, 1)
    generator = torch.Generator().manual_seed(0)
    n_same = 0
    for _ in range(1500):
        rows, drawn = by_scores(first_violation, scores, torch.zeros(2).long(), generator)
        n_same += int(drawn[0] == drawn[1])
    assert chisquare([n_same, 1500 - n_same], [500, 1000]).pvalue > 0.001


def test_the_number_of_draws_is_distributed_as_in_wsabie(way):
    scores = torch.tensor([[0.5, 0.45, 0.1, 0.9, 0.2, 0.39]]).repeat(6000, 1)
    target = torch.zeros(6000, dtype=torch.int64)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    _, _, n_draws = by_scores(first_violation, scores, target, generator, count_draws=True)
    # Two of five false labels violate: N draws with probability 0.6^(N - 1) 0.4.
    expected = 6000 * 0.4 * 0.6 ** np.arange(6)
    ours = np.bincount(n_draws, minlength=7)[1:7]
    theirs = np.bincount([wsabie_draws(2, 6, rng) for _ in range(6000)], minlength=7)[1:7]
    for counts in (ours, theirs):
        rest = 6000 - counts.sum()
        assert chisquare([*counts, rest], [*expected, 6000 - expected.sum()]).pvalue > 0.001


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 20),
    st.sampled_from([1, 7, 2**22]), st.sampled_from([2, 4_096]), st.sampled_from([0, 2**13]),
)  # fmt: skip
def test_first_violation_violates_or_nothing_does(seed, n_labels, n, n_scores, many, few):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(n, n_labels, generator=generator)
    target = torch.randint(n_labels, (n,), generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(negatives, "_FEW_SCORES", few)
        patch.setattr(negatives, "_N_SCORES", n_scores)
        patch.setattr(negatives, "_MANY_LABELS", many)
        rows, labels = by_scores(first_violation, scores, target, generator)
    drawn = dict(zip(rows.tolist(), labels.tolist(), strict=True))
    least = least_scores(scores, target)
    for row in range(n):
        violating = [j for j in range(n_labels) if j != target[row] and scores[row, j] > least[row]]
        assert drawn.get(row) in (violating or [None])


def test_hardest_is_the_nearest_false_label_if_it_violates():
    scores = torch.tensor([[0.5, 0.1, 0.45], [0.2, 0.1, 0.8], [0.9, 0.1, 0.3]])
    rows, labels = by_scores(hardest, scores, torch.tensor([0, 0, 0]))
    assert rows.tolist() == [0, 1]
    assert labels.tolist() == [2, 2]


def test_hardest_passes_over_labels_that_share_the_true_vector():
    vectors = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.6, 0.8]])
    points, target = torch.tensor([[1.0, 1.0]]), torch.tensor([0])
    rows, labels = hardest(points, target, vectors, torch.tensor([0.0]))
    assert (rows.tolist(), labels.tolist()) == ([0], [1])
    none, _ = hardest(points, target, vectors[[0, 2]], torch.tensor([0.0]))
    assert not len(none)


def test_random_labels_are_false_and_equally_likely():
    generator = torch.Generator().manual_seed(0)
    scores, target = torch.zeros(1000, 5), torch.full((1000,), 2)
    rows, drawn = by_scores(random_labels, scores, target, 6, generator)
    assert np.bincount(rows).tolist() == [6] * 1000  # With scores of 0 all violate.
    counts = np.bincount(drawn, minlength=5)
    assert counts[2] == 0
    assert chisquare(np.delete(counts, 2)).pvalue > 0.001


def test_random_labels_that_do_not_violate_are_left_out():
    generator = torch.Generator().manual_seed(0)
    scores = torch.tensor([[0.5, 0.45, 0.1]]).repeat(50, 1)
    rows, drawn = by_scores(random_labels, scores, torch.zeros(50).long(), 3, generator)
    assert set(drawn.tolist()) == {1}
    assert 40 < len(rows) < 110  # Half of 150 draws.


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_are_the_same_on_a_gpu():
    scores = torch.rand(50, 30, generator=torch.Generator().manual_seed(0))
    target = torch.arange(50) % 30
    found = []
    for device in ("cpu", "cuda"):
        on_device = [tensor.to(device) for tensor in (scores, target, torch.eye(30))]
        rows, labels = first_violation(
            *on_device, least_scores(*on_device[:2]), torch.Generator().manual_seed(1)
        )
        found.append((rows.tolist(), labels.tolist()))
    assert found[0] == found[1]
