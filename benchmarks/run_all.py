"""Run the benchmarks of docs/benchmarks.rst, at small sizes.

python benchmarks/run_all.py --data FOLDER
python benchmarks/run_all.py --only search hierarchy

FOLDER, or a folder in it, holds glove-6b-100d-subset.bin, caltech101-40.tar and
enwiki-8m-tokens.txt.xz. Benchmarks whose file is missing are left out. Small sizes give other
figures than the page. The last table lists the commands of the page.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import print_machine, print_table

HERE = Path(__file__).parent.resolve()
VECTORS, PHOTOS, TEXT = "glove-6b-100d-subset.bin", "caltech101-40.tar", "enwiki-8m-tokens.txt.xz"


@dataclass
class Run:
    """A benchmark: its arguments here, those of the page, and the files that it needs."""

    script: str
    short: list = field(default_factory=list)
    full: str = ""

    @property
    def files(self):
        return [name for name in (VECTORS, PHOTOS, TEXT) if name in self.short]


RUNS = [
    Run("cluster", ["--plan"], "--plan"),
    Run("hierarchy", ["--rounds", "3"]),
    Run("label_coverage"),
    Run("saving", ["--rounds", "1"], "--rounds 3"),
    Run("serving", ["--small"]),
    Run("vector_files", ["--terms", "50000", "--read", "10000", "--rounds", "2"]),
    Run("search", [VECTORS, "--largest", "1000"], f"{VECTORS} --largest 49480"),
    Run("skip_gram", [TEXT, "--words", "500000", "--rounds", "1", "--megabytes", "0"], TEXT),
    Run("featurizer", [PHOTOS, "--rounds", "1", "--compared", "64"], PHOTOS),
    Run("photo_files", [PHOTOS, "--rounds", "1", "--threads", "1"], PHOTOS),
    Run("zero_shot_weights", ["--vectors", VECTORS], f"--vectors {VECTORS}"),
    Run(
        "reproduce_paper",
        ["--table", "caltech", "--quick"],
        "--table 1 2 3 4 5 caltech generalized --photos FOLDER",
    ),
]
# These are not run here. Most take much longer.
LONG = {
    "unknown_labels": "",
    "calibration": VECTORS,
    "training": "",
    "defaults": VECTORS,
    "hubness": VECTORS,
    "two_stages": f"tiny-imagenet-200-sample.tar {VECTORS}",
    "word_vectors": f"books-24m-tokens.txt.xz {TEXT} --glove {VECTORS} --folder vectors",
}


def find(folder, name):
    """Find a file in a folder or below it: Path or None."""
    return next(iter(sorted(folder.resolve().rglob(name))), None) if folder else None


def processor_minutes():
    """Sum the processor time of the benchmarks so far: float."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) / 60


def main():
    """Run the benchmarks one after the other, and print their tables and times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of word vectors, photos and text")
    parser.add_argument("--only", nargs="+", choices=[run.script for run in RUNS])
    args = parser.parse_args()
    rows = []
    for run in RUNS:
        if args.only and run.script not in args.only:
            continue
        found = {name: find(args.data, name) for name in run.files}
        if None in found.values():
            rows.append([run.script, "left out", f"needs {', '.join(found)}"])
            continue
        print(f"\n## {run.script}\n", flush=True)
        command = [str(found.get(argument, argument)) for argument in run.short]
        start, processor = time.perf_counter(), processor_minutes()
        with TemporaryDirectory() as folder:
            command = [sys.executable, HERE / f"{run.script}.py", *command]
            done = subprocess.run(command, cwd=folder, check=False)
        minutes, processor = (time.perf_counter() - start) / 60, processor_minutes() - processor
        result = "failed" if done.returncode else f"{minutes:.1f} ({processor:.1f})"
        print(f"\n{run.script}: {result}", flush=True)
        rows.append([run.script, result, f"python benchmarks/{run.script}.py {run.full}"])
    for script, arguments in LONG.items():
        rows.append([script, "not run", f"python benchmarks/{script}.py {arguments}"])
    print("\n## Times here, and the commands of the page\n")
    print_table(["benchmark", "minutes (of a processor)", "as on the page"], rows)
    print_machine()
    return any(row[1] == "failed" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
