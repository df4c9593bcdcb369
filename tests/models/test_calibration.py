"""Temperatures of `predict_proba`, fitted on held-out samples and classes."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    ESZSLClassifier,
    Hierarchy,
    NearestClassMeanClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
)
from skdevise.datasets import load_caltech101_features, load_term_vectors
from skdevise.models._calibration import (
    HeldOut,
    Split,
    class_splits,
    classes_to_hold_out,
    corrected,
    fit_temperature,
    pooled_temperature,
    row_keys,
    sample_counts,
    sample_splits,
    split_rows,
)
from skdevise.models._hubness import hub_offsets
from skdevise.models._seen_classifier import quiet_training

LABELS = list("abcdefgh")

# Every held-out class shares an ancestor with others.
TREE = Hierarchy.from_edges([("left", x) for x in "abcdxy"] + [("right", x) for x in "efgh"])


def make_data(n_per_class=8, noise=0.7, n_features=6):
    """Return noisy samples of eight classes: X (n_samples, n_features), y."""
    y = np.repeat(LABELS, n_per_class)
    centres = np.repeat(np.random.default_rng(1).normal(size=(8, n_features)), n_per_class, axis=0)
    return centres + np.random.default_rng(2).normal(0, noise, centres.shape), y


def naive_temperatures(classifier, X, y, weight=None, hubness=None, kept_classes=""):
    """Fit the temperatures of seen, unseen and mixed labels, by a new fit for each split.

    `kept_classes` are never held out.
    """
    keys, targets = row_keys(X), np.searchsorted(LABELS, y)
    counts = sample_counts(keys, targets)

    def group_of(split):
        is_held_out = np.array([split.held_out[x] and x not in kept_classes for x in LABELS])
        kept, samples, unseen = split_rows(keys, targets, is_held_out, *split[1:])
        weights = {} if weight is None else {"sample_weight": weight[kept]}
        second = clone(classifier).fit(X[kept], y[kept], **weights)
        assert_array_equal(second.classes_, np.array(LABELS)[~is_held_out])
        rows = unseen if is_held_out.any() else samples
        labels = np.array(LABELS)[is_held_out == is_held_out.any()]
        scores = second.decision_function(X[rows], labels=labels)
        if hubness is not None:
            points = second.reference_points_
            scores = scores - hub_offsets(second.label_space(labels).scores, points, hubness)
        of_rows = None if weight is None else weight[rows]
        return HeldOut(scores, np.searchsorted(labels, y[rows]), len(rows), of_rows)

    held_out = classes_to_hold_out({}, LABELS)
    splits = sample_splits(counts, LABELS)
    seen = [group_of(split) for split in splits if split.n_parts == 1]
    fewer = [group_of(split) for split in splits if split.n_parts == 2]
    # DeViSE holds out classes once, and samples of the others with them.
    repeats = not isinstance(classifier, DeViSEClassifier)
    splits = class_splits(held_out) if repeats else [Split(held_out)]
    unseen = [group_of(split) for split in splits]
    temperature = pooled_temperature(seen, [group.total_weight for group in seen])
    # Each split lacks two classes, or one if the other is always kept. The seen labels count like
    # one class.
    n_classes = np.array([group.scores.shape[1] for group in unseen])
    shares = [*n_classes, *[1 / len(seen)] * len(seen)]
    of_unseen = pooled_temperature([*unseen, *seen], shares)
    # The photos of both kinds count equally.
    shares[: len(unseen)] = n_classes / n_classes.sum()
    mixed = pooled_temperature([*unseen, *seen], shares)
    if fewer:
        with_fewer = pooled_temperature(fewer, [group.total_weight for group in fewer])
        temperature = corrected(temperature, with_fewer, counts)
    return temperature, of_unseen, mixed


def temperatures(clf):
    """Return the three temperatures of a fitted classifier: list of float."""
    return [clf.temperature_, clf.unseen_temperature_, clf.mixed_temperature_]


CLASSIFIERS = [
    DeViSEClassifier(
        RandomEmbedder(5),
        random_state=0,
        lr=0.02,
        max_epochs=4,
        batch_size=16,
        feature_scaling="l2",  # Both trainings share the centre of all samples otherwise.
    ),
    ConSEClassifier(embedder=RandomEmbedder(5)),
    RidgeProjectionClassifier(RandomEmbedder(5)),
    ESZSLClassifier(RandomEmbedder(5)),
    DirectSimilarityClassifier(embedder=RandomEmbedder(5)),
    NearestClassMeanClassifier(TREE, metric="euclidean", feature_scaling="none"),
    NearestClassMeanClassifier(
        TREE, feature_scaling="none", n_components=3, max_epochs=2, random_state=0
    ),
]


@pytest.fixture(params=CLASSIFIERS, ids=lambda clf: type(clf).__name__)
def classifier(request):
    """A classifier that is not fitted."""
    return clone(request.param)


@pytest.mark.parametrize("n_right", [4, 6, 8])
def test_the_temperature_by_hand(n_right):
    # Two labels with scores 1 and 0. The smoothed target of 4 samples is 4.5 / 5 = .9.
    scores = np.repeat([[1.0, 0.0]], 8, axis=0)
    targets = np.repeat([0, 1], [n_right, 8 - n_right])
    share = (0.9 * n_right + 0.1 * (8 - n_right)) / 8
    temperature = fit_temperature(scores, targets, n_distinct=4)
    # The softmax of (1, 0) / T equals that share. Answers that are right by chance get p = 1/2.
    assert softmax([1 / temperature, 0])[0] == pytest.approx(share, abs=1e-3)


def test_the_rest_of_the_target_goes_to_the_best_other_label():
    # The label far below the other two has no probability, so the result is that of two labels.
    scores = np.repeat([[1.0, 0.0, -1000.0]], 4, axis=0)
    temperature = fit_temperature(scores, np.zeros(4, int), n_distinct=4)
    assert softmax([1 / temperature, 0])[0] == pytest.approx(0.9, abs=1e-3)


def test_the_temperature_of_groups_by_hand():
    # Four of eight answers are right in one group, and all in the other, which counts three times.
    # The smoothed target of 8 samples is 8.5 / 9 = 17/18.
    scores = np.repeat([[1.0, 0.0]], 8, axis=0)
    chance, right = np.repeat([0, 1], 4), np.zeros(8, int)
    groups = [HeldOut(scores, targets, 4) for targets in (chance, right)]
    temperature = pooled_temperature(groups, [1, 3])
    assert softmax([1 / temperature, 0])[0] == pytest.approx((0.5 + 3 * 17 / 18) / 4, abs=1e-3)
    # A group with a single label fits all temperatures equally well.
    assert pooled_temperature([*groups, HeldOut(scores[:, :1], right, 4)], [1, 3, 9]) == temperature
    assert pooled_temperature([HeldOut(scores[:, :1], right, 4)], [1]) == 1


def test_weights_count_like_repeated_samples():
    scores, targets = np.array([[0.9, 0.1, 0.3], [0.2, 0.4, 0.1]]), np.array([0, 0])
    repeated = fit_temperature(scores[[0, 0, 0, 1]], targets[[0, 0, 0, 1]], 2)
    assert fit_temperature(scores, targets, 2, np.array([3, 1])) == pytest.approx(repeated)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_no_bound_limits_the_temperature(scale):
    # Probabilities do not depend on the unit of the scores, as a bound would make them.
    scores, targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 1])
    reference = fit_temperature(scores, targets, 3)
    assert fit_temperature(scale * scores, targets, 3) == pytest.approx(scale * reference, rel=1e-2)


def test_samples_and_classes_are_held_out_by_hand():
    # Class 2 is held out. A quarter of the different rows of classes 0 and 1 is, at least one.
    targets = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 3])
    keys = np.array([7, 5, 6, 8, 4, 3, 3, 1, 2, 1])
    kept, samples, unseen = split_rows(keys, targets, np.array([False, False, True, False]))
    assert samples.tolist() == [1, 5, 6]  # The two equal rows stay together.
    assert unseen.tolist() == [7, 8]
    assert kept.tolist() == [0, 2, 3, 4, 9]  # The only row of class 3 is kept.


@pytest.mark.parametrize(("n_classes", "n_held_out"), [(2, 0), (3, 0), (4, 2), (8, 2), (40, 10)])
def test_a_quarter_of_the_classes_is_held_out(n_classes, n_held_out):
    assert sum(classes_to_hold_out({}, range(n_classes)).values()) == n_held_out


@pytest.mark.parametrize(("n_classes", "n_splits"), [(4, 2), (8, 4), (40, 3), (200, 1)])
def test_few_classes_are_held_out_in_turn(n_classes, n_splits):
    held_out = classes_to_hold_out({}, range(n_classes))
    splits = class_splits(held_out)
    assert len(splits) == n_splits
    assert splits[-1].held_out == held_out
    # No class is held out twice.
    times = np.sum([list(split.held_out.values()) for split in splits], axis=0)
    assert times.max() <= 1 and times.sum() == n_splits * sum(held_out.values())


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 1], []),
        # One of 3 samples is held out, so 1/sqrt(2) - 1/sqrt(3) = .13 needs a correction.
        ([3, 3], [(2, 2), (1, 2), (0, 2), (2, 1), (1, 1), (0, 1)]),
        # One of 4 samples is held out, and 1/sqrt(3) - 1/sqrt(4) = .08.
        ([4, 4], [(3, 1), (2, 1), (1, 1), (0, 1)]),
        # Two of 8 samples are held out, and 1/sqrt(6) - 1/sqrt(8) = .05.
        ([8, 8, 1], [(3, 1), (2, 1), (1, 1), (0, 1)]),
        ([400, 400], [(0, 1)]),  # A quarter of them are 200.
    ],
)
def test_few_samples_are_held_out_in_turn(counts, expected):
    splits = sample_splits(np.array(counts), range(len(counts)))
    assert [split[1:] for split in splits] == expected


def test_copies_of_a_sample_count_once():
    keys, targets = np.array([7, 7, 5, 7]), np.array([0, 0, 0, 1])
    assert sample_counts(keys, targets).tolist() == [2, 1]


def test_the_parts_of_the_samples_by_hand():
    # The keys give the order: row 1, 2, 0. One of three samples is a part.
    keys, targets, none = np.array([7, 5, 6]), np.zeros(3, int), np.zeros(1, bool)
    parts = [split_rows(keys, targets, none, part)[1].tolist() for part in range(3)]
    assert parts == [[1], [2], [0]]
    kept, samples, _ = split_rows(keys, targets, none, part=2, n_parts=2)
    assert kept.tolist() == [2] and samples.tolist() == [0, 1]
    assert split_rows(keys, targets, none, n_parts=0)[0].tolist() == [0, 1, 2]


def test_the_correction_of_a_temperature_by_hand():
    # With 1, 2 and 3 samples, the logarithms are 1, 1/sqrt(2) and 1/sqrt(3): the inverse roots.
    log_temperatures = 1, 2**-0.5, 3**-0.5
    fewer, temperature, expected = np.exp(log_temperatures)
    assert corrected(temperature, fewer, np.array([3, 3])) == pytest.approx(expected)
    # It is never raised, and two samples of each class leave nothing to compare.
    assert corrected(2.0, 1.5, np.array([3, 3])) == 2
    assert corrected(2.0, 3.0, np.array([2, 2])) == 2


def test_known_classes_keep_their_part_when_others_join():
    before = classes_to_hold_out({}, range(8))
    after = classes_to_hold_out(before, range(16))
    assert {label: after[label] for label in before} == before
    assert sum(after.values()) == 4
    many = dict.fromkeys(range(8), True)  # More than a quarter of 12.
    assert sum(classes_to_hold_out(many, range(12)).values()) == 8


def test_equal_rows_have_equal_keys():
    X = np.array([[1, 0, 2], [0, 3, 0], [1, 0, 2]])
    for table in (X, X.astype(float), X.tolist(), list(X), list(X > 0), csr_array(X)):
        keys = row_keys(table)
        assert keys[0] == keys[2] != keys[1]
    assert row_keys(X[:1].tolist()) == row_keys(X)[0]


@pytest.mark.parametrize(
    "samples",
    [
        ["one.jpg", "two.jpg", "one.jpg"],
        [["one", "cat"], [], ["cat"]],
        [np.ones((n, 4, 3)) for n in (4, 5, 4)],
        [torch.ones((n, 4, 3)) for n in (4, 5, 4)],
    ],
    ids=["paths", "words", "photos of several sizes", "tensors of several sizes"],
)
def test_other_samples_are_numbered(samples):
    assert sorted(row_keys(samples)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("classifier", "hubness"),
    [
        (classifier, hubness)
        for hubness in (None, "csls", "inverted_softmax")
        for classifier in CLASSIFIERS
        if hubness is None or "hubness" in classifier.get_params()
    ],
    ids=lambda value: str(value).partition("(")[0],
)
def test_the_temperatures_are_those_of_a_classifier_that_lacks_the_held_out_part(
    classifier, hubness
):
    # With hubness, samples are never left out of a closed form, not even if the features are many.
    X, y = make_data(n_features=6 if hubness is None else 20)
    expected = naive_temperatures(classifier, X, y, hubness=hubness)
    clf = clone(classifier)
    if hubness is not None:
        clf.set_params(hubness=hubness)
    clf.fit(X, y)
    assert_allclose(temperatures(clf), expected, rtol=1e-3)


def test_a_class_without_relatives_is_not_held_out():
    # Without any photo of "a", no training label shares an ancestor with it.
    X, y = make_data()
    edges = [("left", x) for x in "bcd"] + [("right", x) for x in "efgh"] + [("alone", "a")]
    clf = NearestClassMeanClassifier(
        Hierarchy.from_edges(edges), metric="euclidean", feature_scaling="none"
    )
    expected = naive_temperatures(clf, X, y, kept_classes="a")
    assert_allclose(temperatures(clf.fit(X, y)), expected, rtol=1e-3)


@pytest.mark.parametrize("kind", [RidgeProjectionClassifier, ESZSLClassifier])
@pytest.mark.parametrize(
    ("scaling", "alpha", "n_per_class", "is_weighted"),
    [
        ("centered", 1.0, 8, False),
        ("centered", 1e-3, 3, True),
        ("l2", 1.0, 3, True),
        ("none", 1e-5, 8, False),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_are_left_out_of_a_closed_form(
    kind, dtype, scaling, alpha, n_per_class, is_weighted
):
    # With many features, no equations are solved again.
    X, y = make_data(n_per_class, noise=1.5, n_features=40)
    X = X.astype(dtype)
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y)) if is_weighted else None
    clf = kind(RandomEmbedder(5), feature_scaling=scaling, alpha=alpha)
    expected = naive_temperatures(clf, X, y, weight)
    clf.fit(X, y, sample_weight=weight)
    # Random vectors say nothing of unseen labels, so their best temperature can be nearly infinite.
    inverse = np.reciprocal(temperatures(clf))
    assert_allclose(inverse, np.reciprocal(expected), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", [RidgeProjectionClassifier, ESZSLClassifier, ConSEClassifier])
def test_held_out_classes_that_are_guessed_do_not_make_all_probabilities_equal(kind):
    # Random vectors say nothing of unseen labels, and of these held-out classes least of all.
    X, y = make_data()
    y = np.array(list("ijklmnop"))[np.searchsorted(LABELS, y)]
    clf = kind(embedder=RandomEmbedder(5)).fit(X, y)
    assert clf.predict_proba(X, labels=["yes", "no"]).max() > 0.51


def test_the_candidates_choose_the_temperature(classifier):
    X, y = make_data()
    clf = classifier.fit(X, y)
    assert len(set(temperatures(clf))) == 3
    for labels, temperature in (
        (None, clf.temperature_),
        (["h", "b"], clf.temperature_),
        (["x", "y"], clf.unseen_temperature_),
        (["x", "b"], clf.mixed_temperature_),
        # Two of three are unseen, so 1/3 of the way from half of them to all of them.
        (["x", "b", "y"], (2 * clf.mixed_temperature_ + clf.unseen_temperature_) / 3),
        # One of nine is unseen, so 2/9 of the way from none of them to half of them.
        ([*LABELS, "x"], (7 * clf.temperature_ + 2 * clf.mixed_temperature_) / 9),
    ):
        scores = clf.decision_function(X, labels)
        expected = softmax(scores / temperature, axis=1)
        assert_allclose(clf.predict_proba(X, labels), expected, rtol=1e-4)
        log_proba = clf.predict_log_proba(X, labels)
        assert_allclose(log_proba, np.log(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n_seen", "n_unseen"), [(68, 25), (68, 1), (1, 25)])
def test_seen_and_unseen_candidates_together_are_calibrated(n_seen, n_unseen):
    embedder, caltech = load_term_vectors().embedder, load_caltech101_features()
    known = embedder.has_vector(caltech.target)
    X, y = caltech.data[known], caltech.target[known]
    unseen = np.unique(y)[1::4]
    is_tested = np.arange(len(y)) % 4 == 0
    is_trained = ~is_tested & ~np.isin(y, unseen)
    clf = RidgeProjectionClassifier(embedder, seen_penalty=0.3).fit(X[is_trained], y[is_trained])
    labels = np.append(clf.classes_[:n_seen], unseen[:n_unseen])
    is_tested &= np.isin(y, labels)
    proba = clf.predict_proba(X[is_tested], labels)
    accuracy = np.mean(labels[proba.argmax(axis=1)] == y[is_tested])
    # With `mixed_temperature_`, all differences are above .12.
    assert abs(proba.max(axis=1).mean() - accuracy) < 0.05


def test_the_second_training_does_not_change_the_answers(classifier):
    X, y = make_data()
    points = clone(classifier).fit(X, y).transform(X)
    few = y < "d"  # Three classes are too few to hold any out.
    assert_allclose(clone(classifier).fit(X, y).transform(X), points)
    clf = classifier.fit(X[few], y[few])
    assert clf.temperature_ == clf.unseen_temperature_ == clf.mixed_temperature_


def test_one_sample_per_class_is_calibrated_on_classes(classifier):
    X, y = make_data(n_per_class=1)
    clf = classifier.fit(X, y)
    assert clf.temperature_ == clf.unseen_temperature_
    clf.fit(X[:2], y[:2])
    assert np.isfinite(clf.predict_proba(X)).all()


def test_separable_samples_are_not_certain(classifier):
    X, y = make_data(noise=1e-3)
    proba = classifier.fit(X, y).predict_proba(X).max(axis=1)
    # All 64 samples are held out in turn, so p is near 64.5 / 65 = .992.
    assert proba.mean() < 0.997


@pytest.mark.parametrize("kind", [RidgeProjectionClassifier, ESZSLClassifier])
def test_parts_are_calibrated_like_the_whole(kind):
    X, y = make_data()
    order = np.random.default_rng(0).permutation(len(y))
    first, last = order[:32], order[32:]
    clf = kind(RandomEmbedder(5)).partial_fit(X[first], y[first], classes=LABELS)
    clf.partial_fit(X[last], y[last])
    # The second training lacks the held-out samples of both calls.
    is_held_out = np.array(list(classes_to_hold_out({}, LABELS).values()))
    parts = [
        [part[rows] for rows in split_rows(row_keys(X[part]), targets, is_held_out)]
        for part in (first, last)
        for targets in [np.searchsorted(LABELS, y[part])]
    ]
    kept = np.concatenate([parts[0][0], parts[1][0]])
    second = kind(RandomEmbedder(5)).fit(X[kept], y[kept])
    groups = []
    for is_in, rows in ((~is_held_out, parts[1][1]), (is_held_out, parts[1][2])):
        labels = np.array(LABELS)[is_in]
        scores = second.decision_function(X[rows], labels=labels)
        groups.append(HeldOut(scores, np.searchsorted(labels, y[rows]), len(rows)))
    expected = [
        pooled_temperature(groups[: len(shares)], shares) for shares in ([1], [1, 2], [1, 1])
    ]
    assert_allclose(temperatures(clf), expected, rtol=1e-3)


@pytest.mark.parametrize("kind", [RidgeProjectionClassifier, ESZSLClassifier])
def test_a_call_may_hold_only_samples_of_held_out_classes(kind):
    X, y = make_data()
    is_held_out = classes_to_hold_out({}, LABELS)
    is_out = np.array([is_held_out[label] for label in y.tolist()])
    first, last = (X[~is_out], y[~is_out]), (X[is_out], y[is_out])
    # Without samples of other classes, there is no second training.
    clf = kind(RandomEmbedder(5)).partial_fit(*last, classes=LABELS)
    before = temperatures(clf)
    assert temperatures(clf.partial_fit(*last)) == before
    clf = kind(RandomEmbedder(5)).partial_fit(*first, classes=LABELS).partial_fit(*last)
    targets = np.searchsorted(LABELS, first[1])
    kept = split_rows(row_keys(first[0]), targets, np.zeros(8, bool))[0]
    second = kind(RandomEmbedder(5)).fit(first[0][kept], first[1][kept])
    labels = np.unique(last[1])
    scores = second.decision_function(last[0], labels=labels)
    group = HeldOut(scores, np.searchsorted(labels, last[1]), len(last[1]))
    assert clf.unseen_temperature_ == pytest.approx(pooled_temperature([group], [1]), rel=1e-3)


def test_devise_is_calibrated_in_each_call_of_partial_fit():
    X, y = make_data()
    clf = DeViSEClassifier(RandomEmbedder(5), random_state=0, lr=0.1)
    for _ in range(5):
        clf.partial_fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    assert_allclose(again.predict_proba(X), clf.predict_proba(X), rtol=1e-5)
    assert again.partial_fit(X, y).temperature_ > 0
    # A batch without held-out classes keeps the temperatures of unseen labels.
    before, is_held_out = temperatures(clf), classes_to_hold_out({}, LABELS)
    kept = np.array([not is_held_out[label] for label in y.tolist()])
    assert temperatures(clf.partial_fit(X[kept], y[kept]))[1:] == before[1:]
    # A batch may hold a single sample, even of a held-out class.
    for row in (0, np.flatnonzero(~kept)[0]):
        clf.partial_fit(X[[row]], y[[row]])
        assert np.isfinite(clf.predict_proba(X)).all()


def test_a_frozen_classifier_is_calibrated_without_its_held_out_classes():
    X, y = make_data()
    frozen = FrozenEstimator(LogisticRegression().fit(X, y))
    clf = ConSEClassifier(frozen, RandomEmbedder(5)).fit(X, y)
    assert clf.temperature_ != clf.unseen_temperature_
    # It may know none of the labels in y.
    unknown = ConSEClassifier(frozen, RandomEmbedder(5)).fit(X, np.char.add(y, "z"))
    assert unknown.temperature_ == unknown.unseen_temperature_ == 1


def test_a_frozen_classifier_inside_another_keeps_its_classes():
    X, y = make_data()
    frozen = FrozenEstimator(LogisticRegression().fit(X, y))
    clf = ConSEClassifier(CalibratedClassifierCV(frozen), RandomEmbedder(5)).fit(X, y)
    assert clf.temperature_ != clf.unseen_temperature_


@pytest.mark.parametrize("kind", [ConSEClassifier, ClassifierWeightRegressor])
def test_few_samples_are_calibrated_without_warnings(kind):
    y = np.repeat([f"label {number}" for number in range(24)], 3)
    X = np.random.default_rng(0).normal(size=(len(y), 6))
    assert kind(embedder=RandomEmbedder(5)).fit(X, y).temperature_ > 0


def test_a_classifier_that_needs_all_samples_is_calibrated_as_it_is():
    X, y = make_data(n_per_class=5)
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=5, error_score="raise")
    assert ConSEClassifier(search, RandomEmbedder(5)).fit(X, y).temperature_ > 0
    cross_validated, embedder = RidgeClassifierCV([1.0], cv=5), RandomEmbedder(5)
    clf = ClassifierWeightRegressor(cross_validated, embedder).fit(X, y)
    frozen = FrozenEstimator(cross_validated.fit(X, y))
    as_it_is = ClassifierWeightRegressor(frozen, embedder).fit(X, y)
    # Trainings that lack classes have all samples of the others.
    assert clf.temperature_ == as_it_is.temperature_ < clf.unseen_temperature_


def test_folds_that_lack_a_class_in_the_second_training_give_no_warning():
    # Two classes have five samples, and the second training lacks one of them.
    X, y = make_data()
    kept = np.sort([*np.flatnonzero(y > "b"), *range(5), *range(8, 13)])
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=5)
    for clf in (
        ConSEClassifier(search, RandomEmbedder(5)),
        ClassifierWeightRegressor(RidgeClassifierCV([1.0], cv=5), RandomEmbedder(5)),
    ):
        assert clf.fit(X[kept], y[kept]).temperature_ > 0


def test_second_trainings_in_two_threads_hide_no_other_warnings():
    with warnings.catch_warnings():
        # The first thread leaves its block before the second one, which entered it later.
        first, second = quiet_training(), quiet_training()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with pytest.raises(UserWarning, match="other"):
            warnings.warn("another warning", UserWarning, stacklevel=1)


@pytest.mark.parametrize("is_pickled", [False, True])
def test_the_second_training_remembers_the_classes_of_earlier_calls(is_pickled):
    data, embedder = load_caltech101_features(), load_term_vectors().embedder
    classes = data.target_names[embedder.has_vector(data.target_names)][:25]
    is_old, is_new = np.isin(data.target, classes[:20]), np.isin(data.target, classes[20:])
    clf = DeViSEClassifier(embedder, max_epochs=10, random_state=0)
    clf.fit(data.data[is_old], data.target[is_old])
    clf = pickle.loads(pickle.dumps(clf)) if is_pickled else clf
    for _ in range(3):
        clf.partial_fit(data.data[is_new], data.target[is_new])
    kept = np.array([label for label in classes if not clf._held_out[label]])
    rows = np.isin(data.target, kept) & is_old
    points = clf._project(clf._scale(data.data[rows]), clf._second.net.projection)
    answers = kept[(points @ embedder.transform(kept).T).argmax(axis=1)]
    assert np.mean(answers == data.target[rows]) > 0.85
