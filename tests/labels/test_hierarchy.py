import math
import pickle
import shutil
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skdevise import Hierarchy
from skdevise.datasets import load_imagenet_labels

LEAVES = ["cat", "beagle", "husky"]
DEBIANS_WORDNET = Path("/usr/share/wordnet")


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


@settings(deadline=None, max_examples=100)
@given(st.sets(st.text(max_size=5), min_size=2, max_size=40), st.data())
def test_texts_in_an_array_are_found_as_those_in_a_list(names, data):
    names = sorted({name.rstrip("\0") for name in names})
    hierarchy = Hierarchy(names, np.empty((0, 2)))
    asked = data.draw(st.lists(st.sampled_from(names)))
    expected = [names.index(name) for name in asked]
    assert hierarchy.positions(asked).tolist() == expected
    for width in (5, 9):
        array = np.array(asked, dtype=f"U{width}")
        assert hierarchy.positions(array).tolist() == expected
        assert hierarchy.positions(np.repeat(array, 2)[::2]).tolist() == expected


def test_texts_that_share_their_hash_are_told_apart(monkeypatch, tiny_tree):
    monkeypatch.setattr(Hierarchy, "_hash", lambda self, labels: np.zeros(len(labels), dtype=int))
    assert tiny_tree.positions(tiny_tree.labels[::-1].copy()).tolist() == [4, 3, 2, 1, 0]
    with pytest.raises(ValueError, match=r"does not know \['emu'\]"):
        tiny_tree.positions(np.array(["emu", "cat"]))


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
@given(random_dags(), st.integers(1, 12), st.sampled_from([1, 20, 2**22]))
def test_sets_of_all_labels_at_once_equal_those_of_one(dag, k, n_pairs):
    edges, _, valid = dag
    hierarchy = Hierarchy.from_edges(edges)
    everything = np.arange(len(hierarchy.labels))
    # Each label twice, from the last to the first.
    starts = np.repeat(everything[::-1], 2)
    answers = np.tile(everything, (len(starts), 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdevise.labels._hierarchy._N_PAIRS", n_pairs)
        right = hierarchy.in_correct_sets(starts, answers, k, np.isin(hierarchy.labels, valid))
    for label, row in zip(hierarchy.labels[starts].tolist(), right, strict=True):
        correct = correct_set_naively(edges, label, k, valid)
        assert set(hierarchy.labels[row].tolist()) == correct


def test_more_than_can_be_reached_is_all_that_can_be_reached():
    # Asked for 500 of a wheel's 300 spokes; no set is looked for in the wheel apart from it.
    wheel = Hierarchy.from_edges([("hub", i) for i in range(300)] + [("axle", "nut")])
    assert wheel.correct_set(7, 500, [*range(300), "nut"]) == set(range(300))
    assert wheel.correct_set("nut", 500, range(300)) == set()


# Ways


def distances_naively(edges, label, directions="any"):
    """Edges to all that can be reached, by Bellman and Ford."""
    up, down = directions in ("any", "up"), directions in ("any", "down")
    steps = [(c, p) for p, c in edges if up] + [(p, c) for p, c in edges if down]
    distance = {label: 0}
    for _ in range(2 * len(edges)):
        for source, target in steps:
            if source in distance:
                distance[target] = min(distance.get(target, math.inf), distance[source] + 1)
    return distance


@settings(deadline=None, max_examples=50)
@given(random_dags(), st.integers(0, 4))
def test_ways_equal_naive_ones(dag, n_edges):
    edges, label, _ = dag
    hierarchy = Hierarchy.from_edges(edges)
    labels = hierarchy.labels.tolist()
    for direction in ("any", "up", "down"):
        distance = distances_naively(edges, label, direction)
        within = {other for other, far in distance.items() if far <= n_edges}
        assert hierarchy.within_hops([label], n_edges, direction) == within
    above = distances_naively(edges, label, "up")
    up_down = {
        other
        for ancestor, up in above.items()
        for other, down in distances_naively(edges, ancestor, "down").items()
        if up + down <= n_edges
    }
    assert hierarchy.within_hops([label], n_edges) == up_down
    anyway = distances_naively(edges, label)
    assert [hierarchy.distance(label, other) for other in labels] == [
        anyway.get(other, math.inf) for other in labels
    ]
    for other in labels:
        above_other = distances_naively(edges, other, "up")
        common = above.keys() & above_other.keys()
        lowest = [
            u
            for u in common
            if not any(u != v and u in distances_naively(edges, v, "up") for v in common)
        ]
        found = hierarchy.lowest_common_ancestor(label, other)
        assert found in lowest if lowest else found is None
        if lowest:
            assert above[found] + above_other[found] == min(
                above[u] + above_other[u] for u in lowest
            )


def test_ways_by_hand(tiny_tree):
    # animal over cat and dog, dog over beagle and husky.
    assert tiny_tree.distance("beagle", "cat") == 3
    assert tiny_tree.distance("husky", "husky") == 0
    assert tiny_tree.lowest_common_ancestor("beagle", "husky") == "dog"
    assert tiny_tree.lowest_common_ancestor("beagle", "dog") == "dog"
    assert tiny_tree.lowest_common_ancestor("beagle", "cat") == "animal"
    assert tiny_tree.within_hops(["beagle"], 2) == {"beagle", "dog", "animal", "husky"}
    assert tiny_tree.within_hops(["dog", "cat"], 1, "down") == {"dog", "cat", "beagle", "husky"}


def test_of_several_lowest_ancestors_the_nearest_and_then_the_first_counts():
    # Over pet and mammal it is 2 from the dog to the cat, over guest 4; pet is named later.
    edges = [("mammal", "dog"), ("mammal", "cat"), ("pet", "dog"), ("pet", "cat")]
    far = [("guest", "sleeper"), ("guest", "eater"), ("sleeper", "dog"), ("eater", "cat")]
    assert Hierarchy.from_edges(far + edges).lowest_common_ancestor("dog", "cat") == "mammal"


def test_hops_without_end_reach_all_there_is(tiny_tree):
    for direction in ("up_down", "any"):
        assert tiny_tree.within_hops(["cat"], 10**12, direction) == set(tiny_tree.labels.tolist())


def test_up_and_down_is_not_down_and_up():
    # A dog is a pet and a guard: from "pet", "guard" lies down and then up.
    graph = Hierarchy.from_edges([("pet", "dog"), ("guard", "dog")])
    assert graph.within_hops(["pet"], 5) == {"pet", "dog"}
    assert graph.within_hops(["pet"], 2, "any") == {"pet", "dog", "guard"}
    assert graph.lowest_common_ancestor("pet", "guard") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["yeti"], 1), "does not know \\['yeti'\\]"),
        ((["cat"], -1), "edges is a whole number of at least 0, got -1"),
        ((["cat"], 1.5), "edges is a whole number of at least 0, got 1.5"),
        ((["cat"], 1, "sideways"), "direction is one of .* got 'sideways'"),
    ],
)
def test_ways_that_cannot_be_gone_are_refused(tiny_tree, arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny_tree.within_hops(*arguments)


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


def test_wordnet_is_read_once_and_travels_light(wordnet):
    assert Hierarchy.wordnet() is wordnet is pickle.loads(pickle.dumps(wordnet))
    assert len(pickle.dumps(wordnet)) < 200
    assert repr(wordnet) == "Hierarchy(n_labels=82115, n_edges=75850)"


def test_wordnet_knows_what_a_dog_is(wordnet):
    above = {wordnet.terms(synset)[0] for synset in wordnet.ancestors("n02084071")}
    assert {"canine", "domestic animal", "carnivore", "mammal", "entity"} <= above
    assert "cat" not in above
    # From the dog, the wolf is over canine 2 edges away, the cat over carnivore 4.
    dog, wolf, cat = "n02084071", "n02114100", "n02121620"
    assert wordnet.correct_set(dog, 2, [dog, wolf, cat]) == {dog, wolf}


@pytest.mark.parametrize(
    ("variant", "sizes"),
    [
        ("wordnet", [4.54, 9.48, 17.99, 33.82]),
        ("imagenet-fall11", [6.29, 11.70, 21.46, 38.63]),
    ],
)
def test_correct_sets_of_imagenet_have_the_known_mean_sizes(variant, sizes):
    # The 1,000 classes valid; the paper's own graph gives 6.5, 12.5, 22.5 and 41.7.
    graph = Hierarchy.wordnet(variant)
    classes = graph.positions(load_imagenet_labels().ilsvrc2012)
    is_valid = np.zeros(len(graph.labels), dtype=bool)
    is_valid[classes] = True
    answers = np.broadcast_to(classes, (1_000, 1_000))
    found = [
        graph.in_correct_sets(classes, answers, k, is_valid).sum() / 1_000 for k in (2, 5, 10, 20)
    ]
    assert_allclose(found, sizes, atol=0.0051)


def test_the_graphs_of_imagenet(wordnet):
    assert repr(wordnet) == "Hierarchy(n_labels=82115, n_edges=75850)"
    graph = Hierarchy.wordnet("imagenet-fall11")
    assert graph is Hierarchy.wordnet("imagenet-fall11") is pickle.loads(pickle.dumps(graph))
    assert len(pickle.dumps(graph)) < 200
    assert graph.terms("fall11") == ("fall11",)
    assert graph.ancestors("n00015388") == {"fall11"}
    # Every label of fall 2011, and the one of the thousand that is none, is under the root.
    labels = load_imagenet_labels()
    under = graph.within_hops(["fall11"], 82_115, "down")
    assert {*labels.fall11.tolist(), *labels.ilsvrc2012.tolist()} <= under
    with pytest.raises(ValueError, match="variant is 'wordnet' or .* got 'spring10'"):
        Hierarchy.wordnet("spring10")


@pytest.mark.parametrize("term", ["Crane", "great_white  shark"])
def test_synsets_of_a_term_are_found_whatever_its_case(wordnet, term):
    found = wordnet.synsets(term)
    naive = [
        label
        for label, terms in zip(wordnet.labels.tolist(), wordnet._terms, strict=True)
        if any(t.lower() == " ".join(term.lower().replace("_", " ").split()) for t in terms)
    ]
    assert found == naive
    assert wordnet.synsets("no such term") == []


def test_labels_without_terms_are_their_own(tiny_tree):
    assert tiny_tree.synsets("CAT") == ["cat"]


class FakeSynset:
    """As much of nltk's synset as a hierarchy needs."""

    def __init__(self, offset, names, parents=()):
        self._offset, self._names, self._parents = offset, names, parents

    def offset(self):
        return self._offset

    def lemma_names(self):
        return self._names

    def hypernyms(self):
        return list(self._parents)


def test_nltks_nouns_make_a_hierarchy():
    fish = FakeSynset(20, ["fish"])
    shark = FakeSynset(7, ["great_white_shark", "white_shark"], [fish])

    class Reader:
        def all_synsets(self, part_of_speech):
            assert part_of_speech == "n"
            return iter([fish, shark])

    graph = Hierarchy.from_nltk(Reader())
    assert graph.labels.tolist() == ["n00000007", "n00000020"]
    assert graph.terms("n00000007") == ("great white shark", "white shark")
    assert graph.ancestors("n00000007") == {"n00000020"}


@pytest.mark.skipif(not DEBIANS_WORDNET.exists(), reason="needs Debian's package wordnet-base")
@pytest.mark.filterwarnings("ignore:The multilingual functions are not available")
def test_nltks_wordnet_is_the_bundled_one(tmp_path, monkeypatch, wordnet):
    nltk = pytest.importorskip("nltk")
    # nltk reads below its own paths alone, and wants two files that Debian leaves out.
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(tmp_path)])
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for path in filter(Path.is_file, DEBIANS_WORDNET.iterdir()):
        shutil.copy(path, folder)
    (folder / "lexnames").write_text("".join(f"{i} unknown 0\n" for i in range(45)))
    (folder / "index.sense").touch()
    reader = nltk.corpus.reader.WordNetCorpusReader(str(folder), None)
    graph = Hierarchy.from_nltk(reader)
    assert_array_equal(graph.labels, wordnet.labels)
    assert set(map(tuple, graph._edges.tolist())) == set(map(tuple, wordnet._edges.tolist()))
    assert graph._terms == list(wordnet._terms)


