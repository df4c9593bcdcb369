"""Run a fitted network on photos: loading, engines, and the feature cache."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from copy import copy
from functools import partial
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from skdevise._utils import find_device, gpu_only, photo_threads, warn
from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._crop import CentreCrop, PillowCrop

# Other modules of this package import torch, so the methods below import them when needed.

# Photos are looked up in the cache block by block. The files of a block stay in memory.
_MAX_PHOTOS, _MAX_BYTES = 1_000, 2**26

# Published networks that this process has loaded. With a cache, each fit of a grid search then
# loads the network only if a photo needs it.
_PUBLISHED = {}

# Two threads must not build or convert a network at the same time.
_LOCK = threading.RLock()


class _Block(NamedTuple):
    """Photos that the network must process."""

    rows: Sequence
    read_pixels: Callable  # from a row to pixels
    hashes: dict  # from a row to the hash of the photo
    share: float  # of the photos that were looked up


def load_network(backbone, weights, preprocess, image_size, verbose, remembers):
    """Load a network with weights: FittedNetwork. The parameters are those of `load_backbone`.

    If the same published network was loaded with `remembers`, it is only loaded when needed.
    """
    import torch

    from skdevise.vision._backbones import load_backbone

    key = None
    if isinstance(backbone, str) and preprocess == "auto":
        key = backbone, str(weights), image_size, torch.hub.get_dir()
    if key in _PUBLISHED:
        return copy(_PUBLISHED[key])  # The copy of a network loads it again.
    network = FittedNetwork(load_backbone(backbone, weights, preprocess, image_size, verbose))
    if remembers and key is not None and network.weights is None:
        network.digest()
        _PUBLISHED[key] = copy(network)
    return network


class FittedNetwork:
    """A network that is loaded when photos need it, with the engines that run it.

    A pickle contains the recipe that builds the network again. The recipe holds the arguments of
    `load_backbone`. `weights` is the state dict as arrays, or None if the recipe loads published
    weights. The pickle also contains the hash, which finds cached features without the network.
    """

    def __init__(self, loaded, classes=None):
        if classes is None:
            names = loaded.categories
            classes = np.arange(loaded.n_classes) if names is None else np.asarray(names)
        self.recipe, self.classes = loaded.recipe, classes
        self.n_features, self.n_classes = loaded.n_features, loaded.n_classes
        self.weights = None if loaded.is_published else loaded.state_arrays()
        self._loaded, self._hash, self._engines, self.last_engine = loaded, None, {}, None

    def keep_weights(self):
        """Take over the weights of the loaded network after training, and forget its engines."""
        self.loaded.is_published = False
        self.weights = self.loaded.state_arrays()
        self._hash, self._engines, self.last_engine = None, {}, None

    @property
    def loaded(self):
        """The `Backbone`. After unpickling, it is built again."""
        with _LOCK:
            if self._loaded is None:
                from skdevise.vision._backbones import load_fitted

                self._loaded = load_fitted(self.recipe, self.weights, self.n_classes)
            return self._loaded

    def digest(self):
        """Hash the network, its weights and its preprocessing."""
        if self._hash is None:
            self._hash = self.loaded.digest()
        return self._hash

    def to_openvino(self, n_threads):
        """Convert the network below its softmax layer: OpenVINOFeaturizer."""
        from skdevise.vision._engines import convert
        from skdevise.vision._openvino import OpenVINOFeaturizer, store_model

        preprocess = self.loaded.preprocess
        if not isinstance(preprocess, CentreCrop):
            raise ValueError(
                f"preprocess={preprocess!r} is not a resize and a centre crop. Use "
                "preprocess='auto' with a network of torchvision or EfficientNet-Lite."
            )
        crop = PillowCrop(**vars(preprocess))
        shape = (3, crop.crop_size, crop.crop_size)
        model, _ = convert(self.loaded.without_softmax(), shape, n_threads)
        return OpenVINOFeaturizer(*store_model(model), crop, self.n_features, n_threads)

    def compute(self, featurizer, photos, on_error, with_softmax=False, n_total=None):
        """Compute features (n_photos, n_features), or scores (n_photos, n_classes).

        The parameters of `featurizer` say how to run the network. `n_total` is the number of photos
        of the whole call, if `photos` are a part of them.
        """
        n_outputs = self.n_classes if with_softmax else self.n_features
        outputs = np.full((len(photos), n_outputs), np.nan, dtype=np.float32)
        cache, key = None if with_softmax else featurizer._open_cache(), None
        if cache is not None:
            key = f"{self.digest()} {featurizer.engine} {featurizer.precision}"
        engine, errors, pending = None, [], deque()
        device = find_device(featurizer.device)
        # A GPU computes one batch while the processor prepares the next one.
        n_pending = int(device.type == "cuda")

        def store(n_left):
            while len(pending) > n_left:
                rows, hashes, read = pending.popleft()
                outputs[rows] = read()
                if cache is not None:
                    cache.write(key, [hashes[row] for row in rows], outputs[rows])

        progress = tqdm(total=len(photos), unit=" photos", disable=featurizer.verbose == 0)
        n_threads = photo_threads(featurizer.n_jobs, gpu_only(device))
        blocks = _blocks(photos, n_threads, cache, key, outputs, progress)
        with progress, closing(self._batches(blocks, featurizer, device)) as batches:
            for block, batch in batches:
                if batch.rows:
                    if engine is None:
                        n_expected = round(block.share * (n_total or len(photos)))
                        shape = batch.tensor.shape[1:]
                        engine = self._engine(shape, n_expected, featurizer, device, with_softmax)
                    pending.append((batch.rows, block.hashes, engine.start(batch.tensor)))
                    store(n_pending)
                for row, error in batch.errors.items():
                    if on_error == "raise":
                        store(0)
                        error.features = outputs[:row]
                        raise error
                    errors.append(error)
                progress.update(len(batch.rows) + len(batch.errors))
            store(0)
        if errors:
            warn(
                f"{len(errors)} of {len(photos)} photos cannot be read. Their features are NaN. "
                f"The first error is: {errors[0]}",
            )
        return outputs

    def _batches(self, blocks, featurizer, device):
        """Yield the photos of each block in batches, as pairs (_Block, Batch)."""
        from skdevise.vision._batches import load_batches

        options = featurizer.batch_size, featurizer.n_jobs, gpu_only(device)
        for block in blocks:
            if len(block.rows) > 0:
                source = block.read_pixels, block.rows, self.loaded.preprocess
                with closing(load_batches(*source, *options)) as batches:
                    for batch in batches:
                        yield block, batch

    def _engine(self, shape, n_photos, featurizer, device, with_softmax):
        """Return the engine that runs the network on photos (C, H, W). Engines are kept."""
        from skdevise.vision._engines import InferenceEngine, choose_plan

        plan, precision = choose_plan(featurizer.engine, n_photos, device), featurizer.precision
        key = with_softmax, shape, plan, precision, device
        with _LOCK:
            if key not in self._engines:
                net = self.loaded.net if with_softmax else self.loaded.without_softmax()
                try:
                    engine = InferenceEngine(net, shape, plan, precision, device)
                except RuntimeError as error:
                    if featurizer.engine != "auto" or plan != "openvino":
                        raise
                    _print(error, featurizer)
                    engine = InferenceEngine(net, shape, "torch with folding", precision, device)
                _print(f"engine: {engine.name}, {precision}", featurizer)
                self._engines[key] = engine
            self.last_engine = self._engines[key].name
            return self._engines[key]

    def __getstate__(self):
        return {**vars(self), "_loaded": None, "_engines": {}, "last_engine": None}


def _blocks(photos, n_threads, cache, key, outputs, progress):
    """Fill in cached outputs, and yield the other photos. Each file is read only once."""
    if cache is None:
        yield _Block(range(len(photos)), photos.pixels, {}, 1.0)
        return
    for contents, hashes in _read(photos, n_threads):
        found, cached = cache.read(key, list(hashes.values()), outputs.shape[1])
        found_rows = np.array(list(hashes), dtype=int)[found]
        outputs[found_rows] = cached
        progress.update(len(found_rows))
        missing = np.setdiff1d(list(contents), found_rows)
        yield _Block(missing, partial(_pixels, contents), hashes, len(missing) / len(contents))


def _read(photos, n_threads):
    """Read photos in threads. Yield blocks: dicts from row to content or error, and to hash."""

    def read(row):
        try:
            content = photos.read(row)
        except UnreadablePhotoError as error:
            return error, None
        return content, content.content_hash()

    contents, hashes, n_bytes = {}, {}, 0
    with ThreadPoolExecutor(n_threads, thread_name_prefix="skdevise-photos") as pool:
        read_all = pool.map if n_threads > 1 else map  # A pool of one thread only takes time.
        for start in range(0, len(photos), n_threads):
            rows = range(start, min(start + n_threads, len(photos)))
            for row, (content, content_hash) in zip(rows, read_all(read, rows), strict=True):
                contents[row] = content
                if content_hash is not None:
                    hashes[row] = content_hash
                    n_bytes += len(content)
            if len(contents) >= _MAX_PHOTOS or n_bytes >= _MAX_BYTES or rows.stop == len(photos):
                yield contents, hashes
                contents, hashes, n_bytes = {}, {}, 0


def _pixels(contents, row):
    """Return the pixels of a photo that was read, or raise the error that occurred then."""
    content = contents.pop(row)
    if isinstance(content, UnreadablePhotoError):
        raise content
    return content.pixels()


def _print(message, featurizer):
    if featurizer.verbose > 0:
        print(f"[VisualFeaturizer] {message}")
