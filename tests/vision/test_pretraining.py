"""Pre-training of a network on labelled photos."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier
from skorch.callbacks import Callback
from torch import nn

from skdevise.datasets import load_image_folder, make_shapes
from skdevise.vision import VisualFeaturizer
from tests.vision.conftest import headless_net, tiny, tiny_net


def pretrained(two_colours, **params):
    defaults = {"weights": None, "max_epochs": 20, "lr": 0.1, "batch_size": 4}
    return tiny(**{**defaults, **params}).fit(*two_colours)


@pytest.mark.parametrize("make", [tiny_net, headless_net])
def test_pretraining_learns_two_colours(two_colours, make):
    featurizer = pretrained(two_colours, backbone=make)
    assert featurizer.score(*two_colours) == 1.0
    assert featurizer.classes_.tolist() == ["blue", "red"]
    assert len(featurizer.history_) == 20
    assert featurizer.history_.train_loss.iloc[-1] < featurizer.history_.train_loss.iloc[0]
    again = pickle.loads(pickle.dumps(featurizer))
    np.testing.assert_array_equal(
        again.predict_proba(two_colours[0]), featurizer.predict_proba(two_colours[0])
    )


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", torch.optim.RMSprop])
def test_other_optimizers(two_colours, optimizer):
    featurizer = pretrained(two_colours, optimizer=optimizer, lr=0.01, max_epochs=2)
    assert len(featurizer.history_) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("optimizer", dict), ("callbacks", [print]), ("lr_schedule", lambda done: -1.0)],
)
def test_training_parameters_are_checked_before_photos_are_read(name, value):
    featurizer = VisualFeaturizer("no such network", weights=None, **{name: value})
    with pytest.raises((TypeError, ValueError), match=name):
        featurizer.fit(["no such photo.jpg"], ["cat"])


def test_pretraining_is_reproducible_and_keeps_the_global_generators(two_colours):
    torch_state, numpy_state = torch.get_rng_state(), pickle.dumps(np.random.get_state())
    first = pretrained(two_colours, max_epochs=2).transform(two_colours[0])
    tiny(random_state=None).fit(two_colours[0])
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert pickle.dumps(np.random.get_state()) == numpy_state
    torch.rand(3)
    np.testing.assert_array_equal(
        pretrained(two_colours, max_epochs=2).transform(two_colours[0]), first
    )
    other = pretrained(two_colours, max_epochs=2, random_state=1).transform(two_colours[0])
    assert not np.allclose(other, first)


def test_pretraining_leaves_out_a_last_batch_of_one_photo(two_colours):
    photos, labels = two_colours
    # 9 photos in batches of 4 leave one photo. Batch norm would fail on its maps of 1 x 1.
    pretrained((photos[:9], labels[:9]), max_epochs=1)


def test_pretraining_trains_a_copy_of_a_module(two_colours):
    net = tiny_net()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    pretrained(two_colours, backbone=net, max_epochs=1)
    assert net.training and net[6].out_features == 3
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_pretraining_needs_labels(arrays):
    with pytest.raises(ValueError, match="y is missing"):
        tiny(weights=None).fit(arrays)
    with pytest.raises(ValueError, match="'a'"):
        tiny(weights=None).fit(arrays, ["a"] * 5)
    with pytest.raises(ValueError, match="None in row 1"):
        tiny(weights=None).fit(arrays, ["a", None, "b", "b", "a"])
    with pytest.raises(ValueError, match="5, 2"):
        tiny(weights=None).fit(arrays, ["a", "b"])


def test_augmentation_changes_photos_in_pretraining_only(two_colours):
    seen = []

    def turn_black(image, rng):
        seen.append(rng.integers(2**32))
        return Image.new("RGB", image.size)

    photos, labels = two_colours
    featurizer = pretrained(two_colours, augment=turn_black, max_epochs=2)
    # Each photo gets a new random generator in each epoch.
    assert len(seen) == len(set(seen)) == 24
    # All photos were black, so the loss stays near that of chance, log(2) = 0.69.
    assert featurizer.history_.train_loss.iloc[-1] > 0.6
    plain = featurizer.transform(photos)
    assert len(seen) == 24
    np.testing.assert_array_equal(featurizer.set_params(augment=None).transform(photos), plain)


def test_augmented_pretraining_gives_the_same_result_for_any_number_of_threads():
    shapes = make_shapes(168, n_sentences=0, random_state=0)
    colours = [label.split()[0] for label in shapes.target]
    first, second = (
        tiny(
            weights=None,
            augment="flip_crop",
            n_jobs=n_jobs,
            optimizer="adam",
            lr=0.03,
            image_size=24,
        ).fit(shapes.images, colours)
        for n_jobs in (1, 2)
    )
    assert first.score(shapes.images, colours) > 0.6  # chance is 1/6
    for key, array in first.weights_.items():
        np.testing.assert_array_equal(second.weights_[key], array)


def test_pretraining_that_diverges_raises(two_colours):
    with pytest.raises(ValueError, match="lr=1000000"):
        pretrained(two_colours, lr=1e6, max_epochs=5)


class Crash(Callback):
    """Interrupt the training in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("power cut")


