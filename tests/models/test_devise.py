"""DeViSEClassifier: parameters of training, repeated fits, checkpoints and composition."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping, TrainEndCheckpoint
from torch import nn

from skdevise import (
    DeViSEClassifier,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    SkipGramEmbedder,
    VisualFeaturizer,
    datasets,
)
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.metrics import HitAtK
from skdevise.model_selection import UnseenClassSplit
from skdevise.models._devise_net import DeViSENet
from skdevise.models._projection import make_projection


@pytest.fixture
def clf(plane, pets_and_trucks):
    return DeViSEClassifier(plane, random_state=0).fit(*pets_and_trucks)


@pytest.fixture(scope="module")
def caltech():
    """Half of the Caltech-101 features, and the bundled vectors of their names."""
    data, embedder = datasets.load_caltech101_features(), datasets.load_term_vectors().embedder
    known = embedder.has_vector(data.target)
    return data.data[known][::2], data.target[known][::2], embedder


class PowerCut(Callback):
    """Raise an error in the second batch of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and len(net.history[-1]["batches"]) == 2:
            raise RuntimeError("power cut")


# --- Answers


def test_unseen_labels_are_answered(clf):
    answers = clf.predict([[1, 0, 0], [0, 0, 1]], labels=["lorry", "lynx"])
    assert answers.tolist() == ["lynx", "lorry"]


def test_the_nearest_labels_come_in_the_order_of_their_angles(clf, pets_and_trucks):
    # The points of centred features would lie on all sides of the origin.
    clf.set_params(feature_scaling="l2").fit(*pets_and_trucks)
    top = clf.predict_top_k([[0, 0, 1]], k=5, labels=["cat", "lynx", "dog", "lorry", "truck"])
    # The point may lie between the first two. The others follow by their angle.
    assert set(top[0, :2]) == {"truck", "lorry"}
    assert top[0, 2:].tolist() == ["dog", "lynx", "cat"]


def test_wordnet_ids_are_labels():
    embedder = PretrainedEmbedder({"dog": [1, 0], "true cat": [0, 1]})
    X, y = [[0, 1], [1, 0]], ["n02084071", "n02121620"]  # dog; cat, true cat
    clf = DeViSEClassifier(embedder, random_state=0).fit(X, y)
    assert clf.predict(X).tolist() == y


def test_centred_features_have_unit_length_and_then_no_mean(plane, pets_and_trucks):
    X, y = pets_and_trucks
    weight = np.arange(60.0)
    clf = DeViSEClassifier(plane, random_state=0).fit(X, y, sample_weight=weight)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    mean = np.average(unit, axis=0, weights=weight)
    np.testing.assert_allclose(clf.scaler_.mean_, mean, rtol=1e-5)
    points = (unit - clf.scaler_.mean_) @ clf.coef_.T
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(clf.transform(X), points, atol=1e-5)


@pytest.mark.parametrize(
    "params, is_centred",
    [({"loss": "warp"}, True), ({"loss": "cosine"}, False), ({"projection": "mlp"}, False)],
)
def test_features_are_centred_if_the_loss_compares_labels(
    plane, pets_and_trucks, params, is_centred
):
    clf = DeViSEClassifier(plane, max_epochs=1, lr=0.001, random_state=0, **params)
    assert hasattr(clf.fit(*pets_and_trucks), "scaler_") == is_centred


def test_calls_that_repeat_photos_do_not_move_the_centre(plane, pets_and_trucks):
    X, y = pets_and_trucks
    is_truck = y == "truck"
    clf = DeViSEClassifier(plane, lr=0.1, random_state=0).partial_fit(X[~is_truck], y[~is_truck])
    for _ in range(5):
        clf.partial_fit(X[is_truck], y[is_truck])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(clf.scaler_.mean_, unit.mean(axis=0), rtol=1e-5)


def test_partial_fit_centres_the_features_of_all_calls(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, lr=0.1, random_state=0)
    for rows in (slice(20), slice(20, 60)):
        clf.partial_fit(X[rows], y[rows], classes=["cat", "dog", "truck"])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(clf.scaler_.mean_, unit.mean(axis=0), rtol=1e-5)


# --- Losses, negatives and projections


@pytest.mark.parametrize(
    "params",
    [
        {"negatives": "all"},
        {"negatives": "hardest"},
        {"negatives": 2},
        {"loss": "mse", "lr": 0.1},
        {"loss": "cosine", "lr": 0.1, "max_epochs": 100},
        {"loss": "warp"},
        {"loss": "contrastive", "lr": 0.1},
        {"negatives": 2, "train_label_vectors": True},
        {"optimizer": "adam", "lr": 0.05},
        {"optimizer": "sgd", "lr": 0.1},
        {"optimizer": torch.optim.SGD, "lr": 1.0},
        {"feature_scaling": "none", "batch_size": 7},
        {"feature_scaling": "standard"},
        {"projection": "mlp", "optimizer": "adam"},
        {"projection": nn.Linear, "optimizer": "adam"},
        {"precision": "bfloat16"},
        {"early_stopping": True, "lr": 0.1},
    ],
    ids=str,
)
def test_every_form_of_training_learns(device, plane, pets_and_trucks, params):
    clf = DeViSEClassifier(plane, device=device, random_state=0, **params).fit(*pets_and_trucks)
    assert clf.score(*pets_and_trucks) == 1.0


def test_the_full_sum_trains_like_gradient_steps_by_hand(plane, pets_and_trucks):
    # With one batch per epoch nothing is random. These are the steps of eq. 1 in float64.
    X, y = pets_and_trucks
    params = {"negatives": "all", "optimizer": torch.optim.SGD, "lr": 0.5, "batch_size": 60}
    start = DeViSEClassifier(plane, **params, feature_scaling="none", random_state=0, max_epochs=0)
    clf = clone(start).set_params(max_epochs=5).fit(X, y)
    labels = plane.transform(["cat", "dog", "truck"]).astype(float)
    targets = np.repeat([0, 1, 2], 20)
    with pytest.warns(UserWarning, match="max_epochs=0"):
        weight = start.fit(X, y).coef_.astype(float)
    for _ in range(5):
        gradient = np.zeros_like(weight)
        for features, target in zip(X.astype(float), targets, strict=True):
            scores = labels @ (weight @ features)
            for j in range(3):
                if j != target and 0.1 - scores[target] + scores[j] > 0:
                    gradient += np.outer(labels[j] - labels[target], features) / len(X)
        weight -= 0.5 * gradient
    np.testing.assert_allclose(clf.coef_, weight, atol=1e-5)


