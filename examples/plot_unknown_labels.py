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
# on one half of them, and test it on the other half. In each half, every second label is a
# candidate, and the photos of the other labels have no right answer.
#
# ``predict_confidence`` gives the probability of each candidate, and leaves some for "none of
# them".

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdevise import datasets, load_zero_shot_classifier
from skdevise.inspection import RejectionCurveDisplay

clf = load_zero_shot_classifier()
caltech = datasets.load_caltech101_features()
all_labels = caltech.target_names[caltech.split == "unseen"]


def answer(labels):
    """Answer with every second label: true labels, answers and confidences of all photos."""
    photos, candidates = np.isin(caltech.target, labels), labels[::2]
    proba = clf.predict_confidence(caltech.data[photos], labels=candidates)
    return caltech.target[photos], candidates[proba.argmax(axis=1)], proba.max(axis=1)


def lowest_threshold(is_right, confidence, accuracy):
    """Find the lowest confidence above which this share of the answers is right."""
    order = np.argsort(-confidence)
    share = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    return confidence[order][share >= accuracy].min()


# %%
# Choose the threshold
# --------------------
#
# We want seven of ten accepted answers to be right. Some labels are harder than others, so we
# repeat choice and test with ten random halves of the labels.

rng = np.random.default_rng(2)
tests = []
for _ in range(10):
    labels_to_choose, labels_to_test = np.split(rng.permutation(all_labels), 2)
    y, answers, confidence = answer(labels_to_choose)
    threshold = lowest_threshold(answers == y, confidence, accuracy=0.7)
    y, answers, confidence = answer(labels_to_test)
    accepted, is_known = confidence >= threshold, np.isin(y, labels_to_test[::2])
    tests.append(
        {
            "threshold": threshold,
            "accepted": accepted.mean(),
            "accepted candidates": accepted[is_known].mean(),
            "accepted others": accepted[~is_known].mean(),
            "right": (answers == y)[accepted].mean(),
        }
    )
tests = pd.DataFrame(tests)
print(tests.round(2))
print(f"mean share of right answers: {tests['right'].mean():.2f}")

# %%
# On average, the share of right answers is close to our goal. In a single test, it can be much
# lower or higher, because a half has only 31 labels. A threshold that is chosen on few labels is a
# rough guess: use as many labels as you can.
#
# ``predict`` answers "unknown" to the photos below the threshold. We show photos of the last test.

clf.set_params(reject_below=threshold)
photos = caltech.data[np.isin(caltech.target, labels_to_test)][::150]
print(clf.predict(photos, labels=labels_to_test[::2]))

# %%
# See what it does
# ----------------
#
# On the left is the confidence of the best candidate in the last test. On the right, its curve
# shows all thresholds, from few accepted answers to all. The crosses are the ten tests.

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
bins = np.linspace(0, 1, 21)
axes[0].hist(confidence[is_known], bins, alpha=0.6, label="label is a candidate")
axes[0].hist(confidence[~is_known], bins, histtype="step", lw=2, label="label is not a candidate")
axes[0].axvline(threshold, color="0.5", linestyle="--", label="threshold")
axes[0].set_title("Confidences of the last test")
axes[0].set(xlabel="Confidence of the best candidate", ylabel="Answers")
axes[0].legend(loc="upper center")
RejectionCurveDisplay.from_predictions(y, answers, confidence, name="last test", ax=axes[1])
axes[1].plot(tests["accepted"], tests["right"], "kX", label="ten tests")
axes[1].set_title("All thresholds")
axes[1].axhline(0.7, color="0.5", linestyle="--", label="goal")
axes[1].legend()
plt.show()

# %%
# The threshold rejects most photos without a right answer, but also many photos of candidates. A
# lower threshold accepts more of both.
# :func:`~skdevise.model_selection.tune_reject_below` chooses one with the training labels of a
# classifier that you train yourself.
