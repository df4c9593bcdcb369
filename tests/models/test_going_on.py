"""A fitted classifier that goes on: after what broke off, and with other parameters."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from skdevise import (
    DeViSEClassifier,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    VisualFeaturizer,
)


class Crash(Callback):
    """Breaks off in the middle of a pass."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history[-1]["batches"]) == 2:
            raise RuntimeError("power cut")


class Float64:
    """An embedder that gives float64, as users' own do."""

    def transform(self, terms):
        return RandomEmbedder(4).transform(terms).astype(np.float64)


PARAMS = [
    {},
    {"projection": "mlp"},
    {"loss": "contrastive", "optimizer": "adam"},
    {"train_label_vectors": True},
]


# --- After a call that broke off


@pytest.mark.parametrize("params", PARAMS, ids=str)
@pytest.mark.parametrize("how", ["features", "label", "crash"])
def test_a_call_that_breaks_off_leaves_no_trace(plane, pets_and_trucks, params, how):
    X, y = pets_and_trucks
    crash = Crash() if how == "crash" else Callback()
    clf, same = (
        DeViSEClassifier(plane, batch_size=8, random_state=0, **params).partial_fit(X, y)
        for _ in range(2)
    )
    net, n_epochs = clf.net_, len(clf.net_.history)
    with pytest.raises((ValueError, RuntimeError)):
        {
            "features": lambda: clf.partial_fit(X[:, :2], y),
            "label": lambda: clf.partial_fit(X, np.where(y == "cat", "okapi", y)),
            # A net with other callbacks is another: here the very same one breaks off.
            "crash": lambda: breaks_off(clf, crash, X, y),
        }[how]()
    assert clf.net_ is net
    assert len(net.history) == n_epochs
    for own in (clf, same):
        own.partial_fit(X, y)
    assert np.array_equal(clf.transform(X), same.transform(X))
    assert clf.history_.drop(columns="dur").equals(same.history_.drop(columns="dur"))


def breaks_off(clf, crash, X, y):
    clf.net_.callbacks_.append(("crash", crash))
    try:
        clf.partial_fit(X, y)
    finally:
        clf.net_.callbacks_.pop()


