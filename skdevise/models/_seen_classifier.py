"""The classifier of the training labels, whose probabilities or weights other systems read."""

import warnings
from contextlib import contextmanager
from typing import Self

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import has_fit_parameter

from skdevise._columns import check_targets, positions_in
from skdevise._compat import HasMethods, fit_context, safe_indexing
from skdevise._typing import ArrayLike, Inputs
from skdevise.models._calibration import refit_rows, row_keys
from skdevise.models._candidates import unchanged_on_error
from skdevise.models._features import as_features, weighted_samples

# Errors of scikit-learn if a classifier with a cross-validation or a frozen classifier inside lacks
# samples or classes.
LACKS_SAMPLES = ValueError, IndexError

# How its warnings begin.
_FEW_SAMPLES = (
    "The number of unique classes",
    "The least populated class",
    "Number of classes in training fold",
)


class SeenClassifierMixin:
    """Fit of a classifier with the parameter `classifier`.

    It needs `_place(proba, is_known)`, which turns the probabilities of the training labels
    (n, n_classes) into the result of `place` in `_calibrate`. `is_known` (n_classes,) marks the
    labels that the classifier was trained on.
    """

    _classifier_constraints = {"classifier": [HasMethods(["fit", "predict_proba"]), None]}

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def fit(self, X: Inputs, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the classifier of the training labels.

        If `classifier` is frozen, only its labels count. Those without a vector are left out with
        a warning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples that `classifier` accepts. Photos need a classifier that takes them, such as a
            Pipeline with a `VisualFeaturizer`.
        y : array-like of shape (n_samples,)
            Training labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. The `fit` of `classifier` and the fits of
            the temperatures use them. Samples of weight 0 are ignored.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If a label of y has no vector. It is raised before `classifier` is fitted.
        TypeError
            If `classifier` does not accept `sample_weight`.
        ValueError
            If some labels are text and others are numbers.
        """
        y = check_targets(y)
        if not len(y):
            raise ValueError("There are no samples. Pass at least one.")
        if self.classifier is None:
            X = as_features(X)
        classifier, weights = self._new_classifier(), {}
        if sample_weight is not None:
            check_takes_weights(classifier)
            X, y, weights["sample_weight"] = weighted_samples(X, y, sample_weight)
        labels = np.unique(y)
        is_frozen = isinstance(classifier, FrozenEstimator)
        if not is_frozen:
            self._open_label_space(labels)
        self.classifier_ = classifier.fit(X, y, **weights)
        known = np.unique(self.classifier_.classes_)
        if is_frozen or not np.array_equal(known, labels):
            # A frozen classifier, also one in a Pipeline, keeps its own labels.
            self._open_label_space(known, on_missing="drop")
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(self.classifier_, name):
                setattr(self, name, getattr(self.classifier_, name))
        self._finish_fit(X, y, weights)
        return self

    def _new_classifier(self):
        """Clone the classifier of the training labels."""
        return LogisticRegression() if self.classifier is None else clone(self.classifier)

    def _proba(self, classifier, X):
        """Read the probabilities of the training labels, added by label: (n_samples, n_classes)."""
        X = as_features(X) if self.classifier is None else X
        proba = np.asarray(classifier.predict_proba(X))
        if np.isnan(proba).any():
            raise ValueError(
                f"The probabilities of {type(classifier).__name__} contain NaN. Use another "
                "classifier, or more samples."
            )
        columns = positions_in(self.classes_, np.asarray(classifier.classes_))
        if np.array_equal(columns, np.arange(len(self.classes_))):
            return proba
        known = np.zeros((len(proba), len(self.classes_)), proba.dtype)
        np.add.at(known, (slice(None), columns[columns >= 0]), proba[:, columns >= 0])
        return known

    def _finish_fit(self, X, y, weights):
        """Fit the temperatures of `predict_proba` on samples and classes that are held out."""
        targets = positions_in(self.classes_, y)
        rows = np.flatnonzero(targets >= 0)  # A frozen classifier may know none of the labels in y.
        if not len(rows):
            self.reference_points_ = self.label_space_.targets
            self.temperature_ = self.unseen_temperature_ = 1.0
            return
        rows = rows[refit_rows(len(rows))]
        X, targets, y = safe_indexing(indexable(X)[0], rows), targets[rows], y[rows]
        weights = {name: weight[rows] for name, weight in weights.items()}

        def place_with(classifier, is_known):
            def place(rows):
                # A frozen classifier still knows the held-out classes.
                proba = self._proba(classifier, safe_indexing(X, rows)) * is_known
                return self._place(proba, is_known)

            return place

        def refit(kept):
            kept_weights = {name: weight[kept] for name, weight in weights.items()}
            try:
                with quiet_training():
                    data = safe_indexing(X, kept), y[kept]
                    classifier = self._new_classifier().fit(*data, **kept_weights)
                    # A search of neighbours fits on too few samples, and fails here.
                    self._proba(classifier, safe_indexing(data[0], [0]))
            except LACKS_SAMPLES:
                classifier = self.classifier_
            return place_with(classifier, ~self._is_held_out())

        place = place_with(self.classifier_, np.ones(len(self.classes_), dtype=bool))
        weight = weights.get("sample_weight")
        self._calibrate(targets, row_keys(X), weight, place, refit)

    @property
    def _n_features_out(self):
        return self.label_space_.vector_size

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        classifier = LogisticRegression() if self.classifier is None else self.classifier
        tags.input_tags = get_tags(classifier).input_tags
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags


@contextmanager
def quiet_training():
    """Hide the warnings of scikit-learn that a second training has few samples of a class."""
    # Threads share the filters. After second trainings in two of them, a filter can stay.
    with warnings.catch_warnings():
        for message in _FEW_SAMPLES:
            warnings.filterwarnings("ignore", message)
        yield


def fit_linear(classifier, features, y, weight):
    """Fit a clone; return it with its weights (n_classes, n_features) and biases (n_classes,)."""
    new = LogisticRegression(max_iter=1_000) if classifier is None else clone(classifier)
    weights = {"sample_weight": weight} if (weight != 1).any() else {}
    if weights:
        check_takes_weights(new)
    fitted = new.fit(features, y, **weights)
    n_classes, coef = len(getattr(fitted, "classes_", ())), getattr(fitted, "coef_", None)
    is_binary = n_classes == 2 and np.shape(coef)[:1] == (1,)
    # The rows of SVC, which has support vectors, compare pairs of classes.
    is_linear = is_binary or np.shape(coef)[:1] == (n_classes,)
    if not is_linear or hasattr(fitted, "support_vectors_"):
        raise TypeError(
            f"The classifier {type(fitted).__name__} has no coef_ with one row per class. Pass a "
            "linear classifier, such as LogisticRegression()."
        )
    intercept = np.ravel(fitted.intercept_)
    if is_binary:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.append(-intercept, intercept) / 2
    return fitted, coef, intercept


def log_proba(proba):
    """Compute logarithms of probabilities, also of 0: (n_samples, n_classes)."""
    return np.log(np.maximum(proba, np.finfo(np.result_type(proba, np.float32)).tiny))


def check_takes_weights(classifier):
    """Raise TypeError if the fit of a classifier does not accept sample weights."""
    is_frozen = isinstance(classifier, FrozenEstimator)  # Its fit ignores all arguments.
    if not is_frozen and not has_fit_parameter(classifier, "sample_weight"):
        raise TypeError(
            f"classifier={classifier!r} does not accept sample_weight in fit. Use another "
            "classifier, or leave sample_weight=None."
        )
