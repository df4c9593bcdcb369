"""What a map into the label space is trained to make small; one loss a file."""

from skdevise.models.losses.contrastive import Contrastive
from skdevise.models.losses.cosine import Cosine
from skdevise.models.losses.hinge_rank import HingeRank
from skdevise.models.losses.mse import MeanSquaredError
from skdevise.models.losses.warp import Warp

__all__ = ["Contrastive", "Cosine", "HingeRank", "MeanSquaredError", "Warp"]
