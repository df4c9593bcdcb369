"""Speed and memory of SkipGramEmbedder, beside gensim and nltk in the same run.

python benchmarks/skip_gram.py enwiki-8m-tokens.txt.xz

The text is merged beforehand for gensim, which then counts its words and trains on the file; for
SkipGramEmbedder it is split, merged with 13,000 terms of WordNet's, counted and trained on. Times
are those of the processor, as the machine may be shared; rounds are alternated.
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
from skdevise.language._lexicon import terms_to_merge
from skdevise.language._merging import NamedTerms, PhraseMerger
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
    parser.add_argument("--words", type=int, default=2_000_000, help="for merging and 100-d")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--megabytes", type=int, default=300, help="of generated text")
    args = parser.parse_args()
    terms = sorted(random.Random(0).sample(sorted(terms_to_merge("wordnet")), N_TERMS))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # First, as a process starts with the most memory that its parent ever took.
        memory(folder, args.megabytes)
        rows = [merging(args, terms)]
        rows += [training(args, terms, folder, name) for name in SETTINGS]
        header = ["what, thousand words a second", "skdevise", "reference", "ratio", "range"]
        print_table(header, rows)
    print()
    transforming()
    print_machine()


def lines_of(path, n_words):
    """The first lines of a text, with so many words in all."""
    lines = []
    with lzma.open(path, "rt") as file:
        while n_words > 0:
            lines.append(file.readline())
            n_words -= len(lines[-1].split())
    return lines


def merging(args, terms):
    documents = [words_of(line) for line in lines_of(args.text, args.words)]
    phrases = NamedTerms(terms).phrases
    ours, theirs = PhraseMerger(phrases), MWETokenizer(sorted(phrases), separator=" ").tokenize
    assert [ours(tokens) for tokens in documents] == [theirs(tokens) for tokens in documents]
    n_words = sum(map(len, documents))
    return compare(
        args,
        "merging alone, beside nltk's MWETokenizer",
        n_words,
        lambda: [ours(tokens) for tokens in documents],
        lambda: [theirs(tokens) for tokens in documents],
    )


def training(args, terms, folder, name):
    """Train on fewer words where a word takes longer."""
    params = SETTINGS[name]
    share = (500 / params["vector_size"] / params["window"]) ** 0.5
    lines = lines_of(args.text, int(args.words * share))
    documents = [words_of(line) for line in lines]
    raw, merged = folder / "raw.txt", folder / "merged.txt"
    raw.write_text("".join(lines))
    merge = MWETokenizer(sorted(NamedTerms(terms).phrases), separator="_").tokenize
    merged.write_text("\n".join(" ".join(merge(tokens)) for tokens in documents) + "\n")
    embedder = SkipGramEmbedder(
        params["vector_size"],
        params["window"],
        hierarchical_softmax=bool(params.get("hs")),
        negative=params["negative"],
        terms=terms,
        always_keep=False,
        workers=args.workers,
    )
    own = {"sg": 1, "epochs": 1, "min_count": 5, "workers": args.workers, **params}
    return compare(
        args,
        f"fit, {name}",
        sum(map(len, documents)),
        lambda: embedder.fit(raw),
        lambda: Word2Vec(corpus_file=str(merged), **own),
    )


def compare(args, name, n_words, ours, theirs):
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


def memory(folder, megabytes):
    """Print the most memory that fits of two texts take, each in a process of its own."""
    for size in (megabytes // 10, megabytes):
        path = folder / "generated.txt"
        generate(path, size)
        code = "import sys; sys.path[:0] = sys.argv[2:]; import skip_gram as s; s.fit_and_tell()"
        paths = [str(Path(__file__).parent)]
        command = [sys.executable, "-c", code, str(path), *paths]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"A fit of {size} MB of generated text takes {told.strip()} MB of memory.")
    print()


def generate(path, megabytes):
    """Write text of 50,000 words, as frequent as Zipf's law has it."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{number:x}" for number in range(50_000)])
    odds = 1 / np.arange(1, len(words) + 1)
    with open(path, "w") as file:
        while file.tell() < megabytes * 1e6:
            chosen = words[rng.choice(len(words), size=(2_000, 50), p=odds / odds.sum())]
            file.write("\n".join(" ".join(line) for line in chosen.tolist()) + "\n")


def fit_and_tell():
    SkipGramEmbedder(
        vector_size=50, window=2, negative=1, hierarchical_softmax=False, sample=1e-5
    ).fit(sys.argv[1])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def transforming():
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
