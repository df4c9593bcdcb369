"""
========================================
Search for the best margin
========================================

The margin is the amount by which the score of the true label should exceed the others in training.
A grid search finds the best one, and the answer depends on your goal. Ordinary cross-validation
measures how well the classifier recognises new photos of *seen* labels.
:class:`~skdevise.model_selection.UnseenClassSplit` measures how well it recognises *unseen* labels,
because the classes of each test set do not occur in training.
"""

# %%
# The photos
# ----------
#
# We only use classes of Caltech-101 that the network was not trained on. Fifteen photos of each
# class keep the search short.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold

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
print(f"{len(y)} photos of {len(names)} classes")

# %%
# Two searches over the same margins
# ----------------------------------
#
# ``HitAtK(labels="test")`` uses the classes of each test set as candidates. All clones of the
# classifier share the embedder, so the search does not copy it.

clf = DeViSEClassifier(embedder, max_epochs=10, random_state=0)
grid = {"margin": [0.03, 0.1, 0.3, 1.0, 3.0]}
unseen_search = GridSearchCV(
    clf,
    grid,
    cv=UnseenClassSplit(n_splits=5, test_size=15, random_state=0),
    scoring=HitAtK(k=1, labels="test"),
    refit=False,
).fit(X, y)
seen_search = GridSearchCV(
    clf,
    grid,
    cv=StratifiedKFold(n_splits=5, shuffle=True, random_state=0),
    scoring=HitAtK(k=1),
    refit=False,
).fit(X, y)
for name, search in {"unseen": unseen_search, "seen": seen_search}.items():
    print(f"best for {name} labels: {search.best_params_}, hit@1 {search.best_score_:.3f}")

# %%
# The error bars are the standard deviation over the five splits. The vertical axes differ.

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
panels = (
    (axes[0], unseen_search, "15 unseen labels", 1 / 15),
    (axes[1], seen_search, f"{len(names)} seen labels", 1 / len(names)),
)
for ax, search, title, chance in panels:
    results = search.cv_results_
    ax.errorbar(
        grid["margin"],
        results["mean_test_score"],
        results["std_test_score"],
        marker="o",
        capsize=3,
        label="DeViSE",
    )
    ax.axhline(chance, color="0.5", linestyle=":", label="chance")
    ax.set(xscale="log", xlabel="margin", title=f"hit@1 among {title}")
    ax.set_xticks(grid["margin"], [f"{margin:g}" for margin in grid["margin"]], minor=False)
    ax.minorticks_off()
    ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("mean over 5 splits")
axes[0].legend(frameon=False)
plt.show()

# %%
# The best margin for unseen labels need not be the best one for seen labels. For unseen labels,
# most error bars are as long as the differences between margins: the choice of test labels matters
# as much as the margin. Use more splits or more labels before you trust a small difference.
