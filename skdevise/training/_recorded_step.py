"""Record a training step on a GPU once, and replay it for each batch."""

import torch

from skdevise._utils import warn

# The first steps are not recorded, because they choose kernels and allocate memory.
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


class RecordedStep:
    """A training step that is recorded once, and replayed for each batch of the same size.

    A step consists of about thirty operations. The processor needs longer to start them one by one
    than a GPU needs to compute them. A replay starts all at once. It reads the batch and the
    learning rate from tensors that stay where they are. Smaller batches are not recorded.

    Parameters
    ----------
    step : callable
        Function of the learning rate (a Tensor, or None for that of the optimizer) and the Tensors
        of a batch, some of which may be None. It returns the loss, a scalar Tensor.
    batch_size : int
        Number of samples in the batches that are recorded.
    record : callable
        Function that records a call without parameters. It returns a function that replays it, and
        its result. `record_on_gpu` is an example.
    """

    def __init__(self, step, batch_size, record):
        self.step = step
        self.batch_size = batch_size
        self.record = record
        self.n_done = 0
        self.replay = None

    def __call__(self, lr, *batch):
        """Take the step with a learning rate, that of the optimizer: the loss, a scalar Tensor."""
        is_first = self.n_done < _N_FIRST
        self.n_done += 1
        if is_first or len(batch[0]) != self.batch_size:
            return self.step(None, *batch)
        if self.replay is None and not self._record(lr, batch):
            return self.step(None, *batch)
        for own, tensor in zip(self.batch, batch, strict=True):
            if own is not None:
                own.copy_(tensor)
        if lr != self.lr:
            self.lr = lr
            self.lr_on_device.fill_(lr)
        self.replay()
        return self.loss.clone()  # The next replay overwrites it.

    def _record(self, lr, batch):
        """Record the step on copies of a batch, and return whether that is possible: bool."""
        self.batch = [None if tensor is None else tensor.clone() for tensor in batch]
        self.lr, self.lr_on_device = lr, torch.full((), lr, device=batch[0].device)
        try:
            self.replay, self.loss = self.record(lambda: self.step(self.lr_on_device, *self.batch))
        except RuntimeError as error:
            warn(
                f"The training step cannot be recorded as a CUDA graph ({error}). Training goes on "
                "without it. Use compile=False to avoid this warning.",
            )
            self.batch_size = None  # No batch is recorded any more.
        return self.replay is not None
