import pickle
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone

from skdevise import Hierarchy
from skdevise.datasets import load_imagenet_labels

LEAVES = ["cat", "beagle", "husky"]


@pytest.fixture
def two_parents():
    """dog below canine and pet, cat below feline and pet, all below animal; a rock apart."""
    return Hierarchy.from_edges(
        [
            *(("animal", "canine"), ("animal", "feline"), ("animal", "pet")),
            *(("canine", "dog"), ("pet", "dog"), ("feline", "cat"), ("pet", "cat")),
            *(("canine", "wolf"), ("stone", "rock")),
        ]
    )


# Correct sets


@pytest.mark.parametrize(
    ("k", "expected"),
    # From beagle: radius 0 {beagle}, 1 {dog}, 2 {animal, husky}, 3 {cat}.
    [
        (1, {"beagle"}),
        (2, {"beagle", "husky"}),
        (3, {"beagle", "husky", "cat"}),
        (9, {"beagle", "husky", "cat"}),
    ],
)
def test_the_correct_set_grows_by_whole_radii(tiny_tree, k, expected):
    assert tiny_tree.correct_set("beagle", k, valid=LEAVES) == expected


def test_a_whole_radius_is_added_at_once(tiny_tree):
    # From dog: radius 0 {dog}, 1 {animal, beagle, husky}: four, though two would do.
    everything = tiny_tree.labels
    assert tiny_tree.correct_set("dog", 2, everything) == {"dog", "animal", "beagle", "husky"}


def test_a_label_that_is_not_valid_is_not_in_its_own_set(tiny_tree):
    assert tiny_tree.correct_set("dog", 1, valid=LEAVES) == {"beagle", "husky"}
    assert tiny_tree.correct_set("animal", 1, valid=["cat", "husky"]) == {"cat"}


def test_with_several_parents_the_shortest_way_counts(two_parents):
    # dog - pet - cat is 2 long, dog - canine - animal - feline - cat is 4; the wolf is 2 away too.
    assert two_parents.correct_set("dog", 2, ["dog", "cat", "wolf"]) == {"dog", "cat", "wolf"}
    # From the wolf: the dog at 2, the cat over dog and pet, or animal and feline, at 4.
    assert two_parents.correct_set("wolf", 2, ["wolf", "dog", "cat"]) == {"wolf", "dog"}


def test_what_cannot_be_reached_is_never_right(two_parents):
    assert two_parents.correct_set("rock", 2, ["rock", "dog"]) == {"rock"}
    assert two_parents.correct_set("rock", 1, ["dog"]) == set()


def test_labels_that_the_hierarchy_lacks_are_named(tiny_tree):
    with pytest.raises(ValueError, match=r"does not know \['emu'\]"):
        tiny_tree.correct_set("emu", 1, LEAVES)
    with pytest.raises(ValueError, match=r"does not know \['elk', 'emu'\].*Hierarchy\.rename"):
        tiny_tree.correct_set("cat", 1, ["emu", "cat", "elk", "emu"])
    with pytest.raises(ValueError, match=r"does not know \['emu'\]"):
        tiny_tree.ancestors("emu")


def distances(edges, start):
    """Edges on the shortest way from `start` to each node, by a queue."""
    found = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for parent, child in edges:
            for here, there in ((parent, child), (child, parent)):
                if here == node and there not in found:
                    found[there] = found[node] + 1
                    queue.append(there)
    return found


def correct_set_naively(edges, label, k, valid):
    distance = distances(edges, label)
    correct = set()
    for radius in range(len(edges) + 1):
        correct |= {node for node in valid if distance.get(node) == radius}
        if len(correct) >= k:
            break
    return correct


@st.composite
def random_dags(draw):
    """Edges from lower to higher numbers cannot run in a circle."""
    pairs = st.tuples(st.integers(0, 11), st.integers(0, 11))
    edges = draw(st.lists(pairs.filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=25))
    nodes = sorted({node for pair in edges for node in pair})
    valid = draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))
    return edges, draw(st.sampled_from(nodes)), valid


@settings(deadline=None, max_examples=50)
@given(random_dags(), st.integers(1, 12))
def test_correct_sets_equal_a_breadth_first_search(dag, k):
    edges, label, valid = dag
    hierarchy = Hierarchy.from_edges(edges)
    assert hierarchy.correct_set(label, k, valid) == correct_set_naively(edges, label, k, valid)


@settings(deadline=None, max_examples=50)
@given(random_dags(), st.lists(st.integers(1, 12), min_size=1).map(sorted))
def test_correct_sets_for_several_k_at_once_equal_those_for_one(dag, ks):
    edges, label, valid = dag
    hierarchy = Hierarchy.from_edges(edges)
    is_valid = np.isin(hierarchy.labels, valid)
    [start] = hierarchy.positions([label])
    several = hierarchy.correct_positions(start, ks, is_valid)
    assert [set(hierarchy.labels[found].tolist()) for found in several] == [
        hierarchy.correct_set(label, k, valid) for k in ks
    ]


# Ancestors and terms


def test_ancestors_are_all_that_a_label_is_a_kind_of(tiny_tree, two_parents):
    assert tiny_tree.ancestors("husky") == {"dog", "animal"}
    assert tiny_tree.ancestors("animal") == set()
    assert two_parents.ancestors("dog") == {"canine", "pet", "animal"}


@settings(deadline=None, max_examples=50)
@given(random_dags())
def test_ancestors_are_parents_and_their_ancestors(dag):
    edges, label, _ = dag
    hierarchy = Hierarchy.from_edges(edges)
    parents = {parent for parent, child in edges if child == label}
    assert hierarchy.ancestors(label) == parents.union(*map(hierarchy.ancestors, parents))


