"""Direct similarity: unseen labels borrow the classifiers of the most similar training labels."""

from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdevise._columns import positions_in
from skdevise._compat import Interval
from skdevise._ranking import best_columns
from skdevise._typing import Classifier, Embedder, Inputs, Labels, NDArray
from skdevise.models._prediction import ScorePredictionMixin
from skdevise.models._seen_classifier import SeenClassifierMixin, log_proba


class DirectSimilarityClassifier(SeenClassifierMixin, ScorePredictionMixin, BaseEstimator):
    r"""Score unseen labels by the classifiers of similar training labels (direct similarity).

    Let :math:`p(y|x)` be the probability of the training label y for the photo x. An unseen label u
    gets the mean of the probabilities of the `n_similar` training labels whose vectors are nearest
    to its own vector, weighted by their cosines [1]_:

    .. math:: p(u|x) \propto \frac{\sum_{y \in N(u)} \cos(t_u, t_y) \, p(y|x)}
        {\sum_{y \in N(u)} \cos(t_u, t_y)}

    Negative cosines count as 0. A training label keeps its own probability. The scores are the
    logarithms of these probabilities. No projection is trained, and the score of an unseen label
    depends on a few training labels only. `ConSEClassifier` instead starts from the most probable
    training labels of each photo.

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
    n_similar : int, default=5
        Number of training labels whose probabilities are averaged for an unseen label. The paper
        uses 5.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. None means the training labels. A dict or a
        vocabulary also gives the training labels their terms: synonyms, or names of class numbers.
    seen_penalty : float, default=0
        Amount subtracted from the scores of training labels when unseen labels compete with them.
        Without it, training labels win almost every time, because the score of an unseen label is
        a mean. `tune_seen_penalty` chooses it.
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
    ConSEClassifier : Combines the vectors of the most probable training labels.
    NoveltySwitchClassifier : Decides first between training labels and unseen labels.

    References
    ----------
    .. [1] Rohrbach, Stark and Schiele, "Evaluating knowledge transfer and zero-shot learning in a
       large-scale setting", CVPR 2011.

    Examples
    --------
    >>> from skdevise import DirectSimilarityClassifier, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.9, 0.1]})
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 0]], ["cat", "cat", "truck", "truck"]
    >>> clf = DirectSimilarityClassifier(embedder=embedder, n_similar=1).fit(X, y)
    >>> clf.predict([[0, 3]], labels=["lynx", "truck"])
    array(['lynx'], dtype='<U5')
    """

    _parameter_constraints = {
        **SeenClassifierMixin._classifier_constraints,
        "n_similar": [Interval(Integral, 1, None, closed="left")],
        **ScorePredictionMixin._prediction_constraints,
    }

    def __init__(
        self,
        classifier: Classifier | None = None,
        embedder: Embedder | None = None,
        *,
        n_similar: int = 5,
        labels: Labels | None = None,
        seen_penalty: float = 0.0,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
    ) -> None:
        self.classifier = classifier
        self.embedder = embedder
        self.n_similar = n_similar
        self.labels = labels
        self.seen_penalty = seen_penalty
        self.reject_below = reject_below
        self.unknown_label = unknown_label
        self.calibrate = calibrate

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Compute the probabilities of the training labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos
            Samples that `classifier` accepts.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        check_is_fitted(self)
        return self._proba(self.classifier_, X)

    def _score_labels(self, X, space):
        weights = self._cached(
            (space, "similarity", self.n_similar),
            lambda: self._similarity(space, np.ones(len(self.classes_), dtype=bool)),
        )
        return log_proba(self._points(X) @ weights.T)

    @property
    def _n_features_out(self):
        return len(self.classes_)

    def _place(self, proba, is_known):
        return log_proba(proba @ self._similarity(self.label_space_, is_known).T)

    def _similarity(self, space, is_known):
        """Weigh the known training labels for each candidate: sparse (n_labels, n_classes)."""
        known = np.flatnonzero(is_known)
        n_similar = min(self.n_similar, len(known))
        cosines = space.scores(self.label_space_.targets[known]).T
        columns = best_columns(cosines, n_similar)
        # Equal weights, if all cosines are negative.
        weights = np.maximum(np.take_along_axis(cosines, columns, axis=1), 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        trained = positions_in(self.classes_[known], space.labels)
        is_trained = trained >= 0
        columns[is_trained], weights[is_trained] = trained[is_trained, None], 1 / n_similar
        starts = np.arange(0, weights.size + 1, n_similar)
        shape = len(weights), len(self.classes_)
        return csr_array((weights.ravel(), known[columns].ravel(), starts), shape=shape)
