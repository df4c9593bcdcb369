"""The Deep Visual-Semantic Embedding model."""

from contextlib import contextmanager
from copy import deepcopy
from numbers import Integral, Real
from os import PathLike

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import HasMethods, Interval, StrOptions, fit_context
from skdevise.labels import LabelSpace, LabelVocabulary
from skdevise.models._inputs import (
    check_features,
    check_training_set,
    hold_out,
    join_labels,
    refuse_unusable,
)
from skdevise.models._options import check_lasting, check_options
from skdevise.models._prediction import LabelPredictionMixin, calibration_rows
from skdevise.models._tables import is_streamed, parts, read

# Parameters that `partial_fit` goes on with as they were in the first call.
_LASTING = ("embedder", "visual", "projection", "feature_scaling")


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
    projection : {"linear", "mlp"} or callable, default="linear"
        "linear" is the paper's map, without a bias; "mlp" the head of the Keras recipe (dropout,
        1,024 rectified units, batch norm, a linear layer); a callable makes an `nn.Module` of
        (n_features, vector_size).
    loss : {"hinge_rank", "mse", "cosine", "warp", "contrastive"}, default="hinge_rank"
        "mse" is the squared distance to the true label's vector (the paper's L2 baseline),
        "cosine" one less the cosine with it, "warp" the hinge weighted by the rank of the true
        label (WSABIE), "contrastive" the cross-entropy over cosines / `loss_temperature`.
    margin : float, default=0.1
        Margin of the hinge rank and the WARP loss, in units of scores; above zero.
    negatives : {"first_violation", "all", "hardest"} or int, default="first_violation"
        False labels that the hinge rank loss trains against: the first in random order that
        violates the margin (the paper's), all of them, that with the highest score, or so many at
        random.
    negative_labels : "training", LabelVocabulary or array-like of labels, default="training"
        Where false labels are taken from: the training labels, or these too.
    loss_temperature : float or "learned", default="learned"
        Of the contrastive loss; one that is learned is kept in `loss_temperature_`.
    train_label_vectors : bool, default=False
        Let the gradient reach the vectors of the training labels (footnote 5 of the paper).
        Their terms have the vectors so found from then on.
    feature_scaling : {"l2", "standard", "none"}, default="l2"
        Scale each sample's features to unit length, or each feature to zero mean and unit variance
        over the training samples that are not held out, or leave them. Learning rates depend on it.
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
        Passes over the training samples, with the visual net as it is (stage 1).
    lr : float, default=0.02
        Learning rate.
    lr_schedule : {"linear", "cosine"} or callable, default=None
        How the learning rate falls to zero over the epochs, or a function that gives the share of
        it that is left after a share of them. None leaves it as it is.
    optimizer : {"adagrad", "adam", "sgd"} or torch.optim.Optimizer class, default="adagrad"
        How steps are made of gradients; Adagrad keeps a learning rate for each weight.
    batch_size : int, default=128
        Training samples a step.
    finetune_epochs : int, default=0
        Passes in which the gradient also reaches the visual net (stage 2); needs `visual`.
    finetune_lr : float, default=0.001
        Learning rate of stage 2.
    finetune_optimizer : as `optimizer`, default="adagrad"
        That of stage 2.
    freeze_batch_norm : bool, default=True
        Leave the running statistics of the visual net's batch norms as they are in stage 2.
    early_stopping : bool, default=False
        Hold out some of the training samples, record the hit@1 on them after each epoch, end a
        stage when it no longer grows, and keep the best weights. Neither the scaler nor the
        pre-training of `visual` sees them.
    validation_fraction : float, default=0.1
        Share of the samples of each class, or of the classes, that is held out.
    validation_split : {"samples", "classes"}, default="samples"
        With "classes" whole classes are held out, and told apart from each other: the hit@1 is
        that of labels which the map never saw. A net that was trained before, in `visual` or
        behind given features, may have seen them.
    n_iter_no_change : int, default=5
        Epochs without a better hit@1 that end training.
    callbacks : list of skorch callbacks, default=None
        Passed to skorch, whose validation is not used: there are neither a "valid_loss" nor data to
        score on. They may monitor "train_loss" and, with `early_stopping`, "valid_hit@1".
    checkpoint : str or Path, default=None
        A folder where the state of the fit is kept after each epoch. A fit of the same parameters
        and data that was interrupted goes on from there, to the same result; one that was finished
        is read. Callbacks keep no state there.
    precision : {"float32", "bfloat16"}, default="float32"
        With "bfloat16" the map, and in stage 2 the net, run in mixed precision.
    compile : bool, default=False
        Compile a map that is not linear, and in stage 2 the net, by `torch.compile`.
    warm_start : bool, default=False
        Begin a fit from the map of the fit before; labels may differ. Label vectors that were
        trained start from those of `embedder` again.
    device : str, default="auto"
        Where the map is trained, in torch's words; "auto" takes a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Order of the samples, draws of false labels, what is held out, and the start of a map that
        starts at random. An int gives the same model each time.
    verbose : int, default=0
        1 prints a line an epoch, 2 shows a progress bar too.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen in training.
    coef_ : ndarray of shape (vector_size, n_features)
        The map M, if it is linear: float32.
    projection_weights_ : dict of str to ndarray
        State of the module, if the map is another.
    scaler_ : StandardScaler
        With `feature_scaling="standard"`, fitted to the samples that are trained on; `partial_fit`
        goes on with that of its first call.
    temperature_ : float
        Of the softmax in `predict_proba`, fitted on the training samples.
    loss_temperature_ : float
        Of the contrastive loss, if it is learned.
    embedder_ : term embedder
        `embedder`, its `vectors_` where it has such, or the `RandomEmbedder` that stands for None;
        with `train_label_vectors` an embedder around it, which gives the trained terms their new
        vectors.
    label_space_ : LabelSpace
        The training labels, embedded.
    reference_points_ : ndarray of shape (n_points, vector_size)
        Where training samples lie, up to a thousand: what `hubness` is judged by.
    visual_ : VisualFeaturizer
        The fitted net, if `visual` is given.
    net_ : skorch.NeuralNet
        The training loop. A pickle leaves it out, and stage 2 ends
        with another one, of photos: it is made again around the map when it is asked for, with a
        fresh optimizer. Answers do not need it.
    history_ : pandas.DataFrame
        A row an epoch: "train_loss", "dur" (in seconds), with `early_stopping` "valid_hit@1", and
        numbers and texts that callbacks have added. Its index is "epoch", or with `finetune_epochs`
        ("stage", "epoch").
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
        "projection": [StrOptions({"linear", "mlp"}), callable],
        "loss": [StrOptions({"hinge_rank", "mse", "cosine", "warp", "contrastive"})],
        "margin": [Interval(Real, 0, None, closed="neither")],
        "negatives": [
            StrOptions({"first_violation", "all", "hardest"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "negative_labels": [StrOptions({"training"}), "array-like", LabelVocabulary],
        "loss_temperature": [StrOptions({"learned"}), Interval(Real, 0, None, closed="neither")],
        "train_label_vectors": ["boolean"],
        "feature_scaling": [StrOptions({"l2", "standard", "none"})],
        **LabelPredictionMixin._prediction_constraints,
        "max_epochs": [Interval(Integral, 0, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"linear", "cosine"}), callable, None],
        "optimizer": [StrOptions({"adagrad", "adam", "sgd"}), callable],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "finetune_epochs": [Interval(Integral, 0, None, closed="left")],
        "finetune_lr": [Interval(Real, 0, None, closed="neither")],
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
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        embedder=None,
        visual=None,
        *,
        projection="linear",
        loss="hinge_rank",
        margin=0.1,
        negatives="first_violation",
        negative_labels="training",
        loss_temperature="learned",
        train_label_vectors=False,
        feature_scaling="l2",
        labels=None,
        search="auto",
        expand=4,
        seen_penalty=0.0,
        hubness=None,
        max_epochs=30,
        lr=0.02,
        lr_schedule=None,
        optimizer="adagrad",
        batch_size=128,
        finetune_epochs=0,
        finetune_lr=0.001,
        finetune_optimizer="adagrad",
        freeze_batch_norm=True,
        early_stopping=False,
        validation_fraction=0.1,
        validation_split="samples",
        n_iter_no_change=5,
        callbacks=None,
        checkpoint=None,
        precision="float32",
        compile=False,
        warm_start=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.embedder = embedder
        self.visual = visual
        self.projection = projection
        self.loss = loss
        self.margin = margin
        self.negatives = negatives
        self.negative_labels = negative_labels
        self.loss_temperature = loss_temperature
        self.train_label_vectors = train_label_vectors
        self.feature_scaling = feature_scaling
        self.labels = labels
        self.search = search
        self.expand = expand
        self.seen_penalty = seen_penalty
        self.hubness = hubness
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
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Train the map on samples of the seen labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images if `visual` is given
            Features in memory, or where they are: a memory map of more than 256 MB, or an object
            with `shape`, `dtype` and `__getitem__` (HDF5, zarr), is read a batch at a time.
        y : array-like of shape (n_samples,)
            Labels: names, synset ids, or any others that a vocabulary in `labels` has terms for.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts in the loss. Those of weight 0 are left out.

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
        check_options(self)
        with self._all_or_nothing():
            start = self._map_state() if self.warm_start and hasattr(self, "temperature_") else None
            fitted = (name for name in vars(self) if name.endswith("_"))
            for name in list(fitted):
                delattr(self, name)
            samples, y = check_training_set(self, X, y, sample_weight, reset=True)
            classes, samples.targets = np.unique(y[samples.rows], return_inverse=True)
            self._begin(classes, first=True)
            hold_out(self, samples)
            self._fit_features(samples, y)
            from skdevise.models._stages import finetune, train_map

            train_map(self, samples, start)
            if self.finetune_epochs:
                samples = finetune(self, samples)
            self._finish(samples)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train the map on, for one pass over some samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images if `visual` is given
        y : array-like of shape (n_samples,)
            Labels that were not there before join: they need only a vector.
        classes : LabelVocabulary or array-like of shape (n_classes,), default=None
            Labels that will come, so that they count as false ones from the first call on.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts in the loss.

        Returns
        -------
        self : DeViSEClassifier

        Raises
        ------
        LabelWithoutVectorError
            If a label has no vector, before any training; it names them all.
        ValueError
            If there are not two labels yet, new ones come where label vectors are trained, or
            `embedder`, `visual`, `projection` or `feature_scaling` is another than before.

        Notes
        -----
        `temperature_` is fitted on the samples of the last call, a scaler on those of the first.
        Early stopping, schedules, checkpoints and stage 2 belong to `fit`. Weights count as they
        are, so that calls can weigh more or less. A pickle leaves out the state of the optimizer:
        after it, and after a change of parameters other than `lr`, training goes on from the map
        with a fresh one. A
        call that breaks off leaves map and optimizer as they were.
        """
        self._validate_params()  # Of a fitted estimator `fit_context` takes them for valid.
        check_options(self)
        with self._all_or_nothing():
            self._fit_pass(X, y, classes, sample_weight, first=not hasattr(self, "temperature_"))
        return self

    def _fit_pass(self, X, y, classes, sample_weight, first):
        if not first:
            check_lasting(self)
        samples, y = check_training_set(self, X, y, sample_weight, reset=first)
        earlier = None if first else self.classes_
        known = y[:0] if first else earlier
        announced = join_labels(known, y[samples.rows], [] if classes is None else classes)
        if not first and self.train_label_vectors and len(announced) > len(known):
            new = np.setdiff1d(announced, known).tolist()
            raise ValueError(
                f"The labels {new} are new, but label vectors are trained: give all labels as "
                "classes in the first call."
            )
        if len(announced) > len(known) or self._has_other_labels():
            self._begin(announced, first)
            if self.train_label_vectors:
                vars(self).pop("net_", None)  # It holds vectors of the terms and labels before.
        samples.targets = np.searchsorted(self.classes_, y[samples.rows])
        if first:
            self._fit_features(samples, y)
        else:
            samples.table = self._training_table(samples.X)
        from skdevise.models._stages import train_pass

        train_pass(self, samples, earlier)
        self._n_passes += 1
        self._finish(samples)

    @contextmanager
    def _all_or_nothing(self):
        """What breaks off leaves the estimator as it was."""
        before = vars(self).copy()
        net = before.get("net_")
        state = None if net is None else net.state()
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if net is not None:
                net.load_state(state)
            raise

    def _begin(self, classes, first):
        """Bind the training labels to their vectors: what lacks one is refused before training."""
        if len(classes) < 2:
            only = classes.tolist()[0]
            raise ValueError(
                f"Ranking needs false labels, but all samples are of one class: {only!r}."
            )
        vocabulary = self._vocabulary(classes)
        if self.train_label_vectors and (vocabulary.pool == "mean" or vocabulary.templates):
            raise ValueError(
                "train_label_vectors needs labels that lie where a term does: a vocabulary with "
                "pool='mean' or templates has none."
            )
        if first:
            self._given = {name: getattr(self, name) for name in _LASTING}
            self._open_label_space(classes)
            self._given_embedder = self.embedder_
        else:
            self._bind_labels(classes, self.embedder_)
        self._n_features_out = self.label_space_.vector_size
        self._negative_vectors = self._embed_negatives(classes)
        self._bound = self.labels, self.negative_labels

    def _has_other_labels(self):
        # By identity: to compare thousands of labels at each call would cost more than it saves.
        labels, negative_labels = self._bound
        return self.labels is not labels or self.negative_labels is not negative_labels

    def _embed_negatives(self, classes):
        """Vectors of the false labels that are no training labels: (n, vector_size)."""
        if isinstance(self.negative_labels, str):
            return self.label_space_.targets[:0]
        vocabulary = self._vocabulary(self.negative_labels)
        if set(vocabulary.labels.tolist()) <= set(classes.tolist()):
            return self.label_space_.targets[:0]
        return LabelSpace(vocabulary - classes, self.embedder_, "exact").targets

    def _table(self, X):
        """Features of checked samples, not scaled: (n_samples, n_features)."""
        if not hasattr(self, "visual_"):
            return X
        table = np.asarray(self.visual_.transform(X), np.float32)
        refuse_unusable(table)
        return table

    def _training_table(self, X):
        table = self._table(X)
        if hasattr(self, "visual_") and len(table) != len(X):
            raise ValueError(
                f"visual gives features of {len(table)} of {len(X)} photos: leave out of X and "
                "y those that cannot be read."
            )
        return table

    def _fit_features(self, samples, y):
        """Fit the visual net and the scaler to what is not held out, and compute the features."""
        kept = samples.take(samples.kept)
        if self.visual is not None:
            self._fit_visual(kept, y)
        samples.table = kept.table = self._training_table(samples.X)
        self._n_map_features, self._n_passes = samples.table.shape[1], 0
        if self.feature_scaling == "standard":
            self.scaler_ = StandardScaler()
            for _, block, weight in kept.blocks():
                self.scaler_.partial_fit(block, sample_weight=weight)

    def _fit_visual(self, samples, y):
        photos = samples.X
        if len(samples.rows) < len(y):
            from skdevise.models._stages import take_photos

            photos, y = take_photos(photos, samples.rows), y[samples.rows]
        self.visual_ = clone(self.visual).fit(photos, y)
        if self.finetune_epochs and isinstance(self.visual_, FrozenEstimator):
            # A frozen net is its owner's: what is trained is a copy.
            self.visual_ = deepcopy(self.visual_.estimator)

    def _scale(self, features):
        scaling = self._given["feature_scaling"]
        if scaling == "l2":
            return normalize(features)
        return self.scaler_.transform(features) if scaling == "standard" else features

    def _finish(self, samples):
        """Fit the temperature on some of the samples."""
        chosen = calibration_rows(len(samples.rows))
        features = self._scale(read(samples.table, samples.rows[chosen]))
        points = self._map(features)
        with np.errstate(over="ignore", invalid="ignore"):
            diverged = not np.isfinite(np.square(points).sum(axis=1)).all()
        if diverged:
            also = f" or finetune_lr={self.finetune_lr}" if self.finetune_epochs else ""
            raise ValueError(f"Training diverged: lower lr={self.lr}{also}.")
        weight = None if samples.weight is None else samples.weight[chosen]
        self._calibrate(normalize(points), samples.targets[chosen], weight)

    def _set_map(self, state, temperature):
        """Keep a trained map, and the temperature that its loss has learned, if it has."""
        if self._given["projection"] == "linear":
            self.coef_ = state["weight"]
        else:
            self.projection_weights_ = state
        vars(self).pop("_module", None)
        vars(self).pop("loss_temperature_", None)
        if temperature is not None:
            self.loss_temperature_ = temperature

    def _map_state(self):
        state = {"weight": self.coef_} if hasattr(self, "coef_") else self.projection_weights_
        return state, getattr(self, "loss_temperature_", None)

    def _map(self, features):
        """Send scaled features through the map."""
        if hasattr(self, "coef_"):
            # In the precision of the features: float32 sums depend on how many rows there are.
            return features @ self.coef_.T.astype(features.dtype, copy=False)
        from skdevise.models._nets import map_features, restored_map

        if "_module" not in vars(self):
            self._module = restored_map(self)
        return map_features(self._module, features)

    def transform(self, X):
        """Place samples in the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images if `visual` is given

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Unit rows: M v over its length. In float32, or of a linear map in the precision of X.
        """
        check_is_fitted(self)
        if not hasattr(self, "visual_"):
            X = check_features(self, X, reset=False)
        table = self._table(X)
        points = []
        for part in parts(table, table.shape[0]):
            block = read(table, part)
            if is_streamed(table):
                refuse_unusable(block, part.start)
            points.append(normalize(self._map(self._scale(block))))
        return points[0] if len(points) == 1 else np.concatenate(points)

    def __getattr__(self, name):
        # Only what is missing comes here: a net that a pickle left out is made around its map.
        has_map = "coef_" in vars(self) or "projection_weights_" in vars(self)
        if name != "net_" or not has_map:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        from skdevise.models._nets import restored_net

        self.net_ = restored_net(self)
        return self.net_

    def __getstate__(self):
        # Fitted state is plain arrays; a net in a pickle ties it to versions of torch and skorch.
        state = super().__getstate__()
        state.pop("net_", None)
        state.pop("_module", None)
        return state

    def __sklearn_is_fitted__(self):
        return hasattr(self, "temperature_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A net computes in float32 whatever the features are.
        dtypes = ["float64", "float32"] if self.projection == "linear" else ["float32"]
        tags.transformer_tags.preserves_dtype = dtypes
        if self.visual is not None:
            tags.input_tags.two_d_array = False
        return tags
