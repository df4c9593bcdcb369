"""Cross-validation splits whose test classes are absent from training."""

from collections.abc import Iterator
from math import ceil
from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdevise._columns import check_targets
from skdevise._typing import ArrayLike, NDArray, RandomState
from skdevise._utils import check_count


class UnseenClassSplit(GroupShuffleSplit):
    """Random splits whose test classes are absent from training.

    Each split draws some classes and puts all their samples into the test set. Use it to measure
    how well a classifier answers with labels that it never saw. Score with
    ``HitAtK(labels="test")``, which makes the test classes the candidates.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits. More splits make the mean score less noisy, and take longer.
    test_size : float or int, default=0.2
        Classes in the test set: a float is their share, rounded up, and an int their number.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. Pass an int for the same splits in every run.

    See Also
    --------
    skdevise.metrics.HitAtK : The scorer.

    Examples
    --------
    >>> from skdevise.model_selection import UnseenClassSplit
    >>> y = ["cat", "dog", "cat", "rat"]
    >>> cv = UnseenClassSplit(n_splits=1, test_size=1, random_state=1)
    >>> [(train.tolist(), test.tolist()) for train, test in cv.split(y, y)]
    [([1, 3], [0, 2])]
    """

    def __init__(
        self, n_splits: int = 5, *, test_size: float = 0.2, random_state: RandomState = None
    ) -> None:
        super().__init__(n_splits, test_size=test_size, random_state=random_state)

    def split(
        self, X: object, y: ArrayLike, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the positions of training and test samples of each split.

        Parameters
        ----------
        X : array-like of length n_samples
            Samples. Only their number counts.
        y : array-like of shape (n_samples,)
            Labels of the samples.
        groups : ignored
            Present for compatibility with scikit-learn.

        Yields
        ------
        train, test : ndarray of int
            Positions of the samples.

        Raises
        ------
        ValueError
            If there are fewer than two classes, if labels are missing, if X and y have different
            lengths, or if `test_size` leaves no class for one part.
        """
        y = [] if y is None else check_targets(y)
        n_classes, n_test = len(np.unique(y)), self.test_size
        if n_classes < 2:
            raise ValueError("UnseenClassSplit needs at least two classes. Pass their labels as y.")
        check_count("n_splits", self.n_splits)
        if isinstance(n_test, Real) and 0 < n_test < 1:
            n_test = ceil(n_test * n_classes)
        if not isinstance(n_test, Integral) or not 0 < n_test < n_classes or n_test is True:
            raise ValueError(
                f"test_size={self.test_size!r} does not fit {n_classes} classes. Use a share "
                f"between 0 and 1, or a number of classes from 1 to {n_classes - 1}."
            )
        yield from super().split(X, y, groups=y)
