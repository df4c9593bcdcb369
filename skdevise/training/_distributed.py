"""Training that several processes share, started by `torchrun` or `accelerate launch`."""

from functools import cached_property

import numpy as np
import torch
from skorch.hf import AccelerateMixin

from skdevise._utils import find_device, import_optional
from skdevise.training._net import Batches


def open_accelerator():
    """Return the accelerator of this process, which knows the others."""
    accelerate = import_optional("accelerate", extra="distributed", purpose="distributed=True")

    class Accelerator(accelerate.Accelerator):
        def prepare_model(self, model, device_placement=None, evaluation_mode=False):
            # torch refuses to wrap a module without parameters, such as most losses.
            is_trained = any(parameter.requires_grad for parameter in model.parameters())
            return super().prepare_model(model, device_placement, evaluation_mode or not is_trained)

    # Without `cpu`, processes without a GPU would not notice each other.
    return Accelerator(cpu=find_device("auto").type == "cpu")


def gather(value):
    """Collect a value of each process in all processes, by rank: list."""
    from accelerate.utils import gather_object

    open_accelerator()
    return gather_object([value])


def from_first(make):
    """Return in all processes the value that the first one makes."""
    from accelerate.utils import broadcast_object_list

    is_first = open_accelerator().is_main_process
    return broadcast_object_list([make() if is_first else None])[0]


def compute_together(compute, take, n_rows):
    """Compute rows by `compute(take(rows))`, a part in each process: (n_rows, n_columns)."""
    accelerator = open_accelerator()
    rows = np.array_split(np.arange(n_rows), accelerator.num_processes)[accelerator.process_index]
    part = compute(take(rows)) if len(rows) else None
    return np.concatenate([part for part in gather(part) if part is not None])


class PartialBatches(Batches):
    """The part of each batch that one of several processes trains on.

    All processes draw the same order. A batch of the training consists of the batches of all
    processes, so it is `n_processes` times as large.
    """

    def __init__(self, dataset, batch_size, generator, skip_single, rank, n_processes):
        super().__init__(dataset, batch_size, generator, skip_single)
        self.rank = rank
        self.n_processes = n_processes

    def _order(self):
        """Draw the positions that this process trains on: (n,)."""
        order = self._permutation()
        n_left = len(order) % (self.batch_size * self.n_processes)
        # Batch norm cannot train on a single example in one of the processes.
        if self.skip_single and n_left < 2 * self.n_processes and n_left < len(order):
            order, n_left = order[: len(order) - n_left], 0
        whole, left = order.split([len(order) - n_left, n_left])
        # A process without an example takes one, to stay in step. It gets the weight 0 below.
        rest = left[self.rank :: self.n_processes] if self.rank < n_left else left[:1]
        self.weight_of_last = 1.0
        if n_left:
            self.weight_of_last = (self.rank < n_left) * len(rest) * self.n_processes / n_left
        return torch.cat([whole[self.rank :: self.n_processes], rest])

    def __iter__(self):
        last = (len(self.dataset) - 1) // (self.batch_size * self.n_processes)
        for i, (X, (target, weight)) in enumerate(super().__iter__()):
            # Processes may have different numbers of examples in the last batch.
            if i == last and self.weight_of_last != 1:
                weight = torch.ones(len(target), device=target.device) if weight is None else weight
                weight = weight * self.weight_of_last
            yield X, (target, weight)


class DistributedMixin(AccelerateMixin):
    """Trains a `TrainingNet` in all processes. Each of them calls the same methods."""

    def __init__(self, *args, lr, device, **params):
        accelerator = open_accelerator()
        params["iterator_train"] = PartialBatches
        params["iterator_train__rank"] = accelerator.process_index
        params["iterator_train__n_processes"] = accelerator.num_processes
        # skorch prints to any other sink even without `verbose`.
        params["callbacks__print_log__sink"] = accelerator.print if params["verbose"] else print
        # Rounding differs between machines, but all processes need the same rate.
        params["lr"] = from_first(lambda: lr)
        # The accelerator moves the module to the device of the process.
        params |= {"device": None, "unwrap_after_train": False}
        super().__init__(*args, accelerator=accelerator, **params)

    def initialize(self):
        """Create all parts, and wrap them for the processes."""
        super().initialize()
        self.device = self.accelerator.device
        return self

    @property
    def rank(self):
        """Number of this process, from 0."""
        return self.accelerator.process_index

    @property
    def n_processes(self):
        """Number of processes."""
        return self.accelerator.num_processes

    @cached_property
    def bare_module(self):
        """The module without the wrapper that averages its gradients."""
        return self.accelerator.unwrap_model(self.module_)

    @cached_property
    def bare_criterion(self):
        """The criterion without the wrapper that averages its gradients."""
        return self.accelerator.unwrap_model(self.criterion_)

    def average(self, gradient):
        """Average a gradient over the processes, in place."""
        gradient.copy_(self.accelerator.reduce(gradient, "mean"))

    gather = staticmethod(gather)
    from_first = staticmethod(from_first)

    def train_epochs(self, data, n_epochs, **options):
        """Train with the other processes, each on its part of each batch."""
        # All processes draw the same order, but other negatives, augmentation and dropout.
        on_cpu = self.device.type == "cpu"
        seed_all = torch.default_generator.manual_seed if on_cpu else torch.manual_seed
        seed_all(torch.initial_seed() + self.rank)
        for generator in self.generators(data)[1:]:
            generator.manual_seed(generator.initial_seed() + self.rank)
        super().train_epochs(data, n_epochs, **options)

    def on_epoch_end(self, net, dataset_train=None, **params):
        """Replace the losses in the history by those of the whole batches."""
        batches, size = self.history_[-1]["batches"], self.batch_size * self.n_processes
        losses = torch.tensor([row["train_loss"] for row in batches], device=self.device)
        losses = self.accelerator.reduce(losses, "mean").tolist()
        for i, (row, loss) in enumerate(zip(batches, losses, strict=True)):
            row["train_loss"] = loss
            row["train_batch_size"] = min(size, len(dataset_train) - i * size)
        super().on_epoch_end(net, dataset_train=dataset_train, **params)