def test_the_rank_loss_answers_no_worse_than_distances(caltech):
    # Section 4 of the paper: "nearest neighbour evaluation is a ranking problem".
    X, y, embedder = caltech
    test = np.arange(len(y)) % 4 == 0
    hits = {}
    for loss in ("hinge_rank", "mse", "cosine"):
        clf = DeViSEClassifier(embedder, loss=loss, calibrate=False, random_state=0)
        clf.fit(X[~test], y[~test])
        hits[loss] = clf.score(X[test], y[test])
    assert hits["hinge_rank"] >= max(hits["mse"], hits["cosine"]) - 0.01


def test_an_mlp_answers_one_row_like_many(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection="mlp", max_epochs=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(clf.transform(X[:1]), clf.transform(X)[:1], rtol=1e-5)


@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_equal_seeds_give_equal_weights(plane, pets_and_trucks, projection):
    clf = DeViSEClassifier(plane, projection=projection, max_epochs=2, batch_size=8)
    first, second, other = (
        clone(clf).set_params(random_state=seed).fit(*pets_and_trucks).transform(np.eye(3))
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("random_state", [0, None])
def test_training_leaves_the_global_generators_alone(plane, pets_and_trucks, random_state):
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    DeViSEClassifier(plane, max_epochs=1, random_state=random_state).fit(*pets_and_trucks)
    assert np.array_equal(numpy_state, np.random.get_state()[1])
    assert torch.equal(torch_state, torch.get_rng_state())


def test_additional_false_labels_are_avoided(plane, pets_and_trucks):
    # "lynx" lies near "cat". Cats are pushed away from it, to the far side of "cat".
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, lr=0.05, random_state=0, max_epochs=100)
    pushed = clone(clf).set_params(negative_labels=["lynx", "cat"]).fit(X, y)
    leads = [
        model.decision_function(X[y == "cat"], labels=["cat", "lynx"]) @ [1, -1]
        for model in (pushed, clf.fit(X, y))
    ]
    assert leads[0].mean() > leads[1].mean()
    assert pushed.classes_.tolist() == ["cat", "dog", "truck"]
    same = clone(clf).set_params(negative_labels=["cat"]).fit(X, y)
    assert np.array_equal(same.coef_, clf.coef_)


def test_false_labels_without_a_vector_are_refused_or_dropped(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, negative_labels=["okapi", "lynx"], max_epochs=1)
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        clf.fit(*pets_and_trucks)
    clf.negative_labels = LabelVocabulary(["okapi", "lynx"], on_missing="drop")
    with pytest.warns(UserWarning, match="okapi"):
        clf.fit(*pets_and_trucks)


@pytest.mark.parametrize(
    ("loss", "optimizer", "max_epochs"),
    [
        ("mse", "adagrad", 2),  # The weights are finite, but huge.
        ("mse", "adam", 30),
        ("mse", "sgd", 2),
        ("mse", "sgd", 30),  # Here they are infinite.
        ("contrastive", "adagrad", 30),
        ("contrastive", "sgd", 30),
    ],
)
def test_training_that_diverges_is_refused(plane, pets_and_trucks, loss, optimizer, max_epochs):
    clf = DeViSEClassifier(plane, loss=loss, optimizer=optimizer, lr=5e3, max_epochs=max_epochs)
    with pytest.raises(ValueError, match="5000"):
        clf.set_params(random_state=0).fit(*pets_and_trucks)
    assert not hasattr(clf, "coef_")


@pytest.mark.parametrize("loss", ["hinge_rank", "mse", "cosine"])
@pytest.mark.parametrize(
    "params", [{"lr": 1e6, "optimizer": "sgd"}, {"finetune_lr": 8e3, "finetune_optimizer": "sgd"}]
)
def test_weight_decay_limits_the_learning_rate(plane, pets_and_trucks, loss, params):
    # Plain weight decay of w with momentum 0.9: b = 0.9 b + 0.0005 w; w = w - lr b. This converges
    # if lr * 0.0005 < 2 * 1.9, so if lr < 7600.
    with pytest.raises(ValueError, match="weight decay"):
        DeViSEClassifier(plane, loss=loss, **params).fit(*pets_and_trucks)


@pytest.mark.parametrize("train_label_vectors", [True, False])
@pytest.mark.parametrize("loss", ["hinge_rank", "contrastive"])
def test_vectors_of_float64_train_like_float32(pets_and_trucks, loss, train_label_vectors):
    X, y = pets_and_trucks
    points = [
        DeViSEClassifier(
            embedder, loss=loss, train_label_vectors=train_label_vectors, max_epochs=3,
            random_state=0,
        ).fit(X, y).transform(X)
        for embedder in (Float64Embedder(), RandomEmbedder(4))
    ]  # fmt: skip
    assert np.array_equal(*points)


class Float64Embedder:
    def transform(self, terms):
        return RandomEmbedder(4).transform(terms).astype(np.float64)


def test_a_learned_temperature_is_kept_with_the_projection(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(
        plane, loss="contrastive", lr=0.2, max_epochs=20, warm_start=True, random_state=0
    ).fit(X, y)
    learned = clf.loss_temperature_
    assert abs(learned - 0.07) > 0.01
    copy = pickle.loads(pickle.dumps(clf))
    assert float(copy.net_.criterion_.temperature.detach()) == pytest.approx(learned)
    assert clf.set_params(max_epochs=0).fit(X, y).loss_temperature_ == pytest.approx(learned)
    assert not hasattr(clf.set_params(loss="mse").fit(X, y), "loss_temperature_")


def test_a_callback_changes_no_step_of_a_long_training(plane, pets_and_trucks, device):
    X, y = pets_and_trucks
    # A GPU records the steps of long trainings without callbacks.
    clf = DeViSEClassifier(plane, max_epochs=18, batch_size=2, device=device, random_state=0)
    plain, watched = clone(clf).fit(X, y), clone(clf).set_params(callbacks=[Callback()]).fit(X, y)
    assert 18 * (len(X) // 2) >= DeViSENet.least_recorded
    np.testing.assert_allclose(watched.coef_, plain.coef_, atol=1e-5)
    losses = watched.history_.train_loss.tolist()
    assert losses == pytest.approx(plain.history_.train_loss.tolist(), rel=1e-3)


@pytest.mark.slow
def test_a_compiled_projection_is_the_same(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection=nn.Linear, max_epochs=3, random_state=0)
    eager = clone(clf).fit(X, y)
    compiled = clone(clf).set_params(compile=True).fit(X, y)
    np.testing.assert_allclose(compiled.transform(X), eager.transform(X), atol=1e-4)


# --- Trained label vectors


def test_trained_label_vectors_serve_every_set_of_candidates(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True, random_state=0).fit(X, y)
    old, new = plane.transform(["cat", "dog"]), clf.embedder_.transform(["cat", "dog"])
    assert not np.allclose(old, new)
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, rtol=1e-6)
    assert np.array_equal(clf.embedder_.transform(["lynx"]), plane.transform(["lynx"]))
    assert np.array_equal(clf.label_space_.targets[:2], new)
    scores = clf.decision_function(X[:1], labels=["cat", "lynx"])
    expected = clf.transform(X[:1]) @ clf.embedder_.transform(["cat", "lynx"]).T
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    copy = pickle.loads(pickle.dumps(clf))
    assert (copy.predict(X, ["lynx", "cat"]) == clf.predict(X, ["lynx", "cat"])).all()


def test_the_first_known_term_of_a_label_gets_the_trained_vector(pets_and_trucks):
    X, y = pets_and_trucks
    embedder = PretrainedEmbedder(
        {"cat": [1, 0], "puss": [0.9, 0.1], "dog": [0.5, 0.5], "car": [0, 1]}
    )
    terms = {"cat": ["moggy", "cat", "puss"], "truck": ["car"], "dog": ["dog"]}
    clf = DeViSEClassifier(embedder, labels=LabelVocabulary(terms, terms), train_label_vectors=True)
    clf.fit(X, y)
    assert not np.allclose(clf.embedder_.transform(["cat"]), embedder.transform(["cat"]))
    assert np.allclose(clf.embedder_.transform(["puss"]), embedder.transform(["puss"]))
    clf.labels = LabelVocabulary(terms, terms, pool="mean")
    with pytest.raises(ValueError, match="train_label_vectors"):
        clf.fit(X, y)


def test_trained_vectors_stay_when_their_training_ends(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True, lr=0.2, random_state=0).fit(X, y)
    trained = clf.embedder_.transform(["cat", "dog", "truck"])
    clf.set_params(train_label_vectors=False).partial_fit(X, np.where(y == "cat", "lynx", y))
    assert np.array_equal(clf.embedder_.transform(["cat", "dog", "truck"]), trained)
    assert np.array_equal(clf.label_space_.targets[[0, 1, 3]], trained)
    assert np.array_equal(clf.embedder_.transform(["lynx"]), plane.transform(["lynx"]))


# --- Weights


def test_a_weight_of_zero_leaves_a_sample_and_its_label_out(plane, pets_and_trucks):
    X, y = pets_and_trucks
    weight = (y != "dog").astype(float)
    clf = DeViSEClassifier(plane, random_state=0, batch_size=8)
    weighted = clone(clf).fit(X, y, sample_weight=weight)
    without = clone(clf).fit(X[y != "dog"], y[y != "dog"])
    assert weighted.classes_.tolist() == ["cat", "truck"]
    np.testing.assert_allclose(weighted.coef_, without.coef_, rtol=1e-5)
    with pytest.raises(ValueError, match="zero"):
        clf.fit(X, y, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="[Nn]egative"):
        clf.fit(X, y, sample_weight=-weight)


def test_weights_count_in_the_gradient_at_any_scale(plane, pets_and_trucks):
    # One batch, all violations, one SGD step from zero: the mean of w (sum_j t_j - 3 t_y) v'.
    X, y = pets_and_trucks
    weight = np.linspace(1, 3, 60)
    clf = DeViSEClassifier(
        plane, negatives="all", optimizer="sgd", lr=1.0, batch_size=60, max_epochs=1,
        feature_scaling="none",
    )  # fmt: skip
    vectors = plane.transform(["cat", "dog", "truck"])
    pull = vectors.sum(axis=0) - 3 * vectors[np.repeat([0, 1, 2], 20)]
    expected = -(pull * (weight / weight.mean())[:, None]).T @ X / 60
    for scale in (1, 10):
        clf.fit(X, y, sample_weight=scale * weight)
        np.testing.assert_allclose(clf.coef_, expected, atol=1e-6)


def test_class_weights_multiply_the_sample_weights(plane, pets_and_trucks):
    X, y = pets_and_trucks
    X, y = X[10:], y[10:]  # 10 cats, 20 dogs, 20 trucks
    clf = DeViSEClassifier(plane, random_state=0)
    by_class = clone(clf).set_params(class_weight={"dog": 3.0})
    weight = np.arange(1.0, 51)
    expected = clone(clf).fit(X, y, sample_weight=weight * np.where(y == "dog", 3, 1))
    assert np.array_equal(by_class.fit(X, y, sample_weight=weight).coef_, expected.coef_)
    # "balanced" means 50 samples over 3 classes and the size of the class.
    balanced = clone(clf).set_params(class_weight="balanced").fit(X, y)
    expected = clone(clf).fit(X, y, sample_weight=50 / 3 / np.where(y == "cat", 10, 20))
    np.testing.assert_allclose(balanced.coef_, expected.coef_, rtol=1e-6)


def test_class_weights_of_partial_fit_are_given_as_a_dict(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, class_weight="balanced", random_state=0)
    with pytest.raises(ValueError, match="balanced"):
        clf.partial_fit(X, y)
    weighted = clf.set_params(class_weight={"dog": 0.5}).partial_fit(X, y)
    same = DeViSEClassifier(plane, random_state=0)
    same.partial_fit(X, y, sample_weight=np.where(y == "dog", 0.5, 1))
    assert np.array_equal(weighted.coef_, same.coef_)
    weighted.partial_fit(X[y == "cat"], y[y == "cat"])  # A batch need not hold every class.
    with pytest.raises(ValueError, match="dog"):
        clone(clf).set_params(class_weight={"yak": 2}).fit(X, y)


# --- Early stopping and callbacks


def test_early_stopping_keeps_the_best_weights(caltech):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, lr=0.02, early_stopping=True, max_epochs=40, n_iter_no_change=3, random_state=0
    ).fit(X, y)
    valid = clf.history_["valid_hit@1"]
    assert len(valid) < 40
    assert valid.idxmax() == len(valid) - 3
    # Training for as many epochs as the best took gives the same map.
    best = clone(clf).set_params(max_epochs=int(valid.idxmax()), n_iter_no_change=40)
    best.set_params(device=clf.device_).fit(X, y)  # "auto" would train so little on the CPU.
    assert np.array_equal(best.coef_, clf.coef_)


def test_held_out_classes_measure_unseen_labels(caltech):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, early_stopping=True, validation_split="classes", validation_fraction=0.2,
        max_epochs=5, random_state=0,
    ).fit(X, y)  # fmt: skip
    valid = clf.history_["valid_hit@1"].max()
    # Better than twice the chance among the held-out classes, and worse than on seen classes.
    assert 2 / (0.2 * len(clf.classes_)) < valid < 0.9
    assert len(clf.classes_) == len(np.unique(y))


