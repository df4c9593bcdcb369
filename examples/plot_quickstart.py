"""
Quick start: classify photos with any names
===========================================

We classify eight photos with names that we choose, and ask why the answers were given. Then we
train a classifier on our own labels.

The example runs offline in about a minute. It uses photos of scikit-image, a small network that was
trained on ImageNet, and bundled word vectors, image features and WordNet. It writes the picture
quickstart.png.
"""

# %%
# Classify photos
# ---------------
#
# ``load_zero_shot_classifier`` returns a fitted classifier. It has learned from photos of the 1,000
# labels of ImageNet, from WordNet (a dictionary that sorts words by meaning), and from word
# vectors.
#
# We ask twice: with the true names, and with names that are only similar, such as "leopard" for a
# cat. A name need not be a training label, and nothing is trained. ``visual_`` computes the
# features of the photos, so the network processes each photo once.

from pathlib import Path

import numpy as np
import skimage

from skdevise import load_zero_shot_classifier

folder = Path(skimage.__file__).parent / "data"
files = """chelsea.png coffee.png rocket.jpg astronaut.png
           coins.png motorcycle_left.png horse.png camera.png"""
photos = [folder / name for name in files.split()]
names = "cat coffee rocket astronaut coin motorcycle horse camera".split()
similar_names = "leopard tea aircraft soldier jewelry bicycle donkey telescope".split()

print("Loading the classifier ...", flush=True)
classifier = load_zero_shot_classifier()
features = classifier.visual_.transform(photos)
answers = {
    "true names": classifier.predict_top_k(features, k=5, labels=names),
    "similar names": classifier.predict_top_k(features, k=5, labels=similar_names),
}

# %%
# The figure shows the five best names of each set. Correct answers are green.

from skdevise.inspection import TopKDisplay

display = TopKDisplay(photos, answers, y_true=names).plot(n_columns=4)
display.figure_.savefig("quickstart.png", dpi=120)
print("Wrote quickstart.png: the photos with their five best names of each set.")

# %%
# Only the astronaut gets a wrong answer. None of the 1,000 labels looks like her. Beside her stands
# a model of a space shuttle, which may explain the answer "rocket".
#
# "None of these"
# ---------------
#
# ``predict_confidence`` gives the probability of each name, and leaves some for "none of these
# names". If the best name has less than ``reject_below``, ``predict`` answers "unknown". You can
# change this parameter at any time.

confidence = classifier.predict_confidence(features, labels=names).max(axis=1)
classifier.set_params(reject_below=0.5)
print("\nThe answers, and the confidence of the best name:")
for name, answer, value in zip(
    names, classifier.predict(features, labels=names), confidence, strict=True
):
    print(f"{name:>12}: {answer:<12}{value:.2f}")

# %%
# The wrong answer for the astronaut is rejected. So is a right one: the horse is a black
# silhouette, which resembles no photo of a horse.
#
# Why this answer?
# ----------------
#
# The classifier has a row of weights for each of its 1,000 training labels. For a new name, it
# mixes the rows of similar labels. ``explain`` lists the training labels that support an answer,
# and the broader terms in WordNet (kind "ancestor"). We ask about the cat, the rocket and the
# astronaut.

reasons = classifier.explain(features[[0, 2, 3]], labels=names, n_reasons=2)
is_shown = reasons["kind"].isin(["training label", "ancestor"])
print("\n" + reasons[is_shown].round(3).to_string(index=False))

# %%
# "cat" is a mixture of cats, and "rocket" is mostly a missile. The last answer is the wrong one for
# the astronaut. All its contributions are small, because no training label fits well.
#
# How good is it?
# ---------------
#
# We measure hit@k, the share of photos whose true label is among the k best answers. The photos
# show 59 classes of Caltech-101 that are not among the 1,000 labels.
#
# We compare with DeViSE (deep visual-semantic embedding), the method that skdevise is named after.
# It learns a projection of photos into the space of the word vectors. We train it on one photo of
# each ImageNet label that has a word vector.

import pandas as pd

from skdevise import DeViSEClassifier, datasets
from skdevise.metrics import hit_at_k

embedder = datasets.load_term_vectors().embedder
imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)
devise = DeViSEClassifier(embedder, random_state=0)
devise.fit(imagenet.data[known], imagenet.target_names[known])

caltech = datasets.load_caltech101_features()
has_vector = embedder.has_vector(caltech.target_names)
unseen = caltech.target_names[has_vector & (caltech.split == "unseen")]
rows = np.isin(caltech.target, unseen)
X, y = caltech.data[rows], caltech.target[rows]

ks = [1, 2, 5, 10]
hits = {
    name: [100 * hit_at_k(y, clf.predict_top_k(X, k=10, labels=unseen), k) for k in ks]
    for name, clf in {"ready classifier": classifier, "DeViSE": devise}.items()
}
hits["chance"] = [100 * k / len(unseen) for k in ks]
print(f"\n{len(y)} photos of {len(unseen)} unseen classes, hit@k in %")
print(pd.DataFrame(hits, index=[f"hit@{k}" for k in ks]).T.round(1))

# %%
# The ready classifier is much better, because it also uses WordNet and the softmax layer of the
# network, which knows the 1,000 labels. DeViSE uses word vectors alone.
#
# Train on your own labels
# ------------------------
#
# Train a classifier if you have photos of your own labels. Every classifier of skdevise works in
# ``Pipeline`` and ``GridSearchCV``. Here, a search chooses the margin of DeViSE's loss. The test
# classes of each fold do not occur in its training part, so the search finds the margin that is
# best for unseen labels. The network has seen some of the classes, so do not report these numbers
# as zero-shot results.

from sklearn.model_selection import GridSearchCV

from skdevise.metrics import HitAtK
from skdevise.model_selection import UnseenClassSplit

print("\nSearching for the best margin on unseen classes ...", flush=True)
rows = np.isin(caltech.target, caltech.target_names[has_vector])
search = GridSearchCV(
    devise,
    {"margin": [0.03, 0.1, 0.3]},
    scoring=HitAtK(k=5, labels="test"),
    cv=UnseenClassSplit(n_splits=2, test_size=0.2, random_state=0),
    refit=False,
).fit(caltech.data[rows][::2], caltech.target[rows][::2])  # every second photo, to save time
table = pd.DataFrame(search.cv_results_)[["param_margin", "mean_test_score"]]
print(table.round(3).to_string(index=False))

# %%
# ``mean_test_score`` is hit@5 among the test classes.
