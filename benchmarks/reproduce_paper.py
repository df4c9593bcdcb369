"""The tables of the DeViSE paper, with every system that can answer.

python benchmarks/reproduce_paper.py --table 1 --quick
python benchmarks/reproduce_paper.py --table 1 2 3 4 5 caltech generalized --photos FOLDER \
    --vectors "GloVe=glove-6b-100d-subset.bin"

--photos is a folder with the files tiny-imagenet-200-sample.tar, imagenet-one-per-class.tar,
caltech101-40.tar and imagenet/caltech101-classes.csv. Without it, the features that skdevise
bundles take their place, and table 1 is measured on Caltech-101. --quick also uses one seed and
fewer photos. Tables 2 and 3 train on one photo of each class. --vectors names files of word
vectors, joined by "+" to use several side by side. The first is also used by the systems other than
DeViSE.

The features of photos and all answers are kept in --cache, so an interrupted script continues.
Delete the folder after a change of the code.
"""

import argparse
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from _common import describe_machine
from _paper_study import Study
from _paper_tables import (
    N_LABELS,
    TABLE_1,
    TABLE_2,
    TABLE_3,
    TABLE_4,
    TABLE_5,
    Table,
    write_tables,
)
from sklearn.model_selection import StratifiedShuffleSplit

from skdevise import Hierarchy, LabelVocabulary, datasets
from skdevise.metrics import hierarchical_precision_at_k, hit_at_k

SETS = ("2-hop", "3-hop", "all")
HITS, PRECISIONS, ALL_K = (1, 2, 5, 10), (2, 5, 10, 20), (1, 2, 5, 10, 20)
# Number of classes of ImageNet to train on, and the share of the other photos that --quick keeps.
N_CLASSES, QUICK_STEP = 1_000, 4
COVERAGE = ("labels", "vector of a term", "composed", "no vector", "classes tested")
UNFAIR = "† The system has seen the hierarchy that hp@k measures, so its hp@k is no evidence."


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", nargs="+", choices=TABLES, default=["1"])
    parser.add_argument("--photos", type=Path, help="folder of the photos and lists of classes")
    parser.add_argument("--vectors", nargs="+", default=[], help="files, each as NAME=FILE+FILE")
    parser.add_argument("--systems", nargs="+", default=[""], help="beginnings of their names")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="bundled data, and one seed")
    parser.add_argument("--output", type=Path, default=Path("paper_tables"))
    parser.add_argument("--cache", type=Path, default=Path("paper_cache"))
    args = parser.parse_args()
    # The notes count the labels without a vector.
    warnings.filterwarnings("ignore", message=".*have no vector and are dropped")
    study = Study(args, N_CLASSES, QUICK_STEP if args.quick else 1)
    study.systems = [s for s in study.systems if s.name.startswith(tuple(args.systems))]
    for name in args.table:
        tables, notes = TABLES[name](study)
        if any("†" in row for table in tables for row, _ in table.rows):
            notes.append(UNFAIR)
        write_tables(args.output / f"table_{name}", tables, [*notes, describe_machine()])


def title_of(system):
    """Mark the systems that have seen the hierarchy."""
    return system.name + " †" * system.knows_hierarchy


def hits(y, top, ks):
    """Compute hit@k for each k, in percent."""
    return [100 * hit_at_k(y, top, k) for k in ks]


def precisions(y, top, ks, hierarchy, valid):
    """Compute hp@k for each k, in percent."""
    return [100 * hierarchical_precision_at_k(y, top, k, hierarchy, valid) for k in ks]


def candidates_of(system, *label_sets):
    """Make the candidates of a system: list of vocabularies, or [None] for the seen labels."""
    if not system.answers_unseen:
        return [None]
    return [LabelVocabulary(labels, pool=system.pool, on_missing="drop") for labels in label_sets]


