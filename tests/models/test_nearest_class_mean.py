from copy import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from skdevise import Hierarchy, NearestClassMeanClassifier
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.model_selection import tune_seen_penalty
from skdevise.models._calibration import fit_temperature
from skdevise.models._learned_label_nets import NearestMeans

TREE = Hierarchy.from_edges(
    [
        ("thing", "animal"), ("thing", "vehicle"), ("animal", "feline"), ("animal", "dog"),
        ("feline", "cat"), ("feline", "lynx"), ("vehicle", "truck"), ("vehicle", "lorry"),
        ("idea", "doubt"), ("animal", "crane"), ("vehicle", "derrick"),
    ]
)  # fmt: skip


def euclidean(**params):
    """A classifier without a learned metric or scaling, whose means are easy to compute."""
    params = {"hierarchy": TREE, "metric": "euclidean", "feature_scaling": "none", **params}
    return NearestClassMeanClassifier(**params)


# Class means: cat (1, 0), dog (0, 1), truck (4, 4).
X = np.array([[0.5, 0], [1.5, 0], [0, 1], [4, 4]])
Y = ["cat", "cat", "dog", "truck"]


def scores(points, means):
    """Minus half the squared distances, one by one."""
    return np.array([[-sum((p - m) ** 2) / 2 for m in means] for p in points])


def test_class_means_by_hand():
    clf = euclidean().fit(X, Y)
    assert clf.class_means_.tolist() == [[1, 0], [0, 1], [4, 4]]
    assert clf.class_totals_.tolist() == [2, 1, 1]
    expected = scores(X, clf.class_means_)
    assert_allclose(clf.decision_function(X), expected, atol=1e-5)
    assert_array_equal(clf.predict(X), clf.classes_[expected.argmax(axis=1)])
    proba = softmax(expected / clf.temperature_, axis=1)
    assert_allclose(clf.predict_proba(X), proba, atol=1e-5)
    # The first cat counts twice: (2 * 0.5 + 1.5) / 3.
    weighted = euclidean().fit(X, Y, sample_weight=[2, 1, 1, 1])
    assert_allclose(weighted.class_means_[0], [2.5 / 3, 0])


def test_unseen_labels_get_the_mean_over_their_ancestors_by_hand():
    # Below feline is cat. Below animal are cat and dog: (0.5, 0.5). Below thing are all three:
    # (5/3, 5/3). Below vehicle is truck.
    clf = euclidean().fit(X, Y)
    lynx = (np.array([1, 0]) + [0.5, 0.5] + [5 / 3, 5 / 3]) / 3
    lorry = (np.array([4, 4]) + [5 / 3, 5 / 3]) / 2
    # A node with training labels below itself has their mean, without its ancestors.
    means = [lynx, lorry, [0.5, 0.5], [1, 0], [1, 0]]
    labels = ["lynx", "lorry", "animal", "feline", "cat"]
    assert_allclose(clf.decision_function(X, labels), scores(X, means), atol=1e-5)
    assert_array_equal(clf.predict(X, labels=["lynx", "lorry"]), ["lynx"] * 3 + ["lorry"])


def test_labels_are_found_by_their_terms_and_have_several_senses():
    tree = Hierarchy(
        ["root", "bird", "machine", "hen", "lathe", "crane.1", "crane.2", "wader"],
        [[0, 1], [0, 2], [1, 3], [2, 4], [1, 7], [7, 5], [2, 6]],
        [["root"], ["bird"], ["machine"], ["hen"], ["lathe"], ["crane"], ["crane"], ["wader"]],
    )
    clf = euclidean(hierarchy=tree).fit([[0], [4]], ["hen", "lathe"])
    # The bird lies between hen (0) and the root (2): 1. The machine lies between 4 and 2: 3. Both
    # senses count equally, though only one has an ancestor (wader) without training labels.
    assert_allclose(clf.decision_function([[0]], ["crane", "crane.2"]), [[-2, -4.5]], atol=1e-6)
    hoist = {"hoist": ["unknown", "crane"]}
    assert_allclose(clf.decision_function([[0]], hoist), [[-2]], atol=1e-6)
    # A training label counts below both of its senses, the bird and the machine.
    clf = euclidean(hierarchy=tree).fit([[0], [4]], ["hen", "crane"])
    # Machine has the mean 4, root the mean 2.
    assert_allclose(clf.decision_function([[0]], ["lathe"]), [[-4.5]], atol=1e-6)


