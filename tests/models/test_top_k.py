import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skdevise import LabelVocabulary
from skdevise.models import predict_top_k
from skdevise.models._top_k import reach_classifier

UNSEEN = ["purple ring", "red ring", "red star"]


@pytest.fixture
def with_purple(devise, shapes):
    """A classifier with candidates in a colour that it never saw."""
    return devise.set_params(labels=LabelVocabulary(UNSEEN, {"purple ring": "ring"})).fit(*shapes)


def doubled(X):
    return 2 * X


@pytest.mark.parametrize("k", [1, 3, 9])
def test_a_classifier_of_skdevise_ranks_its_own_labels(devise, shapes, k):
    X, y = shapes
    assert_array_equal(predict_top_k(devise.fit(X, y), X, k), devise.predict_top_k(X, k))


def test_candidates_reach_the_classifier(devise, shapes):
    X, y = shapes
    labels = ["red star", "blue star"]
    top = predict_top_k(devise.fit(X, y), X, 2, labels=labels)
    assert_array_equal(top, devise.predict_top_k(X, 2, labels=labels))
    assert set(top[y == "red ring", 0]) == {"red star"}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda clf: make_pipeline(clf),
        lambda clf: make_pipeline(FunctionTransformer(doubled), clf),
        lambda clf: make_pipeline("passthrough", make_pipeline(FunctionTransformer(doubled), clf)),
        lambda clf: GridSearchCV(clf, {"margin": [0.1]}, cv=2),
        lambda clf: GridSearchCV(make_pipeline(FunctionTransformer(doubled), clf), {}, cv=2),
        lambda clf: make_pipeline(FunctionTransformer(doubled), GridSearchCV(clf, {}, cv=2)),
    ],
    ids=["pipeline", "steps", "nested", "search", "search of pipeline", "pipeline of search"],
)
@pytest.mark.parametrize("routing", [False, True])
def test_the_classifier_is_found_in_pipelines_and_searches(devise, shapes, wrap, routing):
    # The classifier scales features to unit length, so doubling them changes nothing.
    X, y = shapes
    labels = LabelVocabulary(["red star", "blue star"])
    expected = devise.fit(X, y).predict_top_k(X, 2, labels)
    with config_context(enable_metadata_routing=routing):
        assert_array_equal(predict_top_k(wrap(devise).fit(X, y), X, 2, labels), expected)


def test_steps_before_the_classifier_are_applied():
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit([[0], [4], [8]], [0, 0, 1])
    classifier, X = reach_classifier(pipe, [[4]])
    assert classifier is pipe[-1]
    # The mean is 4.
    assert_array_equal(X, [[0]])


def test_a_pipeline_passes_tables_on(devise, shapes):
    X, y = shapes
    frame = pd.DataFrame(X, columns=list("abcdef"))
    pipe = make_pipeline(StandardScaler().set_output(transform="pandas"), devise).fit(frame, y)
    assert_array_equal(predict_top_k(pipe, frame, 1)[:, 0], pipe.predict(frame))


def test_the_labels_of_the_constructor_are_the_default_candidates(with_purple, shapes):
    top = predict_top_k(with_purple, shapes[0], 3)
    assert_array_equal(np.sort(top, axis=1), np.tile(sorted(UNSEEN), (len(top), 1)))


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(5, random_state=0)])
@pytest.mark.parametrize("n_classes", [2, 3, 9])
def test_classes_of_another_classifier_are_ranked_by_probability(shapes, model, n_classes):
    X, y = shapes
    shown = np.isin(y, np.unique(y)[:n_classes])
    X, y = X[shown], y[shown]
    model.fit(X, y)
    top = predict_top_k(model, X, n_classes)
    assert_array_equal(top[:, 0], model.predict(X))
    ranked = np.take_along_axis(
        model.predict_proba(X), np.searchsorted(model.classes_, top), axis=1
    )
    assert (np.diff(ranked, axis=1) <= 1e-12).all()
    assert_array_equal(np.sort(top, axis=1), np.tile(model.classes_, (len(X), 1)))


