import numpy as np
import torch

from skdevise.models.training import Batches, make_net


class CountedIndexing:
    """An array that counts how often it is indexed."""

    def __init__(self, values):
        self.values = torch.as_tensor(values)
        self.n_calls = 0

    def __getitem__(self, rows):
        self.n_calls += 1
        return self.values[rows]


class TenRows:
    def __init__(self):
        self.X = CountedIndexing(np.arange(10.0)[:, None])
        self.y = CountedIndexing(np.arange(10))

    def __len__(self):
        return 10


def test_batches_are_indexed_whole():
    # Trap 4: ten rows in batches of four are three look-ups, not ten.
    rows = TenRows()
    sizes = [len(y) for _, y in Batches(rows, 4, torch.Generator().manual_seed(0))]
    assert sizes == [4, 4, 2]
    assert rows.X.n_calls == rows.y.n_calls == 3


def test_batches_hold_each_row_once_in_a_fresh_order_each_time():
    batches = Batches(TenRows(), 4, torch.Generator().manual_seed(0))
    first, second = (torch.cat([y for _, y in batches]).tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_the_map_has_no_bias_and_starts_from_zero():
    net = make_net(
        3, np.eye(2, dtype=np.float32), loss="hinge_rank", margin=0.1, negatives="all",
        optimizer="sgd", lr=1.0, max_epochs=1, batch_size=2, callbacks=None, device="cpu",
        seed=0, verbose=0,
    )  # fmt: skip
    assert [tuple(p.shape) for p in net.module_.parameters()] == [(2, 3)]
    assert net.module_.weight.abs().max() == 0
