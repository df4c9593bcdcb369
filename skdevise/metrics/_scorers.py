"""Scorers of hit@k and hierarchical precision@k, for `scoring=`."""

from copy import copy
from typing import Self

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import MetadataRequest

from skdevise._columns import check_comparable, check_targets
from skdevise._typing import Average, Labels
from skdevise._utils import check_choice, check_count, warn
from skdevise.labels import Hierarchy
from skdevise.labels._vocabulary import as_vocabulary
from skdevise.metrics._ranking import (
    AVERAGES,
    check_hierarchy,
    hierarchical_precision_at_k,
    hit_at_k,
)
from skdevise.models._features import join_labels
from skdevise.models._top_k import predict_top_k, reach_classifier, training_labels


class _TopKScorer:
    """Base of the scorers, as `make_scorer` cannot pass `labels` to the response method."""

    _sample_weight: bool | str | None = True

    def __init__(self, k: int, labels: Labels | None, average: Average) -> None:
        # Checked here, because scikit-learn turns errors of a scorer into NaN after the fits.
        check_count("k", k)
        if isinstance(labels, str) and labels not in ("test", "all"):
            raise ValueError(f"labels={labels!r} is unknown. Use None, 'test', 'all' or a list.")
        check_choice("average", average, AVERAGES)
        self.k = k
        self.labels = labels
        self.average = average

    def __call__(self, estimator, X, y_true, sample_weight=None):
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : fitted classifier, Pipeline, or parameter search
            Estimator to score.
        X : array-like of shape (n_samples, n_features), or photos
            Samples, as the estimator takes them.
        y_true : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        float
        """
        classifier, _ = reach_classifier(estimator)
        y_true, labels = check_targets(y_true, "y_true"), self.labels
        if isinstance(labels, str):
            labels = np.unique(y_true)
            if self.labels == "all":
                labels = join_labels(training_labels(classifier), labels)
        if hasattr(classifier, "label_space"):
            labels = classifier.label_space(labels)
            check_comparable(y_true=y_true, candidates=labels.labels)
        classifier, X = reach_classifier(estimator, X)
        y_top = predict_top_k(classifier, X, self.k, labels)
        return self._score(classifier, y_true, y_top, labels, sample_weight)

    def __repr__(self):
        average = "" if self.average == "sample" else f", average={self.average!r}"
        labels = self.labels
        if labels is not None and not isinstance(labels, str):
            labels = as_vocabulary(labels)  # It shows the first labels only.
        return f"{type(self).__name__}(k={self.k}, labels={labels!r}{average})"

    @property
    def __name__(self):
        # scikit-learn's displays read the name of a scorer.
        among = f" (labels={self.labels!r})" if isinstance(self.labels, str) else ""
        return f"{self._name}@{self.k}{among}"

    def __sklearn_clone__(self):
        # A deep copy would copy the hierarchy.
        return copy(self)

    def get_metadata_routing(self) -> MetadataRequest:
        """Request `sample_weight` for the scorer.

        Returns
        -------
        MetadataRequest
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._sample_weight)
        return request

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose how metadata routing passes sample weights to the scorer.

        Parameters
        ----------
        sample_weight : bool, str or None
            True requests them, which is the default of a scorer, and False ignores them. None
            raises an error if they are given. A str is the name under which they are given.

        Returns
        -------
        self : object
            The scorer.

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        """
        if not get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request needs metadata routing. Call "
                "sklearn.set_config(enable_metadata_routing=True) first."
            )
        self._sample_weight = sample_weight
        return self


def _candidates(classifier, labels):
    """Return the labels that a classifier chooses from: (n_labels,)."""
    if hasattr(classifier, "label_space"):
        return classifier.label_space(labels).labels
    labels = getattr(classifier, "labels", None) if labels is None else labels
    return classifier.classes_ if labels is None else as_vocabulary(labels).labels


class HitAtK(_TopKScorer):
    """Scorer of hit@k: the share of samples whose true label is among the k best answers.

    Parameters
    ----------
    k : int, default=1
        Number of answers that count, at most the number of candidates.
    labels : None, "test", "all", LabelVocabulary or sequence of labels, default=None
        Candidates. None uses the classifier's `labels`, or its training labels. "test" uses the
        labels that occur in `y_true`. If these are unseen, the DeViSE paper calls this DeViSE-0.
        "all" adds the training labels (DeViSE+1K). If the classifier's `labels` are a vocabulary,
        candidates keep the terms that they have in it.
    average : {"sample", "class"}, default="sample"
        "sample" averages over samples. "class" averages over the samples of each true label
        first, and then over labels.

    See Also
    --------
    hit_at_k : The metric as a function.
    skdevise.model_selection.UnseenClassSplit : Splits that hold out whole classes.

    Examples
    --------
    >>> from skdevise import DeViSEClassifier, PretrainedEmbedder
    >>> from skdevise.metrics import HitAtK
    >>> embedder = PretrainedEmbedder(
    ...     {"cat": [1, 0, 0], "truck": [0, 1, 0], "lynx": [2, 0, 1], "lorry": [0, 2, 1]}
    ... )
    >>> clf = DeViSEClassifier(embedder, random_state=0).fit([[0, 1], [1, 0]], ["cat", "truck"])
    >>> X, y = [[0, 2], [3, 0]], ["lynx", "lorry"]
    >>> HitAtK(labels="test")(clf, X, y)
    1.0
    >>> HitAtK(labels="all")(clf, X, y), HitAtK(k=2, labels="all")(clf, X, y)
    (0.0, 1.0)
    """

    _name = "hit"

    def __init__(
        self, k: int = 1, labels: Labels | None = None, *, average: Average = "sample"
    ) -> None:
        super().__init__(k, labels, average)

    def _score(self, classifier, y_true, y_top, labels, sample_weight):
        candidates = _candidates(classifier, labels)
        if set(y_true.tolist()).isdisjoint(candidates.tolist()):
            warn(
                f"No true label, such as {y_true.tolist()[0]!r}, is a candidate, so hit@k is 0. "
                "Pass labels='test' or 'all' to HitAtK, or check the spelling.",
            )
        elif self.k == len(candidates):
            warn(
                f"k={self.k} is the number of candidates, so their order does not matter. Use a "
                "smaller k, or more candidates."
            )
        return hit_at_k(y_true, y_top, self.k, sample_weight=sample_weight, average=self.average)


class HierarchicalPrecisionAtK(_TopKScorer):
    """Scorer of hierarchical precision@k: how near the k best answers are in a hierarchy.

    Parameters
    ----------
    k : int
        Number of answers that count, at most the number of candidates.
    hierarchy : Hierarchy
        Graph that holds every true label and every candidate.
    labels : None, "test", "all", LabelVocabulary or sequence of labels, default=None
        Candidates, as in `HitAtK`.
    valid : sequence of labels, or LabelVocabulary, default=None
        Labels that the correct sets consist of. None means the candidates, as in the paper.
    average : {"sample", "class"}, default="sample"
        Kind of average, as in `HitAtK`.

    See Also
    --------
    hierarchical_precision_at_k : The metric as a function.

    Examples
    --------
    Both first answers are wrong, but the two best labels are those that are near the true label.

    >>> from skdevise import Hierarchy, NearestLabelClassifier, PretrainedEmbedder
    >>> from skdevise.metrics import HierarchicalPrecisionAtK, HitAtK
    >>> tree = Hierarchy.from_edges(
    ...     [("animal", "cat"), ("animal", "dog"), ("vehicle", "bus"), ("vehicle", "truck")]
    ... )
    >>> vectors = {"cat": [2, 1], "dog": [3, 1], "bus": [1, 2], "truck": [1, 3]}
    >>> clf = NearestLabelClassifier(PretrainedEmbedder(vectors), labels=list(vectors))
    >>> X, y = [[2, 1.1], [1, 4]], ["dog", "bus"]
    >>> clf.predict(X).tolist()
    ['cat', 'truck']
    >>> HitAtK()(clf, X, y), HierarchicalPrecisionAtK(2, tree)(clf, X, y)
    (0.0, 1.0)
    """

    _name = "hp"

    def __init__(
        self,
        k: int,
        hierarchy: Hierarchy,
        labels: Labels | None = None,
        valid: Labels | None = None,
        *,
        average: Average = "sample",
    ) -> None:
        super().__init__(k, labels, average)
        check_hierarchy(hierarchy)
        self.hierarchy = hierarchy
        self.valid = valid

    def _score(self, classifier, y_true, y_top, labels, sample_weight):
        valid = _candidates(classifier, labels) if self.valid is None else self.valid
        options = {"sample_weight": sample_weight, "average": self.average}
        return hierarchical_precision_at_k(y_true, y_top, self.k, self.hierarchy, valid, **options)
