"""
===============================
Seen and unseen labels together
===============================

If training labels and new labels are candidates at the same time, training labels win almost every
time. A penalty on their scores restores the balance. We draw what each penalty costs and gains, and
choose one.
"""

# %%
# Photos
# ------
#
# We use the classes of Caltech-101 that the network was not trained on. A quarter of the classes is
# unseen. The tests are all photos of these, and a quarter of the photos of the other classes.

import numpy as np
import pandas as pd

from skdevise import DeViSEClassifier, ESZSLClassifier, RidgeProjectionClassifier, datasets
from skdevise.inspection import SeenUnseenCurveDisplay
from skdevise.metrics import generalized_scores
from skdevise.model_selection import tune_seen_penalty

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
names = caltech.target_names[
    (caltech.split == "unseen") & embedder.has_vector(caltech.target_names)
]
rows = np.isin(caltech.target, names)
X, y = caltech.data[rows], caltech.target[rows]
is_unseen = np.isin(y, np.random.default_rng(0).permutation(names)[: len(names) // 4])
is_held_out = np.arange(len(y)) % 4 == 0
train, test = ~is_unseen & ~is_held_out, is_unseen | is_held_out
print(f"{train.sum()} training photos, {test.sum()} test photos of {len(names)} labels")

# %%
# Choose a penalty for each classifier
# ------------------------------------
#
# ``tune_seen_penalty`` only uses the training photos: it treats some training labels as unseen.
# ``generalized_scores`` measures the accuracies on seen and on unseen labels, and their harmonic
# mean, which is high only if both are.

classifiers = {
    "DeViSE": DeViSEClassifier(embedder, max_epochs=10, random_state=0),
    "ridge regression": RidgeProjectionClassifier(embedder),
    "ESZSL": ESZSLClassifier(embedder),
}
table, ax = {}, None
for name, clf in classifiers.items():
    penalty = tune_seen_penalty(clf, X[train], y[train], random_state=0)
    clf.fit(X[train], y[train])
    y_score = clf.decision_function(X[test], labels=names)
    for value in (0.0, penalty):
        scores = generalized_scores(
            y[test], y_score, labels=names, seen=clf.classes_, seen_penalty=value
        )
        table[name, f"{value:.2f}"] = [scores.unseen, scores.seen, scores.harmonic_mean]
    clf.set_params(seen_penalty=penalty)
    display = SeenUnseenCurveDisplay.from_estimator(
        clf, X[test], y[test], labels=names, name=name, ax=ax
    )
    ax = display.ax_
ax.set_title("Accuracy on seen against unseen labels, for all penalties")
index = pd.MultiIndex.from_tuples(table, names=["classifier", "penalty"])
print(pd.DataFrame(table.values(), index, ["unseen", "seen", "harmonic mean"]).round(3))

# %%
# Each curve shows all penalties, from 0 at the top left to a very large one at the bottom right.
# The dots are the chosen ones. Without a penalty, almost no photo of an unseen label is recognised,
# and the harmonic mean is near 0. A penalty raises it for each classifier. It costs accuracy on
# seen labels. The best penalty for these unseen labels can be lower, but choosing it needs photos
# of them. The area under the curve compares classifiers without choosing a penalty.
