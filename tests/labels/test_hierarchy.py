import math
import pickle
import re
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


@st.composite
def random_dags(draw):
    """Edges from lower to higher numbers, which cannot form a cycle; a node; valid nodes."""
    pairs = st.tuples(st.integers(0, 11), st.integers(0, 11))
    edges = draw(st.lists(pairs.filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=25))
    nodes = sorted({node for pair in edges for node in pair})
    valid = draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))
    return edges, draw(st.sampled_from(nodes)), valid


def naive_distances(edges, start, direction="any"):
    """Count the edges from `start` to each node with a queue."""
    up, down = direction in ("any", "up"), direction in ("any", "down")
    steps = [(c, p) for p, c in edges if up] + [(p, c) for p, c in edges if down]
    found = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for source, target in steps:
            if source == node and target not in found:
                found[target] = found[node] + 1
                queue.append(target)
    return found


def naive_correct_set(edges, label, k, valid):
    distance = naive_distances(edges, label)
    correct = set()
    for radius in range(len(edges) + 1):
        correct |= {node for node in valid if distance.get(node) == radius}
        if len(correct) >= k:
            break
    return correct


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
    # From dog: radius 0 {dog}, 1 {animal, beagle, husky}: four labels, though k is 2.
    everything = tiny_tree.labels
    assert tiny_tree.correct_set("dog", 2, everything) == {"dog", "animal", "beagle", "husky"}


def test_a_label_that_is_not_valid_is_not_in_its_own_set(tiny_tree):
    assert tiny_tree.correct_set("dog", 1, valid=LEAVES) == {"beagle", "husky"}
    assert tiny_tree.correct_set("animal", 1, valid=["cat", "husky"]) == {"cat"}


def test_with_several_parents_the_shortest_path_counts(two_parents):
    # dog - pet - cat has 2 edges, dog - canine - animal - feline - cat has 4; the wolf is 2 away.
    assert two_parents.correct_set("dog", 2, ["dog", "cat", "wolf"]) == {"dog", "cat", "wolf"}
    # From the wolf: the dog at 2, the cat at 4.
    assert two_parents.correct_set("wolf", 2, ["wolf", "dog", "cat"]) == {"wolf", "dog"}


def test_unreachable_labels_are_never_correct(two_parents):
    assert two_parents.correct_set("rock", 2, ["rock", "dog"]) == {"rock"}
    assert two_parents.correct_set("rock", 1, ["dog"]) == set()
    # k is 500, but the hub has only 300 spokes.
    wheel = Hierarchy.from_edges([("hub", i) for i in range(300)] + [("axle", "nut")])
    assert wheel.correct_set(7, 500, [*range(300), "nut"]) == set(range(300))


@settings(deadline=None, max_examples=50)
@given(random_dags(), st.integers(1, 12), st.sampled_from([1, 20, 2**22]))
def test_correct_sets_equal_a_breadth_first_search(dag, k, max_pairs):
    edges, label, valid = dag
    hierarchy = Hierarchy.from_edges(edges)
    assert hierarchy.correct_set(label, k, valid) == naive_correct_set(edges, label, k, valid)
    # All labels at once, each twice, from the last to the first.
    everything = np.arange(len(hierarchy.labels))
    starts = np.repeat(everything[::-1], 2)
    answers = np.tile(everything, (len(starts), 1))
    is_valid = np.isin(hierarchy.labels, valid)
    is_correct = hierarchy.graph.in_correct_sets(starts, answers, k, is_valid, max_pairs)
    for start, row in zip(hierarchy.labels[starts].tolist(), is_correct, strict=True):
        assert set(hierarchy.labels[row].tolist()) == naive_correct_set(edges, start, k, valid)


# Distances


@settings(deadline=None, max_examples=50)
@given(random_dags(), st.integers(0, 4))
def test_distances_equal_naive_ones(dag, n_edges):
    edges, label, _ = dag
    hierarchy = Hierarchy.from_edges(edges)
    labels = hierarchy.labels.tolist()
    for direction in ("any", "up", "down"):
        distance = naive_distances(edges, label, direction)
        within = {other for other, far in distance.items() if far <= n_edges}
        assert hierarchy.within_hops([label], n_edges, direction) == within
    above = naive_distances(edges, label, "up")
    up_down = {
        other
        for ancestor, up in above.items()
        for other, down in naive_distances(edges, ancestor, "down").items()
        if up + down <= n_edges
    }
    assert hierarchy.within_hops([label], n_edges) == up_down
    distance = naive_distances(edges, label)
    assert [hierarchy.distance(label, other) for other in labels] == [
        distance.get(other, math.inf) for other in labels
    ]
    assert hierarchy.ancestors(label) == above.keys() - {label}
    (at_or_above,) = hierarchy.graph.ancestors(hierarchy.positions([label])).toarray()
    assert set(hierarchy.labels[at_or_above].tolist()) == above.keys()
    for other in labels:
        above_other = naive_distances(edges, other, "up")
        common = above.keys() & above_other.keys()
        lowest = [
            u
            for u in common
            if not any(u != v and u in naive_distances(edges, v, "up") for v in common)
        ]
        found = hierarchy.lowest_common_ancestor(label, other)
        assert found in lowest if lowest else found is None
        if lowest:
            shortest = min(above[u] + above_other[u] for u in lowest)
            assert above[found] + above_other[found] == shortest


def test_distances_by_hand(tiny_tree, two_parents):
    # animal over cat and dog, dog over beagle and husky.
    assert tiny_tree.distance("beagle", "cat") == 3
    assert tiny_tree.distance("husky", "husky") == 0
    assert tiny_tree.lowest_common_ancestor("beagle", "husky") == "dog"
    assert tiny_tree.lowest_common_ancestor("beagle", "dog") == "dog"
    assert tiny_tree.lowest_common_ancestor("beagle", "cat") == "animal"
    assert tiny_tree.within_hops(["beagle"], 2) == {"beagle", "dog", "animal", "husky"}
    assert tiny_tree.within_hops(["dog", "cat"], 1, "down") == {"dog", "cat", "beagle", "husky"}
    assert two_parents.ancestors("dog") == {"canine", "pet", "animal"}
    for direction in ("up_down", "any"):
        reached = tiny_tree.within_hops(["cat"], 10**12, direction)
        assert reached == set(tiny_tree.labels.tolist())


def test_numbers_and_text_have_a_common_ancestor():
    mixed = Hierarchy.from_edges([("animal", 1), ("animal", "dog"), (2, "stone")])
    assert mixed.lowest_common_ancestor(1, "dog") == "animal"
    assert mixed.lowest_common_ancestor(2, "stone") == 2
    assert mixed.lowest_common_ancestor(1, "stone") is None


def test_of_several_lowest_ancestors_the_nearest_and_then_the_first_counts():
    # Over pet and mammal it is 2 from dog to cat, over guest 4; mammal is named before pet.
    edges = [("mammal", "dog"), ("mammal", "cat"), ("pet", "dog"), ("pet", "cat")]
    far = [("guest", "sleeper"), ("guest", "eater"), ("sleeper", "dog"), ("eater", "cat")]
    assert Hierarchy.from_edges(far + edges).lowest_common_ancestor("dog", "cat") == "mammal"


def test_up_and_down_is_not_down_and_up():
    # A dog is a pet and a guard: from "pet", "guard" is down and then up.
    graph = Hierarchy.from_edges([("pet", "dog"), ("guard", "dog")])
    assert graph.within_hops(["pet"], 5) == {"pet", "dog"}
    assert graph.within_hops(["pet"], 2, "any") == {"pet", "dog", "guard"}
    assert graph.lowest_common_ancestor("pet", "guard") is None


# Labels and terms


def test_arrays_of_text_are_found_like_lists():
    hierarchy = Hierarchy(["cat", "dog", "okapi"], [(0, 1)])
    for dtype in ("U3", "U9", object):
        assert hierarchy.positions(np.array(["dog", "cat", "dog"], dtype)).tolist() == [1, 0, 1]


