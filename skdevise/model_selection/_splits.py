"""Cross-validation whose test classes are never trained on."""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit


class UnseenClassSplit(GroupShuffleSplit):
    """Random splits whose test classes do not occur in training.

    Each split draws some classes, and takes all their samples for the test: what is measured is
    how well a classifier answers with labels that it never saw. Score with
    `HitAtK(labels="test")`.

    Parameters
    ----------
    n_splits : int, default=5
    test_size : float or int, default=0.2
        Share of the classes, or their number.
    random_state : int, RandomState instance or None, default=None

    Examples
    --------
    >>> from skdevise.model_selection import UnseenClassSplit
    >>> y = ["cat", "dog", "cat", "rat"]
    >>> cv = UnseenClassSplit(n_splits=1, test_size=1, random_state=1)
    >>> [(train.tolist(), test.tolist()) for train, test in cv.split(y, y)]
    [([1, 3], [0, 2])]
    """

    def __init__(self, n_splits=5, *, test_size=0.2, random_state=None):
        super().__init__(n_splits, test_size=test_size, random_state=random_state)

    def split(self, X, y, groups=None):
        """Give the positions of training and test samples of each split.

        Parameters
        ----------
        X : array-like of length n_samples
        y : array-like of shape (n_samples,)
            The labels, whose classes are split.
        groups : ignored

        Yields
        ------
        train : ndarray of int
        test : ndarray of int
        """
        if y is None or len(np.unique(y)) < 2:
            raise ValueError("UnseenClassSplit needs y with at least two classes to split.")
        yield from super().split(X, y, groups=y)