@pytest.mark.parametrize("split", ["samples", "classes"])
@pytest.mark.parametrize("train_label_vectors", [True, False])
def test_partial_fit_continues_after_early_stopping(caltech, split, train_label_vectors):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, early_stopping=True, n_iter_no_change=1, max_epochs=5, validation_split=split,
        lr=0.02, lr_schedule="linear", train_label_vectors=train_label_vectors, random_state=0,
    ).fit(X, y)  # fmt: skip
    before = clf.coef_
    assert not np.allclose(clf.partial_fit(X, y).coef_, before)
    assert clf.score(X, y) > 0.85


def test_callbacks_can_monitor_the_held_out_hit_rate(plane, pets_and_trucks):
    patience = EarlyStopping(
        monitor="valid_hit@1", lower_is_better=False, patience=2, sink=lambda _: None
    )
    clf = DeViSEClassifier(
        plane, early_stopping=True, callbacks=[("early_stopping", patience)], max_epochs=50,
        n_iter_no_change=40, random_state=0,
    ).fit(*pets_and_trucks)  # fmt: skip
    assert len(clf.history_) < 10
    with pytest.raises(ValueError, match="valid_hit@1"):  # It holds out no samples.
        clf.partial_fit(*pets_and_trucks)


@pytest.mark.parametrize(
    "callbacks",
    [[Callback], [Callback()], [("mine", Callback())], [("progress_bar", None)]],
)
def test_callbacks_come_in_every_form_of_skorch(plane, pets_and_trucks, callbacks):
    clf = DeViSEClassifier(plane, callbacks=callbacks, max_epochs=1).fit(*pets_and_trucks)
    assert len(clf.history_) == 1