def test_labels_have_the_given_terms_or_their_text(tiny_tree):
    assert tiny_tree.terms("dog") == ("dog",)
    assert tiny_tree.synsets("DOG") == ["dog"]
    hierarchy = Hierarchy(["animal", "dog"], [(0, 1)], terms=[["animal"], ["dog", "hound"]])
    assert hierarchy.terms("dog") == ("dog", "hound")
    assert hierarchy.synsets("Hound") == ["dog"]
    assert hierarchy.synsets("cat") == []


def test_definitions_belong_to_labels():
    edges = [("animal", "dog"), ("animal", "cat"), ("pet", "dog")]
    tree = Hierarchy.from_edges(edges, definitions={"dog": "it barks"})
    named = tree.rename({"dog": "Hund"})
    for hierarchy, dog in (
        (tree, "dog"),
        (named, "Hund"),
        (pickle.loads(pickle.dumps(named)), "Hund"),
    ):
        assert hierarchy.definition(dog) == "it barks"
        assert hierarchy.definitions(["cat", dog]) == ["", "it barks"]
    assert Hierarchy.from_edges(edges).definition("dog") == ""
    assert (
        Hierarchy(["a", "b"], [(0, 1)], definitions=["first", "second"]).definition("b") == "second"
    )


def test_parents_are_the_labels_directly_above(tiny_tree, two_parents):
    assert two_parents.parents("dog") == ["canine", "pet"]
    assert tiny_tree.parents("husky") == ["dog"]
    assert tiny_tree.parents("animal") == []


def test_membership_is_that_of_labels(tiny_tree):
    assert "dog" in tiny_tree
    assert "emu" not in tiny_tree


def test_renamed_labels_keep_their_edges_and_terms(tiny_tree):
    german = tiny_tree.rename({"dog": "Hund", "cat": "Katze"})
    assert german.ancestors("husky") == {"animal", "Hund"}
    assert german.correct_set("Katze", 2, ["Katze", "Hund"]) == {"Katze", "Hund"}
    assert german.terms("Hund") == ("dog",)
    assert "dog" in tiny_tree
    assert tiny_tree.rename({"dog": "cat", "cat": "dog"}).ancestors("husky") == {"animal", "cat"}
    numbered = tiny_tree.rename({"cat": 0, "beagle": 1, "husky": 2})
    assert numbered.correct_set(1, 2, [0, 1, 2]) == {1, 2}
    for copied in (german, pickle.loads(pickle.dumps(german))):
        assert copied.correct_set("beagle", 2, LEAVES[1:]) == {"beagle", "husky"}
        assert copied.terms("Hund") == ("dog",)


def test_a_clone_is_the_hierarchy_itself(tiny_tree):
    assert clone(tiny_tree) is tiny_tree


def test_labels_are_read_only(tiny_tree):
    with pytest.raises(ValueError, match="read-only"):
        tiny_tree.labels[0] = "rat"


# Construction


def test_pairs_are_any_iterable_and_may_repeat():
    pairs = [("animal", "cat"), ("animal", "cat"), ("animal", "dog")]
    for given_pairs in (iter(pairs), np.array(pairs), [list(pair) for pair in pairs]):
        hierarchy = Hierarchy.from_edges(given_pairs)
        assert hierarchy.correct_set("cat", 2, ["cat", "dog"]) == {"cat", "dog"}
        assert repr(hierarchy) == "Hierarchy(n_labels=3, n_edges=2)"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_pairs_are_the_rows_of_a_table(library):
    module = pytest.importorskip(library)
    make_table = getattr(module, "DataFrame", None) or module.table
    table = make_table({"parent": ["pet", "pet"], "child": ["cat", "dog"]})
    assert Hierarchy.from_edges(table).parents("dog") == ["pet"]
    levels = {"kingdom": ["animal"], "family": ["cats"], "species": ["lion"]}
    for wrong, number in [({"child": ["cat", "dog"]}, "1, not 2"), (levels, "3, not 2")]:
        with pytest.raises(ValueError, match=number):
            Hierarchy.from_edges(make_table(wrong))