@pytest.mark.parametrize(
    "params", [{}, {"augment": "flip_crop", "optimizer": "adam"}, {"early_stopping": True}]
)
def test_an_interrupted_pretraining_resumes_to_the_same_result(two_colours, tmp_path, params):
    # On a GPU, some sums are made in any order, so that the last bits differ.
    params = {"max_epochs": 6, "lr": 0.01, "lr_schedule": "cosine", "device": "cpu", **params}
    whole = pretrained(two_colours, **params)
    with pytest.raises(RuntimeError, match="power cut"):
        pretrained(two_colours, checkpoint=tmp_path, callbacks=[Crash(4)], **params)
    resumed = pretrained(two_colours, checkpoint=tmp_path, **params)
    for key, array in whole.weights_.items():
        assert np.array_equal(resumed.weights_[key], array)
    assert resumed.history_.drop(columns="dur").equals(whole.history_.drop(columns="dur"))
    # Other photos, labels or parameters have their own file.
    n_files = len(list(tmp_path.iterdir()))
    photos, labels = two_colours
    pretrained((photos[::-1], labels), checkpoint=tmp_path, **params)
    pretrained((photos, labels[1:] + labels[:1]), checkpoint=tmp_path, **params)
    pretrained(two_colours, checkpoint=tmp_path, **{**params, "lr": 0.02})
    assert len(list(tmp_path.iterdir())) == n_files + 3


def test_a_fit_without_a_seed_finds_its_checkpoint(two_colours, tmp_path):
    params = {"random_state": None, "checkpoint": tmp_path, "max_epochs": 3}
    with pytest.raises(RuntimeError, match="power cut"):
        pretrained(two_colours, callbacks=[Crash(3)], **params)
    first, second = (pretrained(two_colours, **params) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(first.transform(two_colours[0]), second.transform(two_colours[0]))


def test_different_modules_have_different_checkpoints(two_colours, tmp_path):
    for net in (tiny_net(), tiny_net()):  # Their weights are random.
        pretrained(two_colours, backbone=net, checkpoint=tmp_path, max_epochs=1)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="backbone=<function"):
        pretrained(two_colours, backbone=lambda: tiny_net(), checkpoint=tmp_path)


def test_early_stopping_keeps_the_best_weights(two_colours):
    class Spoil(Callback):
        """Set all weights to zero from the third epoch on."""

        def on_batch_end(self, net, **kwargs):
            if len(net.history) >= 3:
                for parameter in net.module_.parameters():
                    parameter.data.zero_()

    photos, labels = two_colours
    featurizer = pretrained(
        (photos * 2, labels * 2), early_stopping=True, n_iter_no_change=2, validation_fraction=0.3,
        callbacks=[Spoil()], lr=0.05,
    )  # fmt: skip
    seen = featurizer.history_["valid_hit@1"]
    assert len(seen) < 20
    assert seen.iloc[-1] == 0.5 < seen.max()
    assert featurizer.score(photos, labels) > 0.5


def test_class_weights_move_the_probabilities(two_colours):
    def mean_colour():
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

    photos, labels = two_colours
    # All photos are equal, and 9 of 12 are red. The probability of red is its share of the weight.
    blank, mostly_red = [photos[0]] * 12, ["red"] * 9 + ["blue"] * 3
    for class_weight, proba in ((None, 9 / 12), ("balanced", 0.5), ({"blue": 6, "red": 1}, 1 / 3)):
        featurizer = pretrained(
            (blank, mostly_red), backbone=mean_colour, class_weight=class_weight, max_epochs=60,
            batch_size=12, optimizer="adam", lr=0.05,
        )  # fmt: skip
        red = featurizer.predict_proba(blank[:1])[0, 1]
        assert red == pytest.approx(proba, abs=0.05)


def test_the_schedule_changes_the_learning_rate_of_the_optimizer(two_colours):
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    pretrained(two_colours, lr=0.1, lr_schedule="linear", max_epochs=4, callbacks=[Look()])
    assert seen == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_a_checkpoint_must_be_a_folder(two_colours, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file"):
        pretrained(two_colours, checkpoint=tmp_path / "file")


def test_pretraining_leaves_out_unreadable_photos_with_a_warning(two_colours):
    photos, labels = two_colours
    params = {"max_epochs": 1, "on_error": "nan"}
    with pytest.warns(UserWarning, match="1 of 13 photos"):
        featurizer = pretrained(([b"no photo", *photos], ["red", *labels]), **params)
    expected = pretrained((photos, labels), **params)
    for key, array in expected.weights_.items():
        np.testing.assert_array_equal(featurizer.weights_[key], array)
    with pytest.raises(ValueError, match="2 photos"):
        pretrained(([b"x", b"y"], ["cat", "dog"]), on_error="nan")


def small_net():
    """Four convolutions with pooling. The function can be pickled."""
    layers, n_in = [], 3
    for n_out in (24, 48, 96, 192):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)]
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        n_in = n_out
    layers[-1] = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(n_in, n_in))


@pytest.mark.slow
def test_a_small_net_learns_twenty_classes_of_photos(shared_data):
    parts = {}
    for part in ("train", "val"):
        photos = load_image_folder(shared_data / "tiny-imagenet-200-sample.tar", folder=part)
        chosen = np.isin(photos.target, photos.target_names[::10])
        parts[part] = photos.data[chosen], photos.target[chosen]
    featurizer = VisualFeaturizer(
        small_net, weights=None, image_size=56, augment="flip_crop", optimizer="adam", lr=0.003,
        lr_schedule="cosine", max_epochs=5, random_state=0,
    ).fit(*parts["train"])  # fmt: skip
    hit_rate = featurizer.score(*parts["val"])
    print(f"hit@1 of the softmax layer on {len(parts['val'][0])} photos: {hit_rate:.3f}")
    assert hit_rate > 0.25  # chance is 1/20
    features = featurizer.transform(parts["train"][0])
    nearest = KNeighborsClassifier(5).fit(features, parts["train"][1])
    assert nearest.score(featurizer.transform(parts["val"][0]), parts["val"][1]) > 0.25
