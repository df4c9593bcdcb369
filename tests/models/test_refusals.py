"""What cannot be trained on or with is refused in one sentence, before work starts."""

import h5py
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, TrainEndCheckpoint
from skorch.callbacks import Checkpoint as SkorchCheckpoint
from torch import nn

from skdevise import DeViSEClassifier, LabelVocabulary, VisualFeaturizer

LABELS = ["cat", "dog", "truck"]


def message(call, *kinds):
    """The one sentence of an error; nothing is fitted."""
    with pytest.raises(kinds or ValueError) as caught:
        call()
    return str(caught.value)


# --- Labels


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([1, None, 2] * 20, "y holds None in row 1: a label is text or a number."),
        ([None] * 60, "y holds None in row 0"),
        (["cat", None, "dog"] * 20, "y holds None in row 1"),
        (["cat", 1, "dog"] * 20, "y mixes text with numbers"),
    ],
    ids=["numbers", "all", "text", "mixed"],
)
def test_every_sample_has_a_label(pets_and_trucks, y, expected):
    clf = DeViSEClassifier()
    assert expected in message(lambda: clf.fit(pets_and_trucks[0], np.array(y, dtype=object)))
    assert not vars(clf).keys() - clf.get_params(deep=False).keys()


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="needs NumPy 2")
def test_labels_may_be_strings_of_any_length(plane, pets_and_trucks):
    X, y = pets_and_trucks
    strings = y.astype(np.dtypes.StringDType())
    clf = DeViSEClassifier(plane, random_state=0).fit(X, strings)
    assert clf.classes_.tolist() == LABELS
    assert clf.score(X, strings) == clf.partial_fit(X, strings).score(X, y) == 1.0


def test_no_photos_are_refused():
    clf = DeViSEClassifier(visual=VisualFeaturizer("efficientnet_lite0"))
    assert "There are no images" in message(lambda: clf.fit([], []))


def test_a_table_on_disk_needs_labels(tmp_path):
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = np.eye(2)
        assert "requires y to be passed" in message(lambda: DeViSEClassifier().fit(file["X"], None))


@pytest.mark.parametrize(
    "classes",
    [LabelVocabulary(LABELS), set(LABELS), dict.fromkeys(LABELS), np.array(LABELS, object), []],
    ids=["vocabulary", "set", "dict", "objects", "none"],
)
def test_classes_come_in_any_form(plane, pets_and_trucks, classes):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane).partial_fit(X, y, classes=classes)
    assert clf.classes_.tolist() == LABELS


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("cat", "classes is a sequence of labels, got 'cat'"),
        (7, "classes is a sequence of labels, got 7"),
        ([["cat"], ["dog"]], "classes is a one-dimensional sequence"),
        ([["cat"], ["dog", "yak"]], "classes is a one-dimensional sequence"),
        (["cat", None], "classes holds None"),
        ([1, 2], "Labels of int64 came beside labels of <U5"),
    ],
    ids=str,
)
def test_other_classes_are_refused(plane, pets_and_trucks, classes, expected):
    clf = DeViSEClassifier(plane)
    call = lambda: clf.partial_fit(*pets_and_trucks, classes=classes)  # noqa: E731
    assert expected in message(call, TypeError, ValueError)


# --- Features and sums of them


class Leaves(VisualFeaturizer):
    """Leaves out some rows, or fills them with NaN, as the featurizer does with broken files."""

    def __init__(self, broken=()):
        self.broken = broken

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        features = np.array([np.mean(photo, axis=(0, 1)) for photo in X])
        if self.broken == "nan":
            features[1] = np.nan
            return features
        return np.delete(features, self.broken, axis=0)


def test_every_photo_that_is_trained_on_has_features(plane):
    photos = np.random.default_rng(0).integers(255, size=(6, 4, 4, 3), dtype=np.uint8)
    y = ["cat", "dog"] * 3
    clf = DeViSEClassifier(plane, Leaves([1]), max_epochs=1)
    assert "visual gives features of 5 of 6 photos" in message(lambda: clf.fit(photos, y))
    clf.set_params(visual=Leaves("nan"))
    assert "NaN or infinity, first in row 1" in message(lambda: clf.fit(photos, y))
    clf.set_params(visual=Leaves(())).fit(photos, y)
    clf.visual_.broken = [1]
    assert clf.predict(photos).shape == (5,)


@pytest.mark.parametrize("projection", ["linear", "mlp"])
@pytest.mark.parametrize("scaling", ["l2", "standard", "none"])
@pytest.mark.parametrize("factor", [1e30, 1e200])
def test_features_whose_squares_overflow_are_refused(pets_and_trucks, projection, scaling, factor):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(projection=projection, feature_scaling=scaling, max_epochs=1)
    found = message(lambda: clf.fit(factor * X.astype(np.float64), y))
    assert "in row 0, whose square is too large for float32: scale the features down." in found
    clf.fit(1e14 * X, y)
    with pytest.raises(ValueError, match="in row 1, whose square"):
        clf.predict(X[:2] * [[1], [factor]])


@pytest.mark.parametrize("lr", [1e12, 1e30])
def test_an_mlp_that_diverges_says_so(plane, pets_and_trucks, lr):
    clf = DeViSEClassifier(plane, projection="mlp", loss="mse", optimizer="sgd", lr=lr)
    assert f"Training diverged: lower lr={lr}" in message(lambda: clf.fit(*pets_and_trucks))
    clf = DeViSEClassifier(plane, projection="mlp", lr=lr)
    assert f"Training diverged: lower lr={lr}" in message(lambda: clf.partial_fit(*pets_and_trucks))


