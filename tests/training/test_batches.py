import torch

from skdevise.training._batches import Batches, TrainingSet


class CountedRows:
    """Ten rows that count how often they are asked for."""

    n_rows_at_once = 1

    def __init__(self):
        self.n_calls = 0

    def __getitem__(self, rows):
        self.n_calls += 1
        return rows[:, None].float()


def ten_rows(source=None, weights=None):
    source = CountedRows() if source is None else source
    return TrainingSet(source, torch.arange(10), torch.arange(10), weights)


def batches(data, size=4, **options):
    return Batches(data, size, torch.Generator().manual_seed(0), **options)


def test_batches_are_indexed_whole():
    # Trap 4: ten rows in batches of four are three look-ups, not ten.
    data = ten_rows()
    assert [len(target) for _, (target, _) in batches(data)] == [4, 4, 2]
    assert data.source.n_calls == 3


def test_small_batches_are_fetched_together():
    data = ten_rows()
    data.source.n_rows_at_once = 9
    assert [len(target) for _, (target, _) in batches(data)] == [4, 4, 2]
    assert data.source.n_calls == 2


def test_batches_hold_each_row_once_with_its_target_and_weight():
    data = ten_rows(weights=torch.arange(10.0))
    for X, (target, weight) in batches(data):
        assert X.squeeze(1).tolist() == target.tolist() == weight.tolist()
    first, second = (
        torch.cat([target for _, (target, _) in both]).tolist() for both in [batches(data)] * 2
    )
    assert sorted(first) == sorted(second) == list(range(10))


def test_each_pass_has_a_fresh_order():
    own = batches(ten_rows())
    first, second = (torch.cat([target for _, (target, _) in own]).tolist() for _ in range(2))
    assert first != second


def test_a_last_batch_of_one_can_be_left_out():
    # Batch norm cannot train on it.
    sizes = [len(target) for _, (target, _) in batches(ten_rows(), 3, drops_lone=True)]
    assert sizes == [3, 3, 3]
