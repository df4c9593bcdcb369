"""The training labels and the candidates of a classifier, with their vectors."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import DocumentationLinkMixin, check_params
from skdevise._typing import Labels
from skdevise._utils import available_device
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels._embedding import check_embedder
from skdevise.labels._space import LabelSpace
from skdevise.labels._vocabulary import (
    LabelVocabulary,
    as_vocabulary,
    refuse_numbers,
    select_labels,
)
from skdevise.language import RandomEmbedder
from skdevise.models._calibration import classes_to_hold_out

# Label spaces and hub offsets that stay in memory between calls.
_N_CACHED = 8

# Parameters that predictions read. `set_params` changes them without a fit.
_READ_BY_PREDICTIONS = (
    *("search", "seen_penalty", "hubness", "hub_penalty", "reject_below", "unknown_label"),
    *("n_top", "n_similar", "combination", "temperature"),
)


_Fit = TypeVar("_Fit", bound=Callable[..., Any])


def unchanged_on_error(fit: _Fit) -> _Fit:
    """Decorate a method that fits: if it raises, the classifier stays as it was before."""

    @wraps(fit)
    def guarded(self, *args, **kwargs):
        before = vars(self).copy()
        # The nets of `DeViSEClassifier` train in place.
        lazy = before.get("_lazy", {})
        nets = lazy.get("net"), getattr(before.get("_second"), "net", None)
        states = [(net, net.state()) for net in nets if net is not None]
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if nets[0] is None:
                lazy.pop("net", None)  # A pickle had none.
            for net, state in states:
                net.load_state(state)
            raise

    return cast("_Fit", guarded)


class CandidatesMixin(DocumentationLinkMixin):
    """Label spaces of a classifier with the parameters `embedder`, `labels` and `search`."""

    def label_space(self, labels: Labels | None = None) -> LabelSpace:
        """Return the label space of some candidates.

        A label space contains the vectors of the candidates and their search index. Save it if it
        is slow to build, and pass it as `labels` to the other methods.

        Parameters
        ----------
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.

        Returns
        -------
        LabelSpace
            The candidates with their vectors and their search index.

        Raises
        ------
        ValueError
            If `labels` is a `LabelSpace` with vectors of another size.
        """
        self._check_ready()
        return self._find_space(labels)

    def _check_ready(self):
        """Raise an error if a fit is missing, or a parameter that predictions read is invalid."""
        check_is_fitted(self)
        check_params(self, _READ_BY_PREDICTIONS)

    def _find_space(self, labels):
        """Return the label space of candidates, as `label_space` describes it."""
        if isinstance(labels, LabelSpace):
            if labels.vector_size != self.label_space_.vector_size:
                raise ValueError(
                    f"The label space has vectors of size {labels.vector_size}, but the classifier "
                    f"uses size {self.label_space_.vector_size}. Build the space with the "
                    "classifier's embedder."
                )
            return labels
        if labels is None and self.labels is None:
            return self.label_space_
        return self._open_candidates(labels)

    def _open_label_space(self, classes, on_missing="error"):
        """Check the embedder, and place the training labels with it."""
        self._place_labels(classes, self._snapshot_embedder(), on_missing)

    def _snapshot_embedder(self, vector_size=500):
        """Return a fixed copy of the embedder; `vector_size` is that of random vectors."""
        return RandomEmbedder(vector_size) if self.embedder is None else snapshot(self.embedder)

    def _place_labels(self, classes, embedder, on_missing="error"):
        """Forget earlier fits, and place the training labels with an embedder."""
        self._held_out, self._temperatures = {}, {}
        self._bind_labels(classes, embedder, on_missing)

    def _bind_labels(self, classes, embedder, on_missing="error"):
        """Place the training labels, and check the candidates of the constructor."""
        if self.reject_below is not None:
            self._check_unknown_label(classes)
            if not self.calibrate:
                raise ValueError(
                    f"reject_below={self.reject_below} needs probabilities. Set calibrate=True."
                )
        # Candidates without a vector may be dropped. Most classifiers cannot drop training labels.
        training = self._vocabulary(classes)
        if training.on_missing != "wordnet":
            training = select_labels(training, classes, on_missing=on_missing)
        refuse_numbers(training, embedder, "y")
        try:
            space = self._make_space(training, embedder)
        except LabelWithoutVectorError as error:
            raise LabelWithoutVectorError(
                error.missing, error.n_asked, what="training labels"
            ) from None
        if space.n_labels < len(classes):
            classes = classes[np.isin(classes, space.labels)]
            training = self._vocabulary(classes)
        space.labels = classes  # This keeps their dtype.
        self.classes_, self.embedder_, self.label_space_ = classes, embedder, space
        self._recent = {(training, self.search): space}
        self._held_out = classes_to_hold_out(self._held_out, classes.tolist())
        if self.labels is not None:
            self._open_candidates()

    def _open_candidates(self, labels=None):
        """Return the label space of candidates; None means those of the constructor."""
        vocabulary = self._vocabulary(self.labels if labels is None else labels)
        if labels is None:
            given = vocabulary
            vocabulary = self._cached((given, "candidates"), lambda: self._candidates(given))
        return self._cached(
            (vocabulary, self.search), lambda: self._make_space(vocabulary, self.embedder_)
        )

    def _make_space(self, vocabulary, embedder):
        """Place the labels of a vocabulary."""
        return LabelSpace(vocabulary, embedder, self.search, self._search_device)

    @property
    def _search_device(self):
        """Device of exact search: the parameter `device`, or the CPU if this machine lacks it."""
        device = getattr(self, "device", "auto")
        return device if device in ("auto", "cpu") else str(available_device(device))

    def _vocabulary(self, labels):
        """Turn labels into a vocabulary, with the terms that the constructor's `labels` define."""
        defines_terms = isinstance(self.labels, Mapping | LabelVocabulary)
        known = as_vocabulary(self.labels) if defines_terms else None
        return as_vocabulary(labels, known=known)

    def _announced(self, classes):
        """Return the `classes` of `partial_fit`, whose terms the constructor must define."""
        if not isinstance(classes, Mapping | LabelVocabulary):
            return [] if classes is None else classes
        announced = as_vocabulary(classes)
        if announced.terms != self._vocabulary(announced.labels).terms:
            raise ValueError(
                "classes gives labels other terms than the constructor does. Pass the terms to the "
                "constructor: labels=LabelVocabulary(labels, terms)."
            )
        return announced.labels

    def _candidates(self, vocabulary):
        """Choose candidates among the constructor's: training labels first, in their order.

        scikit-learn's metrics and wrappers expect that the columns begin with `classes_`. A
        vocabulary may name class numbers and words, because wrappers can train on either. Only the
        labels of the same type as the training labels compete.
        """
        classes = self.classes_.tolist()
        is_text = isinstance(classes[0], str)
        labels = [x for x in vocabulary.labels.tolist() if isinstance(x, str) == is_text]
        first = classes if set(labels).issuperset(classes) else []
        return self._vocabulary(list(dict.fromkeys(first + labels)) or classes)

    def _cached(self, key, make):
        """Return the value of a recent key, or make it. Threads share a classifier."""
        value = self._recent.pop(key, None)
        value = make() if value is None else value
        self._recent[key] = value  # At the end of the dict.
        for oldest in list(self._recent)[:-_N_CACHED]:
            self._recent.pop(oldest, None)  # Another thread may have removed it.
        return value

    def __sklearn_clone__(self):
        if self.embedder is None:
            return super().__sklearn_clone__()
        # A clone shares the embedder, which is a pre-trained language model.
        bare = copy(self)
        bare.embedder = None
        cloned = super(CandidatesMixin, bare).__sklearn_clone__()
        cloned.embedder = _share(self.embedder)
        return cloned

    def __getstate__(self):
        # `_lazy` may hold a net, which would need the same versions of torch and skorch.
        state = super().__getstate__()
        return {k: {} if k in ("_recent", "_lazy") else value for k, value in state.items()}


def snapshot(embedder):
    """Check an embedder, and return one that does not change if it is trained again."""
    check_embedder(embedder)
    embedder = _share(embedder)
    if hasattr(embedder, "fit"):
        try:
            check_is_fitted(embedder)
        except NotFittedError as error:
            raise NotFittedError(
                f"The embedder {type(embedder).__name__} is not fitted. Fit it on text first. "
                "In a parameter grid, list its `vectors_`, because a grid search removes the "
                "fit of its values."
            ) from error
    vectors = getattr(embedder, "vectors_", None)
    return vectors if hasattr(vectors, "transform") else embedder


def _share(embedder):
    """Clone an embedder that only has parameters; return any other one itself."""
    is_estimator = hasattr(embedder, "__sklearn_tags__") and not isinstance(embedder, type)
    if is_estimator and not get_tags(embedder).requires_fit:
        return clone(embedder)
    return embedder
