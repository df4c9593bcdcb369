import pytest

from skdevise import Hierarchy
from skdevise.labels._senses import photo_senses


@pytest.fixture(scope="module")
def wordnet():
    return Hierarchy.wordnet()


@pytest.mark.parametrize(
    ("name", "first_terms"),
    [
        # Of the five cranes, two are writers and one is a constellation. The two senses of "dog"
        # for a person, and the person "cad", are left out.
        ("crane", ["crane", "crane"]),
        ("dog", ["dog", "andiron", "pawl", "frank"]),
        # The colour is no physical entity, and the river is an instance without hypernyms.
        ("Oranges", ["orange", "orange", "orange"]),
        # Every sense of these is abstract, a person or an instance, so all of them count.
        ("algebra", ["algebra"]),
        ("astronaut", ["astronaut"]),
        ("Eiffel Tower", ["Eiffel Tower"]),
        # WordNet has no such names, but has their endings.
        ("oat milk", ["milk", "milk", "milk"]),
        ("red-hot oat yoghurts", ["yogurt"]),
        # A sense of the first word is a kind of the last word.
        ("maple_trees", ["maple"]),
        ("Granny Smith apple", ["Granny Smith"]),
        ("aquarium fish", ["fish", "fish"]),
        # The full stop is a kind of sign too, but a rare sense of "stop". No photo shows it.
        ("stop signs", ["sign", "signboard", "sign of the zodiac"]),
        ("poster", ["poster", "post horse"]),
        # "Basketball" is mostly the game. The visible senses of "game" are animals and meat.
        ("basketball game", ["basketball"]),
        # Brackets, commas, dashes and prepositions mark what only describes the thing.
        ("okapi (oak)", ["okapi"]),
        ("ox (brown)", ["ox", "ox"]),
        ("okapi, red", ["okapi"]),
        ("Okapis - Women", ["okapi"]),
        ("red_okapi_FOR_men", ["okapi"]),
        ("okapi on the beach", ["okapi"]),
        # A description can name the kind or a kind of the thing. It then chooses the sense.
        ("crane (bird)", ["crane"]),
        ("seal_(animal)", ["seal"]),
        ("pitcher (vessel for liquid)", ["pitcher"]),
        ("maillot, tank suit", ["maillot"]),
        ("Animals - Hoofed - Okapis", ["okapi"]),
        # "dog" is rarely a sausage and "wool" rarely the coat of a sheep, so these do not count.
        ("food for dogs", ["food", "food"]),
        ("coat, wool", ["coat", "coating", "coat"]),
        # But these are no descriptions, or nothing is before them.
        ("jack-in-the-box", ["jack-in-the-box"]),
        ("photo of an okapi", ["okapi"]),
        ("Blorb, okapi", ["okapi"]),
        ("(okapi)", ["okapi"]),
        ("12 - okapi", ["okapi"]),
        ("A, okapi", ["okapi"]),
        ("2 in 1 okapi", ["okapi"]),
        # Digits and letters at the end are no names, although WordNet has "2" and "h" (hydrogen).
        ("okapi_2", ["okapi"]),
        ("speed limit (20km/h)", ["speed limit"]),
        ("F-16", []),
        ("chest X-ray", ["X ray", "roentgenogram"]),
        ("my lady's slipper", ["lady's slipper"]),
        ("Mr. Smith's cape", ["cape", "cape"]),  # and not "scape"
        ("SeaLake", ["lake", "lake", "lake"]),
        ("iOkapi", []),
        # "Banks" is only a botanist.
        ("banks", ["bank", "bank", "bank", "savings bank", "bank"]),
        ("blorb", []),
        ("", []),
    ],
)
def test_senses_of_a_name(wordnet, name, first_terms):
    (senses,) = photo_senses([name], wordnet)
    assert [wordnet.terms(sense)[0] for sense in senses] == first_terms


def test_a_name_that_is_mostly_used_for_persons_means_a_person(wordnet):
    # The counts of "man" are 1,189 for persons, and 29 for the species and a piece of a game.
    man, men = photo_senses(["man", "men"], wordnet)
    assert man[0] == "n10287213" and "an adult person who is male" in wordnet.definition(man[0])
    assert man == men
    # Those of "fan" are 6 and 4, which is not enough.
    (fans,) = photo_senses(["fan"], wordnet)
    assert [wordnet.terms(fan)[0] for fan in fans] == ["fan"]


@pytest.mark.parametrize(("n_uses", "expected"), [(10, ["cat"]), (11, ["driver", "cat"])])
def test_mostly_means_more_than_ten_times_as_often(n_uses, expected):
    terms, counts = [["thing"], ["jaguar"], ["person"], ["jaguar"]], [[0], [1], [0], [n_uses]]
    tree = Hierarchy(
        ["thing", "cat", "person", "driver"], [(0, 1), (0, 2), (2, 3)], terms, counts=counts
    )
    assert photo_senses(["jaguar"], tree) == [expected]


def test_senses_come_in_the_order_of_use(wordnet):
    (senses,) = photo_senses(["kiwi"], wordnet)
    assert senses == [sense for sense in wordnet.synsets("kiwi") if sense in senses]
    # The bird, the fruit and its plant, but not the New Zealander.
    assert len(senses) == 3


def test_conditions_need_their_terms():
    edges = [("thing", "jaguar"), ("thing", "person"), ("person", "driver")]
    tree = Hierarchy.from_edges(edges)
    assert photo_senses(["fast Jaguars", "driver", "lynx"], tree) == [["jaguar"], ["driver"], []]
    terms = [["thing"], ["jaguar"], ["person"], ["driver", "jaguar"]]
    ambiguous = Hierarchy(["thing", "cat", "person", "driver"], [(0, 1), (0, 2), (2, 3)], terms)
    assert photo_senses(["jaguar", "driver"], ambiguous) == [["cat"], ["driver"]]


def test_other_names_of_the_labels_do_not_matter(wordnet):
    dog, person = "n02084071", "n00007846"
    named = wordnet.rename({dog: "dog", person: "somebody"})
    expected = [
        ["dog" if sense == dog else sense for sense in senses]
        for senses in photo_senses(["dog", "crane"], wordnet)
    ]
    assert photo_senses(["dog", "crane"], named) == expected
