import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdevise import ConSEClassifier, DeViSEClassifier, LabelVocabulary, PretrainedEmbedder
from skdevise.metrics import generalized_scores
from skdevise.model_selection import UnseenClassSplit, tune_seen_penalty

LABELS = ["cat", "dog", "lynx", "wolf"]
SEEN = ["cat", "dog"]


def accuracies_naively(y_true, y_score, penalty, weight, average):
    """Accuracy on seen and on unseen, sample by sample."""
    found = {}
    for kind in ("seen", "unseen"):
        per_class = {}
        for label, scores, own in zip(y_true, y_score.tolist(), weight, strict=True):
            if (label in SEEN) != (kind == "seen"):
                continue
            scores = [s - penalty * (name in SEEN) for s, name in zip(scores, LABELS, strict=True)]
            right = LABELS[scores.index(max(scores))] == label
            group = per_class.setdefault(label if average == "class" else "all", [])
            group.append((own, own * right))
        means = [sum(hit for _, hit in g) / sum(own for own, _ in g) for g in per_class.values()]
        found[kind] = sum(means) / len(means)
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


def test_a_case_by_hand():
    # Gaps of the best seen over the best unseen: cat .5 - .1 = .4, dog .3 (but a cat is best),
    # lynx .6, wolf -.2.
    y_score = [[0.5, 0, 0.1, 0], [0.5, 0.4, 0.2, 0], [0.7, 0, 0.1, 0], [0.2, 0, 0, 0.4]]
    scores = generalized_scores(LABELS, y_score, labels=LABELS, seen=SEEN)
    assert_allclose(scores.penalties, [-0.2, 0.3, 0.4, 0.6])
    assert_allclose(scores.seen_curve, [0.5, 0.5, 0.5, 0, 0])
    assert_allclose(scores.unseen_curve, [0, 0.5, 0.5, 0.5, 1])
    assert (scores.seen, scores.unseen, scores.harmonic_mean) == (0.5, 0.5, 0.5)
    # From (0, .5) to (.5, .5), down to (.5, 0), and along zero.
    assert scores.area == pytest.approx(0.25)
    assert (
        generalized_scores(
            LABELS, y_score, labels=LABELS, seen=SEEN, seen_penalty=0.5
        ).harmonic_mean
        == 0
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_true": ["cat", "yeti"]}, r"true labels \['yeti'\] are not among the candidates"),
        ({"y_true": ["cat", "dog"]}, "No sample is of unseen labels"),
        ({"seen": ["cow"]}, "No sample is of seen labels"),
        ({"labels": LABELS[:3]}, "3 labels came with scores of 4 columns"),
        ({"y_score": np.full((2, 4), np.nan)}, "NaN"),
        ({"labels": [*LABELS[:3], "cat"]}, "labels holds some several times"),
        ({"seen_penalty": np.nan}, "seen_penalty is a finite number, got nan"),
        ({"sample_weight": [1, -1]}, "sample_weight holds a finite number of at least 0"),
        ({"sample_weight": [1, 0]}, "No sample of unseen labels has a weight"),
        ({"average": "macro"}, "average is 'class' or 'sample', got 'macro'"),
    ],
)
def test_what_cannot_be_scored_is_refused(changes, message):
    given = {"y_true": ["cat", "lynx"], "y_score": np.eye(4)[:2], "labels": LABELS, "seen": SEEN}
    given |= changes
    with pytest.raises(ValueError, match=message):
        generalized_scores(given.pop("y_true"), given.pop("y_score"), **given)


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
def test_the_penalty_is_tuned_on_classes_left_out(animals, model, in_pipeline):
    X, y, embedder = animals
    clf = model(embedder=embedder, seen_penalty=0.3)
    if model is DeViSEClassifier:
        clf.set_params(random_state=0, batch_size=16)
    estimator = make_pipeline(FunctionTransformer(), clf) if in_pipeline else clf
    penalty = tune_seen_penalty(estimator, X, y, random_state=0)
    assert penalty >= 0
    assert penalty == tune_seen_penalty(estimator, X, y, random_state=0)
    assert clf.seen_penalty == 0.3
    assert not hasattr(clf, "classes_")
    if model is ConSEClassifier:
        return  # On this circle it hardly favours the seen labels.
    # It balances classes that neither training nor tuning has seen.
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


def test_a_penalty_needs_samples_to_spare(animals):
    X, y, embedder = animals
    with pytest.raises(ValueError, match="Each class has one sample"):
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


def test_what_has_no_penalty_is_refused(animals):
    X, y, embedder = animals
    with pytest.raises(TypeError, match="LogisticRegression has no parameter seen_penalty"):
        tune_seen_penalty(LogisticRegression(), X, y)
    with pytest.raises(ValueError, match="test_size is a share between 0 and 1, got 2"):
        tune_seen_penalty(DeViSEClassifier(embedder), X, y, test_size=2)


def test_the_seen_labels_can_be_any_set_of_labels():
    scores = [
        generalized_scores(["cat", "lynx"], np.eye(4)[:2], labels=LABELS, seen=seen)
        for seen in (SEEN, set(SEEN), np.array(SEEN), LabelVocabulary(SEEN))
    ]
    # The cat is right and the lynx is not until the penalty is 1: then it is the other way round.
    assert {(found.seen, found.unseen, found.area) for found in scores} == {(1, 0, 0.5)}
    with pytest.raises(TypeError, match="Expected a sequence of labels, got 'cat': pass a list"):
        generalized_scores(["cat", "lynx"], np.eye(4)[:2], labels=LABELS, seen="cat")


def test_the_splits_of_tuning_can_be_given(animals):
    X, y, embedder = animals
    clf = DeViSEClassifier(embedder, random_state=0, batch_size=16)
    splits = [(a.tolist(), b.tolist()) for a, b in UnseenClassSplit(2, random_state=0).split(X, y)]
    penalty = tune_seen_penalty(clf, X, y, cv=splits, random_state=0)
    assert penalty == tune_seen_penalty(
        clf, X, y, cv=UnseenClassSplit(2, random_state=0), random_state=0
    )
    assert tune_seen_penalty(clf, X, y, cv=3, random_state=0) == tune_seen_penalty(
        clf, X, y, random_state=0
    )
    with pytest.raises(ValueError, match="classes that are tested as unseen occur in training"):
        tune_seen_penalty(clf, X, y, cv=KFold(3, shuffle=True, random_state=0))
