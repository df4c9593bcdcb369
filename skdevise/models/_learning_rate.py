"""The automatic learning rate of DeViSEClassifier."""

import numpy as np
from numpy.linalg import norm
from sklearn.linear_model import Ridge

# Size of the scores that a loss asks for. For the losses with a margin it is the default margin. If
# the rate grew with `margin`, it would only scale M, and the predictions would not depend on it.
_SCORE_SIZES = {"hinge_rank": 0.1, "warp": 0.1, "mse": 1.0, "cosine": 2.0, "contrastive": 2.0}

# The losses with a margin need larger weights if label vectors are nearer to each other than word
# vectors are. The gap of two labels is one minus their cosine. A smaller gap counts as the least.
_MARGIN_LOSSES = ("hinge_rank", "warp")
_INVERSE_GAP_OF_WORDS = 1.4
_LEAST_GAP = 0.1
_N_COMPARED = 1000

# First step of Adagrad, relative to the weights of a map that opens gaps of the above size, and
# ridge penalty of this map. benchmarks/defaults.py compares them with the best of a grid.
_FIRST_STEP = 1 / 3
_PENALTY = 1e-3

# A smaller agreement of features and label vectors is due to rounding.
_ROUNDING = 1e-6

# An optimizer with a moving average moves the weights by the full rate in every step, whereas
# the steps of Adagrad shrink.
_ADAM_SHARE = 0.1


def automatic_lr(samples, vectors, scale, params):
    """Choose the learning rate of stage 1 from samples, label vectors and parameters: float.

    The first step of Adagrad from zero moves each weight by the learning rate. The distance that
    the weights have to travel is estimated by ridge regression.
    """
    optimizer = params["optimizer"]
    is_known = params["projection"] == "linear" and optimizer in ("adagrad", "adam")
    weight = _typical_weight(samples, vectors, scale) if is_known else 0.0
    if not weight > 0:  # Otherwise all classes have the same features, or the same vector.
        return 0.02
    lr = _FIRST_STEP * _SCORE_SIZES[params["loss"]] * weight
    if params["loss"] in _MARGIN_LOSSES:
        lr *= max(1, _inverse_gap(vectors) / _INVERSE_GAP_OF_WORDS)
    # The distance that Adagrad travels grows with the square root of the number of steps.
    lr *= (30 / max(params["max_epochs"], 1)) ** 0.5
    lr = lr * _ADAM_SHARE if optimizer == "adam" else lr
    return float(f"{lr:.3g}")  # The order of the sums over blocks must not matter.


def _typical_weight(samples, vectors, scale):
    """Compute the root mean square of the weights that map class means to label vectors: float."""
    means, totals = samples.class_means(len(vectors), scale)
    means, vectors, share = (part[totals > 0] for part in (means, vectors, totals / totals.sum()))
    vectors = vectors - share @ vectors
    size, gaps = (share @ np.square(part).sum(axis=1) for part in (means, vectors))
    moment = (share[:, None] * vectors).T @ means
    if norm(moment) <= _ROUNDING * np.sqrt(size * gaps):
        return 0.0
    # The fewer samples a class has, the less exact is its mean.
    penalty = _PENALTY * size * len(means) / len(samples.rows)
    map_ = Ridge(penalty, fit_intercept=False).fit(means, vectors, share).coef_
    # The penalty, or a lack of features, keeps the map from reaching the vectors.
    share_of_gaps = (map_ * moment).sum() / gaps
    return np.sqrt(np.mean(np.square(map_))) / share_of_gaps


def _inverse_gap(vectors):
    """Compute the root mean square of 1 / (1 - cosine) over the pairs of labels: float."""
    rows = np.arange(0, len(vectors), -(-len(vectors) // _N_COMPARED))
    inverse = 1 / np.maximum(1 - vectors[rows] @ vectors.T, _LEAST_GAP)
    inverse[np.arange(len(rows)), rows] = 0  # A label has no gap to itself.
    return norm(inverse) / np.sqrt(len(rows) * (len(vectors) - 1))
