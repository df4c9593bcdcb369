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
from sklearn.utils import assert_all_finite, column_or_1d, get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import HasMethods, Interval, fit_context, safe_indexing
from skdevise.models._prediction import LabelPredictionMixin, calibration_rows


class ConSEClassifier(
    LabelPredictionMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Convex combination of semantic embeddings.

    An image is placed at the mean of its most probable seen labels' vectors, weighted by their
    probabilities, and answered by the nearest candidate labels [1]_ (eq. 2).

    Parameters
    ----------
    classifier : estimator with `predict_proba`, default=None
        Trained on (X, y) in `fit`; None means multinomial logistic regression.
    embedder : term embedder, default=None
        Pre-trained; gives the unit vectors of seen and of candidate labels. None means
        `RandomEmbedder()`, the baseline that knows nothing of language.
    n_top : int, default=10
        How many of the most probable seen labels are combined.
    labels : LabelVocabulary or array-like of labels, default=None
        The candidates where a method is given none; None means the training labels. A vocabulary
        also gives the training labels and those of later calls their terms.
    search : {"auto", "exact", "hnsw", "lsh", "tree"}, default="auto"
        How the nearest terms are found; "auto" is exact below 200,000 terms. See `LabelSpace`.
    expand : int, default=4
        The k nearest labels are sought among the terms of `expand` * k places (A.2).
    seen_penalty : float, default=0
        Taken off the scores of training labels where others compete with them: they would win
        nearly always (calibrated stacking [2]_). `tune_seen_penalty` chooses it.
    hubness : {"csls", "inverted_softmax"}, default=None
        Correct the scores of labels that are near to everything, by how near they are to the
        training samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels that the classifier answers with: those seen in `fit`, or a frozen classifier's.
    classifier_ : estimator
        The fitted classifier.
    temperature_ : float
        Of the softmax in `predict_proba`, fitted on the training samples.

    See Also
    --------
    DeViSEClassifier : Learns a map into the label space instead.

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
        "embedder": [HasMethods("transform"), None],
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
        expand=4,
        seen_penalty=0.0,
        hubness=None,
    ):
        self.classifier = classifier
        self.embedder = embedder
        self.n_top = n_top
        self.labels = labels
        self.search = search
        self.expand = expand
        self.seen_penalty = seen_penalty
        self.hubness = hubness

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Train the classifier of the seen labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or what `classifier` takes
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : ConSEClassifier

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector, before any training.
        """
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self._open_label_space(np.unique(y))
        classifier = LogisticRegression() if self.classifier is None else clone(self.classifier)
        self.classifier_ = classifier.fit(X, y)
        if not np.array_equal(self.classifier_.classes_, self.classes_):
            # A classifier that was trained before answers with labels of its own.
            self._open_label_space(np.asarray(self.classifier_.classes_))
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(self.classifier_, name):
                setattr(self, name, getattr(self.classifier_, name))
        self._n_features_out = self.label_space_.vector_size
        position = {label: i for i, label in enumerate(self.classes_.tolist())}
        targets = np.array([position.get(label, -1) for label in y.tolist()])
        rows = calibration_rows(len(y))
        self.temperature_ = 1.0  # Fitted from here on: `transform` can be asked.
        points = self._points(safe_indexing(indexable(X)[0], rows))
        self._calibrate(points, targets[rows])
        return self

    def transform(self, X):
        """Place samples in the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or what `classifier` takes

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Unit rows, in the precision of the classifier's probabilities.
        """
        check_is_fitted(self)
        proba = self.classifier_.predict_proba(X)
        n_top = min(self.n_top, proba.shape[1])
        top = np.argpartition(-proba, n_top - 1, axis=1)[:, :n_top]
        weights = np.zeros_like(proba)
        np.put_along_axis(weights, top, np.take_along_axis(proba, top, axis=1), axis=1)
        return normalize(weights @ self.label_space_.targets.astype(weights.dtype, copy=False))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "temperature_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        classifier = LogisticRegression() if self.classifier is None else self.classifier
        tags.input_tags = get_tags(classifier).input_tags
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags
