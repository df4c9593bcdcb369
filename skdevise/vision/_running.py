"""Photos to features: those that are kept, and a net for the others."""

from contextlib import closing

import numpy as np

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._loading import load_batches
from skdevise.vision.engines import InferenceEngine

# Photos that are looked up at once.
_N_LOOKED_UP = 1_000


class KeptFeatures:
    """The features that a cache has of one net.

    Parameters
    ----------
    cache : FeatureCache
    net_key : bytes
        Of all that turns a photo into features.
    """

    def __init__(self, cache, net_key):
        self._cache = cache
        self._net_key = net_key
        self._digests = {}

    def look_up(self, photos, rows, features):
        """Fill in the features that are kept.

        Parameters
        ----------
        photos : Photos
        rows : range
            Which of them.
        features : ndarray of shape (len(rows), n_features), float32
            Where they go.

        Returns
        -------
        list of int
            The rows of what is not kept.
        """
        missing = []
        for start in range(0, len(rows), _N_LOOKED_UP):
            block, digests = rows[start : start + _N_LOOKED_UP], {}
            for row in block:
                try:
                    digests[row] = photos.digest(row)
                except UnreadablePhotoError:
                    pass  # Whoever decodes it meets the error again.
            found, kept = self._cache.read(self._net_key, list(digests.values()), features.shape[1])
            hits = np.array(list(digests), dtype=np.intp)[found]
            features[hits - rows.start] = kept
            misses = sorted(set(block).difference(hits.tolist()))
            self._digests |= {row: digests[row] for row in misses if row in digests}
            missing += misses
        return missing

    def keep(self, rows, features):
        """Keep the features (n, n_features) of rows that were missing."""
        self._cache.write(self._net_key, [self._digests.pop(row) for row in rows], features)


class Engines:
    """The engines of a loaded net, made as they are asked for.

    Parameters
    ----------
    loaded : Backbone

    Attributes
    ----------
    last_name : str or None
        Name of the one that ran last.
    """

    def __init__(self, loaded):
        self._loaded = loaded
        self._made = {}
        self.last_name = None

    def runner(self, n_photos, whole, settings):
        """Give what runs the net on the next photos.

        Parameters
        ----------
        n_photos : int
        whole : bool
            With its softmax layer.
        settings : dict
            Parameters of `InferenceEngine`.

        Returns
        -------
        callable
            From a batch (n, C, H, W) to an ndarray (n, n_features).
        """
        expected = [n_photos]

        def run(batch):
            shape = tuple(batch.shape[1:])
            key = (whole, shape, *settings.values())
            if key not in self._made:
                net = self._loaded.net if whole else self._loaded.without_softmax()
                self._made[key] = InferenceEngine(net, shape, **settings)
            engine = self._made[key]
            if expected:
                engine.expect(expected.pop())
            self.last_name = engine.name
            return engine(batch)

        return run


def compute_features(
    photos, rows, n_features, prepare, *, batch_size, n_jobs, kept=None, raises=True, report=None
):
    """Compute the features of some photos.

    Parameters
    ----------
    photos : Photos
    rows : range
        Which of them.
    n_features : int
    prepare : callable
        Makes ready for a number of photos: gives what makes a (C, H, W) tensor of a PIL image, and
        what makes features (n, n_features) of a batch of tensors. It is not called if all are kept.
    batch_size : int
    n_jobs : int or None
        Number of threads that decode.
    kept : KeptFeatures, default=None
    raises : bool, default=True
        Whether a photo that cannot be read ends it.
    report : callable, default=None
        Called with the number of photos that are done, as they are.

    Returns
    -------
    features : ndarray of shape (len(rows), n_features), float32
        NaN where a photo cannot be read.
    failures : dict of int to UnreadablePhotoError
        By row.

    Raises
    ------
    UnreadablePhotoError
        If it `raises`; its `features` are those of the photos before that one.
    """
    features = np.full((len(rows), n_features), np.nan, dtype=np.float32)
    missing = rows if kept is None else kept.look_up(photos, rows, features)
    failures = {}
    if report is not None and len(missing) < len(rows):
        report(len(rows) - len(missing))
    if not len(missing):
        return features, failures
    preprocess, run = prepare(len(missing))
    with closing(load_batches(photos, missing, preprocess, batch_size, n_jobs)) as batches:
        for batch in batches:
            if batch.rows:
                new = run(batch.tensor)
                features[np.array(batch.rows) - rows.start] = new
                if kept is not None:
                    kept.keep(batch.rows, new)
            failures |= batch.failures
            for row, error in batch.failures.items():
                if raises:
                    error.features = features[: row - rows.start]
                    raise error
            if report is not None:
                report(len(batch.rows) + len(batch.failures))
    return features, failures
