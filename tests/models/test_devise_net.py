import numpy as np
import pytest
import torch
from torch import nn

from skdevise.models._devise_net import (
    DeViSENet,
    LinearProjection,
    draw_seeds,
    make_loss,
    make_projection,
)
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, Warp
from skdevise.training._net import TrainingSet

# --- Projections


def test_the_linear_projection_has_no_bias_and_starts_from_zero():
    module = make_projection("linear", 3, 2, "hinge_rank")
    assert [tuple(parameter.shape) for parameter in module.parameters()] == [(2, 3)]
    assert module.weight.abs().max() == 0
    # A cosine has no gradient at zero.
    assert make_projection("linear", 3, 2, "cosine").weight.abs().max() > 0


def test_the_mlp_is_the_head_of_the_keras_recipe():
    # Dropout 0.3, 1,024 ReLU units, batch norm, d: (8 + 1) 1024 + 2 * 1024 + (1024 + 1) 5.
    module = make_projection("mlp", 8, 5, "hinge_rank")
    assert sum(p.numel() for p in module.parameters()) == 9 * 1024 + 2 * 1024 + 1025 * 5
    assert module[0].p == 0.3
    assert module(torch.rand(4, 8)).shape == (4, 5)


class ReturnsTuple(nn.Linear):
    def forward(self, X):
        return super().forward(X), X


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (lambda n, d: nn.Linear(n, 3), r"\(2, 5\)"),
        (ReturnsTuple, r"\(2, 5\)"),
        (lambda n, d: "linear", "nn.Module"),
        (nn.Linear(8, 5), "nn.Module"),
        (lambda n: nn.Linear(n, 5), "projection=.* 2 were given"),
        (lambda n, d: nn.Linear(d, n), "projection=.* 8 features"),
        (lambda n, d: nn.Identity(), r"\(2, 5\)"),
        (lambda n, d: nn.AdaptiveAvgPool1d(d), "no parameters"),
    ],
    ids=["size", "tuple", "text", "module", "one argument", "swapped", "identity", "untrainable"],
)
def test_a_projection_of_the_wrong_form_is_refused(projection, expected):
    with pytest.raises((TypeError, ValueError), match=expected):
        make_projection(projection, 8, 5, "mse")


def test_a_projection_can_be_created_in_a_given_state():
    state = {"weight": np.ones((2, 3), dtype=np.float32)}
    assert make_projection("linear", 3, 2, "mse", state).weight.sum() == 6
    with pytest.raises(ValueError, match="4 features and 2-dimensional"):
        make_projection("linear", 4, 2, "mse", state)


# --- Losses


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("hinge_rank", HingeRank), ("warp", Warp), ("mse", MeanSquaredError), ("cosine", Cosine),
        ("contrastive", Contrastive),
    ],
)  # fmt: skip
def test_the_loss_is_created_from_the_parameters(loss, expected):
    params = {"loss": loss, "margin": 0.3, "negatives": "all", "loss_temperature": 0.2}
    criterion = make_loss(params, np.eye(3, dtype=np.float32), n_trained=2, seed=0)
    assert type(criterion) is expected
    assert criterion.n_trained == 2
    assert getattr(criterion, "margin", 0.3) == 0.3
    assert float(getattr(criterion, "temperature", 0.2)) == pytest.approx(0.2)


def test_a_learned_temperature_starts_from_the_given_one():
    params = {"loss": "contrastive", "margin": 0, "negatives": 1, "loss_temperature": "learned"}
    criterion = make_loss(params, np.eye(3, dtype=np.float32), 0, seed=0, temperature=0.5)
    assert criterion.temperature.item() == pytest.approx(0.5)


# --- The gradient in closed form


def problem(n=64, n_features=6, n_labels=9, vector_size=4):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n_labels, vector_size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    X = torch.from_numpy(rng.standard_normal((n, n_features)).astype(np.float32))
    weights = rng.uniform(0.5, 1.5, n)
    return TrainingSet(X, np.arange(n), rng.integers(n_labels, size=n), weights), vectors


class AnyMap(nn.Module):
    """A linear map that the net does not recognise, so that torch computes its gradient."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, X):
        return self.linear(X)


def trained(module, criterion, data, device="cpu", n_epochs=3, **options):
    params = {
        "optimizer": "adagrad", "lr": 0.1, "batch_size": 16, "callbacks": None,
        "precision": "float32", "device": device, "order_seed": 0, "verbose": 0,
    }  # fmt: skip
    net = DeViSENet.build(module, criterion, **params | options)
    net.train_epochs(data, n_epochs)
    return net


@pytest.mark.parametrize("negatives", ["first_violation", "all", "hardest", 3])
@pytest.mark.parametrize("optimizer", ["adagrad", "sgd", "adam"])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_closed_form_is_the_gradient_of_torch(device, negatives, optimizer, weighted):
    data, vectors = problem()
    data.weights = data.weights if weighted else None
    nets = []
    for wrap in (lambda module: module, AnyMap):
        module = wrap(LinearProjection(6, 4))
        criterion = HingeRank(vectors, negatives=negatives)
        nets.append(trained(module, criterion, data, device, optimizer=optimizer))
    assert nets[0].has_closed_form
    assert not nets[1].has_closed_form
    torch.testing.assert_close(nets[0].module_.weight, nets[1].module_.linear.weight)
    losses = [[row["train_loss"] for row in net.history] for net in nets]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_one_step_by_hand():
    # One sample, margin 0.1, SGD with a learning rate of 1. The gradient is (t_j - t_y) v'.
    vectors = np.eye(2, dtype=np.float32)
    data = TrainingSet(torch.tensor([[1.0, 2.0]]), np.array([0]), np.array([0]))
    net = trained(
        LinearProjection(2, 2), HingeRank(vectors), data, optimizer="sgd", lr=1.0, n_epochs=1
    )
    assert net.has_closed_form
    assert net.module_.weight.tolist() == [[1, 2], [-1, -2]]


def test_mixed_precision_approximates_single_precision(device):
    data, vectors = problem()
    exact, mixed = (
        trained(
            LinearProjection(6, 4), HingeRank(vectors, negatives="all"), data, device,
            precision=precision,
        )
        for precision in ("float32", "bfloat16")
    )  # fmt: skip
    assert not torch.equal(exact.module_.weight, mixed.module_.weight)
    torch.testing.assert_close(exact.module_.weight, mixed.module_.weight, atol=0.05, rtol=0.1)


def test_a_pass_draws_other_numbers_than_a_stage():
    assert not set(draw_seeds(0, 1, "pass")) & set(draw_seeds(0, 1, "stage"))
