"""
======================
A map of the labels
======================

The vectors of labels, laid out in the plane by t-SNE, as in figure 1b of the DeViSE paper. The
vectors come from text alone: no photo and no hierarchy went into them. The colours come from
WordNet alone. Where a colour keeps together, text and WordNet agree.
"""

# %%
# Labels of eight groups
# ----------------------
#
# A label belongs to a group if the group's synset is among its ancestors. Of the ImageNet labels in
# each group the most frequent ones in the text are taken, eleven at most, so that they can be read.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from skdevise import Hierarchy, datasets

GROUPS = {
    "n02084071": "dog",
    "n01503061": "bird",
    "n02512053": "fish",
    "n01726692": "snake",
    "n02159955": "insect",
    "n04524313": "vehicle",
    "n03800933": "musical instrument",
    "n07555863": "food",
}

wordnet = Hierarchy.wordnet()
table = datasets.load_term_vectors()
rank = {term: i for i, term in enumerate(table.terms)}  # the most frequent first

members = {synset: [] for synset in GROUPS}
for synset in datasets.load_imagenet_labels().ilsvrc2012:
    term = wordnet.terms(synset)[0].lower()
    for group in wordnet.ancestors(synset).intersection(GROUPS):
        if term in rank:
            members[group].append(term)
names, colours = [], []
for i, group in enumerate(GROUPS):
    chosen = sorted(members[group], key=rank.get)[:11]
    print(f"{GROUPS[group]:>18}: {', '.join(chosen)}")
    names += chosen
    colours += [i] * len(chosen)

# %%
# The map
# -------

vectors = table.embedder.transform(names)
points = TSNE(perplexity=12, metric="cosine", init="random", random_state=0).fit_transform(vectors)


def spread(boxes, n_rounds=300):
    """Shift boxes (centre x, centre y, width, height) apart, each as little as it takes."""
    centres, sizes = boxes[:, :2].copy(), boxes[:, 2:]
    for _ in range(n_rounds):
        gap = centres[:, None] - centres
        overlap = (sizes[:, None] + sizes) / 2 - np.abs(gap)
        touches = (overlap > 0).all(axis=2) & ~np.eye(len(boxes), dtype=bool)
        if not touches.any():
            break
        push = np.where(gap[..., 1] >= 0, 1, -1) * overlap[..., 1] * touches / 4
        centres[:, 1] += push.sum(axis=1)
    return centres


fig, ax = plt.subplots(figsize=(9, 8), layout="constrained")
palette = plt.get_cmap("Dark2").colors
for i, group in enumerate(GROUPS.values()):
    own = np.array(colours) == i
    ax.scatter(*points[own].T, s=14, color=palette[i], label=group)
ax.margins(0.08)
ax.set(xticks=[], yticks=[], title="Labels by the text they occur in, colours by WordNet")
fig.legend(loc="outside lower center", ncols=4, frameon=False)
fig.canvas.draw()

# Texts are placed in pixels, above their points, and then moved off each other.
texts = [
    ax.text(x, y, name, fontsize=8.5, ha="center", va="center", color=palette[i])
    for (x, y), name, i in zip(points, names, colours, strict=True)
]
extents = [text.get_window_extent() for text in texts]
pixels = ax.transData.transform(points) + [0, 11]
sizes = np.array([[box.width + 4, box.height + 1] for box in extents])
centres = ax.transData.inverted().transform(spread(np.hstack([pixels, sizes])))
for text, centre in zip(texts, centres, strict=True):
    text.set_position(centre)
plt.show()

# %%
# A map in the plane shows neighbours and bends distances; in the space itself the silhouette tells
# how well the groups keep together (1 at best, about 0 without any tie).

shuffled = np.random.default_rng(0).permutation(colours)
print(f"silhouette of the groups   {silhouette_score(vectors, colours, metric='cosine'):.3f}")
print(f"silhouette, groups mixed   {silhouette_score(vectors, shuffled, metric='cosine'):.3f}")

# %%
# Words with several senses stray: a vector belongs to a term, not to a synset, and lies where most
# of the term's uses do.
