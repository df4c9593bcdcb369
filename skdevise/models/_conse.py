"""Convex combination of semantic embeddings."""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdevise._columns import check_targets
from skdevise._compat import (
    HasMethods,
    Interval,
    check_sample_weight,
    fit_context,
    safe_indexing,
)
from skdevise.models._calibration import refit_rows, row_keys
from skdevise.models._prediction import LabelPredictionMixin, refuse_photos


class ConSEClassifier(
    LabelPredictionMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Convex combination of semantic embeddings (ConSE).

    ConSE places a photo at the mean vector of its most probable training labels, weighted by their
    probabilities [1]_ (eq. 2). It then predicts the nearest candidate label. No projection is
    trained.

    Parameters
    ----------
    classifier : classifier with `predict_proba`, default=None
        Classifier of the training labels. `fit` trains a clone of it. None means
        `LogisticRegression()`. Wrap a classifier that is already fitted in
        `sklearn.frozen.FrozenEstimator`, and one without `predict_proba` in
        `sklearn.calibration.CalibratedClassifierCV`.
    embedder : fitted term embedder, default=None
        Source of the label vectors, such as `PretrainedEmbedder`. None means `RandomEmbedder()`, a
        baseline without any knowledge of language: its predictions of unseen labels are random.
    n_top : int, default=10
        Number of training labels combined for each photo. With 1, the photo gets the vector of its
        most probable training label. The paper compares 1, 10 and 1,000; 10 is best most often.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives the training labels their terms: synonyms, or names of class numbers.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        Search for the nearest label. "auto" is exact below 200,000 terms. See `LabelSpace`.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels when unseen labels compete with them.
        Without it, training labels win almost every time (calibrated stacking [2]_).
        `tune_seen_penalty` chooses it.
    hubness : {"csls", "inverted_softmax"}, default=None
        Correction for hubs: labels that are near to almost every sample. It subtracts the nearness
        of a label to up to 1,000 training samples from its scores. "csls" measures it with the 10
        nearest samples, "inverted_softmax" with all. Try them if few labels are predicted often.
    reject_below : float, default=None
        Lowest probability of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. `tune_reject_below` chooses it.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels that `classifier_` predicts.
    classifier_ : classifier
        The fitted classifier.
    label_space_ : LabelSpace
        The training labels and their vectors.
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels. It is fitted on
        samples that are held out of a second training.
    unseen_temperature_ : float
        Temperature of `predict_proba` if some candidates are unseen. It is fitted on classes that
        are held out of the second training.

    See Also
    --------
    DeViSEClassifier : Learns a projection into the label space.
    RidgeProjectionClassifier : Solves for a linear projection.

    References
    ----------
    .. [1] Norouzi et al., "Zero-shot learning by convex combination of semantic embeddings",
       ICLR 2014.
    .. [2] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016 (eq. 3).

    Examples
    --------
    >>> from skdevise import ConSEClassifier, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.9, 0.1]})
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 0]], ["cat", "cat", "truck", "truck"]
    >>> clf = ConSEClassifier(embedder=embedder).fit(X, y)
    >>> clf.predict([[0, 3]], labels=["lynx", "truck"])
    array(['lynx'], dtype='<U5')
    """

    _parameter_constraints = {
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
        "embedder": "no_validation",  # The label space checks it.
        "n_top": [Interval(Integral, 1, None, closed="left")],
        **LabelPredictionMixin._prediction_constraints,
    }

    def __init__(
        self,
        classifier=None,
        embedder=None,
        *,
        n_top=10,
        labels=None,
        search="auto",
        seen_penalty=0.0,
        hubness=None,
        reject_below=None,
        unknown_label="unknown",
    ):
        self.classifier = classifier
        self.embedder = embedder
        self.n_top = n_top
        self.labels = labels
        self.search = search
        self.seen_penalty = seen_penalty
        self.hubness = hubness
        self.reject_below = reject_below
        self.unknown_label = unknown_label

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the classifier of the training labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples that `classifier` accepts. Photos need a classifier that takes them, such as a
            Pipeline with a `VisualFeaturizer`.
        y : array-like of shape (n_samples,)
            Training labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative. The `fit` of `classifier` and the fits of
            the temperatures use them.

        Returns
        -------
        self : ConSEClassifier
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector. It is raised before `classifier` is fitted.
        TypeError
            If `classifier` does not accept `sample_weight`.
        ValueError
            If some labels are text and others are numbers.
        """
        y = check_targets(y)
        if self.classifier is None:
            refuse_photos(X)
        classifier = LogisticRegression() if self.classifier is None else clone(self.classifier)
        weights = {}
        if sample_weight is not None:
            if not has_fit_parameter(classifier, "sample_weight"):
                raise TypeError(
                    f"classifier={self.classifier!r} does not accept sample_weight in fit. Use "
                    "another classifier, or leave sample_weight=None."
                )
            weights["sample_weight"] = check_sample_weight(
                sample_weight, y, ensure_non_negative=True
            )
        self._open_label_space(np.unique(y))
        self.classifier_ = classifier.fit(X, y, **weights)
        if not np.array_equal(self.classifier_.classes_, self.classes_):
            # A frozen classifier keeps its own labels.
            self._open_label_space(np.asarray(self.classifier_.classes_))
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(self.classifier_, name):
                setattr(self, name, getattr(self.classifier_, name))
        self._n_features_out = self.label_space_.vector_size
        self._fit_temperatures(X, y, weights)
        return self

    def _fit_temperatures(self, X, y, weights):
        """Fit the temperatures of `predict_proba` on held-out samples and classes."""
        position = {label: i for i, label in enumerate(self.classes_.tolist())}
        targets = np.array([position.get(label, -1) for label in y.tolist()])
        is_known = targets >= 0  # A frozen classifier may know none of the labels in y.
        if weights:
            is_known &= weights["sample_weight"] > 0
        rows = np.flatnonzero(is_known)
        if not len(rows):
            self.reference_points_ = self.label_space_.targets
            self.temperature_ = self.unseen_temperature_ = 1.0
            return
        rows = rows[refit_rows(len(rows))]
        X, targets, y = safe_indexing(indexable(X)[0], rows), targets[rows], y[rows]
        weights = {name: weight[rows] for name, weight in weights.items()}

        def place_with(classifier, is_hidden):
            columns = np.searchsorted(self.classes_, classifier.classes_)

            def place(rows):
                known = classifier.predict_proba(safe_indexing(X, rows))
                proba = np.zeros((len(rows), len(self.classes_)), known.dtype)
                proba[:, columns] = known
                proba[:, is_hidden] = 0  # A frozen classifier still knows the held-out classes.
                return self._combine(proba)

            return place

        def refit(kept):
            classifier = LogisticRegression() if self.classifier is None else clone(self.classifier)
            kept_weights = {name: weight[kept] for name, weight in weights.items()}
            try:
                classifier.fit(safe_indexing(X, kept), y[kept], **kept_weights)
            except ValueError:  # A cross-validation inside needs more samples of each class.
                classifier = self.classifier_
            return place_with(classifier, self._is_held_out())

        weight = weights.get("sample_weight")
        self._calibrate(targets, row_keys(X), weight, place_with(self.classifier_, []), refit)

    def transform(self, X):
        """Place samples in the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples that `classifier` accepts.

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Unit vectors, with the dtype of the classifier's probabilities.
        """
        check_is_fitted(self)
        return self._combine(self.classifier_.predict_proba(X))

    def _combine(self, proba):
        """Average the vectors of the most probable labels: (n_samples, vector_size), unit rows."""
        n_top = min(self.n_top, proba.shape[1])
        top = np.argpartition(-proba, n_top - 1, axis=1)[:, :n_top]
        weights = np.zeros_like(proba)
        np.put_along_axis(weights, top, np.take_along_axis(proba, top, axis=1), axis=1)
        return normalize(weights @ self.label_space_.targets.astype(weights.dtype, copy=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        classifier = LogisticRegression() if self.classifier is None else self.classifier
        tags.input_tags = get_tags(classifier).input_tags
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags
