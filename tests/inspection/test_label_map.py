import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdevise import Hierarchy, LabelVocabulary, PretrainedEmbedder, RandomEmbedder
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.inspection import LabelMapDisplay
from skdevise.inspection._groups import hypernym_groups

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.mark.parametrize(("n_labels", "n_written"), [(50, 40), (1000, 50)])
def test_texts_neither_overlap_nor_leave_the_frame(n_labels, n_written):
    points = np.random.default_rng(0).standard_normal((n_labels, 2))
    names = [f"label {i} " + "x" * (i % 9) for i in range(n_labels)]
    display = LabelMapDisplay(points, names, np.arange(n_labels) % 5).plot()
    assert n_written <= len(display.texts_) <= 60
    low, high = np.split(
        np.array([text.get_window_extent().extents for text in display.texts_]), 2, axis=1
    )
    overlap = ((low[:, None] < high) & (high[:, None] > low)).all(axis=2)
    assert overlap.sum() == len(display.texts_)  # Each overlaps only itself.
    frame = display.ax_.get_window_extent()
    assert (low >= frame.min).all()
    assert (high <= frame.max).all()


def test_texts_avoid_points_without_a_text():
    points = np.random.default_rng(0).uniform(size=(90, 2))
    display = LabelMapDisplay(points, [f"label {i}" for i in range(90)]).plot()
    pixels = display.ax_.transData.transform(points)
    boxes = np.array([text.get_window_extent().extents for text in display.texts_])[:, None]
    is_covered = ((pixels > boxes[..., :2]) & (pixels < boxes[..., 2:])).all(axis=2)
    assert is_covered.sum() <= 2  # It was 6 when texts only avoided points with a text.


def test_a_text_is_near_its_point_in_a_shade_of_its_colour():
    display = LabelMapDisplay([[0, 0], [1, 0], [0, 5]], ["cat", "dog", "car"]).plot()
    text = display.texts_[1]
    assert text.get_text() == "dog"
    box = text.get_window_extent()
    pixel = display.ax_.transData.transform([1, 0])
    assert np.maximum(box.min - pixel, pixel - box.max).max() < 30
    drawn = display.ax_.collections[0].get_facecolor()[0, :3]
    ratio = np.array(text.get_color()) / drawn
    assert_allclose(ratio, ratio[0])  # Mixed with black.


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


@pytest.mark.parametrize(
    "groups",
    [
        {"cat": "pet", "dog": "pet", "car": "vehicle"},
        ["pet", "pet", "vehicle", "other"],
        lambda label: {"car": "vehicle", "sky": "other"}.get(label, "pet"),
    ],
    ids=["dict", "list", "callable"],
)
def test_the_legend_lists_the_largest_group_first_and_other_last(groups):
    display = LabelMapDisplay(np.eye(4)[:, :2], ["cat", "dog", "car", "sky"], groups).plot()
    assert legend_of(display) == ["pet (2)", "vehicle (1)", "other (1)"]


def test_without_groups_there_is_no_legend():
    assert LabelMapDisplay([[0, 0]], ["cat"]).plot().ax_.get_legend() is None


def test_numbers_and_text_are_different_labels():
    display = LabelMapDisplay([[0, 0], [1, 1]], [1, "1"], {1: "number", "1": "text"})
    assert display.labels == ["1", "1"]
    assert display.groups == ["number", "text"]


def test_labels_and_groups_may_be_iterators():
    display = LabelMapDisplay(np.eye(2), (c for c in "ab"), (c for c in "xy"))
    assert (display.labels, display.groups) == (["a", "b"], ["x", "y"])


def test_labels_and_groups_are_not_parsed_as_formulas():
    # matplotlib could not parse the first one, and would typeset the second.
    names = [r"$\x$", "$x^2$"]
    display = LabelMapDisplay(np.eye(2), names, names).plot()
    display.figure_.draw_without_rendering()
    assert [text.get_text() for text in display.texts_] == names
    assert legend_of(display) == [r"$\x$ (1)", "$x^2$ (1)"]
    texts = [*display.texts_, *display.ax_.get_legend().get_texts()]
    assert not any(text.get_parse_math() for text in texts)


def test_a_group_may_begin_with_an_underscore():
    display = LabelMapDisplay(np.eye(2), ["a", "b"], ["_a", "b"]).plot()
    assert legend_of(display) == ["_a (1)", "b (1)"]


