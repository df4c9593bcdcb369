import copy

import numpy as np
import pytest
import torch
from skdevise.training._batches import TrainingSet
from skdevise.training._loop import make_net, train_epochs
from torch import nn

from skdevise.models._features import ResidentFeatures
from skdevise.models._projections import LinearProjection, make_projection
from skdevise.models._training import MapNet
from skdevise.models.losses import HingeRank


def test_the_map_has_no_bias_and_starts_from_zero():
    module = make_projection("linear", 3, 2, "hinge_rank")
    assert [tuple(p.shape) for p in module.parameters()] == [(2, 3)]
    assert module.weight.abs().max() == 0
    assert (
        make_projection("linear", 3, 2, "cosine").weight.abs().max() > 0
    )  # it has no gradient at 0


def test_the_mlp_is_the_head_of_the_keras_recipe():
    # Dropout 0.3, 1,024 rectified units, batch norm, d: (8 + 1) 1024 + 2 * 1024 + (1024 + 1) 5.
    module = make_projection("mlp", 8, 5, "hinge_rank")
    assert sum(p.numel() for p in module.parameters()) == 9 * 1024 + 2 * 1024 + 1025 * 5
    assert module[0].p == 0.3
    assert module(torch.rand(4, 8)).shape == (4, 5)


def test_a_projection_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"to \(2, 3\), not to a tensor of shape \(2, 5\)"):
        make_projection(lambda n_features, vector_size: nn.Linear(n_features, 3), 8, 5, "mse")
    with pytest.raises(TypeError, match="projection makes a str"):
        make_projection(lambda *sizes: "linear", 8, 5, "mse")


def problem(n=64, n_features=6, n_labels=9, vector_size=4, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n_labels, vector_size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    X = rng.standard_normal((n, n_features)).astype(np.float32)
    weights = torch.from_numpy(rng.uniform(0.5, 1.5, n).astype(np.float32))
    rows, targets = torch.arange(n), torch.from_numpy(rng.integers(n_labels, size=n))
    return TrainingSet(ResidentFeatures(X), rows, targets, weights), vectors


class AnyMap(nn.Module):
    """A linear map that training does not know as one: its gradient comes by autograd."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, X):
        return self.linear(X)


def trained(module, criterion, data, **options):
    params = {
        "optimizer": "adagrad", "lr": 0.1, "batch_size": 10, "callbacks": None,
        "precision": "float32", "device": "cpu", "order_seed": 0, "verbose": 0,
    }  # fmt: skip
    net = make_net(MapNet, module, criterion, **(params | options))
    train_epochs(net, data, 3)
    return net


@pytest.mark.parametrize("negatives", ["first_violation", "all", "hardest", 3])
@pytest.mark.parametrize("optimizer", ["adagrad", "sgd", "adam"])
@pytest.mark.parametrize("weighted", [True, False])
def test_closed_form_steps_are_those_of_autograd(negatives, optimizer, weighted):
    data, vectors = problem()
    data.weights = data.weights if weighted else None
    nets = []
    for wrap in (lambda module: module, AnyMap):
        module = wrap(LinearProjection(6, 4))
        criterion = HingeRank(vectors, negatives=negatives)
        # A lone last batch is left out of what may hold a batch norm.
        nets.append(trained(module, criterion, data, optimizer=optimizer, batch_size=16))
    assert nets[0].in_closed_form and not nets[1].in_closed_form
    torch.testing.assert_close(nets[0].module_.weight, nets[1].module_.linear.weight)
    losses = [[row["train_loss"] for row in net.history] for net in nets]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_step_in_closed_form_by_hand():
    # One example, margin 0.1, SGD at 1: M = (t_j - t_y) v' subtracted, once.
    vectors = np.eye(2, dtype=np.float32)
    data = TrainingSet(
        ResidentFeatures(np.array([[1.0, 2.0]])), torch.tensor([0]), torch.tensor([0])
    )
    net = trained(LinearProjection(2, 2), HingeRank(vectors), data, optimizer="sgd", lr=1.0)
    assert net.module_.weight.tolist() == [[1, 2], [-1, -2]]


def test_any_optimizer_of_torch_trains():
    data, vectors = problem()
    criterion = HingeRank(vectors, negatives="all")
    net = trained(
        LinearProjection(6, 4), criterion, data, optimizer=torch.optim.LBFGS, batch_size=64
    )
    assert net.history[-1]["train_loss"] < net.history[0]["train_loss"]


def test_a_schedule_gives_the_share_of_the_learning_rate():
    data, vectors = problem()
    net = make_net(
        MapNet, LinearProjection(6, 4), HingeRank(vectors), optimizer="sgd", lr=0.5, batch_size=64,
        callbacks=None, device="cpu", order_seed=0, verbose=0,
    )  # fmt: skip
    seen = []
    net.notify = lambda method, **kwargs: (
        (seen.append(net.optimizer_.param_groups[0]["lr"]) if method == "on_epoch_begin" else None)
        or type(net).notify(net, method, **kwargs)
    )
    for schedule in ("linear", "cosine", lambda done: 1 - done**2):
        train_epochs(net, data, 4, schedule=schedule)
    # After 0, 1/4, 1/2 and 3/4 of the epochs; (1 + cos(pi / 4)) / 2 = 0.853553.
    assert seen == pytest.approx(
        [0.5, 0.375, 0.25, 0.125, 0.5, 0.4267767, 0.25, 0.0732233, 0.5, 0.46875, 0.375, 0.21875]
    )


def test_a_user_who_interrupts_a_batch_means_it():
    class Interrupted(ResidentFeatures):
        def __getitem__(self, rows):
            raise KeyboardInterrupt

    data, vectors = problem()
    data.source = Interrupted(data.source.features.numpy())
    with pytest.raises(KeyboardInterrupt):
        trained(LinearProjection(6, 4), HingeRank(vectors), data)


def test_a_callback_can_end_training():
    from skorch.callbacks import EarlyStopping

    data, vectors = problem()
    impatient = EarlyStopping(monitor="train_loss", patience=1, threshold=10, sink=lambda _: None)
    net = trained(LinearProjection(6, 4), HingeRank(vectors), data, callbacks=[impatient])
    assert len(net.history) == 2


def test_mixed_precision_trains_too():
    data, vectors = problem()
    start = LinearProjection(6, 4)
    exact, mixed = (
        trained(
            copy.deepcopy(start), HingeRank(vectors, negatives="all"), data, precision=precision
        )
        for precision in ("float32", "bfloat16")
    )
    assert not torch.equal(exact.module_.weight, mixed.module_.weight)
    torch.testing.assert_close(exact.module_.weight, mixed.module_.weight, atol=0.05, rtol=0.1)
