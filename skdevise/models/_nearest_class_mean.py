"""Nearest class mean, with a learned metric and a hierarchy for unseen labels."""

from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from scipy.sparse import csr_array, diags_array
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

from skdevise._columns import name_some
from skdevise._compat import Interval, StrOptions, fit_context
from skdevise._typing import ArrayLike, FeatureScaling, Inputs, Labels, RandomState
from skdevise._utils import check_unchanged, draw_seed, find_device, warn
from skdevise.labels import Hierarchy, LabelSpace
from skdevise.models._calibration import (
    N_HELD_OUT_SAMPLES,
    calibration_rows,
    fit_temperature,
    refit_rows,
    row_keys,
)
from skdevise.models._candidates import unchanged_on_error
from skdevise.models._features import Samples, join_labels, join_means
from skdevise.models._label_kernels import LabelFacts, unit_rows
from skdevise.models._learned_labels import LabelVectors, LearnedLabelClassifier

# The module that needs torch is imported in the method that trains.

# `partial_fit` continues with the values that these parameters had in the first call.
_LASTING_PARAMS = ("hierarchy", "metric", "feature_scaling")


class NearestClassMeanClassifier(LearnedLabelClassifier):
    r"""Nearest class mean with a learned metric (NCM, NCMML).

    A sample x gets the class whose mean :math:`\mu_c` is nearest [1]_. The metric is a matrix W of
    low rank, and the score of class c is :math:`-\frac{1}{2} \lVert W x - W \mu_c \rVert^2`.
    Training maximises the likelihood of the classes (eq. 6 to 9 of [2]_):

    .. math::
        p(c \mid x) \propto \exp \left( -\tfrac{1}{2} \lVert W x - W \mu_c \rVert^2 \right)

    A class needs nothing but its mean. So `partial_fit` adds samples and new classes at almost no
    cost, without any training.

    With a `hierarchy`, the classifier predicts unseen labels too (the zero-shot prior of [1]_). An
    ancestor a, such as "animal", has the mean :math:`\mu_a` of the class means of all training
    labels below it. An unseen label z with the ancestors :math:`A_z` gets

    .. math:: \mu_z = \frac{1}{|A_z|} \sum_{a \in A_z} \mu_a

    Ancestors without training labels below them are left out. A label that has training labels
    below itself gets its own :math:`\mu_a`.

    Parameters
    ----------
    hierarchy : Hierarchy, default=None
        Hierarchy that places unseen labels, such as `Hierarchy.wordnet()`. Labels are its labels,
        such as WordNet ids, or names. A name stands for all its meanings that a photo can show. A
        training label counts below each of them, and an unseen label gets the mean over them. With
        None, only training labels can be answers.
    metric : {"learned", "euclidean"}, default="learned"
        "learned" trains W. "euclidean" measures distances between the features themselves. It is
        the plain classifier of class means, which needs no training.
    n_components : int, default=256
        Number of rows of W, at most the number of features and of samples. The paper compares 32
        to 1,024, and more are better.
    feature_scaling : {"centered", "l2", "standard", "none"}, default="l2"
        Scaling of the features. "l2" gives each sample unit length. "centered" does so too, and
        then subtracts the mean of the training samples. "standard" gives each feature zero mean and
        unit variance over the training samples; use it if the features have different units. "none"
        does not scale.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives labels the terms by which `hierarchy` finds them.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels when unseen labels compete with them.
        Without it, training labels win almost every time. `tune_seen_penalty` chooses it.
    reject_below : float, default=None
        Lowest confidence of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. `tune_reject_below` chooses it if there is
        a hierarchy.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.
    calibrate : bool, default=True
        Fit the temperatures of `predict_proba`. This takes further trainings on parts of the data.
        False saves their time, for example in a grid search that measures hit@k. The classifier
        then has no probabilities, so `reject_below` must be None.
    max_epochs : int, default=10
        Number of passes over the training samples.
    lr : float, default=0.1
        Learning rate of Adagrad, relative to the root mean square of the weights at the start. The
        start is a PCA of the features, scaled to the best likelihood.
    batch_size : int, default=128
        Number of samples per gradient step.
    device : str, default="auto"
        Torch device of the training, for example "cuda:1". "auto" uses "cuda" or "mps" if it is
        available and the training is large enough to gain from it. `device_` holds the device.
    random_state : int, RandomState instance or None, default=None
        Seed of the PCA and of the order of samples. Pass an int for reproducible results.
    verbose : int, default=0
        Verbosity. 1 prints a line per epoch, and 2 also shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Training labels, sorted.
    class_means_ : ndarray of shape (n_classes, n_features)
        Mean of the scaled features of each class.
    class_totals_ : ndarray of shape (n_classes,)
        Number of samples of each class, or the sum of their weights.
    coef_ : ndarray of float32, of shape (n_components, n_features)
        The metric W, applied to scaled features. It only exists if `metric="learned"`.
    device_ : str
        Torch device of the training, for example "cpu" or "cuda". It only exists if
        `metric="learned"`.
    scaler_ : StandardScaler
        Fitted scaler. It only exists if `feature_scaling` is "centered" or "standard".
    label_space_ : LabelSpace
        The training labels, with vectors that contain their projected means.
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels. It is fitted on
        samples that are held out of another training with all classes.
    unseen_temperature_ : float
        Temperature of `predict_proba` if all candidates are unseen. With a `hierarchy`, it is
        fitted on classes that are held out of another training.
    mixed_temperature_ : float
        Temperature of `predict_proba` if half of the candidates are unseen.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features. It only exists if X has text column names.

    See Also
    --------
    ClassifierWeightRegressor : Predicts unseen classes from a hierarchy and from texts.
    sklearn.neighbors.NearestCentroid : Class means without a learned metric.

    References
    ----------
    .. [1] Mensink et al., "Metric learning for large scale image classification: generalizing to
       new classes at near-zero cost", ECCV 2012.
    .. [2] Mensink et al., "Distance-based image classification: generalizing to new classes at
       near-zero cost", IEEE TPAMI 35, 2013.

    Examples
    --------
    >>> from skdevise import Hierarchy, NearestClassMeanClassifier
    >>> edges = [("animal", "cat"), ("animal", "lynx"), ("vehicle", "truck"), ("vehicle", "car")]
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 1]], ["cat", "cat", "truck", "truck"]
    >>> clf = NearestClassMeanClassifier(Hierarchy.from_edges(edges), random_state=0).fit(X, y)
    >>> clf.predict([[0, 3]], labels=["lynx", "car"])
    array(['lynx'], dtype='<U4')
    """

    _parameter_constraints = {
        "hierarchy": [Hierarchy, None],
        "metric": [StrOptions({"learned", "euclidean"})],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        **LearnedLabelClassifier._common_constraints,
        "seen_penalty": [Interval(Real, -1e6, 1e6, closed="both")],  # Distances have any scale.
    }

    _advice = " Pass a hierarchy that has them."

    def __init__(
        self,
        hierarchy: Hierarchy | None = None,
        *,
        metric: Literal["learned", "euclidean"] = "learned",
        n_components: int = 256,
        feature_scaling: FeatureScaling = "l2",
        labels: Labels | None = None,
        seen_penalty: float = 0.0,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
        max_epochs: int = 10,
        lr: float = 0.1,
        batch_size: int = 128,
        device: str = "auto",
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.hierarchy = hierarchy
        self.metric = metric
        self.n_components = n_components
        self.feature_scaling = feature_scaling
        self.labels = labels
        self.seen_penalty = seen_penalty
        self.reject_below = reject_below
        self.unknown_label = unknown_label
        self.calibrate = calibrate
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def fit(self, X: Inputs, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the class means, and learn the metric.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the training samples.
        y : array-like of shape (n_samples,)
            Training labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the means and in the loss, not negative.

        Returns
        -------
        self : NearestClassMeanClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If X contains photos instead of features, or if the parameter `labels` names a label
            that is neither in y nor in `hierarchy`.
        """
        find_device(self.device)
        for name in ("coef_", "device_"):
            vars(self).pop(name, None)
        X, y, sample_weight = self._start_fit(X, y, sample_weight)
        classes, targets = np.unique(y, return_inverse=True)
        self._seed = draw_seed(self.random_state)
        self._fitted_params = {name: getattr(self, name) for name in _LASTING_PARAMS}
        features = self._scale(X)
        self.class_means_, self.class_totals_ = _class_means(features, targets, sample_weight)
        if self.metric == "learned":
            n_features = X.shape[1]
            n_weights = min(self.n_components, n_features) * n_features
            self._choose_device(len(X), len(classes), n_weights)
            self.coef_ = self._learn(features, targets, sample_weight, self.verbose)
        self._held_out, self._temperatures = {}, {}
        self._place_means(classes)
        self._fit_temperatures(features, targets, sample_weight)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
    def partial_fit(
        self,
        X: Inputs,
        y: ArrayLike,
        classes: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add samples to the class means, which may be means of new classes.

        The first call is a `fit`. Later calls keep the metric and the scaler. A call fits the
        temperatures on its samples if they are at least 200, as many as those of all earlier calls
        together, and of at least half of the classes. Other calls keep the temperatures.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the new samples.
        y : array-like of shape (n_samples,)
            Their labels. New labels may appear in any call.
        classes : ignored
            Present for compatibility with scikit-learn.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the means, not negative.

        Returns
        -------
        self : NearestClassMeanClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If some labels are text and others are numbers, or if `hierarchy`, `metric` or
            `feature_scaling` has changed since the first call.
        """
        if not hasattr(self, "temperature_"):
            return self.fit(X, y, sample_weight)
        self._validate_params()  # `fit_context` trusts the parameters of a fitted estimator.
        check_unchanged(self, self._fitted_params)
        X, y, sample_weight = self._start_fit(X, y, sample_weight, reset=False)
        known, classes = self.classes_, join_labels(self.classes_, y)
        n_classes = len(classes)
        targets = np.searchsorted(classes, y)
        features = self._scale(X)
        means, totals = _class_means(features, targets, sample_weight, n_classes)
        rows = np.searchsorted(classes, known)
        before = np.zeros_like(means), np.zeros(n_classes)
        before[0][rows], before[1][rows] = self.class_means_, self.class_totals_
        self.class_means_, self.class_totals_ = join_means(*before, means, totals)
        self._place_means(classes)
        is_most = totals.sum() >= before[1].sum() and np.mean(totals > 0) >= 0.5
        if len(X) >= N_HELD_OUT_SAMPLES and is_most:
            self._temperatures = {}
            self._fit_temperatures(features, targets, sample_weight, before)
        return self

    def _learn(self, features, targets, weight, verbose):
        """Learn the metric W of scaled features: (n_components, n_features)."""
        from skdevise.models._learned_label_nets import train_metric

        targets = np.unique(targets, return_inverse=True)[1]
        means, _ = _class_means(features, targets, weight)
        # Distances do not depend on the origin, but their rounding does.
        centre = means.mean(axis=0)
        features, means = features - centre.astype(features.dtype), means - centre
        rows = calibration_rows(len(features))
        n_components = min(self.n_components, len(rows), features.shape[1])
        start = randomized_svd(features[rows], n_components, random_state=self._seed)[2]
        scores = _scores(features[rows] @ start.T, means @ start.T)
        start = start / np.sqrt(fit_temperature(scores, targets[rows], len(rows)))
        params = self.get_params(deep=False) | {"device": self.device_, "verbose": verbose}
        return train_metric(start, means, features, targets, weight, params, self._seed)

    def _place_means(self, classes):
        """Place the training labels by the class means."""
        means = _to_metric(self.class_means_, getattr(self, "coef_", None))
        self._n_features_out = means.shape[1]
        self._centre = means.mean(axis=0)
        self._ancestor_means = None
        if self.hierarchy is not None:
            facts = LabelFacts.of(self._vocabulary(classes), self.hierarchy)
            self._ancestor_means = AncestorMeans(self.hierarchy, facts)
            if len(facts.lacks_sense):
                warn(
                    f"{len(facts.lacks_sense)} of {len(classes)} training labels are not in the "
                    "hierarchy, so they do not help to place unseen labels: "
                    f"{name_some(classes[facts.lacks_sense].tolist())}.",
                )
        self._bind_labels(classes, LabelVectors(classes, _extended_means(means - self._centre)))

    def _fit_temperatures(self, features, targets, weight, before=None):
        """Fit the temperatures of `predict_proba` on held-out samples and classes.

        `before` are the class means and total weights of earlier calls of `partial_fit`.
        """
        rows = refit_rows(len(features))

        def refit(kept):
            kept = rows[kept]
            data = features[kept], targets[kept], None if weight is None else weight[kept]
            means, totals = _class_means(*data, len(self.classes_))
            if before is not None:
                means, _ = join_means(*before, means, totals)
            is_held_out = self._is_held_out()
            if is_held_out.any():
                mixtures = self._ancestor_means.mixtures(is_known=~is_held_out)
                means[is_held_out] = (mixtures @ means)[is_held_out]
            coef = getattr(self, "coef_", None)
            if before is None and coef is not None:
                coef = self._learn(*data, verbose=0)
            means = _to_metric(means, coef)
            return lambda held_out: _scores(_to_metric(features[rows[held_out]], coef), means)

        keys, weight_of_rows = row_keys(features[rows]), None if weight is None else weight[rows]
        self._calibrate_scores(np.asarray, targets[rows], keys, weight_of_rows, refit)

    @property
    def _answers_unseen(self):
        return getattr(self, "_ancestor_means", self.hierarchy) is not None

    def _is_held_out(self):
        # Without a hierarchy, the second training could not place the classes that it lacks.
        is_held_out = super()._is_held_out()
        if self._ancestor_means is None:
            return np.zeros_like(is_held_out)
        mixtures = self._ancestor_means.mixtures(is_known=~is_held_out)
        return is_held_out & (mixtures.sum(axis=1) > 0)

    def _project(self, X):
        return _to_metric(self._scale(X), getattr(self, "coef_", None))

    def _extended(self, points):
        # With these, the dot product with an extended mean is minus half the squared distance.
        points = points - self._centre.astype(points.dtype)
        halves = np.square(points).sum(axis=1) / 2
        return np.column_stack([points, np.ones_like(halves), -halves])

    def _make_space(self, vocabulary, embedder):
        if self._ancestor_means is None:
            return super()._make_space(vocabulary, embedder)
        rows = embedder.rows(vocabulary.labels)
        facts = LabelFacts.of(vocabulary, self._ancestor_means.hierarchy)
        mixtures = self._ancestor_means.mixtures(facts)
        vectors = _extended_means(mixtures @ embedder.vectors[:, :-2])
        vectors[rows >= 0] = embedder.vectors[rows[rows >= 0]]
        is_placed = (rows >= 0) | (mixtures.sum(axis=1) > 0)
        vectors = embedder.unit(vectors) * is_placed[:, None]
        return LabelSpace._of_vectors(vocabulary, vectors, self.search, self._search_device)


class AncestorMeans:
    """Mixtures of class means (Mensink et al., ECCV 2012). `facts` are of the training labels."""

    def __init__(self, hierarchy, facts):
        self.hierarchy = hierarchy
        self.facts = facts
        self._below = facts.sum_of_senses @ hierarchy.graph.ancestors(facts.all_senses) > 0

    def mixtures(self, facts=None, is_known=None):
        """Compute the shares of training labels in the means of labels: (n_labels, n_classes).

        `facts` are those of the labels; None means the training labels. `is_known` (n_classes,)
        marks the training labels to use; None means all. Rows sum to 1, or to 0 if no ancestor of a
        label has a training label below it.
        """
        facts = self.facts if facts is None else facts
        below = self._below.astype(float)  # A training label, and the nodes at or above it.
        if is_known is not None:
            below = diags_array(is_known.astype(float)) @ below
        n_below = below.sum(axis=0)
        node_means = below @ diags_array(1 / np.maximum(n_below, 1))
        nodes = facts.all_senses
        above = self.hierarchy.graph.ancestors(nodes) @ diags_array((n_below > 0).astype(float))
        # A node with training labels below itself needs no ancestors.
        has_mean = n_below[nodes] > 0
        itself = csr_array(
            (has_mean.astype(float), nodes, np.arange(len(nodes) + 1)), shape=above.shape
        )
        above = diags_array((~has_mean).astype(float)) @ above + itself
        return normalize(facts.sum_of_senses @ (unit_rows(above, "l1") @ node_means.T), "l1")


def _class_means(features, targets, weight, n_classes=None):
    """Compute class means (n_classes, n_features) and their total weights (n_classes,)."""
    samples = Samples(features, features, np.arange(len(features)), targets, weight)
    return samples.class_means(targets.max() + 1 if n_classes is None else n_classes)


def _to_metric(features, coef):
    """Project scaled features by a metric W, or by none: (n, n_components)."""
    return features if coef is None else features @ coef.T.astype(features.dtype, copy=False)


def _scores(points, means):
    """Score means by minus half the squared distance from points: (n, n_classes)."""
    halves = [np.square(part).sum(axis=1) / 2 for part in (points, means)]
    return points @ means.T - halves[0][:, None] - halves[1]


def _extended_means(means):
    """Extend means for products with extended points: (n, n_components + 2)."""
    halves = np.square(means).sum(axis=1) / 2
    return np.column_stack([means, -halves, np.ones_like(halves)])