def test_groups_differ_in_colours_and_markers():
    groups = [f"group {i:02}" for i in range(12)]
    display = LabelMapDisplay(np.random.default_rng(0).random((12, 2)), groups, groups).plot()
    looks = {
        (tuple(drawn.get_facecolor()[0]), drawn.get_paths()[0].vertices.tobytes())
        for drawn in display.ax_.collections
    }
    assert len(looks) == 12


@pytest.mark.parametrize(
    ("points", "labels", "groups", "named"),
    [
        ([[0, 0]], ["cat", "dog"], None, r"2 labels.*\(1, 2\)"),
        ([[0, 0, 0]], ["cat"], None, r"\(1, 3\)"),
        ([[0, 0], [np.nan, 1]], ["cat", "dog"], None, r"'dog'.*\[nan, 1.0\]"),
        ([[0, 0]], ["cat"], ["pet", "pet"], "1 labels.*2 groups"),
        ([[0, 0]], ["cat"], [np.nan], "'cat'.*nan"),
        ([[0, 0]], ["cat"], {}.get, "'cat'.*None"),
        ([[0, 0]], ["cat"], [["pet"]], r"'cat'.*\['pet'\]"),
    ],
)
def test_invalid_arguments_are_named(points, labels, groups, named):
    with pytest.raises(ValueError, match=named):
        LabelMapDisplay(points, labels, groups)


@pytest.mark.parametrize("groups", [3, "pet"])
def test_groups_of_an_unsupported_type_are_named(groups):
    with pytest.raises(TypeError, match=repr(groups)):
        LabelMapDisplay([[0, 0]], ["cat"], groups)


# From an embedder


@pytest.fixture
def two_heaps():
    """Ten vectors near each of two axes."""
    rng = np.random.default_rng(0)
    axes = np.repeat(np.eye(8)[:2], 10, axis=0)
    names = [f"{kind}{i}" for kind in "ab" for i in range(10)]
    return names, PretrainedEmbedder((names, axes + rng.normal(scale=0.05, size=axes.shape)))


def test_near_vectors_lie_near_each_other(two_heaps):
    names, embedder = two_heaps
    display = LabelMapDisplay.from_embedder(embedder, names, lambda label: label[0])
    first, second = display.points[:10], display.points[10:]
    apart = np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))
    assert apart > 2 * max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert legend_of(display) == ["a (10)", "b (10)"]


def test_the_same_seed_gives_the_same_map(two_heaps):
    names, embedder = two_heaps
    fig, axes = plt.subplots(1, 2)
    maps = [LabelMapDisplay.from_embedder(embedder, names, ax=ax) for ax in axes]
    assert_array_equal(maps[0].points, maps[1].points)
    assert maps[1].ax_ is axes[1]
    assert maps[1].figure_ is fig


def test_the_first_term_is_written_and_dropped_labels_are_left_out():
    terms = {1: ["house_cat", "puss"], 2: "dog", 3: "car", 4: "bus", 5: "gerenuk"}
    embedder = PretrainedEmbedder(
        dict(zip(["house cat", "dog", "car", "bus"], np.eye(4), strict=True))
    )
    vocabulary = LabelVocabulary(list(terms), terms, on_missing="drop")
    with pytest.warns(UserWarning, match="5"):
        display = LabelMapDisplay.from_embedder(embedder, vocabulary, {1: "pet", 2: "pet"})
    assert display.labels == ["house cat", "dog", "car", "bus"]
    assert display.groups == ["pet", "pet", "other", "other"]


def test_names_are_written_as_they_are():
    embedder = PretrainedEmbedder(dict(zip(["cat", "dog", "car", "bus"], np.eye(4), strict=True)))
    terms = {"Katze": "cat", "Hund": ["dog", "hound"], "n02958343": "car", "Omni_bus": "bus"}
    display = LabelMapDisplay.from_embedder(embedder, terms)
    assert display.labels == ["Katze", "Hund", "car", "Omni bus"]


