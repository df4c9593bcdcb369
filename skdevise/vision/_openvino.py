"""Networks that OpenVINO runs without torch."""

import os
import threading
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdevise._typing import NDArray, PhotoList
from skdevise._untrained import ImmutableMixin
from skdevise._utils import import_optional
from skdevise.vision._featurizer import VisualFeaturizer
from skdevise.vision._mixins import PhotoTransformerMixin
from skdevise.vision._photos import Photos

# Two threads must not compile a network at the same time.
_LOCK = threading.Lock()


def to_openvino(estimator: BaseEstimator, *, n_threads: int = 1) -> Any:
    """Copy a fitted estimator, so that OpenVINO runs its network.

    Use it to serve a model. The copy needs neither torch nor the weights of the network, so a
    process that loads it starts sooner and takes less memory. `skdevise.save` stores the converted
    network with the copy. The copy predicts, but it cannot be trained.

    Parameters
    ----------
    estimator : estimator
        A fitted `VisualFeaturizer`, a classifier that has one as its attribute `visual_`, or a
        `Pipeline` that contains one of them.
    n_threads : int, default=1
        Number of threads that run the network. Use 1 if several processes serve the model.

    Returns
    -------
    estimator
        A copy with an `OpenVINOFeaturizer` in the place of each `VisualFeaturizer`. Everything else
        is shared with `estimator`.

    Raises
    ------
    ImportError
        If OpenVINO is not installed (extra ``fast``).
    RuntimeError
        If OpenVINO cannot convert the network, or computes other features than torch.
    ValueError
        If the estimator has no network, or if its photos are not preprocessed by a resize and a
        centre crop.

    Notes
    -----
    Pillow resizes the photos, while `VisualFeaturizer` resizes them with torch. Pixels differ by
    at most 2 of 255 levels, so features and scores differ slightly.

    Examples
    --------
    We convert a tiny network. ``to_openvino(load_zero_shot_classifier())`` converts a classifier.

    >>> import numpy as np
    >>> from skdevise import VisualFeaturizer, to_openvino
    >>> from torch import nn
    >>> def tiny_net():
    ...     return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 5))
    ...
    >>> photos = np.zeros((2, 9, 12, 3), np.uint8)
    >>> featurizer = VisualFeaturizer(tiny_net, image_size=8).fit(photos)
    >>> to_openvino(featurizer).transform(photos).shape
    (2, 12)
    """
    converted = _convert_parts(estimator, n_threads)
    if converted is estimator:
        raise ValueError(
            f"The {type(estimator).__name__} has no fitted VisualFeaturizer. Pass an estimator "
            "that takes photos."
        )
    return converted


def _convert_parts(estimator, n_threads):
    """Convert the networks of an estimator, or return the estimator itself if it has none."""
    if isinstance(estimator, VisualFeaturizer):
        check_is_fitted(estimator)
        return estimator._network.to_openvino(n_threads)
    converted = copy(estimator)
    if isinstance(estimator, FrozenEstimator):
        converted.estimator = _convert_parts(estimator.estimator, n_threads)
        return converted if converted.estimator is not estimator.estimator else estimator
    if isinstance(estimator, Pipeline):
        steps = estimator.steps
        converted.steps = [(name, _convert_parts(step, n_threads)) for name, step in steps]
        return converted if converted.steps != steps else estimator
    if not hasattr(estimator, "visual_"):
        return estimator
    converted.visual_ = converted.visual = _convert_parts(estimator.visual_, n_threads)
    return converted


class OpenVINOFeaturizer(ImmutableMixin, PhotoTransformerMixin, BaseEstimator):
    """Compute the features of a `VisualFeaturizer` with OpenVINO and without torch.

    `to_openvino` makes it from a fitted `VisualFeaturizer`. It is complete without a fit.

    Parameters
    ----------
    network : ndarray of uint8
        Network in the format of OpenVINO.
    weights : ndarray of uint8
        Weights of the network.
    crop : object
        Preprocessing of each photo.
    n_features : int
        Number of features.
    n_threads : int, default=1
        Number of threads that run the network.

    See Also
    --------
    to_openvino : Make it from a fitted estimator.
    """

    _parameter_constraints = {}  # `to_openvino` makes the parameters.

    def __init__(
        self,
        network: NDArray[np.uint8],
        weights: NDArray[np.uint8],
        crop: Any,
        n_features: int,
        n_threads: int = 1,
    ) -> None:
        self.network = network
        self.weights = weights
        self.crop = crop
        self.n_features = n_features
        self.n_threads = n_threads

    def transform(self, X: PhotoList) -> NDArray[np.float32]:
        """Compute the features of photos, one photo at a time.

        Parameters
        ----------
        X : photos
            Photos in any form that `VisualFeaturizer` accepts.

        Returns
        -------
        ndarray of shape (n_photos, n_features), dtype float32
            Features of each photo. They do not depend on the other photos.

        Raises
        ------
        ImportError
            If OpenVINO is not installed (extra ``fast``).
        TypeError
            If X does not have an accepted form.
        UnreadablePhotoError
            If a photo cannot be read.
        ValueError
            If X is empty.
        """
        photos, run = Photos(X), self._compiled()
        features = np.empty((len(photos), self.n_features), np.float32)
        for row in range(len(photos)):
            photo = self.crop.from_pixels(photos.pixels(row)).transpose(2, 0, 1)
            features[row] = run(np.ascontiguousarray(photo[None]))
        return features

    def _compiled(self):
        """Return the function that runs the network. It is compiled at the first use."""
        with _LOCK:
            if "_run" not in vars(self):
                with no_statistics():
                    openvino = import_optional("openvino", extra="fast", purpose="This network")
                parts = self.network.tobytes(), self.weights.tobytes()
                self._run = compile_model(openvino.Core().read_model(*parts), self.n_threads)
            return self._run

    def __getstate__(self):
        return {name: v for name, v in super().__getstate__().items() if name != "_run"}

    @property
    def _n_features_out(self):
        return self.n_features


@contextmanager
def no_statistics():
    """Keep OpenVINO from sending statistics while it is imported or converts a network.

    A conversion forks a dozen processes that send them, but none in a continuous integration job.
    """
    is_set = "JENKINS_URL" in os.environ
    os.environ.setdefault("JENKINS_URL", "none")
    try:
        yield
    finally:
        if not is_set:
            os.environ.pop("JENKINS_URL", None)


def compile_model(model, n_threads):
    """Compile a network of OpenVINO: a function from float32 (n, C, H, W) to features."""
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": n_threads,
        "PERFORMANCE_HINT": "LATENCY",  # All threads work on one batch.
        "ENABLE_CPU_PINNING": False,  # Other threads and processes need the cores too.
    }
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    lock = threading.Lock()  # A compiled model runs one batch at a time.

    def run(photos):
        with lock:
            return compiled([photos], share_inputs=True)[0]

    return run


def store_model(model):
    """Return a network of OpenVINO and its weights as two uint8 arrays."""
    import openvino

    with TemporaryDirectory() as folder:
        path = Path(folder, "network.xml")
        openvino.save_model(model, path, compress_to_fp16=False)
        files = path, path.with_suffix(".bin")
        return [np.fromfile(file, np.uint8) for file in files]
