import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdevise.models._features import ClassMeans, Samples

CLASSES = np.array(["cat", "lynx", "truck"])


def make_samples(X, targets, weight=None):
    return Samples(X, X, np.arange(len(X)), targets, weight)


def test_the_mean_of_a_class_is_that_of_all_its_samples():
    X = np.random.default_rng(0).uniform(1, 2, (30, 3))
    targets, weight = np.resize([0, 2, 1], 30), np.random.default_rng(1).uniform(0, 1, 30)
    means = ClassMeans()
    for part in (slice(9), slice(9, 30)):
        means = means.updated(make_samples(X[part], targets[part], weight[part]), CLASSES)
    assert set(means.known) == {"cat", "truck", "lynx"}
    for label, (mean, total) in means.known.items():
        rows = CLASSES[targets] == label
        assert total == pytest.approx(weight[rows].sum())
        assert_allclose(mean, np.average(X[rows], axis=0, weights=weight[rows]))


def test_absent_classes_are_found_among_the_present_classes():
    # Seen: cat (mean 2) and truck (mean 5). With "ant" as a new class, truck moves to column 3.
    means = ClassMeans().updated(make_samples(np.array([[1.0], [3], [5]]), [0, 0, 2]), CLASSES)
    classes = np.array(["ant", "cat", "lynx", "truck"])
    replayed, targets = means.absent_from(make_samples(np.array([[9.0], [9]]), [0, 1]), classes)
    assert_allclose(replayed, [[5]])
    assert targets.tolist() == [3]
    assert means.absent_from(make_samples(np.array([[9.0], [9]]), [1, 3]), classes) is None
