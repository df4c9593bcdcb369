"""The parameter `targets`: the term of a label that its samples are trained towards."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import chisquare
from sklearn.base import clone
from torch.nn import functional as F

from skdevise import DeViSEClassifier, LabelVocabulary, PretrainedEmbedder
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.models.losses import Contrastive, Cosine, HingeRank, MeanSquaredError, Warp

# Three labels in space. The first has two terms, and its samples are near neither of them.
LABELS = np.eye(3, dtype=np.float32)
TERMS = [np.array([[0, 0.6, 0.8], [0.6, 0, 0.8]], np.float32), LABELS[1:2], LABELS[2:3]]
SYNONYMS = {"cat": ["cat", "lorry"], "dog": ["dog"], "truck": ["truck", "lynx"]}


def naive_loss(name, point, target, vectors, true):
    """Loss of one point, whose true label has the vector `true`."""
    others = [vectors[j] for j in range(len(vectors)) if j != target]
    if name == "mse":
        return ((point - true) ** 2).sum()
    unit = point / np.linalg.norm(point)
    if name == "cosine":
        return 1 - unit @ true
    if name == "contrastive":
        return -unit @ true / 0.5 + np.log(sum(np.exp(unit @ t / 0.5) for t in [true, *others]))
    hinges = [max(0, 0.7 - point @ true + point @ t) for t in others]
    return max(hinges) if name == "hardest" else sum(hinges)


LOSSES = {
    "all": lambda: HingeRank(LABELS, margin=0.7, negatives="all"),
    "hardest": lambda: HingeRank(LABELS, margin=0.7, negatives="hardest"),
    "mse": lambda: MeanSquaredError(LABELS),
    "cosine": lambda: Cosine(LABELS),
    "contrastive": lambda: Contrastive(LABELS, temperature=0.5),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_that_of_one_of_the_terms(name):
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    target = np.resize([0, 1, 2], 50)
    loss = LOSSES[name]()
    loss.draw_terms(TERMS)
    values = loss(torch.from_numpy(points), torch.from_numpy(target)).numpy()
    drawn = set()
    for value, point, label in zip(values, points, target, strict=True):
        naive = [naive_loss(name, point, label, LABELS, true) for true in TERMS[label]]
        distance = np.abs(np.subtract(naive, value))
        assert distance.min() < 1e-5
        drawn.add((label, distance.argmin()))
    assert drawn == {(0, 0), (0, 1), (1, 0), (2, 0)}


@pytest.mark.parametrize("make", [HingeRank, Warp])
def test_the_closed_form_pulls_towards_the_drawn_term(make):
    loss, same = make(LABELS, margin=9.0, seed=3), make(LABELS, margin=9.0, seed=3)
    for each in (loss, same):
        each.draw_terms(TERMS)
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.zeros(40, dtype=torch.long)
    loss(points, target).sum().backward()
    rows, _, pull = same.pull(points.detach(), target)
    assert rows.tolist() == list(range(40))  # With this margin, each point has a violating label.
    assert_allclose(pull, points.grad, atol=1e-6)


def test_each_term_is_drawn_equally_often():
    # Labels with 1, 2 and 5 terms: 20,000 draws of each, so 10,000 and 4,000 expected of a term.
    sizes = [1, 2, 5]
    terms = [F.normalize(torch.rand(n, 4), dim=1).numpy() for n in sizes]
    loss = MeanSquaredError(np.eye(4, dtype=np.float32)[:3])
    loss.draw_terms(terms)
    target = torch.arange(3).repeat(20_000)
    drawn = loss.true_vectors(target).numpy()
    for label, vectors in enumerate(terms):
        rows = drawn[target.numpy() == label]
        counts = [(rows == vector).all(axis=1).sum() for vector in vectors]
        assert sum(counts) == 20_000
        assert len(counts) == 1 or chisquare(counts).pvalue > 0.001
    # The draws of a label say nothing about those of the next one.
    pairs = np.column_stack([drawn[1::3] == terms[1][0], drawn[2::3] == terms[2][0]])[:, [0, 4]]
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.03


def test_draws_differ_between_samples_and_epochs():
    loss = MeanSquaredError(LABELS)
    loss.draw_terms(TERMS)
    first, second = (loss.true_vectors(torch.zeros(64, dtype=torch.long)) for _ in range(2))
    assert len(first.unique(dim=0)) == 2
    assert not torch.equal(first, second)


# One step of gradient descent from zero on the squared error moves the projection of the mean
# sample of a class by twice the mean of its targets. Each class has a feature of its own here.
ONE_STEP = {
    "loss": "mse", "targets": "sample", "labels": SYNONYMS, "optimizer": torch.optim.SGD,
    "lr": 0.5, "max_epochs": 1, "batch_size": 900, "feature_scaling": "none",
}  # fmt: skip
CLASSES = np.array(list(SYNONYMS))
X_ONE_STEP, Y_ONE_STEP = np.repeat(3 * np.eye(3), 300, axis=0), np.repeat(CLASSES, 300)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_terms_of_a_label_are_its_targets(plane, method):
    clf = DeViSEClassifier(plane, random_state=0, **ONE_STEP)
    getattr(clf, method)(X_ONE_STEP, Y_ONE_STEP)
    for mean_target, label in zip(clf.coef_.T, CLASSES, strict=True):
        expected = plane.transform(SYNONYMS[label])
        assert_allclose(mean_target, expected.mean(axis=0), atol=0.1)
        is_first = np.allclose(mean_target, expected[0], atol=0.1)
        assert is_first == (label == "dog")


@pytest.mark.parametrize(
    "labels",
    [
        None,
        LabelVocabulary(SYNONYMS, SYNONYMS, pool="first"),
        {"cat": ["cat", "okapi"], "dog": ["dog"], "truck": ["yak", "truck"]},
    ],
    ids=["no synonyms", "pool", "no vectors"],
)
def test_only_terms_with_a_vector_are_drawn(plane, pets_and_trucks, labels):
    clf = DeViSEClassifier(plane, labels=labels, loss="mse", max_epochs=3, random_state=0)
    expected = clf.fit(*pets_and_trucks).coef_
    assert np.array_equal(clf.set_params(targets="sample").fit(*pets_and_trucks).coef_, expected)


def test_labels_that_join_later_bring_their_terms(plane):
    clf = DeViSEClassifier(plane, random_state=0, **ONE_STEP)
    clf = pickle.loads(pickle.dumps(clf.partial_fit(X_ONE_STEP[:600], Y_ONE_STEP[:600])))
    clf.partial_fit(X_ONE_STEP, Y_ONE_STEP)
    expected = plane.transform(SYNONYMS["truck"]).mean(axis=0)
    assert_allclose(clf.coef_[:, 2], expected, atol=0.1)
    with pytest.raises(LabelWithoutVectorError, match="okapi"):
        clf.partial_fit(X_ONE_STEP, np.where(Y_ONE_STEP == "cat", "okapi", "dog"))


def test_new_synonyms_count_from_the_next_pass(plane, pets_and_trucks):
    X, y = pets_and_trucks
    clf = DeViSEClassifier(plane, targets="sample", random_state=0).partial_fit(X, y)
    assert clf.net_.criterion_.n_terms.tolist() == [1, 1, 1]
    clf.set_params(labels=SYNONYMS).partial_fit(X, y)
    assert clf.net_.criterion_.n_terms.tolist() == [2, 1, 2]
    clf.set_params(targets="first").partial_fit(X, y)
    assert clf.net_.criterion_.terms is None


def test_trained_label_vectors_have_one_target(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, targets="sample", train_label_vectors=True)
    with pytest.raises(ValueError, match="targets='first'"):
        clf.fit(*pets_and_trucks)
    clf.set_params(targets="first").partial_fit(*pets_and_trucks)
    with pytest.raises(ValueError, match="targets='first'"):
        clf.set_params(targets="sample").partial_fit(*pets_and_trucks)


def test_equal_seeds_draw_equal_terms(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, labels=SYNONYMS, targets="sample", max_epochs=2, random_state=0)
    assert np.array_equal(clf.fit(*pets_and_trucks).coef_, clone(clf).fit(*pets_and_trucks).coef_)
    other = clone(clf).set_params(targets="first").fit(*pets_and_trucks)
    assert not np.array_equal(other.coef_, clf.coef_)


def test_each_term_counts_even_if_two_have_equal_vectors():
    # "car" and "auto" share a vector. Two thirds of the draws have it: the mean is (1, 2) / 3.
    embedder = PretrainedEmbedder({"wheel": [1, 0], "car": [0, 1], "auto": [0, 1], "cat": [1, 0]})
    params = ONE_STEP | {"labels": {"car": ["wheel", "car", "auto"], "cat": ["cat"]}, "lr": 1.0}
    X, y = np.repeat(np.eye(2), 450, axis=0), np.repeat(["car", "cat"], 450)
    clf = DeViSEClassifier(embedder, random_state=0, **params).fit(X, y)
    assert_allclose(clf.coef_[:, 0], [1 / 3, 2 / 3], atol=0.1)
