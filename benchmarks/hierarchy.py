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
from _common import print_machine, print_table, spread
from threadpoolctl import threadpool_limits

from skdevise import Hierarchy, datasets
from skdevise.labels._hierarchy import _wordnet
from skdevise.metrics import hierarchical_precision_at_k

N_PREDICTIONS = 5_000


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
    return np.mean(
        [
            sum(answer in correct for answer in top[:k]) / k
            for correct, top in zip(map(set_of, y_true.tolist()), y_top.tolist(), strict=True)
        ]
    )


def by_nltk(reader, y_true, y_top, k, labels):
    def synset(label):
        return reader.synset_from_pos_and_offset("n", int(label[1:]))

    def neighbours(node):
        return node.hypernyms() + node.hyponyms()

    valid = {synset(label) for label in labels.tolist()}
    return np.mean(
        [
            sum(synset(answer) in correct for answer in top[:k]) / k
            for correct, top in zip(
                (correct_set(synset(label), k, valid, neighbours) for label in y_true.tolist()),
                y_top.tolist(),
                strict=True,
            )
        ]
    )


def by_sets(neighbours, y_true, y_top, k, labels):
    valid = set(labels.tolist())
    return precision(
        y_true, y_top, k, lambda label: correct_set(label, k, valid, neighbours.__getitem__)
    )


def by_kept_sets(neighbours, y_true, y_top, k, labels, kept=None):
    valid, kept = set(labels.tolist()), {} if kept is None else kept

    def set_of(label):
        if label not in kept:
            kept[label] = correct_set(label, k, valid, neighbours.__getitem__)
        return kept[label]

    return precision(y_true, y_top, k, set_of)


def timed(run):
    start = time.process_time()
    value = run()
    return value, time.process_time() - start


def compare_precision(k, graph, reader, labels, n_rounds):
    """By name, the ratio of CPU time to ours and the difference; and our time."""
    data = *predictions(labels, np.random.default_rng(k)), k
    neighbours = {label: [] for label in graph.labels.tolist()}
    for parent, child in graph.labels[graph._edges].tolist():
        neighbours[parent].append(child)
        neighbours[child].append(parent)
    kept = {}
    others = {
        "nltk's synsets": lambda: by_nltk(reader, *data, labels),
        "sets, one example after another": lambda: by_sets(neighbours, *data, labels),
        "sets, kept for each label": lambda: by_kept_sets(neighbours, *data, labels),
        "sets, all kept from a call before": lambda: by_kept_sets(neighbours, *data, labels, kept),
    }
    ratios, differences, times = {name: [] for name in others}, {}, []
    for _ in range(n_rounds + 1):
        ours, time_of_ours = timed(lambda: hierarchical_precision_at_k(*data, graph, labels))
        times.append(time_of_ours)
        for name, run in others.items():
            value, time_of_other = timed(run)
            differences[name] = abs(value - ours)
            ratios[name].append(time_of_other / time_of_ours)
    # The first round warms caches.
    found = {name: (spread(ratios[name][1:], digits=1), differences[name]) for name in others}
    return found, np.median(times[1:])


def compare_reading(folder, n_rounds):
    ratios, times = [], []
    for _ in range(n_rounds):
        times.append(timed(read_by_us)[1])
        ratios.append(timed(lambda: read_by_nltk(folder))[1] / times[-1])
    return spread(ratios, digits=1), np.median(times)


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
        f"CPU time over ours, median and range of {arguments.rounds} rounds; hp@k of "
        f"{N_PREDICTIONS:,} predictions among {len(labels):,} labels.\n"
    )
    (at_5, our_time_at_5), (at_20, our_time_at_20) = found.values()
    rows = [
        [name, at_5[name][0], at_20[name][0], f"{max(at_5[name][1], at_20[name][1]):.0e}", ""]
        for name in at_5
    ]
    rows[0][-1] = reading
    ours = [f"{1e3 * median:.0f} ms" for median in (our_time_at_5, our_time_at_20, graph_time)]
    print_table(
        ["in place of skdevise", "hp@5", "hp@20", "largest difference", "reading the nouns"],
        [*rows, ["skdevise itself", *ours[:2], "", ours[2]]],
    )
    print_machine()
    print(f"nltk {version('nltk')}")


if __name__ == "__main__":
    main()
