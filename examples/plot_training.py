"""
==============================
Compare losses and classifiers
==============================

This example compares the losses of :class:`~skdevise.DeViSEClassifier`, which
:doc:`/guide/training` defines, and two classifiers with a closed form. We measure hit@1 on new
photos of *seen* labels, and on photos of *unseen* labels. hit@1 is the share of photos whose first
answer is right.
"""

# %%
# The photos
# ----------
#
# We use fifteen photos of each class of Caltech-101 that the network was not trained on. Each of
# three splits holds out fifteen classes, and a quarter of the photos of every other class.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone

from skdevise import DeViSEClassifier, ESZSLClassifier, RidgeProjectionClassifier, datasets
from skdevise.metrics import HitAtK
from skdevise.model_selection import UnseenClassSplit

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
names = caltech.target_names[
    (caltech.split == "unseen") & embedder.has_vector(caltech.target_names)
]
rng = np.random.default_rng(0)
rows = np.concatenate([rng.permutation(np.flatnonzero(caltech.target == n))[:15] for n in names])
X, y = caltech.data[rows], caltech.target[rows]
splits = list(UnseenClassSplit(n_splits=3, test_size=15, random_state=0).split(X, y))
print(f"{len(y)} photos of {len(names)} classes")

# %%
# Losses and closed forms
# -----------------------
#
# Every classifier learns a linear projection, except "mlp", which has a hidden layer. Ridge and
# ESZSL have a closed form: they solve an equation and need no epochs. The other parameters keep
# their defaults. For a fair ranking, you would search for the best parameters of each classifier.


def devise(**params):
    """Make a DeViSE classifier."""
    return DeViSEClassifier(embedder, random_state=0, **params)


systems = {
    "hinge rank": devise(),
    "hinge rank, all": devise(negatives="all"),
    "hinge rank, hardest": devise(negatives="hardest"),
    "warp": devise(loss="warp"),
    "mse": devise(loss="mse"),
    "cosine": devise(loss="cosine"),
    "contrastive": devise(loss="contrastive"),
    "mlp, cosine": devise(
        projection="mlp", loss="cosine", optimizer="adam", lr=0.001, max_epochs=10
    ),
    "ridge": RidgeProjectionClassifier(embedder),
    "ESZSL": ESZSLClassifier(embedder),
}


def two_scores(system, train, unseen):
    """Return hit@1 on new photos of seen labels, and on photos of unseen labels."""
    is_new = np.arange(len(train)) % 4 == 0
    fitted_rows, new = train[~is_new], train[is_new]
    clf = clone(system).fit(X[fitted_rows], y[fitted_rows])
    among_unseen = HitAtK(k=1, labels="test")(clf, X[unseen], y[unseen])
    return clf.score(X[new], y[new]), among_unseen


hits = {
    name: [two_scores(system, train, unseen) for train, unseen in splits]
    for name, system in systems.items()
}
table = pd.DataFrame(
    {name: np.ravel([np.mean(h, axis=0), np.std(h, axis=0)]) for name, h in hits.items()},
    index=["seen", "unseen", "seen, std", "unseen, std"],
).T
print(table.round(3))

# %%
# Dots show the mean over the splits, and bars the standard deviation. The two axes differ.

n_seen = len(names) - 15
fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True, layout="constrained")
panels = {"seen": f"{n_seen} seen labels", "unseen": "15 unseen labels"}
for ax, (column, title) in zip(axes, panels.items(), strict=True):
    ax.errorbar(table[column], table.index, xerr=table[f"{column}, std"], fmt="o", capsize=3)
    ax.set(title=f"hit@1 among {title}", xlabel="mean over 3 splits")
    ax.grid(axis="y", color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].invert_yaxis()
axes[0].set_xlim(0.8, 1)
axes[1].set_xlim(0, 0.4)
axes[1].axvline(1 / 15, color="0.5", linestyle=":")
axes[1].text(1 / 15 - 0.005, len(systems) / 2, "chance", rotation=90, ha="right", color="0.4")
plt.show()

# %%
# For seen labels, most error bars overlap. For unseen labels, the losses that do not compare with
# false labels (mse and cosine) are behind.
#
# Early stopping
# --------------
#
# ``early_stopping=True`` holds out photos and measures hit@1 on them after each epoch. It stops
# after ten epochs without an improvement. ``validation_split="classes"`` holds out whole classes,
# which are then the only candidates. ``history_`` contains the measurements.

histories = {}
for split in ("samples", "classes"):
    clf = DeViSEClassifier(
        embedder,
        lr=0.002,
        max_epochs=100,
        early_stopping=True,
        validation_split=split,
        validation_fraction=0.2,
        n_iter_no_change=10,
        random_state=0,
    ).fit(X, y)
    histories[split] = clf.history_
    best = clf.history_["valid_hit@1"].idxmax()
    print(f"{split}: best after {best} of {len(clf.history_)} epochs")
print(histories["samples"].drop(columns="dur").head(3).round(4))

# %%
# The ring marks the epoch whose projection is kept. The training loss still decreases after it. The
# two curves of hit@1 are not comparable, because the held-out classes are unseen in training.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
panels = {"train_loss": "loss on training photos", "valid_hit@1": "hit@1 on held-out photos"}
for ax, (column, title) in zip(axes, panels.items(), strict=True):
    for split, history in histories.items():
        (line,) = ax.plot(history.index, history[column], label=f"held out: {split}")
        best = history["valid_hit@1"].idxmax()
        ax.plot(best, history[column][best], "o", color=line.get_color(), fillstyle="none", ms=9)
    ax.set(title=title, xlabel="epoch", ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False)
plt.show()

# sphinx_gallery_thumbnail_number = 2
