"""
===================================
Answer "unknown" instead of a guess
===================================

A classifier always chooses one of its candidates, even if a photo shows something else. With the
parameter ``reject_below`` it answers "unknown" if no candidate is probable enough. We choose this
threshold, and see what it gains and what it costs.
"""

# %%
# Photos with and without a right answer
# --------------------------------------
#
# We use the classes of Caltech-101 that the network was not trained on, in four parts. We choose
# the threshold on two parts, and test it on the two others. In each pair, the labels of one part
# are the candidates. The photos of the other part have no right answer.

import matplotlib.pyplot as plt
import numpy as np

from skdevise import datasets, load_zero_shot_classifier
from skdevise.inspection import RejectionCurveDisplay

clf = load_zero_shot_classifier()
caltech = datasets.load_caltech101_features()
names = np.random.default_rng(0).permutation(caltech.target_names[caltech.split == "unseen"])
known, strange, test_known, test_strange = np.array_split(names, 4)


def photos_of(labels):
    """Select the photos of some labels: features and true labels."""
    rows = np.isin(caltech.target, labels)
    return caltech.data[rows], caltech.target[rows]


# %%
# Choose the threshold
# --------------------
#
# ``RejectionCurveDisplay`` computes the accuracy of the accepted answers for all thresholds. We
# take the lowest one with which four of five accepted answers are right.

X, y = photos_of([*known, *strange])
tuning = RejectionCurveDisplay.from_estimator(clf, X, y, labels=known, name="photos for tuning")
threshold = tuning.thresholds[tuning.accuracy >= 0.8].min()
plt.close()

X, y = photos_of([*test_known, *test_strange])
is_known = np.isin(y, test_known)
guesses = clf.predict(X, labels=test_known)
clf.set_params(reject_below=threshold)
answers = clf.predict(X, labels=test_known)
accepted = answers != "unknown"
print(f"threshold: {threshold:.2f}")
print(f"right without a threshold: {np.mean(guesses == y):.0%} of all answers")
print(f"right with the threshold:  {np.mean(answers[accepted] == y[accepted]):.0%} of the accepted")
print(f"accepted: {accepted[is_known].mean():.0%} of the photos of candidates")
print(f"accepted: {accepted[~is_known].mean():.0%} of the photos without a right answer")

# %%
# See what it does
# ----------------
#
# On the left are the probabilities of the best candidate. On the right are the curves of all
# thresholds, from few accepted answers to all. The cross is our threshold on the test photos.

confidence = clf.predict_proba(X, labels=test_known).max(axis=1)
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
bins = np.linspace(0, 1, 21)
axes[0].hist(confidence[is_known], bins, alpha=0.6, label="label is a candidate")
axes[0].hist(confidence[~is_known], bins, histtype="step", lw=2, label="label is no candidate")
axes[0].axvline(threshold, color="0.5", linestyle="--", label="threshold")
axes[0].set(xlabel="Probability of the best candidate", ylabel="Photos")
axes[0].legend(loc="upper center")
tuning.plot(axes[1])
RejectionCurveDisplay.from_estimator(clf, X, y, labels=test_known, name="test photos", ax=axes[1])
accuracy = np.mean(answers[accepted] == y[accepted])
axes[1].plot(accepted.mean(), accuracy, "X", color="C3", markersize=11, label="threshold, test")
axes[1].legend()
plt.show()

# %%
# The threshold rejects most photos without a right answer, but also many photos of candidates.
# The two curves differ, because some labels are harder than others. A threshold that is chosen on
# few labels is therefore only a rough guess: use as many as you can.
# :func:`~skdevise.model_selection.tune_reject_below` does this with the training labels of a
# classifier that you train yourself.
