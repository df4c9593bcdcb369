import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skdevise.models._negatives import first_violation, random_labels
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, Warp

# Three labels in the plane, and one example projected to (1, 0.5). Its true label is the first.
LABELS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
POINT = [[1.0, 0.5]]
TARGET = torch.tensor([0])

LOSSES = {
    "all": lambda vectors, **options: HingeRank(vectors, margin=0.7, negatives="all", **options),
    "first": lambda vectors, **options: HingeRank(vectors, margin=0.7, **options),
    "hardest": lambda vectors, **options: HingeRank(
        vectors, margin=0.7, negatives="hardest", **options
    ),
    "three": lambda vectors, **options: HingeRank(vectors, margin=0.7, negatives=3, **options),
    "warp": lambda vectors, **options: Warp(vectors, margin=0.7, **options),
    "mse": MeanSquaredError,
    "cosine": Cosine,
    "contrastive": lambda vectors, **options: Contrastive(vectors, temperature=0.5, **options),
}


def value_and_gradient(loss, point=POINT):
    point = torch.tensor(point, requires_grad=True)
    value = loss(point, TARGET).sum()
    value.backward()
    return value.item(), point.grad[0].tolist()


# --- Values worked out by hand


def test_hinge_rank_over_all_labels():
    # Scores 1, 0.5, 0.6 + 0.4 = 1. Label 1: 0.1 - 1 + 0.5 < 0; label 2: 0.1 - 1 + 1 = 0.1.
    # The gradient is t_2 - t_0 = (-0.4, 0.8).
    value, gradient = value_and_gradient(HingeRank(LABELS, negatives="all"))
    assert value == pytest.approx(0.1)
    assert gradient == pytest.approx([-0.4, 0.8])


def test_hinge_rank_sums_over_all_violations():
    # Margin 0.7: label 1 gives 0.7 - 1 + 0.5 = 0.2, label 2 gives 0.7; gradient t_1 + t_2 - 2 t_0.
    value, gradient = value_and_gradient(LOSSES["all"](LABELS))
    assert value == pytest.approx(0.9)
    assert gradient == pytest.approx([0.6 - 2, 1.8])


def test_first_violation_is_the_only_violation():
    # With margin 0.1 only label 2 violates, so the truncated sum equals the full one.
    value, gradient = value_and_gradient(HingeRank(LABELS))
    assert value == pytest.approx(0.1)
    assert gradient == pytest.approx([-0.4, 0.8])


def test_first_violation_chooses_one_of_several_at_random():
    # Margin 0.7: label 1 gives 0.2 and label 2 gives 0.7. Both are chosen in 50 draws.
    loss = LOSSES["first"](LABELS)
    values = {round(value_and_gradient(loss)[0], 6) for _ in range(50)}
    assert values == {0.2, 0.7}


def test_no_violation_means_no_loss_and_no_gradient():
    # An example at (1, -1): scores 1, -1, -0.2.
    value, gradient = value_and_gradient(HingeRank(LABELS), [[1.0, -1.0]])
    assert value == 0
    assert gradient == [0, 0]


def test_hardest_uses_the_highest_false_score():
    # Margin 0.7: label 2 gives 0.7.
    value, gradient = value_and_gradient(LOSSES["hardest"](LABELS))
    assert value == pytest.approx(0.7)
    assert gradient == pytest.approx([-0.4, 0.8])


def test_n_random_negatives_average_to_the_full_sum():
    # Each of n draws is label 1 (0.2) or 2 (0.7) with equal probability, so the mean is 0.45 n.
    value, _ = value_and_gradient(HingeRank(LABELS, margin=0.7, negatives=2000))
    assert value / 2000 == pytest.approx(0.45, abs=0.02)


def test_warp_weights_a_violation_by_the_rank_estimated_from_its_draws():
    # Margin 0.1: only label 2 violates, with a hinge of 0.1. The first draw finds it with
    # probability 1/2: the rank is 2 // 1 = 2 and the weight 1 + 1/2. The second draw finds it with
    # probability 1/4: the rank is 2 // 2 = 1 and the weight 1. Later the rank is 2 // N = 0 and
    # the weight 0, because algorithm 1 of WSABIE gives up.
    loss = Warp(LABELS)
    found = [value_and_gradient(loss) for _ in range(400)]
    values = np.array([value for value, _ in found]).round(6)
    assert set(values) == {0.15, 0.1, 0.0}
    shares = [(values == value).mean() for value in (0.15, 0.1, 0.0)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.08)
    for value, gradient in found:
        assert gradient == pytest.approx([-0.4 * value / 0.1, 0.8 * value / 0.1], abs=1e-6)


