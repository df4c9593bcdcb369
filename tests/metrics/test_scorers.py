import pickle

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    LearningCurveDisplay,
    StratifiedKFold,
    ValidationCurveDisplay,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skdevise import (
    Hierarchy,
    LabelVocabulary,
    NearestLabelClassifier,
    RandomEmbedder,
    RidgeProjectionClassifier,
)
from skdevise.metrics import HierarchicalPrecisionAtK, HitAtK
from skdevise.model_selection import UnseenClassSplit

CV = StratifiedKFold(2, shuffle=True, random_state=0)
UNSEEN_CV = UnseenClassSplit(2, test_size=3, random_state=0)


class Ranker(ClassifierMixin, BaseEstimator):
    """Trained on cat and dog; ranks its candidates in reverse alphabetical order."""

    def __init__(self, labels=None):
        self.labels = labels
        self.classes_ = np.array(["cat", "dog"])

    def fit(self, X, y):
        return self

    def predict_top_k(self, X, k=5, labels=None):
        labels = self.labels if labels is None else labels
        labels = self.classes_ if labels is None else labels
        labels = labels.labels if isinstance(labels, LabelVocabulary) else labels
        return np.array([sorted(labels, reverse=True)[:k]] * len(X))


X = np.zeros((4, 1))
Y = ["cat", "dog", "owl", "owl"]


# Candidates


@pytest.mark.filterwarnings("ignore:k=.* is the number")
@pytest.mark.parametrize(
    ("labels", "hits_at_1", "hits_at_2"),
    [
        # The classifier's own candidates: dog, cat.
        (None, 1 / 4, 2 / 4),
        # owl, dog (and cat).
        ("test", 2 / 4, 3 / 4),
        ("all", 2 / 4, 3 / 4),
        (["dog", "rat"], 0, 1 / 4),
        (np.array(["dog", "owl"]), 2 / 4, 3 / 4),
        (LabelVocabulary(["cat", "owl"]), 2 / 4, 3 / 4),
    ],
    ids=str,
)
def test_labels_sets_the_candidates(labels, hits_at_1, hits_at_2):
    assert HitAtK(1, labels)(Ranker(), X, Y) == hits_at_1
    assert HitAtK(2, labels)(Ranker(), X, Y) == hits_at_2


@pytest.mark.filterwarnings("ignore:k=.* is the number")
def test_all_adds_the_training_labels():
    # The ranking is dog, cat, bat. The only scored label is bat.
    y = ["bat"] * 4
    assert HitAtK(1, "test")(Ranker(), X, y) == 1
    assert HitAtK(1, "all")(Ranker(), X, y) == 0
    assert HitAtK(2, "all")(Ranker(), X, y) == 0
    assert HitAtK(3, "all")(Ranker(), X, y) == 1


def test_the_classifier_may_hold_the_candidates():
    assert HitAtK(1)(Ranker(labels=["cat", "owl"]), X, Y) == 2 / 4


def test_labels_that_are_no_candidates_are_noticed():
    # The candidates are cat and dog.
    with pytest.warns(UserWarning, match="labels='test'") as warned:
        assert HitAtK(2)(Ranker(), X, ["owl"] * 4) == 0
    assert warned[0].filename == __file__  # The warning points at the call of the scorer.


def test_candidates_with_other_spellings_are_noticed():
    with pytest.warns(UserWarning, match="'owl'") as warned:
        assert HitAtK(1, ["Owl", "Cat"])(Ranker(), X, ["owl"] * 4) == 0
    assert warned[0].filename == __file__


def test_as_many_answers_as_candidates_are_noticed():
    with pytest.warns(UserWarning, match="k=3") as warned:
        assert HitAtK(3, "test")(Ranker(), X, Y) == 1
    assert warned[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_candidates_of_the_label_space_are_no_cause_for_a_warning(devise, shapes):
    # The training labels lack the first label, and `labels` adds it.
    features, y = shapes
    unseen = np.unique(y)[0]
    clf = devise.set_params(labels=np.unique(y)).fit(features[y != unseen], y[y != unseen])
    HitAtK(1)(clf, features[y == unseen], y[y == unseen])


def test_invalid_true_labels_are_named():
    with pytest.raises(ValueError, match=r"\by_true\b"):
        HitAtK()(Ranker(), X[:1], [None])


def test_true_labels_of_another_type_than_the_training_labels_are_refused():
    clf = RidgeProjectionClassifier(RandomEmbedder(2)).fit(np.eye(2), [0, 1])
    with pytest.raises(ValueError, match="text and numbers"):
        HitAtK(labels="all")(clf, np.eye(2), ["cat", "dog"])


def test_class_is_a_way_to_average():
    # The candidates are owl, dog and cat. Owl has 2 hits of 2, cat and dog have none.
    assert HitAtK(1, "test", average="class")(Ranker(), X, Y) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"labels": "unseen"}, "unseen"), ({"k": 0}, r"\bk=0"), ({"average": "x"}, r"\baverage='x'")],
)
def test_invalid_options_are_named(options, named):
    with pytest.raises(ValueError, match=named):
        HitAtK(**options)