def test_a_callback_can_save_the_net_at_the_end(tmp_path, plane, pets_and_trucks):
    saves = TrainEndCheckpoint(dirname=str(tmp_path / "end"))
    clf = DeViSEClassifier(plane, max_epochs=2, checkpoint=tmp_path / "fit", random_state=0)
    for _ in range(2):  # The second fit is read from the checkpoint.
        clf.set_params(callbacks=[saves]).fit(*pets_and_trucks)
        saved = torch.load(tmp_path / "end" / "train_end_params.pt")
        assert np.array_equal(saved["weight"].numpy(force=True), clf.coef_)


def test_a_line_is_printed_per_epoch(capsys, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, early_stopping=True, max_epochs=2, verbose=1, random_state=0)
    clf.fit(*pets_and_trucks)
    printed = capsys.readouterr().out
    assert "train_loss" in printed
    assert "valid_hit@1" in printed
    assert len(printed.strip().splitlines()) == 4


def test_a_progress_bar_is_shown_on_demand(capsys, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, max_epochs=1, batch_size=8, verbose=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm warns about notebooks.
        clf.fit(*pets_and_trucks)
    assert "0/8" in capsys.readouterr().err


# --- Warm start and partial_fit


def test_warm_start_continues_from_the_previous_fit(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=1, lr=0.001, warm_start=True, random_state=0)
    losses = [clf.fit(X, y).history_.train_loss.iloc[0] for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    cold = clone(clf).set_params(warm_start=False)
    assert cold.fit(X, y).fit(X, y).history_.train_loss.iloc[0] == losses[0]
    # The labels may change, but the features may not.
    assert clf.fit(X[:40], y[:40]).classes_.tolist() == ["cat", "dog"]
    with pytest.raises(ValueError, match="2 features"):
        clf.fit(X[:, :2], y)


def test_partial_fit_learns_batch_by_batch(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, lr=0.1, random_state=0)
    for rows in np.random.default_rng(0).permutation(60).reshape(30, 2):
        clf.partial_fit(X[rows], y[rows], classes=["dog", "cat", "truck"])
    assert clf.score(X, y) == 1.0


def test_two_passes_equal_a_fit_of_two_epochs(plane, pets_and_trucks):
    # The state of Adagrad is kept between the calls.
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, batch_size=60, negatives="all", max_epochs=2, random_state=0)
    whole = clone(clf).fit(X, y).coef_
    np.testing.assert_allclose(clf.partial_fit(X, y).partial_fit(X, y).coef_, whole, rtol=1e-4)


@pytest.mark.parametrize("loss", ["hinge_rank", "warp"])
def test_labels_may_join_later_if_they_have_a_vector(plane, pets_and_trucks, loss):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, loss=loss, lr=0.1, random_state=0)
    with pytest.raises(ValueError, match="'cat'"):
        clf.partial_fit(X[:2], ["cat", "cat"])
    clf.partial_fit(X[:2], ["cat", "cat"], classes=["cat", "truck"])
    before = clf.coef_
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        clf.partial_fit(X[:2], ["cat", "okapi"])
    assert clf.classes_.tolist() == ["cat", "truck"]
    assert clf.coef_ is before
    for _ in range(30):
        clf.partial_fit(X, y)  # "dog" is new.
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert clf.score(X, y) == 1.0


def test_labels_cannot_join_while_label_vectors_are_trained(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True).partial_fit(X[:40], y[:40])
    with pytest.raises(ValueError, match="'truck'"):
        clf.partial_fit(X, y)


def test_a_false_label_can_become_a_training_label(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, negative_labels=["lorry"], lr=0.1, random_state=0)
    clf.partial_fit(X, y)
    lorries = X[y == "truck"][:, [0, 2, 1]]
    for _ in range(60):
        clf.partial_fit(np.vstack([X, lorries]), np.append(y, ["lorry"] * len(lorries)))
    assert np.array_equal(clf.net_.criterion_.vectors.numpy(force=True), clf.label_space_.targets)
    assert clf.score(X, y) == 1.0


