"""The two stages of DeViSE with a small visual network that is trained from scratch.

python benchmarks/two_stages.py tiny-imagenet-200-sample.tar glove-6b-100d-subset.bin

The network is pre-trained with a softmax layer (section 3.2 of the paper). Stage 1 trains a
projection on its features, and stage 2 trains both. Photos are flipped and cropped anew in each
epoch (appendix A.1). There are two data sets: drawings of `make_shapes`, and every tenth class of
Tiny-ImageNet, with `train/` for training and `val/` for testing. Stage 2 trains the network for
more epochs, so a second softmax baseline gets as many epochs.
"""

import argparse
from pathlib import Path

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
# A small, new network needs larger steps than the default, and batch norms that adapt.
STAGE_2 = {
    "finetune_epochs": 12,
    "finetune_lr": 0.003,
    "finetune_optimizer": "adam",
    "freeze_batch_norm": False,
}


def small_net(width=24):
    """Create a network of four convolutions, with 0.2 million weights."""
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
    # Pre-training resizes the softmax layer to the number of classes.
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(n_in, n_in))


def small_visual_model(*, image_size, max_epochs, seed):
    """Create the visual model. Adam trains it with a cosine schedule."""
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
    """Load photos (n, 64, 64, 3) and labels of every tenth class, to train and to test."""
    parts = []
    for part in ("train", "val"):
        photos = datasets.load_image_folder(path, folder=part)
        chosen = np.isin(photos.target, photos.target_names[::10])
        files = [photo.open("rb") for photo in photos.data[chosen]]
        pixels = [np.asarray(Image.open(file).convert("RGB")) for file in files]
        parts += [np.stack(pixels), photos.target[chosen]]
    return parts


def hit_rates(photos, embedder, seed, **recipe):
    """Measure hit@1 of softmax, of DeViSE after each stage, and of longer softmax training."""
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
    header = ["photos", "training", "test", "softmax", "stage 1", "stage 2", "longer softmax"]
    print_table(header, rows)
    print(f"\nhit@1 in percent, mean of {len(SEEDS)} seeds.")
    print_machine()


if __name__ == "__main__":
    main()
