"""The training of DeViSEClassifier: checks, labels, features, and the stages of the fit."""

from copy import deepcopy
from functools import partial
from operator import is_not
from typing import Self

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length

from skdevise._columns import check_targets
from skdevise._compat import fit_context, num_samples
from skdevise._typing import ArrayLike, Inputs, Labels
from skdevise._utils import (
    check_checkpoint_folder,
    check_unchanged,
    find_device,
    seeded,
    training_device,
    warn,
)
from skdevise.labels._space import LabelSpace
from skdevise.models._candidates import unchanged_on_error
from skdevise.models._features import (
    ClassMeans,
    FeatureScaler,
    Samples,
    check_features,
    check_several,
    finite_blocks,
    join_labels,
    training_weights,
)
from skdevise.models._fitted_projection import FittedProjectionMixin, SecondTraining
from skdevise.models._learning_rate import automatic_lr
from skdevise.training._early_stopping import hold_out_classes, hold_out_samples

# The modules that need torch are imported in the methods that train.

# `partial_fit` continues with the values that these parameters had in the first call.
_LASTING_PARAMS = ("embedder", "visual", "projection", "feature_scaling")


class DeViSETrainingMixin(FittedProjectionMixin):
    """The methods `fit` and `partial_fit` of `DeViSEClassifier`, and the steps before its training.

    A `Trainer` trains the projection, and `FittedProjectionMixin` keeps the result.
    """

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
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
            If a label has no vector. The error names such labels, and is raised before features
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
        self._check_resources(self.early_stopping)
        start = self._map_state() if self.warm_start and self.__sklearn_is_fitted__() else None
        if not (self.max_epochs or self.finetune_epochs or start):
            warn("max_epochs=0 trains nothing, so the predictions are arbitrary. Raise max_epochs.")
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        X, y, rows, weight = self._validate(X, y, sample_weight, first=True)
        classes, targets = np.unique(y[rows], return_inverse=True)
        self._embed_labels(classes, first=True)
        seed = self._once(self._draw_seed)
        kept, held_out = np.arange(len(targets)), np.arange(0)
        if self.early_stopping:
            split = hold_out_classes if self.validation_split == "classes" else hold_out_samples
            kept, held_out = split(targets, self.validation_fraction, seed)
        self._fit_visual(X, y, rows[kept])
        self._check_projection(X, start)
        features = self._training_features(X, together=self.distributed)
        samples = Samples(X, features, rows, targets, weight)
        self._fit_scale(samples.take(kept), together=True)
        self._choose_lr(samples.take(kept), together=True)
        self._choose_device(len(kept), self.max_epochs)
        net = self._trainer().train_stage(1, samples, kept, held_out, seed, start)
        self._keep(net)
        self._refuse_divergence(net)
        self._n_epochs = len(self.history_)
        if self.finetune_epochs:
            # Processes that share a fit have a GPU each.
            self.device_ = str(find_device("auto" if self.distributed else self.device))
            start = self._map_state()
            net = self._trainer().train_stage(2, samples, kept, held_out, seed, start)
            samples = self._keep_fine_tuned(net, samples)
        self._class_means = self._once(lambda: ClassMeans().updated(samples, self.classes_))
        self._fit_temperatures(samples, seed)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    @unchanged_on_error
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
        features of each absent class too, so that it does not forget the class. A new class usually
        needs about `max_epochs` calls.

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
        The temperatures are fitted on the samples of the last call, and `scaler_` on the first
        samples of each class. Only `fit` uses early stopping, schedules, checkpoints, stage 2 and
        `distributed`. The optimizer starts afresh after a pickle, and after a change of a training
        parameter other than `lr`.
        """
        self._validate_params()  # `fit_context` trusts the parameters of a fitted estimator.
        self._check_resources(early_stopping=False)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' does not work with partial_fit, which does not know all "
                "samples. Pass a dict of weights."
            )
        first = not self.__sklearn_is_fitted__()
        start = None if first else self._map_state()
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
        candidates = self.labels, self.negative_labels
        if has_joined or any(map(is_not, candidates, self._fitted_candidates)):
            self._embed_labels(labels, first)
        if first:
            self._fit_visual(X, y, rows)
            self._check_projection(X)
        targets = np.searchsorted(self.classes_, y[rows])
        samples = Samples(X, self._training_features(X), rows, targets, weight)
        # Calls that repeat the photos of a label would move the mean towards these photos.
        is_new = [label not in self._class_means.known for label in self.classes_.tolist()]
        new_rows = np.flatnonzero(np.array(is_new)[targets])
        if len(new_rows):
            self._fit_scale(samples.take(new_rows), first)
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

    def _check_resources(self, early_stopping):
        """Check the device, the training parameters and the visual model before any work."""
        from skdevise.models._devise_net import checkpoint_params
        from skdevise.training._checkpoint import fit_key
        from skdevise.training._net import check_training_params

        params = self.get_params(deep=False)
        find_device(self.device)
        check_training_params(params | {"early_stopping": early_stopping})
        if self.checkpoint is not None:
            check_checkpoint_folder(self.checkpoint)
            fit_key(checkpoint_params(params, stage=2))
        if self.train_label_vectors and self.targets == "sample":
            raise ValueError(
                "train_label_vectors=True trains the vector of the first term only, so it does not "
                "work with targets='sample'. Use targets='first'."
            )
        if callable(self.loss) and self.targets == "sample":
            raise ValueError(
                "A function as loss looks up the label vectors itself, so it does not work with "
                "targets='sample'. Use targets='first'."
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
        y = check_targets(y)
        if self.visual is None:
            X = check_features(self, X, reset=first)
        check_consistent_length(X, y)
        return X, y, *training_weights(sample_weight, y, self.class_weight, partial)

    # --- Labels

    def _embed_labels(self, classes, first):
        """Embed the training labels and the additional false labels."""
        check_several(classes)
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
        self._negative_vectors = self.label_space_.targets[:0]
        if not isinstance(self.negative_labels, str):
            negatives = self._vocabulary(self.negative_labels)
            if not set(negatives.labels.tolist()) <= set(classes.tolist()):
                space = LabelSpace(negatives - classes, self.embedder_, "exact")
                self._negative_vectors = space.targets
        self._fitted_candidates = self.labels, self.negative_labels

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
        has_features = self.visual is None
        n_features = X.shape[1] if has_features else getattr(self.visual_, "n_features_out_", None)
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
            from skdevise.models._fine_tuning import take_photos
            from skdevise.training._distributed import compute_together, open_accelerator

            accelerator = open_accelerator()
            rank_and_size = accelerator.process_index, accelerator.num_processes
        if together and self.visual is not None:
            features = compute_together(self._features, partial(take_photos, X), num_samples(X))
        else:
            features = self._features(X)
        for _ in finite_blocks(features, *rank_and_size):
            pass
        self._n_features = features.shape[1]
        return features

    def _fit_scale(self, samples, first=True, together=False):
        """Fit the scaling of the features, in addition to samples of earlier calls."""
        scaling = self.feature_scaling
        if scaling == "auto":
            # The other losses compare points with label vectors. These have a mean, which centred
            # features cannot reach without a bias.
            compares_labels = self.loss in ("hinge_rank", "warp")
            is_centered = compares_labels and self.projection == "linear"
            scaling = "centered" if is_centered else "l2"
        scale = FeatureScaler(scaling) if first else deepcopy(self._scale)
        self._scale = self._once(lambda: scale.fit(samples.blocks()), together)
        if self._scale.standard is not None:
            self.scaler_ = self._scale.standard

    def _choose_lr(self, samples, together=False):
        """Set the learning rate of stage 1."""
        self.lr_ = self.lr
        if self.lr == "auto":
            params = self.get_params(deep=False) | self._fitted_params
            if callable(self.loss):  # We assume that it asks for scores of the same size.
                params["loss"] = "hinge_rank"
            facts = samples, self.label_space_.targets, self._scale, params
            self.lr_ = self._once(lambda: automatic_lr(*facts), together)

    def _choose_device(self, n_samples, max_epochs):
        """Set the device of stage 1."""
        n_labels = self.label_space_.n_labels + len(self._negative_vectors)
        self.device_ = training_device(
            # The accelerator has made the GPU of this process the current one.
            str(find_device("auto")) if self.distributed else self.device,
            n_samples=n_samples,
            n_numbers=self._n_features + n_labels,
            n_weights=self._n_features * self._n_features_out,
            batch_size=self.batch_size,
            max_epochs=max_epochs,
        )
