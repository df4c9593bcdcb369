"""Cross-entropy over cosines."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from skdevise.models.losses._label_loss import LabelLoss

# Where learning starts, and the least that it may reach, as in CLIP.
FIRST_TEMPERATURE = 0.07
_LEAST_TEMPERATURE = 0.01


class Contrastive(LabelLoss):
    r"""Cross-entropy of the softmax over labels' cosines, divided by a temperature T.

    .. math:: -\cos(p, t_y) / T + \log \sum_j \exp(\cos(p, t_j) / T)

    Parameters
    ----------
    label_vectors, n_trained
        As in `LabelLoss`.
    temperature : float or "learned", default="learned"
        T; if learned, its logarithm is a parameter that starts from log `start`, and T stays above
        0.01 [1]_ (section 2.5).
    start : float, default=0.07
        Where a T that is learned starts from.

    References
    ----------
    .. [1] Radford et al., "Learning transferable visual models from natural language supervision",
       ICML 2021.

    Examples
    --------
    >>> import torch
    >>> loss = Contrastive(torch.eye(2), temperature=0.5)
    >>> loss(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))  # log(1 + exp(-2))
    tensor([0.1269])
    """

    def __init__(self, label_vectors, n_trained=0, temperature="learned", start=FIRST_TEMPERATURE):
        super().__init__(label_vectors, n_trained)
        if temperature == "learned":
            self.log_temperature = nn.Parameter(torch.tensor(math.log(start)))
        else:
            self.log_temperature = math.log(temperature)

    def forward(self, points, target):
        """Losses (n,) of points (n, vector_size) whose true labels are at positions (n,)."""
        cosines = F.normalize(points, dim=1) @ self.vectors.T
        return F.cross_entropy(cosines / self.temperature, target, reduction="none")

    @property
    def temperature(self):
        """T: a float, or if it is learned a scalar Tensor."""
        if isinstance(self.log_temperature, float):
            return math.exp(self.log_temperature)
        return self.log_temperature.exp().clamp_min(_LEAST_TEMPERATURE)
