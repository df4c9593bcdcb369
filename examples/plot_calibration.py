"""
============================
Can you trust a probability?
============================

A probability is calibrated if it comes true: of the answers with a probability of 0.7, about 70 %
are right. Scores of a projection are not probabilities, so every classifier of skdevise calibrates
them when it is fitted. We check the result for seen and for unseen labels.
"""

# %%
# Photos
# ------
#
# A quarter of the classes of Caltech-101 is unseen. The tests are all photos of these, and a
# quarter of the photos of the other classes.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.calibration import CalibrationDisplay

from skdevise import DeViSEClassifier, datasets

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
known = embedder.has_vector(caltech.target)
X, y = caltech.data[known], caltech.target[known]
is_unseen = np.isin(y, np.unique(y)[::4])
is_held_out = np.arange(len(y)) % 4 == 0
clf = DeViSEClassifier(embedder, max_epochs=10, random_state=0)
clf.fit(X[~is_unseen & ~is_held_out], y[~is_unseen & ~is_held_out])
print(f"temperature for seen labels   {clf.temperature_:.3f}")
print(f"temperature for unseen labels {clf.unseen_temperature_:.3f}")

# %%
# Compare probabilities with accuracies
# -------------------------------------
#
# The probabilities are a softmax of the scores divided by a temperature. A higher temperature gives
# more equal probabilities. For comparison, we also use the temperature that makes the labels of the
# *training* photos most likely. The error is the mean difference between probability and accuracy
# in ten groups of answers.


def error(confidence, is_right):
    """Return the mean difference between probability and accuracy in ten groups of answers."""
    parts = np.array_split(np.argsort(confidence), 10)
    return np.mean([abs(confidence[part].mean() - is_right[part].mean()) for part in parts])


train = ~is_unseen & ~is_held_out
training_scores = clf.decision_function(X[train])
column = np.searchsorted(clf.classes_, y[train])
likelihoods = {
    t: np.log(softmax(training_scores / t, axis=1)[np.arange(len(column)), column]).mean()
    for t in np.geomspace(0.005, 0.5, 30)
}
training_temperature = max(likelihoods, key=likelihoods.get)
print(f"temperature of the training photos {training_temperature:.3f}")

fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
parts = {"held-out photos of seen labels": is_held_out & ~is_unseen, "unseen labels": is_unseen}
for ax, (title, rows) in zip(axes, parts.items(), strict=True):
    labels = np.unique(y[rows])
    ways = {
        "calibrated": clf.predict_proba(X[rows], labels=labels),
        "fitted on training photos": softmax(
            clf.decision_function(X[rows], labels=labels) / training_temperature, axis=1
        ),
    }
    for marker, (name, proba) in zip("os", ways.items(), strict=True):
        confidence = proba.max(axis=1)
        is_right = labels[proba.argmax(axis=1)] == y[rows]
        name = f"{name} (error {error(confidence, is_right):.2f})"
        CalibrationDisplay.from_predictions(
            is_right, confidence, n_bins=8, strategy="quantile", name=name, ax=ax, marker=marker
        )
    ax.set(title=title, xlabel="Probability of the answer", ylabel="Share that is right")
    ax.legend(loc="upper left", fontsize=9)
plt.show()

# %%
# A curve below the diagonal promises too much, and one above it too little. For seen labels, both
# temperatures are good. For unseen labels, that of the training photos promises far too much. Their
# scores are less reliable, so ``fit`` chooses another, higher temperature for them. With it the
# error is smaller, although the most probable answers are right even more often than promised.
# :doc:`/guide/probabilities` explains how the temperatures are fitted.
