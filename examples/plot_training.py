"""
==============================
Losses, projections, epochs
==============================

How a map is trained is a handful of parameters of :class:`~skdevise.DeViSEClassifier`:
:doc:`/guide/training` defines them. Here each loss and each projection answers two questions. How
many new photos of the *seen* labels are told apart, and how many photos of *unseen* ones?
"""

# %%
# The photos
# ----------
#
# Fifteen photos each of the classes of Caltech-101 outside of the 1,000 that the net under the
# features was trained on. In each of three splits fifteen classes are held out; of every other
# class, a quarter of the photos.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdevise import DeViSEClassifier, datasets
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
# Losses and projections
# ----------------------
#
# All train a linear map unless their name says otherwise. An MLP has a hidden layer, and Adam suits
# it; "ridge" and "eszsl" solve an equation and need no epochs. The other parameters are the
# defaults: a comparison that is to decide anything would search over those of each system.

systems = {
    "hinge rank": {},
    "hinge rank, all": {"negatives": "all"},
    "hinge rank, hardest": {"negatives": "hardest"},
    "warp": {"loss": "warp"},
    "mse": {"loss": "mse"},
    "cosine": {"loss": "cosine"},
    "contrastive": {"loss": "contrastive"},
    "mlp, cosine": {
        "projection": "mlp",
        "loss": "cosine",
        "optimizer": "adam",
        "lr": 0.001,
        "max_epochs": 10,
    },
    "ridge": {"projection": "ridge"},
    "eszsl": {"projection": "eszsl"},
}


def two_scores(params, train, unseen):
    """hit@1 on new photos of seen labels, and on photos of the unseen ones among these."""
    is_new = np.arange(len(train)) % 4 == 0
    old, new = train[~is_new], train[is_new]
    clf = DeViSEClassifier(embedder, random_state=0, **params).fit(X[old], y[old])
    among_unseen = HitAtK(k=1, labels="test")(clf, X[unseen], y[unseen])
    return clf.score(X[new], y[new]), among_unseen


hits = {
    name: [two_scores(params, train, unseen) for train, unseen in splits]
    for name, params in systems.items()
}
table = pd.DataFrame(
    {name: np.ravel([np.mean(own, axis=0), np.std(own, axis=0)]) for name, own in hits.items()},
    index=["seen", "unseen", "seen, std", "unseen, std"],
).T
print(table.round(3))

# %%
# A dot is the mean over the splits, a bar the standard deviation. Mind the axes: they differ.

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
# Among seen labels most systems lie within each other's bars. Among unseen ones the three that
# weigh every false label at once come first: hinge rank with "all", contrastive, and eszsl.
# "hardest", which takes one false label only, and for each photo the nearest, comes last.

# %%
# Epochs
# ------
#
# ``early_stopping=True`` holds photos out, records the hit@1 on them after each epoch, and ends
# when ten epochs have brought no better one. With ``validation_split="classes"`` it holds whole
# classes out, and asks among these alone. ``history_`` has it all. A learning rate below the
# default shows more of the way.

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
# The ring is the epoch whose map is kept. The loss falls on after it.

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