@pytest.mark.parametrize("labels", [[0, 1], [0, "1"], ["x", 1.5]])
def test_labels_keep_their_type(labels):
    hierarchy = Hierarchy.from_edges([("thing", label) for label in labels])
    assert hierarchy.correct_set(labels[0], 2, labels) == set(labels)
    assert hierarchy.ancestors(labels[1]) == {"thing"}


@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        ([("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")], r"\['a', 'b'\]"),
        ([("a", "b"), ("b", "c"), ("c", "a"), ("x", "y")], r"\['a', 'b', 'c'\]"),
        ([("x", "a"), ("a", "a")], r"\['a'\]"),
        ([("a", "b", "c"), ("d", "e", "f")], r"\('a', 'b', 'c'\)"),
        (["ab", "cd"], "'ab'"),
        ({"animal": ["cat"]}, "animal"),
        ([1, 2], "1"),
        ([("animal", "cat"), ("animal", None)], "None"),
        ([("animal", float("nan"))], "nan"),
        ([("animal", ["cat"])], "cat"),
        ([], "no edges"),
    ],
)
def test_invalid_pairs_are_named(pairs, named):
    with pytest.raises(ValueError, match=named):
        Hierarchy.from_edges(pairs)


@pytest.mark.parametrize(
    ("labels", "edges", "terms", "named"),
    [
        (["a", "b", "a"], [(0, 1)], None, "once"),
        (["a", "b"], [(0, 2)], None, "2"),
        (["a", "b"], [(0, -1)], None, "-1"),
        (["a", "b"], [(0, 0.5)], None, "float64"),
        (["a", "b"], [(0, 1)], [("cat",)], "2 labels .* terms has 1"),
    ],
)
def test_a_graph_must_match_its_labels(labels, edges, terms, named):
    with pytest.raises(ValueError, match=named):
        Hierarchy(labels, edges, terms)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda tree: tree.correct_set("emu", 1, LEAVES), "emu"),
        (lambda tree: tree.correct_set("cat", 1, ["emu", "cat", "elk"]), "'elk', 'emu'"),
        (lambda tree: tree.positions(np.array(["emu", "cat"])), "emu"),
        (lambda tree: tree.ancestors("emu"), "emu"),
        (lambda tree: tree.correct_set("cat", 0, LEAVES), "k=0"),
        (lambda tree: tree.within_hops(["emu"], 1), "emu"),
        (lambda tree: tree.within_hops(["cat"], -1), "-1"),
        (lambda tree: tree.within_hops(["cat"], 1.5), "1.5"),
        (lambda tree: tree.within_hops(["cat"], 1, "sideways"), "sideways"),
        (lambda tree: tree.definitions(["cat", "emu"]), "emu"),
        (lambda tree: tree.parents("emu"), "emu"),
        (lambda tree: Hierarchy.from_edges([("a", "b")], {"emu": "a bird"}), "emu"),
        (lambda tree: Hierarchy(["a", "b"], [(0, 1)], definitions=["one"]), "definitions has 1"),
        (lambda tree: tree.rename({"emu": "bird"}), "emu"),
        (lambda tree: tree.rename({"dog": "cat"}), r"\['cat'\]"),
        (lambda tree: tree.wordnet("spring10"), "spring10"),
    ],
)
def test_invalid_arguments_are_named(tiny_tree, call, named):
    with pytest.raises(ValueError, match=named):
        call(tiny_tree)


def test_one_text_is_no_sequence_of_labels(tiny_tree):
    with pytest.raises(TypeError, match="cat"):
        tiny_tree.within_hops("cat", 1)


# WordNet


@pytest.fixture(scope="module")
def wordnet():
    return Hierarchy.wordnet()


