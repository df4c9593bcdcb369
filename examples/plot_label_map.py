"""
======================
Draw the label space
======================

t-SNE places the word vectors of labels in the plane, so that neighbours stay neighbours, as in
figure 1b of the DeViSE paper. The vectors come from text only. The colours come from WordNet only.
If labels of one colour stay together, text and WordNet agree.
"""

# %%
# Labels of eight groups
# ----------------------
#
# A synset is a group of words with one meaning, and WordNet connects it to broader synsets, its
# ancestors. A label belongs to a group if the synset of the group is one of its ancestors. From
# each group we take the ImageNet labels that are most frequent in the text, at most eleven.

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
rank = {term: i for i, term in enumerate(table.terms)}  # the most frequent term has rank 0

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
#
# At most 60 points are named.

names = list(groups)
display = LabelMapDisplay.from_embedder(table.embedder, names, groups, perplexity=12)
display.ax_.set_title("Labels by the text they occur in, colours by WordNet")

# %%
# Food and musical instruments form groups of their own. Some words are far from their group,
# because they have several senses: "crane" and "kite" are birds in WordNet, but lie near the
# vehicles. A vector belongs to a term, not to a synset, and it follows the most frequent use of the
# term.
#
# The plane shows neighbours, but it distorts distances. The silhouette score measures in the
# original space how well the groups are separated: 1 is perfect. Groups that ignore the vectors
# have a score of 0 or below, as the shuffled ones show.

vectors, group_names = table.embedder.transform(names), list(groups.values())
shuffled = np.random.default_rng(0).permutation(group_names)
print(f"silhouette of the groups     {silhouette_score(vectors, group_names, metric='cosine'):.3f}")
print(f"silhouette, shuffled groups  {silhouette_score(vectors, shuffled, metric='cosine'):.3f}")

# %%
# The thousand labels of ILSVRC-2012
# ----------------------------------
#
# If you pass a hierarchy, the display finds groups: the hypernyms (broader terms) that contain the
# most labels, except very general ones. ``coverage`` finds the labels without a vector, which we
# leave out.

ids = datasets.load_imagenet_labels().ilsvrc2012
missing = set(LabelVocabulary(ids).coverage(table.embedder).missing)
print(f"{len(missing)} of {len(ids)} labels have no vector")
thousand = LabelVocabulary([label for label in ids if label not in missing])
display = LabelMapDisplay.from_embedder(table.embedder, thousand, wordnet)
display.ax_.set_title("The labels of ILSVRC-2012, in groups that the display found")
