"""Record the operations of a function on a GPU once, and replay them for each batch."""

import math
from threading import Lock
from weakref import WeakValueDictionary

import torch

from skdevise._utils import warn

# The first calls are not recorded, because they choose kernels and allocate memory.
_N_FIRST = 3

# PyTorch has 32 streams. If two graphs shared one, the end of one would free memory of the other.
_N_STREAMS = 32
_GRAPHS = WeakValueDictionary()  # the graphs in use, by stream

# A recording waits for the GPU, which would end the recording of another thread.
_LOCK = Lock()


def record_on_gpu(run, device, generators):
    """Record the operations of `run` as a CUDA graph: a function that replays them, the result.

    Nothing is computed yet. Each replay writes to the tensors that `run` used here, and advances
    the generators. Raise RuntimeError if `run` cannot be recorded.
    """
    # A recording that fails can leave its stream in use, and torch 2.7 would then refuse to draw
    # from the generators. Both are restored.
    with _LOCK, torch.cuda.stream(torch.cuda.current_stream(device)):
        generators = [*generators, torch.cuda.default_generators[torch.cuda.current_device()]]
        states = [generator.clone_state() for generator in generators]
        graph = torch.cuda.CUDAGraph()
        stream = _unused_stream(device)
        _GRAPHS[stream.cuda_stream] = graph
        if torch.__version__ < (2, 13):  # Later versions find the generators, and print a warning.
            with torch.inference_mode(False):  # The states must stay ordinary tensors.
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


def _unused_stream(device):
    """Find a stream that no graph uses, or raise RuntimeError."""
    for _ in range(_N_STREAMS):
        stream = torch.cuda.Stream(device)
        if stream.cuda_stream not in _GRAPHS:
            return stream
    raise RuntimeError(f"{_N_STREAMS} graphs are in use")


class Recorded:
    """A function on a GPU whose operations are recorded once, and replayed for each batch.

    A training step consists of about thirty operations, and a network of hundreds. The processor
    needs longer to start them one by one than a GPU needs to compute them. A replay starts all at
    once. It reads its input from tensors that stay where they are.

    `run` takes Tensors of a batch, numbers (float or scalar Tensors) and None. It returns a Tensor.
    Batches of another number of rows than `n_rows` run without a recording. `record` is like
    `record_on_gpu` with its other arguments. A warning names the function, if it has a `name`.
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
        can_replay = not is_first and len(batch) == self.n_rows
        can_replay = can_replay and (self.replay is not None or self._record(inputs))
        if not can_replay or batch.shape != self.inputs[0].shape:
            return self.run(*inputs)
        for i, (kept, given) in enumerate(zip(self.inputs, inputs, strict=True)):
            if isinstance(given, torch.Tensor):
                kept.copy_(given)
            elif given != self.numbers[i]:
                self.numbers[i] = given
                kept.fill_(given)
        self.replay()
        return self.result.clone()  # The next replay overwrites it.

    def _record(self, inputs):
        """Record the function on copies of its inputs, and return whether that works: bool."""
        self.numbers = [given if isinstance(given, float) else None for given in inputs]
        self.inputs = [_copy(given, inputs[0].device) for given in inputs]
        try:
            self.replay, self.result = self.record(lambda: self.run(*self.inputs))
        except RuntimeError as error:
            if self.name is not None:
                warn(
                    f"{self.name} cannot be recorded as a CUDA graph ({error}). Training goes on, "
                    "but takes longer.",
                )
            self.n_rows = math.inf  # No batch is recorded any more.
        return self.replay is not None


def _copy(given, device):
    """Copy a Tensor, or put a number on a device. None stays None."""
    if isinstance(given, float):
        return torch.full((), given, device=device)
    return None if given is None else given.clone()
