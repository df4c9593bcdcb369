"""Measure the quality of term vectors that SkipGramEmbedder trains, beside those of GloVe.

python benchmarks/word_vectors.py books-24m-tokens.txt.xz enwiki-8m-tokens.txt.xz \
    --glove glove-6b-100d-subset.bin --folder vectors --curve curve.png --dimensions 100 300 \
    --settings "window=20 negative=5 hierarchical_softmax=False max_epochs=2 sample=1e-4"

The script trains with each setting in each dimension, and prints one table. It shows the agreement
with human ratings of similarity, the coverage of the ImageNet labels, and zero-shot classification
of Caltech-101. Projections are trained on the bundled features, one photo for each ILSVRC class.
Choose settings by the held-out ILSVRC column, which does not use Caltech-101. Each row occurs
twice: without and with the mean of the vectors subtracted. Training uses WordNet only to merge
multi-word nouns into single tokens. Trained vectors stay in the folder, and an interrupted fit
continues, so you can run the script again.
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
from sklearn.model_selection import cross_val_score

from skdevise import DeViSEClassifier, LabelVocabulary, PretrainedEmbedder, SkipGramEmbedder
from skdevise.datasets import load_caltech101_features, load_imagenet_features
from skdevise.metrics import HitAtK, hit_at_k
from skdevise.model_selection import UnseenClassSplit

NOUNS = ("dog", "shark", "car", "violin", "mushroom", "castle", "river", "bread", "chair", "ship")
SEEDS = range(3)
KS = (1, 5)
# Column of a row that holds the agreement with human ratings.
SIMILARITY = 4
# Names of the values of `center`.
MEANS = {False: "left in", True: "subtracted"}
SPLIT = UnseenClassSplit(5, test_size=0.2, random_state=0)
SYSTEMS = {
    "first_violation": {},
    "all": {"negatives": "all"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, required=True, help="folder for the trained vectors")
    parser.add_argument("--glove", type=Path, nargs="*", default=[], help="files to compare with")
    parser.add_argument(
        "--settings",
        nargs="*",
        default=["window=20 negative=5 hierarchical_softmax=False max_epochs=5 sample=1e-4"],
        help="parameters of SkipGramEmbedder, one argument for each setting; none trains nothing",
    )
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100])
    parser.add_argument("--workers", type=int, help="training threads")
    parser.add_argument("--curve", type=Path, help="image file for the plot over the dimensions")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)

    rows, neighbours, missing = [], {}, {}
    curves = {(settings, mean): [] for settings in args.settings for mean in MEANS.values()}

    def measure(name, path, minutes=""):
        for center, mean in MEANS.items():
            embedder = PretrainedEmbedder.load(path, center=center)
            row = [name, mean, minutes, len(embedder.terms_)]
            row += [similarity(embedder), *ilsvrc_coverage(embedder), *held_out(embedder)]
            hits, missing[name] = zero_shot(embedder)
            rows.append([*row, *hits])
            # Training the next vectors takes long, so each row is printed at once.
            print(rows[-1], flush=True)
        neighbours[name] = {
            noun: ", ".join(term for term, _ in embedder.most_similar(noun, k=5))
            for noun in NOUNS
            if embedder.has_vector([noun]).all()
        }

    for path in args.glove:
        measure(path.stem, path)
    for settings in args.settings:
        for size in args.dimensions:
            measure(f"{size}-d {settings}", *trained(args, f"vector_size={size} {settings}"))
            for row in rows[-len(MEANS) :]:
                curves[settings, row[1]].append(row)
    if args.curve is not None:
        draw(args.dimensions, curves, args.curve)

    header = ["vectors", "mean", "CPU minutes", "terms", "WordSim-353 (pairs)"]
    header += ["first term of ILSVRC, %", "or composed, %"]
    header += [f"held-out ILSVRC, {system} hit@5, %" for system in SYSTEMS]
    print_table(header + [f"{system} hit@{k}, %" for system in SYSTEMS for k in KS], rows)
    print(f"\nHits: means of {len(SEEDS)} seeds over all photos of 62 unseen Caltech-101 classes.")
    print(f"Held-out ILSVRC: means of {SPLIT.n_splits} splits; {SPLIT.test_size:.0%} are held out.")
    for name, labels in missing.items():
        print(f"{name}: no vector, so missed: {', '.join(labels) or 'none'}.")
    for name, similar in neighbours.items():
        print(f"\n{name}, the mean subtracted")
        for noun, terms in similar.items():
            print(f"- {noun}: {terms}")
    print()
    print_machine()


def trained(args, settings):
    """Return the file of the vectors of a setting, and its minutes of processor time.

    The minutes of an interrupted fit are those of the last process.
    """
    slug = settings.replace(" ", ",")
    path, log = args.folder / f"{slug}.safetensors", args.folder / f"{slug}.json"
    if not log.exists():
        checkpoint = args.folder / slug
        params = {
            name: ast.literal_eval(value) if value[0] in "0123456789TFN" else value
            for name, value in (setting.split("=") for setting in settings.split())
        }
        start = time.process_time()
        embedder = SkipGramEmbedder(
            terms="wordnet", n_jobs=args.workers, checkpoint=checkpoint, verbose=1, **params
        ).fit(args.texts)
        minutes = (time.process_time() - start) / 60
        embedder.vectors_.save(path)
        log.write_text(json.dumps({"minutes": minutes, "loss": embedder.loss_curve_}))
        shutil.rmtree(checkpoint)
    return path, f"{json.loads(log.read_text())['minutes']:.1f}"


def draw(sizes, curves, path):
    """Plot the agreement with ratings, and the hits, over the dimension of the vectors."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for (settings, mean), rows in curves.items():
        label = f"mean {mean}" + (f", {settings}" if len(curves) > len(MEANS) else "")
        style = {"label": label, "linestyle": "-" if mean == MEANS[True] else "--"}
        axes[0].plot(sizes, [float(row[SIMILARITY].split()[0]) for row in rows], "o", **style)
        axes[1].plot(sizes, [float(row[-1]) for row in rows], "o", **style)
    axes[0].set_ylabel("WordSim-353, Spearman correlation")
    axes[1].set_ylabel("62 unseen classes, hit@5 (%)")
    for axis in axes:
        axis.set_ylim(0, 1.1 * axis.get_ylim()[1])
        axis.set_xticks(sizes)
        axis.set_xlabel("dimensions")
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


