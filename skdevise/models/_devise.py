"""The deep visual-semantic embedding model (DeViSE)."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, Literal

from sklearn.base import BaseEstimator

from skdevise._compat import HasMethods, Interval, StrOptions
from skdevise._typing import (
    Embedder,
    FeatureScaling,
    Hubness,
    Labels,
    Precision,
    RandomState,
    Search,
    VisualFeaturizer,
)
from skdevise.labels._vocabulary import LabelVocabulary
from skdevise.models._devise_training import DeViSETrainingMixin
from skdevise.models._prediction import LabelPredictionMixin


class DeViSEClassifier(LabelPredictionMixin, DeViSETrainingMixin, BaseEstimator):
    r"""Deep visual-semantic embedding (DeViSE).

    The classifier learns a projection from image features into a space of word vectors. It then
    predicts the label whose vector is nearest. The candidate labels are chosen at prediction time,
    so they may include labels that do not occur in training.

    The default projection is the linear map M of the paper [1]_, trained with its hinge rank loss
    (eq. 1). For features x, the score of label c with vector :math:`t_c` is :math:`t_c \cdot M x`.
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
    loss : {"hinge_rank", "mse", "cosine", "warp", "contrastive"} or callable, default="hinge_rank"
        Training loss. "hinge_rank" is the loss of the paper. "mse" is the squared distance to the
        vector of the true label, the L2 baseline of the paper. "cosine" is one minus the cosine
        similarity. "warp" weights the hinge by the estimated rank of the true label (WSABIE).
        "contrastive" is the cross-entropy of a softmax over cosine similarities, as in CLIP. A
        callable takes (points, target, vectors), three tensors: the projected samples, the position
        of the true label of each, and the unit vectors of all labels. It returns a tensor with one
        loss for each sample.
    margin : float, default=0.1
        Amount by which the score of the true label must exceed the score of a false label. It is
        used by the "hinge_rank" and "warp" losses. With a larger margin, more false labels
        contribute to the loss. Try 0.05 and 0.2 in a grid search.
    negatives : {"first_violation", "all", "hardest"} or int, default="first_violation"
        False labels in the "hinge_rank" loss of each sample. A false label violates the margin if
        its score is too close to that of the true label. "first_violation" uses the first violating
        label in random order, as in the paper. "all" uses all violating labels. It is often
        slightly better for unseen labels, and worse for seen labels with many photos. "hardest"
        uses the one with the highest score. It is often better for seen labels, and worse for
        unseen ones. An int is the number of false labels to draw at random.
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
        missing in a dict has weight 1. None gives every class weight 1.
    feature_scaling : {"auto", "centered", "l2", "standard", "none"}, default="auto"
        Scaling of the features. "l2" gives each sample unit length. "centered" does so too, and
        then subtracts the mean of the training samples, which acts like a bias. "standard" gives
        each feature zero mean and unit variance over the training samples; use it if the features
        have different units. "none" leaves the features as they are, as in the paper. "auto" means
        "centered" if `projection="linear"` and `loss` only compares the labels of a sample
        ("hinge_rank" and "warp"), and "l2" otherwise. `lr="auto"` follows the scaling.
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
    max_epochs : int, default=30
        Number of epochs of stage 1: passes over the samples. More epochs often help training
        labels, and fewer often help unseen labels.
    lr : "auto" or float, default="auto"
        Learning rate of stage 1. "auto" measures the features and the label vectors, and chooses a
        rate that suits them, the loss and `max_epochs` (see Notes). `lr_` holds the rate. A
        lower one often helps unseen labels, and costs accuracy on training labels.
    lr_schedule : {"linear", "cosine"} or callable, default=None
        Schedule of the learning rate in each stage. "linear" and "cosine" lower it to zero. A
        callable takes the fraction of epochs that are done, and returns the fraction of the
        learning rate that remains. None keeps the learning rate constant.
    optimizer : {"adagrad", "adam", "sgd"} or callable, default="adagrad"
        Optimizer of stage 1. Choose "adam" for `projection="mlp"`. "sgd" has momentum 0.9 and
        weight decay 0.0005. A callable is called as ``optimizer(parameters, lr=lr)``, for example a
        class of `torch.optim`.
    batch_size : int, default=128
        Number of samples per gradient step, in both stages. Reduce it if memory runs out in
        stage 2.
    finetune_epochs : int, default=0
        Number of epochs of stage 2, which trains the visual model together with the projection. It
        needs `visual`. 0 skips stage 2.
    finetune_lr : float, default=0.0001
        Learning rate of stage 2. It is low, because a few larger steps destroy a pretrained
        network. Raise it to 0.001 or more for a network that you trained on few photos.
    finetune_optimizer : {"adagrad", "adam", "sgd"} or callable, default="adagrad"
        Optimizer of stage 2, in the same forms as `optimizer`.
    freeze_batch_norm : bool, default=True
        Keep the running statistics of the visual model's batch norms in stage 2. Set it to False
        only if the photos differ much from those of the pre-training, and batches are large.
    early_stopping : bool, default=False
        Hold out some training samples, and measure hit@1 (the accuracy) on them after each epoch. A
        stage ends when hit@1 stops improving, and the best weights are kept. Use it in stage 2, or
        if the classifier overfits.
    validation_fraction : float, default=0.1
        Fraction of the samples of each class, or of the classes, to hold out for early stopping.
    validation_split : {"samples", "classes"}, default="samples"
        Part to hold out for early stopping. "samples" holds out some samples of each class.
        "classes" holds out whole classes, which measures unseen labels.
    n_iter_no_change : int, default=5
        Number of epochs without a better hit@1 after which early stopping ends a stage. Raise it if
        hit@1 goes up and down.
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
        Compile the network with `torch.compile`. Choose it for a long stage 2 on a GPU. A linear
        projection in stage 1 is never compiled.
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
        Scaler of the features, if they are "centered" or "standard".
    device_ : str
        Torch device of the last stage, for example "cpu" or "cuda".
    temperature_ : float
        Temperature of `predict_proba` if all candidates are training labels. It is fitted on
        samples that are held out of another training with all classes.
    unseen_temperature_ : float
        Temperature of `predict_proba` if all candidates are unseen. It is fitted on classes that
        are held out of another training.
    mixed_temperature_ : float
        Temperature of `predict_proba` if half of the candidates are unseen.
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
    ClassifierWeightRegressor : Is usually more accurate on unseen labels.
    ConSEClassifier : Combines the vectors of training labels, and trains no projection.
    VisualFeaturizer : Computes features from photos.
    LabelVocabulary : Candidate labels with synonyms.
    skdevise.inspection.TrainingCurveDisplay : Draws `history_`.

    Notes
    -----
    `lr="auto"` usually needs no tuning. The first step of Adagrad from zero moves each weight by
    the learning rate, so this rate should suit the weights that solve the task. We estimate their
    size by a ridge regression from the mean features :math:`\mu_c` of the classes to their centred
    label vectors :math:`d_c = t_c - \bar{t}`:

    .. math:: M_0 = \arg\min_M \sum_c p_c \lVert M \mu_c - d_c \rVert^2
       + \frac{\lVert M \rVert^2}{1000 \, q} \sum_c p_c \lVert \mu_c \rVert^2

    :math:`p_c` is the share of a class in the samples, and q the mean number of samples of a class.
    The penalty, or a lack of features, makes :math:`M_0` too small. It raises the true label above
    the mean label by only a share g of :math:`\lVert d_c \rVert^2`, with
    :math:`g = \sum_c p_c \, d_c \cdot M_0 \mu_c / \sum_c p_c \lVert d_c \rVert^2`. The root mean
    square of its weights is r. The rate is :math:`\frac{m r}{3 g} \sqrt{30 / n}` for n
    `max_epochs`. m is the difference of scores that the loss asks for: 0.1 for "hinge_rank" and
    "warp", 1 for "mse", and 2 for "cosine" and "contrastive". It does not follow `margin`, because
    M would then only grow with the margin, and no prediction would change.

    If label vectors are near to each other, larger weights are needed to open a margin between
    their scores. Let h be the root mean square of :math:`1 / \max(1 - t_i \cdot t_j, 0.1)` over the
    pairs of labels. It is 1.1 to 1.4 for word vectors, and often larger for attributes. If h
    exceeds 1.4, "hinge_rank" and "warp" take h / 1.4 times the rate. With more than 1,000 labels,
    only 501 to 1,000 of them are compared with all others.

    "adam" takes a tenth of the rate, because its steps do not shrink. For other projections and
    optimizers, "auto" means 0.02. The rate is rounded to three digits. A loss of your own gets the
    rate of "hinge_rank".

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

    _repeats_calibration = False  # Every training takes long.
    _parameter_constraints = {
        "visual": [HasMethods(["fit", "transform"]), None],
        "projection": [StrOptions({"linear", "mlp"}), callable],
        "loss": [StrOptions({"hinge_rank", "mse", "cosine", "warp", "contrastive"}), callable],
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
        "feature_scaling": [StrOptions({"auto", "centered", "l2", "standard", "none"})],
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
        loss: Literal["hinge_rank", "mse", "cosine", "warp", "contrastive"]
        | Callable[..., Any] = "hinge_rank",
        margin: float = 0.1,
        negatives: Literal["first_violation", "all", "hardest"] | int = "first_violation",
        negative_labels: Literal["training"] | Labels = "training",
        targets: Literal["first", "sample"] = "first",
        loss_temperature: float | Literal["learned"] = "learned",
        train_label_vectors: bool = False,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        feature_scaling: Literal["auto"] | FeatureScaling = "auto",
        labels: Labels | None = None,
        search: Search = "auto",
        seen_penalty: float = 0.0,
        hubness: Hubness = None,
        reject_below: float | None = None,
        unknown_label: str | float = "unknown",
        calibrate: bool = True,
        max_epochs: int = 30,
        lr: float | Literal["auto"] = "auto",
        lr_schedule: Literal["linear", "cosine"] | Callable[..., Any] | None = None,
        optimizer: Literal["adagrad", "adam", "sgd"] | Callable[..., Any] = "adagrad",
        batch_size: int = 128,
        finetune_epochs: int = 0,
        finetune_lr: float = 0.0001,
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
        self.calibrate = calibrate
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
