import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdevise import (
    ConSEClassifier,
    DeViSEClassifier,
    LabelVocabulary,
    NoveltySwitchClassifier,
    PretrainedEmbedder,
    RidgeProjectionClassifier,
)
from skdevise._utils import draw_seed
from skdevise.metrics import generalized_scores
from skdevise.model_selection import UnseenClassSplit, tune_seen_penalty
from skdevise.training._early_stopping import hold_out_samples

LABELS = ["cat", "dog", "lynx", "wolf"]
SEEN = ["cat", "dog"]


def accuracies_naively(y_true, y_score, penalty, weight, average):
    """Compute the accuracies on seen and unseen labels, sample by sample."""
    found = {}
    for group_name in ("seen", "unseen"):
        per_class = {}
        for label, scores, share in zip(y_true, y_score.tolist(), weight, strict=True):
            if (label in SEEN) != (group_name == "seen"):
                continue
            scores = [s - penalty * (name in SEEN) for s, name in zip(scores, LABELS, strict=True)]
            right = LABELS[scores.index(max(scores))] == label
            group = per_class.setdefault(label if average == "class" else "all", [])
            group.append((share, share * right))
        means = [
            sum(hit for _, hit in g) / sum(share for share, _ in g) for g in per_class.values()
        ]
        found[group_name] = sum(means) / len(means)
    return found["seen"], found["unseen"]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    n_samples=st.integers(0, 8),
    average=st.sampled_from(["class", "sample"]),
    weighted=st.booleans(),
)
def test_it_equals_a_naive_loop_at_every_penalty(seed, n_samples, average, weighted):
    rng = np.random.default_rng(seed)
    y_true = ["dog", "lynx", *rng.choice(LABELS, n_samples)]
    y_score = rng.standard_normal((len(y_true), 4))
    weight = rng.uniform(0.5, 2, len(y_true)) if weighted else np.ones(len(y_true))
    options = {"labels": LABELS, "seen": SEEN, "average": average, "sample_weight": weight}
    scores = generalized_scores(y_true, y_score, **options)
    steps = scores.penalties
    between = [steps[0] - 1, *(steps[1:] + steps[:-1]) / 2, steps[-1] + 1]
    naive = [accuracies_naively(y_true, y_score, p, weight, average) for p in between]
    assert_allclose(np.column_stack([scores.seen_curve, scores.unseen_curve]), naive, atol=1e-12)
    at = between[seed % len(between)]
    found = generalized_scores(y_true, y_score, seen_penalty=at, **options)
    assert_allclose((found.seen, found.unseen), naive[seed % len(between)], atol=1e-12)
    u, s = np.array(naive)[:, 1], np.array(naive)[:, 0]
    assert scores.area == pytest.approx(((s[1:] + s[:-1]) / 2 * np.diff(u)).sum())


def test_an_example_computed_by_hand():
    # Best seen minus best unseen score: cat .5 - .1 = .4, dog .3 (its best seen label is cat),
    # lynx .6, wolf -.2.
    y_score = [[0.5, 0, 0.1, 0], [0.5, 0.4, 0.2, 0], [0.7, 0, 0.1, 0], [0.2, 0, 0, 0.4]]
    scores = generalized_scores(LABELS, y_score, labels=LABELS, seen=SEEN)
    assert_allclose(scores.penalties, [-0.2, 0.3, 0.4, 0.6])
    assert_allclose(scores.seen_curve, [0.5, 0.5, 0.5, 0, 0])
    assert_allclose(scores.unseen_curve, [0, 0.5, 0.5, 0.5, 1])
    assert (scores.seen, scores.unseen, scores.harmonic_mean) == (0.5, 0.5, 0.5)
    # The curve runs from (0, .5) to (.5, .5), down to (.5, 0), and along zero.
    assert scores.area == pytest.approx(0.25)
    assert (
        generalized_scores(
            LABELS, y_score, labels=LABELS, seen=SEEN, seen_penalty=0.5
        ).harmonic_mean
        == 0
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"y_true": ["cat", "yeti"]}, r"\['yeti'\]"),
        ({"y_true": ["cat", None]}, r"\by_true\b.*row 1"),
        ({"y_true": ["cat", "dog"]}, r"is unseen\b"),
        ({"seen": ["cow"]}, r"is seen\b"),
        ({"labels": LABELS[:3]}, "3 labels.*4"),
        ({"y_score": np.full((2, 4), np.nan)}, "NaN"),
        ({"y_score": np.eye(4)[:3]}, "2, 3"),
        ({"y_score": ["cat", "cow"]}, "answers.*decision_function"),
        ({"labels": [*LABELS[:3], "cat"]}, "once"),
        ({"seen_penalty": np.nan}, "seen_penalty=nan"),
        ({"sample_weight": [1, -1]}, "sample_weight"),
        ({"sample_weight": [1, 0]}, r"is unseen\b"),
        ({"average": "macro"}, "macro"),
    ],
)
def test_invalid_arguments_are_named(changes, named):
    given = {"y_true": ["cat", "lynx"], "y_score": np.eye(4)[:2], "labels": LABELS, "seen": SEEN}
    given |= changes
    with pytest.raises(ValueError, match=named):
        generalized_scores(given.pop("y_true"), given.pop("y_score"), **given)


