"""
===========================
Train on a folder of photos
===========================

Many people keep photos in folders, with one folder for each label. We read such folders, train a
classifier on them, and look at its answers. Then we ask the same classifier for other names.
"""

# %%
# A folder of photos
# ------------------
#
# So that the example runs offline, we make a folder from photos of scikit-image: 12 square parts of
# each photo, cut at random. Skip this step for a folder of your own.

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from skimage import data

photos_of = {
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
    "motorcycle": data.stereo_motorcycle()[0],
    "coin": data.coins(),
    "grass": data.grass(),
    "brick": data.brick(),
    "galaxy": data.hubble_deep_field(),
}
root = TemporaryDirectory()
rng = np.random.default_rng(0)
for label, photo in photos_of.items():
    Path(root.name, label).mkdir()
    height, width = photo.shape[:2]
    size = int(0.6 * min(height, width))
    for i in range(12):
        top, left = rng.integers(height - size), rng.integers(width - size)
        part = Image.fromarray(photo[top : top + size, left : left + size])
        part.save(Path(root.name, label, f"{i}.jpg"))

# %%
# Read it
# -------
#
# ``load_image_folder`` lists the photos and their labels. It also reads archives. The photos stay
# in their files until they are needed.

from sklearn.model_selection import train_test_split

from skdevise import datasets

photos = datasets.load_image_folder(root.name)
print(photos.counts)

# %%
# We hold out a third of the photos as a test.

X_train, X_test, y_train, y_test = train_test_split(
    photos.data, photos.target, test_size=1 / 3, stratify=photos.target, random_state=0
)

# %%
# Train a classifier
# ------------------
#
# ``VisualFeaturizer`` turns photos into features with a network that was trained on ImageNet.
# ``ESZSLClassifier`` learns how the features and the word vectors of the labels belong together. It
# solves one equation, so it is fast and needs no tuning. :doc:`/guide/classifiers` compares it with
# others.

from sklearn.pipeline import make_pipeline

from skdevise import ESZSLClassifier, VisualFeaturizer

embedder = datasets.load_term_vectors().embedder
pipe = make_pipeline(VisualFeaturizer("efficientnet_lite0"), ESZSLClassifier(embedder))
pipe.fit(X_train, y_train)
print(f"accuracy on {len(y_test)} test photos: {pipe.score(X_test, y_test):.2f}")

# %%
# Look at the answers
# -------------------
#
# We show one test photo of each label. The second column has the answers of the same classifier
# among other names, which are not the names of the folders. Each of these has a word vector, so the
# classifier can find the nearest one. Nothing is trained again.

from skdevise.inspection import TopKDisplay
from skdevise.models import predict_top_k

other_names = "kitten drink missile bicycle money lawn wall star".split()
first = [np.flatnonzero(y_test == label)[0] for label in np.unique(y_test)]
answers = {
    "names of the folders": predict_top_k(pipe, X_test[first], k=3),
    "other names": predict_top_k(pipe, X_test[first], k=3, labels=other_names),
}
TopKDisplay(X_test[first], answers, y_test[first]).plot()
for label, top in zip(y_test[first], answers["other names"], strict=True):
    print(f"{label:>10}: {top[0]}")

# %%
# The name of the folder is above each photo. A correct answer has a tick. The photos of a real
# folder differ more than parts of one photo do, so expect a lower accuracy there.

root.cleanup()