def test_labels_that_cannot_be_placed_are_named():
    clf = euclidean().fit(X, Y)
    with pytest.raises(LabelWithoutVectorError, match="'yak'"):
        clf.predict(X, labels=["cat", "yak"])
    with pytest.raises(LabelWithoutVectorError, match="'yak'"):
        clf.predict(X, labels=["yak"])
    with pytest.raises(LabelWithoutVectorError, match="'doubt'"):  # "idea" has no training label.
        clf.predict(X, labels=["cat", "doubt"])
    without = euclidean(hierarchy=None).fit(X, Y)
    with pytest.raises(ValueError, match="'lynx'.*hierarchy"):
        without.predict(X, labels=["cat", "lynx"])
    assert without.predict(X, labels=["truck", "dog"]).tolist() == ["dog"] * 3 + ["truck"]
    with pytest.warns(UserWarning, match="1 of 2.*'yak'"):
        euclidean().fit([[0], [1]], ["yak", "cat"])
    with pytest.warns(UserWarning, match="2 of 2.*'gnu', 'yak'"):
        strange = euclidean().fit([[0], [1]], ["yak", "gnu"])
    assert strange.predict([[0.1]]).tolist() == ["yak"]


def test_without_a_metric_it_equals_scikit_learns_nearest_centroid(pets_and_trucks):
    X, y = pets_and_trucks
    X = X + np.random.default_rng(1).normal(0, 0.5, X.shape)
    clf = NearestClassMeanClassifier(metric="euclidean", feature_scaling="none").fit(X, y)
    centroids = NearestCentroid().fit(X, y)
    assert_allclose(clf.class_means_, centroids.centroids_)
    assert_array_equal(clf.predict(X), centroids.predict(X))


def test_the_gradient_of_the_metric_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    W, means, X = (rng.standard_normal(shape) for shape in [(2, 4), (3, 4), (5, 4)])
    y = np.array([0, 1, 2, 2, 0])
    module = NearestMeans(W, means)
    loss = torch.nn.functional.cross_entropy(
        module(torch.tensor(X, dtype=torch.float32)), torch.tensor(y)
    )
    loss.backward()
    # Eq. 8: the mean over samples of sum_c ([y = c] - p(c|x)) W z z', with z = mean_c - x, is the
    # gradient of the loss.
    gradient, likelihood = np.zeros_like(W), 0
    for x, label in zip(X, y, strict=True):
        z = means - x
        logits = np.array([-0.5 * (W @ row) @ (W @ row) for row in z])
        proba = softmax(logits)
        likelihood += logits[label] - logsumexp(logits)
        for c in range(3):
            gradient += ((label == c) - proba[c]) * np.outer(W @ z[c], z[c]) / len(X)
    assert loss.item() == pytest.approx(-likelihood / len(X), rel=1e-5)
    assert_allclose(module.weight.grad, gradient, rtol=1e-4, atol=1e-5)


def noisy_classes():
    """Three classes that differ in a feature of small variance, and noise of large variance."""
    rng = np.random.default_rng(0)
    y = np.repeat(["cat", "dog", "truck"], 40)
    signal = np.repeat([-1.0, 0.0, 1.0], 40) + rng.normal(0, 0.2, 120)
    return np.column_stack([signal, rng.normal(0, 5, (120, 3))]), y


def test_a_learned_metric_ignores_noise():
    X, y = noisy_classes()
    params = {"feature_scaling": "none", "max_epochs": 60, "lr": 1.0, "random_state": 0}
    clf = NearestClassMeanClassifier(TREE, **params).fit(X, y)
    assert clf.score(X, y) > 0.95
    assert euclidean().fit(X, y).score(X, y) < 0.8
    assert_allclose(clf.transform(X), X @ clf.coef_.T, rtol=1e-5)
    expected = scores(X @ clf.coef_.T, clf.class_means_ @ clf.coef_.T)
    assert_allclose(clf.decision_function(X), expected, rtol=1e-3, atol=1e-3)
    narrow = NearestClassMeanClassifier(n_components=2, **params).fit(X, y)
    assert narrow.coef_.shape == (2, 4)
    assert narrow.get_feature_names_out().tolist() == [
        "nearestclassmeanclassifier0",
        "nearestclassmeanclassifier1",
    ]


