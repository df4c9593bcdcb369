"""Measure how fast files of term vectors open, and how fast text is read.

python benchmarks/vector_files.py [--terms 400000] [--size 300]

The benchmark generates a table as large as GloVe's and saves it with `PretrainedEmbedder.save` and
with gensim. A new process opens each file and looks up one term. It reports the seconds, without
imports, and the growth of its resident memory. Then both libraries read text and binary files in
alternating rounds. These ratios compare processor time.
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

OPENERS = {
    "PretrainedEmbedder.load(mmap=True)": (
        "import safetensors; from skdevise import PretrainedEmbedder",
        "(e := PretrainedEmbedder.load('v.safetensors', mmap=True), e.transform(['term7']))",
    ),
    "PretrainedEmbedder.load": (
        "import safetensors; from skdevise import PretrainedEmbedder",
        "(e := PretrainedEmbedder.load('v.safetensors'), e.transform(['term7']))",
    ),
    "gensim's KeyedVectors.load(mmap='r')": (
        "from gensim.models import KeyedVectors",
        "(e := KeyedVectors.load('v.kv', mmap='r'), e['term7'])",
    ),
}

# The peak memory of a new process includes its parent's, so the script reads the current memory.
SCRIPT = """
import resource, time
{imports}
def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
before, start = megabytes(), time.perf_counter()
kept = {statement}
print(time.perf_counter() - start, megabytes() - before)
"""


def measure_opening(folder, n_rounds):
    """Open each file in new processes: rows of name, seconds and megabytes."""
    rows = []
    for name, (imports, statement) in OPENERS.items():
        command = [sys.executable, "-c", SCRIPT.format(imports=imports, statement=statement)]
        results = [
            subprocess.check_output(command, cwd=folder, text=True).split() for _ in range(n_rounds)
        ]
        seconds, megabytes = np.array(results, dtype=float).T
        rows.append([name, spread(seconds, 3), f"{np.median(megabytes):.0f}"])
    return rows


def measure_reading(folder, n_terms, n_rounds):
    """Read text and binary files with both libraries: rows of name and gensim's time over ours."""
    rows = []
    table = PretrainedEmbedder.load(folder / "v.safetensors", limit=n_terms)
    for name in ("v.txt", "v.txt.gz", "v.bin"):
        path = folder / name
        table.save(path)
        ratios = []
        for _ in range(n_rounds):
            start = time.process_time()
            ours = PretrainedEmbedder.load(path)
            middle = time.process_time()
            theirs = KeyedVectors.load_word2vec_format(path, binary=name == "v.bin")
            ratios.append((time.process_time() - middle) / (middle - start))
        assert len(ours.terms_) == len(theirs) == n_terms
        rows.append([name, spread(ratios, 1)])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--terms", type=int, default=400_000, help="terms of the table")
    parser.add_argument("--size", type=int, default=300, help="dimension of the vectors")
    parser.add_argument("--read", type=int, default=40_000, help="terms of the files to read")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each measurement")
    args = parser.parse_args()
    terms = [f"term{number}" for number in range(args.terms)]
    vectors = np.random.default_rng(0).standard_normal((args.terms, args.size), dtype=np.float32)
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        PretrainedEmbedder((terms, vectors)).save(folder / "v.safetensors")
        keyed = KeyedVectors(args.size)
        keyed.add_vectors(terms, vectors)
        keyed.save(str(folder / "v.kv"))
        del vectors, keyed
        rows = measure_opening(folder, args.rounds)
        print_table(["open and look up one term", "seconds", "MB"], rows)
        print()
        rows = measure_reading(folder, min(args.read, args.terms), args.rounds)
        print_table([f"read {args.read} terms", "times as fast as gensim"], rows)
    print(f"\n{args.terms} terms, {args.size}-d.")
    print_machine()


if __name__ == "__main__":
    main()
