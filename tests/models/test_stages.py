"""The visual net behind the map, and trained with it."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback
from torch import nn

from skdevise import DeViSEClassifier, VisualFeaturizer
from skdevise.datasets import make_shapes
from skdevise.models import _stages as stages


def tiny_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 6),
    )  # fmt: skip


@pytest.fixture(scope="module")
def colours():
    """Photos of shapes, labelled by their colour."""
    shapes = make_shapes(84, random_state=0)
    return shapes.images, np.array([label.split()[0] for label in shapes.target])


@pytest.fixture(scope="module")
def visual(colours):
    net = VisualFeaturizer(
        tiny_net, weights=None, image_size=32, max_epochs=1, optimizer="adam", random_state=0
    )
    return net.fit(*colours)


@pytest.fixture
def clf(visual):
    return DeViSEClassifier(
        visual=FrozenEstimator(visual), max_epochs=1, finetune_epochs=5, finetune_lr=0.01,
        batch_size=28, random_state=0,
    )  # fmt: skip


def test_stage_2_trains_the_net_and_gains(clf, visual, colours):
    X, y = colours
    before = visual.transform(X)
    first = clone(clf).set_params(finetune_epochs=0).fit(X, y)
    clf.fit(X, y)
    assert clf.score(X, y) > first.score(X, y)
    assert not np.array_equal(clf.coef_, first.coef_)
    assert not np.allclose(clf.visual_.transform(X), before)
    # A frozen net is its owner's: what is trained is a copy.
    np.testing.assert_allclose(visual.transform(X), before, atol=1e-5)


def test_both_stages_are_in_the_history(clf, colours):
    history = clf.fit(*colours).history_
    assert history.index.names == ["stage", "epoch"]
    assert [len(history.loc[stage]) for stage in (1, 2)] == [1, 5]
    assert history.loc[2].train_loss.iloc[-1] < history.loc[1].train_loss.iloc[-1]


def test_what_both_stages_trained_survives_a_pickle(clf, colours):
    X, y = colours
    clf.fit(X, y)
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(copy.transform(X), clf.transform(X), atol=1e-6)
    assert copy.partial_fit(X, y).score(X, y) > 0.5


def test_batch_norms_are_frozen_unless_told_otherwise(clf, visual, colours):
    def running_means(featurizer):
        return {key: own for key, own in featurizer.weights_.items() if "running_mean" in key}

    before = running_means(visual)
    frozen = running_means(clf.fit(*colours).visual_)
    trained = running_means(clf.set_params(freeze_batch_norm=False).fit(*colours).visual_)
    assert len(before) == 2
    for key in before:
        assert np.array_equal(frozen[key], before[key])
        assert not np.allclose(trained[key], before[key])


class Rows(Callback):
    """Keeps the rows that each stage holds out."""

    def __init__(self):
        self.seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.early_stopping.rows.tolist())


@pytest.mark.parametrize("random_state", [0, None])
def test_both_stages_hold_out_the_same(clf, colours, random_state):
    rows = Rows()
    clf.set_params(early_stopping=True, random_state=random_state, finetune_epochs=1)
    clf.set_params(callbacks=[rows]).fit(*colours)
    assert len(rows.seen) == 2
    assert rows.seen[0] == rows.seen[1]
    assert "valid_hit@1" in clf.history_


class PowerCut(Callback):
    def on_epoch_end(self, net, **kwargs):
        if isinstance(net.module_, stages.PhotoMap) and len(net.history) == 3:
            raise RuntimeError("power cut")


def test_an_interrupted_stage_2_goes_on_to_the_same_result(tmp_path, clf, visual, colours):
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    visual.set_params(augment="flip_crop")
    clf.set_params(max_epochs=2, train_label_vectors=True)
    try:
        whole = clone(clf).fit(*colours)
        clf.set_params(checkpoint=tmp_path)
        with pytest.raises(RuntimeError, match="power cut"):
            clone(clf).set_params(callbacks=[PowerCut()]).fit(*colours)
        assert len(list(tmp_path.iterdir())) == 2  # one a stage
        clf.fit(*colours)
    finally:
        torch.set_num_threads(n_threads)
        visual.set_params(augment=None)
    assert np.array_equal(clf.coef_, whole.coef_)
    assert np.array_equal(clf.transform(colours[0]), whole.transform(colours[0]))
    assert np.array_equal(clf.label_space_.targets, whole.label_space_.targets)


def test_stage_1_sees_each_photo_augmented_afresh(visual, colours):
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


@pytest.mark.parametrize("params", [{"projection": "mlp"}], ids=str)
def test_stage_2_goes_on_from_any_projection(clf, colours, params):
    X, y = colours
    clf.set_params(**params, feature_scaling="standard").fit(X, y)
    assert clf.score(X, y) > 0.5
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(copy.transform(X), clf.transform(X), atol=1e-5)


def test_stage_2_needs_a_net(plane):
    with pytest.raises(ValueError, match="finetune_epochs=3 trains the visual net: give visual="):
        DeViSEClassifier(plane, finetune_epochs=3).fit([[0, 1], [1, 0]], ["cat", "dog"])


@pytest.mark.parametrize(("loss", "lr"), [("mse", 1e30), ("hinge_rank", 1e18)])
def test_stage_2_that_diverges_names_its_learning_rate(clf, colours, loss, lr):
    clf.set_params(loss=loss, finetune_lr=lr, finetune_optimizer="sgd")
    with pytest.raises(ValueError, match="diverged: lower finetune_lr=1e"):
        clf.fit(*colours)
    assert not hasattr(clf, "visual_")
