"""Table 1 of the paper on 200 classes of Tiny-ImageNet, for softmax, DeViSE and random vectors.

python benchmarks/tiny_imagenet.py tiny-imagenet-200-sample.tar glove-6b-100d-subset.bin

Each system is trained on `train/` and tested on `val/`. The network was trained on the 200 classes,
and on larger versions of these photos, so the table compares systems on the same features. The
features are computed once and kept in the file --features. This takes about half an hour on one
thread.
"""

import argparse
from pathlib import Path

import numpy as np
from _common import percent, print_machine, print_table
from sklearn.linear_model import LogisticRegression

from skdevise import (
    DeViSEClassifier,
    Hierarchy,
    LabelVocabulary,
    PretrainedEmbedder,
    VisualFeaturizer,
    datasets,
)
from skdevise.metrics import hierarchical_precision_at_k, hit_at_k
from skdevise.models import predict_top_k

SEEDS = range(3)


def compute_features(photos, path):
    """Compute the features of the photos in the tar file, and save them."""
    tables = {}
    for subset in ("train", "val"):
        X, y = datasets.load_image_folder(photos, folder=subset, return_X_y=True)
        featurizer = VisualFeaturizer("efficientnet_lite0", batch_size=64, verbose=1)
        tables[f"X_{subset}"], tables[f"y_{subset}"] = featurizer.fit(X).transform(X), y
    np.savez(path, **tables)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--features", type=Path, default=Path("tiny_imagenet_features.npz"))
    args = parser.parse_args()
    if not args.features.exists():
        compute_features(args.photos, args.features)
    table = np.load(args.features)
    X_train, y_train, X_test, y_test = (
        table[name] for name in ("X_train", "y_train", "X_val", "y_val")
    )
    wordnet, classes = Hierarchy.wordnet(), np.unique(y_train)
    glove = PretrainedEmbedder.load(args.vectors)
    any_term = LabelVocabulary(classes)
    first_term = LabelVocabulary(classes, pool="first")

    def figures(clf, labels=None):
        top = predict_top_k(clf, X_test, k=20, labels=labels)
        hits = [hit_at_k(y_test, top, k) for k in (1, 2, 5, 10)]
        return hits + [
            hierarchical_precision_at_k(y_test, top, k, wordnet, classes) for k in (2, 5, 10, 20)
        ]

    softmax = figures(LogisticRegression(max_iter=300).fit(X_train, y_train))
    by_first, by_any, random = [], [], []
    for seed in SEEDS:
        clf = DeViSEClassifier(glove, random_state=seed).fit(X_train, y_train)
        by_first.append(figures(clf, first_term))
        by_any.append(figures(clf, any_term))
        random.append(figures(DeViSEClassifier(random_state=seed).fit(X_train, y_train)))
    print_table(
        ["system", *(f"hit@{k}" for k in (1, 2, 5, 10)), *(f"hp@{k}" for k in (2, 5, 10, 20))],
        [
            ["softmax", *percent([softmax])],
            ["DeViSE", *percent(by_first)],
            ["DeViSE, nearest term of each synset", *percent(by_any)],
            ["random vectors", *percent(random)],
        ],
    )
    print(
        f"\n{len(X_train)} training and {len(X_test)} test photos. "
        f"The figures are means of {len(SEEDS)} seeds, in percent."
    )
    print_machine()


if __name__ == "__main__":
    main()
