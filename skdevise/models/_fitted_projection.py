"""A trained projection, and all that a classifier keeps of it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from skdevise._ranking import nearest_by_product
from skdevise._typing import Inputs, NDArray
from skdevise._utils import available_device, draw_seed, seeded
from skdevise.labels._embedding import first_known, known_terms, looks_up_words
from skdevise.language._terms import check_terms
from skdevise.models._calibration import calibration_rows, refit_rows, row_keys
from skdevise.models._features import (
    ClassMeans,
    check_features,
    finite_blocks,
    is_on_disk,
    read_rows,
)

# The modules that need torch are imported in the methods that train.

# A squared distance of 1 belongs to points at the origin. Points that are ten times as far away
# after the training have moved too far in each step.
_LARGEST_DISTANCE = 100


class FittedProjectionMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Projection of `DeViSEClassifier`, stored as arrays, so that a pickle needs no net.

    `fit` sets `_fitted_params`, `_scale`, `_n_features`, `lr_` and `device_`. It then trains a net
    with `_trainer`, and calls `_keep`.
    """

    def transform(self, X: Inputs) -> NDArray[Any]:
        """Project samples into the label space.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Features or photos, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, vector_size)
            Points of unit length: float64 if X is float64 and in memory, and float32 otherwise.
        """
        check_is_fitted(self)
        if not hasattr(self, "visual_"):
            X = check_features(self, X, reset=False)
        blocks = finite_blocks(self._features(X))
        return np.concatenate([normalize(self._project(self._scale(block))) for block in blocks])

    @property
    def net_(self) -> Any:
        """Skorch net that trains the projection: skorch.NeuralNet."""
        check_is_fitted(self)
        if "net" not in self._lazy:
            seed, state = self._draw_seed(), self._map_state()
            net = self._trainer().restore_net(self._n_passes, self._n_features, seed, state)
            self._lazy["net"] = net
        return self._lazy["net"]

    def __dir__(self):
        """List the attributes, with `net_` only if it exists already, because it imports torch."""
        hidden = set() if "net" in vars(self).get("_lazy", {}) else {"net_"}
        return [name for name in {*object.__dir__(self)} - hidden if hasattr(self, name)]

    def _draw_seed(self):
        """Draw the seed of a call. With a checkpoint, None counts as 0, to find the file again."""
        is_fixed = self.random_state is None and self.checkpoint is not None
        return draw_seed(0 if is_fixed else self.random_state)

    def _once(self, make, together=True):
        """Make a value. If processes share a fit `together`, the first one makes it for all."""
        if not (together and self.distributed):
            return make()
        from skdevise.training._distributed import from_first

        return from_first(make)

    def _features(self, X):
        """Return the features of X, which may be on disk: (n_samples, n_features), unscaled."""
        return np.asarray(self.visual_.transform(X), np.float32) if hasattr(self, "visual_") else X

    def _trainer(self):
        """Create the trainer of the projection from the parameters and the fitted parts."""
        from skdevise.models._devise_net import Trainer

        device = str(available_device(self.device_))
        fitted = self._fitted_params | {"lr": self.lr_, "device": device}
        return Trainer(
            self.get_params(deep=False) | fitted,
            class_vectors=self.label_space_.targets,
            class_terms=self.label_space_.term_vectors if self.targets == "sample" else None,
            negative_vectors=self._negative_vectors,
            scale=self._scale,
            visual=getattr(self, "visual_", None),
        )

    def _keep(self, net):
        """Keep the net, its weights as arrays, and trained label vectors as an embedder."""
        from skdevise.models._projection import state_arrays
        from skdevise.training._net import epoch_table

        state = state_arrays(net.projection)
        if not all(np.isfinite(value).all() for value in state.values()):
            raise ValueError(f"Training diverged with a learning rate of {net.lr}. Lower it.")
        vars(self).pop("loss_temperature_", None)
        # One dict holds all that is built when needed, because only `fit` may add attributes.
        self._lazy = {"net": net}
        if self._fitted_params["projection"] == "linear":
            self.coef_ = state["weight"]
        else:
            self.projection_weights_ = state
            if not self.compile:  # A compiled module would be compiled again to predict.
                self._lazy["module"] = net.projection
        if self.loss == "contrastive" and self.loss_temperature == "learned":
            self.loss_temperature_ = net.criterion_.temperature.item()
        if self.train_label_vectors:
            vectors = net.criterion_.vectors[: len(net.trained)].numpy(force=True)
            vocabulary = self._vocabulary(self.classes_[net.trained])
            embedder = self._untrained_embedder
            terms = [first_known(embedder, terms) for terms in vocabulary.terms]
            self._bind_labels(self.classes_, TunedEmbedder(embedder, terms, vectors))
        self.history_ = epoch_table(net.history)

    def _refuse_divergence(self, net):
        """Raise ValueError if the weights of a linear map are finite, but its points are far away.

        Only squared distances can diverge in this way. The gradients of the other losses are
        bounded, or their temperature overflows. A network can start far away, and then converge.
        """
        is_linear = self._fitted_params["projection"] == "linear"
        if self.loss != "mse" or not is_linear or self.early_stopping or not len(self.history_):
            return  # Early stopping keeps the best weights.
        loss = self.history_["train_loss"].iloc[-1]
        if loss > _LARGEST_DISTANCE:
            raise ValueError(
                f"Training diverged with a learning rate of {net.lr}: the loss is {loss:.3g}. "
                "Lower it."
            )

    def _keep_fine_tuned(self, net, samples):
        """Keep the result of stage 2, and return samples with features of the new network."""
        import pandas as pd

        from skdevise.models._fine_tuning import take_photos

        first_history = self.history_
        self._keep(net)
        del self._lazy["net"]  # It trains photos, whereas `net_` trains features.
        self.history_ = pd.concat({1: first_history, 2: self.history_}, names=["stage"])
        self.visual_._keep_weights()
        _, first_of_class = np.unique(samples.targets, return_index=True)
        some = np.union1d(calibration_rows(len(samples.rows)), first_of_class)
        samples = samples.take(some)  # `partial_fit` needs a photo of each class.
        features = np.asarray(self.visual_.transform(take_photos(samples.X, samples.rows)))
        return replace(samples, features=features, rows=np.arange(len(samples.rows)))

    def _project(self, features, projection=None):
        """Project scaled features with the fitted or another projection: (n, vector_size)."""
        if projection is None and hasattr(self, "coef_"):
            # Sums in float32 depend on the number of rows, so the precision is that of X.
            return features @ self.coef_.T.astype(features.dtype, copy=False)
        from skdevise.models._projection import project

        if projection is None and "module" not in self._lazy:
            device = available_device(self.device_)
            with seeded(0, device):
                module = self._trainer().make_projection(self._n_features, self.projection_weights_)
            self._lazy["module"] = module.to(device)
        projection = self._lazy["module"] if projection is None else projection
        # A net computes in float32.
        return project(projection, features).astype(features.dtype, copy=False)

    def _fit_temperatures(self, samples, seed, partial=False):
        """Fit the temperatures of `predict_proba` on held-out samples and classes."""
        samples = samples.take(refit_rows(len(samples.rows)))
        if is_on_disk(samples.features):
            keys = np.random.default_rng(0).permutation(len(samples.rows))
        else:
            keys = np.concatenate([row_keys(block) for block, _ in samples.blocks()])

        def place(rows, projection=None):
            features = read_rows(samples.features, samples.rows[rows])
            with np.errstate(over="ignore", invalid="ignore"):
                diverged = not np.isfinite(features).all()  # Stage 2 changes the features.
                if not diverged:
                    points = self._project(self._scale(features), projection)
                    diverged = not np.isfinite(np.square(points).sum(axis=1)).all()
            if diverged:
                rates = f"lr={self.lr_}"
                if self.finetune_epochs:
                    rates += f" and finetune_lr={self.finetune_lr}"
                raise ValueError(f"Training diverged with {rates}. Lower the learning rate.")
            return normalize(points)

        before = self._second

        def refit(kept):
            is_kept = ~self._is_held_out()
            if partial and (not len(kept) or is_kept.sum() < 2):
                return None
            data = self._trainer(), samples.take(kept), self.classes_
            if partial:
                second = before.train_pass(*data, is_kept, self._n_passes, seed)
            else:
                second = before.train(*data, seed, self._n_epochs)
            self._second = second
            return lambda rows: place(rows, second.net.projection)

        self._calibrate(samples.targets, keys, samples.weight, place, refit)

    def _map_state(self):
        """Return the weights of the projection, and the learned temperature of the loss or None."""
        state = {"weight": self.coef_} if hasattr(self, "coef_") else self.projection_weights_
        return state, getattr(self, "loss_temperature_", None)