class OneSided(ClassifierMixin, BaseEstimator):
    """A binary classifier whose decision function is the feature."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.ravel(X).astype(float)


def test_the_sign_ranks_two_classes():
    clf = OneSided().fit([[0], [1]], ["no", "yes"])
    assert predict_top_k(clf, [[-0.1], [0.1]], k=2).tolist() == [["no", "yes"], ["yes", "no"]]


def test_a_frozen_classifier_gives_the_same_labels(devise, shapes):
    X, y = shapes
    frozen = FrozenEstimator(devise.fit(X, y))
    assert_array_equal(predict_top_k(frozen, X, 2), devise.predict_top_k(X, 2))


def test_candidates_for_another_classifier_are_refused(shapes):
    X, y = shapes
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match="LogisticRegression"):
        predict_top_k(pipe, X, 1, labels=["red ring"])


@pytest.mark.parametrize("k", [0, 10])
def test_k_beyond_the_number_of_classes_is_refused(devise, shapes, k):
    X, y = shapes
    for clf in (LogisticRegression(), devise):
        with pytest.raises(ValueError, match=rf"k={k}\b.*9"):
            predict_top_k(clf.fit(X, y), X, k)


def test_an_unfitted_classifier_is_refused(devise, shapes):
    for clf in (LogisticRegression(), devise):
        with pytest.raises(NotFittedError):
            predict_top_k(clf, shapes[0], 1)


@pytest.mark.parametrize(
    ("estimator", "named"),
    [
        (LinearRegression(), "LinearRegression"),
        (StandardScaler(), "StandardScaler"),
        (GridSearchCV(LogisticRegression(), {}, cv=2, refit=False), "GridSearchCV"),
        (SVC(decision_function_shape="ovo"), "'ovr'"),  # Its scores are those of pairs of classes.
    ],
)
def test_an_estimator_without_scores_is_refused(estimator, named):
    X, y = [[0], [1], [2], [3]], [0, 0, 1, 1]
    with pytest.raises(TypeError, match=named):
        predict_top_k(estimator.fit(X, y), X, 1)


def test_a_classifier_of_several_targets_is_refused():
    forest = RandomForestClassifier(2).fit([[0], [1]], [[0, 1], [1, 0]])
    with pytest.raises(TypeError, match="RandomForestClassifier"):
        predict_top_k(forest, [[0]], 1)


@pytest.mark.parametrize("k", [0, 3, 1.5, "2"])
def test_k_is_an_integer_up_to_the_number_of_classes(k):
    clf = LogisticRegression().fit([[0], [1]], [0, 1])
    with pytest.raises(ValueError, match=f"k={k!r}.*2"):
        predict_top_k(clf, [[0]], k)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda clf: clf,
        lambda clf: make_pipeline(FunctionTransformer(doubled), clf),
        lambda clf: GridSearchCV(make_pipeline(FunctionTransformer(doubled), clf), {}, cv=2),
        lambda clf: FrozenEstimator(make_pipeline(FunctionTransformer(doubled), clf)),
    ],
    ids=["classifier", "pipeline", "search", "frozen"],
)
def test_scores_and_tables_come_out_of_wrappers(devise, shapes, wrap):
    X, y = shapes
    labels = ["red star", "blue star", "purple ring"]
    devise.set_params(labels=LabelVocabulary(labels, {"purple ring": "ring"})).fit(X, y)
    wrapped = wrap(devise)
    if not isinstance(wrapped, FrozenEstimator):
        wrapped.fit(X, y)
    expected, expected_scores = devise.predict_top_k(X, 2, labels, return_scores=True)
    top, scores = predict_top_k(wrapped, X, 2, labels, return_scores=True)
    assert_array_equal(top, expected)
    assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-6)
    frame = predict_top_k(wrapped, X, 2, labels, as_frame=True)
    assert frame.columns.tolist() == ["rank", "label", "score"]
    assert frame.index.tolist() == np.arange(len(X)).repeat(2).tolist()
    assert frame["rank"].tolist() == [1, 2] * len(X)
    assert_array_equal(frame["label"].to_numpy(), expected.ravel())
    assert_allclose(frame["score"], expected_scores.ravel(), rtol=1e-5, atol=1e-6)


def test_a_table_of_answers_has_the_index_of_the_samples():
    X = pd.DataFrame({"size": [0.0, 1.0, 5.0]}, index=["a.jpg", "b.jpg", "c.jpg"])
    clf = LogisticRegression().fit(X, ["cat", "dog", "dog"])
    top, scores = predict_top_k(clf, X, 2, return_scores=True)
    assert_allclose(scores[:, 0], np.abs(clf.decision_function(X)))
    frame = predict_top_k(clf, X, 2, as_frame=True)
    assert frame.loc["c.jpg", "label"].tolist() == top[2].tolist() == ["dog", "cat"]
    forest = RandomForestClassifier(5, random_state=0).fit(X, ["cat", "dog", "dog"])
    top, scores = predict_top_k(forest, X, 1, return_scores=True)
    assert_allclose(scores[:, 0], forest.predict_proba(X).max(axis=1))
