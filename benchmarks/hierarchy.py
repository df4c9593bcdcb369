"""Compare hierarchical precision (hp@k) and the reading of WordNet with nltk and plain Python sets.

python benchmarks/hierarchy.py --wordnet /usr/share/wordnet

`--wordnet` is the folder of WordNet 3.0, as Debian's package wordnet-base installs it. Without it,
nltk is left out. The benchmark uses one thread, measures CPU time, and alternates the methods.
"""

import argparse
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import nltk
import numpy as np
from _common import print_machine, print_table, spread
from threadpoolctl import threadpool_limits

from skdevise import Hierarchy, datasets
from skdevise.labels._tables import bundled_tables
from skdevise.metrics import hierarchical_precision_at_k

N_PREDICTIONS = 5_000


def draw_predictions(labels, rng):
    """Draw true labels, and twenty answers to each with similar ids, which mean similar things."""
    true = rng.integers(len(labels), size=N_PREDICTIONS)
    near = true[:, None] + rng.integers(-30, 31, size=(N_PREDICTIONS, 20))
    return labels[true], labels[near.clip(0, len(labels) - 1)]


def read_with_nltk(folder):
    """Read all nouns and their hypernyms into the cache of nltk's reader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns that other languages are missing.
        reader = nltk.corpus.reader.WordNetCorpusReader(str(folder), None)
    for synset in reader.all_synsets("n"):
        synset.hypernyms()
    return reader


def correct_set(start, k, valid, neighbours_of):
    """Search breadth first with sets, one whole radius at a time, until k valid nodes are found."""
    seen, ring = {start}, {start}
    correct = seen & valid
    while ring and len(correct) < k:
        ring = {other for node in ring for other in neighbours_of(node)} - seen
        seen |= ring
        correct |= ring & valid
    return correct


def by_sets(y_true, y_top, k, labels, neighbours_of, node_of=str, cache=None):
    """Compute hp@k with sets. Correct sets are reused if there is a cache."""
    valid = set(map(node_of, labels.tolist()))
    shares = []
    for label, top in zip(y_true.tolist(), y_top.tolist(), strict=True):
        correct = None if cache is None else cache.get(label)
        if correct is None:
            correct = correct_set(node_of(label), k, valid, neighbours_of)
        if cache is not None:
            cache[label] = correct
        shares.append(sum(node_of(answer) in correct for answer in top[:k]) / k)
    return np.mean(shares)


def timed(run):
    start = time.process_time()
    value = run()
    return value, time.process_time() - start


def compare_precision(k, reader, labels, n_rounds):
    """Return our time, and for each method its time over ours and its difference from ours."""
    graph = Hierarchy.wordnet()
    data = *draw_predictions(labels, np.random.default_rng(k)), k
    nodes, edges, *_ = bundled_tables("wordnet")
    neighbours = {label: [] for label in nodes.tolist()}
    for parent, child in nodes[edges].tolist():
        neighbours[parent].append(child)
        neighbours[child].append(parent)
    get = neighbours.__getitem__
    cache = {}
    methods = {
        "sets": lambda: by_sets(*data, labels, get),
        "sets, one search per label": lambda: by_sets(*data, labels, get, cache={}),
        "sets, no search at all": lambda: by_sets(*data, labels, get, cache=cache),
    }
    if reader is not None:
        methods["nltk's synsets"] = lambda: by_sets(
            *data,
            labels,
            lambda node: node.hypernyms() + node.hyponyms(),
            lambda label: reader.synset_from_pos_and_offset("n", int(label[1:])),
        )
    times, ratios, differences = [], {name: [] for name in methods}, {}
    for _ in range(n_rounds + 1):
        value, our_time = timed(lambda: hierarchical_precision_at_k(*data, graph, labels))
        times.append(our_time)
        for name, run in methods.items():
            other, other_time = timed(run)
            ratios[name].append(other_time / our_time)
            differences[name] = abs(other - value)
    # The first round warms caches.
    found = {name: (spread(ratios[name][1:], digits=1), differences[name]) for name in methods}
    return np.median(times[1:]), found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wordnet", type=Path, help="folder of WordNet 3.0")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    labels = datasets.load_imagenet_labels().fall11
    reader = reading = None
    with threadpool_limits(1), tempfile.TemporaryDirectory() as root:
        graph_time = np.median(
            [timed(lambda: Hierarchy(*bundled_tables("wordnet")))[1] for _ in range(5)]
        )
        if arguments.wordnet:
            nltk.data.path.append(root)  # nltk reads only below its own paths.
            folder = Path(root) / "corpora" / "wordnet"
            shutil.copytree(arguments.wordnet, folder)
            # Debian omits two files that nltk needs.
            (folder / "lexnames").write_text("".join(f"{i} unknown 0\n" for i in range(45)))
            (folder / "index.sense").touch()
            reader, nltk_time = timed(lambda: read_with_nltk(folder))
            reading = f"{nltk_time / graph_time:.1f}"
        (time_5, at_5), (time_20, at_20) = (
            compare_precision(k, reader, labels, arguments.rounds) for k in (5, 20)
        )
    print(
        f"Time over ours, median and range of {arguments.rounds} rounds; hp@k of "
        f"{N_PREDICTIONS:,} predictions among {len(labels):,} labels.\n"
    )
    ours = [f"{1e3 * seconds:.0f} ms" for seconds in (time_5, time_20, graph_time)]
    rows = [
        [
            name,
            at_5[name][0],
            at_20[name][0],
            f"{max(at_5[name][1], at_20[name][1]):.0e}",
            reading if name.startswith("nltk") else "",
        ]
        for name in at_5
    ]
    print_table(
        ["", "hp@5", "hp@20", "largest difference", "reading WordNet"],
        [["skdevise", *ours[:2], "", ours[2]], *rows],
    )
    print_machine()


if __name__ == "__main__":
    main()