def test_a_label_is_its_own_term_unless_terms_are_given(tiny_tree):
    assert tiny_tree.terms("dog") == ("dog",)
    hierarchy = Hierarchy(["animal", "dog"], [(0, 1)], terms=[["animal"], ["dog", "hound"]])
    assert hierarchy.terms("dog") == ("dog", "hound")


def test_membership_is_that_of_labels(tiny_tree):
    assert "dog" in tiny_tree
    assert "emu" not in tiny_tree


# Renaming


def test_renamed_labels_keep_their_place_and_their_terms(tiny_tree):
    german = tiny_tree.rename({"dog": "Hund", "cat": "Katze"})
    assert german.ancestors("husky") == {"animal", "Hund"}
    assert german.correct_set("Katze", 2, ["Katze", "Hund"]) == {"Katze", "Hund"}
    assert german.terms("Hund") == ("dog",)
    assert german.terms("husky") == ("husky",)
    assert "dog" in tiny_tree


def test_names_can_change_places(tiny_tree):
    swapped = tiny_tree.rename({"dog": "cat", "cat": "dog"})
    assert swapped.ancestors("husky") == {"animal", "cat"}


def test_new_names_may_be_numbers(tiny_tree):
    numbered = tiny_tree.rename({"cat": 0, "beagle": 1, "husky": 2})
    assert numbered.correct_set(1, 2, [0, 1, 2]) == {1, 2}
    assert numbered.ancestors(1) == {"dog", "animal"}


def test_a_name_that_is_taken_or_unknown_is_refused(tiny_tree):
    with pytest.raises(ValueError, match="each label once"):
        tiny_tree.rename({"dog": "cat"})
    with pytest.raises(ValueError, match=r"does not know \['emu'\]"):
        tiny_tree.rename({"emu": "bird"})


# Construction


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ([("a", "a")], r"\['a'\]"),
        ([("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")], r"\['a', 'b'\]"),
        ([("a", "b"), ("b", "c"), ("c", "a"), ("x", "y")], r"\['a', 'b', 'c'\]"),
    ],
)
def test_circles_are_refused_with_names(pairs, names):
    with pytest.raises(ValueError, match=rf"no circles, but edges run around through {names}"):
        Hierarchy.from_edges(pairs)


@pytest.mark.parametrize(
    "pairs", [[("a", "b", "c"), ("d", "e", "f")], ["ab", "cd"], {"animal": ["cat"]}, [("a",)]]
)
def test_what_are_no_pairs_is_refused(pairs):
    with pytest.raises(ValueError, match=r"An edge is a \(parent, child\) pair, got"):
        Hierarchy.from_edges(pairs)


def test_no_edge_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Hierarchy.from_edges([])


def test_a_label_given_twice_is_refused():
    with pytest.raises(ValueError, match="each label once"):
        Hierarchy(["a", "b", "a"], [(0, 1)])


def test_pairs_can_be_any_iterable_and_may_repeat():
    pairs = [("animal", "cat"), ("animal", "cat"), ("animal", "dog")]
    for given_pairs in (iter(pairs), np.array(pairs), [list(pair) for pair in pairs]):
        hierarchy = Hierarchy.from_edges(given_pairs)
        assert hierarchy.correct_set("cat", 2, ["cat", "dog"]) == {"cat", "dog"}


@pytest.mark.parametrize("labels", [[0, 1], [0, "1"], ["x", 1.5]])
def test_labels_of_any_kind_stay_what_they_are(labels):
    hierarchy = Hierarchy.from_edges([("thing", label) for label in labels])
    assert hierarchy.correct_set(labels[0], 2, labels) == set(labels)
    assert hierarchy.ancestors(labels[1]) == {"thing"}


def test_a_clone_is_the_hierarchy_itself(tiny_tree):
    assert clone(tiny_tree) is tiny_tree


def test_it_pickles(tiny_tree):
    again = pickle.loads(pickle.dumps(tiny_tree.rename({"dog": "Hund"})))
    assert again.correct_set("beagle", 2, LEAVES) == {"beagle", "husky"}
    assert again.terms("Hund") == ("dog",)


def test_repr_tells_the_size(tiny_tree):
    assert repr(tiny_tree) == "Hierarchy(n_labels=5, n_edges=4)"


# WordNet


@pytest.fixture(scope="module")
def wordnet():
    return Hierarchy.wordnet()


def test_wordnet_is_read_once(wordnet):
    assert Hierarchy.wordnet() is wordnet
    assert repr(wordnet) == "Hierarchy(n_labels=82115, n_edges=75850)"


def test_wordnet_knows_what_a_dog_is(wordnet):
    above = {wordnet.terms(synset)[0] for synset in wordnet.ancestors("n02084071")}
    assert {"canine", "domestic animal", "carnivore", "mammal", "entity"} <= above
    assert "cat" not in above
    # From the dog, the wolf is over canine 2 edges away, the cat over carnivore 4.
    dog, wolf, cat = "n02084071", "n02114100", "n02121620"
    assert wordnet.correct_set(dog, 2, [dog, wolf, cat]) == {dog, wolf}


def test_correct_sets_of_imagenet_have_the_known_mean_sizes(wordnet):
    # Plain WordNet 3.0 nouns, the 1,000 classes valid; the paper's own graph gives a little more.
    classes = wordnet.positions(load_imagenet_labels().ilsvrc2012)
    is_valid = np.zeros(len(wordnet.labels), dtype=bool)
    is_valid[classes] = True
    sizes = [
        [len(found) for found in wordnet.correct_positions(start, [2, 5, 10, 20], is_valid)]
        for start in classes
    ]
    assert_allclose(np.mean(sizes, axis=0), [4.54, 9.48, 17.99, 33.82], atol=0.005)


def test_edges_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pair"):
        Hierarchy.from_edges([1, 2])
