"""
============================
Exact and approximate search
============================

A prediction searches for the labels nearest to a photo. With very many labels, an approximate index
can be faster than a comparison with all of them. It can miss labels, and building it takes time. We
measure all three for a growing number of labels.
"""

# %%
# Labels and photos
# -----------------
#
# The labels are the most frequent terms of the bundled word vectors. A ridge regression projects
# photos of Caltech-101 into the space of the labels.

from time import process_time

import matplotlib.pyplot as plt
import pandas as pd

from skdevise import LabelSpace, RidgeProjectionClassifier, datasets

table = datasets.load_term_vectors()
caltech = datasets.load_caltech101_features()
known = table.embedder.has_vector(caltech.target)
clf = RidgeProjectionClassifier(table.embedder)
points = clf.fit(caltech.data[known], caltech.target[known]).transform(caltech.data[::8])

# %%
# Measure
# -------
#
# The extra ``ann`` installs faiss, which has two kinds of approximate indexes. "hnsw" walks through
# a graph of neighbours, and "lsh" compares short codes. ``recall`` is the share of the 10 nearest
# terms that an index finds. The speed is the time of the exact search divided by the time of the
# index, so it depends little on the machine.


def processor_time(function, n_repeats=1):
    """Return the result of a function, and the shortest processor time in seconds."""
    times = []
    for _ in range(n_repeats):
        start = process_time()
        result = function()
        times.append(process_time() - start)
    return result, min(times)


def make_space(n_labels, search):
    """Build the space of the most frequent terms, with its index."""
    space = LabelSpace(table.terms[:n_labels], table.embedder, search=search)
    space.top_k(points[:1], 10)  # The first search builds the index.
    return space


rows = []
for n_labels in (1_000, 3_000, 9_000, len(table.terms)):
    for search in ("exact", "hnsw", "lsh"):
        space, build = processor_time(lambda: make_space(n_labels, search))  # noqa: B023
        _, seconds = processor_time(lambda: space.top_k(points, 10), n_repeats=5)  # noqa: B023
        recall = 1.0 if search == "exact" else space.recall(points, 10)
        rows.append((search, n_labels, recall, seconds, build))
measured = pd.DataFrame(rows, columns=["search", "labels", "recall", "seconds", "build"])
exact = measured[measured["search"] == "exact"].set_index("labels")["seconds"]
measured["speed"] = measured["labels"].map(exact) / measured["seconds"]
print(measured.drop(columns="seconds").round(3).to_string(index=False))

# %%
# Draw
# ----

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
titles = {"speed": "Speed (exact search = 1)", "build": "Processor seconds to build the space"}
for ax, (column, title) in zip(axes, titles.items(), strict=True):
    for marker, (search, part) in zip("os^", measured.groupby("search"), strict=True):
        label = f"{search} (recall {part['recall'].iloc[-1]:.3f})"
        ax.plot(part["labels"], part[column], marker=marker, label=label)
    ax.set(xscale="log", xlabel="Labels", title=title)
    ax.set_ylim(bottom=0)
axes[0].legend()
plt.show()

# %%
# The recall in the legend is that of the largest number of labels. An index pays if its curve is
# above 1 on the left. With these numbers of labels none is, so the exact search is the best choice.
# The curves rise with the number of labels. ``search="auto"``, the default, uses the exact search
# below 200,000 terms, and "hnsw" from there on. :doc:`/benchmarks` has figures for more labels.