def seen_classes(study):
    """Measure table 1: the training labels are the candidates."""
    if study.photos is None:
        caltech = study.caltech()
        has_synset = caltech.synset != ""
        X, y = caltech.X[has_synset], caltech.synset[has_synset]
        step = 2 * study.step
        (X, X_test), (y, y_test) = (X[::step], X[1::step]), (y[::step], y[1::step])
        source = "Caltech-101. The network has seen 34 of them."
    else:
        (X, y), (X_test, y_test) = map(study.tiny_imagenet, ("train", "val"))
        source = "Tiny-ImageNet. The network has seen all of them."
    n_all = len(np.unique(y))
    (X, y), (X_test, y_test) = study.with_vector(X, y), study.with_vector(X_test, y_test)
    classes, hierarchy = np.unique(y), Hierarchy.wordnet()
    unknown = [name for e in study.embedders.values() for name in study.missing(classes, e)]
    shared = classes[~np.isin(classes, unknown)]
    columns = [*(f"hit@{k}" for k in HITS), *(f"hp@{k}" for k in PRECISIONS)]
    tables, compared = [], {"softmax", *(f"DeViSE, {name}" for name in study.embedders)}
    # Word vectors that lack classes are compared on the classes that all word vectors know.
    for labels in (classes, shared)[: 1 + (len(shared) < len(classes))]:
        title = f"{len(labels)} classes of {source}"
        if labels is shared:
            title = f"The {len(labels)} of these classes that all of the word vectors know."
        table = Table(f"Table 1. {title}", columns)
        rows, tested = np.isin(y, labels), np.isin(y_test, labels)
        for system in study.systems:
            if labels is shared and system.name not in compared:
                continue
            if len(study.missing(labels, system.embedder)):
                continue
            candidates = candidates_of(system, labels)
            tops = study.rank(system, X[rows], y[rows], X_test[tested], candidates, hierarchy)
            truth = y_test[tested]
            runs = [
                hits(truth, top, HITS) + precisions(truth, top, PRECISIONS, hierarchy, labels)
                for (top,) in tops
            ]
            if runs:
                table.add(title_of(system), runs)
        tables.append(table)
    tables[0].add_published(TABLE_1)
    n_left_out = n_all - len(classes)
    gap = f" {study.embedder_name} lacks {n_left_out} other classes, which are left out."
    return tables, [
        f"{len(y):,} photos for training and {len(y_test):,} for testing.{gap * bool(n_left_out)} "
        f"The systems other than DeViSE use {study.embedder_name}."
    ]


