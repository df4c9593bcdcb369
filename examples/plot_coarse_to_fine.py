"""
=================================
From coarse labels to fine labels
=================================

How detailed should an answer be? With a zero-shot classifier you choose this when you ask. We
classify the same photos three times: with coarse, medium and fine labels. Nothing is trained.
"""

# %%
# Three lists of labels
# ---------------------

from skimage import data

from skdevise import load_zero_shot_classifier
from skdevise.inspection import TopKDisplay

photos = {
    "a cat": data.chelsea(),
    "a cup of coffee": data.coffee(),
    "a motorcycle": data.stereo_motorcycle()[0],
    "a rocket": data.rocket(),
}
levels = {
    "coarse": ["animal", "food", "vehicle", "building", "clothing"],
    "medium": ["cat", "dog", "bird", "drink", "fruit", "motorcycle", "rocket", "car", "tower"],
    "fine": [
        *("tabby", "Siamese cat", "poodle", "beagle", "espresso", "green tea", "lemonade"),
        *("moped", "trail bike", "missile", "space shuttle", "airliner", "lighthouse"),
    ],
}

# %%
# Ask three times
# ---------------
#
# ``predict_top_k`` returns the best of the labels that we pass. Computing the features of a photo
# takes most of the time, so we compute them once. The figure shows the four best labels of each
# list.

classifier = load_zero_shot_classifier()
features = classifier.visual_.transform(list(photos.values()))
answers = {
    level: classifier.predict_top_k(features, k=4, labels=labels)
    for level, labels in levels.items()
}
TopKDisplay(list(photos.values()), answers, list(photos)).plot(n_columns=2)

# %%
# The medium and the fine answers fit all four photos, but the cat is not recognised as an animal.
# The classifier knows a label by the training labels that are similar to it. Some are similar to
# "tabby", but no photo looks like an animal in general.
#
# Derive the coarse answer
# ------------------------
#
# So ask for fine labels, and look up the coarse ones. WordNet, a dictionary, knows what each label
# is a kind of. Here we add up the probabilities of the 1,000 training labels by the coarse labels
# above them. The codes are WordNet's ids of the coarse labels.

from skdevise import Hierarchy

wordnet = Hierarchy.wordnet()
proba = classifier.predict_proba(features)
coarse = {"animal": "n00015388", "food": "n00021265", "vehicle": "n04524313"}
sums = {
    name: proba[:, [node in wordnet.ancestors(label) for label in classifier.classes_]].sum(axis=1)
    for name, node in coarse.items()
}
for i, photo in enumerate(photos):
    print(f"{photo:>15}: " + ", ".join(f"{name} {p[i]:.2f}" for name, p in sums.items()))

# %%
# All four coarse answers are now right. The three sums of a photo need not add up to 1: the rest
# belongs to labels of other kinds.