def test_sample_weight_counts():
    # Only the dog is a hit: 3 / (1 + 3 + 2 + 2).
    assert HitAtK()(Ranker(), X, Y, sample_weight=[1, 3, 2, 2]) == 3 / 8


# Hierarchical precision


@pytest.fixture
def zoo():
    """beast above mammal and bird; mammal above cat and dog; bird above owl and rook."""
    return Hierarchy.from_edges(
        [
            *(("beast", "mammal"), ("beast", "bird"), ("mammal", "cat"), ("mammal", "dog")),
            *(("bird", "owl"), ("bird", "rook")),
        ]
    )


@pytest.mark.parametrize(
    ("labels", "valid", "expected"),
    [
        # The answers dog and cat are valid, so the correct set at 2 is always {cat, dog}.
        (None, None, 1),
        # Answers owl, dog. The sets at 2: cat, dog {cat, dog}; owl {owl, cat, dog}.
        ("test", None, (1 / 2 + 1 / 2 + 1 + 1) / 4),
        # The correct set of owl is {owl, rook}.
        ("test", ["cat", "dog", "owl", "rook"], (1 / 2 + 1 / 2 + 1 / 2 + 1 / 2) / 4),
        # Answers rook, owl, of four valid labels.
        (LabelVocabulary(["cat", "dog", "owl", "rook"]), None, (0 + 0 + 1 + 1) / 4),
        (["cat", "dog", "owl", "rook"], None, (0 + 0 + 1 + 1) / 4),
    ],
)
def test_the_candidates_are_valid(zoo, labels, valid, expected):
    scorer = HierarchicalPrecisionAtK(2, zoo, labels=labels, valid=valid)
    assert scorer(Ranker(), X, Y) == pytest.approx(expected)


def test_the_candidates_of_the_classifier_are_valid(zoo):
    ranker = Ranker(labels=LabelVocabulary(["cat", "dog", "owl", "rook"]))
    assert HierarchicalPrecisionAtK(2, zoo)(ranker, X, Y) == pytest.approx(1 / 2)


def test_constructor_labels_of_another_type_are_not_valid(zoo):
    labels = LabelVocabulary(["cat", "dog", "owl", 7], {7: "seven"})
    clf = RidgeProjectionClassifier(RandomEmbedder(2), labels=labels).fit(np.eye(2), ["cat", "dog"])
    expected = HierarchicalPrecisionAtK(2, zoo, labels=["cat", "dog", "owl"])(clf, np.eye(2), Y[:2])
    assert HierarchicalPrecisionAtK(2, zoo)(clf, np.eye(2), Y[:2]) == expected


def test_precision_weighs_samples(zoo):
    scorer = HierarchicalPrecisionAtK(2, zoo, labels="test")
    # For cat and dog, half of the answers are correct; for the two owls, all.
    score = scorer(Ranker(), X, Y, sample_weight=[1, 1, 1, 3])
    assert score == pytest.approx((1 / 2 + 1 / 2 + 1 + 3) / 6)


# As an object


@pytest.mark.parametrize("metric", ["hit", "hierarchical"])
def test_scorers_pickle_and_clone(zoo, metric):
    scorer = HitAtK(2, "all") if metric == "hit" else HierarchicalPrecisionAtK(2, zoo, "all")
    expected = scorer(Ranker(), X, Y)
    for copied in (pickle.loads(pickle.dumps(scorer)), clone(scorer), clone(scorer, safe=False)):
        assert copied is not scorer
        assert repr(copied) == repr(scorer)
        assert copied(Ranker(), X, Y) == expected


def test_a_clone_shares_the_hierarchy(zoo):
    search = GridSearchCV(Ranker(), {}, scoring=HierarchicalPrecisionAtK(2, zoo))
    assert clone(search).scoring.hierarchy is zoo


def test_repr_shows_the_parameters(zoo):
    assert repr(HitAtK(5, "test")) == "HitAtK(k=5, labels='test')"
    assert HitAtK(5, "test").__name__ == "hit@5 (labels='test')"
    assert HitAtK(5, ["owl"]).__name__ == "hit@5"
    assert HierarchicalPrecisionAtK(2, zoo).__name__ == "hp@2"
    assert repr(HierarchicalPrecisionAtK(2, zoo)) == "HierarchicalPrecisionAtK(k=2, labels=None)"


