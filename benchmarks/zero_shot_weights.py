"""Hit@1 and hit@5 of ClassifierWeightRegressor on labels that it was not trained on.

python benchmarks/zero_shot_weights.py --vectors glove-6b-100d-subset.bin

The first table chose the parameters. It leaves labels of ILSVRC-2012 out of the softmax layer of
EfficientNet-Lite0, and predicts their weights. "random" leaves out a tenth of the labels at a time,
"groups" leaves out whole groups of related labels, and "broader" answers with broader labels, such
as "wading bird", whose narrower labels are all left out. "nested" answers with the 1,549 "2-hop"
labels of ImageNet, and many of these are narrower than others. Its right label is the narrowest
one above the class of a photo, which is left out. These sets use bundled photos that the network
was trained on. "caltech" leaves out all relatives of the 34 seen classes of Caltech-101,
and uses their photos. The column "names" gives the labels as plain names.

The second table is the test: the 62 classes of Caltech-101 that are not among the 1,000 labels, and
those 43 of them that have no broader or narrower label among them either, for each source of text.

The third table has "2-hop" labels of ImageNet as candidates, as table 2 of the DeViSE paper. Its
first rows have the labels that the word vectors know. The others have the labels whose name has a
vector of its own, which is not composed of words. "narrower" and "broader" count answers that are
narrower or broader than the true label. "other sense" counts other labels of the same name.
"""

import argparse

import numpy as np
from _common import print_machine, print_table
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skdevise import (
    ClassifierWeightRegressor,
    Hierarchy,
    LabelVocabulary,
    PretrainedEmbedder,
    datasets,
)
from skdevise.labels._senses import photo_senses
from skdevise.metrics import hit_at_k
from skdevise.vision import VisualFeaturizer

WORDNET = Hierarchy.wordnet()
GRID = {
    "hierarchy_weight": (0.1, 0.2, 0.5),
    "alpha": (0.1, 0.2, 0.6),
    "mixture_weight": (0.0, 2.0, 10.0),
    "hub_penalty": (0.0, 0.2, 0.8),
}


def softmax_layer():
    """Return the softmax layer of the network as a fitted classifier of features."""
    visual = VisualFeaturizer("efficientnet_lite0").fit([np.zeros((1, 1, 3), np.uint8)])
    return linear(visual.synsets_, visual.softmax_coef_, visual.softmax_intercept_)


def linear(classes, coef, intercept):
    """Make a fitted classifier of its weights."""
    classifier = LogisticRegression()
    classifier.classes_, classifier.coef_, classifier.intercept_ = classes, coef, intercept
    return classifier


def relatives(labels, classes):
    """Mark the classes that are, or are above or below, one of some labels of WordNet."""
    above = WORDNET.graph.ancestors(WORDNET.positions(labels))
    below = WORDNET.graph.ancestors(WORDNET.positions(classes))
    down = below[:, WORDNET.positions(labels)].sum(axis=1) > 0
    return down | (above[:, WORDNET.positions(classes)].sum(axis=0) > 0)


