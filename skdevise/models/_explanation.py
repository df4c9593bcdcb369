"""Reasons for the answers of a classifier that predicts the weights of labels."""

from itertools import chain

import numpy as np

from skdevise._typing import DataFrame, Inputs, Labels
from skdevise._utils import check_count
from skdevise.labels._vocabulary import select_labels


class ExplanationMixin:
    """The method `explain` of a classifier with a `LabelKernel` and a `WeightRegression`."""

    def explain(
        self, X: Inputs, labels: Labels | None = None, *, k: int = 1, n_reasons: int = 5
    ) -> DataFrame:
        """Explain the best answers of each sample.

        The score of an answer is a sum over the training labels, because its predicted weights are
        a mixture of theirs. The same sum is also split into the parts that the ancestors in the
        hierarchy, the names and the definitions predict. The corrections `hub_penalty` and
        `seen_penalty` are left out.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or photos if `visual` is given
            Samples.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels, as in `predict`.
        k : int, default=1
            Number of answers to explain for each sample.
        n_reasons : int, default=5
            Number of training labels, and of ancestors, to list for each answer. These are the ones
            with the largest contributions for or against it.

        Returns
        -------
        reasons : pandas.DataFrame
            Columns "sample" (position in X), "label", "kind", "reason" and "contribution". The kind
            is "training label", "ancestor", "name" or "definition". The contributions of all
            training labels add up to the score, and so do those of all other kinds together. An
            answer without ancestors is not in the hierarchy, and one without a contribution of its
            name has no word vector.

        Raises
        ------
        ValueError
            If `k` or `n_reasons` is out of range, or a candidate is repeated.

        Examples
        --------
        >>> from skdevise import ClassifierWeightRegressor, Hierarchy
        >>> X, y = [[9, 1], [8, 3], [1, 9], [3, 8]], ["horse", "cat", "truck", "bicycle"]
        >>> clf = ClassifierWeightRegressor(hierarchy=Hierarchy.wordnet()).fit(X, y)
        >>> reasons = clf.explain([[9, 1]], labels=["zebra", "bus"], n_reasons=1)
        >>> reasons[["label", "kind", "reason"]]
           label            kind    reason
        0  zebra  training label     horse
        1  zebra        ancestor  ungulate
        2  zebra      definition     zebra
        """
        import pandas as pd

        space = self.label_space(labels)
        space.check_k(k)
        check_count("n_reasons", n_reasons)
        points = self._points(X)
        top = space.top_k(points, k, self._offsets(space))[0].tolist()
        distinct = list(dict.fromkeys(chain.from_iterable(top)))
        row_of = {label: row for row, label in enumerate(distinct)}
        explanations = _Explanations(self, select_labels(space.vocabulary, distinct))
        return pd.DataFrame(
            {"sample": sample, "label": label, **reason}
            for sample, answers in enumerate(top)
            for label in answers
            for reason in explanations.reasons(points[sample], row_of[label], n_reasons)
        )


class _Explanations:
    """Kernels of some answers, from which their scores are explained."""

    def __init__(self, classifier, vocabulary):
        self.hierarchy = classifier._kernel.hierarchy
        self.regression = classifier._regression
        self.training = classifier.classes_
        facts = classifier._kernel.facts(vocabulary)
        self.names = [terms[0] for terms in facts.terms]
        self.parts = classifier._kernel.parts(facts)
        self.kernel = sum(self.parts.values())
        if self.hierarchy is not None:
            self.above, self.above_training = classifier._kernel.ancestors(facts)
            self.above.sort_indices()

    def reasons(self, point, row, n_reasons):
        """Split the score of an answer: list of dict, the largest contributions of a kind first."""
        by_label, evidence = self.regression.split(self.kernel[row], point)
        groups = [("training label", self.training, by_label)]
        if self.hierarchy is not None:
            above = self.above[[row]]
            by_node = above.data * (evidence @ self.above_training)[above.indices]
            nodes = above.indices[by_node != 0]
            groups.append(("ancestor", self.hierarchy.labels[nodes], by_node[by_node != 0]))
        for kind in ("name", "definition"):
            if kind in self.parts and self.parts[kind][row].any():
                share = self.parts[kind][[row]] @ evidence
                groups.append((kind, np.array([self.names[row]]), share))
        reasons, known = [], self.hierarchy or {}
        for kind, labels, contributions in groups:
            # Equal contributions keep their order, whatever their rounding.
            for i in np.argsort(-np.abs(contributions).round(10), kind="stable")[:n_reasons]:
                reason = known.terms(labels[i])[0] if labels[i] in known else str(labels[i])
                reasons.append({"kind": kind, "reason": reason, "contribution": contributions[i]})
        return reasons
