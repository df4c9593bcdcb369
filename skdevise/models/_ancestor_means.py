"""Means of unseen labels, from the means of the training labels below their ancestors."""

import numpy as np
from scipy.sparse import csr_array, diags_array
from sklearn.preprocessing import normalize


class AncestorMeans:
    """Mixtures of class means for unseen labels (Mensink et al., ECCV 2012).

    `facts` are the `LabelFacts` of the training labels in a hierarchy.
    """

    def __init__(self, hierarchy, facts):
        self.hierarchy = hierarchy
        self.facts = facts
        self._below = _of_labels(facts, hierarchy.graph.ancestors(facts.all_senses)) > 0

    def mixtures(self, facts, is_known=None):
        """Compute the shares of the training labels in the means of labels.

        Parameters
        ----------
        facts : LabelFacts
            Labels to place.
        is_known : ndarray of bool of shape (n_classes,), default=None
            Training labels to use. None uses all.

        Returns
        -------
        csr_array of shape (n_labels, n_classes)
            Rows sum to 1, or to 0 if no ancestor of a label has a training label below it.
        """
        below = self._below.astype(float)  # A training label, and the nodes at or above it.
        if is_known is not None:
            below = diags_array(is_known.astype(float)) @ below
        n_below = below.sum(axis=0)
        node_means = below @ diags_array(1 / np.maximum(n_below, 1))
        nodes = facts.all_senses
        above = self.hierarchy.graph.ancestors(nodes) @ diags_array((n_below > 0).astype(float))
        # A node with training labels below itself needs no ancestors.
        has_mean = n_below[nodes] > 0
        itself = csr_array(
            (has_mean.astype(float), nodes, np.arange(len(nodes) + 1)), shape=above.shape
        )
        above = diags_array((~has_mean).astype(float)) @ above + itself
        return normalize(_of_labels(facts, normalize(above, "l1") @ node_means.T), "l1")


def _of_labels(facts, rows):
    """Sum the rows of the senses of each label: (n_labels, n_columns)."""
    n_senses = len(facts.all_senses)
    entries = np.ones(n_senses), (facts.owners, np.arange(n_senses))
    return csr_array(entries, shape=(facts.n_labels, n_senses)) @ rows
