"""The automatic learning rate of DeViSEClassifier."""

import numpy as np

# Size of the scores that a loss asks for. For the losses with a margin it is the default margin. If
# the rate grew with `margin`, it would only scale M, and the predictions would not depend on it.
_SCORE_SIZES = {"hinge_rank": 0.1, "warp": 0.1, "mse": 1.0, "cosine": 2.0, "contrastive": 2.0}

# An optimizer with a moving average moves the weights by the full rate in every step, whereas
# the steps of Adagrad shrink.
_ADAM_SHARE = 0.1


def automatic_lr(samples, vectors, scale, params):
    """Choose the learning rate of stage 1 from samples, label vectors and parameters: float.

    The first step of Adagrad from zero moves each weight by the learning rate. It widens the gap
    between the score of the true label and the mean label, on average over the samples, by
    `lr * agreement * spread`. `spread` is the widest gap that a sample could get at rate 1, and
    `agreement` is the fraction that is left when all samples share the step.
    """
    optimizer = params["optimizer"]
    is_known = params["projection"] == "linear" and optimizer in ("adagrad", "adam")
    agreement, spread = _first_step(samples, vectors, scale) if is_known else (0.0, 0.0)
    if not spread > 0:  # Otherwise all features are zero, or all labels have the same vector.
        return 0.02
    size = _SCORE_SIZES[params["loss"]]
    # The fewer samples agree, the more the later steps cancel each other. benchmarks/defaults.py
    # compares the constants with the best of a grid.
    agreement = max(agreement, 1 / 16)
    n_gaps = max(1 / 4, 1 / (40 * agreement))
    # The distance that Adagrad travels grows with the square root of the number of steps.
    n_gaps *= (30 / max(params["max_epochs"], 1)) ** 0.5
    lr = n_gaps * size / (agreement * spread)
    lr = lr * _ADAM_SHARE if optimizer == "adam" else lr
    return float(f"{lr:.3g}")  # The order of the sums over blocks must not matter.


def _first_step(samples, vectors, scale):
    """Measure the first step from zero: agreement of the samples, and their mean spread."""
    directions = vectors - vectors.mean(axis=0)
    lengths = np.abs(directions).sum(axis=1)
    gradient, spread, total, start = 0.0, 0.0, 0.0, 0
    for block, weight in samples.blocks():
        targets = samples.targets[start : start + len(block)]
        start += len(block)
        features = scale(block)
        if weight is None:
            weight = np.ones(len(block), features.dtype)
        spread += (np.abs(features).sum(axis=1) * lengths[targets]) @ weight
        gradient = gradient + (directions[targets] * weight[:, None]).T @ features
        total += weight.sum()
    shared = np.abs(gradient).sum()
    return (shared / spread if spread > 0 else 0.0), spread / total
