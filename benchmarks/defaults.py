"""Hit@1 of the default learning rate, compared with the best of a grid over lr and max_epochs.

python benchmarks/defaults.py glove-6b-100d-subset.bin

The grid is searched on one part of each setting with seed 0, and all figures are measured on the
other part. With one seed, the parts share no test photo. The parts of further seeds are drawn
afresh, so they share some photos with the first; this favours the grid, not the default.

"1 photo, unseen" trains on one photo of each class of
three quarters of Caltech-101, and predicts the classes of the last quarter among themselves. The
synthetic features are noisy copies of a centre per class. The losses and scalings below the hinge
settings have a grid of their own. "all" and "hardest" are the default with these `negatives`. The
hinge settings have a second grid with features that are not centred. "attributes" are 85 binary
numbers for each term, made from the file of vectors.

The last table compares the default with other rules, on the photos that choose the best of the
grid. A rule multiplies the automatic rate by a factor, and changes other parameters.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _common import print_machine, print_table
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from skorch.callbacks import Callback

from skdevise import (
    DeViSEClassifier,
    ESZSLClassifier,
    LabelVocabulary,
    PretrainedEmbedder,
    datasets,
)

LRS = np.array([0.0005, 0.001, 0.002, 0.004, 0.008, 0.016])
EPOCHS = (10, 30, 60)
L2 = {"feature_scaling": "l2"}
OLD = {"lr": 0.02, **L2}
SYNTHETIC = {  # classes, photos of each, features, noise, whether negative features become zero
    "10 classes x 5 photos, 2048 ReLU features, seen": (10, 5, 2048, 2.5, True),
    "100 classes x 20 photos, 64 features, seen": (100, 20, 64, 1.5, False),
    "100 classes x 20 photos, 64 ReLU features, seen": (100, 20, 64, 1.5, True),
}


class AverageWeights(Callback):
    """Average the projections after each epoch of the second half of the training."""

    def on_train_begin(self, net, **kwargs):
        self.weights = []

    def on_epoch_end(self, net, **kwargs):
        self.weights.append(net.module_.weight.detach().clone())

    def on_train_end(self, net, **kwargs):
        last = self.weights[len(self.weights) // 2 :]
        net.module_.weight.data.copy_(torch.stack(last).mean(dim=0))


# Other parameters on the setting of 5 photos, and the factor by which their grid is wider.
VARIANTS = {
    "warp": ({"loss": "warp"}, 1),
    "mse": ({"loss": "mse"}, 10),
    "cosine": ({"loss": "cosine"}, 10),
    "contrastive": ({"loss": "contrastive"}, 10),
    "l2 features": (L2, 1),
    "standard features": ({"feature_scaling": "standard"}, 0.1),
    "unscaled features": ({"feature_scaling": "none"}, 0.2),
}
# Other rules: factor of the automatic rate, and parameters.
RULES = {
    "default": (1, {}),
    "l2 features": (1, L2),
    "0.5 x rate": (0.5, {}),
    "2 x rate": (2, {}),
    "60 epochs": (1, {"max_epochs": 60}),
    "cosine schedule, 2 x rate": (2, {"lr_schedule": "cosine"}),
    "linear schedule, 2 x rate": (2, {"lr_schedule": "linear"}),
    "batches of 512": (1, {"batch_size": 512}),
    "weight decay": (1, {"optimizer": partial(torch.optim.Adagrad, weight_decay=1e-3)}),
    # The first steps then depend on the size of the gradient, and not only on its signs.
    "initial accumulator, 2 x rate": (
        2,
        {"optimizer": partial(torch.optim.Adagrad, initial_accumulator_value=1e-6)},
    ),
    "averaged weights, 1.2 x rate": (1.2, {"callbacks": [AverageWeights()]}),
    "stop on held-out classes": (1, {"early_stopping": True, "validation_split": "classes"}),
}
# A closed form has the same conflict between seen and unseen labels.
LABEL_ALPHAS = (0.1, 1.0, 10.0)


# hit@1 does not depend on the temperatures of `predict_proba`.
make_classifier = partial(DeViSEClassifier, calibrate=False)


class Record(Callback):
    """Record hit@1 on scaled features after some of the epochs."""

    def __init__(self, features, y, vectors, labels):
        self.features = features
        self.y = y
        self.vectors = vectors
        self.labels = labels
        self.scores = []

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) in EPOCHS:
            points = self.features @ net.module_.weight.numpy(force=True).T
            answers = self.labels[(points @ self.vectors.T).argmax(axis=1)]
            self.scores.append(np.mean(answers == self.y))


def make_attributes(embedder, n_attributes=85):
    """Make binary attributes, each of which 30 % of the terms have: PretrainedEmbedder."""
    vectors = embedder.transform(embedder.terms_)
    directions = np.random.default_rng(0).normal(size=(vectors.shape[1], n_attributes))
    heights = vectors @ directions
    attributes = heights > np.quantile(heights, 0.7, axis=0)
    return PretrainedEmbedder((embedder.terms_, attributes.astype(np.float32)))


def caltech(embedder, seed, is_report):
    """Yield settings of Caltech-101: name, X, y, X_test, y_test and candidate labels."""
    data = datasets.load_caltech101_features()
    rng = np.random.default_rng(seed)
    names = rng.permutation(data.target_names[embedder.has_vector(data.target_names)])
    order = rng.permutation(len(data.target))
    features, target = data.data[order], data.target[order]
    rank = np.empty(len(target), int)  # Position of a photo within its class.
    for name in data.target_names:
        rank[target == name] = np.arange((target == name).sum())
    folds = np.array_split(names, 4)
    for fold in folds[1:3] if is_report else folds[:1]:
        is_test = np.isin(target, fold)
        for n_photos, title in ((1, "1 photo"), (5, "5 photos"), (40, "all photos")):
            train = np.isin(target, np.setdiff1d(names, fold)) & (rank < n_photos)
            test = features[is_test], target[is_test], np.sort(fold)
            yield f"{title} a class, unseen", features[train], target[train], *test
    is_known = np.isin(target, names)
    for n_photos in (1, 5, 15):
        train, test = is_known & (rank < n_photos), is_known & (rank >= 15)
        test &= rank % 3 > 0 if is_report else rank % 3 == 0
        title = f"{n_photos} photo{'s' * (n_photos > 1)} a class, seen"
        yield title, features[train], target[train], features[test], target[test], np.sort(names)


def imagenet(embedder, seed, is_report):
    """Yield the setting that trains on ImageNet and predicts Caltech-101."""
    photos, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    missing = LabelVocabulary(photos.target).coverage(embedder).missing
    known = ~np.isin(photos.target, missing)
    labels = caltech.target_names[caltech.split == "unseen"]
    labels = np.random.default_rng(seed).permutation(labels[embedder.has_vector(labels)])
    half = len(labels) // 2
    test = np.isin(caltech.target, labels[half:] if is_report else labels[:half])
    X_test, y_test = caltech.data[test], caltech.target[test]
    yield (
        "ImageNet to Caltech, unseen",
        photos.data[known],
        photos.target[known],
        X_test,
        y_test,
        labels,
    )


def synthetic(embedder, seed, is_report):
    """Yield settings of synthetic features. The report has other centres."""
    rng = np.random.default_rng([seed, is_report])
    for title, (n_classes, n_photos, n_features, noise, is_relu) in SYNTHETIC.items():
        labels = np.sort(rng.choice(embedder.terms_[1000:20000], n_classes, replace=False))
        codes = np.repeat(np.arange(n_classes), n_photos + 20)
        X = rng.normal(size=(n_classes, n_features))[codes]
        X = (X + noise * rng.normal(size=X.shape)).astype(np.float32)
        X = np.maximum(X, 0) if is_relu else X
        train = np.tile(np.arange(n_photos + 20) < n_photos, n_classes)
        y = labels[codes]
        yield title, X[train], y[train], X[~train], y[~train], labels


def settings(embedder, seed, is_report):
    """Yield all settings: name, parameters, factor of the grid, and data."""
    varied = "5 photos a class, unseen"
    for source in (caltech, imagenet, synthetic):
        for title, *data in source(embedder, seed, is_report):
            yield title, {}, 1, data
            if title == varied:
                varied_data = data
    for name, (params, factor) in VARIANTS.items():
        yield f"{name}, {varied}", params, factor, varied_data


def search_grid(embedder, seed, params, factor, data):
    """Measure hit@1 for each learning rate and number of epochs: (n_rates, n_epochs)."""
    X, y, X_test, y_test, labels = data
    scaling = "l2" if params.get("loss", "warp") != "warp" else "centered"
    scaling = params.get("feature_scaling", scaling)
    scaler = {
        "centered": make_pipeline(Normalizer(), StandardScaler(with_std=False)),
        "l2": Normalizer(),
        "standard": StandardScaler(),
        "none": FunctionTransformer(),
    }[scaling]
    scaled = scaler.fit(X).transform(X_test)
    vectors, scores = embedder.transform(labels), []
    for lr in LRS * factor:
        record = Record(scaled, y_test, vectors, labels)
        clf = make_classifier(
            embedder, lr=lr, max_epochs=max(EPOCHS), callbacks=[record], random_state=seed, **params
        )
        clf.fit(X, y)
        scores.append(record.scores)
    return scores


def choose_best(embedder):
    """Search the best parameters of each setting, and of the same with other features: dicts."""
    best, best_l2 = {}, {}
    for title, params, factor, data in settings(embedder, 0, is_report=False):
        for found, fixed in [(best, params)] if params else [(best, params), (best_l2, L2)]:
            scores = np.array(search_grid(embedder, 0, fixed, factor, data))
            rate, epochs = np.unravel_index(scores.argmax(), scores.shape)
            found[title] = fixed | {"lr": factor * LRS[rate], "max_epochs": EPOCHS[epochs]}
    return best, best_l2


def measure(embedder, n_seeds, best, best_l2):
    """Measure hit@1 of all systems and the automatic rate of each setting: dict of (n, 7)."""
    runs = {}
    for seed in range(n_seeds):
        for title, params, _, data in settings(embedder, seed, is_report=True):
            X, y, X_test, y_test, labels = data
            run = []
            negatives = [{"negatives": name} for name in ("all", "hardest")]
            systems = [best[title], best_l2.get(title, best[title]), *negatives, {}]
            for system in [OLD | params, *(params | system for system in systems)]:
                clf = make_classifier(embedder, random_state=seed, **system)
                run.append(100 * clf.fit(X, y).score(X_test, y_test, labels=labels))
            runs.setdefault(title, []).append([*run, clf.lr_])
    return runs


def compare_rules(embedder, n_seeds):
    """Measure hit@1 of each rule on photos, for unseen and seen labels: dict of lists of two."""
    runs = {}
    for seed in range(n_seeds):
        for source in (caltech, imagenet):
            for title, X, y, X_test, y_test, labels in source(embedder, seed, is_report=False):
                systems = {}
                for name, (factor, params) in RULES.items():
                    clf = make_classifier(embedder, random_state=seed, **params)
                    start = make_classifier(
                        embedder, max_epochs=1, feature_scaling=clf.feature_scaling
                    )
                    rate = start.fit(X, y).lr_ / 30**0.5  # The rate that 30 epochs get.
                    systems[name] = clf.set_params(lr=factor * rate)
                for alpha in LABEL_ALPHAS:
                    systems[f"ESZSL, label_alpha={alpha:g}"] = ESZSLClassifier(
                        embedder, label_alpha=alpha
                    )
                for name, clf in systems.items():
                    hits = 100 * clf.fit(X, y).score(X_test, y_test, labels=labels)
                    runs.setdefault((name, title), []).append(hits)
    titles = {title for _, title in runs}
    unseen = {title for title in titles if title.endswith("unseen")}
    kinds = unseen, titles - unseen
    names = dict.fromkeys(name for name, _ in runs)
    return {n: [np.mean([np.mean(runs[n, t]) for t in kind]) for kind in kinds] for n in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--n-seeds", type=int, default=3)
    args = parser.parse_args()
    glove = PretrainedEmbedder.load(args.vectors)
    embedders = {
        "GloVe": glove,
        "bundled": datasets.load_term_vectors().embedder,
        "attributes": make_attributes(glove),
    }
    torch.set_num_threads(1)  # On a busy machine, threads wait for each other.
    header = ["setting", "vectors", "lr=0.02, l2", "default", "best of grid", "default - best"]
    header += ["lr x epochs of the best", "best of l2 grid", "default - best of l2 grid"]
    header += ["all", "hardest", "lr_ of the default"]
    for name, embedder in embedders.items():
        rows = []
        best, best_l2 = choose_best(embedder)
        for title, runs in measure(embedder, args.n_seeds, best, best_l2).items():
            old, grid, l2_grid, *negatives, default, lr = np.mean(runs, axis=0)
            row = [title, name, f"{old:.1f}", f"{default:.1f}", f"{grid:.1f}"]
            row += [f"{default - grid:+.1f}"]
            row += [f"{best[title]['lr']:.2g} x {best[title]['max_epochs']}"]
            others = [f"{l2_grid:.1f}", f"{default - l2_grid:+.1f}"]
            others += [f"{score:.1f}" for score in negatives]
            if title.startswith(tuple(VARIANTS)):
                others = ["", "", "", ""]
            rows.append([*row, *others, f"{lr:.2g}"])
        print_table(header, rows)
        print(flush=True)
    print(f"Means of {args.n_seeds} seeds, in percent. The grid has lr {LRS.tolist()}, times a")
    print(f"factor for other losses and scalings, and max_epochs {EPOCHS}.")
    rules = {name: compare_rules(emb, args.n_seeds) for name, emb in embedders.items()}
    header = ["rule", *(f"{name}, {kind}" for name in rules for kind in ("unseen", "seen"))]
    rows = []
    for rule in next(iter(rules.values())):
        hits = [f"{h:.1f}" for table in rules.values() for h in table[rule]]
        rows.append([rule, *hits])
    print()
    print_table(header, rows)
    print("Means over four settings of unseen labels and three of seen labels.")
    print_machine()


if __name__ == "__main__":
    main()
