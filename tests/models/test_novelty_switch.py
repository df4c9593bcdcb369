"""Novelty detection between training labels and unseen labels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erf
from scipy.stats import multivariate_normal
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from skdevise import (
    DeViSEClassifier,
    DirectSimilarityClassifier,
    LabelVocabulary,
    NoveltySwitchClassifier,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    WSABIEClassifier,
)
from skdevise.datasets import load_caltech101_features, load_term_vectors
from skdevise.model_selection import tune_seen_penalty
from skdevise.models._calibration import (
    HeldOut,
    classes_to_hold_out,
    pooled_temperature,
    row_keys,
    split_rows,
)
from skdevise.models._novelty_switch import GaussianNovelty, LocalOutlierNovelty

SEEN, UNSEEN = list("abcdefgh"), list("uvwxyz")


@pytest.fixture(scope="module")
def letters():
    """Features that are the vectors of eight seen and six unseen letters, with noise: X, y."""
    y = np.repeat(SEEN + UNSEEN, 12)
    noise = np.random.default_rng(0).normal(0, 0.25, (len(y), 6))
    return RandomEmbedder(6).transform(y) + noise, y


@pytest.fixture(params=["gaussian", "loop"])
def fitted(request, letters):
    """A classifier that is fitted on the seen letters. Tests may change its parameters."""
    X, y = letters
    seen = np.isin(y, SEEN)
    # With few classes, features that are not centred show novelty better.
    ridge = RidgeProjectionClassifier(feature_scaling="l2")
    clf = NoveltySwitchClassifier(None, RandomEmbedder(6), projection=ridge, novelty=request.param)
    return clf.fit(X[seen], y[seen])


def test_the_gaussian_novelty_equals_the_densities_of_scipy():
    rng = np.random.default_rng(0)
    vectors, targets = rng.normal(size=(3, 4)), np.repeat([0, 1, 2], 5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points = vectors[targets] + rng.normal(0, 0.3, (15, 4))
    variances = [np.square(points[targets == k] - vectors[k]).mean() for k in range(3)]
    new = rng.normal(size=(7, 4))
    densities = [
        multivariate_normal(vector, variance).logpdf(new)
        for vector, variance in zip(vectors, variances, strict=True)
    ]
    assert_allclose(GaussianNovelty(points, targets, vectors)(new), -np.max(densities, axis=0))


def test_loop_equals_its_definition():
    rng = np.random.default_rng(0)
    points, new = rng.normal(size=(40, 3)), 2 * rng.normal(size=(6, 3))

    def distance(point, others):  # probabilistic distance / lambda, and the 20 neighbours
        lengths = np.linalg.norm(others - point, axis=1)
        nearest = np.argsort(lengths)[:20]
        return np.sqrt(np.mean(lengths[nearest] ** 2)), nearest

    def of_others(i):
        others = np.delete(np.arange(40), i)
        own, nearest = distance(points[i], points[others])
        return own, others[nearest]

    own = [of_others(i)[0] for i in range(40)]
    factors = [own[i] / np.mean([own[j] for j in of_others(i)[1]]) - 1 for i in range(40)]
    scale = 3 * np.sqrt(np.mean(np.square(factors)))
    expected = []
    for point in new:
        length, nearest = distance(point, points)
        factor = length / np.mean([own[j] for j in nearest]) - 1
        expected.append(max(0, erf(factor / (scale * np.sqrt(2)))))
    novelty = LocalOutlierNovelty(points)(new)
    assert_allclose(np.maximum(erf(novelty / np.sqrt(2)), 0), expected)


def test_equal_points_are_no_outliers():
    points = np.ones((5, 2))
    assert_array_equal(LocalOutlierNovelty(points)(points), np.zeros(5))
    assert LocalOutlierNovelty(points)(np.array([[2.0, 2.0]])) > 1


def test_loop_compares_at_least_two_samples():
    clf = NoveltySwitchClassifier(DecisionTreeClassifier(), RandomEmbedder(3))
    assert clf.fit([[0, 1]], ["cat"]).predict([[0, 1]]).tolist() == ["cat"]
    with pytest.raises(ValueError, match="loop.*one"):
        clf.set_params(novelty="loop").fit([[0, 1]], ["cat"])
    assert clf.fit([[0, 1], [1, 0]], ["cat", "cat"]).predict([[0, 1]]).tolist() == ["cat"]


def test_unseen_labels_are_novel(fitted, letters):
    X, y = letters
    novelty = fitted.predict_novelty(X)
    assert novelty[np.isin(y, UNSEEN)].mean() > 0.6
    assert novelty[np.isin(y, SEEN)].mean() < 0.5


def test_the_projection_ignores_what_all_features_share(letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    # Features of unit length differ little if all have the same large part. This gives 0.53
    # without centring, and 0.75 with it.
    far = X + 2
    softmax = LogisticRegression(max_iter=1_000)
    clf = NoveltySwitchClassifier(softmax, RandomEmbedder(6)).fit(far[seen], y[seen])
    assert clf.score(far[~seen], y[~seen], labels=UNSEEN) > 0.65


def test_candidates_of_one_kind_need_no_novelty(fitted, letters):
    X, y = letters
    for labels in (None, ["c", "a", "b"]):
        columns = slice(None) if labels is None else [2, 0, 1]
        proba = fitted.classifier_.predict_proba(X)[:, columns] ** (1 / fitted.temperature_)
        expected = proba / proba.sum(axis=1, keepdims=True)
        assert_allclose(fitted.predict_proba(X, labels), expected)
    expected = fitted.projection_.predict_proba(X, UNSEEN)
    assert_allclose(fitted.predict_proba(X, UNSEEN), expected, rtol=1e-5)
    assert_array_equal(fitted.predict(X, UNSEEN), fitted.projection_.predict(X, UNSEEN))


def test_the_probabilities_of_the_classifier_are_calibrated(letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    # With a strong penalty, the classifier gives nearly equal probabilities, but it is right.
    flat = LogisticRegression(C=0.01)
    clf = NoveltySwitchClassifier(flat, RandomEmbedder(6)).fit(X[seen], y[seen])
    assert clf.score(X[seen], y[seen]) > 0.85
    assert clf.classifier_.predict_proba(X[seen]).max(axis=1).mean() < 0.3
    assert clf.predict_proba(X[seen]).max(axis=1).mean() > 0.7


@pytest.mark.parametrize("combination", ["switch", "mix"])
@pytest.mark.parametrize("penalty", [0, 2])
def test_the_probabilities_are_equation_3(fitted, letters, combination, penalty):
    X, _ = letters
    # The threshold and the penalty only choose answers.
    fitted.set_params(combination=combination, seen_penalty=penalty)
    odds = fitted.predict_novelty(X) / (1 - fitted.predict_novelty(X))
    for unseen in (UNSEEN, UNSEEN[:1]):
        # All candidates are equally likely before the sample is seen: the odds of one of six
        # unseen labels against eight seen ones are 6 to 8.
        novelty = (1 - 1 / (1 + odds * len(unseen) / 8))[:, None]
        of_seen = fitted.predict_proba(X, SEEN)
        of_unseen = fitted.projection_.predict_proba(X, unseen)
        expected = np.hstack([(1 - novelty) * of_seen, novelty * of_unseen])
        assert_allclose(fitted.predict_proba(X, SEEN + unseen), expected, rtol=1e-5)
    reordered = [*UNSEEN[:1], *SEEN]
    assert_allclose(fitted.predict_proba(X, reordered), expected[:, [8, *range(8)]], rtol=1e-5)
    # Training labels that are no candidates have no chance.
    fitted.set_params(labels=[*"ab", *UNSEEN])
    proba = fitted.predict_proba(X, [*"ab", *UNSEEN])
    assert_allclose(fitted.predict_proba(X)[:, [0, 1, *range(8, 14)]], proba, rtol=1e-5)


@pytest.mark.parametrize("combination", ["switch", "mix"])
def test_answers_are_rejected_by_their_own_probability(fitted, letters, combination):
    X, _ = letters
    candidates = np.array(SEEN + UNSEEN)
    fitted.set_params(combination=combination, seen_penalty=1)
    answers = fitted.predict(X, candidates)
    assert_array_equal(answers, fitted.predict_top_k(X, 1, candidates)[:, 0])
    confidence = fitted.predict_confidence(X, candidates)
    assert_allclose(confidence, fitted.predict_proba(X, candidates))
    assert (candidates[confidence.argmax(axis=1)] != answers).any()
    of_answer = (confidence * (candidates == answers[:, None])).sum(axis=1)
    fitted.set_params(reject_below=0.4)
    expected = np.where(of_answer < 0.4, "unknown", answers)
    assert_array_equal(fitted.predict(X, candidates), expected)


def test_seen_and_unseen_candidates_together_are_calibrated():
    embedder, caltech = load_term_vectors().embedder, load_caltech101_features()
    known = embedder.has_vector(caltech.target)
    X, y = caltech.data[known], caltech.target[known]
    unseen, is_tested = np.unique(y)[1::4], np.arange(len(y)) % 4 == 0
    is_trained = ~is_tested & ~np.isin(y, unseen)
    clf = NoveltySwitchClassifier(embedder=embedder, seen_penalty=1)
    clf.fit(X[is_trained], y[is_trained])
    labels = np.append(clf.classes_, unseen)
    answers = clf.predict(X[is_tested], labels)
    proba = clf.predict_proba(X[is_tested], labels)[labels == answers[:, None]]
    accuracy = np.mean(answers == y[is_tested])
    # If the best label of each kind has the probability of its kind, this is .27.
    assert abs(proba.mean() - accuracy) < 0.06


def test_the_switch_answers_novel_samples_with_unseen_labels(fitted, letters):
    X, _ = letters
    candidates = SEEN + UNSEEN
    for penalty, share in ((0, 0.5), (1, 1 / (1 + np.e)), (-2, 1 / (1 + np.exp(-2)))):
        fitted.set_params(seen_penalty=penalty)
        is_novel = fitted.predict_novelty(X) > share
        expected = np.where(is_novel, fitted.predict(X, UNSEEN), fitted.predict(X, SEEN))
        assert_array_equal(fitted.predict(X, candidates), expected)
        assert 0 < is_novel.mean() < 1
    # The best label of either kind is among the first two, with the odds of novelty.
    fitted.set_params(seen_penalty=0)
    scores = fitted.decision_function(X, candidates)
    odds = np.exp(scores[:, 8:].max(axis=1) - scores[:, :8].max(axis=1))
    novelty = fitted.predict_novelty(X)
    assert_allclose(odds, novelty / (1 - novelty))


def test_the_penalty_is_tuned_as_for_other_classifiers(fitted, letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    penalty = tune_seen_penalty(fitted, X[seen], y[seen], random_state=0)
    assert 0 <= penalty < 10


def test_the_projection_is_a_parameter(letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    projection = DeViSEClassifier(loss="mse", lr=0.02, max_epochs=2, random_state=0)
    clf = NoveltySwitchClassifier(embedder=RandomEmbedder(6), projection=projection)
    points = clf.fit(X[seen], y[seen]).transform(X)
    alone = projection.set_params(embedder=RandomEmbedder(6)).fit(X[seen], y[seen])
    assert_allclose(points, alone.transform(X), atol=1e-6)
    others = LogisticRegression(), WSABIEClassifier(), DirectSimilarityClassifier()
    for other in (*others, FrozenEstimator(alone)):
        with pytest.raises(ValueError, match="projection"):
            clf.set_params(projection=other).fit(X, y)


def test_a_frozen_classifier_may_know_more_labels(letters):
    X, y = letters
    some, seen = np.isin(y, list("abcd")), np.isin(y, SEEN)
    frozen = FrozenEstimator(LogisticRegression().fit(X[seen], y[seen]))
    clf = NoveltySwitchClassifier(frozen, RandomEmbedder(6)).fit(X[some], y[some])
    assert clf.classes_.tolist() == SEEN
    assert clf.projection_.classes_.tolist() == list("abcd")
    assert clf.score(X[seen], y[seen]) > 0.8
    # The classifier is not trained again, so its probabilities stay as they are.
    assert_allclose(clf.predict_proba(X), frozen.predict_proba(X))
    with pytest.raises(ValueError, match="classifier"):
        clf.fit(X, np.full(len(y), "z"))


def test_a_frozen_classifier_may_leave_one_class_for_the_second_training(letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    frozen = FrozenEstimator(LogisticRegression().fit(X[seen], y[seen]))
    held_out = [label for label, is_out in classes_to_hold_out({}, SEEN).items() if is_out]
    rest = [label for label in SEEN if label not in held_out]
    some = np.isin(y, [held_out[0], rest[0]])
    projection = DeViSEClassifier(loss="mse", lr=0.02, max_epochs=2, random_state=0)
    clf = NoveltySwitchClassifier(frozen, RandomEmbedder(6), projection=projection)
    # As with few classes, the novelty of all training samples is the threshold.
    assert (clf.fit(X[some], y[some]).predict_novelty(X[some]) <= 0.5 + 1e-9).all()


def test_novelty_that_is_equal_everywhere_decides_nothing():
    # Scaled to unit length, all samples are the same point.
    X, y = np.outer(np.arange(1, 17), [1.0, 1.0, 1.0]), np.tile(list("abcd"), 4)
    clf = NoveltySwitchClassifier(embedder=RandomEmbedder(6)).fit(X, y)
    assert_allclose(clf.predict_novelty(X), 0.5)
    assert np.isfinite(clf.decision_function(X, labels=["a", "b", "z"])).all()


def test_few_classes_compare_with_all_training_samples(plane, pets_and_trucks):
    X, y = pets_and_trucks
    ridge = RidgeProjectionClassifier(feature_scaling="l2")
    clf = NoveltySwitchClassifier(embedder=plane, projection=ridge).fit(X, y)
    assert (clf.predict_novelty(X) <= 0.5 + 1e-9).all()
    assert clf.predict_novelty([[-1, 0, 0]]) > 0.5


def test_class_numbers_have_names(letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    words = PretrainedEmbedder((SEEN, RandomEmbedder(6).transform(SEEN)))
    labels = LabelVocabulary(range(8), terms=SEEN)
    clf = NoveltySwitchClassifier(embedder=words, labels=labels)
    stacked = StackingClassifier([("a", clf)], cv=3).fit(X[seen], y[seen])
    assert stacked.score(X[seen], y[seen]) > 0.8


def test_the_projection_may_correct_hubs(letters):
    X, y = letters
    seen = np.isin(y, SEEN)
    projection = RidgeProjectionClassifier(hubness="inverted_softmax")
    clf = NoveltySwitchClassifier(embedder=RandomEmbedder(6), projection=projection)
    clf.fit(X[seen], y[seen])
    assert_array_equal(clf.predict(X, UNSEEN), clf.projection_.predict(X, UNSEEN))


def test_the_temperature_is_that_of_classifiers_that_lack_samples_of_all_classes():
    y = np.repeat(list("abcdefgh"), 8)
    centres = np.repeat(np.random.default_rng(1).normal(size=(8, 6)), 8, axis=0)
    X = centres + np.random.default_rng(2).normal(size=centres.shape)
    keys, targets, none = row_keys(X), np.repeat(np.arange(8), 8), np.zeros(8, bool)
    groups = []
    for part in range(4):  # A part of two samples of each class is held out in turn.
        kept, rows, _ = split_rows(keys, targets, none, part)
        scores = LogisticRegression().fit(X[kept], y[kept]).predict_log_proba(X[rows])
        groups.append(HeldOut(scores, targets[rows], len(rows)))
    clf = NoveltySwitchClassifier(embedder=RandomEmbedder(5)).fit(X, y)
    assert clf.temperature_ == pytest.approx(pooled_temperature(groups, [1] * 4), rel=1e-3)
