"""Hubs: labels that are near to everything, and are answered too often for that."""

import numpy as np
from scipy.special import logsumexp

from skdevise.labels._search import score_batches

# Neighbours that CSLS takes the mean of, as its authors do.
_N_NEIGHBORS = 10


def hub_offsets(space, points, method, temperature):
    r"""Tell how much too near each label is to samples of any kind.

    Parameters
    ----------
    space : LabelSpace
    points : ndarray of shape (n_points, vector_size)
        Where samples lie, unit rows.
    method : {"csls", "inverted_softmax"}
        "csls": half the mean cosine of a label with the 10 points nearest to it, as in CSLS [1]_.
        "inverted_softmax": :math:`T \log \sum_i \exp(\cos(x_i, t) / T)` over points [2]_.
    temperature : float
        T, of the inverted softmax.

    Returns
    -------
    ndarray of shape (n_labels,)
        To be taken off cosines. What both methods subtract for the sample, the same for all of its
        labels, is left out.

    References
    ----------
    .. [1] Conneau et al., "Word translation without parallel data", ICLR 2018 (section 2.3).
    .. [2] Smith et al., "Offline bilingual word vectors, orthogonal transformations and the
       inverted softmax", ICLR 2017 (eq. 9).

    Examples
    --------
    >>> from skdevise import LabelVocabulary, PretrainedEmbedder
    >>> from skdevise.labels import LabelSpace
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "dog": [0, 1]})
    >>> space = LabelSpace(LabelVocabulary(["cat", "dog"]), embedder)
    >>> hub_offsets(space, np.array([[1, 0], [0.6, 0.8]]), "csls", temperature=1)
    array([0.4, 0.2])
    """
    total = None
    for rows in score_batches(len(points), space.n_terms, points.itemsize):
        block = space.scores(points[rows])
        if method == "csls":
            best = block if total is None else np.vstack([total, block])
            k = min(_N_NEIGHBORS, len(best))
            total = np.partition(best, len(best) - k, axis=0)[len(best) - k :]
        else:
            block = logsumexp(block / temperature, axis=0)
            total = block if total is None else np.logaddexp(total, block)
    return total.mean(axis=0) / 2 if method == "csls" else temperature * total
