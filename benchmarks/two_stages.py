"""The two stages of DeViSE behind a net of one's own: softmax, then the map, then both.

python benchmarks/two_stages.py tiny-imagenet-200-sample.tar glove-6b-100d-subset.bin

A small net is pre-trained from scratch with a softmax layer (section 3.2 of the paper), a map is
trained on its features (stage 1), and then both together (stage 2). Photos are flipped and cropped
afresh in each epoch (A.1). The labels are those of `make_shapes`, and every tenth class of
Tiny-ImageNet, trained on `train/` and tested on `val/`. The net has seen no other photo. As stage 2
trains it for more epochs, softmax is also given that many more.
"""

import argparse
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import percent, print_machine, print_table
from PIL import Image
from sklearn.frozen import FrozenEstimator
from torch import nn

from skdevise import (
    DeViSEClassifier,
    PretrainedEmbedder,
    SkipGramEmbedder,
    VisualFeaturizer,
    datasets,
)

SEEDS = range(3)
BATCH_SIZE = 32
# The net is small and young: steps are larger than the default's, and batch norms follow it.
STAGE_2 = {
    "finetune_epochs": 12,
    "finetune_lr": 0.003,
    "finetune_optimizer": "adam",
    "freeze_batch_norm": False,
}


def small_net(width=24):
    """Four convolutions, pooled; 0.2 million weights at a width of 24."""
    layers, n_in = [], 3
    for n_out in (width, 2 * width, 4 * width, 8 * width):
        layers += [
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
        n_in = n_out
    layers[-1] = nn.AdaptiveAvgPool2d(1)
    # The softmax layer gets as many outputs as there are classes.
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(n_in, n_in))


def small_visual_model(*, image_size, max_epochs, seed):
    """The net with its pre-training: Adam, whose learning rate falls to zero along a cosine."""
    return VisualFeaturizer(
        small_net,
        weights=None,
        image_size=image_size,
        augment="flip_crop",
        optimizer="adam",
        lr=0.003,
        lr_schedule="cosine",
        max_epochs=max_epochs,
        batch_size=BATCH_SIZE,
        random_state=seed,
    )


def load_twenty_classes(path):
    """Photos (n, 64, 64, 3) and labels of every tenth class: X_train, y_train, X_test, y_test."""
    parts = []
    with TemporaryDirectory() as folder, tarfile.open(path) as tar:
        tar.extractall(folder, filter="data")
        for part in ("train", "val"):
            photos = datasets.load_image_folder(Path(folder) / "tiny-imagenet-200-sample" / part)
            chosen = np.isin(photos.target, photos.target_names[::10])
            pixels = [np.asarray(Image.open(name).convert("RGB")) for name in photos.data[chosen]]
            parts += [np.stack(pixels), photos.target[chosen]]
    return parts


def hit_rates(photos, embedder, seed, **recipe):
    """hit@1 on the test photos: softmax, DeViSE after each stage, softmax for as many epochs."""
    X_train, y_train, X_test, y_test = photos
    visual = small_visual_model(seed=seed, **recipe).fit(X_train, y_train)
    rates = [visual.score(X_test, y_test)]
    for stage_2 in ({}, STAGE_2):
        clf = DeViSEClassifier(
            embedder, FrozenEstimator(visual), lr_schedule="cosine", random_state=seed, **stage_2
        )
        rates.append(clf.fit(X_train, y_train).score(X_test, y_test))
    recipe["max_epochs"] += STAGE_2["finetune_epochs"]
    longer = small_visual_model(seed=seed, **recipe).fit(X_train, y_train)
    rates.append(longer.score(X_test, y_test))
    print(f"  {recipe}, seed {seed}: {rates}", flush=True)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("vectors", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    drawn = datasets.make_shapes(1260, random_state=0)
    others = datasets.make_shapes(420, n_sentences=0, random_state=1)
    shapes = [drawn.images, drawn.target, others.images, others.target]
    text = SkipGramEmbedder(
        vector_size=32, window=5, max_epochs=5, terms=list(drawn.target_names), random_state=0
    ).fit(drawn.corpus)
    classes = load_twenty_classes(args.photos)
    glove = PretrainedEmbedder.load(args.vectors)
    worlds = {
        "`make_shapes`, 42 labels": (shapes, text, {"image_size": 32, "max_epochs": 10}),
        "Tiny-ImageNet, 20 classes": (classes, glove, {"image_size": 56, "max_epochs": 5}),
    }
    rows = []
    for name, (photos, embedder, recipe) in worlds.items():
        runs = [hit_rates(photos, embedder, seed, **recipe) for seed in SEEDS]
        rows.append([name, len(photos[0]), len(photos[2]), *percent(runs)])
    header = ["photos", "to train", "to test", "softmax", "stage 1", "stage 2", "softmax, longer"]
    print_table(header, rows)
    print(f"\nhit@1 in percent; means of {len(SEEDS)} seeds.")
    print_machine()


if __name__ == "__main__":
    main()
