import pickle

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdevise import (
    DeViSEClassifier,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    SkipGramEmbedder,
    VisualFeaturizer,
)
from skdevise.datasets import make_shapes
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.metrics import HitAtK
from skdevise.model_selection import UnseenClassSplit


@pytest.fixture
def clf(plane, pets_and_trucks):
    return DeViSEClassifier(plane, random_state=0).fit(*pets_and_trucks)


@pytest.fixture
def photos(pets_and_trucks):
    return pets_and_trucks[0]


# --- What it answers


def test_answers_seen_labels(clf, pets_and_trucks):
    assert clf.score(*pets_and_trucks) == 1.0
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]


def test_answers_labels_that_it_never_saw(clf):
    answers = clf.predict([[1, 0, 0], [0, 0, 1]], labels=["lorry", "lynx"])
    assert answers.tolist() == ["lynx", "lorry"]


def test_nearest_labels_come_in_the_order_of_their_angles(clf):
    top = clf.predict_top_k([[0, 0, 1]], k=5, labels=["cat", "lynx", "dog", "lorry", "truck"])
    # The photo may be placed between the first two; the others follow by their angle.
    assert set(top[0, :2]) == {"truck", "lorry"}
    assert top[0, 2:].tolist() == ["dog", "lynx", "cat"]


def test_synset_ids_are_labels(pets_and_trucks):
    embedder = PretrainedEmbedder({"dog": [1, 0], "true cat": [0, 1]})
    X, y = [[0, 1], [1, 0]], ["n02084071", "n02121620"]  # dog; cat, true cat
    clf = DeViSEClassifier(embedder, random_state=0).fit(X, y)
    assert clf.predict(X).tolist() == y


def test_transform_gives_unit_rows_with_names(clf, photos):
    points = clf.transform(photos)
    assert points.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-5)
    assert clf.get_feature_names_out().tolist() == ["deviseclassifier0", "deviseclassifier1"]
    frame = clone(clf).set_output(transform="pandas").fit(photos, clf.predict(photos))
    assert frame.transform(photos).columns.tolist() == ["deviseclassifier0", "deviseclassifier1"]
    assert (frame.predict(photos) == clf.predict(photos)).all()


# --- How it is trained


@pytest.mark.parametrize(
    "params",
    [
        {"negatives": "all"},
        {"negatives": "hardest"},
        {"negatives": 2},
        {"loss": "mse", "lr": 0.1},
        {"loss": "cosine", "lr": 0.1, "max_epochs": 100},
        {"optimizer": "adam", "lr": 0.05},
        {"optimizer": torch.optim.SGD, "lr": 1.0},
        {"feature_scaling": "none", "batch_size": 7},
    ],
    ids=str,
)
def test_every_loss_and_negative_learns(plane, pets_and_trucks, params):
    clf = DeViSEClassifier(plane, random_state=0, **params).fit(*pets_and_trucks)
    assert clf.score(*pets_and_trucks) == 1.0


def test_full_sum_trains_as_plain_gradient_steps_do(plane, pets_and_trucks):
    # One batch an epoch leaves no chance: the steps of eq. 1 by hand, in float64.
    X, y = pets_and_trucks
    params = {"negatives": "all", "optimizer": "sgd", "lr": 0.5, "batch_size": 60}
    start = DeViSEClassifier(plane, **params, feature_scaling="none", random_state=0, max_epochs=0)
    clf = clone(start).set_params(max_epochs=5).fit(X, y)
    labels = plane.transform(["cat", "dog", "truck"]).astype(float)
    targets = np.repeat([0, 1, 2], 20)
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