class Masked(nn.Module):
    masks = []

    def __init__(self, n_features, vector_size):
        super().__init__()
        self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(n_features, vector_size)

    def forward(self, X):
        X = self.dropout(X)
        if self.training:
            self.masks.append(X == 0)
        return self.linear(X)


def test_dropout_is_fresh_in_each_pass(plane, pets_and_trucks):
    Masked.masks.clear()
    clf = DeViSEClassifier(plane, projection=Masked, batch_size=60, random_state=0)
    for _ in range(3):
        clf.partial_fit(*pets_and_trucks)
    # The trainings that calibrate lack some of the samples.
    first, *others = [mask for mask in Masked.masks if len(mask) == len(pets_and_trucks[0])]
    assert len(others) == 2
    assert not any(torch.equal(first, mask) for mask in others)


def test_changed_parameters_reach_the_next_pass(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(X, y)
    before = clf.coef_
    assert np.allclose(clf.set_params(lr=1e-12).partial_fit(X, y).coef_, before)
    losses = [
        clf.set_params(margin=margin).partial_fit(X, y).history_.train_loss.iloc[-1]
        for margin in (0.001, 5.0)
    ]
    assert losses[1] > 10 * losses[0]


@pytest.mark.parametrize("params", [{"batch_size": 0}, {"margin": 0}, {"loss": "hinge"}], ids=str)
def test_partial_fit_validates_changed_parameters(plane, pets_and_trucks, params):
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(*pets_and_trucks)
    with pytest.raises(ValueError, match=next(iter(params))):
        clf.set_params(**params).partial_fit(*pets_and_trucks)


def test_passes_do_not_normalise_weights(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, optimizer=torch.optim.SGD, random_state=0).partial_fit(X, y)
    before = clf.coef_
    assert np.allclose(clf.partial_fit(X, y, sample_weight=np.full(60, 1e-9)).coef_, before)


def test_text_and_numbers_do_not_mix_between_calls():
    clf = DeViSEClassifier(random_state=0)
    with pytest.raises(ValueError, match="int64"):
        clf.partial_fit([[0, 1], [1, 0]], [1, 2], classes=["1", "2"])
    clf.partial_fit([[0, 1], [1, 0]], [1, 2], classes=[1, 2, 10])
    assert clf.classes_.tolist() == [1, 2, 10]


def test_new_false_labels_and_terms_count_from_the_next_pass(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(X, y)
    clf.set_params(negative_labels=["lynx"]).partial_fit(X, y)
    assert len(clf.net_.criterion_.vectors) == 4
    terms = {"cat": "lynx", "dog": "dog", "truck": "truck"}
    clf.set_params(negative_labels="training", labels=LabelVocabulary(terms, terms))
    clf.partial_fit(X, y)
    assert np.array_equal(clf.label_space_.targets[:1], plane.transform(["lynx"]))
    assert np.array_equal(clf.net_.criterion_.vectors.numpy(force=True), clf.label_space_.targets)


def test_new_false_labels_count_beside_trained_vectors(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True, random_state=0).partial_fit(X, y)
    trained = clf.label_space_.targets
    clf.set_params(negative_labels=["lynx"], lr=1e-9).partial_fit(X, y)
    vectors = clf.net_.criterion_.vectors.numpy(force=True)
    np.testing.assert_allclose(vectors[:3], trained, atol=1e-6)
    assert np.array_equal(vectors[3:], plane.transform(["lynx"]))


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
def test_a_fitted_projection_keeps_some_parameters(plane, pets_and_trucks, name, value):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).fit(X, y)
    points, fitted = clf.transform(X), getattr(clf, name)
    clf.set_params(**{name: value})
    assert np.array_equal(clf.transform(X), points)
    with pytest.raises(ValueError, match=f"{name}="):
        clf.partial_fit(X, np.where(y == "cat", "lynx", y))
    clf.set_params(**{name: fitted}).partial_fit(X, y)


# --- Errors


@pytest.mark.parametrize(
    ("params", "X", "y", "expected"),
    [
        ({}, np.eye(3), ["yak", "cat", "elk"], "'elk', 'yak'"),
        ({}, np.eye(2), ["cat", "cat"], "'cat'"),
        ({"margin": 0}, np.eye(2), ["cat", "dog"], "margin"),
        ({"device": "nowhere"}, np.eye(2), ["cat", "dog"], "nowhere"),
        ({"labels": ["cat", "gnu"]}, np.eye(2), ["cat", "dog"], "gnu"),
        ({"labels": ["cat", "cat"]}, np.eye(2), ["cat", "dog"], "cat"),
        ({"projection": "mlp", "batch_size": 1}, np.eye(2), ["cat", "dog"], "batch_size=1"),
        ({"loss": "mse", "lr": 1e9}, np.eye(2), ["cat", "dog"], r"1e\+?0?9|1000000000\.0"),
        ({"projection": "mlp", "loss": "mse", "lr": 1e30}, np.eye(2), ["cat", "dog"], r"1e\+30"),
    ],
    ids=str,
)
def test_an_error_in_the_first_fit_leaves_nothing_fitted(plane, params, X, y, expected):
    clf = DeViSEClassifier(plane, **{"optimizer": "sgd"} | params)
    with pytest.raises(ValueError, match=expected):
        clf.fit(X, y)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    assert not [name for name in vars(clf) if name.endswith("_")]


def mlp(n_features, vector_size):
    return make_projection("mlp", n_features, vector_size, "mse")


class Untouchable(VisualFeaturizer):
    """A visual model that must not be fitted."""

    def fit(self, X, y=None):
        raise AssertionError("The visual model was fitted.")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", nn.Linear),
        ("finetune_optimizer", dict),
        ("callbacks", [print]),
        ("lr_schedule", lambda done: "half"),
    ],
)
def test_training_parameters_are_checked_before_any_work(
    plane, pets_and_trucks, method, name, value
):
    clf = DeViSEClassifier(plane, Untouchable(), **{name: value})
    with pytest.raises((TypeError, ValueError), match=name):
        getattr(clf, method)(*pets_and_trucks)


class Unusable(VisualFeaturizer):
    """A visual model whose features must not be computed."""

    def transform(self, X):
        raise AssertionError("Features were computed.")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_projection_is_tried_before_features_are_computed(plane, method):
    clf = DeViSEClassifier(plane, Unusable("efficientnet_lite0"), projection=nn.Linear(1280, 2))
    with pytest.raises(TypeError, match="projection"):
        getattr(clf, method)(np.zeros((2, 8, 8, 3), np.uint8), ["cat", "dog"])