def test_the_weights_stay_unchanged():
    weight = np.array([1.0, 2.0, 3.0])
    options = {"labels": LABELS, "seen": SEEN, "average": "sample", "sample_weight": weight}
    generalized_scores(["cat", "dog", "lynx"], np.eye(4)[:3], **options)
    assert weight.tolist() == [1, 2, 3]


def test_the_true_labels_may_be_a_column():
    y_score = np.eye(4)[:3]
    y_true = np.array([["cat"], ["lynx"], ["lynx"]])
    # The answers are cat, dog and lynx.
    scores = generalized_scores(y_true, y_score, labels=LABELS, seen=SEEN)
    assert (scores.seen, scores.unseen) == (1, 0.5)


@pytest.fixture
def animals():
    """Ten labels around a circle, and samples near each of them."""
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    places = np.column_stack([np.cos(angles), np.sin(angles), np.ones(10)])
    embedder = PretrainedEmbedder(dict(zip("abcdefghij", places, strict=True)))
    y = np.repeat(list("abcdefghij"), 6)
    noise = np.random.default_rng(0).normal(0, 0.2, (60, 3))
    return places.repeat(6, axis=0) + noise, y, embedder


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("model", [DeViSEClassifier, ConSEClassifier])
def test_the_penalty_is_tuned_on_held_out_classes(animals, model, in_pipeline):
    X, y, embedder = animals
    clf = model(embedder=embedder, seen_penalty=0.3)
    if model is DeViSEClassifier:
        clf.set_params(random_state=0, lr=0.02, batch_size=16)
    estimator = make_pipeline(FunctionTransformer(), clf) if in_pipeline else clf
    penalty = tune_seen_penalty(estimator, X, y, random_state=0)
    assert penalty >= 0
    assert penalty == tune_seen_penalty(estimator, X, y, random_state=0)
    assert clf.seen_penalty == 0.3
    assert not hasattr(clf, "classes_")
    if model is ConSEClassifier:
        return  # On this circle it hardly favours the seen labels.
    # It also balances classes that neither training nor tuning saw.
    train, test = next(UnseenClassSplit(1, random_state=5).split(X, y))
    train, seen_test = train[::2], train[1::2]
    fitted = clone(clf).set_params(seen_penalty=0).fit(X[train], y[train])
    tested = np.concatenate([seen_test, test])
    scores = fitted.decision_function(X[tested], labels=np.unique(y))
    means = [
        generalized_scores(
            y[tested], scores, labels=np.unique(y), seen=fitted.classes_, seen_penalty=p
        ).harmonic_mean
        for p in (0, penalty)
    ]
    assert means[1] >= means[0]


class FeaturesAreScores(ClassifierMixin, BaseEstimator):
    """The features of a sample are its scores for the labels "a" and "b"."""

    def __init__(self, seen_penalty=0.3):
        self.seen_penalty = seen_penalty

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X, labels):
        return X - self.seen_penalty * np.isin(labels, self.classes_)


@pytest.mark.parametrize(
    ("score_of_seen", "score_of_unseen", "expected"),
    # Samples of "a" are right below their score, and samples of "b" above theirs.
    [(0.6, 0.2, (0.2 + 0.6) / 2), (0.6, -0.2, (0 + 0.6) / 2), (-0.1, -0.2, 0)],
)
def test_the_penalty_by_hand(score_of_seen, score_of_unseen, expected):
    X = np.repeat([[score_of_seen, 0], [score_of_unseen, 0]], 5, axis=0)
    y, cv = np.repeat(["a", "b"], 5), [(np.arange(5), np.arange(5, 10))]
    assert tune_seen_penalty(FeaturesAreScores(), X, y, cv=cv) == pytest.approx(expected)


def test_the_penalty_is_the_best_of_a_fine_grid(animals):
    X, y, embedder = animals
    splits = list(UnseenClassSplit(3, random_state=0).split(X, y))
    clf = RidgeProjectionClassifier(embedder)
    penalty = tune_seen_penalty(clf, X, y, cv=splits, random_state=0)
    labels, seed = np.unique(y), draw_seed(0)
    grid = [*np.arange(0, 1, 0.001), penalty]
    means = np.zeros(len(grid))
    for train, unseen in splits:
        kept, held_out = (train[part] for part in hold_out_samples(y[train], 0.2, seed))
        fitted = clone(clf).fit(X[kept], y[kept])
        is_seen = np.isin(labels, fitted.classes_)
        parts = [
            (y[rows], fitted.decision_function(X[rows], labels)) for rows in (held_out, unseen)
        ]
        for i, value in enumerate(grid):
            right = [(c, labels[(s - value * is_seen).argmax(axis=1)] == c) for c, s in parts]
            shares = [np.mean([r[c == label].mean() for label in set(c)]) for c, r in right]
            means[i] += 2 * np.prod(shares) / np.sum(shares) if np.sum(shares) else 0
    assert means[-1] == pytest.approx(means.max())
    assert penalty > 0
    # It is the middle of the penalties with the same answers.
    changes = np.flatnonzero(~np.isclose(means[:-1], means[-1]))
    lowest = max(grid[i] for i in changes if grid[i] < penalty)
    highest = min(grid[i] for i in changes if grid[i] > penalty)
    assert penalty == pytest.approx((lowest + highest) / 2, abs=0.002)


