from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from skdevise import DeViSEClassifier
from skdevise._utils import content_hash


class Crash(Callback):
    """Ends the process, as it were, in the middle of an epoch."""

    def __init__(self, epoch, batch=1):
        self.epoch = epoch
        self.batch = batch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1]["batches"]) == self.batch:
            raise RuntimeError("power cut")


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def interrupted(clf, X, y, epoch):
    with pytest.raises(RuntimeError, match="power cut"):
        clone(clf).set_params(callbacks=[Crash(epoch)]).fit(X, y)


def assert_same(first, second):
    for name in ("coef_", "temperature_"):
        assert np.array_equal(getattr(first, name, 0), getattr(second, name, 0))
    for a, b in zip(
        getattr(first, "projection_weights_", {}).values(),
        getattr(second, "projection_weights_", {}).values(),
        strict=True,
    ):
        assert np.array_equal(a, b)
    columns = first.history_.columns.drop("dur")
    assert first.history_[columns].equals(second.history_[columns])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"loss": "warp", "optimizer": "adam", "lr_schedule": "cosine"},
        {"projection": "mlp", "optimizer": "adam"},
        {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.3},
        {"train_label_vectors": True, "loss": "contrastive"},
        {"negatives": 2, "feature_scaling": "standard"},
    ],
    ids=str,
)
def test_an_interrupted_fit_goes_on_to_the_same_result(tmp_path, plane, pets_and_trucks, params):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, batch_size=8, max_epochs=6, random_state=0, **params)
    whole = clone(clf).fit(X, y)
    clf.set_params(checkpoint=tmp_path)
    n_epochs = len(whole.history_)
    interrupted(clf, X, y, epoch=min(4, n_epochs))
    (kept,) = tmp_path.iterdir()
    assert len(torch.load(kept)["history"]) == min(4, n_epochs) - 1
    assert_same(clf.fit(X, y), whole)


def test_without_a_seed_the_one_of_the_interrupted_fit_counts(tmp_path, plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=4, checkpoint=tmp_path)
    interrupted(clf, X, y, epoch=3)
    (kept,) = tmp_path.iterdir()
    seed = torch.load(kept)["seed"]
    whole = DeViSEClassifier(plane, max_epochs=4, random_state=0)
    whole.random_state = FixedSeed(seed)
    assert_same(clf.fit(X, y), whole.fit(X, y))


class FixedSeed(np.random.RandomState):
    """Draws one and the same seed."""

    def __init__(self, seed):
        super().__init__(0)
        self.seed_ = seed

    def randint(self, *args, **kwargs):
        return self.seed_


def test_a_finished_fit_is_read(tmp_path, plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=3, checkpoint=tmp_path, random_state=0).fit(X, y)
    # With an epoch to train this would fail.
    again = clone(clf).set_params(callbacks=[Crash(1), Crash(2), Crash(3), Crash(4)]).fit(X, y)
    assert_same(again, clf)


def test_fits_of_other_parameters_or_data_share_the_folder(tmp_path, plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=1, checkpoint=tmp_path, random_state=0)
    clf.fit(X, y)
    clone(clf).set_params(margin=0.2).fit(X, y)
    clone(clf).fit(2 * X + 1, y)
    clone(clf).fit(X, np.roll(y, 1))
    clone(clf).fit(X, y, sample_weight=np.arange(1.0, 61))
    assert len(list(tmp_path.iterdir())) == 5
    # What the map does not depend on makes no other fit.
    clone(clf).set_params(verbose=0, seen_penalty=0.1, search="exact").fit(X, y)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_warm_start_is_part_of_what_is_trained(tmp_path, plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=1, lr=0.001, warm_start=True, random_state=0)
    without = clone(clf).fit(X, y).fit(X, y)
    assert_same(clf.set_params(checkpoint=tmp_path).fit(X, y).fit(X, y), without)


def test_one_other_sample_makes_another_fit(tmp_path, plane):
    rng = np.random.default_rng(0)
    X, y = rng.random((600, 3)), np.repeat(["cat", "dog", "truck"], 200)
    clf = DeViSEClassifier(plane, max_epochs=2, checkpoint=tmp_path, random_state=0)
    first = clf.fit(X, y).coef_
    X[333] = 0, 0, 9
    assert not np.array_equal(clf.fit(X, y).coef_, first)


def test_a_parameter_that_cannot_be_told_apart_is_refused(tmp_path, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, lr_schedule=lambda done: 1.0, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="can be pickled, but lr_schedule=<function"):
        clf.fit(*pets_and_trucks)
    bare = partial(torch.nn.Linear, bias=False)
    assert clf.set_params(lr_schedule=None, projection=bare).fit(*pets_and_trucks)


def test_a_fit_that_a_callback_ended_is_finished(tmp_path, plane, pets_and_trucks):
    stop = StopsAfter(3)
    clf = DeViSEClassifier(plane, callbacks=[stop], checkpoint=tmp_path, random_state=0)
    lengths = [len(clf.fit(*pets_and_trucks).history_) for _ in range(3)]
    assert lengths == [3, 3, 3]


class StopsAfter(Callback):
    """Ends training after an epoch, in skorch's manner."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("folder", ["file", "/proc/nope"])
def test_a_folder_that_cannot_be_used_is_refused_at_once(tmp_path, plane, pets_and_trucks, folder):
    (tmp_path / "file").touch()
    clf = DeViSEClassifier(plane, checkpoint=tmp_path / folder)
    with pytest.raises(ValueError, match="is no folder that can be used"):
        clf.fit(*pets_and_trucks)


def test_a_broken_checkpoint_is_named(tmp_path, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, max_epochs=1, checkpoint=tmp_path, random_state=0)
    clf.fit(*pets_and_trucks)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"half")
    with pytest.raises(ValueError, match=f"{kept.name}' cannot be read: delete it"):
        clf.fit(*pets_and_trucks)


def test_fingerprints_tell_dtypes_and_lengths_apart():
    X = np.ones((5, 2))
    own = content_hash({}, [], [X])
    assert own == content_hash({}, [], [X.copy()])
    assert own != content_hash({}, [], [X[:4]])
    assert own != content_hash({}, [], [X.astype(np.float32)])
