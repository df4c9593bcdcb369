"""What the parameters of training do, seen from the estimator."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skdevise import DeViSEClassifier, LabelVocabulary, PretrainedEmbedder, datasets
from skdevise.exceptions import LabelWithoutVectorError


@pytest.fixture(scope="module")
def caltech():
    """Features of half of Caltech-101, and the bundled vectors of their names."""
    data, embedder = datasets.load_caltech101_features(), datasets.load_term_vectors().embedder
    known = embedder.has_vector(data.target)
    return data.data[known][::2], data.target[known][::2], embedder


# --- Projections


@pytest.mark.parametrize("projection", ["mlp", nn.Linear])
def test_every_projection_answers_and_pickles(plane, pets_and_trucks, projection):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection=projection, optimizer="adam", random_state=0)
    clf.fit(X, y)
    assert clf.score(X, y) == 1.0
    assert set(clf.predict(X, labels=["lynx", "lorry"])) == {"lynx", "lorry"}
    data = pickle.dumps(clf)
    copy = pickle.loads(data)
    assert projection is nn.Linear or b"torch" not in data
    assert np.array_equal(copy.transform(X), clf.transform(X))


def test_a_fitted_mlp_does_not_depend_on_the_batch(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection="mlp", max_epochs=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(clf.transform(X[:1]), clf.transform(X)[:1], rtol=1e-5)


def test_an_mlp_is_the_same_for_the_same_seed(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, projection="mlp", max_epochs=2, random_state=0, batch_size=8)
    first, second = (clone(clf).fit(*pets_and_trucks).projection_weights_ for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


# --- False labels


def test_false_labels_can_be_more_than_the_training_labels(plane, pets_and_trucks):
    # "lynx" lies by "cat": pushed away from it, cats land on its far side.
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0, max_epochs=100)
    pushed = clone(clf).set_params(negative_labels=["lynx", "cat"]).fit(X, y)
    leads = [
        own.decision_function(X[y == "cat"], labels=["cat", "lynx"]) @ [1, -1]
        for own in (pushed, clf.fit(X, y))
    ]
    assert leads[0].mean() > leads[1].mean()
    assert pushed.classes_.tolist() == ["cat", "dog", "truck"]
    assert clone(clf).set_params(negative_labels=["cat"]).fit(X, y).coef_.tolist() == (
        clf.coef_.tolist()
    )


def test_false_labels_without_a_vector_are_refused_or_dropped(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, negative_labels=["okapi", "lynx"], max_epochs=1)
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        clf.fit(*pets_and_trucks)
    clf.negative_labels = LabelVocabulary(["okapi", "lynx"], on_missing="drop")
    with pytest.warns(UserWarning, match="dropped: 'okapi'"):
        clf.fit(*pets_and_trucks)


# --- Label vectors that are trained


def test_trained_label_vectors_move_and_serve_every_label_set(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True, random_state=0).fit(X, y)
    old, new = plane.transform(["cat", "dog"]), clf.embedder_.transform(["cat", "dog"])
    assert not np.allclose(old, new)
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, rtol=1e-6)
    assert np.array_equal(clf.embedder_.transform(["lynx"]), plane.transform(["lynx"]))
    assert np.array_equal(clf.label_space_.targets[:2], new)
    points = clf.transform(X[:1])
    scores = clf.decision_function(X[:1], labels=["cat", "lynx"])
    np.testing.assert_allclose(
        scores, points @ clf.embedder_.transform(["cat", "lynx"]).T, rtol=1e-5
    )
    copy = pickle.loads(pickle.dumps(clf))
    assert (copy.predict(X, ["lynx", "cat"]) == clf.predict(X, ["lynx", "cat"])).all()
    assert clf.score(X, y) == 1.0


def test_trained_vectors_are_of_terms(pets_and_trucks):
    X, y = pets_and_trucks
    embedder = PretrainedEmbedder(
        {"cat": [1, 0], "puss": [0.9, 0.1], "dog": [0.5, 0.5], "car": [0, 1]}
    )
    terms = {"cat": ["moggy", "cat", "puss"], "truck": ["car"], "dog": ["dog"]}
    clf = DeViSEClassifier(embedder, labels=LabelVocabulary(terms, terms), train_label_vectors=True)
    clf.fit(X, y)
    # The first term with a vector is trained on; the others stay.
    assert not np.allclose(clf.embedder_.transform(["cat"]), embedder.transform(["cat"]))
    assert np.allclose(clf.embedder_.transform(["puss"]), embedder.transform(["puss"]))
    clf.labels = LabelVocabulary(terms, terms, pool="mean")
    with pytest.raises(ValueError, match="pool='mean' or templates has none"):
        clf.fit(X, y)


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
    with pytest.raises(ValueError, match="[Nn]egative values"):
        clf.fit(X, y, sample_weight=-weight)


def test_weights_count_in_the_gradient_whatever_their_scale(plane, pets_and_trucks):
    # One batch, all violations, one SGD step from zero: the mean of w (sum_j t_j - t_y) v'.
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


# --- Early stopping


def test_early_stopping_keeps_the_best_map(caltech):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, early_stopping=True, max_epochs=40, n_iter_no_change=3, random_state=0
    ).fit(X, y)
    valid = clf.history_["valid_hit@1"]
    assert len(valid) < 40
    assert valid.idxmax() == len(valid) - 3
    # Trained for as many epochs as the best took, the map is the same.
    best = clone(clf).set_params(max_epochs=int(valid.idxmax()), n_iter_no_change=40).fit(X, y)
    assert np.array_equal(best.coef_, clf.coef_)


def test_the_held_out_samples_are_not_trained_on(caltech):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, early_stopping=True, max_epochs=1, random_state=0, negatives="all"
    )
    n_seen = []

    class Count(nn.Module):
        def __init__(self, n_features, vector_size):
            super().__init__()
            self.linear = nn.Linear(n_features, vector_size)

        def forward(self, X):
            n_seen.extend([len(X)] * self.training)
            return self.linear(X)

    clf.set_params(projection=Count).fit(X, y)
    counts = np.unique(y, return_counts=True)[1]
    n_held_out = np.clip(np.round(0.1 * counts), 1, counts - 1).sum()
    assert sum(n_seen) in (len(X) - n_held_out, len(X) - n_held_out - 1)  # a lone one is left out


def test_validation_by_classes_tells_labels_apart_that_were_never_seen(caltech):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, early_stopping=True, validation_split="classes", validation_fraction=0.2,
        max_epochs=5, random_state=0,
    ).fit(X, y)  # fmt: skip
    valid = clf.history_["valid_hit@1"].max()
    assert 2 / (0.2 * len(clf.classes_)) < valid < 0.9  # better than chance, worse than seen ones
    assert len(clf.classes_) == len(np.unique(y))


# --- Going on


def test_warm_start_goes_on_from_the_map(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, max_epochs=1, lr=0.001, warm_start=True, random_state=0)
    losses = [clf.fit(X, y).history_.train_loss.iloc[0] for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    cold = clone(clf).set_params(warm_start=False)
    assert cold.fit(X, y).fit(X, y).history_.train_loss.iloc[0] == losses[0]
    # Labels may differ; features may not.
    assert clf.fit(X[:40], y[:40]).classes_.tolist() == ["cat", "dog"]
    with pytest.raises(ValueError, match="does not go with .* 2 features"):
        clf.fit(X[:, :2], y)


def test_the_optimizer_of_partial_fit_goes_on(plane, pets_and_trucks):
    # Adagrad's steps shrink: two passes are those of a fit of two epochs in one order.
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, batch_size=60, negatives="all", max_epochs=2, random_state=0)
    whole = clone(clf).fit(X, y).coef_
    np.testing.assert_allclose(clf.partial_fit(X, y).partial_fit(X, y).coef_, whole, rtol=1e-4)


def test_new_labels_do_not_join_trained_vectors(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, train_label_vectors=True).partial_fit(X[:40], y[:40])
    with pytest.raises(ValueError, match=r"\['truck'\] are new, but label vectors are trained"):
        clf.partial_fit(X, y)


def test_a_false_label_that_becomes_a_training_label_is_one(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, negative_labels=["lorry"], lr=0.1, random_state=0)
    clf.partial_fit(X, y)
    lorries = X[y == "truck"][:, [0, 2, 1]]
    for _ in range(60):
        clf.partial_fit(np.vstack([X, lorries]), np.append(y, ["lorry"] * len(lorries)))
    assert np.array_equal(clf.net_.criterion_.vectors.numpy(), clf.label_space_.targets)
    assert clf.score(X, y) == 1.0


@pytest.mark.parametrize("split", ["samples", "classes"])
@pytest.mark.parametrize("train_label_vectors", [True, False])
def test_partial_fit_goes_on_after_early_stopping(caltech, split, train_label_vectors):
    X, y, embedder = caltech
    clf = DeViSEClassifier(
        embedder, early_stopping=True, n_iter_no_change=1, max_epochs=5, validation_split=split,
        lr_schedule="linear", train_label_vectors=train_label_vectors, random_state=0,
    ).fit(X, y)  # fmt: skip
    before = clf.coef_
    assert not np.allclose(clf.partial_fit(X, y).coef_, before)
    assert clf.score(X, y) > 0.9


def test_dropout_is_fresh_in_each_pass(plane, pets_and_trucks):
    masks = []

    class Masked(nn.Module):
        def __init__(self, n_features, vector_size):
            super().__init__()
            self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(n_features, vector_size)

        def forward(self, X):
            X = self.dropout(X)
            if self.training:
                masks.append(X == 0)
            return self.linear(X)

    clf = DeViSEClassifier(plane, projection=Masked, batch_size=60, random_state=0)
    for _ in range(3):
        clf.partial_fit(*pets_and_trucks)
    assert not torch.equal(masks[1], masks[2])


def test_a_change_of_parameters_reaches_the_next_pass(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(X, y)
    before = clf.coef_
    assert np.allclose(clf.set_params(lr=1e-12).partial_fit(X, y).coef_, before)
    losses = [
        clf.set_params(margin=margin).partial_fit(X, y).history_.train_loss.iloc[-1]
        for margin in (0.001, 5.0)
    ]
    assert losses[1] > 10 * losses[0]


@pytest.mark.parametrize("params", [{"batch_size": 0}, {"margin": -1}, {"loss": "hinge"}])
def test_partial_fit_refuses_parameters_that_were_set_since(plane, pets_and_trucks, params):
    clf = DeViSEClassifier(plane, random_state=0).partial_fit(*pets_and_trucks)
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        clf.set_params(**params).partial_fit(*pets_and_trucks)


@pytest.mark.parametrize("left", [None, -0.5, float("nan")])
def test_a_schedule_gives_a_share(plane, pets_and_trucks, left):
    clf = DeViSEClassifier(plane, lr_schedule=lambda done: left, random_state=0)
    with pytest.raises(ValueError, match="lr_schedule gives .* after 0.00 of the epochs"):
        clf.fit(*pets_and_trucks)


def test_passes_weigh_what_their_samples_weigh(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, optimizer="sgd", random_state=0).partial_fit(X, y)
    before = clf.coef_
    assert np.allclose(clf.partial_fit(X, y, sample_weight=np.full(60, 1e-9)).coef_, before)


def test_a_fitted_classifier_keeps_its_scaling(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, random_state=0).fit(X, y)
    points = clf.transform(X)
    assert np.array_equal(clf.set_params(feature_scaling="standard").transform(X), points)


def test_labels_of_one_kind_stay_so(plane):
    clf = DeViSEClassifier(random_state=0)
    with pytest.raises(ValueError, match="Labels of <U1 came beside labels of int64"):
        clf.partial_fit([[0, 1], [1, 0]], [1, 2], classes=["1", "2"])
    clf.partial_fit([[0, 1], [1, 0]], [1, 2], classes=[1, 2, 10])
    assert clf.classes_.tolist() == [1, 2, 10]


class Reversed:
    """An embedder around another one."""

    def __init__(self, embedder):
        self.embedder = embedder

    def transform(self, terms):
        return -self.embedder.transform(terms)


def test_trained_vectors_stand_beside_those_of_any_embedder(plane, pets_and_trucks):
    wrapped = Reversed(plane)
    clf = DeViSEClassifier(wrapped, train_label_vectors=True, random_state=0)
    clf.fit(*pets_and_trucks)
    assert np.array_equal(clf.embedder_.transform(["lynx"]), wrapped.transform(["lynx"]))
    # False labels that are no training labels have no vectors to train.
    clf.set_params(negative_labels=["lynx"]).fit(*pets_and_trucks)
    vectors = clf.net_.criterion_.vectors.detach().numpy()
    np.testing.assert_allclose(vectors[3:], wrapped.transform(["lynx"]))


# --- What is shown


def test_callbacks_see_the_validation(plane, pets_and_trucks):
    from skorch.callbacks import EarlyStopping

    impatient = EarlyStopping(
        monitor="valid_hit@1", lower_is_better=False, patience=2, sink=lambda _: None
    )
    clf = DeViSEClassifier(
        plane, early_stopping=True, callbacks=[("early_stopping", impatient)], max_epochs=50,
        n_iter_no_change=40, random_state=0,
    ).fit(*pets_and_trucks)  # fmt: skip
    assert len(clf.history_) < 10


def test_a_user_who_interrupts_the_validation_means_it(plane, pets_and_trucks, monkeypatch):
    from skdevise.training._early_stopping import EarlyStopping

    def interrupt(self, net):
        raise KeyboardInterrupt

    monkeypatch.setattr(EarlyStopping, "look", interrupt)
    with pytest.raises(KeyboardInterrupt):
        DeViSEClassifier(plane, early_stopping=True).fit(*pets_and_trucks)


def test_a_line_an_epoch_tells_loss_and_validation(capsys, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, early_stopping=True, max_epochs=2, verbose=1, random_state=0)
    clf.fit(*pets_and_trucks)
    printed = capsys.readouterr().out
    assert "train_loss" in printed and "valid_hit@1" in printed
    assert len(printed.strip().splitlines()) == 4


def test_a_progress_bar_is_shown_if_asked_for(capsys, plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, max_epochs=1, batch_size=8, verbose=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm's own of notebooks
        clf.fit(*pets_and_trucks)
    assert "0/8" in capsys.readouterr().err


# --- The paper's ordering


def test_the_rank_loss_answers_no_worse_than_distances(caltech):
    # Section 4 of the paper: "nearest neighbour evaluation is a ranking problem".
    X, y, embedder = caltech
    test = np.arange(len(y)) % 4 == 0
    hits = {}
    for loss, lr in (("hinge_rank", 0.02), ("mse", 0.02), ("cosine", 0.02)):
        clf = DeViSEClassifier(embedder, loss=loss, lr=lr, random_state=0)
        hits[loss] = clf.fit(X[~test], y[~test]).score(X[test], y[test])
    assert hits["hinge_rank"] >= max(hits["mse"], hits["cosine"]) - 0.01


@pytest.mark.slow
def test_a_compiled_map_is_the_same(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, projection=nn.Linear, max_epochs=3, random_state=0)
    eager = clone(clf).fit(X, y)
    compiled = clone(clf).set_params(compile=True).fit(X, y)
    np.testing.assert_allclose(compiled.transform(X), eager.transform(X), atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_loss_trains_on_a_gpu(plane, pets_and_trucks, precision):
    for loss in ("hinge_rank", "warp", "mse", "cosine", "contrastive"):
        clf = DeViSEClassifier(
            plane, loss=loss, precision=precision, early_stopping=True, device="cuda", lr=0.1,
            train_label_vectors=loss == "contrastive", random_state=0,
        )  # fmt: skip
        assert clf.fit(*pets_and_trucks).score(*pets_and_trucks) > 0.9
