"""Record the operations of a function on a GPU once, and replay them for each batch."""

import math

import torch

from skdevise._utils import warn

# The first calls are not recorded, because they choose kernels and allocate memory.
_N_FIRST = 3


def record_on_gpu(run, device, generators):
    """Record the operations of `run` as a CUDA graph: a function that replays them, the result.

    Nothing is computed yet. Each replay writes to the tensors that `run` used here, and advances
    the generators. Raise RuntimeError if `run` cannot be recorded.
    """
    # A recording that fails can leave its stream in use, and torch 2.7 would then refuse to draw
    # from the generators. Both are restored.
    with torch.cuda.stream(torch.cuda.current_stream(device)):
        generators = [*generators, torch.cuda.default_generators[torch.cuda.current_device()]]
        states = [generator.clone_state() for generator in generators]
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
        if torch.__version__ < (2, 13):  # Later versions find the generators, and print a warning.
            for generator in generators:
                graph.register_generator_state(generator)
        try:
            # In this mode, other threads may use the GPU in the meantime.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                result = run()
        except RuntimeError:
            for generator, state in zip(generators, states, strict=True):
                generator.graphsafe_set_state(state)
            raise
    return graph.replay, result


class Recorded:
    """A function on a GPU whose operations are recorded once, and replayed for each batch.

    A training step consists of about thirty operations, and a network of hundreds. The processor
    needs longer to start them one by one than a GPU needs to compute them. A replay starts all at
    once. It reads its input from tensors that stay where they are.

    Parameters
    ----------
    run : callable
        Function of Tensors of a batch, and of numbers, which are float or scalar Tensors. An input
        may be None. It returns one Tensor.
    n_rows : int
        Number of rows of the batches that are recorded. Other batches are not.
    record : callable
        Function that records a call without parameters. It returns a function that replays it, and
        its result. `record_on_gpu` is an example.
    name : str, default=None
        Name of the function in a warning, if it cannot be recorded. None does not warn.
    """

    def __init__(self, run, n_rows, record, name=None):
        self.run = run
        self.n_rows = n_rows
        self.record = record
        self.name = name
        self.n_done = 0
        self.replay = None

    def __call__(self, batch, *inputs):
        """Return the result for a batch (n, ...) and other inputs: Tensor."""
        is_first = self.n_done < _N_FIRST
        self.n_done += 1
        inputs = batch, *inputs
        if is_first or len(batch) != self.n_rows:
            return self.run(*inputs)
        if self.replay is None and not self._record(inputs):
            return self.run(*inputs)
        for i, (own, given) in enumerate(zip(self.inputs, inputs, strict=True)):
            if isinstance(given, torch.Tensor):
                own.copy_(given)
            elif given != self.numbers[i]:
                self.numbers[i] = given
                own.fill_(given)
        self.replay()
        return self.result.clone()  # The next replay overwrites it.

    def _record(self, inputs):
        """Record the function on copies of its inputs, and return whether that works: bool."""
        self.numbers = list(inputs)
        self.inputs = [_copy(given, inputs[0].device) for given in inputs]
        try:
            self.replay, self.result = self.record(lambda: self.run(*self.inputs))
        except RuntimeError as error:
            if self.name is not None:
                warn(
                    f"{self.name} cannot be recorded as a CUDA graph ({error}). It takes longer "
                    "without.",
                )
            self.n_rows = math.inf  # No batch is recorded any more.
        return self.replay is not None


def _copy(given, device):
    """Copy a Tensor, or put a number on a device. None stays None."""
    if isinstance(given, float):
        return torch.full((), given, device=device)
    return None if given is None else given.clone()
