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
# Load the classifier
# -------------------
#
# The classifier is fitted already. It has learned from photos of the 1,000 labels of ImageNet, from
# WordNet, and from word vectors.

from pathlib import Path

import numpy as np
import skimage

from skdevise import load_zero_shot_classifier

folder = Path(skimage.__file__).parent / "data"
files = """chelsea.png coffee.png rocket.jpg astronaut.png
           coins.png motorcycle_left.png horse.png camera.png"""
photos = [folder / name for name in files.split()]

print("Loading the classifier ...", flush=True)
classifier = load_zero_shot_classifier()

# %%
# Classify photos
# ---------------
#
# ``predict_top_k(photos, k=5, labels=names)`` returns the five best names of each photo. We ask
# twice: the names are first the true ones, and then names that are only similar, such as "leopard"
# for a cat. They need not be training labels, and nothing is trained. ``visual_`` computes the
# features of the photos, so the network processes each photo once.

features = classifier.visual_.transform(photos)
label_sets = {
    "true names": "cat coffee rocket astronaut coin motorcycle horse camera".split(),
    "similar names": "leopard tea aircraft soldier jewelry bicycle donkey telescope".split(),
}
answers, probabilities = {}, {}
for name, labels in label_sets.items():
    answers[name] = classifier.predict_top_k(features, k=5, labels=labels)
    proba = classifier.predict_proba(features, labels=labels)
    probabilities[name] = np.sort(proba, axis=1)[:, :-6:-1]  # those of the five best names
for photo, *best in zip(photos, *answers.values(), strict=True):
    print(f"{photo.name:>20}: {best[0][0]:<12} {best[1][0]}")

# %%
# The figure shows the five best names of each set, with their probabilities. Correct answers are
# green.

from skdevise.inspection import TopKDisplay

display = TopKDisplay(
    photos, answers, y_true=label_sets["true names"], probabilities=probabilities
).plot(n_columns=4)
display.figure_.savefig("quickstart.png", dpi=120)
print("\nWrote quickstart.png: the photos with their five best names of each set.")

# %%
# Only the photo of the astronaut gets wrong answers. None of the 1,000 labels looks like an
# astronaut. Beside her stands a model of a space shuttle, which may explain the answer "rocket".
#
# "None of these"
# ---------------
#
# The classifier is unsure about the astronaut: its confidence is below 0.5. With ``reject_below``,
# it answers "unknown" in such a case. You can change this parameter at any time.

labels = label_sets["true names"]
classifier.set_params(reject_below=0.5)
print()
for photo, answer in zip(photos, classifier.predict(features, labels=labels), strict=True):
    print(f"{photo.name:>20}: {answer}")

# %%
# Why this answer?
# ----------------
#
# The classifier predicts a detector for each name, as a mixture of the detectors of its 1,000
# training labels. ``explain`` lists the training labels that speak for an answer, and the broader
# terms in WordNet (kind "ancestor"). We ask about the cat, the rocket and the astronaut.

reasons = classifier.explain(features[[0, 2, 3]], labels=labels, n_reasons=2)
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
# show 59 classes of Caltech-101 that are not among the 1,000 labels. DeViSE, the method of the
# paper, learns a projection of photos into the space of the word vectors. We train it on one photo
# of each ImageNet label that has a word vector.

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skdevise import DeViSEClassifier, datasets
from skdevise.metrics import HitAtK, hit_at_k
from skdevise.model_selection import UnseenClassSplit

embedder = datasets.load_term_vectors().embedder
imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)
pipe = make_pipeline(Normalizer(), DeViSEClassifier(embedder, random_state=0))
pipe.fit(imagenet.data[known], imagenet.target_names[known])

caltech = datasets.load_caltech101_features()
names = caltech.target_names[embedder.has_vector(caltech.target_names)]
unseen_names = np.intersect1d(names, caltech.target_names[caltech.split == "unseen"])
is_unseen = np.isin(caltech.target, unseen_names)
X, y = caltech.data[is_unseen], caltech.target[is_unseen]

ks = (1, 2, 5, 10)
print(f"\n{len(y)} photos of {len(unseen_names)} unseen classes, hit@k in %")
print(f"{'':>16}" + "".join(f"{k:7}" for k in ks))
tops = {
    "ready classifier": classifier.predict_top_k(X, k=10, labels=unseen_names),
    "DeViSE": pipe[-1].predict_top_k(pipe[:-1].transform(X), k=10, labels=unseen_names),
}
hits = {name: [hit_at_k(y, top, k) for k in ks] for name, top in tops.items()}
hits["chance"] = [k / len(unseen_names) for k in ks]
for name, row in hits.items():
    print(f"{name:>16}" + "".join(f"{100 * hit:7.1f}" for hit in row))

# %%
# The ready classifier is much better, because it also uses WordNet and the softmax layer of the
# network. DeViSE uses word vectors alone.
#
# Train on your own labels
# ------------------------
#
# Train a classifier if you have photos of your own labels. Every classifier of skdevise works in
# ``Pipeline`` and ``GridSearchCV``. Here, a search chooses the margin of DeViSE's loss on
# Caltech-101. The test classes of each fold do not occur in its training part, so the search finds
# the margin that is best for unseen labels. Every second photo is enough here. The network has seen
# some of the classes, so do not report these numbers as zero-shot results.

print("\nSearching for the best margin on unseen classes ...", flush=True)
rows = np.flatnonzero(np.isin(caltech.target, names))[::2]
search = GridSearchCV(
    pipe,
    {"deviseclassifier__margin": [0.03, 0.1, 0.3]},
    scoring=HitAtK(k=5, labels="test"),
    cv=UnseenClassSplit(n_splits=2, test_size=0.2, random_state=0),
    refit=False,
).fit(caltech.data[rows], caltech.target[rows])
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{params}: hit@5 {100 * score:.1f} % among the classes of the fold")
