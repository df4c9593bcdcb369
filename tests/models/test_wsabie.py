import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skdevise import LabelVocabulary, WSABIEClassifier
from skdevise.models._learned_label_nets import make_wsabie_net
from skdevise.models._negatives import first_violation
from skdevise.training._net import TrainingSet

PARAMS = WSABIEClassifier(
    embedding_size=3, max_norm=1.5, lr=0.3, batch_size=1, device="cpu"
).get_params()


@pytest.fixture
def problem():
    """Features (30, 4) and targets of five labels."""
    rng = np.random.default_rng(0)
    targets = rng.integers(5, size=30)
    X = rng.standard_normal((5, 4))[targets] + rng.normal(0, 0.3, (30, 4))
    return X.astype(np.float32), targets


def shorten(vectors, max_norm):
    """Shorten the rows that are longer than max_norm, one by one."""
    for vector in vectors:
        norm = np.sqrt(sum(number**2 for number in vector))
        if norm > max_norm:
            vector *= max_norm / norm


def naive_step(V, W, squares, x, y, negative, n_draws, lr=0.3, max_norm=1.5):
    """Take one step of algorithm 1 with Adagrad: V (d, D), W (Y, d) and `squares` change."""
    rank = (len(W) - 1) // n_draws
    weight = sum(1 / i for i in range(1, rank + 1))
    point = V @ x
    gradients = np.zeros_like(V), np.zeros_like(W)
    gradients[0][:] = weight * np.outer(W[negative] - W[y], x)
    gradients[1][negative] = weight * point
    gradients[1][y] = -weight * point
    for matrix, gradient, square in zip((V, W), gradients, squares, strict=True):
        square += gradient**2
        matrix -= lr * gradient / (np.sqrt(square) + 1e-10)
    shorten(V.T, max_norm)
    shorten(W, max_norm)
    return weight * (1 - W[y] @ point + W[negative] @ point)


def test_training_agrees_with_a_naive_reference_step_by_step(problem):
    X, targets = problem
    net = make_wsabie_net(4, 5, PARAMS, seed=0)
    V = net.module_.weight.detach().numpy().astype(float)
    W = net.criterion_.weight.detach().numpy().astype(float)
    assert np.linalg.norm(V, axis=0).max() <= 1.5 + 1e-6
    squares, ranks = [np.zeros_like(V), np.zeros_like(W)], set()
    for x, y in zip(torch.from_numpy(X), torch.from_numpy(targets), strict=True):
        draws = net.criterion_.generator.clone_state()
        point, vectors = net.module_(x[None]), net.criterion_.weight
        least = (point @ vectors[y])[:1] - 1
        negative, violates, n = first_violation(
            point, y[None], vectors, least, draws, count_draws=True
        )
        if violates:
            ranks.add(4 // n.item())
            naive_step(V, W, squares, x.numpy(), y.item(), negative.item(), n.item())
        net.train_step((x[None], (y[None], None)))
        assert_allclose(net.module_.weight.detach(), V, atol=1e-5)
        assert_allclose(net.criterion_.weight.detach(), W, atol=1e-5)
    assert len(ranks) > 1


def test_two_labels_by_hand():
    # One feature, one dimension: f_c(x) = W_c V x. From V = 0.5, W = (0.4, 0.2), x = 2, y = 0:
    # f = (0.4, 0.2), so label 1 violates the margin. Y - 1 = 1 draw finds it: rank 1, weight 1.
    # The loss is 1 - 0.4 + 0.2 = 0.8. The first step of Adagrad moves each weight by lr = 0.1
    # against the sign of its gradient: V by (0.2 - 0.4) 2 = -0.4, W_0 by -1, W_1 by 1.
    # V then has the norm 0.6, and is shortened to 0.55.
    net = make_wsabie_net(1, 2, PARAMS | {"embedding_size": 1, "max_norm": 0.55, "lr": 0.1}, seed=0)
    with torch.no_grad():
        net.module_.weight.fill_(0.5)
        net.criterion_.weight.copy_(torch.tensor([[0.4], [0.2]]))
    data = TrainingSet(torch.tensor([[2.0]]), [0], [0])
    net.train_epochs(data, 1)
    assert net.history[-1]["train_loss"] == pytest.approx(0.8)
    assert net.module_.weight.item() == pytest.approx(0.55)
    assert net.criterion_.weight.flatten().tolist() == pytest.approx([0.5, 0.1])


def test_predictions_are_the_highest_scores(problem):
    X, targets = problem
    names = np.array(["ant", "bee", "cow", "dog", "emu"])
    clf = WSABIEClassifier(embedding_size=6, lr=0.1, feature_scaling="none", random_state=0)
    clf.fit(X, names[targets])
    scores = X @ clf.coef_.T @ clf.label_vectors_.T
    assert_allclose(clf.transform(X), X @ clf.coef_.T, rtol=1e-5)
    assert_allclose(clf.decision_function(X), scores, atol=1e-5)
    assert_array_equal(clf.predict(X), names[scores.argmax(axis=1)])
    assert clf.score(X, names[targets]) > 0.8
    assert_allclose(clf.decision_function(X, ["emu", "bee"]), scores[:, [4, 1]], atol=1e-5)
    assert np.linalg.norm(clf.coef_, axis=0).max() <= 2 + 1e-5
    assert np.linalg.norm(clf.label_vectors_, axis=1).max() <= 2 + 1e-5
    # All label vectors of the label space have unit length, which the search needs.
    assert_allclose(np.linalg.norm(clf.label_space_.targets, axis=1), 1, rtol=1e-5)


def test_only_training_labels_can_be_answered(pets_and_trucks):
    X, y = pets_and_trucks
    with pytest.raises(ValueError, match="'lynx'"):
        WSABIEClassifier(labels=["cat", "lynx"]).fit(X, y)
    clf = WSABIEClassifier(max_epochs=5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="'lynx'"):
        clf.predict(X, labels=["cat", "lynx"])
    with pytest.warns(UserWarning, match="lynx"):
        answers = clf.predict(X, LabelVocabulary(["truck", "lynx"], on_missing="drop"))
    assert set(answers) == {"truck"}


def test_terms_of_labels_do_not_matter(pets_and_trucks):
    X, y = pets_and_trucks
    numbers = np.unique(y, return_inverse=True)[1]
    labels = LabelVocabulary([0, 1, 2], terms=["pet", "pet", "truck"], templates=["a {}"])
    clf = WSABIEClassifier(labels=labels, random_state=0).fit(X, numbers)
    assert clf.score(X, numbers) == 1


def test_samples_of_weight_zero_are_left_out(pets_and_trucks):
    X, y = pets_and_trucks
    kept = y != "truck"
    clf = WSABIEClassifier(random_state=0).fit(X, y, sample_weight=kept.astype(float))
    assert clf.classes_.tolist() == ["cat", "dog"]
    assert_array_equal(clf.coef_, WSABIEClassifier(random_state=0).fit(X[kept], y[kept]).coef_)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="1 class"):
        WSABIEClassifier().fit([[0], [1]], ["cat", "cat"])