def test_squared_error():
    # (1, 0.5) - (1, 0): 0.25; its gradient is (0, 1).
    value, gradient = value_and_gradient(MeanSquaredError(LABELS))
    assert value == pytest.approx(0.25)
    assert gradient == pytest.approx([0, 1])


def test_cosine_distance():
    # 1 - 1 / sqrt(1.25); the cosine x / sqrt(x^2 + y^2) has the gradient (y^2, -x y) / 1.25^1.5.
    value, gradient = value_and_gradient(Cosine(LABELS))
    assert value == pytest.approx(1 - 1 / math.sqrt(1.25))
    assert gradient == pytest.approx([-0.25 / 1.25**1.5, 0.5 / 1.25**1.5])


def test_contrastive_is_cross_entropy_over_cosines():
    # Cosines (1, 0.5, 1) / sqrt(1.25), over 0.5.
    logits = np.array([1, 0.5, 1]) / math.sqrt(1.25) / 0.5
    value, _ = value_and_gradient(LOSSES["contrastive"](LABELS))
    assert value == pytest.approx(np.log(np.exp(logits).sum()) - logits[0])


def test_a_learned_temperature_starts_at_the_value_of_clip():
    loss = Contrastive(LABELS)
    assert loss.temperature.item() == pytest.approx(0.07)
    loss(torch.tensor([[-1.0, 0.5]]), TARGET).sum().backward()
    # The prediction is wrong, so a higher temperature lowers the loss.
    assert loss.log_temperature.grad < 0


# --- Naive references


def naive_hinge_rank(points, vectors, target, margin):
    return [
        sum(
            max(0, margin - vectors[y] @ point + vectors[j] @ point)
            for j in range(len(vectors))
            if j != y
        )
        for point, y in zip(points, target, strict=True)
    ]


