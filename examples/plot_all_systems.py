"""
======================================
All zero-shot classifiers side by side
======================================

This example compares the classifiers of skdevise that predict unseen labels. They learn from one
photo of each ImageNet label that has a word vector. Then they classify photos of Caltech-101, with
labels that the network was not trained on.
"""

# %%
# Photos
# ------
#
# The features of the photos are bundled. The training labels are WordNet ids, so that all
# classifiers can use them.

from time import process_time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    ESZSLClassifier,
    Hierarchy,
    LabelVocabulary,
    NearestClassMeanClassifier,
    NoveltySwitchClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
    VisualFeaturizer,
    datasets,
)
from skdevise.metrics import hit_at_k

embedder = datasets.load_term_vectors().embedder
imagenet = datasets.load_imagenet_features()
caltech = datasets.load_caltech101_features()
coverage = LabelVocabulary(imagenet.target).coverage(embedder)
known = ~np.isin(imagenet.target, coverage.missing)
X, y = imagenet.data[known], imagenet.target[known]

usable = (caltech.split == "unseen") & (caltech.synsets != "")
usable &= embedder.has_vector(caltech.target_names)
usable &= caltech.target_names != "snoopy"  # No ImageNet label is near it in WordNet.
names, synsets = caltech.target_names[usable], caltech.synsets[usable]
test = np.isin(caltech.target, names)
X_test, y_test = caltech.data[test], caltech.target[test]
y_test = pd.Series(y_test).map(dict(zip(names, synsets, strict=True))).to_numpy(dtype=str)
candidates = LabelVocabulary(synsets, terms=[[name] for name in names])
print(f"{len(y)} training photos, {len(y_test)} test photos of {len(names)} unseen labels")

# %%
# Classifiers
# -----------
#
# Three classifiers start from a classifier of the training labels. The network has one already: its
# softmax layer. Each classifier has its default settings.

network = VisualFeaturizer("efficientnet_lite0").fit(np.zeros((1, 8, 8, 3), np.uint8))
rows = np.isin(network.synsets_, y)
layer = LogisticRegression()
layer.classes_ = network.synsets_[rows]
layer.coef_, layer.intercept_ = network.softmax_coef_[rows], network.softmax_intercept_[rows]
softmax, wordnet = FrozenEstimator(layer), Hierarchy.wordnet()

word_vectors = {
    "DeViSE": DeViSEClassifier(embedder, random_state=0),
    "DeViSE, all negatives": DeViSEClassifier(embedder, negatives="all", random_state=0),
    "ridge regression": RidgeProjectionClassifier(embedder),
    "ESZSL": ESZSLClassifier(embedder),
    "novelty switch": NoveltySwitchClassifier(softmax, embedder),
    "ConSE": ConSEClassifier(softmax, embedder),
    "direct similarity": DirectSimilarityClassifier(softmax, embedder),
    "weight regression": ClassifierWeightRegressor(softmax, embedder),
}
with_wordnet = {
    "nearest class mean": NearestClassMeanClassifier(wordnet, random_state=0),
    "weight regression + WordNet": ClassifierWeightRegressor(softmax, embedder, hierarchy=wordnet),
}
no_knowledge = {"random vectors": DeViSEClassifier(RandomEmbedder(), random_state=0)}

# %%
# Train and test
# --------------
#
# hit@k is the share of photos whose true label is among the k best answers.

kinds = {
    "word vectors": word_vectors,
    "WordNet, with or without word vectors": with_wordnet,
    "no knowledge of labels": no_knowledge,
}
results = []
for kind, classifiers in kinds.items():
    for name, clf in classifiers.items():
        start = process_time()
        top = clf.fit(X, y).predict_top_k(X_test, k=5, labels=candidates)
        seconds = process_time() - start
        results.append((name, kind, hit_at_k(y_test, top, 1), hit_at_k(y_test, top, 5), seconds))
table = pd.DataFrame(results, columns=["classifier", "kind", "hit@1", "hit@5", "seconds"])
table = table.sort_values("hit@5").set_index("classifier")
print(table.iloc[::-1].drop(columns="kind").round(3))

# %%
# Draw
# ----

styles = dict(zip(kinds, ("o", "s", "X"), strict=True))
fig, axes = plt.subplots(1, 2, figsize=(9, 4.8), sharey=True, layout="constrained")
for ax, k in zip(axes, (1, 5), strict=True):
    for kind, marker in styles.items():
        part = table[f"hit@{k}"].where(table["kind"] == kind)
        ax.plot(part, table.index, marker, markersize=8, label=kind)
    ax.axvline(k / len(names), color="0.5", linestyle=":", label="chance")
    ax.set(title=f"hit@{k} among {len(names)} unseen labels", xlim=(0, None))
    ax.grid(axis="y", alpha=0.3)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# The two classifiers with squares know WordNet. The one with a cross knows nothing about the
# meaning of labels, so it is close to chance. The order can change with more photos and better word
# vectors: :doc:`/guide/paper` has such tables.
