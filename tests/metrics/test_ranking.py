import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skdevise import Hierarchy
from skdevise.inspection import HierarchicalPrecisionDisplay, HierarchyConfusionDisplay
from skdevise.metrics import hierarchical_precision_at_k, hit_at_k

# The true label is first, second, third, and absent.
Y_TRUE = ["cat", "cat", "dog", "rat"]
Y_TOP = [["cat", "dog", "rat"], ["dog", "cat", "rat"], ["rat", "cat", "dog"], ["dog", "cat", "elk"]]
LEAVES = ["cat", "beagle", "husky"]


@pytest.mark.parametrize(("k", "expected"), [(1, 1 / 4), (2, 2 / 4), (3, 3 / 4)])
def test_a_hit_is_a_true_label_among_the_first_k(k, expected):
    assert hit_at_k(Y_TRUE, Y_TOP, k) == expected
    assert hit_at_k(np.array(Y_TRUE, dtype=object), np.array(Y_TOP), k) == expected


def test_k_is_1_by_default():
    assert hit_at_k(Y_TRUE, Y_TOP) == 1 / 4


def test_samples_may_have_weights():
    # At 2 the first two are hits: (1 + 2) / (1 + 2 + 3 + 4).
    assert hit_at_k(Y_TRUE, Y_TOP, 2, sample_weight=[1, 2, 3, 4]) == pytest.approx(3 / 10)


def test_the_mean_over_classes_counts_each_class_once():
    # At 1: one of two cats, no dog, no rat. At 3: both cats, the dog, no rat.
    assert hit_at_k(Y_TRUE, Y_TOP, 1, average="class") == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert hit_at_k(Y_TRUE, Y_TOP, 3, average="class") == pytest.approx(2 / 3)


def test_weights_count_within_a_class():
    # Cats: 1 of 1 + 3. The rat has weight 0, so its class does not count.
    score = hit_at_k(Y_TRUE, Y_TOP, 1, sample_weight=[1, 3, 7, 0], average="class")
    assert score == pytest.approx((1 / 4 + 0) / 2)


def test_arguments_may_be_tensors(device):
    y_true = torch.tensor([1, 2], device=device)
    y_top = torch.tensor([[1, 3], [3, 2]], device=device)
    options = {"dtype": torch.bfloat16, "device": device, "requires_grad": True}
    weight = torch.tensor([1.0, 3.0], **options)
    assert hit_at_k(y_true, y_top, 1, sample_weight=weight) == 1 / 4
    assert hit_at_k(list(y_true), list(y_top), 1, sample_weight=list(weight)) == 1 / 4


def test_true_labels_may_be_a_column():
    assert hit_at_k(np.array([["a"], ["b"]]), [["a", "c"], ["a", "c"]], 1) == 1 / 2


labels = st.sampled_from("abcd")
answers = st.lists(st.tuples(labels, st.permutations("abcd")), min_size=1, max_size=12)
averages = st.sampled_from(["sample", "class"])


@settings(deadline=None, max_examples=50)
@given(answers, averages)
def test_more_answers_never_hit_less_and_all_labels_always_hit(samples, average):
    y_true, y_top = zip(*samples, strict=True)
    hits = [hit_at_k(y_true, y_top, k, average=average) for k in (1, 2, 3, 4)]
    assert (np.diff(hits) >= -1e-12).all()
    assert hits[-1] == 1


@settings(deadline=None, max_examples=50)
@given(answers, st.lists(st.integers(1, 3), min_size=12, max_size=12), averages)
def test_a_weight_is_a_number_of_copies(samples, weights, average):
    weights = weights[: len(samples)]
    y_true, y_top = map(np.array, zip(*samples, strict=True))
    copies = np.repeat(np.arange(len(samples)), weights)
    weighted = hit_at_k(y_true, y_top, 2, sample_weight=weights, average=average)
    assert weighted == pytest.approx(hit_at_k(y_true[copies], y_top[copies], 2, average=average))


def test_classes_of_numbers_and_text_are_averaged():
    y_true, y_top = np.array([1, "cat", "cat"], object), np.array([[1], ["cat"], [1]], object)
    assert hit_at_k(y_true, y_top, average="class") == pytest.approx((1 + 1 / 2) / 2)


# Hierarchical precision


@pytest.mark.parametrize(
    ("y_top", "k", "expected"),
    # From beagle, the correct sets are {beagle} at 1, {beagle, husky} at 2, all leaves at 3.
    [
        (["beagle", "cat", "husky"], 1, 1),
        (["husky", "beagle", "cat"], 1, 0),
        (["beagle", "cat", "husky"], 2, 1 / 2),
        (["husky", "beagle", "cat"], 2, 1),
        (["husky", "beagle", "cat"], 3, 1),
        (["dog", "beagle", "animal"], 3, 1 / 3),
    ],
)
def test_an_answer_is_correct_if_it_is_in_the_correct_set(tiny_tree, y_top, k, expected):
    score = hierarchical_precision_at_k(["beagle"], [y_top], k, tiny_tree, LEAVES)
    assert score == pytest.approx(expected)


