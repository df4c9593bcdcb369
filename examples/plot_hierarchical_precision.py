"""
================================
How wrong are the wrong answers?
================================

Taking a dog for a wolf is a smaller mistake than taking it for a truck. WordNet knows what each
label is a kind of. Hierarchical precision (hp@k) is the share of the k best answers that are close
to the true label in this hierarchy. We draw it against k, as in tables 1 and 3 of the DeViSE paper,
and look at where the wrong answers lie.
"""

# %%
# Photos and hierarchy
# --------------------
#
# We train on half of the photos of Caltech-101 and test on the other half. WordNet consists of
# synsets, groups of words with one meaning. ``rename`` gives them the names of our labels.

import numpy as np

from skdevise import (
    DeViSEClassifier,
    ESZSLClassifier,
    Hierarchy,
    RandomEmbedder,
    WSABIEClassifier,
    datasets,
)
from skdevise.inspection import HierarchicalPrecisionDisplay, HierarchyConfusionDisplay

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
has_synset = caltech.synsets != ""
usable = embedder.has_vector(caltech.target_names) & has_synset
names, synsets = caltech.target_names[usable], caltech.synsets[usable]
hierarchy = Hierarchy.wordnet().rename(dict(zip(synsets, names, strict=True)))

rows = np.flatnonzero(np.isin(caltech.target, names))
train, test = rows[::2], rows[1::2]
X_train, y_train = caltech.data[train], caltech.target[train]
X_test, y_test = caltech.data[test], caltech.target[test]
print(f"{len(names)} labels, {len(train)} training photos, {len(test)} test photos")

# %%
# Compare classifiers
# -------------------
#
# DeViSE and ESZSL learn from word vectors. The two others know nothing about the meaning of labels:
# random vectors replace word vectors, and WSABIE learns its own.

classifiers = {
    "DeViSE": DeViSEClassifier(embedder, max_epochs=10, random_state=0),
    "ESZSL": ESZSLClassifier(embedder),
    "DeViSE, random vectors": DeViSEClassifier(RandomEmbedder(), max_epochs=10, random_state=0),
    "WSABIE": WSABIEClassifier(max_epochs=10, random_state=0),
}
ax = None
for name, clf in classifiers.items():
    clf.fit(X_train, y_train)
    display = HierarchicalPrecisionDisplay.from_estimator(
        clf, X_test, y_test, hierarchy, name=name, ax=ax
    )
    ax = display.ax_
    print(f"{name:>22}: " + " ".join(f"{p:.3f}" for p in display.precision))
ax.set_title("Hierarchical precision of four classifiers")

# %%
# hp@1 is the accuracy. Further right, the k best answers are compared with the k labels that are
# nearest to the true label in WordNet, or more if some are equally near.
#
# The four classifiers have nearly the same accuracy, because the labels were all seen in training.
# The second to twentieth answers of DeViSE are nearer to the true label than those with random
# vectors: word vectors know which labels are similar. WSABIE learns from the photos which labels
# look similar, which helps too.
#
# Where do wrong answers lie?
# ---------------------------
#
# A confusion matrix of all labels would be too large to read. The display groups them by branches
# of WordNet. We look at the ready classifier, which was trained on ImageNet labels, and at photos
# of labels that it has never seen.

from skdevise import load_zero_shot_classifier

ready = load_zero_shot_classifier()
unseen = np.intersect1d(names, caltech.target_names[caltech.split == "unseen"])
is_unseen = np.isin(y_test, unseen)
display = HierarchyConfusionDisplay.from_estimator(
    ready, X_test[is_unseen], y_test[is_unseen], hierarchy, labels=unseen, branches=8
)
display.ax_.set_title("Branches of the answers")

# %%
# Each row adds up to 100 %. The first column has the right answers. A frame marks wrong answers in
# the branch of the true label. Plants, reptiles and mammals are mostly mistaken for others of their
# own branch. Chairs are also taken for vehicles.
#
# This classifier uses WordNet itself. Do not report hp@k for such a classifier without saying so.
