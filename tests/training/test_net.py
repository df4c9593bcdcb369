import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from skdevise import load, save
from skdevise.training._checkpoint import Checkpoint
from skdevise.training._early_stopping import EarlyStopping as HoldOutStopping
from skdevise.training._net import (
    OPTIMIZERS,
    Batches,
    TrainingNet,
    TrainingSet,
    check_training_params,
    epoch_table,
)

# --- Parameters


def check(callbacks=None, schedule=None, early_stopping=False, **optimizers):
    lrs = {name.replace("optimizer", "lr"): 0.1 for name in optimizers}
    params = {"callbacks": callbacks, "lr_schedule": schedule, "early_stopping": early_stopping}
    check_training_params(params | optimizers | lrs)


class NeedsEpoch(Callback):
    def __init__(self, epoch):
        self.epoch = epoch


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, torch.optim.RMSprop, torch.optim.LBFGS])
def test_usable_optimizers_pass(optimizer):
    check(optimizer=optimizer)


@pytest.mark.parametrize(
    ("optimizer", "named"),
    [(nn.Linear, "Linear"), (dict, "dict"), (lambda parameters, lr: lr, "gives 1")],
)
def test_an_unusable_optimizer_is_named(optimizer, named):
    with pytest.raises(TypeError, match=f"finetune_optimizer=.*{named}"):
        check(optimizer="sgd", finetune_optimizer=optimizer)


@pytest.mark.parametrize("callback", [Callback, Callback(), ("mine", Callback), ("mine", None)])
def test_callbacks_pass_in_every_form_of_skorch(callback):
    check([callback])


@pytest.mark.parametrize("callback", [print, dict, None, ("mine", 3), NeedsEpoch], ids=str)
def test_an_unusable_callback_is_named(callback):
    with pytest.raises(TypeError, match="callbacks"):
        check([Callback(), callback])


def test_a_callback_must_not_wait_for_a_validation_loss():
    with pytest.raises(ValueError, match="EarlyStopping.*valid_loss"):
        check([EarlyStopping])


def test_a_callback_can_wait_for_the_hit_rate_only_with_early_stopping():
    callbacks = [EarlyStopping(monitor="valid_hit@1")]
    check(callbacks, early_stopping=True)
    with pytest.raises(ValueError, match="EarlyStopping.*valid_hit@1"):
        check(callbacks)


@pytest.mark.parametrize("schedule", [None, "linear", "cosine", lambda done: 0, np.exp])
def test_usable_schedules_pass(schedule):
    check(schedule=schedule)


@pytest.mark.parametrize(
    ("schedule", "named"),
    [
        (lambda done: -1, "-1"),
        (lambda done: "half", "half"),
        (lambda done: float("nan"), "nan"),
        (lambda epoch, n_epochs: 1.0, "n_epochs"),
        (lambda done: 1 / done, "division"),
    ],
)
def test_an_unusable_schedule_is_refused_with_its_answer(schedule, named):
    with pytest.raises(ValueError, match=f"lr_schedule.*{named}"):
        check(schedule=schedule)


# --- Batches


class CountedRows:
    """Ten rows that count how often they are asked for."""

    n_rows_at_once = 1

    def __init__(self):
        self.n_calls = 0

    def __getitem__(self, rows):
        self.n_calls += 1
        return rows[:, None].float()


def ten_rows(weights=None):
    return TrainingSet(CountedRows(), torch.arange(10), torch.arange(10), weights)


def batches(data, size=4, **options):
    return Batches(data, size, torch.Generator().manual_seed(0), **options)


def test_a_batch_is_gathered_by_one_index_operation():
    data = ten_rows()
    assert [len(target) for _, (target, _) in batches(data)] == [4, 4, 2]
    assert data.source.n_calls == 3


def test_small_batches_are_gathered_together():
    data = ten_rows()
    data.n_rows_at_once = 9
    assert [len(target) for _, (target, _) in batches(data)] == [4, 4, 2]
    assert data.source.n_calls == 2


def test_an_epoch_holds_each_row_once_with_its_target_and_weight():
    for X, (target, weight) in batches(ten_rows(weights=torch.arange(10.0))):
        assert X.squeeze(1).tolist() == target.tolist() == weight.tolist()


def test_each_epoch_has_a_fresh_order():
    loader = batches(ten_rows())
    first, second = (torch.cat([target for _, (target, _) in loader]).tolist() for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(10))


def test_a_last_batch_of_one_example_is_skipped_for_batch_norm():
    sizes = [len(target) for _, (target, _) in batches(ten_rows(), 3, skip_single=True)]
    assert sizes == [3, 3, 3]


# --- The loop


def problem():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(64, 6, generator=generator)
    return TrainingSet(X, torch.arange(64), X[:, :3].argmax(dim=1))