def similarity(embedder):
    """Return the Spearman correlation with human ratings, and the number of pairs used."""
    with open(datapath("wordsim353.tsv")) as file:
        table = [line.split("\t") for line in file if not line.startswith("#")]
    pairs = [(first, second) for first, second, _ in table]
    known = sum(embedder.has_vector(pair).all() for pair in pairs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ pairs")
        correlation = embedder.score(pairs, [float(rating) for *_, rating in table])
    return f"{correlation:.3f} ({known})"


def ilsvrc_coverage(embedder):
    """Return the share of classes whose first term has its own vector, or a composed one."""
    terms = LabelVocabulary(load_imagenet_features().target).terms
    first = [names[0] for names in terms]
    return percent([[embedder.has_term(first).mean(), embedder.has_vector(first).mean()]])


def held_out(embedder):
    """Return hit@5 of each system on ILSVRC classes that are held out from training."""
    X, y, known = training_photos(embedder)
    scorer = HitAtK(max(KS), labels="test")
    hits = [
        cross_val_score(classifier(embedder, 0, system), X, y, scoring=scorer, cv=SPLIT).mean()
        for system in SYSTEMS
    ]
    return percent([[hit * known for hit in hits]])


def zero_shot(embedder):
    """Return the hits of each system on the unseen classes, and the classes without a vector."""
    caltech = load_caltech101_features()
    unseen = caltech.target_names[caltech.split == "unseen"]
    has_vector = embedder.has_vector(unseen)
    labels = unseen[has_vector]
    all_photos, tested = np.isin(caltech.target, unseen), np.isin(caltech.target, labels)
    X, y = caltech.data[tested], caltech.target[tested]
    X_train, y_train, _ = training_photos(embedder)
    hits = []
    for system in SYSTEMS:
        runs = []
        for seed in SEEDS:
            clf = classifier(embedder, seed, system).fit(X_train, y_train)
            top = clf.predict_top_k(X, k=max(KS), labels=labels)
            runs.append([hit_at_k(y, top, k) * len(y) / all_photos.sum() for k in KS])
        hits += percent(runs)
    return hits, unseen[~has_vector].tolist()


def training_photos(embedder):
    """Return features and synsets of the ILSVRC classes with a vector, and their share."""
    imagenet = load_imagenet_features()
    terms = LabelVocabulary(imagenet.target).terms
    known = np.array([embedder.has_vector(names).any() for names in terms])
    return imagenet.data[known], imagenet.target[known], known.mean()


def classifier(embedder, seed, system):
    return DeViSEClassifier(embedder, calibrate=False, random_state=seed, **SYSTEMS[system])


if __name__ == "__main__":
    main()
