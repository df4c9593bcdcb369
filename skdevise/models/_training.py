"""The training loop of a map into the label space."""

import torch

from skdevise.models._projections import LinearProjection
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, Warp
from skdevise.training._net import OPTIMIZERS, TrainingNet

LOSSES = {
    "hinge_rank": HingeRank,
    "warp": Warp,
    "mse": MeanSquaredError,
    "cosine": Cosine,
    "contrastive": Contrastive,
}


class MapNet(TrainingNet):
    """A training loop that knows the gradient of a linear map by the hinge rank loss."""

    @property
    def in_closed_form(self):
        """Whether the closed form holds."""
        return (
            isinstance(self.module_, LinearProjection)
            and isinstance(self.criterion_, HingeRank)
            and not self.criterion_.n_trained
            and self.precision == "float32"
            and self.optimizer in OPTIMIZERS.values()
        )

    def step(self, X, target, weight, batch):
        """Take a step: the loss, a scalar Tensor."""
        if not self.in_closed_form:
            return super().step(X, target, weight, batch)
        loss = self._gradient_in_closed_form(X, target, weight)
        self.notify_gradient(batch)
        if self.optimizer is OPTIMIZERS["adagrad"]:
            self._adagrad_step()
            if not self.callbacks:
                return loss
            self.module_.weight.grad = None  # Schedules count the steps of the optimizer itself.
        self.optimizer_.step()
        return loss

    @torch.no_grad()
    def _gradient_in_closed_form(self, X, target, weight):
        """The gradient of a linear map by the hinge rank loss: of each pull, times the features."""
        map_ = self.module_.weight
        points = X @ map_.T
        rows, constant, pull = self.criterion_.pull(points, target)
        if map_.grad is None:
            map_.grad = torch.empty_like(map_)
        if weight is not None:
            pull, constant = pull * weight[rows, None], constant * weight[rows]
        total = points[rows].mul_(pull).sum()
        total += constant.sum() if isinstance(constant, torch.Tensor) else constant * len(rows)
        torch.mm(pull.div_(len(X)).T, X[rows], out=map_.grad)
        return total / len(X)

    @torch.no_grad()
    def _adagrad_step(self):
        """Adagrad's update, on the optimizer's own state.

        What `Optimizer.step` does around it takes a quarter of the time of a small step.
        """
        map_ = self.module_.weight
        options, squares = self.optimizer_.param_groups[0], self.optimizer_.state[map_]["sum"]
        squares.addcmul_(map_.grad, map_.grad)
        map_.addcdiv_(map_.grad, squares.sqrt().add_(options["eps"]), value=-options["lr"])
