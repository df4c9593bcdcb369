"""
Quick start: classify photos with new labels
============================================

We train an image classifier on some labels, and then ask it for others.

The example runs offline in about a minute. It uses bundled data: image features of Caltech-101 and
ImageNet photos, word vectors trained on books and Wikipedia, and the nouns of WordNet. At the end,
it classifies photos with a small network and writes the picture quickstart.png.
"""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from skdevise import DeViSEClassifier, Hierarchy, VisualFeaturizer, datasets
from skdevise.inspection import TopKDisplay
from skdevise.metrics import HitAtK, hierarchical_precision_at_k, hit_at_k
from skdevise.model_selection import UnseenClassSplit
from skdevise.models import predict_top_k


def step(message):
    """Print a heading."""
    print(f"\n{message}", flush=True)


# %%
# Load word vectors and image features
# ------------------------------------
#
# The embedder has a vector for each term. A label without a vector would raise an error, so we keep
# the labels that have one.

step("Loading term vectors and photo features ...")
embedder = datasets.load_term_vectors().embedder
caltech = datasets.load_caltech101_features()
names = caltech.target_names
has_vector = embedder.has_vector(names)
seen_names = names[has_vector & (caltech.split == "seen")]
unseen_names = names[has_vector & (caltech.split == "unseen")]
print(f"{len(names)} classes; without a vector: {', '.join(names[~has_vector])}")

is_seen = np.isin(caltech.target, seen_names)
X_train, X_test, y_train, y_test = train_test_split(
    caltech.data[is_seen], caltech.target[is_seen], stratify=caltech.target[is_seen], random_state=0
)
is_unseen = np.isin(caltech.target, unseen_names)
X_unseen, y_unseen = caltech.data[is_unseen], caltech.target[is_unseen]

# %%
# Seen classes
# ------------
#
# We compare DeViSE with two baselines: a softmax classifier, which does not use language, and
# DeViSE with random vectors. hit@k is the share of photos whose true label is among the first k
# answers. hp@k also rewards answers that are close to the true label in WordNet. The table shows
# percentages.

step(f"Training on {len(X_train)} photos of {len(seen_names)} seen classes ...")
models = {
    "softmax": LogisticRegression(max_iter=300),
    "random vectors": DeViSEClassifier(random_state=0),
    "DeViSE": DeViSEClassifier(embedder, random_state=0),
}
synsets = dict(zip(names, caltech.synsets, strict=True))
hierarchy = Hierarchy.wordnet().rename({synsets[name]: name for name in seen_names})

print(f"{'seen classes':>15}   hit@1     2     5    10    hp@2     5    10")
for name, model in models.items():
    models[name] = Pipeline([("features", Normalizer()), ("devise", model)]).fit(X_train, y_train)
    top = predict_top_k(models[name], X_test, k=10)
    scores = [100 * hit_at_k(y_test, top, k) for k in (1, 2, 5, 10)]
    scores += [
        100 * hierarchical_precision_at_k(y_test, top, k, hierarchy, seen_names) for k in (2, 5, 10)
    ]
    print(f"{name:>15} " + " ".join(f"{score:6.1f}" for score in scores), flush=True)

# %%
# For seen classes, the softmax classifier is slightly better at hit@1. DeViSE also knows from the
# text which classes are similar, so its ten answers are closer to the true label (hp@10).
#
# Unseen classes
# --------------
#
# We pass new candidates to ``predict_top_k``, and nothing is retrained. Neither the projection nor
# the network has seen any of these classes. A projection that was trained on 34 classes is poor.
# One that was trained on one photo of each ImageNet class is much better.

step(f"Asking for {len(unseen_names)} unseen classes ...")
imagenet = datasets.load_imagenet_features()
known = embedder.has_vector(imagenet.target_names)
pipe = Pipeline(
    [("features", Normalizer()), ("devise", DeViSEClassifier(embedder, random_state=0))]
)
pipe.fit(imagenet.data[known], np.asarray(imagenet.target_names)[known])

ks = (1, 2, 5, 10)
print(f"{'unseen classes':>32}   hit@1     2     5    10")
for name, model in {"34 Caltech classes": models["DeViSE"], "ImageNet classes": pipe}.items():
    top = predict_top_k(model, X_unseen, k=10, labels=unseen_names)
    scores = [hit_at_k(y_unseen, top, k) for k in ks]
    print(f"{'trained on ' + name:>32} " + " ".join(f"{100 * score:6.1f}" for score in scores))
print(f"{'chance':>32} " + " ".join(f"{100 * k / len(unseen_names):6.1f}" for k in ks))

# %%
# ``predict`` of a Pipeline takes ``labels`` too. We take a few photos, with their labels as the
# only candidates, and print the true label and the answer:

sample = slice(None, None, 300)
candidates = np.unique(y_unseen[sample])
answers = pipe.predict(X_unseen[sample], labels=candidates)
for truth, answer in zip(y_unseen[sample], answers, strict=True):
    print(f"{truth:>20}: {answer}")

# %%
# Choose the margin
# -----------------
#
# The test classes of each fold do not occur in its training part. The search therefore chooses the
# margin that works best for labels that the projection has not seen. The network has seen some of
# them, so do not report these numbers as zero-shot results.

step("Searching for the best margin on unseen classes ...")
search = GridSearchCV(
    pipe,
    {"devise__margin": [0.03, 0.1, 0.3]},
    scoring=HitAtK(k=5, labels="test"),
    cv=UnseenClassSplit(n_splits=3, test_size=0.2, random_state=0),
    verbose=1,
).fit(caltech.data[is_seen | is_unseen], caltech.target[is_seen | is_unseen])
for margin, score in zip(
    search.cv_results_["param_devise__margin"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"margin {margin:4}: hit@5 {100 * score:.1f} among the classes of the fold")

# %%
# Classify photos
# ---------------
#
# The featurizer computes features of photos with a network that was trained on ImageNet. We use the
# projection from above. We ask twice: the candidates are first the true labels of all eight photos,
# and then labels that are only similar, such as "leopard" for a cat. Not all answers are right.

step("Classifying photos with two sets of labels ...")
import skimage  # noqa: E402

folder = Path(skimage.__file__).parent / "data"
files = """chelsea.png coffee.png rocket.jpg astronaut.png
           coins.png motorcycle_left.png horse.png camera.png"""
photos = [folder / name for name in files.split()]
featurizer = VisualFeaturizer("efficientnet_lite0").fit(photos)
features = featurizer.transform(photos)

label_sets = {
    "true labels": "cat coffee rocket astronaut coin motorcycle horse camera".split(),
    "similar labels": "leopard tea aircraft soldier jewelry bicycle donkey telescope".split(),
}
answers = {
    name: predict_top_k(pipe, features, k=5, labels=labels) for name, labels in label_sets.items()
}
for photo, *best in zip(photos, *answers.values(), strict=True):
    print(f"{photo.name:>20}: {best[0][0]:<12} {best[1][0]}")

figure = TopKDisplay(photos, answers).plot(n_columns=4).figure_
figure.savefig("quickstart.png", dpi=120)
print("\nWrote quickstart.png: the photos with their five best labels of each set.")
