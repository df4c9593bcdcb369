"""
===================================
The whole chain, from nothing
===================================

Text to term vectors, photos to features, features to the space of words, and answers with labels
that no photo showed in training. :func:`~skdevise.datasets.make_shapes` draws a world of 42 labels
("red circle": 6 colours times 7 shapes) and writes a text that speaks of them, so that each step
runs in seconds, without weights or vectors that somebody else trained.
"""

# %%
# Photos, text, and what is held out
# ----------------------------------
#
# Six labels are unseen. Their colours and their shapes are seen, but not these pairs of them; and
# as each colour and each shape occurs twice among the six, neither alone gives the answer.

import matplotlib.pyplot as plt
import numpy as np
from torch import nn

from skdevise import DeViSEClassifier, SkipGramEmbedder, VisualFeaturizer
from skdevise.datasets import make_shapes
from skdevise.inspection import TopKDisplay
from skdevise.metrics import HitAtK
from skdevise.models import predict_top_k

shapes = make_shapes(1260, random_state=0)
unseen = ["blue square", "blue star", "green ring", "green star", "red ring", "red square"]
is_unseen = np.isin(shapes.target, unseen)
X_train, y_train = shapes.images[~is_unseen], shapes.target[~is_unseen]
X_test, y_test = shapes.images[is_unseen], shapes.target[is_unseen]
print(f"{len(y_train)} photos to train, {len(y_test)} to test; a line of the text:")
print(shapes.corpus[0])

# %%
# Terms to vectors
# ----------------
#
# ``terms`` makes "red circle" one unit of the text. The unseen names occur in the text like all
# others: unseen means that no *photo* of them is trained on.

embedder = SkipGramEmbedder(
    vector_size=32, window=5, max_epochs=5, terms=list(shapes.target_names), random_state=0
)
embedder.fit(shapes.corpus)
print([term for term, _ in embedder.most_similar("red star", k=6)])

# %%
# Photos to features
# ------------------
#
# A small net, pre-trained with a softmax layer on the seen labels. Its last layer is cut off.


def small_net():
    """Three convolutions, pooled; the last layer is the softmax layer."""
    layers = []
    for n_in, n_out in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    layers[-1] = nn.AdaptiveMaxPool2d(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 36))


featurizer = VisualFeaturizer(
    small_net, weights=None, image_size=32, batch_size=64, max_epochs=10, lr=0.05, random_state=0
)
featurizer.fit(X_train, y_train)
features = featurizer.transform(X_train)
print("features:", features.shape)

# %%
# Features to labels
# ------------------

clf = DeViSEClassifier(embedder, random_state=0).fit(features, y_train)

X = featurizer.transform(X_test)
scores = {
    "hit@1, 6 unseen": (HitAtK(k=1, labels="test")(clf, X, y_test), 1 / 6),
    "hit@1, all 42": (HitAtK(k=1, labels="all")(clf, X, y_test), 1 / 42),
    "hit@5, all 42": (HitAtK(k=5, labels="all")(clf, X, y_test), 5 / 42),
}
for name, (score, chance) in scores.items():
    print(f"{name:16} {score:.2f} (chance {chance:.2f})")

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
y_pos = np.arange(len(scores))[::-1]
bars = ax.barh(y_pos, [score for score, _ in scores.values()], height=0.55)
ax.bar_label(bars, fmt="{:.2f}", padding=3)
ax.scatter(
    [chance for _, chance in scores.values()], y_pos, marker="|", s=500, color="k", label="chance"
)
ax.set_yticks(y_pos, list(scores))
ax.set(xlim=(0, 1.08), xlabel="share of photos of unseen labels")
ax.legend(frameon=False, loc="center right", markerscale=0.5)
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Beside the softmax layer
# ------------------------
#
# The softmax layer names something seen that looks alike. DeViSE chooses among all 42 labels.

first = [np.flatnonzero(y_test == label)[0] for label in unseen]
photos = X_test[first]
display = TopKDisplay(
    photos,
    {
        "softmax": predict_top_k(featurizer, photos, k=4),
        "DeViSE": clf.predict_top_k(X[first], k=4, labels=shapes.target_names),
    },
    y_true=y_test[first],
)
display.plot(n_columns=3)

# sphinx_gallery_thumbnail_number = 2
