"""scikit-learn's wrappers that give `fit` class numbers, and labels that are numbers."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.utils.fixes import parse_version

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    EncoderEmbedder,
    ESZSLClassifier,
    Hierarchy,
    LabelSpace,
    LabelVocabulary,
    NearestClassMeanClassifier,
    NoveltySwitchClassifier,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    WSABIEClassifier,
)

NAMES = ["cat", "dog", "truck"]

# Wrappers that give `fit` the positions of the sorted labels.
ENCODING = {
    "stacking": lambda clf: StackingClassifier([("a", clf), ("b", LogisticRegression())], cv=3),
    "stacking, decision function": lambda clf: StackingClassifier(
        [("a", clf)], cv=3, stack_method="decision_function"
    ),
    "voting": lambda clf: VotingClassifier([("a", clf), ("b", LogisticRegression())]),
    "soft voting": lambda clf: VotingClassifier([("a", clf)], voting="soft"),
    "bagging": lambda clf: BaggingClassifier(clf, 4, max_samples=0.5, random_state=0),
    "temperature": lambda clf: CalibratedClassifierCV(clf, method="temperature", cv=3),
    "temperature, no ensemble": lambda clf: CalibratedClassifierCV(
        clf, method="temperature", cv=3, ensemble=False
    ),
    "sigmoid, no ensemble": lambda clf: CalibratedClassifierCV(clf, cv=3, ensemble=False),
    "isotonic, no ensemble": lambda clf: CalibratedClassifierCV(
        clf, method="isotonic", cv=3, ensemble=False
    ),
}

if parse_version(sklearn.__version__) < parse_version("1.8"):
    del ENCODING["temperature"], ENCODING["temperature, no ensemble"]  # New in scikit-learn 1.8.

# Wrappers that ask yes-or-no questions: they give `fit` 0 and 1.
BINARY = {
    "one against one": OneVsOneClassifier,
    "one against the rest": OneVsRestClassifier,
}


@pytest.fixture
def digits_and_words():
    """An embedder that knows digits, as most published tables do. All digits look alike."""
    words = {"cat": [1, 0, 0.1], "dog": [0, 1, 0.1], "truck": [0, 0.1, 1], "lynx": [1, 0, 0.2]}
    digits = {str(digit): [1, 1, 0.01 * digit] for digit in range(10)}
    return PretrainedEmbedder(words | digits | {"yes": [1, 0, 0], "no": [0, 1, 0]})


@pytest.fixture(
    params=[
        DeViSEClassifier(max_epochs=8, lr=0.5, random_state=0),
        ConSEClassifier(LogisticRegression(C=100)),
        RidgeProjectionClassifier(alpha=0.1),
        ESZSLClassifier(alpha=0.1, label_alpha=0.1),
        DirectSimilarityClassifier(LogisticRegression(C=100)),
        NoveltySwitchClassifier(LogisticRegression(C=100)),
    ],
    ids=lambda clf: type(clf).__name__,
)
def clf(request, digits_and_words):
    """A classifier of features with word vectors."""
    return clone(request.param).set_params(embedder=digits_and_words)


@pytest.mark.parametrize("wrapper", ENCODING.values(), ids=ENCODING)
def test_class_numbers_are_refused_without_their_names(clf, wrapper, pets_and_trucks):
    with pytest.raises(ValueError, match="LabelVocabulary"):
        wrapper(clf).fit(*pets_and_trucks)


@pytest.mark.parametrize("wrapper", ENCODING.values(), ids=ENCODING)
def test_a_vocabulary_names_the_class_numbers(clf, wrapper, pets_and_trucks):
    X, y = pets_and_trucks
    clf.set_params(labels=LabelVocabulary(range(3), terms=NAMES))
    wrapped = wrapper(clf).fit(X, y)
    assert wrapped.score(X, y) == 1
    if hasattr(wrapped, "predict_proba"):
        assert_array_equal(wrapped.classes_[wrapped.predict_proba(X).argmax(axis=1)], y)


@pytest.mark.parametrize("wrapper", ENCODING.values(), ids=ENCODING)
def test_two_classes_may_be_wrapped(clf, wrapper, pets_and_trucks):
    X, y = pets_and_trucks[0][:40], pets_and_trucks[1][:40]
    clf.set_params(labels=LabelVocabulary(range(2), terms=NAMES[:2]))
    assert wrapper(clf).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("wrapper", ENCODING.values(), ids=ENCODING)
def test_a_vocabulary_may_hold_the_names_too_in_any_order(clf, wrapper, pets_and_trucks):
    # ensemble=False trains on class numbers first, and on names last.
    X, y = pets_and_trucks
    labels = {"dog": "dog", 2: "truck", 0: "cat", "cat": "cat", "truck": "truck", 1: "dog"}
    assert wrapper(clf.set_params(labels=labels)).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("name", ["stacking", "sigmoid, no ensemble"])
@pytest.mark.parametrize(
    "clf",
    [
        WSABIEClassifier(max_epochs=10, lr=0.3, random_state=0),
        NearestClassMeanClassifier(max_epochs=5, random_state=0),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_learned_label_vectors_need_no_names(clf, name, pets_and_trucks):
    assert ENCODING[name](clf).fit(*pets_and_trucks).score(*pets_and_trucks) == 1


@pytest.mark.parametrize(
    ("source", "name"), [("embedder", "stacking"), ("hierarchy", "sigmoid, no ensemble")]
)
def test_predicted_weights_need_names_of_class_numbers(
    source, name, digits_and_words, pets_and_trucks
):
    tree = [("pet", "cat"), ("pet", "dog"), ("thing", "pet"), ("thing", "truck")]
    hierarchy = Hierarchy.from_edges([*tree, ("thing", "0"), ("thing", "1"), ("thing", "2")])
    sources = {"embedder": digits_and_words, "hierarchy": hierarchy}
    clf = ClassifierWeightRegressor(**{source: sources[source]})
    with pytest.raises(ValueError, match="LabelVocabulary"):
        ENCODING[name](clf).fit(*pets_and_trucks)
    clf.set_params(labels=LabelVocabulary(range(3), terms=NAMES))
    assert ENCODING[name](clf).fit(*pets_and_trucks).score(*pets_and_trucks) == 1


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict_log_proba"])
def test_cross_val_predict_returns_the_columns_of_the_sorted_labels(clf, method, pets_and_trucks):
    X, y = pets_and_trucks
    with pytest.raises(ValueError, match="LabelVocabulary"):
        cross_val_predict(clf, X, y, method=method, cv=StratifiedKFold(3))
    clf.set_params(labels=LabelVocabulary(range(3), terms=NAMES))
    columns = cross_val_predict(clf, X, y, method=method, cv=StratifiedKFold(3))
    assert columns.shape == (60, 3)
    assert_array_equal(np.unique(y)[columns.argmax(axis=1)], y)


@pytest.mark.parametrize("wrapper", BINARY.values(), ids=BINARY)
def test_binary_wrappers_take_random_vectors_or_two_words(clf, wrapper, pets_and_trucks):
    X, y = pets_and_trucks
    with pytest.raises(ValueError, match="LabelVocabulary"):
        wrapper(clf).fit(X, y)
    named = clone(clf).set_params(labels=LabelVocabulary([0, 1], terms=["no", "yes"]))
    # A linear map without an intercept separates one class against two others less well.
    assert wrapper(named).fit(X, y).score(X, y) > 0.6
    wrapper(clf.set_params(embedder=RandomEmbedder(8))).fit(X, y).predict(X)


def test_a_chain_takes_random_vectors_or_two_words(clf, pets_and_trucks):
    X, y = pets_and_trucks
    Y = np.column_stack([y == "cat", y == "truck"]).astype(int)
    with pytest.raises(ValueError, match="LabelVocabulary"):
        ClassifierChain(clf).fit(X, Y)
    clf.set_params(labels=LabelVocabulary([0, 1], terms=["no", "yes"]))
    chain = ClassifierChain(clf).fit(X, Y)
    assert (chain.predict(X) == Y).mean() > 0.6
    assert chain.predict_proba(X).shape == (60, 2)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_more_candidates_than_classes_may_be_calibrated(clf, method, pets_and_trucks):
    X, y = pets_and_trucks
    clf.set_params(labels=["lynx", "truck", "dog", "cat"])
    assert CalibratedClassifierCV(clf, method=method, cv=3).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("labels", [["truck", "lynx"], ["lynx", "emu", "dog"], ["emu", "lynx"]])
def test_candidates_without_all_training_labels_may_be_calibrated(
    clf, labels, method, pets_and_trucks
):
    X, y = pets_and_trucks
    words = {word: clf.embedder.transform([word])[0] for word in [*NAMES, "lynx"]}
    clf.set_params(embedder=PretrainedEmbedder(words | {"emu": [0.6, 0.7, 0]}), labels=labels)
    assert CalibratedClassifierCV(clf, method=method, cv=3).fit(X, y).score(X, y) == 1


def test_the_columns_of_the_constructors_labels_begin_with_the_training_labels(
    clf, pets_and_trucks
):
    X, y = pets_and_trucks
    clf.set_params(labels=["lynx", "truck", "dog", "cat"]).fit(X, y)
    assert clf.label_space().labels.tolist() == ["cat", "dog", "truck", "lynx"]
    expected = clf.decision_function(X, labels=["cat", "dog", "truck", "lynx"])
    assert_allclose(clf.decision_function(X), expected, atol=1e-6)
    assert set(clf.set_params(labels=["lynx", "truck"]).predict(X)) == {"lynx", "truck"}


@pytest.mark.parametrize("numbers", [np.arange(3), [0.0, 1.0, 2.0], np.arange(3).astype(object)])
def test_class_numbers_are_not_looked_up_as_words(clf, numbers, pets_and_trucks):
    X = pets_and_trucks[0]
    y = np.repeat(np.asarray(numbers), 20)
    with pytest.raises(ValueError, match="y holds class numbers .*0.*LabelVocabulary"):
        clf.fit(X, y)
    # Naming some of them is not enough, and neither is a list of numbers.
    for labels in ({0: "cat", 1: "dog"}, LabelVocabulary([0, 1, 2]), [0, 1, 2]):
        with pytest.raises(ValueError, match="2"):
            clf.set_params(labels=labels).fit(X, y)
    clf.set_params(labels=LabelVocabulary(list(numbers), terms=NAMES)).fit(X, y)
    assert clf.score(X, y) == 1
    # The digits themselves may be the words, if the user says so.
    clf.set_params(labels=LabelVocabulary(list(numbers), terms=["0", "1", "2"])).fit(X, y)


@pytest.mark.parametrize("embedder", [None, RandomEmbedder(16)], ids=str)
def test_class_numbers_may_have_random_vectors(clf, embedder, pets_and_trucks):
    X, _ = pets_and_trucks
    y = np.repeat([7, 8, 9], 20)
    clf.set_params(embedder=embedder).fit(X, y)
    assert clf.score(X, y) == 1
    if isinstance(clf, DeViSEClassifier):
        clf.set_params(train_label_vectors=True).fit(X, y)
        assert clf.score(X, y) == 1


def test_candidates_that_are_numbers_are_not_looked_up_as_words(clf, pets_and_trucks):
    clf.fit(*pets_and_trucks)
    for labels in ([0, 1], LabelVocabulary([0, 1]), LabelVocabulary(["cat"]) | [1]):
        with pytest.raises(ValueError, match="1.*LabelVocabulary"):
            clf.predict(pets_and_trucks[0], labels=labels)
    assert set(clf.predict(pets_and_trucks[0], labels={5: "cat", 6: "truck"})) == {5, 6}
    with pytest.raises(ValueError, match="7"):
        LabelVocabulary([7]).coverage(clf.embedder)
    with pytest.raises(ValueError, match="7"):
        LabelSpace([7], EncoderEmbedder(lambda texts: np.ones((len(texts), 2))))


def test_unnamed_numbers_stay_unnamed(tmp_path, digits_and_words):
    vocabulary = LabelVocabulary([1, 2, "cat"], {1: "dog"})
    vocabulary.save(tmp_path / "labels.json")
    copies = [
        LabelVocabulary.load(tmp_path / "labels.json"),
        vocabulary | ["lynx"],
        vocabulary - ["cat"],
        vocabulary & [2, 1],
    ]
    assert copies[0] == vocabulary != LabelVocabulary([1, 2, "cat"], {1: "dog", 2: "2"})
    for copied in copies:
        with pytest.raises(ValueError, match=r"\(2\)"):
            LabelSpace(copied, digits_and_words)
    assert LabelSpace(copies[3] - [2], digits_and_words).n_labels == 1
    # A name on the right side of a union counts.
    assert LabelSpace(vocabulary | {2: "truck"}, digits_and_words).n_labels == 3


def test_candidates_get_the_names_of_the_constructor(clf, pets_and_trucks):
    X, _ = pets_and_trucks
    clf.set_params(labels={0: "cat", 1: "dog", 2: "truck", 3: "lynx"}).fit(
        X, np.repeat([0, 1, 2], 20)
    )
    for labels in ([3, 1], LabelVocabulary([3, 1]), np.array([3, 1])):
        assert_array_equal(np.unique(clf.predict(X[:40], labels=labels)), [1, 3])


def test_training_labels_that_are_no_candidates_never_win_at_any_scale():
    # "c" is exact, and half the squared distances to "a" and "b" are 500,000 and 1,000,000.
    X, y = (
        np.repeat([[0.0, 0.0], [1000.0, 0.0], [0.0, 1000.0]], 2, axis=0),
        np.repeat(list("abc"), 2),
    )
    params = {"metric": "euclidean", "feature_scaling": "none", "labels": ["a", "b"]}
    clf = NearestClassMeanClassifier(**params).fit(X, y)
    for answers in (clf.predict_proba(X[4:]), clf.decision_function(X[4:])):
        assert_array_equal(clf.classes_[answers.argmax(axis=1)], ["a", "a"])
    assert clf.predict_proba(X)[:, 2].max() < 1e-12