def choice_sets(classes):
    """Yield name, labels left out, candidates (dict of label to synset), X and y."""
    rng = np.random.default_rng(0)
    photos = datasets.load_imagenet_features()
    data = photos.data[np.searchsorted(photos.target, classes)]
    above = WORDNET.graph.ancestors(WORDNET.positions(classes)).tocsc()
    n_below = np.asarray(above.sum(axis=0)).ravel()
    fold = rng.permutation(len(classes)) % 10
    for k in range(10):
        rows = np.flatnonzero(fold == k)
        yield "random", classes[rows], {x: x for x in classes[rows]}, data[rows], classes[rows]
    two_hop = set(datasets.load_zero_shot_split("2-hop").labels) - set(classes.tolist())
    for k in range(10):
        rows = np.flatnonzero(fold == k)
        related = [two_hop.intersection(WORDNET.ancestors(label)) for label in classes[rows]]
        rows = rows[[bool(some) for some in related]]
        y = [max(some, key=lambda label: len(WORDNET.ancestors(label))) for some in related if some]
        # Broader labels are right as well, so they are no candidates.
        candidates = sorted(two_hop.difference(*related).union(y))
        yield "nested", classes[fold == k], {x: x for x in candidates}, data[rows], np.array(y)
    # The group of a label is its nearest ancestor with at least 12 labels.
    rows = above.tocsr()
    group = [
        min((n_below[a], a) for a in rows[[i]].indices if n_below[a] >= 12)[1]
        for i in range(len(classes))
    ]
    names = rng.permutation(np.unique(group))
    for part in np.array_split(names, 8):
        rows = np.flatnonzero(np.isin(group, part))
        yield "groups", classes[rows], {x: x for x in classes[rows]}, data[rows], classes[rows]
    # Broader labels with 3 to 12 narrower ones. The largest come first, and none overlap.
    is_used, broader = np.zeros(len(classes), bool), []
    fits = np.flatnonzero((n_below >= 3) & (n_below <= 12))
    for node in sorted(fits, key=lambda node: -n_below[node]):
        below = above[:, [node]].indices
        if not is_used[below].any():
            is_used[below] = True
            broader.append((WORDNET.labels[node], below))
    order = rng.permutation(len(broader))
    for k in range(3):
        chosen = [broader[i] for i in order[k::3]]
        rows = np.concatenate([below for _, below in chosen])
        y = np.concatenate([[node] * len(below) for node, below in chosen])
        yield "broader", classes[rows], {x: x for x, _ in chosen}, data[rows], y
    caltech = datasets.load_caltech101_features()
    is_seen = caltech.split == "seen"
    names, synsets = caltech.target_names[is_seen], caltech.synsets[is_seen]
    senses = [s for found in photo_senses(names, WORDNET) for s in found]
    is_kept = ~relatives(np.unique([*senses, *synsets[synsets != ""]]), classes)
    rows = np.isin(caltech.target, names)
    known = dict(zip(names.tolist(), synsets.tolist(), strict=True))
    yield "caltech", classes[~is_kept], known, caltech.data[rows], caltech.target[rows]


def hits(classifier, X, y, labels):
    """Compute hit@1 and hit@5 in per cent."""
    top = classifier.predict_top_k(X, 5, labels)
    return np.array([100 * hit_at_k(y, top, k) for k in (1, 5)])


def with_names(labels, y):
    """Replace synsets by plain names: dict of a made-up label to a name, and y.

    Two synsets can have the same name, so the labels cannot be the names themselves.
    """
    label_of = {synset: f"label {i}" for i, synset in enumerate(labels.values())}
    known = {f"label {i}": WORDNET.terms(x)[0] for i, x in enumerate(labels.values())}
    return known, np.array([label_of[x] for x in y])


def choose(embedder, layer, **params):
    """Compute hit@1 and hit@5 of each choice set: dict, with plain names and with synsets."""
    photos = datasets.load_imagenet_features()
    runs = {}
    for name, left_out, labels, X, y in choice_sets(layer.classes_):
        is_kept = ~np.isin(layer.classes_, left_out)
        kept = linear(layer.classes_[is_kept], layer.coef_[is_kept], layer.intercept_[is_kept])
        classifier = ClassifierWeightRegressor(
            FrozenEstimator(kept), embedder, hierarchy=WORDNET, **params
        )
        rows = np.isin(photos.target, kept.classes_)
        classifier.fit(photos.data[rows], photos.target[rows])
        if name == "caltech":
            forms = {"names": (list(labels), y)}
        elif name == "nested":
            forms = {"synsets": (list(labels), y)}
        else:
            forms = {"names": with_names(labels, y), "synsets": (list(labels), y)}
        for form, (candidates, truth) in forms.items():
            found = hits(classifier, X, truth, candidates)
            runs.setdefault((name, form), []).append((len(X), found))
    return {
        key: np.average([found for _, found in some], axis=0, weights=[n for n, _ in some])
        for key, some in runs.items()
    }


def test(embedder, layer, **params):
    """Compute hit@1 and hit@5 on the unseen classes of Caltech-101, and on the strict ones."""
    photos, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    classifier = ClassifierWeightRegressor(
        FrozenEstimator(layer), embedder, hierarchy=WORDNET, **params
    ).fit(photos.data, photos.target)
    unseen = caltech.target_names[caltech.split == "unseen"]
    figures = []
    for names in (unseen, caltech.target_names[caltech.strict]):
        rows = np.isin(caltech.target, names)
        # The strict classes compete with all unseen ones.
        figures.append(hits(classifier, caltech.data[rows], caltech.target[rows], unseen))
    return np.concatenate(figures)