def test_answers_beyond_k_need_not_be_in_the_hierarchy(tiny_tree):
    score = hierarchical_precision_at_k(["cat"], [["cat", "emu"]], 1, tiny_tree, LEAVES)
    assert score == 1


@pytest.fixture
def three_samples():
    """At 2: both answers are correct (beagle), one is (beagle), one is (cat: its set is LEAVES)."""
    y_true = ["beagle", "beagle", "cat"]
    return y_true, [["husky", "beagle"], ["husky", "cat"], ["cat", "animal"]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, (1 + 1 / 2 + 1 / 2) / 3),
        ({"sample_weight": [2, 1, 1]}, (2 + 1 / 2 + 1 / 2) / 4),
        ({"average": "class"}, (3 / 4 + 1 / 2) / 2),
        ({"average": "class", "sample_weight": [3, 1, 9]}, (7 / 8 + 1 / 2) / 2),
    ],
)
def test_precision_is_averaged_over_samples_or_classes(tiny_tree, three_samples, params, expected):
    score = hierarchical_precision_at_k(*three_samples, 2, tiny_tree, LEAVES, **params)
    assert score == pytest.approx(expected)


@settings(deadline=None, max_examples=50)
@given(answers, averages)
def test_at_one_it_equals_the_hit_rate(samples, average):
    y_true, y_top = zip(*samples, strict=True)
    edges = [("root", "a"), ("root", "b"), ("b", "c"), ("b", "d"), ("a", "d")]
    hierarchical = hierarchical_precision_at_k(
        y_true, y_top, 1, Hierarchy.from_edges(edges), list("abcd"), average=average
    )
    assert hierarchical == pytest.approx(hit_at_k(y_true, y_top, 1, average=average))


def precision_naively(y_true, y_top, k, edges, valid, weights, average):
    """Compute hp@k with sets: one radius after another, one sample after another."""
    neighbours = {}
    for parent, child in edges:
        neighbours.setdefault(parent, set()).add(child)
        neighbours.setdefault(child, set()).add(parent)
    shares = []
    for label, top in zip(y_true, y_top, strict=True):
        near = {label}
        while len(near & valid) < k:
            wider = near.union(*(neighbours[node] for node in near))
            if wider == near:
                break
            near = wider
        shares.append(sum(answer in near & valid for answer in top[:k]) / k)
    shares, weights = np.array(shares), np.array(weights, dtype=float)
    if average == "sample":
        return (shares * weights).sum() / weights.sum()
    groups = [[other == label for other in y_true] for label in set(y_true)]
    return np.mean([(shares * weights)[rows].sum() / weights[rows].sum() for rows in groups])


@st.composite
def answered_dags(draw):
    """Edges from lower to higher numbers, valid nodes, and four answers to each true label."""
    pairs = st.tuples(st.integers(0, 11), st.integers(0, 11))
    edges = draw(st.lists(pairs.filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=25))
    node = st.sampled_from(sorted({node for pair in edges for node in pair}))
    valid = draw(st.sets(node, min_size=1))
    samples = st.tuples(node, st.lists(node, min_size=4, max_size=4), st.integers(1, 5))
    return edges, valid, zip(*draw(st.lists(samples, min_size=1, max_size=12)), strict=True)


@settings(deadline=None, max_examples=100)
@given(answered_dags(), st.integers(1, 4), averages)
def test_precision_equals_a_naive_computation(answered, k, average):
    edges, valid, (y_true, y_top, weights) = answered
    score = hierarchical_precision_at_k(
        *(y_true, y_top, k, Hierarchy.from_edges(edges), sorted(valid)),
        sample_weight=weights,
        average=average,
    )
    naive = precision_naively(y_true, y_top, k, edges, valid, weights, average)
    assert score == pytest.approx(naive, abs=1e-12)


def test_labels_may_be_whole_numbers():
    tree = Hierarchy.from_edges([(0, 1), (0, 2), (2, 3), (2, 4)])
    # From 3 at 2: {3, 4}.
    assert hierarchical_precision_at_k([3], [[4, 1]], 2, tree, [1, 3, 4]) == 1 / 2


# Errors


@pytest.fixture(params=["hit", "hierarchical"])
def metric(request, tiny_tree):
    """Either metric, with the signature of `hit_at_k`."""
    if request.param == "hit":
        return hit_at_k
    return lambda y_true, y_top, k=1, **params: hierarchical_precision_at_k(
        y_true, y_top, k, tiny_tree, LEAVES, **params
    )


