"""
===============================
Answer with labels never seen
===============================

A classifier of this package does not end in a fixed layer of classes. It ends in a space of
words, where any label with a term vector can be a candidate. Here a map is trained on one photo
each of ImageNet labels, and then answers photos of Caltech-101 with labels that neither the map
nor the net under it has seen.

Nothing is decoded and nothing is downloaded: the package carries the features of the photos.
"""

# %%
# Train on the seen labels
# ------------------------
#
# A label needs a vector. Of the first terms of the 1,000 ImageNet synsets, 805 have one in the
# bundled table; ``has_vector`` tells which, and the others are left out.

import matplotlib.pyplot as plt
import numpy as np

from skdevise import DeViSEClassifier, Hierarchy, LabelVocabulary, datasets
from skdevise.metrics import HitAtK, hit_at_k

embedder = datasets.load_term_vectors().embedder
imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)

clf = DeViSEClassifier(embedder, random_state=0)
clf.fit(imagenet.data[known], imagenet.target_names[known])
print(f"{known.sum()} photos, {len(clf.classes_)} seen labels")

# %%
# Swap the labels
# ---------------
#
# 62 classes of Caltech-101 are outside of the 1,000 on which the net was trained. Three of them
# have no vector: their names hardly occur in the text. They are left out too, and named.

caltech = datasets.load_caltech101_features()
has_vector = embedder.has_vector(caltech.target_names)
is_unseen = caltech.split == "unseen"
unseen = caltech.target_names[is_unseen & has_vector]
print("no vector:", *caltech.target_names[is_unseen & ~has_vector])

of_unseen = np.isin(caltech.target, unseen)
X, y = caltech.data[of_unseen], caltech.target[of_unseen]
print(f"{len(y)} photos, {len(unseen)} unseen labels")

# %%
# ``labels`` are the candidates of this one call. Nothing is trained again.

for true, answers in zip(y[::450], clf.predict_top_k(X[::450], k=5, labels=unseen), strict=True):
    print(f"{true:>12}: {', '.join(answers)}")

# %%
# Give labels their synonyms
# --------------------------
#
# In a :class:`~skdevise.LabelVocabulary` a label can have several terms. It is then as near as the
# nearest of them. The synonyms here are those of the WordNet synset of each class, where one fits.

wordnet = Hierarchy.wordnet()
synonyms = {
    name: tuple(dict.fromkeys([name, *wordnet.terms(synset)]))
    for name, synset in zip(caltech.target_names.tolist(), caltech.synsets, strict=True)
    if synset and name in unseen
}
vocabulary = LabelVocabulary(unseen, synonyms)
print(synonyms["airplane"])

# %%
# Count hits, beside chance
# -------------------------
#
# The harder question leaves the seen labels among the candidates: ``seen | unseen``, which the
# paper calls DeViSE+1K. A map trained on seen labels alone draws photos towards these.

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
for name in settings:
    for k, hit, by_chance in zip(ks, hits[name], chance[name], strict=True):
        print(f"{' '.join(name.split()):17} hit@{k} {hit:.3f} (chance {by_chance:.3f})")

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
# Among the unseen labels the true one comes first about ten times as often as by chance. With the
# seen labels among the candidates hardly any photo is answered right at once. Report both.
#
# Without the synonyms, a scorer gives the same; it can go into a grid search as ``scoring=``.

print("DeViSE-0 ", HitAtK(k=5, labels="test")(clf, X, y))
print("DeViSE+1K", HitAtK(k=5, labels="all")(clf, X, y))

# %%
# One caution. Some unseen labels are kinds of a seen one, or have kinds among them: "lobster" is
# unseen, "American lobster" was seen. ``caltech.strict`` marks the labels without such relatives.

strict = caltech.target_names[caltech.strict & has_vector]
of_strict = np.isin(y, strict)
print(len(strict), "labels:", HitAtK(k=5, labels="test")(clf, X[of_strict], y[of_strict]))
