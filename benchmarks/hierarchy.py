"""hp@k and reading the noun graph: nltk's WordNet and plain Python sets against skdevise.

python benchmarks/hierarchy.py

Needs WordNet 3.0 as Debian's package wordnet-base has it. One thread, and the CPU time of the
process; rounds alternate.
"""

import argparse
import shutil
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import nltk
import numpy as np
from _common import print_machine, print_table
from threadpoolctl import threadpool_limits

from skdevise import Hierarchy, datasets
from skdevise.labels.hierarchy import _wordnet
from skdevise.metrics import hierarchical_precision_at_k

N_PREDICTIONS = 5_000
N_NLTK = 50


def predictions(labels, rng):
    """Random true labels, and twenty answers each whose ids are near; kinds of a thing are."""
    true = rng.integers(len(labels), size=N_PREDICTIONS)
    near = true[:, None] + rng.integers(-30, 31, size=(N_PREDICTIONS, 20))
    return labels[true], labels[near.clip(0, len(labels) - 1)]


def copy_wordnet(source, folder):
    """Make a folder that nltk can read: it wants two files that Debian leaves out."""
    folder.mkdir(parents=True)
    for path in filter(Path.is_file, source.iterdir()):
        shutil.copy(path, folder)
    (folder / "lexnames").write_text("".join(f"{i} unknown 0\n" for i in range(45)))
    (folder / "index.sense").touch()


def read_by_nltk(folder):
    """The reader, with all nouns and the synsets above them in its cache."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns that it knows no other languages.
        reader = nltk.corpus.reader.WordNetCorpusReader(str(folder), None)
    for synset in reader.all_synsets("n"):
        synset.hypernyms()
    return reader


def read_by_us():
    _wordnet.cache_clear()
    return Hierarchy.wordnet()


def correct_set(start, k, valid, neighbours_of):
    """Breadth first over sets, whole radii, until k valid ones are found."""
    seen, ring = {start}, {start}
    correct = seen & valid
    while ring and len(correct) < k:
        ring = {other for node in ring for other in neighbours_of(node)} - seen
        seen |= ring
        correct |= ring & valid
    return correct


def precision(y_true, y_top, k, set_of):
    """Of each sample."""
    return np.array(
        [
            sum(answer in correct for answer in top[:k]) / k
            for correct, top in zip(map(set_of, y_true.tolist()), y_top.tolist(), strict=True)
        ]
    )


def by_nltk(reader, y_true, y_top, k, valid):
    def synset(label):
        return reader.synset_from_pos_and_offset("n", int(label[1:]))

    valid = {synset(label) for label in valid}
    start = time.process_time()
    values = []
    for label, top in zip(y_true.tolist(), y_top.tolist(), strict=True):
        correct = correct_set(
            synset(label), k, valid, lambda node: node.hypernyms() + node.hyponyms()
        )
        values.append(sum(synset(answer) in correct for answer in top[:k]) / k)
    return np.array(values), time.process_time() - start


def timed(run):
    start = time.process_time()
    value = run()
    return value, time.process_time() - start


def spread(ratios):
    return f"{np.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"


def compare_precision(k, graph, reader, labels, n_rounds):
    """Ratios of CPU time to ours, and largest differences: of nltk, sets, and cached sets."""
    y_true, y_top = predictions(labels, np.random.default_rng(k))
    valid = set(labels.tolist())
    neighbours = {label: [] for label in graph.labels.tolist()}
    for parent, child in graph.labels[graph._edges].tolist():
        neighbours[parent].append(child)
        neighbours[child].append(parent)

    def set_of(label):
        return correct_set(label, k, valid, neighbours.__getitem__)

    def cached_in(cache):
        def cached(label):
            if label not in cache:
                cache[label] = set_of(label)
            return cache[label]

        return cached

    full = {label: set_of(label) for label in y_true.tolist()}
    others = {
        "nltk's synsets": None,
        "sets, one example after another": lambda: precision(y_true, y_top, k, set_of),
        "sets, kept for each label": lambda: precision(y_true, y_top, k, cached_in({})),
        "sets, all kept from before": lambda: precision(y_true, y_top, k, cached_in(full)),
    }
    ratios = {name: [] for name in others}
    differences = {}
    for _ in range(n_rounds + 1):
        ours, our_time = timed(lambda: hierarchical_precision_at_k(y_true, y_top, k, graph, labels))
        for name, run in others.items():
            if run is not None:
                values, other_time = timed(run)
                differences[name] = abs(values.mean() - ours)
            else:
                values, other_time = by_nltk(reader, y_true[:N_NLTK], y_top[:N_NLTK], k, valid)
                other_time *= N_PREDICTIONS / N_NLTK
                few = hierarchical_precision_at_k(y_true[:N_NLTK], y_top[:N_NLTK], k, graph, labels)
                differences[name] = abs(values.mean() - few)
            ratios[name].append(other_time / our_time)
    # The first round warms caches.
    return {name: (spread(ratios[name][1:]), differences[name]) for name in others}, our_time


def compare_reading(folder, n_rounds):
    ratios, graph_time = [], None
    for _ in range(n_rounds):
        _, graph_time = timed(read_by_us)
        ratios.append(timed(lambda: read_by_nltk(folder))[1] / graph_time)
    return spread(ratios), graph_time


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    labels = datasets.load_imagenet_labels().fall11
    with threadpool_limits(1), tempfile.TemporaryDirectory() as root:
        nltk.data.path.append(root)  # nltk reads below its own paths alone.
        folder = Path(root) / "corpora" / "wordnet"
        copy_wordnet(arguments.wordnet, folder)
        reader, graph = read_by_nltk(folder), Hierarchy.wordnet()
        found = {k: compare_precision(k, graph, reader, labels, arguments.rounds) for k in (5, 20)}
        del reader
        reading, graph_time = compare_reading(folder, arguments.rounds)
    print(
        f"CPU time over ours, median and range of {arguments.rounds} rounds. hp@k of "
        f"{N_PREDICTIONS:,} predictions among {len(labels):,} labels; nltk's from {N_NLTK} of them, "
        f"times {N_PREDICTIONS // N_NLTK}. Ours: hp@5 {1e3 * found[5][1]:.0f} ms, "
        f"hp@20 {1e3 * found[20][1]:.0f} ms, reading {1e3 * graph_time:.0f} ms.\n"
    )
    print_table(
        ["in place of skdevise", "hp@5", "hp@20", "largest difference", "reading the nouns"],
        [
            [
                name,
                found[5][0][name][0],
                found[20][0][name][0],
                f"{max(found[k][0][name][1] for k in found):.0e}",
                reading if name.startswith("nltk") else "",
            ]
            for name in found[5][0]
        ],
    )
    print_machine()
    print(f"nltk {version('nltk')}")


if __name__ == "__main__":
    main()
