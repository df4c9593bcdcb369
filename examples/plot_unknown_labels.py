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
# We use the classes of Caltech-101 that the network was not trained on. We choose the threshold on
# one half of them, and test it on the other half. In each half, some labels are the candidates, and
# the photos of the other labels have no right answer. It is chance which labels are hard to tell
# apart, so we draw the candidates ten times.

import matplotlib.pyplot as plt
import numpy as np

from skdevise import datasets, load_zero_shot_classifier
from skdevise.inspection import RejectionCurveDisplay

clf = load_zero_shot_classifier()
caltech = datasets.load_caltech101_features()
rng = np.random.default_rng(0)
tuning_labels, test_labels = np.split(
    rng.permutation(caltech.target_names[caltech.split == "unseen"]), 2
)


def answer(labels):
    """Answer with random halves of the labels: true labels, answers, confidence, is it known."""
    photos = np.isin(caltech.target, labels)
    X, y, parts = caltech.data[photos], caltech.target[photos], []
    for _ in range(10):
        known = rng.permutation(labels)[: len(labels) // 2]
        proba = clf.predict_proba(X, labels=known)
        parts.append((y, known[proba.argmax(axis=1)], proba.max(axis=1), np.isin(y, known)))
    return map(np.concatenate, zip(*parts, strict=True))


# %%
# Choose the threshold
# --------------------
#
# ``RejectionCurveDisplay`` computes the accuracy of the accepted answers for all thresholds. We
# take the lowest one with which four of five accepted answers are right.

true, answers, confidence, _ = answer(tuning_labels)
tuning = RejectionCurveDisplay.from_predictions(true, answers, confidence, name="tuning labels")
threshold = tuning.thresholds[tuning.accuracy >= 0.8].min()
plt.close()

true, answers, confidence, is_known = answer(test_labels)
is_right, accepted = answers == true, confidence >= threshold
print(f"threshold: {threshold:.2f}")
print(f"right without a threshold: {is_right.mean():.0%} of all answers")
print(f"right with the threshold:  {is_right[accepted].mean():.0%} of the accepted answers")
print(f"accepted: {accepted[is_known].mean():.0%} of the photos of candidates")
print(f"accepted: {accepted[~is_known].mean():.0%} of the photos without a right answer")

# %%
# With this threshold, ``predict`` answers "unknown" to the other photos.

clf.set_params(reject_below=threshold)
print(clf.predict(caltech.data[:5], labels=test_labels))

# %%
# See what it does
# ----------------
#
# On the left are the probabilities of the best candidate. On the right are the curves of all
# thresholds, from few accepted answers to all. The cross is our threshold on the test photos.

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
bins = np.linspace(0, 1, 21)
axes[0].hist(confidence[is_known], bins, alpha=0.6, label="label is a candidate")
axes[0].hist(confidence[~is_known], bins, histtype="step", lw=2, label="label is no candidate")
axes[0].axvline(threshold, color="0.5", linestyle="--", label="threshold")
axes[0].set(xlabel="Probability of the best candidate", ylabel="Answers")
axes[0].legend(loc="upper center")
tuning.plot(axes[1])
RejectionCurveDisplay.from_predictions(true, answers, confidence, name="test labels", ax=axes[1])
axes[1].plot(
    accepted.mean(), is_right[accepted].mean(), "X", color="C3", markersize=11, label="threshold"
)
axes[1].legend()
plt.show()

# %%
# The threshold rejects most photos without a right answer, but also many photos of candidates.
# The two curves differ, because some labels are harder than others. A threshold that is chosen on
# few labels is therefore only a rough guess: use as many as you can.
# :func:`~skdevise.model_selection.tune_reject_below` does this with the training labels of a
# classifier that you train yourself.