# In scikit-learn, with metadata routing and without


@pytest.fixture(params=[False, True], ids=["no routing", "routing"])
def routing(request):
    with config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture
def scorers(by_form):
    """hit@1, hit@2 and hp@2 with the scored labels as candidates."""
    return {
        "hit@1": HitAtK(1, "test"),
        "hit@2": HitAtK(2, "test"),
        "hp@2": HierarchicalPrecisionAtK(2, by_form, "test"),
    }


def test_cross_validate_accepts_several_scorers(routing, devise, shapes, scorers):
    scores = cross_validate(devise, *shapes, cv=UNSEEN_CV, scoring=scorers)
    # With three unseen labels, chance is 1/3 and 2/3.
    assert scores["test_hit@1"].mean() > 0.8
    assert (scores["test_hit@2"] >= scores["test_hit@1"]).all()
    assert ((0 < scores["test_hp@2"]) & (scores["test_hp@2"] <= 1)).all()


def test_with_all_labels_the_seen_ones_compete(routing, devise, blurred):
    among_unseen, among_all = (
        cross_val_score(devise, *blurred, cv=UNSEEN_CV, scoring=HitAtK(labels=labels)).mean()
        for labels in ("test", "all")
    )
    assert among_all < among_unseen


def test_cross_val_score_equals_a_loop_over_splits(routing, devise, shapes):
    features, y = shapes
    by_hand = []
    for train, test in CV.split(features, y):
        devise.fit(features[train], y[train])
        by_hand.append(np.mean(devise.predict(features[test]) == y[test]))
    assert_allclose(cross_val_score(devise, *shapes, cv=CV, scoring=HitAtK()), by_hand)


@pytest.mark.filterwarnings("ignore:max_epochs=0")
def test_a_grid_search_refits_by_one_of_several_scorers(routing, devise, shapes, scorers):
    search = GridSearchCV(
        make_pipeline(StandardScaler(with_mean=False), devise),
        {"deviseclassifier__max_epochs": [0, 20]},
        cv=UNSEEN_CV,
        scoring=scorers,
        refit="hit@1",
    ).fit(*shapes)
    # Without training, all features are projected to zero and the first candidate wins.
    assert search.best_params_ == {"deviseclassifier__max_epochs": 20}
    assert search.best_score_ == search.cv_results_["mean_test_hit@1"].max()
    assert search.score(*shapes) == HitAtK(1, "test")(search, *shapes)


@pytest.mark.filterwarnings("ignore:k=.* is the number")
def test_a_vocabulary_is_scored_whole_in_each_fold(routing, devise, shapes):
    # scikit-learn would slice a list of this length in each fold.
    features, y = shapes
    more = [f"label {i}" for i in range(len(y) - 9)]
    terms = dict.fromkeys(more, "ring")
    labels = LabelVocabulary([*np.unique(y), *more], terms)
    assert labels.n_labels == len(y)
    scorer = HitAtK(len(y), labels)
    assert_array_equal(cross_val_score(devise, features, y, cv=CV, scoring=scorer), [1, 1])


def test_sample_weight_is_routed_to_the_scorers(blurred, by_form):
    features, y = blurred
    weights = np.random.default_rng(0).uniform(0.1, 5, len(y))
    clf = LogisticRegression(C=0.01)
    scorers = {"hit": HitAtK(1), "hp": HierarchicalPrecisionAtK(2, by_form)}
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(
            clf.set_fit_request(sample_weight=False),
            features,
            y,
            cv=CV,
            scoring=scorers,
            params={"sample_weight": weights},
        )
    for name, scorer in scorers.items():
        by_hand = [
            scorer(clf.fit(features[train], y[train]), features[test], y[test], weights[test])
            for train, test in CV.split(features, y)
        ]
        assert_allclose(scores[f"test_{name}"], by_hand)
        unweighted = cross_val_score(clf, features, y, cv=CV, scoring=scorer)
        assert not np.allclose(by_hand, unweighted)


def test_sample_weight_is_routed_through_a_pipeline_in_a_search(devise, shapes):
    features, y = shapes
    weights = np.isin(y, ["red ring", "blue star"]).astype(float)
    scorer = HitAtK(1, ["red ring", "blue star"])
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(FunctionTransformer(), devise.set_fit_request(sample_weight=False))
        search = GridSearchCV(pipe, {}, cv=CV, scoring=scorer)
        search.fit(features, y, sample_weight=weights)
        # Only samples of the candidates have a weight.
        assert search.best_score_ > 0.9
        assert search.score(features, y, sample_weight=weights) > 0.9
    assert scorer(search, features, y) < 0.5


