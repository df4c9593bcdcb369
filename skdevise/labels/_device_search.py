"""Exact search on a GPU: matrix products and rankings of one block of points at a time."""

import sys

import numpy as np

from skdevise._utils import available_device, fits, gpu_only

# "auto" searches on a GPU from this many products on. An estimate: a processor core computes them
# in about 10 ms, and a GPU in less than the time of its fixed costs.
_MANY_PRODUCTS = 2**28

# Bytes of the scores of one block. Large blocks read the vectors less often.
_BLOCK_BYTES = 2**30


def find_gpu(device, n_products=_MANY_PRODUCTS):
    """Return the GPU for a search with the parameter `device` of `LabelSpace`, or None."""
    if device == "auto":
        # A process that computes features or trains has imported torch.
        torch = sys.modules.get("torch")
        if torch is None or n_products < _MANY_PRODUCTS or not torch.cuda.is_available():
            return None
        return torch.device("cuda")
    if device == "cpu":
        return None
    return gpu_only(available_device(device))


def has_room(vectors, gpu):
    """Return whether the memory of a GPU suffices for vectors and blocks of scores: bool."""
    return fits(vectors.nbytes + 2 * _BLOCK_BYTES, gpu)


class DeviceSearch:
    """Vectors on a torch device, which scores and ranks the labels that have them.

    The vectors of label i are `vectors[rows[starts[i] : starts[i + 1]]]`. They stay on the device.
    """

    def __init__(self, device, vectors, rows, starts):
        import torch

        self._vectors = torch.tensor(vectors, device=device)
        self._n_labels, self._n_columns = len(starts), max(len(vectors), len(rows))
        self._rows = self._label_of_row = None
        is_one_to_one = len(starts) == len(vectors)
        if not (is_one_to_one and np.array_equal(rows, np.arange(len(vectors)))):
            label_of_row = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
            self._rows = torch.tensor(rows, device=device)
            self._label_of_row = torch.tensor(label_of_row, device=device)

    def scores(self, points):
        """Score all labels at points (n, vector_size): array (n, n_labels)."""
        import torch

        scores = torch.from_numpy(np.empty((len(points), self._n_labels), points.dtype))

        def compute(block):
            scores[block].copy_(self._scores(points[block]))

        self._in_blocks(compute, points)
        return scores.numpy()

    def top_k(self, points, k, offsets=None):
        """Rank the k best labels by score minus offset, ties in their order: two arrays (n, k)."""
        import torch

        top = np.empty((len(points), k), dtype=np.intp)
        best = np.empty((len(points), k), dtype=points.dtype)
        if offsets is not None:
            offsets = torch.tensor(offsets, device=self._vectors.device)

        def compute(block):
            scores = self._scores(points[block])
            if offsets is not None:
                scores -= offsets
            columns = best_columns(scores, k)
            top[block] = columns.numpy(force=True)
            best[block] = scores.gather(1, columns).numpy(force=True)

        self._in_blocks(compute, points)
        return top, best

    def _scores(self, points):
        """Score the labels at some points: Tensor (n, n_labels)."""
        import torch

        points = torch.tensor(np.ascontiguousarray(points), device=self._vectors.device)
        products = points @ self._vectors.to(points.dtype).T
        if self._rows is None:
            return products
        scores = products.new_full((len(points), self._n_labels), -torch.inf)
        labels = self._label_of_row.expand(len(points), -1)
        return scores.scatter_reduce_(1, labels, products[:, self._rows], "amax")

    def _in_blocks(self, compute, points):
        """Call `compute(block)` for slices of all points, with as many points as fit."""
        n_rows = _BLOCK_BYTES // (points.itemsize * self._n_columns)
        in_blocks(compute, len(points), max(1, n_rows))


def best_columns(scores, k):
    """Rank the k best columns of each row, ties in column order: Tensor (n_rows, k)."""
    if k == 1:
        return scores.argmax(dim=1, keepdim=True)  # It returns the first of several maxima.
    columns = scores.topk(k, dim=1).indices.sort(dim=1).values
    best = scores.gather(1, columns)
    columns = columns.gather(1, best.argsort(dim=1, descending=True, stable=True))
    # topk chooses freely among scores equal to the k-th, so such rows are sorted whole.
    tied = (scores >= best.amin(dim=1, keepdim=True)).sum(dim=1) > k
    if tied.any():
        columns[tied] = scores[tied].argsort(dim=1, descending=True, stable=True)[:, :k]
    return columns


def in_blocks(compute, n_rows, size):
    """Call `compute(block)` for slices of rows. If memory runs out, go on with half the size."""
    import torch

    start = 0
    while start < n_rows:
        block = slice(start, min(start + size, n_rows))
        try:
            compute(block)
            start = block.stop
        except torch.cuda.OutOfMemoryError:  # After this block, it keeps no tensors alive.
            if size == 1:
                raise
            size = max(1, (block.stop - start) // 2)
