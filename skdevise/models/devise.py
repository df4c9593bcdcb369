"""The Deep Visual-Semantic Embedding model."""

from numbers import Integral, Real
from os import PathLike

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.preprocessing import normalize
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skdevise._history import epoch_rows
from skdevise._random import draw_seed
from skdevise.models._prediction import LabelPredictionMixin, calibration_rows


class DeViSEClassifier(
    LabelPredictionMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    r"""Deep Visual-Semantic Embedding: a linear map from photos into a space of words.

    Trained on photos of some labels, it answers with any labels that have a word vector: the
    candidates are given at prediction time, and nothing is retrained.

    The map M is trained with the hinge rank loss of the paper [1]_ (eq. 1): the true label's
    score :math:`t_y \cdot M v` shall exceed that of each false one by `margin`, and the sum over
    false labels, taken in random order, is cut off after the first that violates it.

    Parameters
    ----------
    embedder : fitted term embedder, default=None
        The pre-trained language model: `PretrainedEmbedder`, `SkipGramEmbedder`, or any object
        whose `transform` turns terms into unit vectors. It is never trained here, and a clone
        shares it. None means `RandomEmbedder()`, the paper's random-embedding baseline.
    visual : VisualFeaturizer, default=None
        The net that turns images into features; a clone of it is fitted, and one that is fitted
        stays as it is inside `sklearn.frozen.FrozenEstimator`. None means that X holds features.
    loss : {"hinge_rank", "mse", "cosine"}, default="hinge_rank"
        "mse" is the squared distance to the true label's vector (the paper's L2 baseline),
        "cosine" one less the cosine with it.
    margin : float, default=0.1
        Margin of the hinge rank loss, in units of its scores; above zero.
    negatives : {"first_violation", "all", "hardest"} or int, default="first_violation"
        False labels that an example is trained against: the first in random order that violates
        the margin (the paper's), all of them, that with the highest score, or so many at random.
    feature_scaling : {"l2", "none"}, default="l2"
        Scale each sample's features to unit length, or leave them. Learning rates depend on it.
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
    max_epochs : int, default=30
        Passes over the training samples.
    lr : float, default=0.02
        Learning rate.
    optimizer : {"adagrad", "adam", "sgd"} or torch.optim.Optimizer class, default="adagrad"
        How steps are made of gradients; Adagrad keeps a learning rate for each weight.
    batch_size : int, default=128
        Training samples a step.
    callbacks : list of skorch callbacks, default=None
        Passed to skorch.
    device : str, default="auto"
        Where the map is trained, in torch's words; "auto" takes a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Order of the samples and draws of false labels. An int gives the same model each time.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen in training.
    coef_ : ndarray of float32, of shape (vector_size, n_features)
        The map M.
    temperature_ : float
        Of the softmax in `predict_proba`, fitted on the training samples.
    embedder_ : term embedder
        `embedder`, its `vectors_` where it has such, or the `RandomEmbedder` that stands for None.
    label_space_ : LabelSpace
        The training labels, embedded.
    reference_points_ : ndarray of shape (n_points, vector_size)
        Where training samples lie, up to a thousand: what `hubness` is judged by.
    visual_ : VisualFeaturizer
        The fitted net, if `visual` is given.
    net_ : skorch.NeuralNet
        The training loop. It is left out of a pickle, and then made again around `coef_`.
    history_ : list of dict
        A row an epoch: "epoch", "train_loss", "dur" (in seconds), and what callbacks have added.
    n_features_in_ : int
        Number of features, if `visual` is None.
    feature_names_in_ : ndarray of str, of shape (`n_features_in_`,)
        Names of the features, if X has such.

    See Also
    --------
    ConSEClassifier : Combines the seen labels' vectors instead of learning a map.
    VisualFeaturizer : Turns photos into features.
    LabelVocabulary : Candidates with several terms each.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.
    .. [2] Chao et al., "An empirical study and analysis of generalized zero-shot learning for
       object recognition in the wild", ECCV 2016 (eq. 3).

    Examples
    --------
    >>> from skdevise import DeViSEClassifier, PretrainedEmbedder
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1], "lynx": [0.9, 0.1]})
    >>> X, y = [[0, 1], [0, 2], [3, 0], [4, 0]], ["cat", "cat", "truck", "truck"]
    >>> clf = DeViSEClassifier(embedder, random_state=0).fit(X, y)
    >>> clf.predict([[0, 3]])
    array(['cat'], dtype='<U5')
    >>> clf.predict([[0, 3]], labels=["lynx", "truck"])
    array(['lynx'], dtype='<U5')
    """

    _parameter_constraints = {
        "embedder": [HasMethods("transform"), None],
        "visual": [HasMethods(["fit", "transform"]), None],
        "loss": [StrOptions({"hinge_rank", "mse", "cosine"})],
        "margin": [Interval(Real, 0, None, closed="neither")],
        "negatives": [
            StrOptions({"first_violation", "all", "hardest"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "feature_scaling": [StrOptions({"l2", "none"})],
        **LabelPredictionMixin._prediction_constraints,
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions({"adagrad", "adam", "sgd"}), callable],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        embedder=None,
        visual=None,
        *,
        loss="hinge_rank",
        margin=0.1,
        negatives="first_violation",
        feature_scaling="l2",
        labels=None,
        search="auto",
        expand=4,
        seen_penalty=0.0,
        hubness=None,
        max_epochs=30,
        lr=0.02,
        optimizer="adagrad",
        batch_size=128,
        callbacks=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.embedder = embedder
        self.visual = visual
        self.loss = loss
        self.margin = margin
        self.negatives = negatives
        self.feature_scaling = feature_scaling
        self.labels = labels
        self.search = search
        self.expand = expand
        self.seen_penalty = seen_penalty
        self.hubness = hubness
        self.max_epochs = max_epochs
        self.lr = lr
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Train the map on samples of the seen labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images if `visual` is given
        y : array-like of shape (n_samples,)
            Labels: names, synset ids, or any others that a vocabulary in `labels` has terms for.

        Returns
        -------
        self : DeViSEClassifier

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector, before any training; it names them all.
        NotFittedError
            If `embedder` is not fitted.
        """
        X, y = self._check_training_set(X, y, reset=True)
        classes, targets = np.unique(y, return_inverse=True)
        self._begin(classes)
        if self.visual is not None:
            self.visual_ = clone(self.visual).fit(X, y)
        features = self._features(X)
        self.net_ = self._make_net(features.shape[1])
        return self._train(features, targets, epochs=None)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None):
        """Train the map on, for one pass over some samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images if `visual` is given
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,), default=None
            All labels that will come; needed at the first call.

        Returns
        -------
        self : DeViSEClassifier

        Raises
        ------
        ValueError
            If `classes` are missing at the first call or differ later, or y holds others.

        Notes
        -----
        `temperature_` is fitted on the samples of the last call. A pickle leaves out the state of
        the optimizer: after it, training goes on from the map with a fresh one.
        """
        first = not hasattr(self, "coef_")
        if first and classes is None:
            raise ValueError(
                "The first call of partial_fit needs classes, all labels that will come."
            )
        X, y = self._check_training_set(X, y, reset=first)
        announced = np.unique(classes) if first else self.classes_
        if classes is not None and not np.array_equal(announced, np.unique(classes)):
            raise ValueError("classes differ from those of the first call of partial_fit.")
        unknown = np.setdiff1d(y, announced)
        if unknown.size:
            raise ValueError(
                f"The labels {unknown.tolist()} were not among the classes of the first call."
            )
        if first:
            self._begin(announced)
            if self.visual is not None:
                self.visual_ = clone(self.visual).fit(X, y)
        features = self._features(X)
        if first:
            self.net_ = self._make_net(features.shape[1])
        return self._train(features, np.searchsorted(self.classes_, y), epochs=1)

    def _check_training_set(self, X, y, reset):
        if self.visual is None:
            X, y = self._check_features(X, y, reset=reset)
        else:
            if not hasattr(X, "__len__"):
                raise ValueError(f"Images come as a sequence, got {type(X).__name__}.")
            if y is None:
                raise ValueError("DeViSEClassifier needs y, a label for each image, got None.")
            y = np.asarray(y)
            if y.shape != (len(X),):
                raise ValueError(f"{len(X)} images came with labels of shape {y.shape}.")
        if y.dtype.kind == "O" and len({isinstance(label, str) for label in y}) > 1:
            raise ValueError("y mixes text with other labels, or lacks some: give one kind.")
        if y.dtype.kind == "f":
            # Names never are a regression's targets, even where each stands for one photo.
            check_classification_targets(y)
        return X, y

    def _check_features(self, X, *y, reset):
        """Refuse what is no matrix of finite features; `y` stands there in training alone."""
        _refuse_photos(X)
        checked = validate_data(
            self, X, *y, dtype=[np.float32, np.float64], reset=reset, ensure_all_finite=False
        )
        finite = np.isfinite(checked[0] if y else checked).all(axis=1)
        if not finite.all():
            # scikit-learn's own message advises other estimators.
            raise ValueError(
                f"X holds NaN or infinity, first in row {finite.argmin()}: leave such rows out, or "
                "fill them in."
            )
        return checked

    def _begin(self, classes):
        """Bind the training labels to their vectors: what lacks one is refused before training."""
        if len(classes) < 2:
            only = classes.tolist()[0]
            raise ValueError(
                f"Ranking needs false labels, but all samples are of one class: {only!r}."
            )
        self._open_label_space(classes)
        self._n_features_out = self.label_space_.vector_size
        # What breaks off from here on leaves no new classes beside the map of the old ones.
        vars(self).pop("coef_", None)

    def _features(self, X):
        """Scaled features of checked samples: (n_samples, n_features)."""
        if self.visual is not None:
            X = np.asarray(self.visual_.transform(X), dtype=np.float32)
        return normalize(X) if self.feature_scaling == "l2" else X

    def _make_net(self, n_features):
        from skdevise.models.training import make_net

        return make_net(
            n_features,
            self.label_space_.targets,
            loss=self.loss,
            margin=self.margin,
            negatives=self.negatives,
            optimizer=self.optimizer,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            callbacks=self.callbacks,
            device=self.device,
            seed=draw_seed(self.random_state),
            verbose=self.verbose,
        )

    def _train(self, features, targets, epochs):
        from skdevise.models.training import train_epochs

        features_32 = features.astype(np.float32, copy=False)
        coef = train_epochs(self.net_, features_32, targets, epochs)
        if not np.isfinite(coef).all():
            raise ValueError(f"Training diverged: lower lr={self.lr}.")
        self.coef_, self.history_ = coef, epoch_rows(self.net_)
        rows = calibration_rows(len(features))
        self._calibrate(self._project(features[rows]), targets[rows])
        return self

    def _project(self, features):
        # In the precision of the features: float32 sums depend on how many rows there are.
        return normalize(features @ self.coef_.T.astype(features.dtype, copy=False))

    def transform(self, X):
        """Place samples in the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images if `visual` is given

        Returns
        -------
        ndarray of float32, of shape (n_samples, vector_size)
            Unit rows: M v over its length.
        """
        check_is_fitted(self)
        if self.visual is None:
            X = self._check_features(X, reset=False)
        return self._project(self._features(X))

    def __getattr__(self, name):
        # Only what is missing comes here: a net that a pickle left out is made around its map.
        if name != "net_" or "coef_" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        import torch

        self.net_ = self._make_net(self.coef_.shape[1])
        self.net_.module_.weight.data.copy_(torch.from_numpy(self.coef_))
        return self.net_

    def __getstate__(self):
        # Fitted state is plain arrays; a net in a pickle ties it to versions of torch and skorch.
        state = super().__getstate__()
        state.pop("net_", None)
        return state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coef_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if self.visual is not None:
            tags.input_tags.two_d_array = False
        return tags


def _refuse_photos(X):
    first = X[0] if isinstance(X, list | tuple | np.ndarray) and len(X) else None
    if isinstance(first, str | PathLike) or hasattr(first, "getexif") or np.ndim(first) > 1:
        raise ValueError(
            "X holds photos, but visual=None takes features: give visual=VisualFeaturizer(...), or "
            "put one in front in a Pipeline."
        )
