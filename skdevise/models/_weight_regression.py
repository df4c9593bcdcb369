"""Prediction of the classifier weights of unseen labels."""

from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._columns import check_targets, positions_in
from skdevise._compat import HasMethods, Interval, fit_context
from skdevise._typing import (
    ArrayLike,
    Classifier,
    Embedder,
    Inputs,
    Labels,
    NDArray,
    Search,
    VisualFeaturizer,
)
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels import Hierarchy, LabelSpace
from skdevise.labels._vocabulary import refuse_numbers
from skdevise.language import RandomEmbedder
from skdevise.models._calibration import calibration_rows, fit_temperature, refit_rows, row_keys
from skdevise.models._candidates import snapshot, unchanged_on_error
from skdevise.models._explanation import ExplanationMixin
from skdevise.models._features import as_features, first_row, weighted_samples
from skdevise.models._label_kernels import LabelKernel
from skdevise.models._label_weights import BATCH_SIZE, WeightRegression, damped
from skdevise.models._prediction import LabelPredictionMixin
from skdevise.models._seen_classifier import LACKS_SAMPLES, fit_linear, quiet_training


class ClassifierWeightRegressor(ExplanationMixin, LabelPredictionMixin, BaseEstimator):
    r"""Kernel regression of classifier weights, for labels that a classifier lacks.

    A linear classifier has one row of weights for each training label. We predict the rows of other
    labels [1]_ [2]_ from their place in a hierarchy, the vectors of their names, and their
    definitions. Unseen labels need no photos and no new training.

    The kernel :math:`k(p, q)` measures how similar two labels are. It is a weighted mean of kernels
    of the hierarchy, the names and the definitions. Let :math:`w_c` be the rows of the training
    labels, centred and scaled to length 1. K holds the kernel of each pair of training labels, and
    :math:`k_u` the kernel of a label u with each of them. The predicted row of u is

    .. math:: w_u \propto \sum_c a_{uc} w_c, \quad a_u = k_u^\top (K + \alpha I)^{-1}

    The score of u has two more parts. As in :class:`ConSEClassifier`, it increases if the most
    probable training labels are similar to u. It decreases if u is a hub, a label that is near to
    almost every photo:

    .. math:: s_u(x) = x \cdot w_u + m \, q(x) \cdot g_u - h T \log \frac{1}{n} \sum_i e^{x_i \cdot
       w_u / T}

    Here x holds the damped features of a photo: each is raised to the power 0.35, and the result is
    centred and scaled to length 1. The vector :math:`q(x)` holds the probabilities of the training
    labels. The vector :math:`g_u` is :math:`k_u`, centred and divided by its length. With a
    hierarchy, it is divided by :math:`\sqrt n` times the cubic mean of its n entries instead. A
    broad label is similar to many training labels, and would otherwise lose against its narrower
    ones. The :math:`x_i` are training photos, and T is 0.05.

    :func:`skdevise.load_zero_shot_classifier` returns this classifier ready to use.

    Parameters
    ----------
    classifier : linear classifier, default=None
        Classifier of the training labels, with `coef_` and `intercept_` after its fit. Wrap one
        that is already fitted in `sklearn.frozen.FrozenEstimator`. None means the softmax layer of
        `visual`, whose labels are then the training labels. If there is none, it means
        ``LogisticRegression(max_iter=1000)``.
    embedder : fitted term embedder, or list of them, default=None
        Source of the vectors of names and of the words in definitions. An `EncoderEmbedder` encodes
        whole definitions. The similarities of several embedders are combined. None uses the
        hierarchy alone.
    hierarchy : Hierarchy, default=None
        Relations and definitions of labels, usually ``Hierarchy.wordnet()``. Labels may be its own
        labels, such as "n02084071", or names. A name stands for all its senses that are physical
        things. Persons only count if the name mostly means a person. None uses the vectors of the
        names alone. If `embedder` is None too, labels get random vectors, and predictions of unseen
        labels are random.
    visual : VisualFeaturizer, default=None
        Visual model that computes the features of photos. If it is given, X holds photos, or
        features that this model computed. None means that X holds features.
    hierarchy_weight : float, default=0.3
        Weight of the hierarchy itself in the kernel, from 0 to 1. Names and definitions have the
        rest. Decrease it if the hierarchy says little about looks.
    alpha : float, default=0.3
        Strength of the ridge penalty. Increase it if the labels are described poorly.
    mixture_weight : float, default=5.0
        Weight m of the probabilities of the training labels in the score. 0 leaves them out.
    hub_penalty : float, default=0.4
        Strength h of the correction for hubs. Increase it if few labels are predicted often. 0
        corrects nothing.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives the training labels their terms: synonyms, or names of class numbers.
        The `pool` and the `templates` of a vocabulary have no effect.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        Search for the best label, as in `LabelSpace`. It only matters with `hub_penalty=0`, because
        a correction needs the scores of all labels.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels when unseen labels compete with them.
        Without it, training labels win too often (calibrated stacking [3]_). `tune_seen_penalty`
        chooses it.
    reject_below : float, default=None
        Lowest confidence of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. `tune_reject_below` chooses it.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.
    calibrate : bool, default=True
        Fit the temperatures of `predict_proba`. This takes further trainings on parts of the data.
        False saves their time, for example in a grid search that measures hit@k. The classifier
        then has no probabilities, so `reject_below` must be None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classifier. For the softmax layer of a network that was trained on
        ILSVRC-2012, these are the WordNet ids of its 1,000 classes.
    coef_ : ndarray of shape (n_classes, n_features)
        Weights of the classifier.
    intercept_ : ndarray of shape (n_classes,)
        Biases of the classifier.
    classifier_ : classifier
        The fitted classifier, if it is not the softmax layer of `visual`.
    visual_ : VisualFeaturizer
        Fitted visual model, if `visual` is given.
    label_space_ : LabelSpace
        The training labels. The vector of a label holds its predicted weights :math:`w_u` and its
        :math:`g_u`.
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels. It is fitted on
        samples that are held out of another training with all classes.
    unseen_temperature_ : float
        Temperature of `predict_proba` if all candidates are unseen. It is fitted on classes that
        are held out of another training.
    mixed_temperature_ : float
        Temperature of `predict_proba` if half of the candidates are unseen.
    n_features_in_ : int
        Number of features, if X was features in `fit`.

    See Also
    --------
    skdevise.load_zero_shot_classifier : The classifier with bundled weights, ready to use.
    DeViSEClassifier : Learns a projection of photos into a word space.

    References
    ----------
    .. [1] Elhoseiny, Saleh and Elgammal, "Write a classifier: zero-shot learning using purely
       textual descriptions", ICCV 2013.
    .. [2] Wang, Ye and Gupta, "Zero-shot recognition via semantic embeddings and knowledge graphs",
       CVPR 2018.
    .. [3] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016 (eq. 3).

    Examples
    --------
    We train on photos of two pets and two vehicles, each with two features.

    >>> from skdevise import ClassifierWeightRegressor, Hierarchy
    >>> X = [[9, 1], [8, 3], [8, 1], [7, 2], [1, 9], [3, 8], [1, 8], [2, 7]]
    >>> y = ["cat", "cat", "dog", "dog", "truck", "truck", "bicycle", "bicycle"]
    >>> clf = ClassifierWeightRegressor(hierarchy=Hierarchy.wordnet()).fit(X, y)
    >>> clf.predict([[9, 2], [2, 9]], labels=["wolf", "tractor"])
    array(['wolf', 'tractor'], dtype='<U7')
    """

    _parameter_constraints = {
        "classifier": [HasMethods(["fit", "predict"]), None],
        "embedder": "no_validation",  # The label space checks it.
        "hierarchy": [Hierarchy, None],
        "visual": [HasMethods(["fit", "transform"]), None],
        "hierarchy_weight": [Interval(Real, 0, 1, closed="both")],
        "alpha": [Interval(Real, 0, 1e8, closed="right")],
        "mixture_weight": [Interval(Real, 0, 1_000, closed="both")],
        "hub_penalty": [Interval(Real, 0, 1_000, closed="both")],
        **{
            name: LabelPredictionMixin._prediction_constraints[name]
            for name in ("labels", "search", "reject_below", "unknown_label", "calibrate")
        },
        "seen_penalty": [Interval(Real, -1_000, 1_000, closed="both")],  # As large as the scores.
    }
    hubness = None  # `hub_penalty` takes its place.

    def __init__(
        self,
        classifier: Classifier | None = None,
        embedder: Embedder | Sequence[Embedder] | None = None,
        *,
        hierarchy: Hierarchy | None = None,
        visual: VisualFeaturizer | None = None,
        hierarchy_weight: float = 0.3,
        alpha: float = 0.3,
        mixture_weight: float = 5.0,
        hub_penalty: float = 0.4,
        labels: Labels | None = None,
        search: Search = "auto",
        seen_penalty: float = 0.0,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
    ) -> None:
        self.classifier = classifier
        self.embedder = embedder
        self.hierarchy = hierarchy
        self.visual = visual
        self.hierarchy_weight = hierarchy_weight
        self.alpha = alpha
        self.mixture_weight = mixture_weight
        self.hub_penalty = hub_penalty
        self.labels = labels
        self.search = search
        self.seen_penalty = seen_penalty
        self.reject_below = reject_below
        self.unknown_label = unknown_label
        self.calibrate = calibrate

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def fit(self, X: Inputs, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the classifier of the training labels, and prepare the regression of its weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Training samples. Their mean is the centre of the features, and the correction for hubs
            uses them. If X holds features and `visual` is given, wrap the fitted visual model in
            `sklearn.frozen.FrozenEstimator`.
        y : array-like of shape (n_samples,)
            Labels of the samples. Besides the fit of `classifier`, the temperatures of
            `predict_proba` need them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. They weight all that `fit` learns from X. Samples
            of weight 0 are ignored.

        Returns
        -------
        self : ClassifierWeightRegressor
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If neither `hierarchy` nor `embedder` knows a training label. If no sample has a
            training label, the labels in `y` must be known too.
        TypeError
            If `classifier` is not linear or does not accept `sample_weight`, or if `embedder` is
            not a term embedder.
        ValueError
            If some labels are text and others are numbers, if labels are numbers without names, or
            if X contains photos without `visual`.
        """
        y = check_targets(y)
        X = as_features(X) if self.visual is None else X
        X, y, weight = weighted_samples(X, y, sample_weight)
        weight = np.ones(len(y)) if weight is None else weight
        given = self.embedder if isinstance(self.embedder, list | tuple) else [self.embedder]
        embedders = [snapshot(embedder) for embedder in given if embedder is not None]
        if not embedders and self.hierarchy is None:
            embedders = [RandomEmbedder()]
        embedder = next(iter(embedders), None)
        self._kernel = LabelKernel(self.hierarchy, embedders, self.hierarchy_weight)
        vars(self).pop("visual_", None)
        if self.visual is not None:
            self.visual_ = clone(self.visual).fit(X, y)
        features = self._features(X, reset=True)
        classes = self._training_labels(y)
        gram = self._compare(classes, embedder)
        self._fit_classifier(features, y, weight)
        self._regression = self._new_regression(gram, self.coef_)
        self._place_labels(classes, embedder)
        sums = [weight[b] @ damped(features[b]) for b in gen_batches(len(features), BATCH_SIZE)]
        self._centre = np.sum(sums, axis=0) / weight.sum()
        self._reference, self._log_shares = self._choose_reference(features, weight)
        self._n_features_out = self.label_space_.vector_size
        self._fit_temperatures(features, y, weight, gram)
        return self

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Place samples in the space of the predicted weights.

        The product of a row with the vector of a label is the score, before any correction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features + n_classes + 1)
            Damped features, weighted probabilities of the training labels, and a zero.
        """
        check_is_fitted(self)
        return self._join(self._features(X), self.coef_, self.intercept_)

    # --- Training

    def _uses_softmax_layer(self):
        """Return whether the softmax layer of the visual model is the classifier: bool."""
        return self.classifier is None and hasattr(vars(self).get("visual_"), "softmax_coef_")

    def _training_labels(self, y):
        """Return the labels of the softmax layer or of a frozen classifier, or else those in y."""
        if self._uses_softmax_layer():
            synsets = self.visual_.synsets_
            return self.visual_.classes_ if synsets is None else synsets
        if isinstance(self.classifier, FrozenEstimator):
            return np.asarray(self.classifier.classes_)
        return np.unique(y)

    def _compare(self, classes, embedder):
        """Compare the training labels (n, n), or refuse unknown ones before any training."""
        vocabulary = self._vocabulary(classes)
        refuse_numbers(vocabulary, embedder, "y")
        facts = self._kernel.facts(vocabulary)
        gram = self._kernel.fit(facts)
        # An unknown label is similar to no label. Known ones nearly always are to some other.
        if not (gram - np.diag(np.diag(gram))).any(axis=1).all():
            is_known = self._kernel(facts).any(axis=1)
            if not is_known.all():
                missing = vocabulary.labels[~is_known].tolist()
                raise LabelWithoutVectorError(missing, len(is_known), what="training labels")
        return gram

    def _fit_classifier(self, features, y, weight):
        """Fit the classifier, or take the softmax layer of the visual model."""
        vars(self).pop("classifier_", None)
        if self._uses_softmax_layer():
            layer = self.visual_
            self.coef_, self.intercept_ = layer.softmax_coef_, layer.softmax_intercept_
        else:
            self.classifier_, self.coef_, self.intercept_ = fit_linear(
                self.classifier, features, y, weight
            )

    def _new_regression(self, gram, coef):
        """Regress the weights of training labels on their kernel."""
        parameters = self.alpha, self.mixture_weight, self.hierarchy is not None
        return WeightRegression(gram, coef, *parameters)

    def _choose_reference(self, features, weight):
        """Choose samples that measure hubs: damped (n, n_features), logs of their shares (n, 1)."""
        rows = calibration_rows(len(features))
        shares = weight[rows, None] / weight[rows].sum()
        return self._damp(features[rows]), np.log(shares).astype(features.dtype)

    def _fit_temperatures(self, features, y, weight, gram):
        """Fit the temperatures of `predict_proba` on held-out samples and classes."""
        targets = positions_in(self.classes_, y)
        rows = np.flatnonzero(targets >= 0)
        if not len(rows):
            self._fit_temperature_unseen(features, y, weight)
            return
        rows = rows[refit_rows(len(rows))]
        features, targets, y, weight = features[rows], targets[rows], y[rows], weight[rows]
        second = {}

        def refit(kept):
            columns, coef, intercept = self._train_without(features[kept], y[kept], weight[kept])
            regression = self._new_regression(gram[np.ix_(columns, columns)], coef)
            second["vectors"] = regression.predict(gram[:, columns])
            reference = self._choose_reference(features[kept], weight[kept])
            second["hubs"] = regression.hubs(second["vectors"], *reference)
            return lambda rows: self._join(features[rows], coef, intercept)

        def score(points):
            return points @ second["vectors"].T - self.hub_penalty * second["hubs"]

        self._calibrate_scores(score, targets, row_keys(features), weight, refit)

    def _fit_temperature_unseen(self, features, y, weight):
        """Fit one temperature on samples without training labels."""
        space = self._make_space(self._vocabulary(np.unique(y)), self.embedder_)
        targets = positions_in(space.labels, y)  # Labels without a vector may be dropped.
        rows = np.flatnonzero(targets >= 0)
        rows = rows[calibration_rows(len(rows))]
        scores = space.scores(self._join(features[rows], self.coef_, self.intercept_))
        scores = scores - self.hub_penalty * self._hubs(space)
        self.temperature_ = fit_temperature(scores, targets[rows], len(rows), weight[rows])
        self.unseen_temperature_ = self.temperature_

    def _train_without(self, features, y, weight):
        """Train on some samples: positions of the labels, and their weights and biases."""
        if hasattr(self, "classifier_") and not isinstance(self.classifier_, FrozenEstimator):
            with quiet_training(), suppress(*LACKS_SAMPLES):
                classifier, coef, intercept = fit_linear(self.classifier, features, y, weight)
                return np.searchsorted(self.classes_, classifier.classes_), coef, intercept
        columns = np.flatnonzero(~self._is_held_out())
        return columns, self.coef_[columns], self.intercept_[columns]

    # --- Answers

    def _features(self, X, reset=False):
        """Return the features of photos, or X itself if it is a table of numbers, validated."""
        is_2d = len(getattr(X, "shape", ())) == 2
        if hasattr(self, "visual_"):
            is_table = is_2d and first_row(X).dtype.kind in "iuf"
            X = X if is_table else np.asarray(self.visual_.transform(X))
        return validate_data(self, as_features(X), dtype=[np.float64, np.float32], reset=reset)

    def _damp(self, features):
        """Damp large features, centre them, and scale rows to length 1: (n, n_features)."""
        return normalize(damped(features) - self._centre.astype(features.dtype))

    def _join(self, features, coef, intercept):
        """Join damped features with the weighted probabilities of the training labels."""
        coef, intercept = coef.astype(features.dtype), intercept.astype(features.dtype)
        points = np.empty((len(features), sum(coef.shape) + 1), features.dtype)
        for batch in gen_batches(len(features), BATCH_SIZE):
            logits = features[batch] @ coef.T + intercept
            points[batch] = self._regression.point(self._damp(features[batch]), logits)
        return points

    def _make_space(self, vocabulary, embedder):
        refuse_numbers(vocabulary, embedder)
        facts = self._kernel.facts(vocabulary)
        batches = map(facts.take, gen_batches(facts.n_labels, BATCH_SIZE))
        vectors = np.concatenate([self._regression.predict(self._kernel(b)) for b in batches])
        return LabelSpace._of_vectors(vocabulary, vectors, self.search)

    def _offsets(self, space):
        offsets = super()._offsets(space)
        if not self.hub_penalty:
            return offsets
        hubs = self.hub_penalty * self._cached((space, "hubs"), lambda: self._hubs(space))
        return hubs if offsets is None else offsets + hubs

    def _hubs(self, space):
        """Measure how near labels are to training photos: (n_labels,)."""
        # The vectors of 5,000 labels have 46 MB, so they are not copied.
        hubs = self._regression.hubs(space._index.vectors, self._reference, self._log_shares)
        return hubs[space._rows[space._starts]]
