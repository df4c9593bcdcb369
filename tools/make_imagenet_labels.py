"""Make skdevise/datasets/data/imagenet_labels.npz from two lists of synset ids.

python tools/make_imagenet_labels.py ilsvrc2012-wnids.txt imagenet-fall11-wnids.txt
"""

import argparse
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"


def read_offsets(path):
    return np.array([int(synset.removeprefix("n")) for synset in path.read_text().split()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ilsvrc2012", type=Path, help="the 1,000 ids, one a line, in class order")
    parser.add_argument("fall11", type=Path, help="the 21,841 ids, one a line")
    paths = vars(parser.parse_args())
    labels = {name: read_offsets(path).astype(np.int32) for name, path in paths.items()}
    np.savez_compressed(DATA / "imagenet_labels.npz", **labels)
    print({name: len(offsets) for name, offsets in labels.items()})


if __name__ == "__main__":
    main()
