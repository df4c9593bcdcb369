"""The deep visual-semantic embedding model (DeViSE)."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from numbers import Integral, Real
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length

from skdevise._columns import check_targets
from skdevise._compat import HasMethods, Interval, StrOptions, fit_context
from skdevise._typing import (
    ArrayLike,
    Embedder,
    FeatureScaling,
    Hubness,
    Inputs,
    Labels,
    Precision,
    RandomState,
    Search,
    VisualFeaturizer,
)
from skdevise._utils import (
    check_checkpoint_folder,
    check_unchanged,
    find_device,
    seeded,
    training_device,
)
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import LabelVocabulary
from skdevise.models._features import (
    FeatureScaler,
    Samples,
    check_features,
    finite_blocks,
    join_labels,
    training_weights,
)
from skdevise.models._fitted_projection import FittedProjectionMixin
from skdevise.models._learning_rate import automatic_lr
from skdevise.models._prediction import LabelPredictionMixin
from skdevise.models._replay import ClassMeans
from skdevise.models._second_training import SecondTraining
from skdevise.training._early_stopping import hold_out_classes, hold_out_samples

# The modules that need torch are imported in the methods that train.

# `partial_fit` continues with the values that these parameters had in the first call.
_LASTING_PARAMS = ("embedder", "visual", "projection", "feature_scaling")


class DeViSEClassifier(LabelPredictionMixin, FittedProjectionMixin, ClassifierMixin, BaseEstimator):
    r"""Deep visual-semantic embedding (DeViSE).

    The classifier learns a projection from image features into a space of word vectors. It then
    predicts the label whose vector is nearest. The candidate labels are chosen at prediction time,
    so they may include labels that do not occur in training.

    The default projection is the linear map M of the paper [1]_, trained with its hinge rank loss
    (eq. 1). For features v, the score of label c with vector :math:`t_c` is :math:`t_c \cdot M v`.
    The score of the true label must exceed the scores of the false labels by `margin`.

    Training has two stages. Stage 1 trains the projection on fixed features. The optional stage 2
    also trains the visual model (fine-tuning).

    Parameters
    ----------
    embedder : fitted term embedder, default=None
        Source of the label vectors: `PretrainedEmbedder`, `SkipGramEmbedder`, or any object whose
        `transform` returns a unit vector for each term. It is not trained here, and clones share
        it. None means `RandomEmbedder()`, a baseline without any knowledge of language: its
        predictions of unseen labels are random.
    visual : VisualFeaturizer, default=None
        Visual model that computes features from photos. A clone of it is fitted, unless it is
        wrapped in `sklearn.frozen.FrozenEstimator`. None means that X contains features.
    projection : {"linear", "mlp"} or callable, default="linear"
        Form of the projection. "linear" is the map of the paper, without a bias. "mlp" is a network
        with one hidden layer: dropout, 1,024 ReLU units, batch norm and a linear layer. Try it if
        you have many photos. A callable takes (n_features, vector_size) and returns a module.
    loss : {"hinge_rank", "mse", "cosine", "warp", "contrastive"}, default="hinge_rank"
        Training loss. "hinge_rank" is the loss of the paper. "mse" is the squared distance to the
        vector of the true label, the L2 baseline of the paper. "cosine" is one minus the cosine
        similarity. "warp" weights the hinge by the estimated rank of the true label (WSABIE).
        "contrastive" is the cross-entropy of a softmax over cosine similarities, as in CLIP.
    margin : float, default=0.1
        Amount by which the score of the true label must exceed the score of a false label. It is
        used by the "hinge_rank" and "warp" losses. With a larger margin, more false labels
        contribute to the loss.
    negatives : {"first_violation", "all", "hardest"} or int, default="first_violation"
        False labels in the "hinge_rank" loss of each sample. A false label violates the margin if
        its score is too close to that of the true label. "first_violation" uses the first violating
        label in random order, as in the paper. "all" uses all violating labels. It is often better
        for unseen labels, and worse for seen labels with many photos. "hardest" uses the one with
        the highest score. An int is the number of false labels to draw at random.
    negative_labels : "training", LabelVocabulary or array-like of labels, default="training"
        Labels that serve as false labels in addition to the training labels, for example the unseen
        labels that you will predict. The losses "mse" and "cosine" use no false labels. "training"
        adds none.
    targets : {"first", "sample"}, default="first"
        Term of the true label whose vector is the training target. "first" is the first term that
        has a vector (appendix A.2 of the paper). "sample" draws one of the terms that have a vector
        for each sample and epoch. Try it if labels have synonyms that you trust. It cannot be
        combined with `train_label_vectors`. The vector of a false label is always that of its first
        term. If `labels` is a vocabulary with `pool="mean"`, the mean vector of all terms takes the
        place of that of the first.
    loss_temperature : float or "learned", default="learned"
        Temperature of the "contrastive" loss. A lower one concentrates the loss on the most similar
        labels. "learned" trains it with the projection. It is not the temperature of
        `predict_proba`.
    train_label_vectors : bool, default=False
        Also train the vectors of the training labels (footnote 5 of the paper). Predictions then
        use the trained vector for the first known term of each label. `embedder` does not change.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights. "balanced" gives each class the
        same total weight. Use it if some labels have many more samples than others. A class that is
        missing in a dict has weight 1.
    feature_scaling : {"l2", "standard", "none"}, default="l2"
        Scaling of the features. "l2" gives each sample unit length. "standard" gives each feature
        zero mean and unit variance over the training samples; use it if the features have different
        units. "none" leaves the features as they are. `lr="auto"` follows the scaling.
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
    max_epochs : int, default=30
        Number of epochs of stage 1.
    lr : "auto" or float, default="auto"
        Learning rate of stage 1. "auto" measures the features and the label vectors, and chooses a
        rate that suits them, the loss and `max_epochs` (see Notes). `lr_` holds the rate.
    lr_schedule : {"linear", "cosine"} or callable, default=None
        Schedule of the learning rate in each stage. "linear" and "cosine" lower it to zero. A
        callable takes the fraction of epochs that are done, and returns the fraction of the
        learning rate that remains. None keeps the learning rate constant.
    optimizer : {"adagrad", "adam", "sgd"} or callable, default="adagrad"
        Optimizer of stage 1. "sgd" has momentum 0.9 and weight decay 0.0005. A callable is called
        as ``optimizer(parameters, lr=lr)``, for example a class of `torch.optim`.
    batch_size : int, default=128
        Number of samples per gradient step, in both stages. Reduce it if memory runs out in
        stage 2.
    finetune_epochs : int, default=0
        Number of epochs of stage 2, which trains the visual model together with the projection. It
        needs `visual`. 0 skips stage 2.
    finetune_lr : float, default=0.001
        Learning rate of stage 2.
    finetune_optimizer : {"adagrad", "adam", "sgd"} or callable, default="adagrad"
        Optimizer of stage 2, in the same forms as `optimizer`.
    freeze_batch_norm : bool, default=True
        Keep the running statistics of the visual model's batch norms in stage 2. Set it to False
        only if the photos differ much from those of the pre-training, and batches are large.
    early_stopping : bool, default=False
        Hold out some training samples, and measure hit@1 (the accuracy) on them after each epoch. A
        stage ends when hit@1 stops improving, and the best weights are kept.
    validation_fraction : float, default=0.1
        Fraction of the samples of each class, or of the classes, to hold out for early stopping.
    validation_split : {"samples", "classes"}, default="samples"
        Part to hold out for early stopping. "samples" holds out some samples of each class.
        "classes" holds out whole classes; choose it if you will predict unseen labels.
    n_iter_no_change : int, default=5
        Number of epochs without a better hit@1 after which early stopping ends a stage.
    callbacks : list of skorch callbacks, default=None
        Callbacks of the training loop: instances, classes or (name, callback) pairs. They can
        monitor "train_loss" and, with `early_stopping`, "valid_hit@1". There is no "valid_loss".
    checkpoint : str or Path, default=None
        Folder that stores the state of the fit after each epoch. If a fit is interrupted, a fit
        with the same parameters and data resumes it. `random_state=None` then counts as 0. The
        state of `callbacks` is not stored. None stores nothing.
    precision : {"float32", "bfloat16"}, default="float32"
        Number format of the training. "bfloat16" uses mixed precision. Choose it to speed up
        stage 2 on a recent GPU.
    compile : bool, default=False
        Compile the network with `torch.compile`. Choose it for a long stage 2 on a GPU. It has no
        effect on a linear projection in stage 1.
    warm_start : bool, default=False
        Start `fit` from the projection of the previous fit, instead of a new one. Trained label
        vectors start from `embedder` again.
    device : str, default="auto"
        Torch device of the training, for example "cuda:1". "auto" uses "cuda" or "mps" if it is
        available and the training is large enough to gain from it. `device_` holds the device.
    distributed : bool, default=False
        Share `fit` among the processes that ``torchrun`` or ``accelerate launch`` started, for
        example one for each GPU (extra `distributed`). Each process gets all of `X` and `y`, and
        trains on its part of each batch. A gradient step thus uses `batch_size` samples of each
        process. All processes end with the same projection.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of samples, the negatives and the held-out samples.
        Pass an int for reproducible results.
    verbose : int, default=0
        Verbosity. 1 prints a line per epoch, and 2 also shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Training labels, sorted.
    coef_ : ndarray of shape (vector_size, n_features), float32
        The map M, if `projection="linear"`.
    projection_weights_ : dict of str to ndarray
        Weights of any other projection.
    lr_ : float
        Learning rate of stage 1: `lr`, or the rate that "auto" chose.
    scaler_ : StandardScaler
        Scaler of the features, if `feature_scaling="standard"`.
    device_ : str
        Torch device of the last stage, for example "cpu" or "cuda".
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels. It is fitted on
        samples that are held out of a second training.
    unseen_temperature_ : float
        Temperature of `predict_proba` if some candidates are unseen. It is fitted on classes that
        are held out of the second training.
    loss_temperature_ : float
        Learned temperature of the "contrastive" loss, if `loss_temperature="learned"`.
    embedder_ : term embedder
        Source of the label vectors in predictions. It includes trained label vectors.
    label_space_ : LabelSpace
        Vectors of the training labels.
    reference_points_ : ndarray of shape (n_points, vector_size)
        Up to 1,000 training samples in the label space, used by `hubness`.
    visual_ : VisualFeaturizer
        Fitted visual model, if `visual` is given.
    net_ : skorch.NeuralNet
        Skorch net that trains the projection. A pickle does not contain it. It is then created
        again on demand, without its history.
    history_ : pandas.DataFrame
        Training history with a row per epoch: "train_loss", "dur" (seconds), "valid_hit@1" with
        `early_stopping`, and entries of `callbacks`. With `finetune_epochs`, its index is ("stage",
        "epoch").
    n_features_in_ : int
        Number of features, if `visual` is None.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has column names.

    See Also
    --------
    ConSEClassifier : Combines the vectors of training labels, and trains no projection.
    VisualFeaturizer : Computes features from photos.
    LabelVocabulary : Candidate labels with synonyms.

    Notes
    -----
    `lr="auto"` needs no tuning. The first step of Adagrad from zero moves each weight by the
    learning rate. For a rate of 1, the gap :math:`(t_y - \bar{t}) \cdot M v` between the true and
    the mean label would be

    - :math:`s = \mathrm{mean}(\lVert t_y - \bar{t} \rVert_1 \lVert v \rVert_1)` if each sample
      had a step of its own.
    - :math:`a s = \lVert \mathrm{mean}((t_y - \bar{t}) v^T) \rVert_1` on average, because the
      samples share the step. The agreement a is between 0 and 1, and counts as at least 1/16.

    The rate is :math:`g m / (a s)`. The first step thus opens the gap by g times m, with
    :math:`g = \max(1/4, 1/(32 a)) \sqrt{30 / n}` for n `max_epochs`. If samples agree less, later
    steps cancel each other more, so g is larger. m is the default margin of 0.1 for "hinge_rank"
    and "warp", 1 for "mse", and 2 for "cosine" and "contrastive". It does not follow `margin`,
    because M would then only grow with the margin, and no prediction would change. "adam" takes a
    tenth of the rate, because its steps do not shrink. For other projections and optimizers, "auto"
    means 0.02. The rate is rounded to three digits.

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
        "embedder": "no_validation",  # The label space checks it.
        "visual": [HasMethods(["fit", "transform"]), None],
        "projection": [StrOptions({"linear", "mlp"}), callable],
        "loss": [StrOptions({"hinge_rank", "mse", "cosine", "warp", "contrastive"})],
        "margin": [Interval(Real, 0, 1e6, closed="right")],
        "negatives": [
            StrOptions({"first_violation", "all", "hardest"}),
            Interval(Integral, 1, 100_000, closed="both"),  # Each sample draws as many numbers.
        ],
        "negative_labels": [StrOptions({"training"}), "array-like", LabelVocabulary],
        "targets": [StrOptions({"first", "sample"})],
        "loss_temperature": [StrOptions({"learned"}), Interval(Real, 1e-4, 1e4, closed="both")],
        "train_label_vectors": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "feature_scaling": [StrOptions({"l2", "standard", "none"})],
        **LabelPredictionMixin._prediction_constraints,
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [StrOptions({"auto"}), Interval(Real, 0, 1e6, closed="right")],
        "lr_schedule": [StrOptions({"linear", "cosine"}), callable, None],
        "optimizer": [StrOptions({"adagrad", "adam", "sgd"}), callable],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "finetune_epochs": [Interval(Integral, 0, None, closed="left")],
        "finetune_lr": [Interval(Real, 0, 1e6, closed="right")],
        "finetune_optimizer": [StrOptions({"adagrad", "adam", "sgd"}), callable],
        "freeze_batch_norm": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "validation_split": [StrOptions({"samples", "classes"})],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "checkpoint": [str, PathLike, None],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        "device": [str],
        "distributed": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        embedder: Embedder | None = None,
        visual: VisualFeaturizer | None = None,
        *,
        projection: Literal["linear", "mlp"] | Callable[..., Any] = "linear",
        loss: Literal["hinge_rank", "mse", "cosine", "warp", "contrastive"] = "hinge_rank",
        margin: float = 0.1,
        negatives: Literal["first_violation", "all", "hardest"] | int = "first_violation",
        negative_labels: Literal["training"] | Labels = "training",
        targets: Literal["first", "sample"] = "first",
        loss_temperature: float | Literal["learned"] = "learned",
        train_label_vectors: bool = False,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        feature_scaling: FeatureScaling = "l2",
        labels: Labels | None = None,
        search: Search = "auto",
        seen_penalty: float = 0.0,
        hubness: Hubness = None,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        max_epochs: int = 30,
        lr: float | Literal["auto"] = "auto",
        lr_schedule: Literal["linear", "cosine"] | Callable[..., Any] | None = None,
        optimizer: Literal["adagrad", "adam", "sgd"] | Callable[..., Any] = "adagrad",
        batch_size: int = 128,
        finetune_epochs: int = 0,
        finetune_lr: float = 0.001,
        finetune_optimizer: Literal["adagrad", "adam", "sgd"] | Callable[..., Any] = "adagrad",
        freeze_batch_norm: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        validation_split: Literal["samples", "classes"] = "samples",
        n_iter_no_change: int = 5,
        callbacks: Sequence[Any] | None = None,
        checkpoint: PathLike | None = None,
        precision: Precision = "float32",
        compile: bool = False,
        warm_start: bool = False,
        device: str = "auto",
        distributed: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.embedder = embedder
        self.visual = visual
        self.projection = projection
        self.loss = loss
        self.margin = margin
        self.negatives = negatives
        self.negative_labels = negative_labels
        self.targets = targets
        self.loss_temperature = loss_temperature
        self.train_label_vectors = train_label_vectors
        self.class_weight = class_weight
        self.feature_scaling = feature_scaling
        self.labels = labels
        self.search = search
        self.seen_penalty = seen_penalty
        self.hubness = hubness
        self.reject_below = reject_below
        self.unknown_label = unknown_label
        self.max_epochs = max_epochs
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.finetune_epochs = finetune_epochs
        self.finetune_lr = finetune_lr
        self.finetune_optimizer = finetune_optimizer
        self.freeze_batch_norm = freeze_batch_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.precision = precision
        self.compile = compile
        self.warm_start = warm_start
        self.device = device
        self.distributed = distributed
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Inputs, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the projection on samples of the training labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Features in memory or on disk. A memory map above 256 MB, or a dataset of HDF5 or zarr,
            is read one batch at a time.
        y : array-like of shape (n_samples,)
            Labels: names, ids of WordNet nouns, or any labels whose terms the parameter `labels`
            defines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the loss, not negative. Samples of weight 0 are ignored. The
            weights are divided by their mean, so `lr` keeps its meaning.

        Returns
        -------
        self : DeViSEClassifier
            The fitted classifier.

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector. The error names all such labels, and is raised before features
            are computed.
        NotFittedError
            If `embedder` is not fitted.
        TypeError
            If `optimizer`, `finetune_optimizer` or an entry of `callbacks` cannot be used.
        UnreadablePhotoError
            If a photo cannot be read.
        ValueError
            If there is one class only, if X contains NaN, if a parameter cannot be used, or if
            training diverges.
        """
        self._check_resources()
        start = self._map_state() if self.warm_start and self.__sklearn_is_fitted__() else None
        if not (self.max_epochs or self.finetune_epochs or start):
            warnings.warn(
                "max_epochs=0 trains nothing, so the predictions are arbitrary. Raise max_epochs.",
                stacklevel=2,
            )
        with self._unchanged_on_error():
            self._forget_fit()
            X, y, rows, weight = self._validate(X, y, sample_weight, first=True)
            classes, targets = np.unique(y[rows], return_inverse=True)
            self._embed_labels(classes, first=True)
            seed = self._once(self._draw_seed)
            kept, held_out = self._hold_out(targets, seed)
            self._fit_visual(X, y, rows[kept])
            self._check_projection(X, start)
            features = self._training_features(X, together=self.distributed)
            samples = Samples(X, features, rows, targets, weight)
            self._fit_scale(samples.take(kept), together=True)
            self._choose_lr(samples.take(kept), together=True)
            self._choose_device(len(kept), self.max_epochs)
            net = self._trainer().train_stage(1, samples, kept, held_out, seed, start)
            self._keep(net)
            self._n_epochs = len(self.history_)
            if self.finetune_epochs:
                self.device_ = str(find_device(self.device))
                net = self._trainer().train_stage(
                    2, samples, kept, held_out, seed, self._map_state()
                )
                samples = self._keep_fine_tuned(net, samples)
            self._class_means = self._once(lambda: ClassMeans().updated(samples, self.classes_))
            self._fit_temperatures(samples, seed)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Inputs,
        y: ArrayLike,
        classes: Labels | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the projection for one epoch on the given samples.

        The first call fits the visual model and the scaler too. Later calls continue the training.
        They need not contain the classes of earlier calls: the classifier trains on the mean
        features of each absent class too, so that it does not forget the class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Features or photos, as in `fit`.
        y : array-like of shape (n_samples,)
            Labels. New labels may join in any call if they have a vector.
        classes : LabelVocabulary or array-like of shape (n_classes,), default=None
            Labels that will occur in later calls. They serve as false labels from this call on.
            None adds no labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the loss. Unlike in `fit`, they are not divided by their mean.

        Returns
        -------
        self : DeViSEClassifier
            The classifier, trained further.

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector.
        ValueError
            If there are fewer than two labels, if `class_weight="balanced"`, if new labels arrive
            while label vectors are trained, or if `embedder`, `visual`, `projection` or
            `feature_scaling` has changed. `fit` raises further errors, which also occur here.

        Notes
        -----
        The temperatures are fitted on the samples of the last call, and `scaler_` on those of the
        first. Only `fit` uses early stopping, schedules, checkpoints, stage 2 and `distributed`.
        The optimizer starts afresh after a pickle, and after a change of a training parameter other
        than `lr`.
        """
        self._validate_params()  # `fit_context` trusts the parameters of a fitted estimator.
        self._check_resources()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' does not work with partial_fit, which does not know all "
                "samples. Pass a dict of weights."
            )
        first = not self.__sklearn_is_fitted__()
        start = None if first else self._map_state()
        with self._unchanged_on_error():
            if not first:
                check_unchanged(self, self._fitted_params)
            X, y, rows, weight = self._validate(X, y, sample_weight, first, partial=True)
            known = [] if first else self.classes_
            labels = join_labels(known, y[rows], self._announced(classes))
            has_joined = len(labels) > len(known)
            if has_joined and not first and self.train_label_vectors:
                joined = np.setdiff1d(labels, known).tolist()
                raise ValueError(
                    f"The labels {joined} cannot join while label vectors are trained. Pass all "
                    "labels as classes in the first call."
                )
            if has_joined or self._has_new_candidates():
                self._embed_labels(labels, first)
            if first:
                self._fit_visual(X, y, rows)
                self._check_projection(X)
            targets = np.searchsorted(self.classes_, y[rows])
            samples = Samples(X, self._training_features(X), rows, targets, weight)
            if first:
                self._fit_scale(samples)
            if first or self.lr != "auto":
                self._choose_lr(samples)
            if first or self.device != "auto":
                self._choose_device(len(rows), np.inf)  # More calls may follow.
            net = None if first else self.net_
            seed = self._draw_seed()
            replay = self._class_means.absent_from(samples, self.classes_)
            net = self._trainer().train_pass(self._n_passes, samples, seed, net, start, replay)
            self._class_means = self._class_means.updated(samples, self.classes_)
            self._keep(net)
            self._fit_temperatures(samples, seed, partial=True)
            self._n_passes += 1
        return self

    # --- Validation

    def _check_resources(self):
        """Check the device, the training parameters and the visual model before any work."""
        from skdevise.models._devise_net import checkpoint_params
        from skdevise.training._checkpoint import fit_key
        from skdevise.training._net import check_training_params

        find_device(self.device)
        optimizers = {name: getattr(self, name) for name in ("optimizer", "finetune_optimizer")}
        check_training_params(
            optimizers, self.callbacks, self.lr_schedule, early_stopping=self.early_stopping
        )
        if self.checkpoint is not None:
            check_checkpoint_folder(self.checkpoint)
            fit_key(checkpoint_params(self.get_params(deep=False), stage=2))
        if self.train_label_vectors and self.targets == "sample":
            raise ValueError(
                "train_label_vectors=True trains the vector of the first term only, so it does not "
                "work with targets='sample'. Use targets='first'."
            )
        if self.distributed and getattr(self.visual, "weights", "") is None:
            raise ValueError(
                "distributed=True does not pre-train a visual model with weights=None. Fit it "
                "first, and pass visual=FrozenEstimator(visual)."
            )
        if self.projection == "mlp" and self.batch_size == 1:
            raise ValueError(
                "projection='mlp' has a batch norm, so it does not work with batch_size=1. Use "
                "batch_size=2 or more."
            )
        if self.finetune_epochs and not hasattr(self.visual, "backbone"):
            raise ValueError(
                f"finetune_epochs={self.finetune_epochs} needs a visual model. Pass "
                "visual=VisualFeaturizer(...)."
            )

    def _validate(self, X, y, sample_weight, first, partial=False):
        """Validate the training data: X, y, the rows with a weight and their weights or None."""
        if y is None:
            raise ValueError("DeViSEClassifier requires y to be passed, but the target y is None.")
        y = check_targets(y)
        if self.visual is None:
            X, y = check_features(self, X, y, reset=first)
        else:
            check_consistent_length(X, y)
        return X, y, *training_weights(sample_weight, self.class_weight, y, partial)

    def _hold_out(self, targets, seed):
        """Split the positions of samples for early stopping: kept, held out."""
        if not self.early_stopping:
            return np.arange(len(targets)), np.arange(0)
        split = hold_out_classes if self.validation_split == "classes" else hold_out_samples
        return split(targets, self.validation_fraction, seed)

    # --- Labels

    def _embed_labels(self, classes, first):
        """Embed the training labels and the additional false labels."""
        if len(classes) < 2:
            raise ValueError(
                f"y contains {len(classes)} class ({classes.tolist()}), but training needs at "
                "least 2. Add samples of another class."
            )
        vocabulary = self._vocabulary(classes)
        if self.train_label_vectors and (vocabulary.pool == "mean" or vocabulary.templates):
            raise ValueError(
                "train_label_vectors=True does not work with a vocabulary that averages several "
                "terms. Use pool='terms' and no templates."
            )
        if first:
            self._fitted_params = {name: getattr(self, name) for name in _LASTING_PARAMS}
            self._n_passes = self._n_epochs = 0
            self._second, self._class_means = SecondTraining(), ClassMeans()
            self._open_label_space(classes)
            self._untrained_embedder = self.embedder_
        else:
            self._bind_labels(classes, self.embedder_)
            if self.train_label_vectors:
                self._lazy = {}  # The net holds the vectors of the previous labels.
        self._n_features_out = self.label_space_.vector_size
        self._negative_vectors = self._embed_negative_labels(classes)
        self._fitted_candidates = self.labels, self.negative_labels

    def _embed_negative_labels(self, classes):
        """Embed the false labels that are not training labels: (n, vector_size)."""
        if not isinstance(self.negative_labels, str):
            vocabulary = self._vocabulary(self.negative_labels)
            if not set(vocabulary.labels.tolist()) <= set(classes.tolist()):
                return LabelSpace(vocabulary - classes, self.embedder_, "exact").targets
        return self.label_space_.targets[:0]

    def _has_new_candidates(self):
        """Return whether `labels` or `negative_labels` has been replaced, compared by identity."""
        labels, negative_labels = self._fitted_candidates
        return self.labels is not labels or self.negative_labels is not negative_labels

    # --- Features

    def _fit_visual(self, X, y, rows):
        """Fit the visual model on the photos at some rows."""
        if self.visual is None:
            return
        if len(rows) < len(y):
            from skdevise.models._fine_tuning import take_photos

            X, y = take_photos(X, rows), y[rows]
        self.visual_ = clone(self.visual).fit(X, y)
        if self.finetune_epochs and isinstance(self.visual_, FrozenEstimator):
            # Fine-tuning trains a copy, because the frozen model belongs to the user.
            self.visual_ = deepcopy(self.visual_.estimator)

    def _check_projection(self, X, start=None):
        """Try the projection before features are computed, if their number is known."""
        if self.visual is None:
            n_features = X.shape[1]
        else:
            n_features = getattr(self.visual_, "n_features_out_", None)
        if n_features and (callable(self.projection) or start):
            from skdevise.models._projection import make_projection

            with seeded(0, find_device("cpu")):
                state = start and start[0]
                make_projection(self.projection, n_features, self._n_features_out, self.loss, state)

    def _training_features(self, X, together=False):
        """Return the features of training samples, after a check of their values.

        Processes that share a fit `together` compute and check a part each.
        """
        rank_and_size = ()
        if together:
            from skdevise.training._distributed import open_accelerator

            accelerator = open_accelerator()
            rank_and_size = accelerator.process_index, accelerator.num_processes
        features = self._features_together(X) if together else self._features(X)
        for _ in finite_blocks(features, *rank_and_size):
            pass
        self._n_features = features.shape[1]
        return features

    def _fit_scale(self, samples, together=False):
        """Fit the scaling of the features."""
        make = FeatureScaler(self.feature_scaling).fit
        self._scale = self._once(lambda: make(samples), together)
        if self._scale.standard is not None:
            self.scaler_ = self._scale.standard

    def _choose_lr(self, samples, together=False):
        """Set the learning rate of stage 1."""
        self.lr_ = self.lr
        if self.lr == "auto":
            params = self.get_params(deep=False) | self._fitted_params
            facts = samples, self.label_space_.targets, self._scale, params
            self.lr_ = self._once(lambda: automatic_lr(*facts), together)

    def _choose_device(self, n_samples, max_epochs):
        """Set the device of stage 1."""
        n_labels = self.label_space_.n_labels + len(self._negative_vectors)
        device = training_device(
            # The accelerator has made the GPU of this process the current one.
            str(find_device("auto")) if self.distributed else self.device,
            n_samples=n_samples,
            n_numbers=self._n_features + n_labels,
            n_weights=self._n_features * self._n_features_out,
            batch_size=self.batch_size,
            max_epochs=max_epochs,
        )
        self.device_ = str(device)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        if self.visual is not None:
            tags.input_tags.two_d_array = False
        return tags
