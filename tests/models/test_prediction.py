"""Predictions with candidate labels, for classifiers of every kind."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdevise import (
    ConSEClassifier,
    DeViSEClassifier,
    ESZSLClassifier,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    SkipGramEmbedder,
)
from skdevise.datasets import load_caltech101_features, load_term_vectors
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels import LabelSpace
from skdevise.metrics import HitAtK


@pytest.fixture
def embedder():
    """Ten letters on a circle, seen from above."""
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    places = np.column_stack([np.cos(angles), np.sin(angles), np.ones(10)])
    return PretrainedEmbedder(dict(zip("abcdefghij", places, strict=True)))


@pytest.fixture(
    params=[
        DeViSEClassifier(random_state=0, batch_size=8),
        ConSEClassifier(),
        RidgeProjectionClassifier(feature_scaling="none"),
    ],
    ids=lambda clf: type(clf).__name__,
)
def fitted(request, embedder):
    """A classifier of five letters, its samples and their labels."""
    y = np.repeat(list("abcde"), 8)
    X = embedder.transform(y) + np.random.default_rng(0).normal(0, 0.1, (40, 3))
    return clone(request.param).set_params(embedder=embedder).fit(X, y), X, y


def test_the_highest_cosine_wins(fitted, embedder):
    clf, X, _ = fitted
    labels = list("jedcbafghi")
    cosines = clf.transform(X) @ embedder.transform(labels).T
    assert_allclose(clf.decision_function(X, labels), cosines, atol=1e-6)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :3]
    top, scores = clf.predict_top_k(X, 3, labels, return_scores=True)
    assert_array_equal(top, np.array(labels)[order])
    assert_allclose(scores, np.take_along_axis(cosines, order, axis=1), atol=1e-6)
    assert_array_equal(clf.predict(X, labels), top[:, 0])
    proba = softmax(cosines / clf.mixed_temperature_, axis=1)
    assert_allclose(clf.predict_proba(X, labels), proba, rtol=1e-4)
    assert_allclose(clf.predict_log_proba(X, labels), np.log(proba), rtol=1e-4)


def test_a_label_space_can_stand_for_its_labels(fitted, tmp_path):
    clf, X, y = fitted
    labels = list("fghij")
    space = clf.label_space(labels)
    assert clf.label_space(labels) is space  # It is embedded and indexed once.
    space.save(tmp_path / "space")
    loaded = LabelSpace.load(tmp_path / "space")
    for candidates in (space, loaded):
        assert_array_equal(clf.predict(X, labels=candidates), clf.predict(X, labels))
        assert_array_equal(clf.decision_function(X, candidates), clf.decision_function(X, labels))
    everything = LabelSpace(LabelVocabulary(list("abcdefghij")), clf.embedder)
    assert HitAtK(labels=everything)(clf, X, y) == clf.score(X, y, labels=everything)


def test_a_label_space_of_another_size_is_refused(fitted):
    clf, X, _ = fitted
    space = LabelSpace(LabelVocabulary(["a"]), PretrainedEmbedder({"a": [1, 0]}))
    with pytest.raises(ValueError, match="size 2.* size 3"):
        clf.predict(X, labels=space)


class CountingEmbedder:
    """Counts the terms that it embeds."""

    def __init__(self):
        self.n_terms = 0

    def transform(self, terms):
        self.n_terms += len(terms)
        return RandomEmbedder(8).transform(terms)


def test_repeated_candidates_are_embedded_once():
    embedder = CountingEmbedder()
    clf = RidgeProjectionClassifier(embedder).fit([[0, 1], [1, 0]], ["a", "b"])
    for _ in range(3):
        clf.predict([[0, 1]], labels=["c", "d", "e"])
        clf.decision_function([[0, 1]], labels=LabelVocabulary(["c", "d", "e"]))
    assert embedder.n_terms == 2 + 3


def test_predictions_do_not_depend_on_the_candidates_before():
    clf = RidgeProjectionClassifier().fit([[0, 1], [1, 0]], ["a", "b"])
    groups = [[f"{letter}{i}" for letter in "xyz"] for i in range(20)]
    first = [clf.predict([[0, 1]], labels=labels)[0] for labels in groups]
    again = [clf.predict([[0, 1]], labels=labels)[0] for labels in groups]
    assert first == again
    assert all(label in labels for label, labels in zip(first, groups, strict=True))


def test_threads_share_the_label_spaces_of_many_candidates(embedder):
    clf = RidgeProjectionClassifier(embedder, calibrate=False).fit(np.eye(3), list("abc"))
    candidates = [LabelVocabulary([first, last]) for first in "abc" for last in "defg"]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            spaces = list(pool.map(clf.label_space, candidates * 200))
    finally:
        sys.setswitchinterval(interval)
    for space, vocabulary in zip(spaces, candidates * 200, strict=True):
        assert_array_equal(space.labels, vocabulary.labels)


@pytest.mark.parametrize("search", ["exact", "tree", "hnsw", "lsh"])
def test_every_search_finds_the_same_labels(fitted, search):
    if search in ("hnsw", "lsh"):
        pytest.importorskip("faiss", reason="Approximate search needs faiss.")
    clf, X, _ = fitted
    exact = clf.predict_top_k(X, 3, labels=list("abcdefghij"))
    clf.set_params(search=search)
    assert clf.label_space(list("abcdefghij")).search == search
    assert_array_equal(clf.predict_top_k(X, 3, labels=list("abcdefghij")), exact)


@pytest.mark.parametrize("name", ["search", "seen_penalty", "hubness", "labels"])
def test_wrong_parameters_are_refused_before_training(fitted, name):
    clf, X, y = fitted
    with pytest.raises(ValueError, match=name):
        type(clf)(embedder=clf.embedder, **{name: 7 if name == "labels" else "much"}).fit(X, y)


def test_candidates_may_be_dropped_but_training_labels_may_not(fitted):
    clf, X, y = fitted
    clf.set_params(labels=LabelVocabulary([*"abcdef", "yeti"], on_missing="drop"))
    with pytest.warns(UserWarning, match="yeti"):
        clf.fit(X, y)
    assert clf.decision_function(X).shape == (40, 6)
    assert set(clf.predict(X)) <= set("abcdef")
    with pytest.raises(LabelWithoutVectorError, match="'yeti'"):
        clf.fit(X, np.where(y == "a", "yeti", y))


def test_a_training_label_without_a_vector_can_get_a_synonym(fitted):
    clf, X, y = fitted
    y = np.where(y == "a", "yeti", y)
    # The message must not advise on_missing="drop", which does not apply to training labels.
    with pytest.raises(LabelWithoutVectorError, match="labels=LabelVocabulary") as caught:
        clf.fit(X, y)
    assert "drop" not in str(caught.value)
    clf.set_params(labels=LabelVocabulary(np.unique(y), {"yeti": ["yeti", "a"]})).fit(X, y)
    assert "yeti" in clf.classes_


@pytest.mark.parametrize("labels", [[], ["a", "a"], ["a", "gnu"]], ids=str)
def test_the_labels_of_the_constructor_are_checked_in_fit(fitted, labels):
    clf, X, y = fitted
    with pytest.raises(ValueError):  # noqa: PT011
        clone(clf).set_params(labels=labels).fit(X, y)


def test_the_penalty_is_subtracted_from_training_labels_only(fitted):
    clf, X, _ = fitted
    labels = list("jedcbafghi")
    before = clf.decision_function(X, labels)
    clf.set_params(seen_penalty=0.25)
    assert_allclose(
        before - clf.decision_function(X, labels),
        np.tile([0, 0.25, 0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0], (40, 1)),
        atol=1e-6,
    )
    assert_allclose(clf.predict_proba(X, labels).sum(axis=1), 1, rtol=1e-5)


def test_the_labels_of_the_constructor_are_the_default_candidates(fitted):
    clf, X, y = fitted
    clf = clone(clf).set_params(labels=list("fghij")).fit(X, y)
    assert_array_equal(clf.predict(X), clf.predict(X, labels=list("fghij")))
    clf.set_params(labels=list("hg"))
    assert set(clf.predict(X)) <= {"g", "h"}


def test_columns_follow_classes_if_the_constructor_reorders_them(fitted):
    clf, X, y = fitted
    vocabulary = LabelVocabulary(list("edcba"))
    clf = clone(clf).set_params(labels=vocabulary).fit(X, y)
    proba = clf.predict_proba(X)
    assert_array_equal(clf.classes_[proba.argmax(axis=1)], clf.predict(X))
    assert_allclose(clf.predict_proba(X, labels=vocabulary), proba[:, ::-1], rtol=1e-5)
    again = pickle.loads(pickle.dumps(clf))
    assert_allclose(again.predict_proba(X), proba, rtol=1e-5)


@pytest.mark.parametrize("kind", [dict, LabelVocabulary])
def test_a_vocabulary_or_a_mapping_gives_training_labels_their_terms(embedder, kind):
    X, y = embedder.transform(list("abc")), [7, 8, 9]
    terms = {7: "a", 8: "b", 9: ["c", "d"]}
    labels = terms if kind is dict else LabelVocabulary(list(terms), terms)
    clf = RidgeProjectionClassifier(embedder, alpha=0.01, labels=labels).fit(X, y)
    assert clf.predict(X).tolist() == y
    # A plain list uses the same terms.
    assert clf.predict(embedder.transform(["d"]), labels=[9, 7]).tolist() == [9]


def test_samples_are_placed_once(embedder):
    class Counted(RidgeProjectionClassifier):
        def transform(self, X):
            calls.append(len(X))
            return super().transform(X)

    X, y = embedder.transform(list("abc")), list("abc")
    clf = Counted(embedder, labels=["c", "j"]).fit(X, y)  # The candidates lack "a" and "b".
    for method in (clf.predict, clf.decision_function, clf.predict_proba, clf.predict_confidence):
        calls = []
        method(X)
        assert calls == [3]


@pytest.mark.parametrize("labels", [[], ["a", "b", "a"]], ids=str)
def test_bad_candidates_are_refused(fitted, labels):
    clf, X, _ = fitted
    with pytest.raises(ValueError):  # noqa: PT011
        clf.predict(X, labels=labels)


@pytest.mark.parametrize("k", [0, 6, 2.0, "2"])
def test_k_is_checked_before_the_samples_are_projected(fitted, k):
    with pytest.raises(ValueError, match=f"k={k!r}"):
        fitted[0].predict_top_k(["no features"], k=k)


def test_a_score_without_any_true_candidate_warns(fitted):
    clf, X, _ = fitted
    with pytest.warns(UserWarning, match="candidate"):
        assert clf.score(X, np.full(40, "j")) == 0


def test_candidates_of_both_types_are_scored(fitted):
    clf, X, y = fitted
    labels = {"a": "a", "b": "b", 1: "c"}
    answers, weight = clf.predict(X, labels), np.arange(40)
    is_right = np.array([answer == true for answer, true in zip(answers, y, strict=True)])
    assert 1 in answers
    assert clf.score(X, y, labels=labels) == HitAtK(labels=labels)(clf, X, y) == is_right.mean()
    expected = (weight * is_right).sum() / weight.sum()
    assert clf.score(X, y, weight, labels) == pytest.approx(expected)


@pytest.mark.parametrize("scorer", [None, HitAtK(), HitAtK(labels=["a", "j"])])
def test_true_labels_of_another_type_are_refused_before_the_samples_are_projected(fitted, scorer):
    score = type(fitted[0]).score if scorer is None else scorer
    with pytest.raises(ValueError, match=r"int64.*<U1"):
        score(fitted[0], ["no features"], np.array([0]))


@pytest.mark.parametrize("weight", [[0] * 40, [-1] + [1] * 39, [1] * 3], ids=str)
def test_weights_of_a_score_are_checked(fitted, weight):
    clf, X, y = fitted
    with pytest.raises(ValueError, match=r"sample_weight|[Ss]ample weights|inconsistent"):
        clf.score(X, y, sample_weight=weight)


def test_answers_below_the_threshold_are_rejected(fitted):
    clf, X, _ = fitted
    labels = list("fghij")
    proba, answers = clf.predict_proba(X, labels), clf.predict(X, labels)
    confidence = clf.predict_confidence(X, labels).max(axis=1)
    threshold = np.median(confidence)
    clf.set_params(reject_below=threshold, unknown_label="none of these")
    expected = np.where(confidence < threshold, "none of these", answers)
    assert_array_equal(clf.predict(X, labels), expected)
    assert 0 < (expected == "none of these").sum() < len(X)
    # Rankings and probabilities stay the same.
    assert_array_equal(clf.predict_top_k(X, 1, labels)[:, 0], answers)
    assert_allclose(clf.predict_proba(X, labels), proba)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["f"], "unseen_temperature_"),
        (["b", "f", "a", "g"], "mixed_temperature_"),
        (["c", "d"], "temperature_"),
        (None, "temperature_"),
    ],
)
def test_candidates_compete_with_none_of_them(fitted, labels, kind):
    clf, X, _ = fitted
    clf.set_params(seen_penalty=0.1)
    scores, trained = clf.decision_function(X, labels), clf.decision_function(X, list("abcde"))
    if kind != "temperature_":
        trained = trained + 0.1  # The penalty does not lower "none of the candidates".
    # One of five normally distributed scores exceeds the mean by .8416 standard deviations.
    none = trained.mean(axis=1) + 0.8416 * trained.std(axis=1)
    expected = softmax(np.column_stack([scores, none]) / getattr(clf, kind), axis=1)[:, :-1]
    assert_allclose(clf.predict_confidence(X, labels), expected, rtol=1e-3)


def test_a_single_candidate_can_be_rejected(fitted):
    clf, X, y = fitted
    confidence = clf.predict_confidence(X, ["a"])[:, 0]
    assert confidence[y == "a"].mean() > confidence[y != "a"].mean() + 0.2
    clf.set_params(reject_below=np.median(confidence))
    assert set(clf.predict(X, ["a"])) == {"a", "unknown"}


def test_many_samples_are_rejected_in_parts_as_at_once():
    X = np.random.default_rng(0).normal(size=(9_000, 3))
    clf = RidgeProjectionClassifier(RandomEmbedder(3)).fit(X[:40], list("abcde") * 8)
    labels = np.array([f"label {number}" for number in range(1_000)])
    confidence = clf.predict_confidence(X, labels)
    highest, best = confidence.max(axis=1), labels[confidence.argmax(axis=1)]
    assert_array_equal(clf.predict(X, labels), best)
    threshold = np.median(highest)
    clf.set_params(reject_below=threshold)
    expected = np.where(highest < threshold, "unknown", best)
    assert_array_equal(clf.predict(X, labels), expected)


def test_rejected_samples_are_wrong_unless_their_label_is_unknown(fitted):
    clf, X, y = fitted
    is_accepted = clf.predict_confidence(X).max(axis=1) >= 0.5
    is_right = clf.predict(X) == y
    pipe = make_pipeline(FunctionTransformer(), clf.set_params(reject_below=0.5))
    expected = (is_right & is_accepted).mean()
    assert pipe.score(X, y) == clf.score(X, y) == pytest.approx(expected)
    assert get_scorer("accuracy")(pipe, X, y) == pytest.approx(expected)
    assert HitAtK()(pipe, X, y) == is_right.mean()  # Scorers of rankings do not reject.
    clf.set_params(reject_below=1.0)
    assert clf.score(X, np.full(40, "unknown")) == 1
    assert clf.score(X, np.where(y == "a", "unknown", y)) == pytest.approx(8 / 40)


def test_the_unknown_label_has_the_type_of_the_labels(fitted, embedder):
    clf, X, y = fitted
    numbers = np.searchsorted(list("abcde"), y)
    labels = LabelVocabulary(range(5), dict(enumerate("abcde")))
    clf = clone(clf).set_params(labels=labels, reject_below=1.0)
    with pytest.raises(TypeError, match="'unknown'"):
        clf.fit(X, numbers)
    clf.set_params(unknown_label=-1).fit(X, numbers)
    assert_array_equal(clf.predict(X), np.full(40, -1))
    assert clf.predict(X).dtype == numbers.dtype
    with pytest.raises(TypeError, match="-1"):
        clf.predict(X, labels=["a", "b"])


@pytest.mark.parametrize("value", [-0.1, 1.1, "high"])
def test_a_threshold_that_is_no_probability_is_refused(fitted, value):
    clf, X, y = fitted
    with pytest.raises(ValueError, match="reject_below"):
        clone(clf).set_params(reject_below=value).fit(X, y)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="StringDType needs NumPy 2.")
def test_labels_may_be_of_numpys_string_dtype(fitted):
    clf, X, y = fitted
    strings = y.astype(np.dtypes.StringDType())
    assert clf.score(X, strings) == clf.score(X, y)
    assert_array_equal(clf.fit(X, strings).classes_, list("abcde"))


def test_an_unfitted_embedder_is_refused(fitted):
    clf, X, y = fitted
    with pytest.raises(NotFittedError, match="SkipGramEmbedder"):
        clf.set_params(embedder=SkipGramEmbedder()).fit(X, y)


def test_a_classifier_keeps_its_vectors_if_the_embedder_is_trained_again():
    embedder = SkipGramEmbedder(vector_size=4, random_state=0).fit(["cat dog truck"] * 9)
    clf = RidgeProjectionClassifier(embedder).fit(np.eye(3), ["cat", "dog", "truck"])
    before = clf.decision_function(np.eye(3), labels=["dog", "cat"])
    embedder.set_params(random_state=1).fit(["truck dog cat cat"] * 9)
    after = clf.decision_function(np.eye(3), labels=["dog", "cat", "truck"])
    assert_allclose(before, after[:, :2], rtol=1e-5)


def test_a_clone_shares_a_fitted_embedder_and_copies_one_with_parameters_alone(fitted, embedder):
    clf, X, y = fitted
    assert clone(clf).embedder is embedder
    trained = SkipGramEmbedder(vector_size=4, random_state=0).fit(["cat dog truck"] * 9)
    assert clone(clone(clf).set_params(embedder=trained)).embedder is trained
    random = RandomEmbedder(7)
    copied = clone(clone(clf).set_params(embedder=random)).set_params(embedder__vector_size=9)
    assert copied.fit(X, y).transform(X).shape == (40, 9)
    assert random.vector_size == 7


def test_the_labels_announced_to_partial_fit_have_the_terms_of_the_constructor(embedder):
    X, y = embedder.transform(list("ab")), ["a", "b"]
    for clf in (RidgeProjectionClassifier(embedder), DeViSEClassifier(embedder, random_state=0)):
        clf.partial_fit(X, y, classes=LabelVocabulary(["a", "b", "c"]))
        assert clf.classes_.tolist() == ["a", "b", "c"]
        with pytest.raises(ValueError, match="constructor"):
            clone(clf).partial_fit(X, y, classes={"a": "a", "b": "b", "yeti": "c"})
        labels = {"a": "a", "b": "b", "yeti": "c"}
        clf = clone(clf).set_params(labels=labels).partial_fit(X, y, classes=labels)
        assert_allclose(clf.label_space_.targets[2], embedder.transform(["c"])[0], atol=1e-6)


@pytest.mark.slow
def test_a_graph_finds_the_terms_nearest_to_photos():
    # Photos are farther from the terms than the terms are from each other.
    pytest.importorskip("faiss")
    caltech, embedder = load_caltech101_features(), load_term_vectors().embedder
    terms = list(dict.fromkeys(embedder.terms_))[:20_000]
    space = LabelSpace(terms, embedder, "hnsw")
    known = embedder.has_vector(caltech.target)
    X, y = caltech.data[known], caltech.target[known]
    for clf in (ESZSLClassifier(embedder), DeViSEClassifier(embedder, random_state=0)):
        points = clf.fit(X[::2], y[::2]).transform(X[1::4])
        assert space.recall(points, 20) > 0.98
