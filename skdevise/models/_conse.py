"""Convex combination of semantic embeddings."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize

from skdevise._compat import Interval
from skdevise._typing import Classifier, Embedder, Hubness, Inputs, Labels, NDArray, Search
from skdevise.models._prediction import LabelPredictionMixin
from skdevise.models._seen_classifier import SeenClassifierMixin


class ConSEClassifier(SeenClassifierMixin, LabelPredictionMixin, BaseEstimator):
    """Convex combination of semantic embeddings (ConSE).

    ConSE places a photo at the mean vector of its most probable training labels, weighted by their
    probabilities [1]_ (eq. 2). It then predicts the nearest candidate label. No projection is
    trained.

    Parameters
    ----------
    classifier : classifier with `predict_proba`, default=None
        Classifier of the training labels. `fit` trains a clone of it. None means
        ``LogisticRegression()``. Wrap a classifier that is already fitted in
        `sklearn.frozen.FrozenEstimator`; a `VisualFeaturizer` gives the softmax layer of its
        network. Wrap one without `predict_proba` in `sklearn.calibration.CalibratedClassifierCV`.
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
        Correction for hubs: labels that are near to almost every sample. It lowers the scores of a
        label by its nearness to up to 1,000 training samples. "csls" measures this nearness with
        the 10 nearest samples, and "inverted_softmax" with all. Try them if a few labels are
        predicted too often. None corrects nothing.
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
        Labels that `classifier_` predicts. If it was fitted before, its labels without a vector are
        left out.
    classifier_ : classifier
        The fitted classifier.
    label_space_ : LabelSpace
        The training labels and their vectors.
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels. It is fitted on
        samples that are held out of another training with all classes.
    unseen_temperature_ : float
        Temperature of `predict_proba` if all candidates are unseen. It is fitted on classes that
        are held out of another training.
    mixed_temperature_ : float
        Temperature of `predict_proba` if half of the candidates are unseen.

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
        **SeenClassifierMixin._classifier_constraints,
        "n_top": [Interval(Integral, 1, None, closed="left")],
        **LabelPredictionMixin._prediction_constraints,
    }

    def __init__(
        self,
        classifier: Classifier | None = None,
        embedder: Embedder | None = None,
        *,
        n_top: int = 10,
        labels: Labels | None = None,
        search: Search = "auto",
        seen_penalty: float = 0.0,
        hubness: Hubness = None,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
    ) -> None:
        self.classifier = classifier
        self.embedder = embedder
        self.n_top = n_top
        self.labels = labels
        self.search = search
        self.seen_penalty = seen_penalty
        self.hubness = hubness
        self.reject_below = reject_below
        self.unknown_label = unknown_label
        self.calibrate = calibrate

    def transform(self, X: Inputs) -> NDArray[Any]:
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
        self._check_ready()
        return self._place(self._proba(self.classifier_, X))

    def _place(self, proba, is_known=None):
        """Average the vectors of the most probable labels: (n_samples, vector_size), unit rows."""
        n_top = min(self.n_top, proba.shape[1])
        top = np.argpartition(-proba, n_top - 1, axis=1)[:, :n_top]
        weights = np.zeros_like(proba)
        np.put_along_axis(weights, top, np.take_along_axis(proba, top, axis=1), axis=1)
        return normalize(weights @ self.label_space_.targets.astype(weights.dtype, copy=False))
