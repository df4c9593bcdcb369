"""Files of vectors: how soon and in how much memory they open, and how fast text is read.

python benchmarks/vector_files.py [--terms 400000] [--size 300]

A table as large as GloVe's is generated, and saved as .npz. A process opens it, looks up one term,
and tells the seconds, and how much resident memory the table takes then; another has gensim open
its own save of the same vectors. Of the text, compressed or not, a part is read by each, in
alternated rounds; times of those are the processor's.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import print_machine, print_table, spread
from gensim.models import KeyedVectors

from skdevise import PretrainedEmbedder

OURS = "from skdevise import PretrainedEmbedder"
GENSIM = "from gensim.models import KeyedVectors"
WAYS = {
    "PretrainedEmbedder.load(mmap=True)": (
        f"{OURS}; import skdevise.language.formats.files",
        "(e := PretrainedEmbedder.load('vectors.npz', mmap=True), e.transform(['term7']))",
    ),
    "PretrainedEmbedder.load": (
        f"{OURS}; import skdevise.language.formats.files",
        "(e := PretrainedEmbedder.load('vectors.npz'), e.transform(['term7']))",
    ),
    "gensim's KeyedVectors.load(mmap='r')": (
        GENSIM,
        "(e := KeyedVectors.load('vectors.kv', mmap='r'), e['term7'])",
    ),
}

# What is resident now: the most that ever was would be the parent's, at the start of a process.
OPEN = """
import resource, time
{imports}
def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
before, start = megabytes(), time.perf_counter()
kept = {statement}
print(time.perf_counter() - start, megabytes() - before)
"""


def opening(folder, n_rounds):
    """Rows of seconds and megabytes; each round is a process of its own."""
    rows = []
    for name, (imports, statement) in WAYS.items():
        code = OPEN.format(imports=imports, statement=statement)
        told = [
            subprocess.check_output([sys.executable, "-c", code], cwd=folder, text=True).split()
            for _ in range(n_rounds)
        ]
        seconds, megabytes = np.array(told, dtype=float).T
        rows.append([name, spread(seconds, 3), f"{np.median(megabytes):.0f}"])
    return rows


def reading(folder, n_terms, n_rounds):
    """Rows of how many times gensim's time reading takes, plain and compressed."""
    rows = []
    for name in ("vectors.txt", "vectors.txt.gz"):
        path = folder / name
        PretrainedEmbedder.load(folder / "vectors.npz", limit=n_terms).save(path)
        ratios = []
        for _ in range(n_rounds):
            start = time.process_time()
            embedder = PretrainedEmbedder.load(path)
            middle = time.process_time()
            theirs = KeyedVectors.load_word2vec_format(path)
            ratios.append((time.process_time() - middle) / (middle - start))
        assert len(embedder.terms_) == len(theirs) == n_terms
        rows.append([name, spread(ratios, 1)])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--terms", type=int, default=400_000)
    parser.add_argument("--size", type=int, default=300, help="numbers of a vector")
    parser.add_argument("--read", type=int, default=40_000, help="terms of the text that is read")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    terms = [f"term{number}" for number in range(args.terms)]
    vectors = np.random.default_rng(0).standard_normal((args.terms, args.size), dtype=np.float32)
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        PretrainedEmbedder((terms, vectors)).save(folder / "vectors.npz")
        theirs = KeyedVectors(args.size)
        theirs.add_vectors(terms, vectors)
        theirs.save(str(folder / "vectors.kv"))
        del vectors, theirs
        print_table(["opens and looks up one term", "seconds", "MB"], opening(folder, args.rounds))
        print()
        rows = reading(folder, args.read, args.rounds)
        print_table([f"text of {args.read} terms", "times as fast as gensim"], rows)
    print(f"\n{args.terms} terms, {args.size}-d.")
    print_machine()


if __name__ == "__main__":
    main()
