"""
===================================
Train every part from scratch
===================================

This example trains all parts of DeViSE: word vectors on text, a network on photos, and a projection
between them. It then recognises labels that no training photo showed.
:func:`~skdevise.datasets.make_shapes` draws photos of 42 labels ("red circle": 6 colours times 7
shapes) and writes a text about them, so each step takes seconds.
"""

# %%
# Hold out six labels
# -------------------
#
# Six labels are unseen. Training photos show their colours and their shapes, but not these
# combinations. Each colour and each shape occurs twice among the six labels, so a classifier must
# recognise both.

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
print(f"{len(y_train)} training photos, {len(y_test)} test photos; one line of the text:")
print(shapes.corpus[0])

# %%
# Train word vectors
# ------------------
#
# ``terms`` makes "red circle" one token. The text mentions the unseen labels like all others.
# Unseen means that no training *photo* shows them.

embedder = SkipGramEmbedder(
    vector_size=32, window=5, max_epochs=5, terms=list(shapes.target_names), random_state=0
)
embedder.fit(shapes.corpus)

# %%
# The neighbours of an unseen label are related to its colour or its shape:

print([term for term, _ in embedder.most_similar("green star", k=6)])

# %%
# Train the network
# -----------------
#
# We train a small network with a softmax layer on the seen labels. The featurizer then removes
# the softmax layer.


def small_net():
    """Make a network of three convolutions. Its last layer is the softmax layer."""
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
# Train the projection
# --------------------
#
# ``hit@k`` is the share of photos whose label is among the k best answers. The candidates are first
# the six unseen labels, and then all 42.

clf = DeViSEClassifier(embedder, random_state=0).fit(features, y_train)

X = featurizer.transform(X_test)
for k, labels, n_labels in ((1, "test", 6), (1, "all", 42), (5, "all", 42)):
    hit = HitAtK(k=k, labels=labels)(clf, X, y_test)
    print(f"hit@{k} among {n_labels:2} labels: {hit:.2f} (chance {k / n_labels:.2f})")

# %%
# Compare with the softmax layer
# ------------------------------
#
# The softmax layer can only return seen labels, so it names labels of the same colour or shape.
# DeViSE chooses among all 42 labels. Correct answers are green.

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
