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
from tests.vision.conftest import headless_net, tiny_net
from tests.vision.test_featurizer import tiny


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


def test_pretraining_is_reproducible_and_leaves_global_generators_alone(two_colours):
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


def test_pretraining_leaves_out_a_batch_of_one(two_colours):
    photos, labels = two_colours
    # 9 photos in batches of 4 leave one over, on which batch norm of 1x1 maps would fail.
    pretrained((photos[:9], labels[:9]), max_epochs=1)


def test_pretraining_trains_a_copy(two_colours):
    net = tiny_net()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    pretrained(two_colours, backbone=net, max_epochs=1)
    assert net.training and net[6].out_features == 3
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_pretraining_needs_labels(arrays):
    with pytest.raises(ValueError, match="weights=None pre-trains .* give y, or choose weights"):
        tiny(weights=None).fit(arrays)
    with pytest.raises(ValueError, match="y has one class, 'a': pre-training needs two at least"):
        tiny(weights=None).fit(arrays, ["a"] * 5)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tiny(weights=None).fit(arrays, ["a", "b"])


def test_pretraining_alters_photos_and_transform_does_not(two_colours):
    seen = []

    def turn_black(image, rng):
        seen.append(rng.integers(2**32))
        return Image.new("RGB", image.size)

    photos, labels = two_colours
    featurizer = pretrained(two_colours, augment=turn_black, max_epochs=2)
    # Every photo in every epoch, each time with a generator of its own.
    assert len(seen) == len(set(seen)) == 24
    # All that the net saw was the same: it cannot tell the labels.
    assert featurizer.history_.train_loss.iloc[-1] > 0.6
    plain = featurizer.transform(photos)
    assert len(seen) == 24
    np.testing.assert_array_equal(featurizer.set_params(augment=None).transform(photos), plain)


def test_augmented_pretraining_learns_shapes_on_any_number_of_threads():
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
    assert first.score(shapes.images, colours) > 0.6  # one in six by chance
    for key, own in first.weights_.items():
        np.testing.assert_array_equal(second.weights_[key], own)


def test_diverged_pretraining_is_an_error(two_colours):
    with pytest.raises(ValueError, match="diverged within 5 epochs: lower lr=1e"):
        pretrained(two_colours, lr=1e30, max_epochs=5)


class Crash(Callback):
    """Ends the process, as it were, in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("power cut")


@pytest.mark.parametrize(
    "params", [{}, {"augment": "flip_crop", "optimizer": "adam"}, {"early_stopping": True}]
)
def test_an_interrupted_pretraining_goes_on_to_the_same_result(two_colours, tmp_path, params):
    params = {"max_epochs": 6, "lr": 0.01, "lr_schedule": "cosine", **params}
    whole = pretrained(two_colours, **params)
    with pytest.raises(RuntimeError, match="power cut"):
        pretrained(two_colours, checkpoint=tmp_path, callbacks=[Crash(4)], **params)
    resumed = pretrained(two_colours, checkpoint=tmp_path, **params)
    for key, own in whole.weights_.items():
        assert np.array_equal(resumed.weights_[key], own)
    assert resumed.history_.drop(columns="dur").equals(whole.history_.drop(columns="dur"))
    # A fit of other photos, labels or parameters is another one.
    n_files = len(list(tmp_path.iterdir()))
    photos, labels = two_colours
    pretrained((photos[::-1], labels), checkpoint=tmp_path, **params)
    pretrained((photos, labels[1:] + labels[:1]), checkpoint=tmp_path, **params)
    pretrained(two_colours, checkpoint=tmp_path, **{**params, "lr": 0.02})
    assert len(list(tmp_path.iterdir())) == n_files + 3


def test_a_fit_without_a_seed_takes_up_that_of_its_checkpoint(two_colours, tmp_path):
    params = {"random_state": None, "checkpoint": tmp_path, "max_epochs": 3}
    with pytest.raises(RuntimeError, match="power cut"):
        pretrained(two_colours, callbacks=[Crash(3)], **params)
    first, second = (pretrained(two_colours, **params) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(first.transform(two_colours[0]), second.transform(two_colours[0]))


def test_nets_that_differ_have_checkpoints_of_their_own(two_colours, tmp_path):
    for net in (tiny_net(), tiny_net()):  # Their weights are random, and the seed is not theirs.
        pretrained(two_colours, backbone=net, checkpoint=tmp_path, max_epochs=1)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="can be pickled, but backbone=<function"):
        pretrained(two_colours, backbone=lambda: tiny_net(), checkpoint=tmp_path)


def test_early_stopping_keeps_the_best_weights(two_colours):
    class Spoil(Callback):
        """Makes the third epoch's weights worthless, and those after it."""

        def on_batch_end(self, net, **kwargs):
            if len(net.history) >= 3:
                for own in net.module_.parameters():
                    own.data.zero_()

    photos, labels = two_colours
    featurizer = pretrained(
        (photos * 2, labels * 2), early_stopping=True, n_iter_no_change=2, validation_fraction=0.3,
        callbacks=[Spoil()], lr=0.05,
    )  # fmt: skip
    seen = featurizer.history_["valid_hit@1"]
    assert len(seen) < 20
    assert seen.iloc[-1] == 0.5 < seen.max()
    assert featurizer.score(photos, labels) > 0.5


def test_classes_weigh_as_asked(two_colours):
    photos, labels = two_colours
    # All photos look the same, nine of twelve are red: the net answers with the heavier class.
    blank, mostly_red = [photos[0]] * 12, ["red"] * 9 + ["blue"] * 3
    for class_weight, proba in ((None, 9 / 12), ("balanced", 0.5), ({"blue": 6, "red": 1}, 1 / 3)):
        featurizer = pretrained(
            (blank, mostly_red), class_weight=class_weight, max_epochs=60, batch_size=12,
            optimizer="adam", lr=0.05,
        )  # fmt: skip
        red = featurizer.predict_proba(blank[:1])[0, 1]
        assert red == pytest.approx(proba, abs=0.05)


def test_a_schedule_reaches_the_optimizer(two_colours):
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    pretrained(two_colours, lr=0.1, lr_schedule="linear", max_epochs=4, callbacks=[Look()])
    assert seen == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_a_checkpoint_that_is_no_folder_is_refused(two_colours, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is no folder that can be used"):
        pretrained(two_colours, checkpoint=tmp_path / "file")


def test_photos_that_all_cannot_be_read_are_no_training_set():
    with (
        pytest.warns(UserWarning, match="2 of 2 photos"),
        pytest.raises(ValueError, match="None of the 2 photos can be read"),
    ):
        tiny(weights=None, on_error="nan").fit([b"x", b"y"], ["cat", "dog"])


@pytest.mark.parametrize("class_weight", [{"blue": -1, "red": 1}, {"blue": 0, "red": 0}])
def test_class_weights_weigh_something(two_colours, class_weight):
    with pytest.raises(ValueError, match="class_weight=.* gives .*: weights are 0 or more"):
        pretrained(two_colours, class_weight=class_weight)


def small_net():
    """Four convolutions, pooled; at module level, so that it pickles."""
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