def test_a_loop_is_refused_by_name():
    with pytest.raises(ValueError, match="'a' is given as its own parent"):
        Hierarchy.from_edges([("x", "a"), ("a", "a")])


def test_edges_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pair"):
        Hierarchy.from_edges([1, 2])


def test_one_text_is_no_sequence_of_labels(tiny_tree):
    with pytest.raises(TypeError, match="Expected a sequence of labels, got 'cat'"):
        tiny_tree.within_hops("cat", 1)


@pytest.mark.parametrize("label", [None, float("nan")])
def test_what_is_no_label_is_refused(label):
    with pytest.raises(ValueError, match=f"A label is text or a number, got {label}"):
        Hierarchy.from_edges([("animal", "cat"), ("animal", label)])


@pytest.mark.parametrize(
    ("edges", "terms", "message"),
    [
        ([(0, 2)], None, "An edge joins positions from 0 to 1, got 2"),
        ([(0, -1)], None, "An edge joins positions from 0 to 1, got -1"),
        ([(0, 0.5)], None, "An edge is a pair of positions, whole numbers, got float64"),
        ([(0, 1)], [("cat",)], "2 labels came with the terms of 1"),
    ],
)
def test_a_graph_that_does_not_fit_its_labels_is_refused(edges, terms, message):
    with pytest.raises(ValueError, match=message):
        Hierarchy(["animal", "cat"], edges, terms)
