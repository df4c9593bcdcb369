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
# We use the 62 classes of Caltech-101 that the network was not trained on. We choose the threshold
# on one half of them, and test it on the other half. In each half, some labels are the candidates,
# and the photos of the other labels have no right answer. It is chance which labels are hard to
# tell apart, so we draw the candidates three times.

import matplotlib.pyplot as plt
import numpy as np

from skdevise import datasets, load_zero_shot_classifier
from skdevise.inspection import RejectionCurveDisplay

clf = load_zero_shot_classifier()
caltech = datasets.load_caltech101_features()
all_labels = caltech.target_names[caltech.split == "unseen"]
rng = np.random.default_rng(0)


def answer(labels):
    """Answer with random halves of the labels: is it right, confidence, is it a candidate."""
    photos = np.isin(caltech.target, labels)
    X, y, parts = caltech.data[photos], caltech.target[photos], []
    for _ in range(3):
        known = rng.permutation(labels)[: len(labels) // 2]
        values = clf.predict_confidence(X, labels=known)
        is_right = known[values.argmax(axis=1)] == y
        parts.append((is_right, values.max(axis=1), np.isin(y, known)))
    return map(np.concatenate, zip(*parts, strict=True))


def rejection_curve(is_right, confidence, **options):
    """Compute the accuracy of the accepted answers for all thresholds."""
    true = np.ones_like(is_right)
    return RejectionCurveDisplay.from_predictions(true, is_right, confidence, **options)


# %%
# Choose the threshold
# --------------------
#
# We take the lowest threshold with which seven of ten accepted answers are right. We repeat this
# with ten random halves of the labels. Each line is the test of one threshold.

tests, curves = [], []
for _ in range(10):
    tuning_labels, test_labels = np.split(rng.permutation(all_labels), 2)
    is_right, confidence, _ = answer(tuning_labels)
    tuning = rejection_curve(is_right, confidence, name="labels to choose")
    plt.close()
    threshold = tuning.thresholds[tuning.accuracy >= 0.7].min()
    is_right, confidence, is_known = answer(test_labels)
    accepted = confidence >= threshold
    right, known, others = (
        x.mean() for x in (is_right[accepted], accepted[is_known], accepted[~is_known])
    )
    print(
        f"threshold {threshold:.2f} accepts {known:.0%} of the photos with a right answer, and "
        f"{others:.0%} of the others; {right:.0%} of the accepted answers are right"
    )
    tests.append((accepted.mean(), right))
    curves.append((threshold, tuning, is_right, confidence, is_known, test_labels))
share, accuracy = np.transpose(tests)
print(f"mean of the ten tests: {accuracy.mean():.0%} of the accepted answers are right")

# %%
# On average, the share of right answers is close to our goal of seven of ten. In a single test, it
# can be much lower or higher. Some labels are harder than others, and a half has only 31. A
# threshold that is chosen on few labels is therefore a rough guess: use as many labels as you can.
#
# ``predict`` answers "unknown" to the photos below the threshold. We show the first test from here.

threshold, tuning, is_right, confidence, is_known, test_labels = curves[0]
clf.set_params(reject_below=threshold)
photos = caltech.data[np.isin(caltech.target, test_labels)][::150]
print(clf.predict(photos, labels=test_labels))

# %%
# See what it does
# ----------------
#
# On the left is the confidence of the best candidate. On the right are the curves of all
# thresholds, from few accepted answers to all. The crosses are the ten tests.

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
bins = np.linspace(0, 1, 21)
axes[0].hist(confidence[is_known], bins, alpha=0.6, label="label is a candidate")
axes[0].hist(confidence[~is_known], bins, histtype="step", lw=2, label="label is no candidate")
axes[0].axvline(threshold, color="0.5", linestyle="--", label="threshold")
axes[0].set(xlabel="Confidence of the best candidate", ylabel="Answers")
axes[0].legend(loc="upper center")
tuning.plot(axes[1])
rejection_curve(is_right, confidence, name="labels to test", ax=axes[1])
axes[1].plot(share, accuracy, "X", color="C3", markersize=8, label="ten tests")
axes[1].axhline(0.7, color="0.5", linestyle="--", label="seven of ten")
axes[1].legend()
plt.show()

# %%
# The threshold rejects most photos without a right answer, but also many photos of candidates. A
# lower threshold accepts more of both.
# :func:`~skdevise.model_selection.tune_reject_below` chooses one with the training labels of a
# classifier that you train yourself.
