"""Hubness: some labels are near to every sample, and are predicted too often."""

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import gen_batches

# Number of neighbours in CSLS, as in the paper.
_N_NEIGHBORS = 10

# Temperature of the inverted softmax, in cosines (see benchmarks/hubness.py). If it is low,
# the nearest point alone decides, and every label that resembles a training label counts as a hub.
_TEMPERATURE = 0.2

# Points scored at once. It limits memory when there are many labels.
_N_POINTS = 128


def hub_offsets(score, points, method):
    r"""Measure how near each label is to samples of any class: (n_labels,), subtracted from scores.

    `score(points)` gives the scores of the labels: (n_points, n_labels).
    "csls" is half the mean cosine of a label with its 10 nearest points (Conneau et al., "Word
    translation without parallel data", ICLR 2018, section 2.3). "inverted_softmax" is
    :math:`T \log \sum_i \exp(\cos(x_i, t) / T)` over the points, with T = 0.2 (Smith et al.,
    "Offline bilingual word vectors, orthogonal transformations and the inverted softmax", ICLR
    2017, eq. 9). The term that both papers subtract for the sample is the same for all its labels,
    so it is left out.
    """
    blocks, best = (score(points[rows]) for rows in gen_batches(len(points), _N_POINTS)), []
    if method == "inverted_softmax":
        near = [logsumexp(block / _TEMPERATURE, axis=0) for block in blocks]
        return _TEMPERATURE * logsumexp(near, axis=0)
    for block in blocks:
        best = np.vstack([*best, block])
        best = np.partition(best, max(0, len(best) - _N_NEIGHBORS), axis=0)[-_N_NEIGHBORS:]
    return best.mean(axis=0) / 2
