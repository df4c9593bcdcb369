"""
=========================
Fine-tuning in two stages
=========================

DeViSE trains in two stages. Stage 1 trains the projection, and the visual network does not change.
Stage 2 trains both together. We look at the curves of both stages, and at what stage 2 gains.
"""

# %%
# A network with poor features
# ----------------------------
#
# :func:`~skdevise.datasets.make_shapes` draws photos of 42 labels, such as "red circle". Six labels
# are unseen. We train a small network for two epochs only. Its features are therefore poor, and
# stage 2 has something to improve.
#
# We searched for settings with which stage 2 helps much. Expect less with your own photos, and
# search too (:doc:`/guide/fine_tuning`). The photos of the test below took no part in our search.

import numpy as np
from sklearn.frozen import FrozenEstimator
from torch import nn

from skdevise import DeViSEClassifier, SkipGramEmbedder, VisualFeaturizer
from skdevise.datasets import make_shapes
from skdevise.inspection import TopKDisplay, TrainingCurveDisplay

shapes = make_shapes(945, random_state=0)
unseen = ["blue square", "blue star", "green ring", "green star", "red ring", "red square"]
train = ~np.isin(shapes.target, unseen)
X, y = shapes.images[train], shapes.target[train]


def small_net():
    """Make a network of three convolutions. Its last layer is the softmax layer."""
    layers = []
    for n_in, n_out in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    layers[-1] = nn.AdaptiveMaxPool2d(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 36))


featurizer = VisualFeaturizer(
    small_net, weights=None, image_size=32, batch_size=64, max_epochs=2, lr=0.05, random_state=0
)
featurizer.fit(X, y)

# %%
# Train the two stages
# --------------------
#
# The word vectors come from a text about the shapes. ``FrozenEstimator`` says that the featurizer
# is fitted already. Stage 2 trains a copy of it. ``early_stopping`` holds out a tenth of the
# photos, measures hit@1 on them after each epoch, and keeps the best weights of each stage.

embedder = SkipGramEmbedder(
    vector_size=32, window=5, max_epochs=5, terms=list(shapes.target_names), random_state=0
).fit(shapes.corpus)
settings = {"batch_size": 64, "early_stopping": True, "n_iter_no_change": 20, "random_state": 0}
frozen = FrozenEstimator(featurizer)
one_stage = DeViSEClassifier(embedder, frozen, max_epochs=20, **settings)
two_stages = DeViSEClassifier(
    embedder, frozen, max_epochs=8, finetune_epochs=12, finetune_lr=0.01, **settings
)
for clf in (one_stage, two_stages):
    clf.fit(X, y)

# %%
# The dotted line marks the beginning of stage 2, and rings mark the epochs whose weights are kept.
# The curves of stage 1 differ, because the automatic learning rate depends on ``max_epochs``.

display = TrainingCurveDisplay.from_estimator(two_stages, name="two stages")
TrainingCurveDisplay.from_estimator(one_stage, name="stage 1 only", axes=display.axes_)
display.figure_.suptitle("Training with and without stage 2")

# %%
# Compare
# -------

test = make_shapes(840, random_state=2)
candidates = {
    "new photos of seen labels": one_stage.classes_,
    "photos of unseen labels": unseen,
}
for name, labels in candidates.items():
    rows = np.isin(test.target, labels)
    photos, true = test.images[rows], test.target[rows]
    scores = [clf.score(photos, true, labels=labels) for clf in (one_stage, two_stages)]
    print(f"{name}: stage 1 only {scores[0]:.2f}, two stages {scores[1]:.2f}")

# %%
# Here is one photo of each unseen label, with the answers of both classifiers among these labels.

first = [np.flatnonzero(test.target == label)[0] for label in unseen]
photos = test.images[first]
answers = {
    "stage 1 only": one_stage.predict_top_k(photos, k=3, labels=unseen),
    "two stages": two_stages.predict_top_k(photos, k=3, labels=unseen),
}
TopKDisplay(photos, answers, y_true=unseen).plot(n_columns=3)

# %%
# Stage 1 improves little after a few epochs, because the features limit what a projection can do.
# Stage 2 changes the features. After a jump at its start, the loss falls, and hit@1 rises on seen
# and on unseen labels.
