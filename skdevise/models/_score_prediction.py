"""The answers of classifiers whose scores are no cosines."""

import numpy as np
from sklearn.utils import gen_batches, indexable

from skdevise._compat import safe_indexing
from skdevise.labels._search import best_columns
from skdevise.models._prediction import LabelPredictionMixin

# Scores computed at once, which limits memory when there are many labels.
_BLOCK_NUMBERS = 2**23
_MIN_ROWS = 128


class ScorePredictionMixin(LabelPredictionMixin):
    """Answers of a classifier whose scores are no cosines of points.

    A classifier needs `_score_labels(X, space)`, which returns (n_samples, n_labels). It has no
    parameters `search` and `hubness`. The `place(rows)` that it gives to `_calibrate` returns the
    scores of the training labels: (n, n_classes).
    """

    _prediction_constraints = {
        name: LabelPredictionMixin._prediction_constraints[name]
        for name in ("labels", "seen_penalty", "reject_below", "unknown_label")
    }
    search, hubness = "exact", None

    def _scores(self, X, labels):
        space = self.label_space(labels)
        scores, offsets = self._score_labels(X, space), self._offsets(space)
        return scores if offsets is None else scores - offsets.astype(scores.dtype)

    def _rank(self, X, k, space):
        X = indexable(X)[0]
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        n_rows = max(_MIN_ROWS, _BLOCK_NUMBERS // space.n_labels)
        if n_samples > n_rows:
            rows = gen_batches(n_samples, n_rows)
            parts = [self._rank(safe_indexing(X, batch), k, space) for batch in rows]
            return tuple(map(np.concatenate, zip(*parts, strict=True)))
        scores = self._scores(X, space)
        top = best_columns(scores, k)
        return space.labels[top], np.take_along_axis(scores, top, axis=1)

    def _calibrate(self, targets, keys, weight, place, refit):
        self._calibrate_scores(lambda scores: scores, targets, keys, weight, refit)
