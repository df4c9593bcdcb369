"""
===============================
Change the labels
===============================

A zero-shot classifier does not have a fixed list of classes. Every label with a word vector can be
a candidate. We train a projection on one photo for each of the ImageNet labels. Then we ask for
labels of Caltech-101 that neither the projection nor the network has seen.
"""

# %%
# Train on the seen labels
# ------------------------
#
# Each label needs a word vector. ``has_vector`` finds the ImageNet labels that have one. We leave
# out the others.

import matplotlib.pyplot as plt
import numpy as np

from skdevise import (
    DeViSEClassifier,
    Hierarchy,
    LabelVocabulary,
    datasets,
    load_zero_shot_classifier,
)
from skdevise.metrics import HitAtK, hit_at_k

embedder = datasets.load_term_vectors().embedder
imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)

clf = DeViSEClassifier(embedder, random_state=0)
clf.fit(imagenet.data[known], imagenet.target_names[known])
print(f"{known.sum()} photos, {len(clf.classes_)} seen labels")

# %%
# Ask for other labels
# --------------------
#
# The network was not trained on 62 classes of Caltech-101. Three of these have no word vector,
# because the text hardly mentions them. We leave them out and print their names.

caltech = datasets.load_caltech101_features()
has_vector = embedder.has_vector(caltech.target_names)
is_unseen = caltech.split == "unseen"
unseen = caltech.target_names[is_unseen & has_vector]
print("no vector:", *caltech.target_names[is_unseen & ~has_vector])

is_test = np.isin(caltech.target, unseen)
X, y = caltech.data[is_test], caltech.target[is_test]
print(f"{len(y)} photos, {len(unseen)} unseen labels")

# %%
# ``labels`` are the candidates of this call. The classifier is not trained again.

for true, answers in zip(y[::450], clf.predict_top_k(X[::450], k=5, labels=unseen), strict=True):
    print(f"{true:>12}: {', '.join(answers)}")

# %%
# Add synonyms
# ------------
#
# In a :class:`~skdevise.LabelVocabulary` a label can have several terms. The nearest term then
# gives the score of the label. We take the synonyms from WordNet.

wordnet = Hierarchy.wordnet()
synonyms = {
    name: tuple(dict.fromkeys([name, *wordnet.terms(synset)]))
    for name, synset in zip(caltech.target_names.tolist(), caltech.synsets, strict=True)
    if synset and name in unseen
}
vocabulary = LabelVocabulary(unseen, synonyms)
print(synonyms["airplane"])

# %%
# Compare with chance
# -------------------
#
# hit@k is the share of photos whose true label is among the k best answers. The task is harder if
# the seen labels are candidates too, because the projection was trained to bring photos close to
# them. The operator ``|`` joins two vocabularies. The DeViSE paper calls this
# task DeViSE+1K, and the one with unseen candidates only DeViSE-0.

seen = LabelVocabulary(clf.classes_)
settings = {
    "unseen": LabelVocabulary(unseen),
    "unseen,\nsynonyms": vocabulary,
    "seen | unseen": seen | vocabulary,
}
ks = (1, 5)
hits = {
    name: [hit_at_k(y, clf.predict_top_k(X, k, labels), k) for k in ks]
    for name, labels in settings.items()
}
chance = {name: [k / labels.n_labels for k in ks] for name, labels in settings.items()}

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
for column, (ax, k) in enumerate(zip(axes, ks, strict=True)):
    x = np.arange(len(settings))
    bars = ax.bar(x - 0.2, [hits[name][column] for name in settings], 0.4, label="DeViSE")
    ax.bar_label(bars, fmt="{:.1%}", fontsize=8)
    bars = ax.bar(x + 0.2, [chance[name][column] for name in settings], 0.4, label="chance")
    ax.bar_label(bars, fmt="{:.1%}", fontsize=8)
    ax.set_xticks(x, [f"{name}\n({labels.n_labels})" for name, labels in settings.items()])
    ax.set_title(f"hit@{k} on photos of unseen labels")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("share of photos")
axes[0].legend(frameon=False)
plt.show()

# %%
# The numbers below the bars count the candidates. Among the unseen labels, the true one is first
# far more often than by chance. Synonyms change little here. If the seen labels are candidates too,
# hardly any first answer is right. Report both tasks.
#
# The scorer ``HitAtK`` measures the same without synonyms. You can pass it to a grid search as
# ``scoring``.

print(f"DeViSE-0:  hit@5 {HitAtK(k=5, labels='test')(clf, X, y):.3f}")
print(f"DeViSE+1K: hit@5 {HitAtK(k=5, labels='all')(clf, X, y):.3f}")

# %%
# Some unseen labels have a narrower or a broader label among the 1,000 ImageNet labels: "lobster"
# is unseen, but "American lobster" was seen. ``caltech.strict`` marks the labels without such a
# relative. With these alone there are fewer candidates, so a hit is easier by chance.

strict = caltech.target_names[caltech.strict & has_vector]
is_strict = np.isin(y, strict)
hit = HitAtK(k=5, labels="test")(clf, X[is_strict], y[is_strict])
print(f"DeViSE-0 with {len(strict)} labels: hit@5 {hit:.3f}")

# %%
# Ask the ready classifier
# ------------------------
#
# :func:`~skdevise.load_zero_shot_classifier` needs no training, and it takes the same labels. It
# also knows WordNet and the softmax layer of the network, so its answers are right more often.

ready = load_zero_shot_classifier()
for name, classifier in {"DeViSE": clf, "ready": ready}.items():
    scores = [HitAtK(k=k, labels=unseen)(classifier, X, y) for k in (1, 5)]
    print(f"{name:7} hit@1 {scores[0]:.3f}, hit@5 {scores[1]:.3f}")