def test_a_fit_that_breaks_off_keeps_the_optimizer(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(X, y)
    net = clf.net_
    with pytest.raises(ValueError, match="inconsistent numbers"):
        clf.fit(X, y[:4])
    assert clf.net_ is net


# --- What the loss has learned


def temperature(clf):
    return float(clf.net_.criterion_.temperature.detach())


def test_a_learned_temperature_is_kept_with_the_map(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(
        plane, loss="contrastive", lr=0.2, max_epochs=20, warm_start=True, random_state=0
    ).fit(X, y)
    learned = clf.loss_temperature_
    assert learned == pytest.approx(temperature(clf))
    assert abs(learned - 0.07) > 0.01
    assert temperature(pickle.loads(pickle.dumps(clf))) == pytest.approx(learned)
    with pytest.raises(ValueError, match="features"):
        clf.partial_fit(X[:, :2], y)
    assert temperature(clf) == pytest.approx(learned)
    assert clf.set_params(max_epochs=0).fit(X, y).loss_temperature_ == pytest.approx(learned)
    assert not hasattr(clf.set_params(loss="mse").fit(X, y), "loss_temperature_")


# --- With other parameters


def test_other_false_labels_count_from_the_next_pass_on(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(X, y)
    clf.set_params(negative_labels=["lynx"]).partial_fit(X, y)
    assert len(clf.net_.criterion_.vectors) == 4
    assert clf.set_params(negative_labels="training").partial_fit(X, y).net_ is clf.net_
    assert len(clf.net_.criterion_.vectors) == 3


def test_other_false_labels_count_beside_trained_vectors(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True, random_state=0).partial_fit(X, y)
    trained = clf.label_space_.targets
    clf.set_params(negative_labels=["lynx"], lr=1e-9).partial_fit(X, y)
    vectors = clf.net_.criterion_.vectors.detach().numpy()
    np.testing.assert_allclose(vectors[:3], trained, atol=1e-6)
    assert np.array_equal(vectors[3:], plane.transform(["lynx"]))


def test_other_terms_count_from_the_next_pass_on(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(X, y)
    terms = {"cat": "lynx", "dog": "dog", "truck": "truck"}
    clf.set_params(labels=LabelVocabulary(terms, terms)).partial_fit(X, y)
    assert np.array_equal(clf.label_space_.targets[:1], plane.transform(["lynx"]))
    assert np.array_equal(clf.net_.criterion_.vectors.numpy(), clf.label_space_.targets)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedder", RandomEmbedder(vector_size=2, random_state=1)),
        ("embedder", None),
        ("projection", "mlp"),
        ("visual", VisualFeaturizer("efficientnet_lite0")),
        ("feature_scaling", "none"),
    ],
    ids=str,
)
def test_what_a_map_cannot_go_on_with_is_refused(plane, pets_and_trucks, name, value):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).fit(X, y)
    points, given = clf.transform(X), getattr(clf, name)
    clf.set_params(**{name: value})
    assert np.array_equal(clf.transform(X), points)  # It answers with what was fitted.
    with pytest.raises(ValueError, match=f"partial_fit goes on from a map of {name}="):
        clf.partial_fit(X, np.where(y == "cat", "lynx", y))
    clf.set_params(**{name: given}).partial_fit(X, y)


def test_a_fitted_mlp_answers_whatever_is_set_since(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection="mlp", max_epochs=2, random_state=0).fit(X, y)
    points = clf.transform(X)
    data = pickle.dumps(clf.set_params(device="cuda:77", batch_size=1, projection="linear"))
    assert b"torch" not in data
    for own in (clf, pickle.loads(data)):
        assert np.array_equal(own.transform(X), points)


def test_a_changed_parameter_of_a_shared_embedder_changes_nothing(pets_and_trucks):
    X, y = pets_and_trucks
    embedder = RandomEmbedder(vector_size=4)
    clf = DeViSEClassifier(embedder, random_state=0).partial_fit(X, y)
    embedder.set_params(vector_size=9)
    clf.partial_fit(X, np.where(y == "cat", "lynx", y))
    assert clf.transform(X).shape[1] == 4


def test_trained_vectors_stay_where_training_them_ends_and_a_label_joins(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True, lr=0.2, random_state=0).fit(X, y)
    trained = clf.embedder_.transform(["cat", "dog", "truck"])
    clf.set_params(train_label_vectors=False).partial_fit(X, np.where(y == "cat", "lynx", y))
    assert np.array_equal(clf.embedder_.transform(["cat", "dog", "truck"]), trained)
    assert np.array_equal(clf.label_space_.targets[[0, 1, 3]], trained)
    assert np.array_equal(clf.embedder_.transform(["lynx"]), plane.transform(["lynx"]))


# --- Vectors of any kind


@pytest.mark.parametrize("loss", ["hinge_rank", "warp", "mse", "cosine", "contrastive"])
@pytest.mark.parametrize("train_label_vectors", [True, False])
def test_vectors_of_float64_train_as_those_of_float32(pets_and_trucks, loss, train_label_vectors):
    X, y = pets_and_trucks
    points = [
        DeViSEClassifier(
            embedder, loss=loss, train_label_vectors=train_label_vectors, max_epochs=3,
            random_state=0,
        ).fit(X, y).transform(X)
        for embedder in (Float64(), RandomEmbedder(4))
    ]  # fmt: skip
    assert np.array_equal(*points)


def test_labels_at_the_mean_of_their_terms_train(pets_and_trucks):
    X, y = pets_and_trucks
    terms = {"cat": ["cat", "puss"], "dog": ["dog", "hound"], "truck": ["truck", "lorry"]}
    means = LabelVocabulary(terms, terms, pool="mean")
    clf = DeViSEClassifier(RandomEmbedder(4), labels=means, random_state=0).fit(X, y)
    assert clf.label_space_.targets.dtype == np.float32
    assert clf.score(X, y) == 1.0
    clf.set_params(labels=None, negative_labels=LabelVocabulary(["fox"], pool="mean")).fit(X, y)
    assert clf.score(X, y) == 1.0


# --- Draws


def test_a_pass_draws_other_numbers_than_a_stage():
    from skdevise.models._nets import draw_seeds

    assert not set(draw_seeds(0, 1, "pass")) & set(draw_seeds(0, 1, "stage"))


# --- Schedules of callbacks


@pytest.mark.parametrize("optimizer", ["adagrad", "sgd"])
def test_a_schedule_of_skorch_takes_effect(plane, pets_and_trucks, optimizer):
    # After the first epoch the learning rate is next to nothing.
    X, y = pets_and_trucks
    falls = LRScheduler(policy=torch.optim.lr_scheduler.StepLR, step_size=1, gamma=1e-9)
    clf = DeViSEClassifier(plane, optimizer=optimizer, max_epochs=4, random_state=0)
    scheduled = clone(clf).set_params(callbacks=[falls]).fit(X, y)
    np.testing.assert_allclose(scheduled.coef_, clone(clf).set_params(max_epochs=1).fit(X, y).coef_)
    assert not np.allclose(scheduled.coef_, clf.fit(X, y).coef_)


# --- Stage 2, and what is held out


def tiny_net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveMaxPool2d(2),
        nn.Flatten(), nn.Linear(16, 6),
    )  # fmt: skip