@pytest.mark.parametrize("metric", ["euclidean", "learned"])
def test_a_call_with_most_of_the_samples_fits_the_temperatures(metric):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(10), 82)
    X = rng.normal(size=(10, 30))[y] + rng.normal(0, 1.5, (820, 30))
    # The means of two samples are less exact than those of 42. The last 40 are for the test.
    ends = np.searchsorted([2, 42], np.arange(820) % 82, side="right")
    first, rest, test = (np.flatnonzero(ends == n) for n in range(3))
    clf = NearestClassMeanClassifier(metric=metric, random_state=0).partial_fit(X[first], y[first])
    temperature, few = clf.temperature_, rng.permutation(rest)[:199]
    assert copy(clf).partial_fit(X[few], y[few]).temperature_ == temperature
    # Samples of two classes say little about ten others.
    assert copy(clf).partial_fit(X[:300], y[:300] // 150 + 10).temperature_ == temperature
    clf.partial_fit(X[rest], y[rest])
    scores = clf.decision_function(X[test])

    def loss(temperature):
        return log_loss(y[test], softmax(scores / temperature, axis=1))

    assert loss(clf.temperature_) < loss(temperature)
    assert loss(clf.temperature_) < min(loss(factor * clf.temperature_) for factor in (0.8, 1.25))


def test_a_hierarchy_that_is_set_after_the_fit_waits_for_the_next_fit():
    X, y = [[0, 1], [0, 2], [3, 0], [4, 1]], ["cat", "dog", "truck", "car"]
    tree = Hierarchy.from_edges(
        [("animal", label) for label in ("cat", "dog", "lynx")]
        + [("vehicle", label) for label in ("truck", "car", "bus")]
    )
    clf = NearestClassMeanClassifier(tree, metric="euclidean").fit(X, y)
    labels = ["cat", "lynx", "bus"]
    before = clf.predict_proba(X, labels)
    assert_array_equal(clf.set_params(hierarchy=None).predict_proba(X, labels), before)
    # A new fit in the search for a penalty has a hierarchy.
    clf.fit(X, y).set_params(hierarchy=tree)
    tune_seen_penalty(clf, X * 2, y * 2, random_state=0)


def test_the_metric_starts_at_principal_components_with_a_temperature_of_1():
    X, y = noisy_classes()
    params = {"feature_scaling": "none", "max_epochs": 1, "lr": 1e-12, "random_state": 0}
    clf = NearestClassMeanClassifier(n_components=2, **params).fit(X, y)
    directions = np.linalg.svd(X - clf.class_means_.mean(axis=0))[2][:2]
    cosines = normalize(clf.coef_) @ directions.T
    assert_allclose(np.abs(cosines), np.eye(2), atol=1e-5)
    found = scores(X @ clf.coef_.T, clf.class_means_ @ clf.coef_.T)
    targets = np.searchsorted(clf.classes_, y)
    assert fit_temperature(found, targets, len(y)) == pytest.approx(1, rel=0.01)


def test_the_origin_of_the_features_does_not_matter():
    X, y = noisy_classes()
    params = {"feature_scaling": "none", "max_epochs": 3, "random_state": 0}
    near, far = (NearestClassMeanClassifier(**params).fit(X + shift, y) for shift in (0, 100))
    assert_allclose(far.coef_, near.coef_, atol=1e-4)


def test_only_the_training_of_the_answers_is_printed(capsys):
    n_lines = []
    for calibrate in (True, False):
        NearestClassMeanClassifier(verbose=1, max_epochs=2, calibrate=calibrate).fit(X, Y)
        n_lines.append(len(capsys.readouterr().out.splitlines()))
    assert n_lines[0] == n_lines[1] > 0


def test_partial_fit_adds_samples_and_classes_without_training():
    X, y = noisy_classes()
    at_once = euclidean().fit(X, y)
    clf = euclidean().partial_fit(X[:50], y[:50])  # cats and ten dogs
    assert clf.classes_.tolist() == ["cat", "dog"]
    clf.partial_fit(X[50:90], y[50:90], sample_weight=np.ones(40)).partial_fit(X[90:], y[90:])
    assert clf.classes_.tolist() == ["cat", "dog", "truck"]
    assert_allclose(clf.class_means_, at_once.class_means_)
    assert clf.class_totals_.tolist() == [40, 40, 40]
    labels = ["truck", "lynx", "lorry"]
    assert_allclose(
        clf.decision_function(X, labels), at_once.decision_function(X, labels), atol=1e-3
    )
    learned = NearestClassMeanClassifier(feature_scaling="standard", random_state=0)
    coef = learned.fit(X[:80], y[:80]).coef_
    learned.partial_fit(X[80:], y[80:])
    assert learned.coef_ is coef
    assert_allclose(learned.scaler_.mean_, X[:80].mean(axis=0))
    assert learned.classes_.tolist() == ["cat", "dog", "truck"]
    with pytest.raises(ValueError, match="text and numbers"):
        learned.partial_fit(X, np.arange(120))
    for name, value in {"metric": "euclidean", "feature_scaling": "none", "lr": -1}.items():
        with pytest.raises(ValueError, match=name):
            clone(learned).fit(X, y).set_params(**{name: value}).partial_fit(X, y)


def test_wordnet_ids_and_names_are_placed(pets_and_trucks):
    X, y = pets_and_trucks
    wordnet = Hierarchy.wordnet()
    clf = NearestClassMeanClassifier(wordnet, random_state=0).fit(X, y)
    assert clf.predict(X, labels=["lynx", "van"]).tolist() == ["lynx"] * 40 + ["van"] * 20
    ids = dict(zip(["cat", "dog", "truck"], ["n02121620", "n02084071", "n04490091"], strict=True))
    clf.fit(X, [ids[label] for label in y])
    (lynx,) = wordnet.synsets("catamount")[:1]
    assert set(clf.predict(X[:20], labels=[lynx, "n02958343"])) == {lynx}  # a wild cat, a car


def test_a_call_that_fails_adds_no_samples():
    X, y = noisy_classes()
    clf = euclidean().partial_fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="okapi"):
        clf.set_params(labels=["okapi"]).partial_fit(X[50:], y[50:])
    clf.set_params(labels=None).partial_fit(X[50:], y[50:])
    assert_allclose(clf.class_means_, euclidean().fit(X, y).class_means_)