def unseen_classes(study, with_hierarchy):
    """Measure table 2 (hit@k) or table 3 (hp@k): thousands of unseen labels."""
    graph, (X, y) = Hierarchy.wordnet("imagenet-fall11"), study.imagenet()
    thousand = y.tolist()
    unseen = {
        name: sorted(set(datasets.load_zero_shot_split(name).labels) - set(thousand))
        for name in SETS
    }
    caltech = study.caltech()
    tested = np.isin(caltech.synset, sorted(set().union(*unseen.values())))
    X_test, y_test = caltech.X[tested][:: study.step], caltech.synset[tested][:: study.step]
    X, y = study.with_vector(X, y)
    tables = {}
    for name, labels in unseen.items():
        rows = np.isin(y_test, labels)
        for kind, valid in (("DeViSE-0", labels), ("DeViSE+1K", [*labels, *thousand])):
            title = f"{name}, {kind}: {len(valid):,} candidates, {rows.sum():,} photos"
            tables[name, kind] = Table(
                f"Table {2 + with_hierarchy}. {title}",
                [f"{'hp' if with_hierarchy else 'hit'}@{k}" for k in ALL_K],
            )
    label_sets = [[*unseen[name], *thousand * (kind == "DeViSE+1K")] for name, kind in tables]
    for system in study.systems:
        if not system.answers_unseen and not with_hierarchy:
            continue  # Its hit@k is zero.
        candidates, runs = candidates_of(system, *label_sets), {place: [] for place in tables}
        for tops in study.rank(system, X, y, X_test, candidates, graph):
            tops = tops if system.answers_unseen else tops * len(tables)
            for (name, kind), top in zip(tables, tops, strict=True):
                rows = np.isin(y_test, unseen[name])
                truth, top, valid = y_test[rows], top[rows], [*unseen[name], *thousand]
                runs[name, kind].append(
                    precisions(truth, top, ALL_K, graph, valid)
                    if with_hierarchy
                    else hits(truth, top, ALL_K)
                )
        for place, found in runs.items():
            if found and (system.answers_unseen or place[1] == "DeViSE+1K"):
                tables[place].add(title_of(system), found)
    for (name, kind), table in tables.items():
        if with_hierarchy:
            table.add_published({"DeViSE": TABLE_3[name, kind]})
            if kind == "DeViSE+1K":
                table.add_published({"softmax": TABLE_3[name, "softmax"]})
        else:
            table.add_published({"DeViSE": TABLE_2[name, kind]})
    coverage = Table("Labels of the zero-shot sets", list(COVERAGE), digits=0)
    for name, labels in unseen.items():
        found = LabelVocabulary(labels).coverage(study.embedder)
        parts = found.as_term, found.composed, found.missing
        coverage.add(
            name, [len(labels), *map(len, parts), len(np.unique(y_test[np.isin(y_test, labels)]))]
        )
    return [*tables.values(), *([] if with_hierarchy else [coverage])], [
        f"The network has seen the 1,000 classes, about 1,000 photos of each. The systems are "
        f"trained on one photo of each of {len(y):,} classes. The test photos are those of "
        f"Caltech-101 whose class is a synset outside of the 1,000. The systems other than DeViSE "
        f"use {study.embedder_name}.",
        *study.gaps(y),
    ]


