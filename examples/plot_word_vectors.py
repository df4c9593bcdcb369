"""
=================================
Train word vectors and watch them
=================================

Word vectors can be trained on a small text, such as the texts of one course. We train them on
definitions of WordNet for 1 and for 16 epochs, and watch labels of one kind move together.
"""

# %%
# The text
# --------
#
# Each document is the definition of a noun. We take every fourth, so that training takes seconds.

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from skdevise import SkipGramEmbedder, datasets
from skdevise.inspection import LabelMapDisplay

text = datasets.load_wordnet_nouns().definitions[::4]
print(f"{len(text)} documents, {sum(len(document.split()) for document in text)} words")
print("for example:", text[1])

# %%
# Labels of four kinds
# --------------------

groups = {
    "animal": "dog cat horse fish bird insect snake".split(),
    "food": "bread cheese meat sugar milk soup fruit".split(),
    "music": "piano guitar song drum singer violin melody".split(),
    "vehicle": "car ship train aircraft boat truck wagon".split(),
}
kinds = {label: kind for kind, labels in groups.items() for label in labels}

# %%
# Train
# -----
#
# The defaults are those of the DeViSE paper, for billions of words: one epoch and 500 dimensions. A
# small text needs more epochs, a smaller window and fewer dimensions.

embedders = {
    n_epochs: SkipGramEmbedder(vector_size=50, window=10, max_epochs=n_epochs, random_state=0)
    for n_epochs in (1, 16)
}
for n_epochs, embedder in embedders.items():
    embedder.fit(text)
    neighbours = [term for term, _ in embedder.vectors_.most_similar("piano", k=5)]
    print(f"epochs: {n_epochs:2}, next to piano: {', '.join(neighbours)}")

# %%
# Watch
# -----
#
# Both maps use the same two axes, the principal components of the vectors after 16 epochs. That map
# is drawn first, because it needs more room. The silhouette score measures in all 50 dimensions how
# well the kinds are separated. 1 is perfect, and 0 means that they are mixed.

last = embedders[16]
labels = [label for label in kinds if last.has_vector([label])[0]]
plane = PCA(2).fit(last.transform(labels))
fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained", sharex=True, sharey=True)
for ax, (n_epochs, embedder) in list(zip(axes, embedders.items(), strict=True))[::-1]:
    vectors = embedder.transform(labels)
    score = silhouette_score(vectors, [kinds[label] for label in labels], metric="cosine")
    LabelMapDisplay(plane.transform(vectors), labels, kinds).plot(ax=ax)
    ax.set_title(f"epochs: {n_epochs}, silhouette: {score:.2f}")
    if ax is not axes[-1]:
        ax.get_legend().remove()
plt.show()

# %%
# After one epoch, the kinds are mixed, and the neighbours of "piano" make no sense. After 16
# epochs, the kinds are apart, and its neighbours have to do with music. A label that is used in
# several ways, such as "horse", can be between two kinds.
