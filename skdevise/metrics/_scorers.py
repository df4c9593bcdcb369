"""hit@k and hierarchical precision@k as `scoring=`."""

from copy import copy
from numbers import Integral

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from skdevise.labels import Hierarchy
from skdevise.metrics._ranking import hierarchical_precision_at_k, hit_at_k
from skdevise.models._top_k import predict_top_k, reach_classifier


class _TopKScorer:
    """A scorer that ranks candidates: picklable, and known to metadata routing.

    scikit-learn's `make_scorer` cannot hand `labels` to the response method.
    """

    def __init__(self, k, labels, average):
        # Here, as scikit-learn makes a score of NaN of what a scorer raises after the fits.
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"k is a whole number of at least 1, got {k!r}.")
        if isinstance(labels, str) and labels not in ("test", "all"):
            raise ValueError(
                f'labels is None, "test", "all", a vocabulary or a sequence, got {labels!r}.'
            )
        if average not in ("sample", "class"):
            raise ValueError(f"average is 'sample' or 'class', got {average!r}.")
        self.k = k
        self.labels = labels
        self.average = average

    def __call__(self, estimator, X, y_true, sample_weight=None):
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : fitted classifier, Pipeline, or search over parameters
        X : what the estimator takes
        y_true : array-like of shape (n_samples,)
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        classifier, X = reach_classifier(estimator, X)
        labels = self._candidates(classifier, y_true)
        y_top = predict_top_k(classifier, X, self.k, labels)
        return self._score(classifier, y_true, y_top, labels, sample_weight)

    def _candidates(self, classifier, y_true):
        if not isinstance(self.labels, str):
            return self.labels
        if self.labels == "test":
            return np.unique(y_true)
        return np.union1d(classifier.classes_, y_true)

    @property
    def _shown(self):
        average = "" if self.average == "sample" else f", average={self.average!r}"
        return f"k={self.k}, labels={self.labels!r}{average}"

    def __sklearn_clone__(self):
        # A deep copy would take the hierarchy along.
        return copy(self)

    def get_metadata_routing(self):
        """Tell metadata routing that the scorer takes `sample_weight`.

        Returns
        -------
        MetadataRequest
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=True)
        return request


class HitAtK(_TopKScorer):
    """Scorer of hit@k: the share of samples whose true label is among the k best answers.

    Parameters
    ----------
    k : int, default=1
    labels : None, "test", "all", LabelVocabulary or array-like of labels, default=None
        The candidates. None leaves them to the classifier; "test" takes the classes that occur in
        the scored y (DeViSE-0, where these are unseen); "all" adds the training classes
        (DeViSE+1K). Names have the terms that a vocabulary in the classifier's own `labels` gives.
    average : {"sample", "class"}, default="sample"
        "class" takes the mean over the samples of each true label, and then over labels.

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

    def __init__(self, k=1, labels=None, *, average="sample"):
        super().__init__(k, labels, average)

    def __repr__(self):
        return f"HitAtK({self._shown})"

    def _score(self, classifier, y_true, y_top, labels, sample_weight):
        return hit_at_k(y_true, y_top, self.k, sample_weight=sample_weight, average=self.average)


class HierarchicalPrecisionAtK(_TopKScorer):
    """Scorer of hierarchical precision@k: how close the k best answers are in a hierarchy.

    Parameters
    ----------
    k : int
    hierarchy : Hierarchy
        Holds every true label and every candidate.
    labels : None, "test", "all", LabelVocabulary or array-like of labels, default=None
        The candidates, as in `HitAtK`.
    valid : array-like of labels or LabelVocabulary, default=None
        The labels that can count as right; None means the candidates.
    average : {"sample", "class"}, default="sample"
        "class" takes the mean over the samples of each true label, and then over labels.

    Examples
    --------
    >>> from skdevise import DeViSEClassifier, Hierarchy
    >>> from skdevise.metrics import HierarchicalPrecisionAtK
    >>> tree = Hierarchy.from_edges([("pet", "cat"), ("pet", "dog"), ("pest", "rat")])
    >>> X, y = [[0, 1], [1, 0], [1, 1]], ["cat", "dog", "rat"]
    >>> clf = DeViSEClassifier(random_state=0).fit(X, y)
    >>> HierarchicalPrecisionAtK(1, tree)(clf, X, y)
    1.0
    """

    def __init__(self, k, hierarchy, labels=None, valid=None, *, average="sample"):
        super().__init__(k, labels, average)
        if not isinstance(hierarchy, Hierarchy):
            raise TypeError(f"hierarchy is a Hierarchy, got {hierarchy!r}.")
        self.hierarchy = hierarchy
        self.valid = valid

    def __repr__(self):
        return f"HierarchicalPrecisionAtK({self._shown})"

    def _score(self, classifier, y_true, y_top, labels, sample_weight):
        valid = self.valid
        if valid is None:
            labels = getattr(classifier, "labels", None) if labels is None else labels
            if labels is not None and hasattr(classifier, "label_space"):
                labels = classifier.label_space(labels)  # A vocabulary may have dropped some.
            valid = classifier.classes_ if labels is None else getattr(labels, "labels", labels)
        return hierarchical_precision_at_k(
            y_true,
            y_top,
            self.k,
            self.hierarchy,
            valid,
            sample_weight=sample_weight,
            average=self.average,
        )
