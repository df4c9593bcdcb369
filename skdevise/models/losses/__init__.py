"""Losses that train a projection into the label space."""

from skdevise.models.losses.contrastive import Contrastive
from skdevise.models.losses.cosine import Cosine
from skdevise.models.losses.hinge_rank import HingeRank
from skdevise.models.losses.mse import MeanSquaredError
from skdevise.models.losses.warp import Warp

__all__ = ["Contrastive", "Cosine", "HingeRank", "MeanSquaredError", "Warp"]
