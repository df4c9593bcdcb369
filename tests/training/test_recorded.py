"""Functions whose operations are recorded for batches of one shape."""

import torch

from skdevise.training._recorded import Recorded


def record(run):
    """Record as a GPU does: a replay runs the function on the same tensors."""
    result = run().clone()
    return lambda: result.copy_(run()), result


def test_batches_of_other_shapes_run_without_the_recording():
    used = []

    def double(batch, factor):
        used.append(tuple(batch.shape))
        return factor * 2 * batch

    recorded = Recorded(double, 2, record)
    shapes = [(2, 3)] * 5 + [(2, 1), (1, 3), (2, 4), (2, 3)]
    for factor, shape in enumerate(shapes, start=1):
        batch = torch.full(shape, 10.0 + factor)
        assert torch.equal(recorded(batch, float(factor)), factor * 2 * batch)
    assert used[-4:] == [(2, 1), (1, 3), (2, 4), (2, 3)]
    assert recorded.inputs[0].shape == (2, 3)


def test_results_stay_after_the_next_call():
    recorded = Recorded(lambda batch: 2 * batch, 1, record)
    results = [recorded(torch.full((1,), float(i))) for i in range(6)]
    assert torch.cat(results).tolist() == [0, 2, 4, 6, 8, 10]


def test_a_function_that_cannot_be_recorded_runs_as_before():
    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    recorded = Recorded(lambda batch: 2 * batch, 1, refuse)
    assert [recorded(torch.full((1,), float(i))).item() for i in range(6)] == [0, 2, 4, 6, 8, 10]
