"""DeViSEClassifier with a function as its loss."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn import functional as F

from skdevise import DeViSEClassifier, load, save
from skdevise.exceptions import UntrustedError


def one_minus_cosine(points, target, vectors):
    return 1 - F.cosine_similarity(points, vectors[target])


def hinge_of_all(points, target, vectors):
    scores = points @ vectors.T
    violations = 0.1 + scores - scores.gather(1, target[:, None])
    return violations.clamp_min(0).sum(dim=1) - 0.1  # The true label is not a violation.


@pytest.fixture
def clf(plane):
    return DeViSEClassifier(plane, loss=one_minus_cosine, random_state=0)


def test_a_function_trains_like_the_named_loss(clf, pets_and_trucks):
    X, y = pets_and_trucks
    clf.set_params(projection=nn.Linear, lr=0.05)  # Both start from the same random weights.
    own, named = (clone(clf).set_params(loss=loss).fit(X, y) for loss in (clf.loss, "cosine"))
    np.testing.assert_allclose(own.transform(X), named.transform(X), atol=1e-5)


def test_a_function_gets_the_learning_rate_of_the_hinge_rank_loss(clf):
    X, y = np.repeat(np.eye(3), 4, axis=0), np.repeat(["cat", "dog", "truck"], 4)
    clf.set_params(feature_scaling="l2")
    named = clone(clf).set_params(loss="hinge_rank").fit(X, y)
    assert clf.fit(X, y).lr_ == named.lr_


def test_a_function_sees_the_vectors_of_all_labels_in_the_loss(plane, pets_and_trucks):
    sizes = set()

    def recorded(points, target, vectors):
        sizes.add((points.shape[1], len(vectors)))
        assert target.dtype == torch.int64
        return hinge_of_all(points, target, vectors)

    clf = DeViSEClassifier(plane, loss=recorded, negative_labels=["lorry"], random_state=0)
    X, y = pets_and_trucks
    assert clf.fit(X, y).score(X, y) == 1
    assert sizes == {(2, 4)}  # The calibration holds out none of three classes.


def test_trained_label_vectors_follow_a_function(plane, pets_and_trucks):
    clf = DeViSEClassifier(plane, loss=hinge_of_all, train_label_vectors=True, random_state=0)
    vectors = clf.fit(*pets_and_trucks).embedder_.transform(["cat"])
    assert not np.allclose(vectors, plane.transform(["cat"]), atol=1e-3)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda *args: one_minus_cosine(*args).mean(), r"shape \(\).*\(60,\)"),
        (lambda *args: one_minus_cosine(*args)[:, None], r"shape \(60, 1\)"),
        (lambda *args: 1.0, "float"),
    ],
    ids=["scalar", "column", "number"],
)
def test_a_loss_of_the_wrong_form_is_refused(clf, pets_and_trucks, loss, expected):
    with pytest.raises((TypeError, ValueError), match=expected):
        clf.set_params(loss=loss, batch_size=60).fit(*pets_and_trucks)


def test_a_class_of_torch_that_takes_other_arguments_keeps_its_own_error(clf, pets_and_trucks):
    with pytest.raises(TypeError, match="forward"):
        clf.set_params(loss=nn.CrossEntropyLoss()).fit(*pets_and_trucks)


def test_a_function_does_not_get_random_terms(clf, pets_and_trucks):
    with pytest.raises(ValueError, match="targets='sample'"):
        clf.set_params(targets="sample").fit(*pets_and_trucks)


def test_a_function_is_saved_by_its_name(clf, pets_and_trucks, tmp_path):
    X, y = pets_and_trucks
    clf.fit(X, y)
    path = tmp_path / "model.safetensors"
    save(clf, path)
    with pytest.raises(UntrustedError, match="one_minus_cosine"):
        load(path)
    loaded = load(path, trusted=[f"{__name__}:one_minus_cosine"])
    assert np.array_equal(loaded.coef_, clf.coef_)
    same = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(same.partial_fit(X, y).coef_, loaded.partial_fit(X, y).coef_)