@pytest.mark.parametrize("variant", ["wordnet", "imagenet-fall11"])
def test_bundled_graphs_are_read_once_and_pickled_by_name(variant):
    graph = Hierarchy.wordnet(variant)
    assert graph is Hierarchy.wordnet(variant) is pickle.loads(pickle.dumps(graph))
    assert len(pickle.dumps(graph)) < 200


def test_wordnet_has_the_hypernyms_of_dog(wordnet):
    assert repr(wordnet) == "Hierarchy(n_labels=82115, n_edges=75850)"
    above = {wordnet.terms(synset)[0] for synset in wordnet.ancestors("n02084071")}
    assert {"canine", "domestic animal", "carnivore", "mammal", "entity"} <= above
    assert "cat" not in above
    # From the dog, the wolf is 2 edges away (over canine), the cat 4 (over carnivore).
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
    # The 1,000 classes are valid. The paper's own graph gives 6.5, 12.5, 22.5 and 41.7.
    wordnet = Hierarchy.wordnet(variant)
    classes = wordnet.positions(load_imagenet_labels().ilsvrc2012)
    is_valid = np.zeros(len(wordnet.labels), dtype=bool)
    is_valid[classes] = True
    answers = np.broadcast_to(classes, (1_000, 1_000))
    found = [
        wordnet.graph.in_correct_sets(classes, answers, k, is_valid).sum() / 1_000
        for k in (2, 5, 10, 20)
    ]
    assert_allclose(found, sizes, atol=0.0051)


def test_the_graph_of_fall_2011_has_one_root():
    graph = Hierarchy.wordnet("imagenet-fall11")
    assert graph.terms("fall11") == ("fall11",)
    assert graph.ancestors("n00015388") == {"fall11"}
    dog = "n02084071"
    assert graph.definition("fall11") == ""
    assert graph.definition(dog) == Hierarchy.wordnet().definition(dog) != ""
    named = pickle.loads(pickle.dumps(graph.rename({dog: "dog"})))
    assert named.definition("dog") == graph.definition(dog)
    # Every label of fall 2011, and the one of the 1,000 that it lacks, is below the root.
    labels = load_imagenet_labels()
    below = graph.within_hops(["fall11"], 82_115, "down")
    assert {*labels.fall11.tolist(), *labels.ilsvrc2012.tolist()} <= below


def first_terms(wordnet, synsets):
    return [wordnet.terms(synset)[0] for synset in synsets]


@pytest.mark.parametrize("term", ["Crane", "great_white  shark"])
def test_synsets_of_a_term_are_found_in_any_case(wordnet, term):
    term_of = " ".join(term.lower().replace("_", " ").split())
    naive = [
        label
        for label in wordnet.labels.tolist()
        if any(other.lower() == term_of for other in wordnet.terms(label))
    ]
    # No sense of these terms has a count, so they keep their order.
    assert wordnet.synsets(term) == naive


def test_synsets_are_found_by_sharp_s_and_by_two_letters():
    roads = Hierarchy.from_edges([("Straße", "Maße"), ("Straße", "Masse"), ("Straße", "l'été")])
    assert [roads.synsets(term) for term in ("STRASSE", "Strasse", "L’été")] == [
        *(["Straße"], ["Straße"], ["l'été"])
    ]
    assert [roads.synsets(term) for term in ("Masse", "Maße")] == [["Masse"], ["Maße"]]


def test_an_error_names_some_of_many_unknown_labels(tiny_tree):
    with pytest.raises(ValueError, match="'0'.*and 980 more") as raised:
        tiny_tree.within_hops([str(i) for i in range(1000)], edges=1)
    assert len(str(raised.value)) < 500


def test_synsets_come_in_the_order_of_wordnets_senses(wordnet):
    # index.noun lists the first senses of these words in this order.
    for word, offsets in {
        "dog": "02084071",
        "orange": "07747607 04965179 12708293",
        "chair": "03001627 00598056",
    }.items():
        senses = [f"n{offset}" for offset in offsets.split()]
        for spelling in (word, word.upper(), f"{word}s"):
            assert wordnet.synsets(spelling)[: len(senses)] == senses


