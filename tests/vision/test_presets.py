"""Preprocessing in plain values, and what it is told by."""

import functools
import json
import subprocess
import sys
import threading

import pytest
import torch
from torchvision import transforms
from torchvision.transforms import v2
from torchvision.transforms._presets import ImageClassification

from skdevise.vision._presets import imagenet_preset, make_preprocess, preset_digest, to_preset


def test_preset_is_plain_and_comes_back():
    preset = ImageClassification(crop_size=50, resize_size=60, mean=(0.1, 0.2, 0.3))
    values = json.loads(json.dumps(to_preset(preset)))
    assert values == {
        "crop_size": 50,
        "resize_size": 60,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
        "antialias": True,
    }
    assert vars(make_preprocess(values)) == vars(preset)


def test_other_callables_stay_as_they_are():
    assert make_preprocess(to_preset(json.dumps)) is json.dumps


def half(photo):
    return photo / 2


def third(photo):
    return photo / 3


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, photo):
        return photo * self.factor


def scaled_by(factor):
    def scale(photo):
        return photo * factor

    return scale


def in_set(photo):
    return photo in {"some", "more", "words", "whose", "order", "changes"}


DIFFERENT = [
    imagenet_preset(),
    imagenet_preset(200),
    imagenet_preset(std=(1, 1, 1)),
    imagenet_preset(interpolation=transforms.InterpolationMode.BICUBIC),
    half,
    third,
    lambda photo: photo / 3,
    scaled_by(2),
    scaled_by(3),
    Scaled(2),
    Scaled(3),
    Scaled(torch.ones(2)),
    Scaled(torch.ones(2, dtype=torch.bfloat16)),
    Scaled(half),
    Scaled(2).__call__,
    functools.partial(torch.mul, 2),
    functools.partial(torch.mul, 3),
    transforms.Compose([transforms.ToTensor(), transforms.Lambda(half)]),
    transforms.Compose([transforms.ToTensor(), transforms.Lambda(third)]),
    v2.Resize(8),
    v2.Resize(9),
    in_set,
]


def test_digest_tells_different_preprocessing_apart():
    digests = [preset_digest(preset) for preset in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)
    assert preset_digest(scaled_by(2)) == digests[7]
    assert preset_digest(Scaled(torch.ones(2))) == digests[11]


def test_digest_sees_what_a_function_of_the_same_name_does():
    digests = set()
    for body in ("photo / 2", "photo / 3", "photo / 2.0"):
        scope = {"__name__": "__main__"}
        exec(f"def preprocess(photo):\n    return {body}", scope)
        digests.add(preset_digest(scope["preprocess"]))
    assert len(digests) == 3


def test_digest_is_the_same_in_each_process():
    code = (
        "from tests.vision.test_presets import DIFFERENT, preset_digest; "
        "print([preset_digest(preset) for preset in DIFFERENT])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == f"{[preset_digest(preset) for preset in DIFFERENT]}\n"


def test_what_cannot_be_pickled_is_refused():
    with pytest.raises(
        ValueError, match="preprocess=Scaled cannot be told from others .* cache=No"
    ):
        preset_digest(Scaled(threading.Lock()))
