"""
Features and a grid search on a cluster
=======================================

Dask spreads work over the cores of a laptop or the machines of a cluster. We compute the features
of photos in parts, and search the best margin on the same workers. The code for a large cluster
differs only in the line that starts it (:doc:`/guide/cluster`).
"""

# %%
# Start the workers
# -----------------
#
# The workers are threads here, because threads start fast. On a real cluster they are processes.

import time

import dask
import joblib
import matplotlib.pyplot as plt
import numpy as np
from dask import bag
from dask.distributed import Client, get_worker
from sklearn.model_selection import GridSearchCV

from skdevise import DeViSEClassifier, VisualFeaturizer, datasets
from skdevise.distributed import scattered
from skdevise.metrics import HitAtK
from skdevise.model_selection import UnseenClassSplit

client = Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0")

# %%
# Compute features in parts
# -------------------------
#
# The photos show 42 coloured shapes. ``dask.delayed`` makes the featurizer a task, so each worker
# receives it once. Dask calls ``compute`` for each part of the photos, and returns the results in
# their order. We also note the worker, the start and the end of each part.

shapes = datasets.make_shapes(126, random_state=0)
featurizer = VisualFeaturizer("efficientnet_lite0", batch_size=6, engine="torch", device="cpu")
shared = dask.delayed(featurizer.fit(shapes.images)).persist()


def compute(photos, featurizer):
    start = time.perf_counter()
    features = featurizer.transform(list(photos))
    return [(features, get_worker().name, start, time.perf_counter())]


photos = bag.from_sequence(list(shapes.images), partition_size=6)
parts = photos.map_partitions(compute, shared).compute()
X = np.concatenate([features for features, *_ in parts])
print(f"{len(parts)} parts, features of shape {X.shape}")

# %%
# Search on the same workers
# --------------------------
#
# The search measures hit@1 on labels that are not in the training data. ``scattered`` sends the
# word vectors to each worker once, instead of once for each of the 20 fits.

embedder = datasets.load_term_vectors().embedder
search = GridSearchCV(
    DeViSEClassifier(embedder, max_epochs=10, random_state=0, device="cpu"),
    {"margin": [0.03, 0.1, 0.3, 1.0, 3.0]},
    cv=UnseenClassSplit(n_splits=4, test_size=12, random_state=0),
    scoring=HitAtK(k=1, labels="test"),
    refit=False,
)
with scattered(embedder, client=client), joblib.parallel_config("dask"):
    search.fit(X, shapes.target)

# %%
# Who did what
# ------------
#
# On the left, each bar is a numbered part of the photos. A worker that is done takes the next part,
# so both are busy until the end. On the right, the line is the mean over the four splits, and the
# band covers one standard deviation.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3), width_ratios=(2, 1), layout="constrained"
)
begin = min(first for _, _, first, _ in parts)
for number, (_, worker, first, last) in enumerate(parts):
    left.barh(worker, last - first, left=first - begin, edgecolor="white", color=f"C{worker}")
    middle = (first + last) / 2 - begin
    left.text(middle, worker, number, ha="center", va="center", fontsize=8)
left.set(yticks=[0, 1], yticklabels=["worker 0", "worker 1"], xlabel="seconds")
left.set_title("Parts of the photos, by worker")
margins = search.cv_results_["param_margin"].astype(float)
mean, std = (search.cv_results_[f"{name}_test_score"] for name in ("mean", "std"))
right.fill_between(margins, mean - std, mean + std, alpha=0.2)
right.plot(margins, mean, marker="o")
right.axhline(1 / 12, color="grey", linestyle="--")
right.text(margins[0], 1 / 12, "chance", va="bottom", color="grey")
right.set(xscale="log", ylim=(0, None), xlabel="margin", ylabel="hit@1 of 12 unseen labels")
right.set_xticks(margins, [f"{margin:g}" for margin in margins])
right.minorticks_off()
plt.show()

# %%
# The results are those of a search without a cluster.

client.close()
