"""Decide between training labels and unseen labels by novelty detection."""

from collections.abc import Mapping
from copy import copy
from typing import Any, Literal

import numpy as np
from scipy.special import expit, log_expit, log_softmax
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import check_is_fitted

from skdevise._columns import positions_in
from skdevise._compat import HasMethods, StrOptions, safe_indexing
from skdevise._typing import Classifier, Embedder, Inputs, Labels, NDArray
from skdevise.labels import LabelVocabulary
from skdevise.models._calibration import refit_rows, row_keys, split_rows
from skdevise.models._prediction import ScorePredictionMixin
from skdevise.models._ridge import RidgeProjectionClassifier
from skdevise.models._seen_classifier import SeenClassifierMixin, log_proba

# Neighbours and width of LoOP, as in Socher et al.
_N_NEIGHBORS = 20
_WIDTH = 3

# LoOP compares with at most this many training samples, so its cost per sample is limited.
_N_POINTS = 10_000

# Points of equal place have a Gaussian and a distance, too.
_SMALLEST = 1e-6


class GaussianNovelty:
    """Negative log-density of the likeliest label, under Gaussians around the label vectors."""

    def __init__(self, points, targets, vectors):
        size = vectors.shape[1]
        squares = np.square(points - vectors[targets]).sum(axis=1)
        variance = np.bincount(targets, squares) / np.bincount(targets) / size
        self.variance, self.vectors = np.maximum(variance, _SMALLEST), vectors

    def __call__(self, points):
        """Compute the novelty of points: (n_points,)."""
        cosines = points @ self.vectors.T
        squares = np.square(points).sum(axis=1)[:, None] + 1 - 2 * cosines
        size = self.vectors.shape[1]
        return (squares / self.variance + size * np.log(2 * np.pi * self.variance)).min(axis=1) / 2


class LocalOutlierNovelty:
    """Local outlier factor of points in units of its spread over the training points.

    With x for this factor, the local outlier probability (LoOP) is max(0, erf(x / sqrt(2))).
    """

    def __init__(self, points, targets=None, vectors=None):
        if len(points) < 2:
            raise ValueError(
                "novelty='loop' compares training samples, but there is only one. Add samples, or "
                "use novelty='gaussian'."
            )
        points = points[np.linspace(0, len(points) - 1, min(len(points), _N_POINTS), dtype=int)]
        n_neighbors = min(_N_NEIGHBORS, len(points) - 1)
        self.neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(points)
        self.distance, factor = self._measure(None)
        self.scale = max(_WIDTH * np.sqrt(np.square(factor).mean()), _SMALLEST)

    def _measure(self, points):
        """Compute the probabilistic distance and the outlier factor of points: two (n_points,)."""
        lengths, nearest = self.neighbors.kneighbors(points)
        distance = np.maximum(np.sqrt(np.square(lengths).mean(axis=1)), _SMALLEST)
        reference = distance if points is None else self.distance
        return distance, distance / reference[nearest].mean(axis=1) - 1

    def __call__(self, points):
        """Compute the novelty of points: (n_points,)."""
        return self._measure(points)[1] / self.scale


_DETECTORS = {"gaussian": GaussianNovelty, "loop": LocalOutlierNovelty}


