"""Prediction of the classifier weights of unseen labels."""

from numbers import Real

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.utils import check_consistent_length, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._columns import check_targets
from skdevise._compat import HasMethods, Interval, fit_context
from skdevise.labels import Hierarchy
from skdevise.language import RandomEmbedder
from skdevise.models._calibration import (
    calibration_rows,
    fit_temperature,
    refit_rows,
    row_keys,
)
from skdevise.models._candidates import present
from skdevise.models._label_kernels import LabelFacts, LabelKernel
from skdevise.models._label_vectors import space_of_vectors
from skdevise.models._label_weights import WeightRegression
from skdevise.models._prediction import LabelPredictionMixin, refuse_photos

# benchmarks/label_kernels.py chose the constants on labels of ImageNet that it left out.

# Exponent that damps large features.
_POWER = 0.35

# Temperature of the probabilities of the training labels.
_SEEN_TEMPERATURE = 2.0

# Temperature of the correction for hubs.
_HUB_TEMPERATURE = 0.05

# Number of labels whose weights are predicted at once. It limits memory.
_N_LABELS = 2_048


class ClassifierWeightRegressor(
    LabelPredictionMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    r"""Kernel regression of classifier weights, for labels that a classifier lacks.

    A linear classifier has one row of weights for each training label. We predict the rows of other
    labels from what is known of them [1]_ [2]_: their place in a hierarchy, the vectors of their
    names, and their definitions. No unseen label needs a photo or a new training.

    The kernel :math:`k(p, q)` compares two labels. It is a weighted mean of kernels of the
    hierarchy, the names and the definitions. With the rows :math:`w_c` of the training labels,
    which are centred and have length 1, the predicted row of a label u is

    .. math:: w_u \propto \sum_c a_{uc} w_c, \quad a_u = k_u^\top (K + \alpha I)^{-1}

    The score of u also has a term in the manner of :class:`ConSEClassifier`, and a correction for
    hubs, which are labels that are near to almost every photo:

    .. math:: s_u(x) = x \cdot w_u + m \, q(x) \cdot g_u - h T \log \frac{1}{n} \sum_i e^{x_i \cdot
       w_u / T}

    Here x holds the damped features of a photo, centred and of length 1. The vector :math:`q(x)`
    holds the probabilities of the training labels, and :math:`g_u` is the centred kernel
    :math:`k_u` with length 1. The :math:`x_i` are training photos, and T is 0.05.

    :func:`skdevise.load_zero_shot_classifier` returns this classifier ready to use.

    Parameters
    ----------
    classifier : linear classifier, default=None
        Classifier of the training labels, with `coef_` and `intercept_` after its fit. Wrap one
        that is already fitted in `sklearn.frozen.FrozenEstimator`. None means the softmax layer of
        `visual` if it is given, and otherwise ``LogisticRegression(max_iter=1000)``.
    embedder : fitted term embedder, or list of them, default=None
        Source of the vectors of names and of the words in definitions. An `EncoderEmbedder` encodes
        whole definitions. Several embedders share their weight. None uses the hierarchy alone.
    hierarchy : Hierarchy, default=None
        Relations and definitions of labels, usually ``Hierarchy.wordnet()``. Labels may be its own
        labels, such as "n02084071", or names. A name stands for all its senses that are physical
        things and not persons. None uses the vectors of the names alone. Without `embedder`
        too, random vectors take their place: predictions of unseen labels are then random.
    visual : VisualFeaturizer, default=None
        Visual model that computes the features of photos. If it is given, X holds photos, or
        features that this model computed. None means that X holds features.
    hierarchy_weight : float, default=0.3
        Weight of the hierarchy itself in the kernel, from 0 to 1. Names and definitions have the
        rest.
    alpha : float, default=0.3
        Strength of the ridge penalty. Increase it if the labels are described poorly.
    mixture_weight : float, default=5.0
        Weight m of the probabilities of the training labels in the score.
    hub_penalty : float, default=0.4
        Strength h of the correction for hubs. 0 corrects nothing.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives the training labels their terms: synonyms, or names of class numbers.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        Search for the best label, as in `LabelSpace`. It only matters with `hub_penalty=0`, because
        a correction needs the scores of all labels.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels when unseen labels compete with them.
        Without it, training labels win too often (calibrated stacking [3]_). `tune_seen_penalty`
        chooses it.
    reject_below : float, default=None
        Lowest probability of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. `tune_reject_below` chooses it.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classifier. If the network of `visual` was trained on ILSVRC-2012, these are
        the WordNet ids of its 1,000 classes.
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
        samples that are held out of a second training.
    unseen_temperature_ : float
        Temperature of `predict_proba` if some candidates are unseen. It is fitted on classes that
        are held out of the second training.
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
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "mixture_weight": [Interval(Real, 0, None, closed="left")],
        "hub_penalty": [Interval(Real, 0, None, closed="left")],
        **{
            name: LabelPredictionMixin._prediction_constraints[name]
            for name in ("labels", "search", "seen_penalty", "reject_below", "unknown_label")
        },
    }
    hubness = None  # `hub_penalty` takes its place.

    def __init__(
        self,
        classifier=None,
        embedder=None,
        *,
        hierarchy=None,
        visual=None,
        hierarchy_weight=0.3,
        alpha=0.3,
        mixture_weight=5.0,
        hub_penalty=0.4,
        labels=None,
        search="auto",
        seen_penalty=0.0,
        reject_below=None,
        unknown_label="unknown",
    ):
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Fit the classifier of the training labels, and prepare the regression of its weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Training samples. Their mean is the centre of the features, and the correction for hubs
            uses them.
        y : array-like of shape (n_samples,)
            Labels of the samples. Besides the fit of `classifier`, the temperatures of
            `predict_proba` need them.

        Returns
        -------
        self : ClassifierWeightRegressor
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If neither `hierarchy` nor `embedder` knows a training label.
        TypeError
            If `classifier` is not linear.
        ValueError
            If some labels are text and others are numbers, or X contains photos without `visual`.
        """
        y = check_targets(y)
        check_consistent_length(X, y)
        self._kernel = self._new_kernel()
        vars(self).pop("visual_", None)
        if self.visual is not None:
            self.visual_ = clone(self.visual).fit(X, y)
        features = self._features(X, reset=True)
        classes = self._fit_classifier(features, y)
        facts = LabelFacts.of(self._vocabulary(classes), self.hierarchy)
        gram = self._kernel.fit(facts)
        self._regression = self._new_regression(gram, self.coef_)
        embedders = self._kernel.embedders
        self._place_labels(classes, embedders[0] if embedders else None)
        self._centre = _damped(features).mean(axis=0)
        self._reference = self._damp(features[calibration_rows(len(features))])
        self._n_features_out = self.label_space_.vector_size
        self._fit_temperatures(features, y, gram)
        return self

    def transform(self, X):
        """Place samples in the space of the predicted weights.

        The product of a row with the vector of a label is the score, before any correction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features + n_classes)
            Damped features and weighted probabilities of the training labels.
        """
        check_is_fitted(self)
        return self._join(self._features(X), self.coef_, self.intercept_)

    def explain(self, X, labels=None, *, k=1, n_reasons=5):
        """Explain the best answers of each sample.

        The score of an answer is a sum over the training labels, because its predicted weights are
        a mixture of theirs. The regression also splits the same sum into what the ancestors in the
        hierarchy, the names and the definitions predict. The corrections `hub_penalty` and
        `seen_penalty` are left out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Samples.
        labels : array-like, dict or LabelVocabulary, default=None
            Candidate labels, as in `predict`.
        k : int, default=1
            Number of answers to explain for each sample.
        n_reasons : int, default=5
            Number of training labels, and of ancestors, to list for each answer. These are the ones
            with the largest contributions for or against it.

        Returns
        -------
        reasons : pandas.DataFrame
            Columns "sample" (position in X), "label", "kind", "reason" and "contribution". The kind
            is "training label", "ancestor", "name" or "definition". The contributions of all
            training labels add up to the score, and so do those of all other kinds together. An
            answer without ancestors is not in the hierarchy, and one without a contribution of its
            name has no word vector.

        Raises
        ------
        ValueError
            If `k` is out of range, or a candidate is repeated.

        Examples
        --------
        >>> from skdevise import ClassifierWeightRegressor, Hierarchy
        >>> X, y = [[9, 1], [8, 3], [1, 9], [3, 8]], ["horse", "cat", "truck", "bicycle"]
        >>> clf = ClassifierWeightRegressor(hierarchy=Hierarchy.wordnet()).fit(X, y)
        >>> reasons = clf.explain([[9, 1]], labels=["zebra", "bus"], n_reasons=1)
        >>> reasons[["label", "kind", "reason"]]
           label            kind    reason
        0  zebra  training label     horse
        1  zebra        ancestor  ungulate
        2  zebra      definition     zebra
        """
        import pandas as pd

        features = self._features(X)
        top = self.predict_top_k(features, k, labels)
        points = self.transform(features)
        tables = []
        for sample, answers in enumerate(top):
            for label in answers.tolist():
                facts = LabelFacts.of(self._vocabulary([label]), self.hierarchy)
                table = pd.DataFrame(self._reasons(points[sample], facts, n_reasons))
                table.insert(0, "label", label)
                table.insert(0, "sample", sample)
                tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def _reasons(self, point, facts, n_reasons):
        """Split the score of one label: list of dict, the largest contributions of a kind first."""
        parts = self._kernel.parts(facts)
        by_label, evidence = self._regression.split(sum(parts.values())[0], point)
        groups = [("training label", self.classes_, by_label)]
        if "hierarchy" in parts:
            by_node = self._kernel.by_ancestor(facts, evidence)
            nodes = np.flatnonzero(by_node)
            groups.append(("ancestor", self.hierarchy.labels[nodes], by_node[nodes]))
        for kind in ("name", "definition"):
            if kind in parts and parts[kind].any():
                groups.append((kind, np.array(facts.terms[0][:1]), parts[kind] @ evidence))
        return [
            {"kind": kind, "reason": self._readable(labels[i]), "contribution": contributions[i]}
            for kind, labels, contributions in groups
            for i in np.argsort(-np.abs(contributions), kind="stable")[:n_reasons]
        ]

    def _readable(self, label):
        """Return the first term of a label of the hierarchy, and any other label itself: str."""
        is_known = self.hierarchy is not None and label in self.hierarchy
        return self.hierarchy.terms(label)[0] if is_known else str(label)

    # --- Training

    def _new_kernel(self):
        """Create the kernel from the embedders and the hierarchy."""
        given = self.embedder if isinstance(self.embedder, list | tuple) else [self.embedder]
        embedders = [present(embedder) for embedder in given if embedder is not None]
        if not embedders and self.hierarchy is None:
            embedders = [RandomEmbedder()]
        return LabelKernel(self.hierarchy, embedders, self.hierarchy_weight)

    def _fit_classifier(self, features, y):
        """Fit the classifier, or take the softmax layer of the visual model. Return its labels."""
        vars(self).pop("classifier_", None)
        layer = getattr(self, "visual_", None)
        if self.classifier is None and hasattr(layer, "softmax_coef_"):
            self.coef_, self.intercept_ = layer.softmax_coef_, layer.softmax_intercept_
            return layer.classes_ if layer.synsets_ is None else layer.synsets_
        self.classifier_, self.coef_, self.intercept_ = self._linear(features, y)
        return np.asarray(self.classifier_.classes_)

    def _linear(self, features, y):
        """Fit a classifier; return it with its weights (n_classes, n_features) and biases."""
        new = LogisticRegression(max_iter=1_000) if self.classifier is None else self.classifier
        classifier = clone(new).fit(features, y)
        if not hasattr(classifier, "coef_"):
            raise TypeError(
                f"classifier={self.classifier!r} has no coef_ after its fit. Pass a linear "
                "classifier, such as LogisticRegression()."
            )
        coef, intercept = classifier.coef_, np.ravel(classifier.intercept_)
        if len(classifier.classes_) == 2 and len(coef) == 1:
            coef, intercept = np.vstack([-coef, coef]) / 2, np.append(-intercept, intercept) / 2
        return classifier, coef, intercept

    def _new_regression(self, gram, coef):
        """Regress the weights of training labels on their kernel."""
        return WeightRegression(gram, coef, self.alpha, self.mixture_weight)

    def _fit_temperatures(self, features, y, gram):
        """Fit the temperatures of `predict_proba` on held-out samples and classes."""
        position = {label: i for i, label in enumerate(self.classes_.tolist())}
        targets = np.array([position.get(label, -1) for label in y.tolist()])
        rows = np.flatnonzero(targets >= 0)
        if not len(rows):
            self._fit_temperature_unseen(features, y)
            return
        rows = rows[refit_rows(len(rows))]
        features, targets, y = features[rows], targets[rows], y[rows]
        second = {}

        def refit(kept):
            columns, coef, intercept = self._train_without(features[kept], y[kept])
            regression = self._new_regression(gram[np.ix_(columns, columns)], coef)
            second["vectors"] = regression.predict(gram[:, columns])
            second["hubs"] = self._hubs(second["vectors"], self._damp(features[kept]))
            return lambda rows: self._join(features[rows], coef, intercept)

        def score(points):
            return points @ second["vectors"].T - second["hubs"]

        self._calibrate_scores(score, targets, row_keys(features), None, refit)

    def _fit_temperature_unseen(self, features, y):
        """Fit one temperature on samples of which none has a training label."""
        labels, targets = np.unique(y, return_inverse=True)
        rows = calibration_rows(len(y))
        space = self._make_space(self._vocabulary(labels), self.embedder_)
        scores = space.scores(self._join(features[rows], self.coef_, self.intercept_))
        scores = scores - self._hubs(space.targets, self._reference)
        self.temperature_ = fit_temperature(scores, targets[rows], len(rows))
        self.unseen_temperature_ = self.temperature_

    def _train_without(self, features, y):
        """Train on some samples: positions of the labels, and their weights and biases."""
        is_kept = ~self._is_held_out()
        if not hasattr(self, "classifier_") or isinstance(self.classifier_, FrozenEstimator):
            columns = np.flatnonzero(is_kept)
            return columns, self.coef_[columns], self.intercept_[columns]
        classifier, coef, intercept = self._linear(features, y)
        return np.searchsorted(self.classes_, classifier.classes_), coef, intercept

    # --- Answers

    def _features(self, X, reset=False):
        """Return the features of photos, or X itself if it is a table of numbers, validated."""
        if hasattr(self, "visual_") and not _is_table(X):
            X = np.asarray(self.visual_.transform(X))
        refuse_photos(X)
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)

    def _damp(self, features):
        """Damp large features, centre them, and scale rows to length 1: (n, n_features)."""
        return normalize(_damped(features) - self._centre.astype(features.dtype))

    def _join(self, features, coef, intercept):
        """Join damped features with the weighted probabilities of the training labels."""
        scores = features @ coef.T.astype(features.dtype) + intercept.astype(features.dtype)
        proba = softmax(scores / _SEEN_TEMPERATURE, axis=1)
        return self._regression.point(self._damp(features), proba)

    def _make_space(self, vocabulary, embedder):
        facts = LabelFacts.of(vocabulary, self.hierarchy)
        blocks = [
            self._regression.predict(self._kernel(facts.take(batch)))
            for batch in gen_batches(facts.n_labels, _N_LABELS)
        ]
        return space_of_vectors(vocabulary, np.vstack(blocks), self.search)

    def _offsets(self, space):
        offsets = super()._offsets(space)
        if not self.hub_penalty:
            return offsets
        hubs = self._cached((space, "hubs"), lambda: self._hubs(space.targets, self._reference))
        return hubs if offsets is None else offsets + hubs

    def _hubs(self, vectors, reference):
        """Measure how near labels are to training photos: (n_labels,), subtracted from scores."""
        weights = self._regression.weights_of(vectors)
        near = logsumexp(reference @ weights.T / _HUB_TEMPERATURE, axis=0) - np.log(len(reference))
        return self.hub_penalty * _HUB_TEMPERATURE * near

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if self.visual is not None:
            tags.input_tags.two_d_array = False
        return tags


def _damped(features):
    """Raise the size of features to a power below 1: (n, n_features)."""
    return np.sign(features) * np.abs(features) ** _POWER


def _is_table(X):
    """Return whether X is a two-dimensional table of numbers: bool."""
    if hasattr(X, "dtypes"):
        return all(dtype.kind in "iuf" for dtype in X.dtypes)
    return getattr(X, "ndim", 0) == 2 and X.dtype.kind in "iuf"
