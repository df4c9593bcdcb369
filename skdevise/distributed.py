"""Share an embedder with the workers of a Dask cluster."""

import copyreg
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from skdevise._utils import import_optional
from skdevise.models._candidates import snapshot

__all__ = ["scattered"]


@contextmanager
def scattered(*embedders: Any, client: Any = None) -> Iterator[None]:
    """Send embedders to each worker of a Dask cluster once, instead of once for each task.

    Use it around a grid search that runs on a Dask cluster. In the block, a pickle of one of these
    embedders is only a reference to the copy that each worker has. A worker that joins later gets
    a copy too. After the block, the workers forget the embedders.

    Parameters
    ----------
    *embedders : fitted term embedders
        Embedders of the classifiers that the search fits, and those in its grid.
    client : dask.distributed.Client, default=None
        Client of the cluster. None means the current one.

    Yields
    ------
    None
        The block runs with the shared embedders.

    Notes
    -----
    Pickle no classifier in the block, because the pickle would need the cluster. Do it afterwards.

    Examples
    --------
    >>> import joblib
    >>> import numpy as np
    >>> from dask.distributed import Client
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdevise import DeViSEClassifier, PretrainedEmbedder
    >>> from skdevise.distributed import scattered
    >>> embedder = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1]})
    >>> X, y = np.eye(2).repeat(6, axis=0), np.repeat(["cat", "truck"], 6)
    >>> search = GridSearchCV(DeViSEClassifier(embedder, random_state=0), {"margin": [0.1, 0.2]})
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     with scattered(embedder), joblib.parallel_config("dask"):
    ...         _ = search.fit(X, y)
    ...
    >>> float(search.best_score_)
    1.0
    """
    distributed = import_optional("distributed", extra="distributed", purpose="scattered")
    client = distributed.default_client() if client is None else client

    class Plugin(distributed.WorkerPlugin):  # type: ignore[name-defined]
        def __init__(self, copies):
            self.copies = copies

        def setup(self, worker):
            _keep(self.copies)

        def teardown(self, worker):
            _forget(self.copies)

    references = {id(embedder): uuid4().hex for embedder in embedders}
    copies = {references[id(embedder)]: snapshot(embedder) for embedder in embedders}
    name = f"skdevise-{uuid4().hex}"
    client.register_plugin(Plugin(copies), name)
    before = {type(embedder): copyreg.dispatch_table.get(type(embedder)) for embedder in embedders}

    def reduce(value):
        if id(value) in references:
            return ScatteredEmbedder, (references[id(value)],)
        other = before[type(value)]
        return value.__reduce_ex__(4) if other is None else other(value)

    # Both pickle and cloudpickle ask this table.
    copyreg.dispatch_table.update(dict.fromkeys(before, reduce))
    try:
        yield
    finally:
        for cls, other in before.items():
            if other is None:
                del copyreg.dispatch_table[cls]
            else:
                copyreg.dispatch_table[cls] = other
        client.unregister_worker_plugin(name)


# The embedders that this worker has: dict of key to embedder.
_EMBEDDERS = {}


def _keep(copies):
    """Keep embedders on a worker."""
    _EMBEDDERS.update(copies)


def _forget(copies):
    """Forget embedders on a worker. Workers that are threads share them."""
    for key in copies:
        _EMBEDDERS.pop(key, None)


class ScatteredEmbedder:
    """Stands for an embedder in a task, until the task needs it on a worker."""

    def __init__(self, key):
        self.key = key

    @property
    def vectors_(self):
        """The embedder. All tasks of a worker share it."""
        return _EMBEDDERS[self.key]

    def __getattr__(self, name):
        # Other special methods decide how this object is copied.
        if name.startswith("__") and not name.startswith("__sklearn_"):
            raise AttributeError(name)
        return getattr(self.vectors_, name)

    def __sklearn_clone__(self):
        return self

    def __reduce__(self):
        return ScatteredEmbedder, (self.key,)