def held_out_classes(study):
    """Measure table 4: 800 of the 1,000 classes are for training, and 200 for testing."""
    X, y = study.with_vector(*study.imagenet())
    hierarchy, labels = Hierarchy.wordnet("imagenet-fall11"), np.unique(y)
    table = Table(
        "Table 4. 800 classes for training and 200 for testing. The network has seen all of them.",
        ["hit@5, 200 labels", "hit@5, all labels"],
    )
    for system in study.systems:
        runs = []
        for seed in study.seeds if system.answers_unseen else ():
            unseen = np.random.default_rng(seed).permutation(labels)[: min(200, len(labels) // 2)]
            test = np.isin(y, unseen)
            X_train, y_train = study.with_vector(X[~test], y[~test], system.embedder)
            clf = study.make(system, seed, y_train, hierarchy)
            candidates = candidates_of(system, unseen, labels)
            tops = study.answer(clf, X_train, y_train, X[test], candidates)
            runs.append([100 * hit_at_k(y[test], top, 5) for top in tops])
        if runs:
            table.add(title_of(system), runs)
    table.add_published(TABLE_4)
    return [table], [
        f"One photo of each of {len(labels)} classes with a vector. Each seed has another split. "
        f"The systems other than DeViSE use {study.embedder_name}.",
        *study.gaps(y),
    ]


def correct_sets(study):
    """Measure table 5: the sizes of the correct sets and of the zero-shot sets."""
    labels = datasets.load_imagenet_labels().ilsvrc2012
    sizes = Table(
        "Table 5. Mean size of the correct sets of the 1,000 classes",
        [f"k = {k}" for k in PRECISIONS],
        digits=2,
    )
    for name in ("wordnet", "imagenet-fall11"):
        graph = Hierarchy.wordnet(name)
        sizes.add(
            f'Hierarchy.wordnet("{name}")',
            [
                np.mean([len(graph.correct_set(label, k, labels)) for label in labels])
                for k in PRECISIONS
            ],
        )
    sizes.add("in the paper", TABLE_5)
    counts = Table("Number of labels in the zero-shot sets", list(SETS), digits=0)
    counts.add("here", [len(datasets.load_zero_shot_split(name).labels) for name in SETS])
    counts.add("in the paper", [N_LABELS[name] for name in SETS])
    return [sizes, counts], [
        "No known graph gives the sizes that the paper printed. Larger sets are easier to hit."
    ]


def caltech_classes(study):
    """Measure zero-shot classification of the 62 classes of Caltech-101 that are unseen."""
    X, y = study.with_vector(*study.imagenet())
    caltech, hierarchy = study.caltech(), Hierarchy.wordnet()
    tested = np.flatnonzero(~caltech.is_seen)[:: study.step]
    X_test, y_test, is_strict = (part[tested] for part in (caltech.X, caltech.y, caltech.is_strict))
    labels = np.unique(caltech.y[~caltech.is_seen])
    table = Table(
        f"{len(labels)} classes of Caltech-101. The network has seen none of them.",
        [*(f"hit@{k}" for k in HITS), "strict, hit@1", "strict, hit@5"],
    )
    for system in study.systems:
        if not system.answers_unseen:
            continue
        runs = [
            hits(y_test, top, HITS) + hits(y_test[is_strict], top[is_strict], (1, 5))
            for (top,) in study.rank(system, X, y, X_test, candidates_of(system, labels), hierarchy)
        ]
        if runs:
            table.add(title_of(system), runs)
    table.add("chance", [100 * k / len(labels) for k in (*HITS, 1, 5)])
    return [table], [
        f"Trained on one photo of each of {len(y)} classes of ImageNet, which the network has "
        f"seen. The candidates are the {len(labels)} classes, by name. {len(y_test):,} test "
        f"photos; {is_strict.sum():,} of them show strict classes, which have no broader or "
        "narrower class among the 1,000. The systems other than DeViSE use "
        f"{study.embedder_name}.",
        *study.gaps(y),
    ]


def seen_and_unseen_classes(study):
    """Measure generalised zero-shot classification: 34 seen and 62 unseen classes compete."""
    caltech, hierarchy = study.caltech(), Hierarchy.wordnet()
    labels = np.unique(caltech.y)
    X, y, X_unseen, y_unseen = (
        part[kind][:: study.step]
        for kind in (caltech.is_seen, ~caltech.is_seen)
        for part in (caltech.X, caltech.y)
    )
    X, y = study.with_vector(X, y)
    columns = ["seen", "unseen", "harmonic mean"]
    table = Table(
        "Seen and unseen classes of Caltech-101 together. The network has seen the 34 seen "
        "classes, but not the unseen ones.",
        [*columns, *(f"{column}, calibrated" for column in columns)],
    )
    for system in study.systems:
        runs = []
        for seed in study.seeds if system.answers_unseen else ():
            split = StratifiedShuffleSplit(1, test_size=0.3, random_state=seed)
            ((train, test),) = split.split(X, y)
            X_train, y_train = study.with_vector(X[train], y[train], system.embedder)
            clf = study.make(system, seed, y_train, hierarchy)
            if clf is None or "seen_penalty" not in clf.get_params():
                continue
            X_test = np.vstack([X[test], X_unseen])
            y_test = np.concatenate([y[test], y_unseen])
            runs.append(study.generalize(clf, X_train, y_train, X_test, y_test, labels))
        if runs:
            table.add(title_of(system), runs)
    return [table], [
        f"Trained on 70 % of the photos of {len(np.unique(y))} seen classes. The candidates are "
        f"all {len(labels)} classes. Accuracy is averaged over classes. "
        '"calibrated" subtracts a penalty from the scores of seen classes, which '
        "`tune_seen_penalty` chooses on the training photos. The systems other than DeViSE use "
        f"{study.embedder_name}."
    ]


TABLES = {
    "1": seen_classes,
    "2": partial(unseen_classes, with_hierarchy=False),
    "3": partial(unseen_classes, with_hierarchy=True),
    "4": held_out_classes,
    "5": correct_sets,
    "caltech": caltech_classes,
    "generalized": seen_and_unseen_classes,
}

if __name__ == "__main__":
    main()
