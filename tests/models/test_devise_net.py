import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from skdevise.models._devise_net import DeViSENet, draw_seeds, make_loss
from skdevise.models._negatives import first_by_key
from skdevise.models._projection import LinearProjection
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, Warp
from skdevise.training._early_stopping import EarlyStopping
from skdevise.training._net import TrainingSet

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


def trained(
    module, criterion, data, device="cpu", n_epochs=3, *, kind=DeViSENet, schedule=None, **options
):
    params = {
        "optimizer": "adagrad", "lr": 0.1, "batch_size": 16, "callbacks": None,
        "precision": "float32", "device": device, "order_seed": 0, "verbose": 0,
    }  # fmt: skip
    net = kind.build(module, criterion, **params | options)
    net.train_epochs(data, n_epochs, schedule=schedule)
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


class InParts(AnyMap):
    """A linear map that processes five examples of a batch at a time."""

    def n_at_once(self, X):
        return 5

    def forward(self, X):
        assert len(X) <= 5
        return super().forward(X)


@pytest.mark.parametrize("negatives", ["first_violation", "all", "hardest", 3])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_batch_in_parts_gives_the_same_gradient(device, negatives, weighted):
    data, vectors = problem()
    data.weights = data.weights if weighted else None
    whole, parts = (
        trained(
            wrap(LinearProjection(6, 4)), HingeRank(vectors, negatives=negatives), data, device,
            optimizer="sgd",
        )
        for wrap in (AnyMap, InParts)
    )  # fmt: skip
    maps = parts.module_.linear.weight, whole.module_.linear.weight
    torch.testing.assert_close(*maps, rtol=1e-5, atol=1e-6)
    losses = [[row["train_loss"] for row in net.history] for net in (parts, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_early_stopping_also_processes_a_batch_in_parts():
    data, vectors = problem()
    rates = []

    def answer(net, points):
        return (points @ net.bare_criterion.vectors.T).argmax(dim=1)

    for wrap in (AnyMap, InParts):
        net = trained(wrap(LinearProjection(6, 4)), HingeRank(vectors), data)
        net.train_epochs(data, 1, early_stopping=EarlyStopping(data, answer, 5))
        rates.append(net.history[-1, "valid_hit@1"])
    assert rates[0] == rates[1] > 1 / 9


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


# --- Work that stays on the device


class NoWaiting(TorchFunctionMode):
    """Refuse to read values of a device, and to make shapes that depend on its values."""

    refused = {
        "__bool__", "__float__", "__index__", "__int__", "argwhere", "cpu", "item", "masked_select",
        "nonzero", "numpy", "tolist", "unique",
    }  # fmt: skip

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name == "__getitem__":
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert not any(getattr(part, "dtype", None) == torch.bool for part in index)
        # Optimizers count their steps on the CPU.
        assert name not in self.refused or args[0].device.type != self.device, name
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("value", [lambda x: x[x > 0], lambda x: int(x[0]), torch.nonzero])
def test_waiting_is_noticed(device, value):
    x = torch.ones(2, device=device)
    with pytest.raises(AssertionError), NoWaiting(device):
        value(x)


class HingeRankOnGPU(HingeRank):
    keeps_all_points = True


class WarpOnGPU(Warp):
    keeps_all_points = True


@pytest.mark.parametrize("wrap", [lambda module: module, AnyMap])
@pytest.mark.parametrize(
    "make",
    [
        *(
            lambda vectors, negatives=negatives: HingeRankOnGPU(vectors, negatives=negatives)
            for negatives in ("first_violation", "all", "hardest", 3)
        ),
        WarpOnGPU, MeanSquaredError, Cosine, Contrastive,
    ],
)  # fmt: skip
def test_a_step_never_waits_for_the_device(device, make, wrap):
    data, vectors = problem()
    data = TrainingSet(data.source.to(device), data.rows, data.targets, data.weights)
    net = trained(
        wrap(LinearProjection(6, 4)), make(torch.from_numpy(vectors).to(device)), data, device,
        n_epochs=1,
    )  # fmt: skip
    assert data.rows.device.type == device
    with NoWaiting(device):
        losses = [net.train_step(batch)["loss"] for batch in net.get_iterator(data, training=True)]
    assert len(losses) == 4
    assert losses[0].device.type == device


def test_keys_are_drawn_without_waiting(device):
    data, vectors = problem()
    vectors, target = torch.from_numpy(vectors).to(device), data.targets.to(device)
    points, generator = torch.randn(64, 4, device=device), torch.Generator(device).manual_seed(0)
    with NoWaiting(device):
        labels, counts = first_by_key(points, target, vectors, points[:, 0], generator)
        _, violated = first_by_key(points, target, vectors, points[:, 0], generator, count=False)
    scores = (points @ vectors.T).scatter(1, target[:, None], -torch.inf)
    violates = scores > points[:, :1]
    assert counts.tolist() == violates.sum(dim=1).tolist()
    assert violated.tolist() == (counts > 0).tolist()
    assert violates[counts > 0, labels[counts > 0]].all()


# --- Steps that are recorded


class Recording(DeViSENet):
    """Records as a GPU does, on any device: a replay runs the step on the same tensors."""

    least_recorded, n_recorded, n_replayed = 0, 0, 0

    @property
    def can_record(self):
        return self.has_closed_form and not self.callbacks

    def record(self, run):
        if self.device.type == "cuda":
            return super().record(run)
        self.n_recorded += 1
        loss = torch.empty(())

        def replay():
            self.n_replayed += 1
            loss.copy_(run())

        return replay, loss


class Refusing(Recording):
    def record(self, run):
        raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.parametrize("negatives", ["first_violation", "all", "hardest", 3])
@pytest.mark.parametrize("weighted", [True, False])
def test_recorded_steps_are_the_same_steps(device, negatives, weighted):
    # 70 samples are four batches of 16 and a smaller one. The learning rate falls in each epoch.
    data, vectors = problem(n=70)
    data.weights = data.weights if weighted else None
    vectors = torch.from_numpy(vectors).to(device)  # The loss draws where they are.
    nets = [
        trained(
            LinearProjection(6, 4), HingeRank(vectors, negatives=negatives), data, device,
            kind=kind, schedule="linear",
        )
        for kind in (DeViSENet, Recording)
    ]  # fmt: skip
    torch.testing.assert_close(nets[0].module_.weight, nets[1].module_.weight)
    losses = [[row["train_loss"] for row in net.history] for net in nets]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    if device == "cpu":
        # 15 batches: three are not recorded, because they are the first, and three are smaller.
        assert (nets[1].n_recorded, nets[1].n_replayed) == (1, 9)


def test_training_goes_on_if_a_step_cannot_be_recorded(device):
    data, vectors = problem(n=70)
    expected = trained(LinearProjection(6, 4), HingeRank(vectors), data, device)
    with pytest.warns(UserWarning, match="CUDA graph"):
        net = trained(LinearProjection(6, 4), HingeRank(vectors), data, device, kind=Refusing)
    torch.testing.assert_close(net.module_.weight, expected.module_.weight)


def test_a_pass_draws_other_numbers_than_a_stage():
    assert not set(draw_seeds(0, 1, "pass")) & set(draw_seeds(0, 1, "stage"))
