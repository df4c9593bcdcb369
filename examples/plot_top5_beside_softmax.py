"""
==============================================
Compare zero-shot answers with a softmax layer
==============================================

We classify the same photos in three ways, as in figure 2 of the DeViSE paper. The softmax layer of
a network can only return its 1,000 training classes. DeViSE and the ready classifier choose from a
list of names that we write down.
"""

# %%
# Photos and candidate labels
# ---------------------------

import numpy as np
from skimage import data

from skdevise import DeViSEClassifier, datasets, load_zero_shot_classifier
from skdevise.inspection import TopKDisplay
from skdevise.models import predict_top_k

photos = {
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
    "motorcycle": data.stereo_motorcycle()[0],
    "astronaut": data.astronaut(),
    "camera": data.camera(),
    "horse": data.horse().astype(np.uint8) * 255,
    "moon": data.moon(),
}
images = list(photos.values())

# %%
# The candidates are the true names and the unseen labels of Caltech-101. None of them is a training
# class of the network.

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
others = caltech.target_names[
    (caltech.split == "unseen") & embedder.has_vector(caltech.target_names)
]
candidates = list(dict.fromkeys([*photos, *others]))
print(len(candidates), "candidates")

# %%
# Predict
# -------
#
# The ready classifier contains the network. ``visual_`` computes the features of photos, and its
# ``predict`` gives the answers of the softmax layer.
# :func:`~skdevise.models.predict_top_k` ranks these answers.

classifier = load_zero_shot_classifier()
features = classifier.visual_.transform(images)
softmax = predict_top_k(classifier.visual_, images, k=5)
ready = classifier.predict_top_k(features, k=5, labels=candidates)

# %%
# DeViSE learns a projection of the same features into the space of the word vectors. We train it on
# one photo of each ImageNet label that has a word vector.

imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)
devise_classifier = DeViSEClassifier(embedder, random_state=0)
devise_classifier.fit(imagenet.data[known], imagenet.target_names[known])
devise = devise_classifier.predict_top_k(features, k=5, labels=candidates)

names = list(photos)
for title, top in {"softmax": softmax, "DeViSE": devise, "ready": ready}.items():
    first = np.array(names) == top[:, 0]
    print(f"{title:>8}: {first.sum()} of {len(names)} first answers are right")

# %%
# The true name is above each photo. An answer is green if it is this name.

answers = {"softmax": softmax, "DeViSE": devise, "ready": ready}
TopKDisplay(images, answers, y_true=names).plot(n_columns=4)

# %%
# No answer of the softmax layer is green, because none of the true names is one of its 1,000
# classes. Its first answers are still sensible where it knows a similar class: "tiger cat",
# "espresso", "missile", "moped".
#
# The ready classifier is wrong about the astronaut, the camera and the moon. No training class of
# the network looks like an astronaut or the moon. The photo of the camera mostly shows a man, and
# "camera" is the fifth answer.
