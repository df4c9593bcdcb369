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

import numpy as np
from sklearn.metrics import silhouette_score

from skdevise import Hierarchy, LabelVocabulary, datasets
from skdevise.inspection import LabelMapDisplay

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
groups = {}
for group, name in GROUPS.items():
    chosen = sorted(members[group], key=rank.get)[:11]
    print(f"{name:>18}: {', '.join(chosen)}")
    groups |= dict.fromkeys(chosen, name)

# %%
# The map
# -------

names = list(groups)
display = LabelMapDisplay.from_embedder(table.embedder, names, groups, perplexity=12)
display.ax_.set_title("Labels by the text they occur in, colours by WordNet")

# %%
# A map in the plane shows neighbours and bends distances; in the space itself the silhouette tells
# how well the groups keep together (1 at best, about 0 without any tie).

vectors, own = table.embedder.transform(names), list(groups.values())
mixed = np.random.default_rng(0).permutation(own)
print(f"silhouette of the groups   {silhouette_score(vectors, own, metric='cosine'):.3f}")
print(f"silhouette, groups mixed   {silhouette_score(vectors, mixed, metric='cosine'):.3f}")

# %%
# The thousand labels of ILSVRC-2012
# ----------------------------------
#
# Given a hierarchy, the display finds groups by itself: the hypernyms that gather most labels. As
# many labels are written as find room.

thousand = LabelVocabulary(datasets.load_imagenet_labels().ilsvrc2012, on_missing="drop")
LabelMapDisplay.from_embedder(table.embedder, thousand, wordnet)

# %%
# Words with several senses stray: a vector belongs to a term, not to a synset, and lies where most
# of the term's uses do.