@dataclass(frozen=True)
class SecondTraining:
    """A projection that is trained like the first one, but without the held-out samples."""

    net: Any = None
    """Net that trains the projection, or None after a pickle."""
    state: dict | None = None
    """Weights of the projection."""
    means: ClassMeans = field(default_factory=ClassMeans)
    """Mean features of the classes in the second training."""

    def train(self, trainer, samples, classes, seed, n_epochs):
        """Train a new projection on the kept samples."""
        every = np.arange(len(samples.rows))
        net = _plain(trainer, n_epochs).train_stage(1, samples, every, every[:0], seed)
        return _trained(net, ClassMeans().updated(samples, classes))

    def train_pass(self, trainer, samples, classes, is_kept, number, seed):
        """Train for one epoch on the kept samples, against the kept classes (n_classes,)."""
        rows = np.flatnonzero(is_kept)
        trainer = replace(_plain(trainer, 1), class_vectors=trainer.class_vectors[rows])
        if trainer.class_terms is not None:
            trainer.class_terms = [trainer.class_terms[row] for row in rows]
        classes = classes[rows]
        samples = replace(samples, targets=np.searchsorted(rows, samples.targets))
        start = None if self.state is None else (self.state, None)
        replay = self.means.absent_from(samples, classes)
        net = trainer.train_pass(number, samples, seed, self.net, start, replay)
        return _trained(net, self.means.updated(samples, classes))

    def __getstate__(self):
        # A net in a pickle would need the same versions of torch and skorch.
        return vars(self) | {"net": None}