def test_a_batch_norm_needs_two_samples(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection="mlp", random_state=0)
    expected = "A batch norm cannot be trained on one sample: give two or more."
    assert message(lambda: clf.partial_fit(X[:1], y[:1], classes=LABELS)) == expected
    clf.partial_fit(X, y)
    assert message(lambda: clf.partial_fit(X[:1], y[:1])) == expected


# --- Callables


class Tupled(nn.Linear):
    def forward(self, X):
        return super().forward(X), X


class Padded(nn.Module):
    def __init__(self, n_features, vector_size):
        super().__init__()
        self.size = vector_size

    def forward(self, X):
        return X[:, : self.size]


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (lambda n: None, "cannot be called with (n_features, vector_size)"),
        (lambda n, d: None, "projection makes a NoneType"),
        (lambda n, d: nn.Linear(n + 1, d), "fails on 2 samples of 3 float32 features"),
        (lambda n, d: nn.Linear(n, d).double(), "fails on 2 samples of 3 float32 features"),
        (lambda n, d: nn.Linear(n, d + 1), "to (2, 3), not to a tensor of shape (2, 2)"),
        (Tupled, "to tuple, not to a tensor of shape (2, 2)"),
        (Padded, "without a parameter that could be trained"),
    ],
    ids=["signature", "none", "input", "float64", "output", "tuple", "fixed"],
)
def test_a_projection_must_fit(plane, pets_and_trucks, projection, expected):
    clf = DeViSEClassifier(plane, projection=projection)
    assert expected in message(lambda: clf.fit(*pets_and_trucks), TypeError, ValueError)


class CountsPhotos(VisualFeaturizer):
    """Tells if work has begun."""

    def fit(self, X, y=None):
        raise AssertionError("work has begun")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"lr_schedule": lambda: 1}, "lr_schedule gives TypeError"),
        ({"lr_schedule": lambda done: np.inf}, "lr_schedule gives inf after 0.00"),
        ({"optimizer": len}, "optimizer=<built-in function len> cannot be called with"),
        ({"optimizer": lambda params, lr: None}, "makes no torch optimizer, but None"),
        ({"finetune_optimizer": len}, "finetune_optimizer=<built-in"),
        ({"callbacks": [1]}, "callbacks holds 1: it takes skorch callbacks"),
        ({"callbacks": [("stop", "now")]}, "callbacks holds ('stop', 'now')"),
        ({"callbacks": [EarlyStopping()]}, "EarlyStopping monitors 'valid_loss', and no such"),
        ({"callbacks": [EarlyStopping]}, "EarlyStopping monitors 'valid_loss'"),
        ({"callbacks": [SkorchCheckpoint()]}, "Checkpoint monitors 'valid_loss_best'"),
    ],
    ids=str,
)
def test_callables_and_callbacks_are_tried_before_work_starts(params, expected):
    clf = DeViSEClassifier(visual=CountsPhotos("efficientnet_lite0"), **params)
    photos = [np.zeros((8, 8, 3), np.uint8)] * 2
    assert expected in message(lambda: clf.fit(photos, ["cat", "dog"]), TypeError, ValueError)


@pytest.mark.parametrize(
    "callbacks",
    [[Callback], [Callback()], [("own", Callback())], [("progress_bar", None)]],
    ids=str,
)
def test_callbacks_of_skorch_are_taken(plane, pets_and_trucks, callbacks):
    clf = DeViSEClassifier(plane, callbacks=callbacks, max_epochs=1).fit(*pets_and_trucks)
    assert len(clf.history_) == 1


def test_a_callback_may_save_the_net_at_the_end(tmp_path, plane, pets_and_trucks):
    saves = TrainEndCheckpoint(dirname=str(tmp_path / "end"))
    clf = DeViSEClassifier(plane, max_epochs=2, checkpoint=tmp_path / "own", random_state=0)
    for _ in range(2):  # The second fit is read.
        clf.set_params(callbacks=[saves]).fit(*pets_and_trucks)
        saved = torch.load(tmp_path / "end" / "train_end_params.pt")
        assert np.array_equal(saved["weight"].numpy(), clf.coef_)


# --- Checkpoints


class Records(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("when", np.datetime64("2024-01-01"))
        net.history.record("norm", np.float32(0.5))
        net.history.record("tensor", torch.ones(1))


def test_a_checkpoint_keeps_numbers_and_texts_alone(tmp_path, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, max_epochs=2, checkpoint=tmp_path, random_state=0)
    clf.set_params(callbacks=[Records()]).fit(*pets_and_trucks)
    assert set(clf.history_.columns) == {"dur", "norm", "train_loss"}
    assert clf.fit(*pets_and_trucks).history_.norm.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("other", [[1], {"a": 1}], ids=str)
def test_a_file_that_holds_something_else_is_named(tmp_path, plane, pets_and_trucks, other):
    clf = DeViSEClassifier(plane, max_epochs=1, checkpoint=tmp_path, random_state=0)
    clf.fit(*pets_and_trucks)
    (kept,) = tmp_path.iterdir()
    torch.save(other, kept)
    assert f"{kept.name}' cannot be read: delete it" in message(lambda: clf.fit(*pets_and_trucks))