def test_related(embedder, layer, hierarchy):
    """Yield the number of candidates and four shares of answers among the 2-hop labels, twice."""
    photos, caltech = datasets.load_imagenet_features(), datasets.load_caltech101_features()
    labels = np.setdiff1d(datasets.load_zero_shot_split("2-hop").labels, layer.classes_)
    true = caltech.synsets[np.searchsorted(caltech.target_names, caltech.target)]
    rows = np.isin(true, labels)
    # Words alone know some labels only, so the others do not train.
    missing = LabelVocabulary(layer.classes_).coverage(embedder).missing
    kept = ~np.isin(layer.classes_, missing)
    layer = linear(layer.classes_[kept], layer.coef_[kept], layer.intercept_[kept])
    classifier = ClassifierWeightRegressor(FrozenEstimator(layer), embedder, hierarchy=hierarchy)
    taught = np.isin(photos.target, layer.classes_)
    classifier.fit(photos.data[taught], photos.target[taught])
    coverage = LabelVocabulary(labels).coverage(embedder)
    for candidates in (np.setdiff1d(labels, coverage.missing), coverage.as_term):
        answers = classifier.predict(caltech.data[rows], candidates)
        pairs = list(zip(answers.tolist(), true[rows].tolist(), strict=True))
        is_right = [answer == label for answer, label in pairs]
        has_name = [WORDNET.terms(answer)[0] == WORDNET.terms(label)[0] for answer, label in pairs]
        is_narrower = [label in WORDNET.ancestors(answer) for answer, label in pairs]
        is_broader = [answer in WORDNET.ancestors(label) for answer, label in pairs]
        is_namesake = np.greater(has_name, is_right)
        kinds = is_right, is_namesake, is_narrower, is_broader
        yield [len(candidates), *(f"{100 * np.mean(kind):.1f}" for kind in kinds)]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--vectors", help="file of word vectors to compare with the bundled ones")
    parser.add_argument("--grid", action="store_true", help="also try other parameters")
    args = parser.parse_args()
    print_machine()
    layer, bundled = softmax_layer(), datasets.load_term_vectors().embedder

    def row(title, **params):
        figures = choose(bundled, layer, **params)
        mean = np.mean(list(figures.values()), axis=0)
        cells = [f"{one:.1f} / {five:.1f}" for one, five in [*figures.values(), mean]]
        return figures, [title, *cells]

    figures, first = row("defaults")
    rows = [first]
    if args.grid:
        rows += [row(f"{name}={x}", **{name: x})[1] for name, some in GRID.items() for x in some]
    print("\nLeft out of the 1,000 labels, hit@1 / hit@5 in %\n")
    print_table(["parameters", *[f"{name}, {form}" for name, form in figures], "mean"], rows)

    texts = {"bundled": bundled, "none (hierarchy and definitions)": None}
    if args.vectors:
        loaded = PretrainedEmbedder.load(args.vectors)
        texts |= {args.vectors.split("/")[-1]: loaded, "both": [bundled, loaded]}
    rows = []
    for name, embedder in texts.items():
        found = test(embedder, layer)
        rows.append([name, *[f"{figure:.1f}" for figure in found]])
    print("\nUnseen classes of Caltech-101, in %\n")
    print_table(["word vectors", "62: hit@1", "hit@5", "43 strict: hit@1", "hit@5"], rows)

    source = list(texts)[-2 if args.vectors else 0]
    known = {"hierarchy, definitions and words": WORDNET, "words": None}
    rows = [
        [name, *row]
        for name, hierarchy in known.items()
        for row in test_related(texts[source], layer, hierarchy)
    ]
    print(f"\nAnswers among the 2-hop labels, in %. Word vectors: {source}\n")
    header = ["known of the labels", "candidates", "right", "other sense", "narrower", "broader"]
    print_table(header, rows)


if __name__ == "__main__":
    main()
