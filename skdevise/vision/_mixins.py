"""Shared behaviour of the estimators that take photos."""

import os

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from skdevise._compat import DocumentationLinkMixin
from skdevise.vision._cache import CacheInfo, FeatureCache


class PhotoTransformerMixin(
    DocumentationLinkMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """Transformer whose samples are photos."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


class CacheMixin:
    """The parameter `cache` of an estimator: the folder of a cache, a `FeatureCache` or None."""

    def cache_info(self) -> CacheInfo:
        """Return the contents and use of the cache.

        Returns
        -------
        CacheInfo
            Named tuple of hits, misses, n_rows, n_bytes, size_limit and folder.

        Raises
        ------
        ValueError
            If the featurizer has no cache.
        """
        if self.cache is None:
            raise ValueError("This featurizer has no cache. Pass cache=folder to the constructor.")
        return self._open_cache().info()

    def _open_cache(self):
        """Return the FeatureCache, or None. A folder is opened once, to count hits and misses."""
        if not isinstance(self.cache, str | os.PathLike):
            return self.cache
        # A pickle keeps this dict, so a relative folder stays where it is. `save` leaves it out.
        caches = vars(self).setdefault("_caches", {})
        if self.cache not in caches:
            caches[self.cache] = FeatureCache(self.cache)
        return caches[self.cache]