def test_a_warm_start_is_tried_before_values_are_read(clf):
    clf.set_params(warm_start=True)
    with pytest.raises(ValueError, match="warm_start"):
        clf.fit(np.full((2, 5), np.nan), ["cat", "dog"])


def test_trying_a_projection_changes_no_random_numbers(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, projection="mlp", loss="mse", max_epochs=2, random_state=0)
    expected = clf.fit(*pets_and_trucks).projection_weights_
    same = clone(clf).set_params(projection=mlp).fit(*pets_and_trucks).projection_weights_
    for name, weights in expected.items():
        assert np.array_equal(weights, same[name])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("params", "X", "label", "expected"),
    [
        ({}, np.eye(3), "okapi", "'okapi'"),
        ({"negative_labels": ["okapi"]}, np.eye(3), "lynx", "'okapi'"),
        ({"device": "nowhere"}, np.eye(3), "lynx", "nowhere"),
        ({"batch_size": 0}, np.eye(3), "lynx", "batch_size"),
        ({}, np.full((3, 3), np.nan), "lynx", "row 0"),
    ],
    ids=str,
)
def test_an_error_in_a_later_call_changes_nothing(
    clf, pets_and_trucks, method, params, X, label, expected
):
    X_known, y_known = pets_and_trucks
    points, params_before = clf.transform(X_known), clf.get_params(deep=False)
    with pytest.raises(ValueError, match=expected):
        getattr(clf.set_params(**params), method)(X, [label, "cat", "dog"])
    clf.set_params(**params_before)
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert np.array_equal(clf.transform(X_known), points)
    assert clf.partial_fit(X_known, y_known).score(X_known, y_known) == 1.0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"projection": "mlp"},
        {"loss": "contrastive", "optimizer": "adam"},
        {"train_label_vectors": True},
    ],
    ids=str,
)
def test_a_pass_that_breaks_off_leaves_the_net_as_it_was(plane, pets_and_trucks, params):
    X, y = pets_and_trucks
    clf, same = (
        DeViSEClassifier(plane, batch_size=8, random_state=0, **params).partial_fit(X, y)
        for _ in range(2)
    )
    net = clf.net_
    net.callbacks_.append(("power_cut", PowerCut(epoch=2)))
    with pytest.raises(RuntimeError, match="power cut"):
        clf.partial_fit(X, y)
    net.callbacks_.pop()
    assert clf.net_ is net
    assert len(net.history) == 1
    for model in (clf, same):
        model.partial_fit(X, y)
    assert np.array_equal(clf.transform(X), same.transform(X))
    assert clf.history_.drop(columns="dur").equals(same.history_.drop(columns="dur"))


def test_a_second_training_that_breaks_off_is_left_as_it_was(plane, pets_and_trucks):
    X, y = pets_and_trucks
    factors = []

    def loss(points, target, vectors):
        factor = factors.pop(0) if factors else 1.0
        return factor * (points - vectors[target]).square().sum(dim=1)

    # A pass is one call of the loss. The second training follows the first one.
    clf, same = (
        DeViSEClassifier(plane, loss=loss, batch_size=60, random_state=0).partial_fit(X, y)
        for _ in range(2)
    )
    factors += [1.0, np.nan]
    with pytest.raises(ValueError, match="diverged"):
        clf.partial_fit(X, y)
    for model in (clf, same):
        model.partial_fit(X, y)
    assert np.array_equal(clf.predict_proba(X), same.predict_proba(X))


def test_a_pass_that_diverges_after_a_pickle_leaves_no_net(plane, pets_and_trucks):
    params = {"loss": "mse", "optimizer": "sgd", "batch_size": 1, "lr": 0.01}
    clf = DeViSEClassifier(plane, random_state=0, **params)
    data = pickle.dumps(clf.partial_fit(*pets_and_trucks))
    clf, same = pickle.loads(data), pickle.loads(data)
    with pytest.raises(ValueError, match="diverged"):
        clf.set_params(lr=5e3).partial_fit(*pets_and_trucks)
    clf.set_params(lr=0.01).partial_fit(*pets_and_trucks)
    assert np.array_equal(clf.coef_, same.partial_fit(*pets_and_trucks).coef_)


# --- Pickles


def test_a_pickle_holds_plain_arrays_and_can_be_trained_further(clf, pets_and_trucks):
    assert b"torch" not in pickle.dumps(clf)
    copy = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(copy.transform(pets_and_trucks[0]), clf.transform(pets_and_trucks[0]))
    assert copy.history_.equals(clf.history_)
    assert copy.partial_fit(*pets_and_trucks).score(*pets_and_trucks) == 1.0


def test_a_classifier_keeps_its_net_when_it_is_pickled(clf):
    net = clf.net_
    pickle.dumps(clf)
    assert clf.net_ is net


def test_a_pickled_mlp_answers_on_a_machine_without_its_device(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection="mlp", max_epochs=2, random_state=0).fit(X, y)
    points, answers = clf.transform(X), clf.predict(X, labels=["lynx", "lorry"])
    clf.device_ = "cuda:77"
    data = pickle.dumps(clf.set_params(device="cuda:77", projection="linear"))
    assert b"torch" not in data
    np.testing.assert_allclose(clf.transform(X), points, atol=1e-6)
    loaded = pickle.loads(data)
    np.testing.assert_allclose(loaded.transform(X), points, atol=1e-6)
    assert np.array_equal(loaded.predict(X, labels=["lynx", "lorry"]), answers)


def test_the_net_is_created_again_on_demand(clf):
    with pytest.raises(AttributeError):
        DeViSEClassifier().net_  # noqa: B018
    state = torch.get_rng_state()
    net = pickle.loads(pickle.dumps(clf)).net_
    assert np.array_equal(net.module_.weight.numpy(force=True), clf.coef_)
    assert torch.equal(state, torch.get_rng_state())


def test_the_representation_of_a_loaded_classifier_creates_no_net(clf):
    loaded = pickle.loads(pickle.dumps(clf))
    # From version 1.9 on, scikit-learn shows the fitted attributes too.
    assert "DeViSEClassifier" in loaded._repr_html_()
    assert "net_" not in dir(loaded)
    assert loaded.net_ is not None
    assert "net_" in dir(loaded)
    assert "net_" not in dir(DeViSEClassifier())


# --- Checkpoints


