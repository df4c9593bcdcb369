"""Losses that train a projection into the label space."""

from skdevise.models.losses.contrastive import Contrastive
from skdevise.models.losses.distance import Cosine, MeanSquaredError
from skdevise.models.losses.hinge_rank import HingeRank
from skdevise.models.losses.own import OwnLoss
from skdevise.models.losses.warp import Warp

__all__ = ["Contrastive", "Cosine", "HingeRank", "MeanSquaredError", "OwnLoss", "Warp"]