@pytest.mark.parametrize(
    ("y_true", "y_top", "params", "named"),
    [
        (["cat"], [["cat"], ["cat"]], {}, "inconsistent numbers of samples"),
        ([], np.empty((0, 1)), {}, "no samples"),
        (["cat"], [["cat"]], {"k": 2}, r"k=2.*\(1, 1\)"),
        (["cat"], [["cat"]], {"k": 0}, "k=0"),
        (["cat", "cat"], ["cat", "dog"], {}, r"\(2,\)"),
        (["cat"], [["cat"]], {"average": "macro"}, r"\baverage='macro'"),
        (["cat"], [["cat"]], {"sample_weight": [1, 2]}, "inconsistent numbers of samples"),
        ([["cat", "dog"]], [["cat"]], {}, "1d array"),
    ],
)
def test_invalid_arguments_are_named(metric, y_true, y_top, params, named):
    with pytest.raises(ValueError, match=named):
        metric(y_true, y_top, **params)


def test_a_table_of_answers_is_not_taken_for_an_array():
    table = pd.DataFrame({"rank": [1, 2], "label": ["cat", "dog"], "score": [0.9, 0.1]})
    with pytest.raises(ValueError, match=r"\(2, 3\).*predict_top_k"):
        hit_at_k(["cat"], table)
    wide = pd.DataFrame([["cat", "dog"]])
    assert hit_at_k(["dog"], wide, k=2) == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_top", "valid"),
    [("emu", "cat", LEAVES), ("cat", "emu", LEAVES), ("cat", "cat", [*LEAVES, "emu"])],
)
def test_labels_missing_from_the_hierarchy_are_named(tiny_tree, y_true, y_top, valid):
    with pytest.raises(ValueError, match="emu"):
        hierarchical_precision_at_k([y_true], [[y_top]], 1, tiny_tree, valid)


def test_the_arguments_stay_unchanged(tiny_tree):
    y_true, y_top = np.array(["cat", "husky"]), np.array([["cat", "husky"], ["cat", "beagle"]])
    before = y_true.copy(), y_top.copy()
    hierarchical_precision_at_k(y_true, y_top, 2, tiny_tree, LEAVES)
    assert_array_equal(y_true, before[0])
    assert_array_equal(y_top, before[1])


@pytest.mark.parametrize("k", [1.0, "1"])
def test_k_must_be_a_whole_number(k):
    with pytest.raises(ValueError, match=f"k={k!r}"):
        hit_at_k(["cat"], [["cat"]], k=k)


def test_text_cannot_be_compared_with_numbers():
    with pytest.raises(ValueError, match="int64.*<U1"):
        hit_at_k([1, 2], [["1"], ["2"]], 1)
    assert hit_at_k(np.array(["1", 2], dtype=object), [["1"], ["2"]], 1) == 0.5


@pytest.mark.parametrize("average", ["sample", "class"])
@pytest.mark.parametrize("weights", [[0, 0], [-1, 2], [1, np.nan], [[1], [1]]])
def test_weights_without_a_mean_are_refused(weights, average):
    with pytest.raises(ValueError, match="[Ss]ample.weight"):
        hit_at_k(["a", "b"], [["a"], ["a"]], sample_weight=weights, average=average)


def make_column(library, values):
    """A column of labels of a library."""
    module = pytest.importorskip(library, reason=f"{library} is not installed.")
    return (getattr(module, "Series", None) or module.array)(values)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_labels_may_be_columns_of_any_library(library, tiny_tree):
    y_true, y_top = make_column(library, ["beagle", "cat"]), [["husky"], ["cat"]]
    assert hit_at_k(y_true, y_top) == 0.5
    leaves = make_column(library, ["cat", "beagle", "husky"])
    assert hierarchical_precision_at_k(y_true, y_top, 1, tiny_tree, leaves) == 0.5
    assert tiny_tree.positions(y_true).tolist() == tiny_tree.positions(["beagle", "cat"]).tolist()


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="StringDType needs NumPy 2.")
def test_labels_may_be_of_numpys_string_dtype(tiny_tree):
    y_true = np.array(["beagle", "cat"], dtype=np.dtypes.StringDType())
    y_top = np.array([["husky"], ["cat"]], dtype=np.dtypes.StringDType())
    assert hit_at_k(y_true, y_top) == hit_at_k(["beagle", "cat"], y_top) == 0.5
    assert hierarchical_precision_at_k(y_true, y_top, 1, tiny_tree, ["cat", "beagle"]) == 0.5


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_true_label_is_refused(missing):
    with pytest.raises(ValueError, match=r"\by_true\b.*row 0"):
        hit_at_k([missing, "cat"], [["cat"], ["cat"]])


@pytest.mark.parametrize("hierarchy", ["wordnet", None])
def test_what_is_no_hierarchy_is_refused(hierarchy):
    with pytest.raises(TypeError, match=repr(hierarchy)):
        hierarchical_precision_at_k(["cat"], [["cat"]], 1, hierarchy, ["cat"])
    displays = HierarchicalPrecisionDisplay, HierarchyConfusionDisplay
    for display in displays:  # before the classifier does any work
        with pytest.raises(TypeError, match=repr(hierarchy)):
            display.from_estimator(None, None, ["cat"], hierarchy=hierarchy)
