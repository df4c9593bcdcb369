"""Embarrassingly simple zero-shot learning."""

from numbers import Real

from scipy.linalg import cho_solve

from skdevise._compat import Interval
from skdevise._typing import Embedder, FeatureScaling, Hubness, Labels, Search
from skdevise.models._least_squares import LeastSquaresClassifier, factorize


class ESZSLClassifier(LeastSquaresClassifier):
    r"""Embarrassingly simple zero-shot learning (ESZSL).

    The projection M is linear and has a closed form [1]_ (eq. 8). Let :math:`M_r` be the projection
    of `RidgeProjectionClassifier`, and S the matrix whose columns are the vectors of the training
    labels. Then

    .. math:: M = (S S^\top + \lambda I)^{-1} M_r

    Here :math:`\lambda` is `label_alpha`. Unlike the paper, we encode the labels that a sample does
    not have as 0, not -1. With 1,000 labels, -1 would push every sample away from the mean label.

    Parameters
    ----------
    embedder : fitted term embedder, default=None
        Source of the label vectors, such as `PretrainedEmbedder`. None means `RandomEmbedder()`, a
        baseline without any knowledge of language: its predictions of unseen labels are random.
    alpha : float, default=1.0
        Strength of the L2 penalty, a positive number. Raise it if the projection overfits. The
        penalty weighs less in larger training sets, so raise it with the number of samples.
    label_alpha : float, default=1.0
        Strength of the L2 penalty on the side of the labels, a positive number. A small value
        amplifies directions in which the label vectors differ little. Raise it if this overfits.
        For very large values, the predictions are those of `RidgeProjectionClassifier` with the
        same `feature_scaling`.
    feature_scaling : {"centered", "l2", "standard", "none"}, default="l2"
        Scaling of the features. "l2" gives each sample unit length. "centered" does so too, and
        then subtracts the mean of the training samples. "standard" gives each feature zero mean and
        unit variance over the training samples; use it if the features have different units. "none"
        does not scale.
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
        Training labels.
    coef_ : ndarray of float64, of shape (vector_size, n_features)
        The projection M, applied to scaled features.
    scaler_ : StandardScaler
        Fitted scaler. It only exists if `feature_scaling` is "centered" or "standard".
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
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features. It only exists if X has text column names.

    See Also
    --------
    RidgeProjectionClassifier : Closed form with a single penalty.
    DeViSEClassifier : Trains the projection with a ranking loss.

    References
    ----------
    .. [1] Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning",
       ICML 2015.
    .. [2] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016 (eq. 3).

    Examples
    --------
    >>> from skdevise import ESZSLClassifier, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.9, 0.1]})
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 0]], ["cat", "cat", "truck", "truck"]
    >>> clf = ESZSLClassifier(embedder, alpha=0.1).fit(X, y)
    >>> clf.predict([[0, 3]], labels=["lynx", "truck"])
    array(['lynx'], dtype='<U5')
    """

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, 1e8, closed="right")],
        "label_alpha": [Interval(Real, 0, 1e8, closed="right")],
        **LeastSquaresClassifier._common_constraints,
    }

    def __init__(
        self,
        embedder: Embedder | None = None,
        *,
        alpha: float = 1.0,
        label_alpha: float = 1.0,
        feature_scaling: FeatureScaling = "l2",
        labels: Labels | None = None,
        search: Search = "auto",
        seen_penalty: float = 0.0,
        hubness: Hubness = None,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
    ) -> None:
        self.embedder = embedder
        self.alpha = alpha
        self.label_alpha = label_alpha
        self.feature_scaling = feature_scaling
        self.labels = labels
        self.search = search
        self.seen_penalty = seen_penalty
        self.hubness = hubness
        self.reject_below = reject_below
        self.unknown_label = unknown_label
        self.calibrate = calibrate

    def _relate(self, projected, label_vectors):
        label_gram = label_vectors.T @ label_vectors
        return cho_solve((factorize(label_gram, "label_alpha", self.label_alpha), True), projected)
