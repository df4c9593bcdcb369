"""Label embedding by ranking (WSABIE)."""

from numbers import Integral, Real
from typing import Self

import numpy as np

from skdevise._compat import Interval, fit_context
from skdevise._typing import ArrayLike, FeatureScaling, Inputs, Labels, RandomState
from skdevise._utils import draw_seed, find_device
from skdevise.models._calibration import refit_rows, row_keys
from skdevise.models._candidates import unchanged_on_error
from skdevise.models._features import check_several
from skdevise.models._learned_labels import LabelVectors, LearnedLabelClassifier

# The module that needs torch is imported in `fit`.


class WSABIEClassifier(LearnedLabelClassifier):
    r"""Label embedding by ranking (WSABIE), which learns the label vectors with the projection.

    The score of label c for features x is :math:`f_c(x) = W_c \cdot V x` [1]_ (eq. 1). Both the
    projection V and the label vectors :math:`W_c` are learned. So the classifier knows nothing of
    the meaning of labels, and can only answer with training labels. Compare it with
    `DeViSEClassifier` to see what word vectors add.

    The loss is WARP, the weighted approximate-rank pairwise loss (algorithm 1 of the paper). False
    labels n are drawn until one violates the margin, so that :math:`f_n(x) > f_y(x) - 1` for the
    true label y. If this takes N draws among Y labels, the rank of the true label is estimated as
    :math:`r = \lfloor (Y - 1) / N \rfloor`. The loss is

    .. math:: \left(\sum_{i=1}^{r} \frac{1}{i}\right) \, \left(1 - f_y(x) + f_n(x)\right)

    After each step, the columns of V and the label vectors are shortened to `max_norm`.

    Parameters
    ----------
    embedding_size : int, default=200
        Dimension of the space of the label vectors. The paper uses 100. Raise it if there are many
        labels.
    max_norm : float, default=2.0
        Largest norm of a column of V and of a label vector, called C in the paper. It regularises
        the classifier: raise it if there are many samples for each label.
    feature_scaling : {"centered", "l2", "standard", "none"}, default="l2"
        Scaling of the features. "l2" gives each sample unit length. "centered" does so too, and
        then subtracts the mean of the training samples. "standard" gives each feature zero mean and
        unit variance over the training samples; use it if the features have different units. "none"
        does not scale.
    labels : array-like, dict or LabelVocabulary, default=None
        Candidate labels used when a method gets none. They must be training labels. None means all
        training labels.
    reject_below : float, default=None
        Lowest confidence of an answer. If no candidate reaches it, `predict` returns
        `unknown_label`. None always returns a candidate. Choose it on samples that you hold out.
    unknown_label : str or number, default="unknown"
        Answer of `predict` to rejected samples. It must be a number if the labels are numbers.
    calibrate : bool, default=True
        Fit the temperatures of `predict_proba`. This takes further trainings on parts of the data.
        False saves their time, for example in a grid search that measures hit@k. The classifier
        then has no probabilities, so `reject_below` must be None.
    max_epochs : int, default=30
        Number of passes over the training samples.
    lr : float, default=0.02
        Learning rate of Adagrad. The paper uses the same rate for all weights, and chooses it anew
        for each data set, so include it in a grid search.
    batch_size : int, default=128
        Number of samples per gradient step. The paper uses 1, which takes much longer.
    device : str, default="auto"
        Torch device of the training, for example "cuda:1". "auto" uses "cuda" or "mps" if it is
        available and the training is large enough to gain from it. `device_` holds the device.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of samples and the false labels. Pass an int for
        reproducible results.
    verbose : int, default=0
        Verbosity. 1 prints a line per epoch, and 2 also shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Training labels, sorted.
    coef_ : ndarray of float32, of shape (embedding_size, n_features)
        The projection V, applied to scaled features.
    label_vectors_ : ndarray of float32, of shape (n_classes, embedding_size)
        The label vectors W.
    device_ : str
        Torch device of the training, for example "cpu" or "cuda".
    scaler_ : StandardScaler
        Fitted scaler. It only exists if `feature_scaling` is "centered" or "standard".
    label_space_ : LabelSpace
        The training labels and their vectors, extended to unit length by one more number.
    temperature_ : float
        Temperature of `predict_proba`. It is fitted on samples that are held out of a second
        training.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features. It only exists if X has text column names.

    See Also
    --------
    DeViSEClassifier : With `loss="warp"`, trains only the projection with this loss.
    NearestClassMeanClassifier : Learns a metric, and predicts unseen labels by a hierarchy.

    References
    ----------
    .. [1] Weston et al., "Large scale image annotation: learning to rank with joint word-image
       embeddings", Machine Learning 81, 2010.

    Examples
    --------
    >>> from skdevise import WSABIEClassifier
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 0]], ["cat", "cat", "truck", "truck"]
    >>> clf = WSABIEClassifier(embedding_size=10, random_state=0).fit(X, y)
    >>> clf.predict([[0, 3], [2, 0]])
    array(['cat', 'truck'], dtype='<U5')
    """

    _parameter_constraints = {
        "embedding_size": [Interval(Integral, 1, None, closed="left")],
        "max_norm": [Interval(Real, 0, 1e6, closed="right")],
        **LearnedLabelClassifier._common_constraints,
    }

    def __init__(
        self,
        *,
        embedding_size: int = 200,
        max_norm: float = 2.0,
        feature_scaling: FeatureScaling = "l2",
        labels: Labels | None = None,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
        max_epochs: int = 30,
        lr: float = 0.02,
        batch_size: int = 128,
        device: str = "auto",
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.embedding_size = embedding_size
        self.max_norm = max_norm
        self.feature_scaling = feature_scaling
        self.labels = labels
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
        """Train the projection and the label vectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of the training samples.
        y : array-like of shape (n_samples,)
            Training labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the loss, not negative. They are divided by their mean, so
            `lr` keeps its meaning.

        Returns
        -------
        self : WSABIEClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there is one class only, if X contains photos instead of features, or if the
            parameter `labels` names a label that is not in y.
        """
        from skdevise.models._learned_label_nets import train_wsabie

        find_device(self.device)
        X, y, sample_weight = self._start_fit(X, y, sample_weight)
        classes, targets = np.unique(y, return_inverse=True)
        check_several(classes)
        # This refuses unseen candidates before the training.
        self._place_labels(classes, LabelVectors(classes, np.ones((len(classes), 1))))
        n_weights = self.embedding_size * (X.shape[1] + len(classes))
        self._choose_device(len(X), len(classes), n_weights)
        params = self.get_params(deep=False) | {"device": self.device_}
        seed = draw_seed(self.random_state)

        def train_on(rows, **more):
            weight = None if sample_weight is None else sample_weight[rows]
            features = self._scale(X[rows])
            return train_wsabie(features, targets[rows], weight, len(classes), params | more, seed)

        self.coef_, self.label_vectors_ = train_on(slice(None))
        self._n_features_out = self.embedding_size
        self._bind_labels(classes, LabelVectors(classes, self.label_vectors_))
        rows = refit_rows(len(X))

        def refit(kept):
            coef, vectors = train_on(rows[kept], verbose=0)
            return lambda held_out: self._scale(X[rows[held_out]]) @ (vectors @ coef).T

        weight = None if sample_weight is None else sample_weight[rows]
        self._calibrate_scores(np.asarray, targets[rows], row_keys(X[rows]), weight, refit)
        return self

    def _is_held_out(self):
        # A second training without some classes would not know them.
        return np.zeros(len(self.classes_), dtype=bool)