def test_the_table_of_fall_2011_has_the_same_order(wordnet):
    fall11 = Hierarchy.wordnet("imagenet-fall11")
    assert fall11.synsets("bank") == [x for x in wordnet.synsets("bank") if x in fall11]


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("dogs", "dog"), ("wolves", "wolf"), ("boxes", "box"), ("grandchildren", "grandchild"),
        ("cacti", "cactus"), ("larvae", "larva"), ("jackknives", "jackknife"),
        ("olives", "olive"), ("bonsais", "bonsai"), ("Saint_Bernards", "saint bernard"),
        ("snowmen", "snowman"),
        ("t-shirts", "T shirt"), ("X rays", "x_ray"), ("st. bernards", "St Bernard"),
        ("hairdryers", "hair dryer"), ("inline_skate", "in-line skate"), ("suit case", "suitcase"),
    ],
)  # fmt: skip
def test_synsets_of_plurals_and_hyphens_are_found(wordnet, plural, singular):
    assert wordnet.synsets(plural) == wordnet.synsets(singular) != []


def test_the_exact_spelling_wins_over_the_singular(wordnet):
    # WordNet has "men" for a work force, and "bonsai" is no plural.
    assert first_terms(wordnet, wordnet.synsets("men")) == ["work force"]
    assert first_terms(wordnet, wordnet.synsets("bonsai")) == ["bonsai"]
    assert first_terms(wordnet, wordnet.synsets("glasses")) == ["spectacles"]
    tree = Hierarchy.from_edges([("thing", "glass"), ("thing", "glasses"), ("thing", "x-ray")])
    assert [tree.synsets(term) for term in ("glasses", "glass", "X rays")] == [
        ["glasses"],
        ["glass"],
        ["x-ray"],
    ]


def test_counts_decide_the_order_of_synsets():
    tables = {"terms": [["crane"], ["crane", "lift"], ["Crane", "crane"]], "edges": []}
    labels = ["bird", "machine", "writer"]
    counted = Hierarchy(labels, **tables, counts=[[0], [7, 1], [0, 2]])
    for hierarchy in (counted, pickle.loads(pickle.dumps(counted))):
        assert hierarchy.synsets("cranes") == ["machine", "writer", "bird"]
    assert counted.rename({"bird": "Vogel"}).synsets("crane") == ["machine", "writer", "Vogel"]
    assert Hierarchy(labels, **tables).synsets("crane") == labels


class FakeSynset:
    """The part of nltk's synset that a hierarchy needs."""

    def __init__(self, offset, names, parents=(), definition=""):
        self._offset, self._names, self._parents = offset, names, parents
        self._definition = definition

    def definition(self):
        return self._definition

    def offset(self):
        return self._offset

    def lemma_names(self):
        return self._names

    def hypernyms(self):
        return list(self._parents)


def test_the_nouns_of_nltk_make_a_hierarchy():
    fish = FakeSynset(20, ["fish"])
    shark = FakeSynset(7, ["great_white_shark", "white_shark"], [fish], "a man-eater")

    class Reader:
        def all_synsets(self, part_of_speech):
            assert part_of_speech == "n"
            return iter([fish, shark])

    graph = Hierarchy.from_nltk(Reader())
    assert graph.labels.tolist() == ["n00000007", "n00000020"]
    assert graph.terms("n00000007") == ("great white shark", "white shark")
    assert graph.ancestors("n00000007") == {"n00000020"}
    assert graph.definition("n00000007") == "a man-eater"


def test_the_folder_of_a_damaged_reader_is_named():
    class Reader:
        root = "/my/wordnet"

        def all_synsets(self, part_of_speech):
            raise ValueError("The line is not complete")

    with pytest.raises(ValueError, match="'/my/wordnet' cannot be read"):
        Hierarchy.from_nltk(Reader())


