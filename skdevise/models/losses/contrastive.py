"""The contrastive loss of CLIP, over labels."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from skdevise.models.losses._label_loss import LabelLoss

# A learned temperature stays above it, as in CLIP.
_LEAST_TEMPERATURE = 0.01


class Contrastive(LabelLoss):
    r"""Cross-entropy of a softmax over the cosine similarities with all labels.

    .. math:: -\cos(p, t_y) / T + \log \sum_j \exp(\cos(p, t_j) / T)

    Parameters
    ----------
    label_vectors, n_trained, seed
        See `LabelLoss`.
    temperature : float or "learned", default="learned"
        Temperature T. A lower one concentrates the loss on the most similar labels. "learned"
        trains its logarithm and keeps T above 0.01 [1]_ (section 2.5).
    start : float, default=0.07
        Initial value of a learned temperature, as in CLIP.

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

    def __init__(self, label_vectors, n_trained=0, temperature="learned", start=0.07, seed=0):
        super().__init__(label_vectors, n_trained, seed)
        if temperature == "learned":
            self.log_temperature = nn.Parameter(torch.tensor(math.log(start)))
        else:
            self.log_temperature = math.log(temperature)

    def forward(self, points, target):
        """Compute the losses (n,) of points (n, vector_size) with true labels (n,)."""
        points = F.normalize(points, dim=1)
        cosines = points @ self.vectors.T
        if self.terms is not None:
            true = torch.linalg.vecdot(points, self.true_vectors(target))
            cosines = cosines.scatter(1, target[:, None], true[:, None])
        return F.cross_entropy(cosines / self.temperature, target, reduction="none")

    @property
    def temperature(self):
        """The temperature T: a float, or a scalar Tensor if it is learned."""
        if isinstance(self.log_temperature, float):
            return math.exp(self.log_temperature)
        return self.log_temperature.exp().clamp_min(_LEAST_TEMPERATURE)