@pytest.fixture
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def assert_same_fit(first, second, atol=0):
    for name in ("coef_", "temperature_"):
        np.testing.assert_allclose(
            getattr(first, name, 0), getattr(second, name, 0), atol=atol, rtol=0
        )
    weights = [getattr(clf, "projection_weights_", {}) for clf in (first, second)]
    assert weights[0].keys() == weights[1].keys()
    for name in weights[0]:
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=atol, rtol=0)
    columns = first.history_.columns.drop("dur")
    np.testing.assert_allclose(first.history_[columns], second.history_[columns], atol=atol, rtol=0)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"random_state": None},
        {"loss": "warp", "optimizer": "adam", "lr_schedule": "cosine"},
        {"projection": "mlp", "optimizer": "adam"},
        {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.3},
        {"train_label_vectors": True, "loss": "contrastive"},
        {"negatives": 2, "feature_scaling": "standard"},
        {
            "targets": "sample",
            "labels": {"cat": ["cat", "lynx"], "dog": ["dog"], "truck": ["truck"]},
        },
    ],
    ids=str,
)
@pytest.mark.usefixtures("one_thread")
def test_an_interrupted_fit_resumes_to_the_same_result(
    tmp_path, device, plane, pets_and_trucks, params
):
    X, y = pets_and_trucks
    params = {"batch_size": 8, "max_epochs": 6, "device": device, "random_state": 0} | params
    clf = DeViSEClassifier(plane, **params)
    # With a checkpoint, None counts as 0.
    whole = clone(clf).set_params(random_state=0).fit(X, y)
    clf.set_params(checkpoint=tmp_path)
    epoch = min(4, len(whole.history_))
    with pytest.raises(RuntimeError, match="power cut"):
        clone(clf).set_params(callbacks=[PowerCut(epoch)]).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 1
    # On a GPU, some sums are made in any order, so that the last bits differ.
    atol = 0 if device == "cpu" else 1e-3
    assert_same_fit(clf.fit(X, y), whole, atol)
    # A finished fit is read. Another epoch would raise an error.
    read = clone(clf).set_params(callbacks=[PowerCut(epoch) for epoch in range(1, 8)]).fit(X, y)
    assert_same_fit(read, whole, atol)


def test_fits_with_other_parameters_or_data_share_the_folder(tmp_path, plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=1, checkpoint=tmp_path, random_state=0).fit(X, y)
    other = X.copy()
    other[33, 1] += 1
    clone(clf).set_params(margin=0.2).fit(X, y)
    clone(clf).set_params(random_state=1).fit(X, y)
    clone(clf).fit(other, y)
    clone(clf).fit(X, np.roll(y, 1))
    clone(clf).fit(X, y, sample_weight=np.arange(1.0, 61))
    assert len(list(tmp_path.iterdir())) == 6
    # These parameters do not change the trained map.
    clone(clf).set_params(verbose=0, seen_penalty=0.1, search="exact").fit(X, y)
    assert len(list(tmp_path.iterdir())) == 6


def test_a_warm_start_is_part_of_the_checkpoint(tmp_path, plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=1, lr=0.001, warm_start=True, random_state=0)
    without = clone(clf).fit(X, y).fit(X, y)
    assert_same_fit(clf.set_params(checkpoint=tmp_path).fit(X, y).fit(X, y), without)


def test_a_parameter_that_cannot_be_pickled_is_named(tmp_path, plane, pets_and_trucks):
    schedule = {"lr_schedule": lambda done: 1.0}
    clf = DeViSEClassifier(plane, Untouchable(), checkpoint=tmp_path, **schedule)
    with pytest.raises(ValueError, match="lr_schedule"):
        clf.fit(*pets_and_trucks)


