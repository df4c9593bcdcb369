"""Estimators that learn nothing."""

from typing import Any, Self


class UntrainedMixin:
    """Estimator that learns nothing in `fit`."""

    def fit(self, X: object = None, y: object = None) -> Self:
        """Validate the parameters. Nothing is learned.

        Parameters
        ----------
        X, y : ignored
            Present for compatibility with scikit-learn.

        Returns
        -------
        self : estimator
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter is invalid.
        """
        self._validate_params()
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class ImmutableMixin(UntrainedMixin):
    """Estimator that never changes. Its clones are the estimator itself."""

    def set_params(self, **params: Any) -> Self:
        """Raise an error, because clones share this estimator.

        Parameters
        ----------
        **params : dict
            Must be empty. Create another estimator to change a parameter.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        if params:
            raise ValueError(
                f"{type(self).__name__} is immutable, so {sorted(params)} cannot be set. Create "
                "another one. In a parameter grid, list the estimators themselves."
            )
        return self

    def __sklearn_clone__(self):
        return self