def build(module=None, device="cpu", **options):
    params = {
        "optimizer": "adagrad", "lr": 0.1, "batch_size": 16, "callbacks": None,
        "precision": "float32", "device": device, "order_seed": 0, "verbose": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    module = nn.Linear(6, 3) if module is None else module
    return TrainingNet.build(module, nn.CrossEntropyLoss(reduction="none"), **params | options)


def losses(net):
    return [row["train_loss"] for row in net.history]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, torch.optim.LBFGS])
def test_training_lowers_the_loss(device, optimizer, precision):
    net = build(device=device, optimizer=optimizer, precision=precision, batch_size=64)
    net.train_epochs(problem(), 5)
    assert losses(net)[-1] < losses(net)[0]


def test_sgd_has_the_momentum_and_weight_decay_of_alexnet():
    # One batch an epoch from zero weights, so both steps can be written down.
    module = nn.Linear(6, 3, bias=False)
    nn.init.zeros_(module.weight)
    data = problem()
    net = build(module, optimizer="sgd", batch_size=64)
    net.train_epochs(data, 2)

    def gradient(weight):
        weight = weight.clone().requires_grad_()
        nn.functional.cross_entropy(data.source @ weight.T, data.targets).backward()
        return weight.grad + 5e-4 * weight.detach()

    first = gradient(torch.zeros(3, 6))
    velocity = 0.9 * first + gradient(-0.1 * first)
    torch.testing.assert_close(module.weight.detach(), -0.1 * first - 0.1 * velocity)


def test_weights_of_examples_scale_their_losses():
    data = problem()
    half = TrainingSet(data.source, data.rows, data.targets, (data.rows < 32).float() * 2)
    first = TrainingSet(data.source, data.rows[:32], data.targets[:32])
    nets = [build(batch_size=64), build(batch_size=64)]
    for net, part in zip(nets, (half, first), strict=True):
        net.train_epochs(part, 3)
    torch.testing.assert_close(nets[0].module_.weight, nets[1].module_.weight)


class RecordRates(Callback):
    def on_epoch_begin(self, net, **kwargs):
        net.rates = [*getattr(net, "rates", []), net.optimizer_.param_groups[0]["lr"]]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (None, [0.5, 0.5, 0.5, 0.5]),
        ("linear", [0.5, 0.375, 0.25, 0.125]),
        # (1 + cos(pi / 4)) / 2 = 0.853553
        ("cosine", [0.5, 0.4267767, 0.25, 0.0732233]),
        (lambda done: 1 - done**2, [0.5, 0.46875, 0.375, 0.21875]),
    ],
)
def test_a_schedule_gives_the_fraction_of_the_learning_rate(schedule, expected):
    net = build(lr=0.5, callbacks=[RecordRates()])
    net.train_epochs(problem(), 4, schedule=schedule)
    assert net.rates == pytest.approx(expected)


def test_a_scheduler_of_skorch_takes_effect():
    # The learning rate is almost zero after the first epoch.
    falls = LRScheduler(policy=torch.optim.lr_scheduler.StepLR, step_size=1, gamma=1e-9)
    nets = [build(callbacks=[falls]), build()]
    for net, n_epochs in zip(nets, (4, 1), strict=True):
        net.train_epochs(problem(), n_epochs)
    torch.testing.assert_close(nets[0].module_.weight, nets[1].module_.weight)


def test_a_callback_can_end_training():
    patience = EarlyStopping(monitor="train_loss", patience=1, threshold=10, sink=lambda _: None)
    net = build(callbacks=[patience])
    net.train_epochs(problem(), 9)
    assert len(net.history) == 2


class Interrupted:
    def __getitem__(self, rows):
        raise KeyboardInterrupt


def test_a_user_can_interrupt_an_epoch():
    data = problem()
    data.source = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        build().train_epochs(data, 1)


