"""Measure the speed and memory of SkipGramEmbedder beside gensim and nltk.

python benchmarks/skip_gram.py enwiki-8m-tokens.txt.xz

SkipGramEmbedder splits the text, merges 13,000 terms of WordNet, counts the tokens and trains.
gensim gets text that is merged already; it counts the tokens and trains. Times are processor time,
because the machine may be shared, and the rounds alternate.
"""

import argparse
import lzma
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import print_machine, print_table
from gensim.models import Word2Vec
from nltk.tokenize import MWETokenizer

from skdevise import LabelVocabulary, SkipGramEmbedder, datasets
from skdevise.language._corpus import PhraseMerger, find_spellings, terms_to_train
from skdevise.language._terms import words_of

N_TERMS = 13_000
SETTINGS = {
    "100-d, window 5, 5 negative": {"vector_size": 100, "window": 5, "negative": 5},
    "300-d, window 10, 5 negative": {"vector_size": 300, "window": 10, "negative": 5},
    "500-d, window 20, hierarchical": {"vector_size": 500, "window": 20, "hs": 1, "negative": 0},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path)
    parser.add_argument(
        "--words", type=int, default=2_000_000, help="words for merging and 100 dimensions"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="training threads")
    parser.add_argument(
        "--megabytes", type=int, default=300, help="size of the generated text, 0 to skip it"
    )
    args = parser.parse_args()
    terms = sorted(random.Random(0).sample(sorted(terms_to_train("wordnet")), N_TERMS))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # Memory comes first, because a child process starts with the peak memory of its parent.
        if args.megabytes:
            measure_memory(folder, args.megabytes)
        rows = [merging(args, terms)]
        rows += [training(args, terms, folder, name) for name in SETTINGS]
        header = ["thousand words a second", "skdevise", "reference", "ratio", "range"]
        print_table(header, rows)
    print()
    measure_transform()
    print_machine()


def read_lines(path, n_words):
    """Return the first lines of a text, up to `n_words` words."""
    lines = []
    with lzma.open(path, "rt") as file:
        while n_words > 0:
            lines.append(file.readline())
            n_words -= len(lines[-1].split())
    return lines


def merging(args, terms):
    """Compare PhraseMerger with nltk's MWETokenizer."""
    documents = [words_of(line) for line in read_lines(args.text, args.words)]
    phrases = {phrase: " ".join(phrase) for phrase in find_spellings(terms)[1]}
    ours, theirs = PhraseMerger(phrases), MWETokenizer(sorted(phrases), separator=" ").tokenize
    assert [ours(tokens) for tokens in documents] == [theirs(tokens) for tokens in documents]
    return compare(
        args,
        "merging alone, beside nltk's MWETokenizer",
        sum(map(len, documents)),
        lambda: [ours(tokens) for tokens in documents],
        lambda: [theirs(tokens) for tokens in documents],
    )


def training(args, terms, folder, name):
    """Compare `fit` with gensim, on fewer words if a word takes longer."""
    params = SETTINGS[name]
    share = (500 / params["vector_size"] / params["window"]) ** 0.5
    lines = read_lines(args.text, int(args.words * share))
    documents = [words_of(line) for line in lines]
    raw, merged = folder / "raw.txt", folder / "merged.txt"
    raw.write_text("".join(lines))
    merge = MWETokenizer(sorted(find_spellings(terms)[1]), separator="_").tokenize
    merged.write_text("\n".join(" ".join(merge(tokens)) for tokens in documents) + "\n")
    embedder = SkipGramEmbedder(
        params["vector_size"],
        params["window"],
        hierarchical_softmax=bool(params.get("hs")),
        negative=params["negative"],
        terms=terms,
        always_keep=False,
        n_jobs=args.workers,
    )
    gensim_params = {"sg": 1, "epochs": 1, "min_count": 5, "workers": args.workers, **params}
    return compare(
        args,
        f"fit, {name}",
        sum(map(len, documents)),
        lambda: embedder.fit(raw),
        lambda: Word2Vec(corpus_file=str(merged), **gensim_params),
    )


def compare(args, name, n_words, ours, theirs):
    """Return a row with the median speeds, and the median and range of their ratio."""
    speeds = []
    for _ in range(args.rounds):
        pair = []
        for function in (ours, theirs):
            start = time.process_time()
            function()
            pair.append(n_words / 1000 / (time.process_time() - start))
        speeds.append(pair)
    speeds = np.array(speeds)
    ratios = speeds[:, 0] / speeds[:, 1]
    return [
        name,
        *(f"{speed:.0f}" for speed in np.median(speeds, axis=0)),
        f"{np.median(ratios):.2f}",
        f"{ratios.min():.2f} to {ratios.max():.2f}",
    ]


def measure_memory(folder, megabytes):
    """Print the peak memory of fits on a short and on a long text, each in its own process."""
    for size in (megabytes // 10, megabytes):
        path = folder / "generated.txt"
        generate(path, size)
        code = "import sys; sys.path.insert(0, sys.argv[2]); import skip_gram as s; s.fit_once()"
        command = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
        peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"A fit of {size} MB of generated text takes {peak.strip()} MB of memory.")
    print()


def generate(path, megabytes):
    """Write text of 50,000 words whose frequencies follow Zipf's law."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{number:x}" for number in range(50_000)])
    odds = 1 / np.arange(1, len(words) + 1)
    with open(path, "w") as file:
        while file.tell() < megabytes * 1e6:
            chosen = words[rng.choice(len(words), size=(2_000, 50), p=odds / odds.sum())]
            file.write("\n".join(" ".join(line) for line in chosen.tolist()) + "\n")


def fit_once():
    """Fit on the file that the command line names, and print the peak memory in MB."""
    SkipGramEmbedder(
        vector_size=50, window=2, negative=1, hierarchical_softmax=False, sample=1e-5
    ).fit(sys.argv[1])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def measure_transform():
    """Print how long it takes to look up the labels of ImageNet."""
    names = LabelVocabulary(datasets.load_imagenet_labels().fall11).terms
    labels = [terms[0] for terms in names]
    words = sorted({word for label in labels for word in words_of(label)})
    embedder = SkipGramEmbedder(vector_size=300, window=2, min_count=1, terms=labels).fit(
        [words, *(words_of(label) for label in labels[::2])]
    )
    start = time.process_time()
    embedder.transform(labels)
    print(f"{len(labels)} labels are transformed in {time.process_time() - start:.2f} s.")


if __name__ == "__main__":
    main()
