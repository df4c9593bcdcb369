"""Make skdevise/datasets/data/imagenet_labels.npz from two lists of synset ids.

The package counts the hops of the zero-shot splits itself, in the graph of fall 2011.

python tools/make_imagenet_labels.py ilsvrc2012-wnids.txt imagenet-fall11-wnids.txt
"""

import argparse
from pathlib import Path

import numpy as np

from skdevise import Hierarchy, datasets

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"


def read_offsets(path):
    return np.array([int(synset.removeprefix("n")) for synset in path.read_text().split()])


def count_hops(max_edges=3):
    """Count the edges from each of the 21,841 labels to the nearest class, up to `max_edges`."""
    labels = datasets.load_imagenet_labels()
    graph = Hierarchy.wordnet("imagenet-fall11")
    hops = np.full(len(labels.fall11), max_edges, dtype=np.uint8)
    for edges in reversed(range(max_edges)):
        hops[np.isin(labels.fall11, list(graph.within_hops(labels.ilsvrc2012, edges)))] = edges
    return hops


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "ilsvrc2012", type=Path, help="file with the 1,000 ids in class order, one per line"
    )
    parser.add_argument("fall11", type=Path, help="file with the 21,841 ids, one per line")
    paths = vars(parser.parse_args())
    labels = {name: read_offsets(path).astype(np.int32) for name, path in paths.items()}
    table = DATA / "imagenet_labels.npz"
    np.savez_compressed(table, **labels)  # count_hops reads it
    np.savez_compressed(table, **labels, hops=count_hops())
    print({name: len(offsets) for name, offsets in labels.items()})


if __name__ == "__main__":
    main()
