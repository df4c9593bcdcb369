"""Linear maps that need no training: they solve for sums over the samples."""

from copy import deepcopy

import numpy as np
from scipy.linalg import LinAlgError, solve
from scipy.sparse import csr_array

CLOSED_FORMS = ("ridge", "eszsl")


def train_map(clf, samples, start=None):
    """Solve for a classifier's map.

    Parameters
    ----------
    clf : DeViSEClassifier
        It keeps the map, and the sums that it was solved for.
    samples : Samples
    start : ignored
    """
    train_pass(clf, samples.take(samples.kept), None)


def train_pass(clf, samples, earlier):
    """Add samples to the sums of a classifier, and solve for its map.

    Parameters
    ----------
    clf : DeViSEClassifier
    samples : Samples
    earlier : ndarray of labels, or None
        The classes of the calls before; None in the first one.
    """
    if earlier is None:
        sums = Sums(samples.table.shape[1], len(clf.classes_))
    else:
        sums = deepcopy(clf._sums)
        sums.join(np.searchsorted(clf.classes_, earlier), len(clf.classes_))
    with np.errstate(over="ignore"):  # `_solve` says so.
        for part, block, weight in samples.blocks():
            sums.add(clf._scale(block), samples.targets[part], weight)
    vectors = clf.label_space_.targets.astype(np.float64)
    if clf.projection == "ridge":
        clf.coef_ = ridge(sums, vectors, clf.alpha)
    else:
        clf.coef_ = eszsl(sums, vectors, clf.alpha, clf.label_alpha)
    clf._sums = sums


class Sums:
    """What closed forms need of the samples: sums that can be added to batch by batch.

    Attributes
    ----------
    gram : ndarray of float64, of shape (n_features, n_features)
        Sum of w x x'.
    of_classes : ndarray of float64, of shape (n_classes, n_features)
        Sums of w x over the samples of each class.

    Examples
    --------
    >>> sums = Sums(n_features=2, n_classes=1)
    >>> sums.add(np.array([[1, 2], [3, 4]]), np.array([0, 0]))
    >>> sums.gram, sums.of_classes
    (array([[10., 14.],
           [14., 20.]]), array([[4., 6.]]))
    """

    def __init__(self, n_features, n_classes):
        self.gram = np.zeros((n_features, n_features))
        self.of_classes = np.zeros((n_classes, n_features))

    def add(self, features, targets, sample_weight=None):
        """Add some samples.

        Parameters
        ----------
        features : ndarray of shape (n, n_features)
        targets : ndarray of int, of shape (n,)
        sample_weight : ndarray of shape (n,), default=None
        """
        features = features.astype(np.float64, copy=False)
        weight = np.ones(len(features)) if sample_weight is None else sample_weight
        weighted = features * weight[:, None]
        self.gram += features.T @ weighted
        member = csr_array(
            (np.ones(len(targets)), (targets, np.arange(len(targets)))),
            (len(self.of_classes), len(targets)),
        )
        self.of_classes += member @ weighted

    def join(self, places, n_classes):
        """Make room for more classes.

        Parameters
        ----------
        places : ndarray of int
            Where those of before stand among all of them.
        n_classes : int
        """
        of_earlier, self.of_classes = self.of_classes, np.zeros((n_classes, len(self.gram)))
        self.of_classes[places] = of_earlier


def ridge(sums, vectors, alpha):
    r"""Ridge regression from features to the vectors of their labels: Palatucci et al. 2009.

    .. math:: M = (\sum_i t_i x_i') (\sum_i x_i x_i' + \alpha I)^{-1}

    Parameters
    ----------
    sums : Sums
    vectors : ndarray of shape (n_classes, vector_size)
    alpha : float

    Returns
    -------
    ndarray of float64, of shape (vector_size, n_features)

    Examples
    --------
    >>> sums = Sums(n_features=1, n_classes=2)
    >>> sums.add(np.array([[1], [2]]), np.array([0, 1]))
    >>> ridge(sums, np.eye(2), alpha=5)  # t'x / (1 + 4 + 5)
    array([[0.1],
           [0.2]])
    """
    return _solve(sums.gram, "alpha", alpha, sums.of_classes.T @ vectors).T


def eszsl(sums, vectors, alpha, label_alpha):
    r"""Embarrassingly simple zero-shot learning [1]_ (eq. 8).

    .. math:: M' = (X X' + \alpha I)^{-1} X Y S' (S S' + \lambda I)^{-1}

    where Y is 1 for a sample's label and 0 for the others, S holds the labels' vectors in its
    columns, and :math:`\lambda` is `label_alpha`. (The paper writes -1 for the others. Of a
    thousand labels that are none of them, all points would lie away from the mean label.)

    Parameters
    ----------
    sums : Sums
    vectors : ndarray of shape (n_classes, vector_size)
    alpha, label_alpha : float

    Returns
    -------
    ndarray of float64, of shape (vector_size, n_features)

    References
    ----------
    .. [1] Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning",
       ICML 2015.

    Examples
    --------
    >>> sums = Sums(n_features=1, n_classes=2)
    >>> sums.add(np.array([[1], [2]]), np.array([0, 1]))
    >>> eszsl(sums, np.eye(2), alpha=5, label_alpha=1)  # X Y = (1, 2), over 10 and 2
    array([[0.05],
           [0.1 ]])
    """
    return _solve(vectors.T @ vectors, "label_alpha", label_alpha, ridge(sums, vectors, alpha))


def _solve(gram, name, alpha, right):
    gram = gram + alpha * np.eye(len(gram))
    if not (np.isfinite(gram).all() and np.isfinite(right).all()):
        raise ValueError("Sums over the samples overflow: scale sample_weight down.")
    try:
        return solve(gram, right, assume_a="pos")
    except LinAlgError as error:
        raise ValueError(
            f"{name}={alpha} is too small for the sums over the samples to be solved: raise it."
        ) from error