@pytest.fixture(scope="module")
def colours():
    from skdevise.datasets import make_shapes

    shapes = make_shapes(42, random_state=0)
    return shapes.images, np.array([label.split()[0] for label in shapes.target])


@pytest.fixture(scope="module")
def frozen(colours):
    net = VisualFeaturizer(tiny_net, weights=None, image_size=32, max_epochs=1, random_state=0)
    return FrozenEstimator(net.fit(*colours))


def test_frozen_batch_norms_take_batches_of_one(frozen, colours):
    clf = DeViSEClassifier(
        RandomEmbedder(6), frozen, max_epochs=1, finetune_epochs=1, batch_size=1, random_state=0
    ).fit(*colours)
    assert np.isfinite(clf.coef_).all()
    clf.set_params(freeze_batch_norm=False)
    with pytest.raises(ValueError, match="batch_size=1 leaves a batch norm nothing"):
        clf.fit(*colours)


def test_stage_2_takes_up_the_file_of_stage_1(tmp_path, frozen, colours):
    clf = DeViSEClassifier(
        RandomEmbedder(6), frozen, max_epochs=1, checkpoint=tmp_path, random_state=0
    ).fit(*colours)
    (first,) = tmp_path.iterdir()
    clf.set_params(finetune_epochs=1, freeze_batch_norm=False).fit(*colours)
    assert len(list(tmp_path.iterdir())) == 2
    clf.set_params(finetune_lr=0.1).fit(*colours)
    assert len(list(tmp_path.iterdir())) == 3
    assert first.exists()


def test_what_is_held_out_is_seen_by_neither_net_nor_scaler(colours):
    X, y = colours
    net = VisualFeaturizer(tiny_net, weights=None, image_size=32, max_epochs=1, random_state=0)
    clf = DeViSEClassifier(
        RandomEmbedder(6), net, feature_scaling="standard", early_stopping=True, max_epochs=1,
        validation_split="classes", validation_fraction=0.4, random_state=0,
    ).fit(X, y)  # fmt: skip
    seen = set(clf.visual_.classes_)
    assert len(seen) == len(clf.classes_) - round(0.4 * len(clf.classes_))
    assert clf.scaler_.n_samples_seen_ == np.isin(y, list(seen)).sum()


def test_a_seedless_fit_with_a_checkpoint_holds_out_the_same_each_time(tmp_path, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(
        RandomEmbedder(4), early_stopping=True, feature_scaling="standard", max_epochs=2,
        checkpoint=tmp_path,
    )  # fmt: skip
    first = clf.fit(X, y).coef_
    assert np.array_equal(clf.fit(X, y).coef_, first)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_vector_can_be_loaded_that_is_float64(pets_and_trucks):
    embedder = PretrainedEmbedder({"cat": [1.0, 0], "dog": [0, 1.0], "truck": [-1.0, 0]})
    clf = DeViSEClassifier(embedder, random_state=0, lr=0.1).fit(*pets_and_trucks)
    assert clf.score(*pets_and_trucks) == 1.0
