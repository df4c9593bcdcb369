"""Make skdevise/datasets/data/wordnet_nouns.npz and wordnet.LICENSE from WordNet 3.0.

python tools/make_wordnet_table.py /usr/share/wordnet
"""

import argparse
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"


def read_synset(line):
    """Read the offset, the terms, and the targets of ``@`` and ``@i`` from a line of data.noun.

    WordNet's wndb(5) documents the fields. They are offset, file, type, number of terms
    (hexadecimal), terms with sense numbers, number of pointers, four fields per pointer, and gloss.
    """
    fields = line.partition(" | ")[0].split()
    n_terms = int(fields[3], 16)
    terms = [term.replace("_", " ") for term in fields[4 : 4 + 2 * n_terms : 2]]
    pointers = fields[5 + 2 * n_terms :]
    hypernyms, instance_of = (
        [int(pointers[i + 1]) for i in range(0, len(pointers), 4) if pointers[i] == symbol]
        for symbol in ("@", "@i")
    )
    return int(fields[0]), terms, hypernyms, instance_of


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of WordNet 3.0 with data.noun")
    lines = (parser.parse_args().folder / "data.noun").read_text(encoding="ascii").splitlines()

    # The file begins with the licence, whose lines are indented and numbered.
    licence = [line for line in lines if line.startswith("  ")]
    if not any("WordNet 3.0 Copyright" in line for line in licence):
        raise SystemExit("data.noun is not from WordNet 3.0, which the ids of ImageNet need.")
    synsets = [read_synset(line) for line in lines[len(licence) :]]
    offsets, terms, hypernyms, instance_of = zip(*synsets, strict=True)
    offsets = np.array(offsets)

    def parents(pointers):
        return np.searchsorted(offsets, np.concatenate(pointers)).astype(np.int32)

    def counts(pointers):
        return np.array([len(targets) for targets in pointers], dtype=np.uint8)

    text = "\n".join("\t".join(names) for names in terms)
    np.savez_compressed(
        DATA / "wordnet_nouns.npz",
        # Differences compress to half the size of the offsets.
        offset_steps=np.diff(offsets, prepend=0).astype(np.int32),
        terms=np.frombuffer(text.encode(), dtype=np.uint8),
        parents=parents(hypernyms),
        n_parents=counts(hypernyms),
        instance_parents=parents(instance_of),
        n_instance_parents=counts(instance_of),
    )
    notice = [line.split(maxsplit=1)[1:] for line in licence]
    notice = "\n".join(words[0].rstrip() if words else "" for words in notice)
    (DATA / "wordnet.LICENSE").write_text(f"{notice}\n", encoding="ascii")
    print(f"{len(synsets)} synsets, {sum(map(len, hypernyms))} hypernym pointers")


if __name__ == "__main__":
    main()
