"""`to_openvino` and `OpenVINOFeaturizer`."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from torch import nn

from skdevise import (
    ConSEClassifier,
    DeViSEClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
    VisualFeaturizer,
    load,
    save,
    to_openvino,
)
from skdevise.vision._crop import CentreCrop, PillowCrop

pytest.importorskip("openvino")

RNG = np.random.default_rng(0)
# Smooth photos, as resizing noise would be a harder task than resizing photos.
PHOTOS = list(RNG.integers(0, 256, (6, 3, 3, 3), np.uint8).repeat(20, 1).repeat(16, 2))
Y = ["cat", "dog"] * 3


def tiny_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )


@pytest.fixture(scope="module")
def featurizer():
    return VisualFeaturizer(tiny_network, image_size=32).fit(PHOTOS)


@pytest.fixture(scope="module")
def converted(featurizer):
    return to_openvino(featurizer)


def test_features_are_nearly_those_of_the_network(featurizer, converted):
    expected, features = featurizer.transform(PHOTOS), converted.transform(PHOTOS)
    assert features.dtype == np.float32
    distances = np.linalg.norm(features - expected, axis=1)
    assert (distances < 0.01 * np.linalg.norm(expected, axis=1)).all()
    assert len(converted.get_feature_names_out()) == featurizer.n_features_out_


@pytest.mark.parametrize("shape", [(40, 30, 3), (31, 97, 3), (9, 9, 3), (32, 7_000, 3)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pillow_resizes_as_torch_does(shape, interpolation):
    pixels = RNG.integers(0, 256, shape, np.uint8).transpose(2, 0, 1)
    levels = {"mean": (0, 0, 0), "std": (1 / 255,) * 3, "interpolation": interpolation}
    outputs = []
    for crop in (CentreCrop(24, 27, **levels), PillowCrop(24, 27, **levels)):
        outputs.append(crop.from_pixels(pixels))
    assert np.abs(outputs[0] - outputs[1]).max() <= 2.01


def test_features_of_a_photo_do_not_depend_on_other_photos_or_threads(converted):
    together = converted.transform(PHOTOS)
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda photo: converted.transform([photo])[0], PHOTOS * 10))
    assert_array_equal(alone, np.tile(together, (10, 1)))


def test_classifiers_and_pipelines_are_converted(featurizer):
    frozen = FrozenEstimator(featurizer)
    devise = DeViSEClassifier(RandomEmbedder(8), frozen, max_epochs=1, random_state=0)
    pipe = make_pipeline(frozen, ConSEClassifier(embedder=RandomEmbedder(8)))
    for estimator in (devise, pipe):
        before = estimator.fit(PHOTOS, Y).predict_proba(PHOTOS)
        converted = to_openvino(estimator, n_threads=2)
        np.testing.assert_allclose(converted.predict_proba(PHOTOS), before, atol=0.01)
        assert converted.predict(PHOTOS, labels=["yak", "emu"]).shape == (6,)
        assert_array_equal(estimator.predict_proba(PHOTOS), before)


def test_a_clone_is_the_featurizer_itself_so_its_parameters_are_fixed(converted):
    assert clone(converted) is converted
    with pytest.raises(ValueError, match="n_threads"):
        clone(converted).set_params(n_threads=2)


def test_copies_give_the_same_features(converted, tmp_path):
    features = converted.transform(PHOTOS[:2])
    save(converted, tmp_path / "network")
    for copy in (
        load(tmp_path / "network"),
        load(tmp_path / "network", mmap=True),
        pickle.loads(pickle.dumps(converted)),
        clone(converted).fit(PHOTOS),
    ):
        assert_array_equal(copy.transform(PHOTOS[:2]), features)


def test_estimators_without_a_network_of_known_preprocessing_are_refused(featurizer):
    with pytest.raises(ValueError, match="RidgeProjectionClassifier"):
        to_openvino(RidgeProjectionClassifier().fit(np.eye(2), ["a", "b"]))
    with pytest.raises(ValueError, match="Pipeline"):
        to_openvino(make_pipeline(RidgeProjectionClassifier()).fit(np.eye(2), ["a", "b"]))
    with pytest.raises(NotFittedError):
        to_openvino(VisualFeaturizer())

    def preprocess(image):
        return torch.zeros(3, 32, 32)

    own = VisualFeaturizer(tiny_network, preprocess=preprocess).fit(PHOTOS)
    with pytest.raises(ValueError, match="preprocess"):
        to_openvino(own)


CODE = """
import sys
from skdevise import load
features = load(sys.argv[1]).transform([sys.argv[2]])
heavy = [name for name in ("torch", "torchvision", "gensim") if name in sys.modules]
print(float(features.sum()), heavy)
"""


@pytest.mark.slow
def test_a_saved_copy_needs_no_torch(converted, tmp_path):
    from PIL import Image

    save(converted, tmp_path / "network")
    Image.fromarray(PHOTOS[0]).save(tmp_path / "photo.png")
    command = [sys.executable, "-c", CODE, tmp_path / "network", tmp_path / "photo.png"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == f"{float(converted.transform(PHOTOS[:1]).sum())} []\n"


def test_a_pickled_featurizer_keeps_its_compiled_model(converted):
    converted.transform(PHOTOS)
    before = set(vars(converted))
    pickle.dumps(converted)
    assert set(vars(converted)) == before