def _plain(trainer, n_epochs):
    """Copy a trainer, without all that needs the photos or that the user watches."""
    params = {"callbacks": None, "checkpoint": None, "early_stopping": False, "verbose": 0}
    params |= {"max_epochs": n_epochs, "train_label_vectors": False}
    # Without the visual model, training uses features that are not augmented.
    return replace(trainer, params=trainer.params | params, visual=None)


def _trained(net, means):
    """Keep a net, a copy of its weights, and class means: SecondTraining."""
    from skdevise.models._projection import state_arrays

    return SecondTraining(net, state_arrays(net.projection), means)


class TunedEmbedder:
    """Term embedder with new unit vectors (n_terms, vector_size) for some terms.

    A new vector also serves the other terms for which `embedder` returns the same vector.
    """

    def __init__(self, embedder, terms, vectors):
        self.embedder = embedder
        self.terms = list(terms)
        self.vectors = np.asarray(vectors, dtype=np.float32)
        self._row_of = {term: row for row, term in enumerate(self.terms)}
        self._untuned = np.asarray(embedder.transform(self.terms), dtype=np.float32)

    @property
    def _looks_up_words(self):
        return looks_up_words(self.embedder)

    def __repr__(self):
        return f"TunedEmbedder({self.embedder!r}, {len(self.terms)} terms)"

    def transform(self, X):
        """Return the unit vector of each term: (n_terms, vector_size) float32."""
        terms = check_terms(X)
        vectors = np.array(self.embedder.transform(terms), dtype=np.float32)
        nearest = nearest_by_product(vectors, self._untuned, 1)[0].squeeze(1)
        # Several terms may have had the same vector.
        pairs = zip(terms, nearest, strict=True)
        rows = np.array([self._row_of.get(*pair) for pair in pairs], dtype=np.intp)
        is_tuned = np.isclose(vectors, self._untuned[rows], atol=1e-6).all(axis=1)
        vectors[is_tuned] = self.vectors[rows[is_tuned]]
        return vectors

    def has_vector(self, X):
        """Return whether each term has a vector: (n_terms,) bool."""
        return known_terms(self.embedder, check_terms(X))

    def has_term(self, X):
        """Return whether each term is known as one unit: (n_terms,) bool."""
        return known_terms(self.embedder, check_terms(X), question="has_term")