def test_tuning_needs_two_samples_of_a_class(animals):
    X, y, embedder = animals
    with pytest.raises(ValueError, match="one sample"):
        tune_seen_penalty(DeViSEClassifier(embedder), X[::6], y[::6], random_state=0)


def test_the_penalty_and_the_curve_agree_with_the_classifier(animals):
    X, y, embedder = animals
    known = np.isin(y, list("abcde"))
    clf = DeViSEClassifier(embedder, random_state=0).fit(X[known], y[known])
    labels = LabelVocabulary(list("abcdefghij"))
    scores = clf.decision_function(X, labels)
    for penalty in (0.0, 0.05, 0.3):
        clf.set_params(seen_penalty=penalty)
        answers = clf.predict(X, labels)
        assert (answers == clf.predict_top_k(X, 3, labels)[:, 0]).all()
        assert (answers == labels.labels[clf.decision_function(X, labels).argmax(axis=1)]).all()
        found = generalized_scores(
            y, scores, labels=labels, seen=clf.classes_, seen_penalty=penalty, average="sample"
        )
        assert found.seen == pytest.approx((answers == y)[known].mean())
        assert found.unseen == pytest.approx((answers == y)[~known].mean())


def test_invalid_arguments_of_tuning_are_named(animals):
    X, y, embedder = animals
    with pytest.raises(TypeError, match="LogisticRegression"):
        tune_seen_penalty(LogisticRegression(), X, y)
    for size in (0, 1, 1.5):
        with pytest.raises(ValueError, match=f"test_size={size}"):
            tune_seen_penalty(DeViSEClassifier(embedder), X, y, test_size=size)
    for cv in (0, True):
        with pytest.raises(ValueError, match=f"cv={cv}"):
            tune_seen_penalty(DeViSEClassifier(embedder), X, y, cv=cv)


def test_scores_may_be_tensors(device):
    # Both answers are the seen label 0.
    options = {"dtype": torch.bfloat16, "device": device, "requires_grad": True}
    y_score = torch.tensor([[0.9, 0.2], [0.6, 0.5]], **options)
    scores = generalized_scores(torch.tensor([0, 1]), y_score, labels=[0, 1], seen=[0])
    assert (scores.seen, scores.unseen) == (1, 0)


def test_the_seen_labels_may_be_a_set():
    scores = [
        generalized_scores(["cat", "lynx"], np.eye(4)[:2], labels=LABELS, seen=seen)
        for seen in (SEEN, set(SEEN), np.array(SEEN), LabelVocabulary(SEEN))
    ]
    # Below a penalty of 1 only the cat is correct, above it only the lynx.
    assert {(found.seen, found.unseen, found.area) for found in scores} == {(1, 0, 0.5)}
    with pytest.raises(TypeError, match="cat"):
        generalized_scores(["cat", "lynx"], np.eye(4)[:2], labels=LABELS, seen="cat")


def test_tuning_accepts_splits(animals):
    X, y, embedder = animals
    clf = RidgeProjectionClassifier(embedder)
    splits = [(a.tolist(), b.tolist()) for a, b in UnseenClassSplit(2, random_state=0).split(X, y)]
    penalty = tune_seen_penalty(clf, X, y, cv=splits, random_state=0)
    assert penalty == tune_seen_penalty(
        clf, X, y, cv=UnseenClassSplit(2, random_state=0), random_state=0
    )
    assert tune_seen_penalty(clf, X, y, cv=3, random_state=0) == tune_seen_penalty(
        clf, X, y, random_state=0
    )
    with pytest.raises(ValueError, match="test classes"):
        tune_seen_penalty(clf, X, y, cv=KFold(3, shuffle=True, random_state=0))


def test_a_set_of_candidates_is_refused_because_columns_have_an_order():
    with pytest.raises(TypeError, match="set"):
        generalized_scores(["cat", "lynx"], np.eye(4)[:2], labels=set(LABELS), seen=SEEN)


class CountedClassifier(LogisticRegression):
    n_fits = 0

    def fit(self, *args, **kwargs):
        CountedClassifier.n_fits += 1
        return super().fit(*args, **kwargs)


@pytest.mark.parametrize(
    ("model", "calibrates"), [(ConSEClassifier, False), (NoveltySwitchClassifier, True)]
)
def test_tuning_only_calibrates_if_scores_depend_on_it(animals, model, calibrates):
    X, y, embedder = animals
    CountedClassifier.n_fits = 0
    tune_seen_penalty(model(CountedClassifier(), embedder), X, y, cv=2, random_state=0)
    assert (CountedClassifier.n_fits > 2) == calibrates
    CountedClassifier.n_fits = 0
    model(CountedClassifier(), embedder).fit(X, y)
    assert CountedClassifier.n_fits > 1  # `fit` always calibrates.