def random_problem(n=5, n_labels=7, vector_size=4, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n_labels, vector_size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = rng.standard_normal((n, vector_size))
    return torch.tensor(points), torch.tensor(vectors), torch.tensor(rng.integers(n_labels, size=n))


def test_hinge_rank_over_all_labels_equals_equation_1():
    points, vectors, target = random_problem()
    values = HingeRank(vectors, margin=0.1, negatives="all")(points, target)
    naive = naive_hinge_rank(points.numpy(), vectors.numpy(), target.numpy(), 0.1)
    assert values.tolist() == pytest.approx(naive)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_finite_differences(name):
    points, vectors, target = random_problem()
    loss = LOSSES[name](vectors)

    def value(points):
        if hasattr(loss, "generator"):
            loss.generator.manual_seed(0)  # Every call makes the same draws.
        return loss(points, target)

    assert torch.autograd.gradcheck(value, points.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_reaches_trained_label_vectors(name):
    points, vectors, target = random_problem()
    loss = LOSSES[name](vectors, n_trained=len(vectors))
    loss(points, target).sum().backward()
    assert loss.table.grad.abs().max() > 0
    # The gradient is orthogonal to the vectors, which keep unit length.
    assert (loss.table.grad * loss.table).sum(dim=1).abs().max() < 1e-6
    torch.testing.assert_close(loss.vectors, vectors)


@pytest.mark.parametrize("name", LOSSES)
def test_a_checkpoint_holds_only_the_trained_vectors(name):
    for n_trained, stored in ((0, []), (2, ["table"])):
        loss = LOSSES[name](LABELS, n_trained=n_trained) if n_trained else LOSSES[name](LABELS)
        loss.draw_terms([LABELS[:2].numpy(), LABELS[2:].numpy(), LABELS[1:].numpy()])
        assert list(loss.state_dict()) == stored


def test_labels_that_share_a_vector_continue_to_share_it():
    crane = torch.tensor([[0.6, 0.8]])
    loss = MeanSquaredError(torch.cat([crane, LABELS[:1], crane]), n_trained=3)
    loss(torch.tensor(POINT), TARGET).sum().backward()
    with torch.no_grad():
        loss.table -= loss.table.grad
    assert torch.equal(loss.vectors[0], loss.vectors[2])
    assert not torch.allclose(loss.vectors[0], crane[0])


def equation_1(name, points, vectors, target, margin=0.7):
    """Compute losses from the scores of all labels, with the same draws of false labels."""
    scores, generator = points @ vectors.T, torch.Generator().manual_seed(0)
    true = scores.gather(1, target[:, None])
    terms = (margin - true + scores).clamp_min(0).scatter(1, target[:, None], 0)
    count = torch.zeros_like(terms)  # how many times each false label counts
    least = true.detach().squeeze(1) - margin
    if name == "all":
        count += 1
    elif name == "hardest":
        false = scores.detach().scatter(1, target[:, None], -torch.inf)
        count.scatter_(1, false.argmax(dim=1, keepdim=True), 1)
    elif name == "three":
        every = torch.full_like(least, -torch.inf)  # All drawn labels count.
        labels, _ = random_labels(points.detach(), target, vectors, every, 3, generator)
        for row, drawn in enumerate(labels):
            for label in drawn:
                count[row, label] += 1
    else:
        labels, violates, n_draws = first_violation(
            points.detach(), target, vectors, least, generator, count_draws=True
        )
        for row in violates.nonzero().flatten():
            n = n_draws[row].item() if name == "warp" else len(vectors) - 1
            count[row, labels[row]] = sum(1 / i for i in range(1, (len(vectors) - 1) // n + 1))
    return (count * terms).sum(dim=1)


@pytest.mark.parametrize("name", ["all", "first", "hardest", "three", "warp"])
def test_ranking_losses_and_their_pulls_follow_equation_1(name):
    points, vectors, target = random_problem(n=40)
    loss, copy = LOSSES[name](vectors), LOSSES[name](vectors)
    points.requires_grad_()
    expected = equation_1(name, points, vectors, target)
    (gradient,) = torch.autograd.grad(expected.sum(), points)
    values = loss(points, target)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(*torch.autograd.grad(values.sum(), points), gradient)
    rows, _, pull = copy.pull(points.detach(), target)
    rows = torch.arange(len(points))[rows]
    closed = torch.zeros_like(points).index_add(0, rows, pull)
    torch.testing.assert_close(closed, gradient)


@pytest.mark.parametrize("name", ["all", "first", "hardest", "three", "warp"])
def test_pulls_of_all_points_are_those_of_the_points_that_have_one(name):
    points, vectors, target = random_problem(n=40)
    losses = [LOSSES[name](vectors) for _ in range(2)]

    class AsOnGPU(type(losses[0])):
        keeps_all_points = True

    losses[1].__class__ = AsOnGPU
    for loss in losses:
        loss.margin = 0.2
    some, every = (loss(points, target) for loss in losses)
    assert 0 < (every == 0).sum() < 40
    torch.testing.assert_close(some, every)
    rows, constant, pull = losses[1].pull(points, target)
    assert rows == slice(None)
    assert constant.shape == (40,)
    assert pull.shape == points.shape


def test_cosine_does_not_depend_on_length():
    points, vectors, target = random_problem()
    loss = Cosine(vectors)
    torch.testing.assert_close(loss(points, target), loss(3 * points, target))
    torch.testing.assert_close(
        loss(points, target), 1 - (F.normalize(points) * vectors[target]).sum(dim=1)
    )


@pytest.mark.parametrize("n_trained", [0, 2])
@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_reads_a_value_from_a_device_that_would_make_the_processor_wait(name, n_trained):
    # Tensors on "meta" have no values, so `item` and `nonzero` raise errors.
    loss = LOSSES[name](LABELS, n_trained=n_trained)
    loss.draw_terms([LABELS[:2].numpy(), LABELS[2:].numpy(), LABELS[1:].numpy()])
    loss = loss.to("meta")
    points = torch.empty(5, 2, device="meta", requires_grad=True)
    values = loss(points, torch.zeros(5, dtype=torch.int64, device="meta"))
    values.sum().backward()
    assert values.shape == (5,)
    assert points.grad.device.type == "meta"


def test_draws_happen_on_the_device_of_the_label_vectors(device):
    vectors = LABELS.to(device)
    for loss in (HingeRank(vectors, margin=0.7), Warp(vectors, margin=0.7)):
        assert loss.generator.device == vectors.device
        value = loss(torch.tensor(POINT, device=device), TARGET.to(device))
        assert value.device == vectors.device