def test_equal_seeds_give_equal_maps(plane, pets_and_trucks):
    first, second, other = (
        DeViSEClassifier(plane, random_state=seed, batch_size=8).fit(*pets_and_trucks).coef_
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_training_leaves_global_generators_alone(plane, pets_and_trucks):
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    DeViSEClassifier(plane, random_state=0).fit(*pets_and_trucks)
    assert np.array_equal(numpy_state, np.random.get_state()[1])
    assert torch.equal(torch_state, torch.get_rng_state())


def test_partial_fit_learns_batch_by_batch(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, lr=0.1, random_state=0)
    for rows in np.tile(np.random.default_rng(0).permutation(60).reshape(30, 2), (5, 1)):
        clf.partial_fit(X[rows], y[rows], classes=["dog", "cat", "truck"])
    assert clf.score(X, y) == 1.0


def test_labels_join_later_if_they_have_a_vector(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, lr=0.1, random_state=0)
    with pytest.raises(ValueError, match="all samples are of one class: 'cat'"):
        clf.partial_fit(X[:2], ["cat", "cat"])
    clf.partial_fit(X[:2], ["cat", "cat"], classes=["cat", "truck"])
    before = clf.coef_
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        clf.partial_fit(X[:2], ["cat", "okapi"])
    assert clf.classes_.tolist() == ["cat", "truck"]
    assert clf.coef_ is before
    for _ in range(30):
        clf.partial_fit(X, y)  # "dog" is new
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert clf.score(X, y) == 1.0


def test_a_pickle_holds_plain_arrays_and_trains_on(clf, pets_and_trucks):
    # Trap 6.
    assert b"torch" not in pickle.dumps(clf)
    copy = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(copy.transform(pets_and_trucks[0]), clf.transform(pets_and_trucks[0]))
    assert copy.partial_fit(*pets_and_trucks).score(*pets_and_trucks) == 1.0


def test_history_has_a_row_an_epoch_and_stays_in_a_pickle(clf):
    copy = pickle.loads(pickle.dumps(clf))
    assert copy.history_.index.tolist() == list(range(1, clf.max_epochs + 1))
    assert copy.history_.columns.tolist() == ["dur", "train_loss"]
    assert copy.history_.train_loss.iloc[0] > copy.history_.train_loss.iloc[-1]
    assert copy.history_.equals(clf.history_)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_trains_on_a_gpu(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, device="cuda", random_state=0).fit(*pets_and_trucks)
    assert clf.score(*pets_and_trucks) == 1.0


def test_images_go_in_with_a_visual_net():
    def colour_means():
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

    shapes = make_shapes(84, random_state=0)
    colours = np.array([label.split()[0] for label in shapes.target])
    visual = VisualFeaturizer(colour_means, image_size=32)
    clf = DeViSEClassifier(visual=visual, max_epochs=200, random_state=0)
    clf.fit(shapes.images, colours)
    assert clf.score(shapes.images, colours) > 0.5  # chance is 1/6
    with pytest.raises(ValueError, match="84 images came with labels of shape"):
        clf.fit(shapes.images, colours[:3])


# --- How it composes


def test_pipeline_predict_passes_labels_without_routing(plane, pets_and_trucks):
    X, y = pets_and_trucks
    pipe = make_pipeline(StandardScaler(), DeViSEClassifier(plane, random_state=0)).fit(X, y)
    assert set(pipe.predict(X, labels=["lynx", "lorry"])) <= {"lynx", "lorry"}


def test_pipeline_score_uses_the_constructors_labels_without_routing(plane, pets_and_trucks):
    # Trap 1: Pipeline.score drops `labels`, so the constructor and scorers take them too.
    X, y = pets_and_trucks
    renamed = np.where(y == "truck", "lorry", "lynx")
    clf = DeViSEClassifier(plane, labels=["lynx", "lorry"], random_state=0)
    pipe = make_pipeline(StandardScaler(with_mean=False), clf).fit(X, y)
    by_scorer = HitAtK(labels=["lynx", "lorry"])(pipe, X, renamed)
    assert pipe.score(X, renamed) == by_scorer > 0.6


def test_routing_carries_labels_to_every_method(plane, pets_and_trucks):
    # Trap 1: class-level requests spare users the set_*_request calls.
    X, y = pets_and_trucks
    labels = LabelVocabulary(["lynx", "lorry"])
    renamed = np.where(y == "truck", "lorry", "lynx")
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(DeViSEClassifier(plane, random_state=0)).fit(X, y)
        assert set(pipe.predict(X, labels=labels)) == {"lynx", "lorry"}
        assert pipe.decision_function(X, labels=labels).shape == (60, 2)
        assert pipe.predict_proba(X, labels=labels).shape == (60, 2)
        assert pipe.score(X, renamed, labels=labels) > 0.6


def test_a_vocabulary_as_long_as_the_samples_is_not_sliced(plane):
    # Trap 2: of a list of four labels, a fold of two samples would get two.
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
    # Trap 1: a `score` without sample_weight would fail in a routed Pipeline.
    X, y = pets_and_trucks
    weight = (y == "cat").astype(float)
    with config_context(enable_metadata_routing=True):
        clf = DeViSEClassifier(plane, random_state=0).set_score_request(sample_weight=True)
        pipe = Pipeline([("devise", clf)]).fit(X, y)
        assert pipe.score(X, np.full(60, "cat"), sample_weight=weight) == 1.0


def test_clone_keeps_the_fitted_embedder_and_the_routing(plane):
    # Trap 5: `__sklearn_clone__` carries over what `clone` does.
    embedder = SkipGramEmbedder(vector_size=4, random_state=0).fit(["cat dog truck"] * 9)
    with config_context(enable_metadata_routing=True):
        clf = DeViSEClassifier(embedder).set_score_request(sample_weight=True)
        copy = clone(clf.set_output(transform="pandas"))
        assert copy.get_metadata_routing().score.requests["sample_weight"] is True
    assert copy.embedder is embedder
    assert copy._sklearn_output_config == {"transform": "pandas"}
    assert clf.embedder is embedder


def test_grid_search_over_margin_with_unseen_classes(plane):
    rng = np.random.default_rng(0)
    y = np.repeat(["cat", "lynx", "dog", "lorry", "truck"], 12)
    X = plane.transform(y) + rng.normal(0, 0.02, (60, 2))
    search = GridSearchCV(
        DeViSEClassifier(plane, random_state=0),
        {"margin": [0.05, 0.1]},
        cv=UnseenClassSplit(3, test_size=2, random_state=0),
        scoring=HitAtK(labels="test"),
    ).fit(X, y)
    assert search.best_score_ > 0.5
    assert search.best_estimator_.embedder is plane


class SharedVectors:
    """Scores 1 where the term vectors are a memory map of the parent's, 0 for a copy."""

    def __call__(self, estimator, X, y):
        return float(isinstance(estimator.embedder.vectors[1], np.memmap))


def test_parallel_grid_search_never_copies_the_term_vectors():
    # joblib maps arrays above 1 MB into its workers, if they reach it as arrays.
    matrix = np.random.default_rng(0).standard_normal((4000, 100)).astype(np.float32)
    embedder = PretrainedEmbedder((np.arange(4000).astype(str), matrix))
    X, y = np.eye(12, dtype=np.float32), np.arange(12) % 3
    search = GridSearchCV(
        DeViSEClassifier(embedder, max_epochs=1), {"margin": [0.1, 0.2]}, n_jobs=2, cv=2,
        scoring=SharedVectors(),
    ).fit(X, y)  # fmt: skip
    assert search.cv_results_["mean_test_score"].tolist() == [1, 1]
    assert search.best_estimator_.embedder.vectors[1] is matrix


class CountingEmbedder:
    """Counts the terms that it is asked for."""

    def __init__(self):
        self.n_asked = 0

    def transform(self, terms):
        self.n_asked += len(terms)
        return RandomEmbedder(8).transform(terms)


# --- What it refuses


def test_labels_without_vectors_are_all_named_before_training(plane):
    with pytest.raises(LabelWithoutVectorError, match="2 of 3 labels have no vector: 'elk', 'yak'"):
        DeViSEClassifier(plane).fit([[0], [1], [2]], ["yak", "cat", "elk"])


def test_candidates_without_vectors_are_all_named(clf, photos):
    with pytest.raises(LabelWithoutVectorError, match="1 of 2 labels has no vector: 'gnu'"):
        clf.predict(photos, labels=["gnu", "cat"])


def test_nan_features_are_refused(clf):
    with pytest.raises(ValueError, match="^X holds NaN or infinity, first in row 1: leave such"):
        clf.predict([[1, 0, 0], [0, np.nan, 0]])
    with pytest.raises(ValueError, match="^X holds NaN or infinity, first in row 0"):
        clf.fit([[np.inf, 0], [0, 1]], ["cat", "dog"])


def test_one_class_is_refused(plane):
    with pytest.raises(ValueError, match="all samples are of one class: 'cat'"):
        DeViSEClassifier(plane).fit([[0], [1]], ["cat", "cat"])


# --- What a review found


def test_a_margin_of_zero_is_refused():
    # From a map of zeros no label would ever violate it.
    with pytest.raises(ValueError, match="'margin' parameter"):
        DeViSEClassifier(margin=0).fit([[0, 1], [1, 0]], ["cat", "dog"])


def test_a_search_over_the_embedders_parameters_leaves_the_users_object_alone():
    embedder = RandomEmbedder(vector_size=7)
    X, y = np.tile(np.eye(2), (6, 1)), ["cat", "dog"] * 6
    search = GridSearchCV(
        DeViSEClassifier(embedder, max_epochs=1), {"embedder__vector_size": [3, 9]}, cv=2
    ).fit(X, y)
    assert embedder.vector_size == 7
    assert search.best_estimator_.transform(X).shape[1] in (3, 9)


def test_an_embedder_with_an_array_of_vectors_is_asked_itself():
    class Embedder(CountingEmbedder):
        vectors_ = np.eye(3)

    embedder = Embedder()
    DeViSEClassifier(embedder, max_epochs=1).fit([[0, 1], [1, 0]], ["a", "b"])
    assert embedder.n_asked == 2


@pytest.mark.parametrize("labels", [[], ["cat", "cat"], ["cat", "gnu"]], ids=str)
def test_constructor_labels_are_checked_before_training(plane, pets_and_trucks, labels):
    clf = DeViSEClassifier(plane, labels=labels)
    with pytest.raises(ValueError):  # noqa: PT011 (their messages are tested above)
        clf.fit(*pets_and_trucks)
    assert not hasattr(clf, "coef_")


def test_a_refused_refit_leaves_the_fitted_classifier_as_it_was(clf, photos):
    with pytest.raises(LabelWithoutVectorError):
        clf.fit([[0, 0, 1], [1, 0, 0]], ["gnu", "cat"])
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert set(clf.predict(photos)) == {"cat", "dog", "truck"}


def test_photos_without_a_visual_net_are_refused():
    with pytest.raises(ValueError, match="X holds photos, but visual=None takes features"):
        DeViSEClassifier().fit(["a.jpg", "b.jpg"], ["cat", "dog"])
    with pytest.raises(ValueError, match="X holds photos"):
        DeViSEClassifier().fit(np.zeros((2, 8, 8, 3), np.uint8), ["cat", "dog"])


def test_a_fit_that_diverged_says_so(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, loss="mse", optimizer="sgd", lr=1e6)
    with pytest.raises(ValueError, match="Training diverged: lower lr"):
        clf.fit(*pets_and_trucks)


def test_labels_of_several_kinds_are_refused():
    with pytest.raises(ValueError, match="y mixes text with numbers"):
        DeViSEClassifier().fit([[0], [1]], np.array(["cat", 1], dtype=object))


def test_a_dict_of_vectors_is_pickled_as_an_array():
    embedder = PretrainedEmbedder({"cat": [1.0, 0.0], "dog": [0.0, 1.0]})
    copy = pickle.loads(pickle.dumps(embedder))
    assert isinstance(copy.vectors[1], np.ndarray)
    assert np.array_equal(copy.transform(["dog"]), [[0, 1]])


def test_unseeded_training_leaves_the_global_generator_alone(plane, pets_and_trucks):
    state = np.random.get_state()[1].copy()
    DeViSEClassifier(plane, max_epochs=1).fit(*pets_and_trucks)
    assert np.array_equal(state, np.random.get_state()[1])


@pytest.mark.parametrize(
    ("method", "params", "X", "labels", "message"),
    [
        ("fit", {"loss": "mse", "optimizer": "sgd", "lr": 1e9}, np.eye(3), "lynx", "diverged"),
        ("fit", {"batch_size": 0}, np.eye(3), "lynx", "batch_size"),
        *(
            (method, *case)
            for method in ("fit", "partial_fit")
            for case in (
                ({}, np.eye(3), "okapi", "'okapi'"),
                ({"negative_labels": ["okapi"]}, np.eye(3), "lynx", "'okapi'"),
                ({"device": "nowhere"}, np.eye(3), "lynx", "device='nowhere' is not available"),
                ({}, np.full((3, 3), np.nan), "lynx", "first in row 0"),
            )
        ),
    ],
    ids=str,
)
def test_what_breaks_off_leaves_the_classifier_as_it_was(
    clf, pets_and_trucks, method, params, X, labels, message
):
    # New classes beside the map of the old ones would answer nonsense.
    X_known, y_known = pets_and_trucks
    points, params_before = clf.transform(X_known), clf.get_params(deep=False)
    with pytest.raises(ValueError, match=message):
        getattr(clf.set_params(**params), method)(X, [labels, "cat", "dog"])
    clf.set_params(**params_before)
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert np.array_equal(clf.transform(X_known), points)
    assert clf.partial_fit(X_known, y_known).score(X_known, y_known) == 1.0


def test_a_first_fit_that_breaks_off_leaves_nothing_fitted(plane):
    clf = DeViSEClassifier(plane, loss="mse", optimizer="sgd", lr=1e9)
    with pytest.raises(ValueError, match="Training diverged: lower lr=1000000000.0"):
        clf.fit(np.eye(2), ["lynx", "lorry"])
    with pytest.raises(NotFittedError):
        clf.predict(np.eye(2))
    assert not [name for name in vars(clf) if name.endswith("_")]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), None, "requires y to be passed"),
        ((photo for photo in []), ["cat"], "Images come as a sequence, got generator"),
    ],
)
def test_images_without_labels_or_length_are_refused(X, y, message):
    clf = DeViSEClassifier(visual=VisualFeaturizer("efficientnet_lite0"))
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)