# Other classifiers


@pytest.mark.filterwarnings("ignore:k=.* is the number")
@pytest.mark.parametrize("n_classes", [2, 9])
def test_other_classifiers_can_be_scored(routing, shapes, by_form, n_classes):
    features, y = shapes
    shown = np.isin(y, np.unique(y)[:n_classes])
    features, y = features[shown], y[shown]
    scoring = {
        "accuracy": "accuracy",
        "hit@1": HitAtK(1),
        "hit@2": HitAtK(2),
        "hp@1": HierarchicalPrecisionAtK(1, by_form),
    }
    pipe = make_pipeline(StandardScaler(), LogisticRegression(C=0.001))
    scores = cross_validate(pipe, features, y, cv=CV, scoring=scoring)
    assert_allclose(scores["test_hit@1"], scores["test_accuracy"])
    assert_allclose(scores["test_hp@1"], scores["test_accuracy"])
    if n_classes == 2:
        assert_array_equal(scores["test_hit@2"], [1, 1])


@pytest.mark.parametrize("labels", ["test", "all", ["red ring"]])
def test_other_classifiers_cannot_take_candidates(shapes, labels):
    clf = LogisticRegression().fit(*shapes)
    with pytest.raises(TypeError, match="LogisticRegression"):
        HitAtK(labels=labels)(clf, *shapes)


@pytest.mark.parametrize("labels", [None, "all"], ids=str)
@pytest.mark.parametrize("kind", ["alone", "pipeline", "search"])
@pytest.mark.parametrize(
    "clf",
    [LogisticRegression(), RidgeProjectionClassifier(), NearestLabelClassifier(RandomEmbedder(1))],
    ids=lambda clf: type(clf).__name__,
)
def test_unfitted_classifiers_are_refused(zoo, clf, kind, labels):
    kinds = {"alone": clf, "pipeline": make_pipeline(Normalizer(), clf)}
    wrapped = kinds.get(kind, GridSearchCV(clf, {}))
    for scorer in HitAtK(labels=labels), HierarchicalPrecisionAtK(1, zoo, labels):
        with pytest.raises(NotFittedError):
            scorer(wrapped, np.ones((4, 1)), Y)


def test_an_unfitted_search_is_refused_with_candidates():
    for labels in ("test", ["cat", "owl"]):
        with pytest.raises(NotFittedError):
            HitAtK(labels=labels)(GridSearchCV(RidgeProjectionClassifier(), {}), X, Y)


def test_hierarchical_precision_needs_a_hierarchy():
    with pytest.raises(TypeError, match="None"):
        HierarchicalPrecisionAtK(2, None)


def test_scorers_work_in_the_tools_of_scikit_learn(devise, blurred, by_form):
    X, y = blurred
    hierarchical = HierarchicalPrecisionAtK(2, by_form)
    for scorer in (HitAtK(k=2), hierarchical):
        options = {"cv": 2, "scoring": scorer}
        curve = ValidationCurveDisplay.from_estimator(
            devise, X, y, param_name="margin", param_range=[0.1, 0.5], **options
        )
        assert curve.ax_.get_ylabel() == scorer.__name__.capitalize()
        LearningCurveDisplay.from_estimator(
            devise, X, y, train_sizes=[0.8, 0.9], shuffle=True, random_state=0, **options
        )
        plt.close("all")
        found = cross_validate(devise, X, y, cv=2, scoring={"ours": scorer, "hit": "accuracy"})
        assert found["test_ours"].mean() > 0 and found["test_hit"].mean() > 0
        fitted = clone(devise).fit(X, y)
        importances = permutation_importance(fitted, X, y, scoring=scorer, random_state=0)
        assert importances.importances_mean.max() > 0


def test_a_scorer_can_ask_for_sample_weights_under_another_name(devise, blurred):
    X, y = blurred
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        HitAtK().set_score_request(sample_weight=True)
    weight = np.random.default_rng(0).uniform(0, 1, len(y))
    with config_context(enable_metadata_routing=True):
        devise.set_fit_request(sample_weight=False)
        renamed = HitAtK().set_score_request(sample_weight="importance")
        scores = {
            name: cross_val_score(devise, X, y, cv=2, scoring=scorer, params=params)
            for name, scorer, params in [
                ("no weight", HitAtK(), {}),
                ("weight", HitAtK(), {"sample_weight": weight}),
                ("renamed", clone(renamed), {"importance": weight}),
            ]
        }
    assert_array_equal(scores["renamed"], scores["weight"])
    assert not np.array_equal(scores["weight"], scores["no weight"])