class StopAfter(Callback):
    """End training after an epoch, in the way of skorch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def test_a_fit_that_a_callback_ended_is_finished(tmp_path, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, callbacks=[StopAfter(3)], checkpoint=tmp_path, random_state=0)
    assert [len(clf.fit(*pets_and_trucks).history_) for _ in range(3)] == [3, 3, 3]


@pytest.mark.parametrize("callbacks", [None, [StopAfter(5)]])
def test_other_callbacks_continue_a_fit_that_a_callback_ended(
    tmp_path, plane, pets_and_trucks, callbacks
):
    clf = DeViSEClassifier(plane, callbacks=[StopAfter(3)], max_epochs=7, random_state=0)
    clf.set_params(checkpoint=tmp_path).fit(*pets_and_trucks)
    resumed = clone(clf).set_params(callbacks=callbacks).fit(*pets_and_trucks)
    without = clone(clf).set_params(callbacks=callbacks, checkpoint=None).fit(*pets_and_trucks)
    assert len(resumed.history_) == len(without.history_) > 3
    assert_same_fit(resumed, without)


def test_a_checkpoint_that_is_no_folder_is_refused(tmp_path, plane, pets_and_trucks):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file"):
        DeViSEClassifier(plane, checkpoint=tmp_path / "file").fit(*pets_and_trucks)


# --- Composition with scikit-learn


def test_a_pipeline_passes_labels_to_predict_without_routing(plane, pets_and_trucks):
    X, y = pets_and_trucks
    pipe = make_pipeline(StandardScaler(), DeViSEClassifier(plane, random_state=0)).fit(X, y)
    assert set(pipe.predict(X, labels=["lynx", "lorry"])) <= {"lynx", "lorry"}


def test_the_score_of_a_pipeline_uses_the_labels_of_the_constructor(plane, pets_and_trucks):
    X, y = pets_and_trucks
    renamed = np.where(y == "truck", "lorry", "lynx")
    clf = DeViSEClassifier(plane, labels=["lynx", "lorry"], random_state=0)
    pipe = make_pipeline(StandardScaler(with_mean=False), clf).fit(X, y)
    by_scorer = HitAtK(labels=["lynx", "lorry"])(pipe, X, renamed)
    assert pipe.score(X, renamed) == by_scorer > 0.6


def test_routing_passes_labels_to_every_method(plane, pets_and_trucks):
    X, y = pets_and_trucks
    labels = LabelVocabulary(["lynx", "lorry"])
    renamed = np.where(y == "truck", "lorry", "lynx")
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(DeViSEClassifier(plane, random_state=0)).fit(X, y)
        assert set(pipe.predict(X, labels=labels)) == {"lynx", "lorry"}
        assert pipe.decision_function(X, labels=labels).shape == (60, 2)
        assert pipe.predict_proba(X, labels=labels).shape == (60, 2)
        assert pipe.score(X, renamed, labels=labels) > 0.6


def test_a_vocabulary_with_as_many_labels_as_samples_is_not_sliced(plane):
    # A list of four labels would become two in a fold of two samples.
    seen = []

    class Spy(DeViSEClassifier):
        def score(self, X, y, sample_weight=None, labels=None):
            seen.append(labels.n_labels)
            return super().score(X, y, sample_weight, labels)

    X, y = [[0, 1], [0, 2], [1, 0], [2, 0]], ["cat", "cat", "truck", "truck"]
    vocabulary = LabelVocabulary(["cat", "truck", "lynx", "lorry"])
    with config_context(enable_metadata_routing=True):
        cross_validate(Spy(plane), X, y, cv=2, params={"labels": vocabulary})
    assert seen == [4, 4]


def test_sample_weight_reaches_the_score_through_routing(plane, pets_and_trucks):
    X, y = pets_and_trucks
    weight = (y == "cat").astype(float)
    with config_context(enable_metadata_routing=True):
        clf = DeViSEClassifier(plane, random_state=0).set_score_request(sample_weight=True)
        pipe = Pipeline([("devise", clf)]).fit(X, y)
        assert pipe.score(X, np.full(60, "cat"), sample_weight=weight) == 1.0


def test_a_clone_keeps_the_embedder_and_the_configuration():
    embedder = SkipGramEmbedder(vector_size=4, random_state=0).fit(["cat dog truck"] * 9)
    with config_context(enable_metadata_routing=True):
        clf = DeViSEClassifier(embedder).set_score_request(sample_weight=True)
        copy = clone(clf.set_output(transform="pandas"))
        assert copy.get_metadata_routing().score.requests["sample_weight"] is True
    assert copy.embedder is embedder
    assert clf.embedder is embedder
    points = copy.fit(np.eye(2), ["cat", "dog"]).transform(np.eye(2))
    assert list(points.columns) == [f"deviseclassifier{i}" for i in range(4)]


def test_grid_search_over_the_margin_with_unseen_classes(plane):
    rng = np.random.default_rng(0)
    y = np.repeat(["cat", "lynx", "dog", "lorry", "truck"], 12)
    X = plane.transform(y) + rng.normal(0, 0.02, (60, 2))
    search = GridSearchCV(
        DeViSEClassifier(plane, calibrate=False, random_state=0),
        {"margin": [0.05, 0.1]},
        cv=UnseenClassSplit(3, test_size=2, random_state=0),
        scoring=HitAtK(labels="test"),
    ).fit(X, y)
    assert search.best_score_ > 0.5
    assert search.best_estimator_.embedder is plane


def test_a_search_over_parameters_of_the_embedder_leaves_it_unchanged():
    embedder = RandomEmbedder(vector_size=7)
    X, y = np.tile(np.eye(2), (6, 1)), ["cat", "dog"] * 6
    search = GridSearchCV(
        DeViSEClassifier(embedder, max_epochs=1), {"embedder__vector_size": [3, 9]}, cv=2
    ).fit(X, y)
    assert embedder.vector_size == 7
    assert search.best_estimator_.transform(X).shape[1] in (3, 9)


def test_an_embedder_that_changes_later_does_not_change_the_classifier(pets_and_trucks):
    X, y = pets_and_trucks
    embedder = RandomEmbedder(vector_size=4)
    clf = DeViSEClassifier(embedder, random_state=0).partial_fit(X, y)
    embedder.set_params(vector_size=9)
    assert clf.partial_fit(X, np.where(y == "cat", "lynx", y)).transform(X).shape[1] == 4


class SharedVectors:
    """Score 1 if the term vectors are a memory map of the parent process, and 0 for a copy."""

    def __call__(self, estimator, X, y):
        return float(isinstance(estimator.embedder.vectors[1], np.memmap))


def test_a_parallel_grid_search_does_not_copy_the_term_vectors():
    # joblib maps arrays above 1 MB into its workers.
    matrix = np.random.default_rng(0).standard_normal((4000, 100)).astype(np.float32)
    embedder = PretrainedEmbedder((np.arange(4000).astype(str), matrix))
    X, y = np.eye(12, dtype=np.float32), (np.arange(12) % 3).astype(str)
    search = GridSearchCV(
        DeViSEClassifier(embedder, max_epochs=1), {"margin": [0.1, 0.2]}, n_jobs=2, cv=2,
        scoring=SharedVectors(),
    ).fit(X, y)  # fmt: skip
    assert search.cv_results_["mean_test_score"].tolist() == [1, 1]
    assert search.best_estimator_.embedder.vectors[1] is matrix


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"negatives": "all"},
        {"loss": "mse", "lr": 0.02},
        {"loss": "cosine"},
        {"loss": "contrastive"},
    ],
    ids=str,
)
def test_new_classes_alone_do_not_wipe_out_the_old_ones(caltech, params, device):
    X, y, embedder = caltech
    classes = np.unique(y)[:25]
    is_old, is_new = np.isin(y, classes[:20]), np.isin(y, classes[20:])
    is_test = np.arange(len(y)) % 2 == 1

    def accuracy(clf, part):
        return clf.score(X[part & is_test], y[part & is_test], labels=classes)

    params = {"calibrate": False, "device": device, "random_state": 0, **params}
    clf = DeViSEClassifier(embedder, **params).fit(X[is_old & ~is_test], y[is_old & ~is_test])
    before = accuracy(clf, is_old)
    assert before > 0.85
    clf = pickle.loads(pickle.dumps(clf))
    for _ in range(3):
        clf.partial_fit(X[is_new & ~is_test], y[is_new & ~is_test])
    assert accuracy(clf, is_new) > 0.65
    assert accuracy(clf, is_old) > before - 0.15


def test_every_callback_sees_the_gradients(plane, pets_and_trucks):
    class Norms(Callback):
        def on_train_begin(self, net, **kwargs):
            self.n_seen = 0

        def on_grad_computed(self, net, named_parameters, **kwargs):
            self.n_seen += sum(parameter.grad is not None for _, parameter in named_parameters)

    for params in ({}, {"loss": "mse"}):
        callbacks = [Norms(), Norms(), Norms()]
        clf = DeViSEClassifier(plane, callbacks=callbacks, random_state=0, **params)
        clf.set_params(max_epochs=3).fit(*pets_and_trucks)
        assert [callback.n_seen for callback in callbacks] == [3, 3, 3]