class NoveltySwitchClassifier(SeenClassifierMixin, ScorePredictionMixin, BaseEstimator):
    r"""Detect whether a photo shows an unseen label, then choose among labels of that kind.

    A classifier handles photos of training labels. For other photos, a projection into the label
    space finds the nearest unseen label. Novelty detection in the label space decides between them.
    Let V be the kind of the label, seen (s) or unseen (u). The probability of a label is [1]_
    (eq. 3)

    .. math:: p(y|x) = \sum_{V \in \{s, u\}} p(y|V, x) \, p(V|x)

    `predict_proba` returns this probability. We assume that all candidates are equally frequent, so
    p(V|x) depends on the number of candidates of each kind.

    If all candidates are of one kind, the novelty of the photo has no effect. Use this classifier
    if both kinds are candidates, and if answers to photos of training labels must stay nearly as
    good as those of `classifier`.

    Parameters
    ----------
    classifier : classifier with `predict_proba`, default=None
        Classifier of the training labels. `fit` trains a clone of it. None means
        ``LogisticRegression()``. Wrap a classifier that is already fitted in
        `sklearn.frozen.FrozenEstimator`, and one without `predict_proba` in
        `sklearn.calibration.CalibratedClassifierCV`.
    embedder : fitted term embedder, default=None
        Source of the label vectors, such as `PretrainedEmbedder`. None means `RandomEmbedder()`, a
        baseline without any knowledge of language: its predictions of unseen labels are random.
    projection : classifier of skdevise with `transform`, default=None
        Projection of features into the label space. `fit` trains a clone of it with `embedder`.
        None means `RidgeProjectionClassifier()`, which minimises the squared distance to the label
        vectors, as the paper does. With fewer than about ten classes, its
        ``feature_scaling="l2"`` detects novel photos better. The paper trains by gradient descent,
        as `DeViSEClassifier(loss="mse")` does.
    novelty : {"gaussian", "loop"}, default="gaussian"
        Measure of novelty. "gaussian" puts an isotropic Gaussian around the vector of each training
        label; a photo is novel if it is unlikely under all of them. "loop" compares the distance of
        a photo to its 20 nearest training photos with the distances between these photos (local
        outlier probabilities [2]_). It is slower.
    combination : {"switch", "mix"}, default="switch"
        Use of the novelty. "switch" answers with the best unseen label if the photo is more likely
        novel than not, and otherwise with the best training label. "mix" answers with the label of
        the highest probability :math:`p(y|x)`, where both kinds are equally likely. If there are
        many unseen labels, each has a small probability, so "mix" rarely answers with them unless
        you set `seen_penalty`.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives the training labels their terms: synonyms, or names of class numbers.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels when unseen labels compete with them.
        Scores are logarithms here, so it moves the threshold of novelty: with 1, a photo counts as
        novel from a probability of 0.27 on instead of 0.5. It does not change `predict_proba`.
        `tune_seen_penalty` chooses it.
    reject_below : float, default=None
        Lowest confidence of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. `tune_reject_below` chooses it.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels that `classifier_` predicts. If it was fitted before, its labels without a vector are
        left out.
    classifier_ : classifier
        The fitted classifier.
    projection_ : classifier
        The fitted projection.
    label_space_ : LabelSpace
        The training labels and their vectors.
    temperature_ : float
        Temperature that divides the logarithms of the probabilities of `classifier_`. It is fitted
        on samples that are held out of other trainings. It is 1 for a frozen classifier.
    unseen_temperature_ : float
        Temperature that divides the scores of unseen labels: that of `projection_`.

    See Also
    --------
    DirectSimilarityClassifier : Scores unseen labels by the classifiers of similar labels.
    ConSEClassifier : Combines the vectors of the most probable training labels.

    Notes
    -----
    The paper chooses thresholds of novelty by hand. We fit the probability of novelty by logistic
    regression on samples and classes that are held out of a second training. Both kinds have the
    same total weight. For "loop", this probability replaces the error function of LoOP. With fewer
    than four classes, or one sample for each, nothing can be held out. A photo is then novel if its
    novelty is greater than that of all training photos.

    If seen and unseen labels compete, an answer is not always the most probable label. The best
    unseen label often has a low probability, because there are others like it. As in scikit-learn's
    ``TunedThresholdClassifierCV``, the threshold chooses answers and changes no probability.
    The command line and the displays show the most probable labels.

    References
    ----------
    .. [1] Socher et al., "Zero-shot learning through cross-modal transfer", NeurIPS 2013
       (section 4).
    .. [2] Kriegel et al., "LoOP: local outlier probabilities", CIKM 2009.

    Examples
    --------
    >>> from skdevise import NoveltySwitchClassifier, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.8, 0.6]})
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 0]], ["cat", "cat", "truck", "truck"]
    >>> clf = NoveltySwitchClassifier(embedder=embedder).fit(X, y)
    >>> clf.predict([[0, 3], [1, 1]], labels=["cat", "truck", "lynx"])
    array(['cat', 'lynx'], dtype='<U5')
    """

    _parameter_constraints = {
        **SeenClassifierMixin._classifier_constraints,
        "projection": [HasMethods(["fit", "transform", "predict_top_k"]), None],
        "novelty": [StrOptions(set(_DETECTORS))],
        "combination": [StrOptions({"switch", "mix"})],
        **ScorePredictionMixin._prediction_constraints,
    }

    # The scores of seen and unseen labels are divided before they compete.
    _has_mixed_temperature = False

    def __init__(
        self,
        classifier: Classifier | None = None,
        embedder: Embedder | None = None,
        *,
        projection: Classifier | None = None,
        novelty: Literal["gaussian", "loop"] = "gaussian",
        combination: Literal["switch", "mix"] = "switch",
        labels: Labels | None = None,
        seen_penalty: float = 0.0,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
    ) -> None:
        self.classifier = classifier
        self.embedder = embedder
        self.projection = projection
        self.novelty = novelty
        self.combination = combination
        self.labels = labels
        self.seen_penalty = seen_penalty
        self.reject_below = reject_below
        self.unknown_label = unknown_label

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Project samples into the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Unit vectors.
        """
        check_is_fitted(self)
        return np.asarray(self.projection_.transform(X))

    def predict_novelty(self, X: Inputs) -> NDArray[Any]:
        """Estimate the probability that each sample has an unseen label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Probabilities, for equally many samples of training labels and of unseen labels.
        """
        check_is_fitted(self)
        return expit(self._log_odds(X))

    def _log_odds(self, X):
        """Estimate the logarithm of the odds of unseen labels: (n_samples,)."""
        novelty = self._detector(self._points(X))
        return self._slope * (novelty - self._threshold)

    def _score_labels(self, X, space):
        columns = positions_in(self.classes_, space.labels)
        is_seen = columns >= 0
        kinds = []
        if is_seen.any():
            proba = self._proba(self.classifier_, X)[:, columns[is_seen]]
            kinds.append((is_seen, log_proba(proba) / self.temperature_))
        if not is_seen.all():
            cosines = self.projection_.decision_function(X, space)[:, ~is_seen]
            kinds.append((~is_seen, cosines / self.projection_.unseen_temperature_))
        dtype = np.result_type(*(logits for _, logits in kinds))
        scores = np.empty((len(kinds[0][1]), len(columns)), dtype)
        for kind, logits in kinds:
            scores[:, kind] = log_softmax(logits, axis=1)
        if len(kinds) == 2:
            log_odds = self._log_odds(X)[:, None]
            for kind, sign in ((is_seen, -1), (~is_seen, 1)):
                if self.combination == "switch":
                    scores[:, kind] -= scores[:, kind].max(axis=1, keepdims=True)
                scores[:, kind] += log_expit(sign * log_odds)
        return scores

    def _finish_fit(self, X, y, weights):
        """Fit the projection, and the probability of novelty on held-out samples and classes."""
        X, known = indexable(X)[0], np.flatnonzero(np.isin(y, self.classes_))
        if not len(known):
            raise ValueError(
                "No sample has a label that `classifier` predicts. The projection needs some: pass "
                "y with labels of `classifier.classes_`."
            )

        def weights_of(rows):
            return {name: weight[rows] for name, weight in weights.items()}

        def train(rows, calibrate=True):
            projection = self._new_projection(calibrate)
            chosen, targets = safe_indexing(X, rows), y[rows]
            projection.fit(chosen, targets, **weights_of(rows))
            points = np.asarray(projection.transform(chosen))
            targets = np.searchsorted(projection.classes_, targets)
            vectors = projection.label_space_.targets
            return projection, _DETECTORS[self.novelty](points, targets, vectors)

        def measure(projection, detector, rows):
            return detector(np.asarray(projection.transform(safe_indexing(X, rows))))

        if isinstance(self.classifier_, FrozenEstimator):
            self.temperature_ = 1.0  # It may have been trained on these samples.
        else:
            super()._finish_fit(X, y, weights)
        trained = self.projection_, self._detector = train(known)
        self.unseen_temperature_ = self.projection_.unseen_temperature_
        rows = known[refit_rows(len(known))]
        keys, targets = row_keys(safe_indexing(X, rows)), np.searchsorted(self.classes_, y[rows])
        parts = split_rows(keys, targets, super()._is_held_out())
        kept, seen, unseen = (rows[part] for part in parts)
        # A frozen classifier may know labels that y lacks, which are held out too.
        if len(seen) and len(unseen) and len(np.unique(y[kept])) > 1:
            novelty = measure(*train(kept, calibrate=False), np.concatenate([seen, unseen]))
            scale = novelty.std() + np.finfo(float).eps
            is_unseen = np.repeat([0, 1], [len(seen), len(unseen)])
            platt = LogisticRegression(class_weight="balanced")
            platt.fit((novelty / scale)[:, None], is_unseen)
            self._slope = platt.coef_[0, 0] / scale
            # If all samples have the same novelty, the slope is 0 and novelty says nothing.
            self._threshold = -platt.intercept_[0] / self._slope if self._slope else 0.0
        else:
            novelty = measure(*trained, known)
            self._slope = 1 / (novelty.std() + np.finfo(float).eps)
            self._threshold = novelty.max()

    def _place(self, proba, is_known):
        return log_proba(proba)

    def _is_held_out(self):
        # The temperature of the classifier needs no held-out classes, but the novelty does.
        return np.zeros(len(self.classes_), dtype=bool)

    def _logits(self, X, labels):
        # Threshold and penalty choose answers, and change no probability. The novelty assumes that
        # both kinds are equally likely. This penalty makes all candidates equally likely instead.
        space = self.label_space(labels)
        n_seen = np.isin(space.labels, self.classes_).sum()
        mixture = copy(self)
        mixture.combination = "mix"
        mixture.seen_penalty = np.log(max(space.n_labels - n_seen, 1) / max(n_seen, 1))
        return mixture._columns(X, space, labels is None)

    def _best_columns(self, confidence, samples, space):
        return self._scores_in(samples, space).argmax(axis=1)

    def _confidence(self, samples, space):
        return self.predict_proba(samples, space)

    def _temperature(self, space):
        return 1.0  # The scores are divided already.

    def _new_projection(self, calibrate):
        """Make an untrained projection into the label space."""
        if self.projection is None:
            projection = RidgeProjectionClassifier()
        else:
            projection = clone(self.projection)
        params = projection.get_params(deep=False)
        if "embedder" not in params or isinstance(projection, ScorePredictionMixin):
            raise ValueError(
                f"projection={self.projection!r:.200} does not project into the space of word "
                "vectors. Use a RidgeProjectionClassifier or DeViSEClassifier."
            )
        gives_terms = isinstance(self.labels, Mapping | LabelVocabulary)
        labels = self.labels if gives_terms else None
        options = {"calibrate": calibrate} if "calibrate" in params else {}
        return projection.set_params(embedder=self.embedder_, labels=labels, **options)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(RidgeProjectionClassifier()).input_tags
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
