import numpy as np
import pytest
import torch

from skdevise.models.losses import cosine_distance, hinge_rank, squared_error
from skdevise.models.training import LabelLoss

# Three labels in the plane, and one example mapped to (1, 0.5), whose true label is the first.
LABELS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
PROJECTED = [[1.0, 0.5]]


def label_loss(**params):
    defaults = {"loss": "hinge_rank", "margin": 0.1, "negatives": "all", "seed": 0}
    return LabelLoss(LABELS.numpy(), **(defaults | params))


def value_and_gradient(loss):
    projected = torch.tensor(PROJECTED, requires_grad=True)
    value = loss(projected, torch.tensor([0]))
    value.backward()
    return value.item(), projected.grad[0].tolist()


def test_full_hinge_rank_by_hand():
    # Scores 1, 0.5, 0.6 + 0.4 = 1. Label 1: 0.1 - 1 + 0.5 < 0; label 2: 0.1 - 1 + 1 = 0.1.
    # The gradient is t_2 - t_0 = (-0.4, 0.8).
    value, gradient = value_and_gradient(label_loss())
    assert value == pytest.approx(0.1)
    assert gradient == pytest.approx([-0.4, 0.8])


def test_full_hinge_rank_sums_over_all_violations():
    # Margin 0.7: label 1 gives 0.7 - 1 + 0.5 = 0.2, label 2 gives 0.7; gradient t_1 + t_2 - 2 t_0.
    value, gradient = value_and_gradient(label_loss(margin=0.7))
    assert value == pytest.approx(0.9)
    assert gradient == pytest.approx([0.6 - 2, 1.8])


def test_first_violation_is_the_only_violation():
    # With margin 0.1 label 2 alone violates, so that the truncated sum is the full one.
    value, gradient = value_and_gradient(label_loss(negatives="first_violation"))
    assert value == pytest.approx(0.1)
    assert gradient == pytest.approx([-0.4, 0.8])


def test_first_violation_takes_one_of_several_at_random():
    # Margin 0.7: either 0.2 (label 1) or 0.7 (label 2), and each at some time.
    loss = label_loss(margin=0.7, negatives="first_violation")
    values = {round(value_and_gradient(loss)[0], 6) for _ in range(50)}
    assert values == {0.2, 0.7}


def test_no_violation_means_no_loss_and_no_gradient():
    # Margin 0 and an example at (1, -1): scores 1, -1, -0.2.
    loss = label_loss(margin=0.0, negatives="first_violation")
    projected = torch.tensor([[1.0, -1.0]], requires_grad=True)
    loss(projected, torch.tensor([0])).backward()
    assert projected.grad.tolist() == [[0.0, 0.0]]


def test_hardest_takes_the_highest_false_score():
    # Margin 0.7: label 2 gives 0.7.
    assert value_and_gradient(label_loss(margin=0.7, negatives="hardest"))[0] == pytest.approx(0.7)


def test_n_random_negatives_average_to_the_full_sum():
    # Each of n draws is label 1 (0.2) or 2 (0.7) with equal chance: n times 0.45 in the mean.
    loss = label_loss(margin=0.7, negatives=2000)
    assert value_and_gradient(loss)[0] / 2000 == pytest.approx(0.45, abs=0.02)


def test_squared_error_by_hand():
    # (1, 0.5) - (1, 0): 0.25; its gradient is (0, 1).
    value, gradient = value_and_gradient(label_loss(loss="mse"))
    assert value == pytest.approx(0.25)
    assert gradient == pytest.approx([0, 1])


def test_cosine_distance_by_hand():
    # 1 - 1 / sqrt(1.25)
    value, _ = value_and_gradient(label_loss(loss="cosine"))
    assert value == pytest.approx(1 - 1 / np.sqrt(1.25))


def test_losses_have_right_gradients():
    torch.manual_seed(0)
    projected = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    true = torch.randn(3, 2, dtype=torch.float64)
    false_scores = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: squared_error(p, true), projected)
    assert torch.autograd.gradcheck(lambda p: cosine_distance(p, true), projected)
    assert torch.autograd.gradcheck(
        lambda p, f: hinge_rank((p * true).sum(1), f, 0.1), (projected, false_scores)
    )


def test_full_hinge_rank_equals_the_sum_of_equation_1():
    rng = np.random.default_rng(0)
    labels = rng.standard_normal((7, 4)).astype(np.float32)
    projected, target = rng.standard_normal((5, 4)).astype(np.float32), rng.integers(7, size=5)
    naive = [
        sum(
            max(0, 0.1 - labels[y] @ mapped + labels[j] @ mapped)
            for j in range(len(labels))
            if j != y
        )
        for mapped, y in zip(projected, target, strict=True)
    ]
    loss = LabelLoss(labels, loss="hinge_rank", margin=0.1, negatives="all", seed=0)
    assert loss(torch.tensor(projected), torch.tensor(target)).item() == pytest.approx(
        np.mean(naive), rel=1e-5
    )