def test_callbacks_see_gradients():
    seen = []

    class Gradients(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            seen.append([name for name, _ in named_parameters])

    build(callbacks=[Gradients()]).train_epochs(problem(), 1)
    assert seen == [["weight", "bias"]] * 4


def test_the_state_of_a_net_can_be_restored():
    net, data = build(optimizer="adam"), problem()
    net.train_epochs(data, 1)
    state = net.state(data)
    net.train_epochs(data, 2)
    expected = net.module_.weight.clone()
    net.load_state(state, data)
    net.train_epochs(data, 2)
    assert torch.equal(net.module_.weight, expected)
    assert len(net.history) == 3


def test_the_history_becomes_a_table():
    net = build()
    net.train_epochs(problem(), 3)
    table = epoch_table(net.history)
    assert table.index.tolist() == [1, 2, 3]
    assert table.columns.tolist() == ["dur", "train_loss"]
    assert table.train_loss.tolist() == losses(net)
    assert epoch_table([]).empty


# --- Early stopping


class PlannedAnswers:
    """Answer a planned number of the ten held-out examples correctly in each epoch."""

    def __init__(self, n_correct):
        self.n_correct = iter(n_correct)

    def __call__(self, net, outputs):
        return (torch.arange(10) < next(self.n_correct)).long()


def test_early_stopping_loads_the_best_weights():
    net, data = build(), problem()
    held_out = TrainingSet(data.source, torch.arange(10), torch.ones(10, dtype=torch.int64))
    # The second epoch is the best. Two epochs without a better one end training.
    stopping = HoldOutStopping(held_out, PlannedAnswers([3, 5, 5, 4, 9]), n_iter_no_change=2)
    net.train_epochs(data, 9, early_stopping=stopping)
    assert [row["valid_hit@1"] for row in net.history] == [0.3, 0.5, 0.5, 0.4]
    best = build()
    best.train_epochs(data, 2)
    assert torch.equal(net.module_.weight, best.module_.weight)


# --- Checkpoints


class PowerCut(Callback):
    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise RuntimeError("power cut")


def test_interrupted_training_resumes_from_the_last_epoch(tmp_path, device):
    options = {"optimizer": "adam", "device": device}
    module = nn.Sequential(nn.Dropout(), nn.Linear(6, 3))
    whole, broken, resumed = (
        build(module_copy(module), callbacks=callbacks, **options)
        for callbacks in (None, [PowerCut()], None)
    )
    torch.manual_seed(1)
    whole.train_epochs(problem(), 5)
    torch.manual_seed(1)
    with pytest.raises(RuntimeError, match="power cut"):
        broken.train_epochs(problem(), 5, checkpoint=Checkpoint(tmp_path, "fit"))
    resumed.train_epochs(problem(), 5, checkpoint=Checkpoint(tmp_path, "fit"))
    assert torch.equal(whole.module_[1].weight, resumed.module_[1].weight)
    assert losses(whole) == losses(resumed)


def module_copy(module):
    copy = nn.Sequential(nn.Dropout(), nn.Linear(6, 3))
    copy.load_state_dict(module.state_dict())
    return copy


@pytest.mark.parametrize("content", [b"half", [1], {"net": 1}, {"net": {"weights": []}}], ids=str)
def test_a_checkpoint_that_does_not_fit_is_named(tmp_path, content):
    path = tmp_path / "fit.safetensors"
    path.write_bytes(content) if isinstance(content, bytes) else save(content, path)
    with pytest.raises(ValueError, match=r"fit\.safetensors"):
        build().train_epochs(problem(), 1, checkpoint=Checkpoint(tmp_path, "fit"))


def test_a_checkpoint_with_a_wrong_state_of_random_numbers_is_named(tmp_path):
    build().train_epochs(problem(), 1, checkpoint=Checkpoint(tmp_path, "fit"))
    path = tmp_path / "fit.safetensors"
    state = load(path)
    state["random"][0]["torch"] = torch.zeros(3, dtype=torch.uint8)
    save(state, path)
    with pytest.raises(ValueError, match=r"fit\.safetensors"):
        build().train_epochs(problem(), 2, checkpoint=Checkpoint(tmp_path, "fit"))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_checkpoint_is_refused(tmp_path, data):
    path = tmp_path / "fit.safetensors"
    if not path.exists():
        build(optimizer="adam").train_epochs(problem(), 1, checkpoint=Checkpoint(tmp_path, "fit"))
    good = path.read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"fit\.safetensors"):
        build(optimizer="adam").train_epochs(problem(), 2, checkpoint=Checkpoint(tmp_path, "fit"))
    path.write_bytes(good)


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is of Unix")
def test_training_goes_on_if_the_disk_is_full(tmp_path):
    import resource

    checkpoint = Checkpoint(tmp_path, "fit")
    build().train_epochs(problem(), 1, checkpoint=checkpoint)
    before = checkpoint.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    net = build()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with pytest.warns(UserWarning, match=r"fit\.safetensors"):
            net.train_epochs(problem(), 3, checkpoint=checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(net.history) == 3
    assert checkpoint.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint.path]


class RecordValues(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("when", np.datetime64("2024-01-01"))
        net.history.record("norm", np.float32(0.5))
        net.history.record("tensor", torch.ones(1))


def test_a_callback_that_is_turned_off_needs_no_description(tmp_path):
    for n_epochs in (1, 2):
        net = build(callbacks=[("mine", None)])
        net.train_epochs(problem(), n_epochs, checkpoint=Checkpoint(tmp_path, "fit"))
    assert len(net.history) == 2


def test_a_checkpoint_keeps_numbers_and_text_of_callbacks(tmp_path):
    for callbacks in ([RecordValues()], None):
        net = build(callbacks=callbacks)
        net.train_epochs(problem(), 2, checkpoint=Checkpoint(tmp_path, "fit"))
        table = epoch_table(net.history)
        assert set(table.columns) == {"dur", "norm", "train_loss"}
        assert table.norm.tolist() == [0.5, 0.5]
