"""Make wordnet_nouns.npz, wordnet_definitions.npz and wordnet.LICENSE from WordNet 3.0.

python tools/make_wordnet_table.py /usr/share/wordnet

It writes them to skdevise/datasets/data.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"


# Examples are quoted after the definition. A quoted word inside of a definition stays in it.
EXAMPLES = re.compile(r'(?<!e\.g\.)[;:,]\s*".*')


class Synset(NamedTuple):
    """A line of data.noun."""

    offset: int
    terms: list
    counts: list
    hypernyms: list
    instance_of: list
    definition: str


def read_counts(path):
    """Read how often each sense occurs in WordNet's tagged text: dict of sense key to count."""
    lines = path.read_text(encoding="ascii").splitlines()
    return {key: int(count) for key, _, count in map(str.split, lines)}


def read_synset(line, count_of_sense):
    """Read a line of data.noun.

    WordNet's wndb(5) documents the fields. They are offset, file, type, number of terms
    (hexadecimal), terms with numbers (hexadecimal), number of pointers, four fields per pointer,
    and gloss. A sense key joins a term, 1 for nouns, the file and the term's number.
    """
    data, _, gloss = line.partition(" | ")
    fields = data.split()
    end = 4 + 2 * int(fields[3], 16)
    terms, numbers, pointers = fields[4:end:2], fields[5:end:2], fields[end + 1 :]
    keys = [
        f"{term.lower()}%1:{fields[1]}:{int(number, 16):02d}::"
        for term, number in zip(terms, numbers, strict=True)
    ]
    hypernyms, instance_of = (
        [int(pointers[i + 1]) for i in range(0, len(pointers), 4) if pointers[i] == symbol]
        for symbol in ("@", "@i")
    )
    return Synset(
        int(fields[0]),
        [term.replace("_", " ") for term in terms],
        [count_of_sense.get(key, 0) for key in keys],
        hypernyms,
        instance_of,
        EXAMPLES.sub("", gloss).strip(" ;:,"),
    )


def as_bytes(lines):
    return np.frombuffer("\n".join(lines).encode(), dtype=np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, help="folder of WordNet 3.0 with data.noun, cntlist.rev"
    )
    folder = parser.parse_args().folder
    lines = (folder / "data.noun").read_text(encoding="ascii").splitlines()

    # The file begins with the licence, whose lines are indented and numbered.
    licence = [line for line in lines if line.startswith("  ")]
    if not any("WordNet 3.0 Copyright" in line for line in licence):
        raise SystemExit("data.noun is not from WordNet 3.0, which the ids of ImageNet need.")
    count_of_sense = read_counts(folder / "cntlist.rev")
    synsets = [read_synset(line, count_of_sense) for line in lines[len(licence) :]]
    offsets = np.array([synset.offset for synset in synsets])
    hypernyms = [synset.hypernyms for synset in synsets]
    instance_of = [synset.instance_of for synset in synsets]

    def parents(pointers):
        return np.searchsorted(offsets, np.concatenate(pointers)).astype(np.int32)

    def counts(pointers):
        return np.array([len(targets) for targets in pointers], dtype=np.uint8)

    np.savez_compressed(
        DATA / "wordnet_nouns.npz",
        # Differences compress to half the size of the offsets.
        offset_steps=np.diff(offsets, prepend=0).astype(np.int32),
        terms=as_bytes("\t".join(synset.terms) for synset in synsets),
        term_counts=np.concatenate([synset.counts for synset in synsets]).astype(np.uint16),
        parents=parents(hypernyms),
        n_parents=counts(hypernyms),
        instance_parents=parents(instance_of),
        n_instance_parents=counts(instance_of),
    )
    np.savez_compressed(
        DATA / "wordnet_definitions.npz",
        definitions=as_bytes(synset.definition for synset in synsets),
    )
    notice = [line.split(maxsplit=1)[1:] for line in licence]
    notice = "\n".join(words[0].rstrip() if words else "" for words in notice)
    (DATA / "wordnet.LICENSE").write_text(f"{notice}\n", encoding="ascii")
    print(f"{len(synsets)} synsets, {sum(map(len, hypernyms))} hypernym pointers")


if __name__ == "__main__":
    main()
