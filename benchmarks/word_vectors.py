"""Quality of term vectors that SkipGramEmbedder trains, beside those of GloVe.

python benchmarks/word_vectors.py books-24m-tokens.txt.xz enwiki-8m-tokens.txt.xz \
    --glove glove-6b-100d-subset.bin --folder vectors \
    --settings "window=10 negative=5 hierarchical_softmax=False epochs=2" --dimensions 100 300

Trains with each of the settings, in each of the dimensions, and prints one table: human ratings
of similarity, coverage of the labels of ImageNet, and zero-shot classification of Caltech-101,
by maps that are trained on the bundled features of one photo for each ILSVRC class. Of WordNet,
training sees the names of multi-word nouns alone. Trained vectors stay in the folder, and a fit
that was interrupted goes on, so that the script can be run again.
"""

import argparse
import ast
import json
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
from _common import percent, print_machine, print_table
from gensim.test.utils import datapath

from skdevise import DeViSEClassifier, LabelVocabulary, PretrainedEmbedder, SkipGramEmbedder
from skdevise.datasets import load_caltech101_features, load_imagenet_features
from skdevise.metrics import hit_at_k

NOUNS = ("dog", "shark", "car", "violin", "mushroom", "castle", "river", "bread", "chair", "ship")
SEEDS = range(3)
KS = (1, 5)
SYSTEMS = {
    "first_violation": {"lr": 0.02, "max_epochs": 60},
    "all": {"negatives": "all"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, required=True, help="keeps what is trained")
    parser.add_argument("--glove", type=Path, help="vectors to compare with")
    parser.add_argument(
        "--settings",
        nargs="+",
        default=["window=10 negative=5 hierarchical_softmax=False epochs=2"],
        help="parameters of SkipGramEmbedder, each set of them one argument",
    )
    parser.add_argument("--dimensions", type=int, nargs="+", default=[300])
    parser.add_argument("--center", action="store_true", help="subtract the mean of the vectors")
    parser.add_argument("--workers", type=int, help="training threads")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)

    rows, neighbours, missing = [], {}, {}

    def measure(name, embedder, seconds=None):
        row = [name, "" if seconds is None else f"{seconds:.0f}", len(embedder.terms_)]
        row += [similarity(embedder), *ilsvrc_coverage(embedder)]
        hits, missing[name] = zero_shot(embedder)
        rows.append([*row, *hits])
        neighbours[name] = {
            noun: ", ".join(term for term, _ in embedder.most_similar(noun, k=5))
            for noun in NOUNS
            if embedder.has_vector([noun]).all()
        }

    if args.glove is not None:
        measure(args.glove.stem, PretrainedEmbedder.load(args.glove, center=args.center))
    for settings in args.settings:
        for size in args.dimensions:
            measure(f"{size}-d {settings}", *trained(args, f"vector_size={size} {settings}"))
            # Before the next one is trained, which takes its time.
            print(rows[-1], flush=True)

    header = ["vectors", "seconds", "terms", "WordSim-353 (pairs)"]
    header += ["first term of ILSVRC, %", "or composed, %"]
    print_table(header + [f"{system} hit@{k}, %" for system in SYSTEMS for k in KS], rows)
    print(f"\nThe mean of the vectors is {'subtracted' if args.center else 'left in'}.")
    print(f"Hits: means of {len(SEEDS)} seeds over all photos of 62 unseen Caltech-101 classes.")
    for name, labels in missing.items():
        print(f"{name}: no vector, so missed: {', '.join(labels) or 'none'}.")
    for name, of_noun in neighbours.items():
        print(f"\n{name}")
        for noun, terms in of_noun.items():
            print(f"- {noun}: {terms}")
    print()
    print_machine()


def trained(args, settings):
    """The vectors of a setting, and the seconds that their training took."""
    slug = settings.replace(" ", ",")
    path, told = args.folder / f"{slug}.npz", args.folder / f"{slug}.json"
    if not told.exists():
        checkpoint = args.folder / slug
        params = {
            name: ast.literal_eval(value) if value[0] in "0123456789TFN" else value
            for name, value in (setting.split("=") for setting in settings.split())
        }
        start = time.perf_counter()
        embedder = SkipGramEmbedder(
            terms="wordnet", workers=args.workers, checkpoint=checkpoint, verbose=1, **params
        ).fit(args.texts)
        seconds = time.perf_counter() - start
        embedder.vectors_.save(path)
        told.write_text(json.dumps({"seconds": seconds, "loss": embedder.loss_curve_}))
        shutil.rmtree(checkpoint)
    embedder = PretrainedEmbedder.load(path, center=args.center)
    return embedder, json.loads(told.read_text())["seconds"]


def similarity(embedder):
    """Spearman correlation with the ratings, and the number of pairs that have vectors."""
    with open(datapath("wordsim353.tsv")) as file:
        table = [line.split("\t") for line in file if not line.startswith("#")]
    pairs = [(first, second) for first, second, _ in table]
    known = sum(embedder.has_vector(pair).all() for pair in pairs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ pairs are left out")
        correlation = embedder.score(pairs, [float(rating) for *_, rating in table])
    return f"{correlation:.3f} ({known})"


def ilsvrc_coverage(embedder):
    """Share of the 1,000 classes whose first term is in the lexicon, and of those composed too."""
    terms = LabelVocabulary(load_imagenet_features().target).terms
    first = [own[0] for own in terms]
    return percent([[embedder.has_term(first).mean(), embedder.has_vector(first).mean()]])


def zero_shot(embedder):
    """Hits of each system on the unseen classes, and the classes that have no vector."""
    imagenet, caltech = load_imagenet_features(), load_caltech101_features()
    unseen = caltech.target_names[caltech.split == "unseen"]
    has_vector = embedder.has_vector(unseen)
    labels = unseen[has_vector]
    all_photos, tested = np.isin(caltech.target, unseen), np.isin(caltech.target, labels)
    X, y = caltech.data[tested], caltech.target[tested]
    synsets = LabelVocabulary(imagenet.target)
    train = np.array([embedder.has_vector(terms).any() for terms in synsets.terms])
    hits = []
    for params in SYSTEMS.values():
        runs = []
        for seed in SEEDS:
            clf = DeViSEClassifier(embedder, random_state=seed, **params)
            clf.fit(imagenet.data[train], imagenet.target[train])
            top = clf.predict_top_k(X, k=max(KS), labels=labels)
            runs.append([hit_at_k(y, top, k) * len(y) / all_photos.sum() for k in KS])
        hits += percent(runs)
    return hits, unseen[~has_vector].tolist()


if __name__ == "__main__":
    main()