@pytest.mark.skipif(not DEBIANS_WORDNET.exists(), reason="needs Debian's package wordnet-base")
@pytest.mark.filterwarnings("ignore:The multilingual functions are not available")
@pytest.mark.parametrize("step", [2_000, pytest.param(1, marks=pytest.mark.slow)])
def test_nltk_reads_the_bundled_wordnet(tmp_path, monkeypatch, wordnet, step):
    """Read every label, or one of 2,000 with its ancestors."""
    nltk = pytest.importorskip("nltk")
    labels = set(wordnet.labels[::step].tolist())
    if step > 1:
        labels = labels.union(*map(wordnet.ancestors, labels))
    offsets = {label[1:] for label in labels}
    # nltk reads only below its own paths, and needs two files that Debian omits.
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(tmp_path)])
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for path in filter(Path.is_file, DEBIANS_WORDNET.iterdir()):
        (folder / path.name).touch()
    # It skips lines that begin with a space. Each other line must stay at its place in the file.
    for name, is_kept in {
        "data.noun": lambda line: line[:8] in offsets,
        "index.noun": lambda line: not offsets.isdisjoint(line.split()),
    }.items():
        with open(DEBIANS_WORDNET / name, encoding="latin-1", newline="") as lines:
            text = "".join(line if is_kept(line) else f" {line[1:]}" for line in lines)
        (folder / name).write_text(text, encoding="latin-1", newline="")
    (folder / "lexnames").write_text("".join(f"{i} unknown 0\n" for i in range(45)))
    (folder / "index.sense").touch()
    reader = nltk.corpus.reader.WordNetCorpusReader(str(folder), None)
    graph = Hierarchy.from_nltk(reader)
    assert_array_equal(graph.labels, sorted(labels))
    if step == 1:
        assert repr(graph) == repr(wordnet)
    for label in graph.labels[:: 20 if step > 1 else 1000].tolist():
        assert graph.terms(label) == wordnet.terms(label)
        assert graph.ancestors(label) == wordnet.ancestors(label)
        assert graph.definition(label) == wordnet.definition(label)


@pytest.mark.parametrize("label", [["cat"], {"cat": 1}, {"cat"}, np.array(["cat"]), (["cat"],)])
@pytest.mark.parametrize(
    "use",
    [
        lambda tree, label: label in tree,
        lambda tree, label: tree.positions([label]),
        lambda tree, label: tree.terms(label),
        lambda tree, label: tree.parents(label),
        lambda tree, label: tree.distance("cat", label),
        lambda tree, label: tree.within_hops(["cat", label], 1),
        lambda tree, label: tree.correct_set("cat", 1, [label]),
        lambda tree, label: tree.rename({"cat": label}),
        lambda tree, label: Hierarchy.from_edges([("animal", label)]),
        lambda tree, label: Hierarchy([label], []),
    ],
)
def test_labels_that_cannot_be_looked_up_are_refused(tiny_tree, use, label):
    with pytest.raises(ValueError, match=r"abel.*(text or numbers|one-dimensional)"):
        use(tiny_tree, label)


@pytest.mark.parametrize("value", [5, None, "cat", 1.5])
def test_other_values_than_lists_are_refused(value):
    for make in (
        Hierarchy.from_edges,
        Hierarchy.from_nltk,
        lambda value: Hierarchy(value, [], terms=[]),
        lambda value: Hierarchy(["pet"], [], terms=value or 0),
        lambda value: Hierarchy(["pet"], [], definitions=value or 0),
    ):
        with pytest.raises(TypeError, match=re.escape(repr(value or 0)) + "|None"):
            make(value)


def test_other_values_than_labels_and_terms_are_refused(tiny_tree):
    for labels in (5, None, b"cat"):
        with pytest.raises(TypeError, match=repr(labels)):
            tiny_tree.positions(labels)
    for term in (None, ["cat", "dog"], np.nan):
        with pytest.raises(TypeError, match="term"):
            tiny_tree.synsets(term)
    with pytest.raises(TypeError, match="definitions"):
        Hierarchy.from_edges([("a", "b")], definitions=["one"])