@pytest.mark.parametrize("templates", [None, ["a {}"]])
def test_a_number_is_written_as_the_term_that_gives_its_vector(templates):
    words = dict(zip(["a", "b", "c", "d"], np.eye(4), strict=True))
    terms = [["q", "a"], "b", "c", ["d", "a"]]
    vocabulary = LabelVocabulary([1, 2, 3, 4], terms, templates=templates)
    display = LabelMapDisplay.from_embedder(PretrainedEmbedder(words), vocabulary)
    assert display.labels == ["a", "b", "c", "d"]


def test_labels_without_a_vector_are_named(two_heaps):
    with pytest.raises(LabelWithoutVectorError, match="gerenuk"):
        LabelMapDisplay.from_embedder(two_heaps[1], ["a1", "a2", "a3", "gerenuk"])


def test_a_map_needs_four_labels(two_heaps):
    with pytest.raises(ValueError, match="3 labels"):
        LabelMapDisplay.from_embedder(two_heaps[1], ["a1", "a2", "a3"])


@pytest.mark.parametrize(
    ("vector", "message"),
    [([1, 2], "5"), ([1], "1-d")],
)
def test_a_map_needs_different_vectors_of_two_dimensions(vector, message):
    # Unit vectors that are equal up to rounding can crash t-SNE.
    embedder = PretrainedEmbedder((list("abcde"), np.outer(np.arange(1, 6) / 7, vector)))
    with pytest.raises(ValueError, match=message):
        LabelMapDisplay.from_embedder(embedder, list("abcde"))


@pytest.mark.parametrize("make", ["init", "from_embedder"])
def test_a_hierarchy_gives_the_groups(make):
    tree = Hierarchy.from_edges(
        [("thing", "pet"), ("thing", "tool"), *(("pet", f"p{i}") for i in range(3))]
        + [("tool", f"t{i}") for i in range(21)]
    )
    labels = [*(f"p{i}" for i in range(3)), *(f"t{i}" for i in range(21))]
    if make == "init":
        display = LabelMapDisplay(np.random.default_rng(0).random((24, 2)), labels, tree).plot()
    else:
        display = LabelMapDisplay.from_embedder(RandomEmbedder(8), labels, tree)
    # "tool" covers 21 of 24 labels and "thing" all, which is too general.
    assert legend_of(display) == ["pet (3)", "other (21)"]


# Hypernyms


def test_the_largest_hypernym_that_is_not_too_general_goes_first():
    # c covers 3 of 8 labels, and a covers 5, which is too many. After c, b covers the most: 2.
    tree = Hierarchy.from_edges(
        [("root", "a"), ("a", "b"), ("a", "c"), ("root", "d")]
        + [("b", "b1"), ("b", "b2"), ("c", "c1"), ("c", "c2"), ("c", "c3")]
        + [("d", "d1"), ("root", "e1"), ("root", "e2")]
    )
    labels = ["b1", "b2", "c1", "c2", "c3", "d1", "e1", "e2"]
    groups = hypernym_groups(labels, tree, largest=0.5)
    assert groups == dict(
        zip(labels, ["b", "b", "c", "c", "c", "other", "other", "other"], strict=True)
    )
    assert set(hypernym_groups(labels, tree, n_groups=1, largest=0.5).values()) == {"c", "other"}


def test_of_hypernyms_with_the_same_labels_the_most_specific_gives_the_name():
    tree = Hierarchy.from_edges(
        [("top", "upper"), ("upper", "lower"), ("lower", "x"), ("lower", "y"), ("top", "z")]
    )
    groups = hypernym_groups(["x", "y", "z"], tree, largest=0.7)
    assert groups == {"x": "lower", "y": "lower", "z": "other"}


def test_groups_are_read_by_the_index_of_a_series():
    groups = pd.Series({"b": "y", "a": "x"})
    assert LabelMapDisplay(np.eye(2), ["a", "b"], groups).groups == ["x", "y"]
    assert LabelMapDisplay(np.eye(2), ["a", "b"], pd.Series(["y", "x"])).groups == ["y", "x"]
    with pytest.raises(TypeError, match="set"):
        LabelMapDisplay(np.eye(2), ["a", "b"], {"x", "y"})


def test_hypernyms_may_be_numbers_and_text():
    tree = Hierarchy.from_edges([(1, "a"), (1, "b"), ("x", "c"), ("x", "d")])
    groups = hypernym_groups(["a", "b", "c", "d"], tree, largest=0.6)
    assert groups == {"a": "1", "b": "1", "c": "x", "d": "x"}
