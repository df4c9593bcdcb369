"""Tables 2 and 3 of the DeViSE paper on other photos: zero-shot prediction with 20,842 labels.

python benchmarks/zero_shot_imagenet.py glove-6b-100d-subset.bin

The classifier is trained on one photo of each of the 1,000 ILSVRC-2012 classes (bundled features).
It is tested on the photos of those Caltech-101 classes whose synset is in the 2-hop set, the 3-hop
set, or among all 20,842 unseen labels. The candidates are the unseen labels (DeViSE-0), or these
and the 1,000 classes (DeViSE+1K). The network was trained on the 1,000 classes, but on none that is
tested. The softmax baseline is the last layer of the network, which knows only the 1,000 classes.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from _common import percent, print_machine, print_table

from skdevise import DeViSEClassifier, Hierarchy, LabelVocabulary, PretrainedEmbedder, datasets
from skdevise.metrics import hierarchical_precision_at_k, hit_at_k
from skdevise.vision._backbones import load_backbone

SPLITS = ("2-hop", "3-hop", "all")
KS = (1, 2, 5, 10, 20)
SEEDS = range(3)


def softmax_answers(X, classes):
    """Rank the 20 best of the 1,000 classes with the softmax layer of the network."""
    network = load_backbone("efficientnet_lite0", "DEFAULT")
    scores = X @ network.softmax_weight.T + network.softmax_bias
    return classes[np.argsort(-scores, axis=1)[:, : KS[-1]]]


def candidates(labels, pool):
    return LabelVocabulary(labels, pool=pool, on_missing="drop")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", type=Path)
    # The first table counts the labels without a vector, which are dropped.
    warnings.filterwarnings("ignore", message=".*have no vector and are dropped")
    embedder = PretrainedEmbedder.load(parser.parse_args().vectors)
    imagenet, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    synset = dict(zip(caltech.target_names, caltech.synsets, strict=True))
    y = np.array([synset[name] for name in caltech.target])
    thousand = datasets.load_zero_shot_split("1k").labels
    graph = Hierarchy.wordnet("imagenet-fall11")
    has_vector = np.isin(
        imagenet.target, LabelVocabulary(imagenet.target).coverage(embedder).missing, invert=True
    )
    models = {
        pool: [
            DeViSEClassifier(
                embedder,
                labels=LabelVocabulary(thousand, pool=pool, on_missing="drop"),
                random_state=seed,
            ).fit(imagenet.data[has_vector], imagenet.target[has_vector])
            for seed in SEEDS
        ]
        for pool in ("terms", "first")
    }
    print(f"Trained on {has_vector.sum()} photos: the classes whose synset has a vector.\n")
    hits, precisions, sizes = [], [], []
    for name in SPLITS:
        unseen = datasets.load_zero_shot_split(name).labels
        tested = np.isin(y, unseen)
        X, truth = caltech.data[tested], y[tested]
        sizes.append([name, f"{len(unseen):,}", len(set(truth)), len(truth)])
        coverage = LabelVocabulary(unseen).coverage(embedder)
        sizes[-1] += [len(coverage.as_term), len(coverage.composed), len(coverage.missing)]
        sizes[-1].append(int(np.isin(truth, coverage.missing).sum()))
        valid = sorted({*unseen, *thousand})
        top = softmax_answers(X, imagenet.target)
        precisions.append([f"{name}: softmax baseline", *_precisions(truth, top, graph, valid)])
        for system, labels in (("DeViSE-0", unseen), ("DeViSE+1K", valid)):
            for pool, seeds in models.items():
                title = f"{name}: {system}, pool={pool!r}"
                start = time.perf_counter()
                vocabulary = candidates(labels, pool)
                tops = [clf.predict_top_k(X, KS[-1], vocabulary) for clf in seeds]
                elapsed = (time.perf_counter() - start) / len(seeds)
                found = [[hit_at_k(truth, top, k) for k in KS] for top in tops]
                chance = f"{100 / len(labels):.3f}"
                hits.append([title, f"{len(labels):,}", *percent(found), chance, f"{elapsed:.2f}"])
                found = [_values(truth, top, graph, valid) for top in tops]
                precisions.append([title, *percent(found)])
    header = ["label set", "labels", "classes tested", "photos", "vector of a term", "composed"]
    print_table([*header, "no vector", "photos without vector"], sizes)
    print()
    header = ["hit@k (%)", "candidates", *map(str, KS), "chance @1", "s a run"]
    print_table(header, hits)
    print()
    print_table(["hp@k (%)", *map(str, KS)], precisions)
    print(
        f"\nMeans of {len(SEEDS)} seeds. hp@k uses the graph of fall 2011; the label set and the "
        "1,000 classes are valid."
    )
    print_machine()


def _values(truth, top, graph, valid):
    return [hierarchical_precision_at_k(truth, top, k, graph, valid) for k in KS]


def _precisions(truth, top, graph, valid):
    return percent([_values(truth, top, graph, valid)])


if __name__ == "__main__":
    main()
