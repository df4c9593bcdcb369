import pickle

import numpy as np
import pytest
import torch
from gensim.models import FastText, KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import ParameterGrid
from sklearn.preprocessing import normalize

from skdevise import PretrainedEmbedder
from skdevise.exceptions import LabelWithoutVectorError

HALF = np.sqrt(0.5)
TERMS = ["white", "shark", "Great_Dane"]
MATRIX = np.array([[0, 2], [3, 0], [1, 1]])


def keyed_vectors():
    keyed = KeyedVectors(2)
    keyed.add_vectors(TERMS, MATRIX.astype(np.float32))
    return keyed


# What is given


@pytest.mark.parametrize(
    "vectors",
    [
        dict(zip(TERMS, MATRIX, strict=True)),
        dict(zip(TERMS, MATRIX.tolist(), strict=True)),
        (TERMS, MATRIX),
        (np.array(TERMS), MATRIX.astype(np.float16)),
        (tuple(TERMS), MATRIX.tolist()),
        keyed_vectors(),
    ],
    ids=["dict of arrays", "dict of lists", "pair", "float16", "lists", "KeyedVectors"],
)
def test_every_form_of_a_table_gives_the_same_unit_vectors(vectors):
    embedder = PretrainedEmbedder(vectors)
    assert embedder.terms_ == tuple(TERMS)
    assert embedder.vector_size_ == 2
    found = embedder.transform(["shark", "great dane", "white"])
    assert found.dtype == np.float32
    assert_allclose(found, [[1, 0], [HALF, HALF], [0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "error", "message"),
    [
        ("vectors.txt", TypeError, r"got str; a file is read by PretrainedEmbedder\.load"),
        ([1, 2], TypeError, "got list"),
        (None, TypeError, "got NoneType"),
        ({}, ValueError, "0 terms need a matrix"),
        ({"cat": [1, 2], "dog": [1]}, ValueError, "differ in length"),
        ({"cat": ["a", "b"]}, ValueError, "Term vectors are numbers"),
        ({"cat": [1j, 2]}, ValueError, "Term vectors are numbers"),
        ((["cat"], torch.ones(1, 2, requires_grad=True)), TypeError, "NumPy cannot make an array"),
        ({"cat": []}, ValueError, r"got one of shape \(1, 0\)"),
        ((["cat"], [1, 2]), ValueError, r"got one of shape \(2,\)"),
        ((["cat", "dog"], [[1, 2]]), ValueError, r"2 terms need .* got one of shape \(1, 2\)"),
        (("cat", [[1, 2]]), TypeError, "Expected a sequence of terms"),
    ],
)
def test_what_is_no_table_is_refused(vectors, error, message):
    with pytest.raises(error, match=message):
        PretrainedEmbedder(vectors).fit()


@pytest.mark.parametrize(
    "ask",
    [
        lambda embedder: embedder.transform(["cat"]),
        lambda embedder: embedder.nearest([[1]], k=1),
        lambda embedder: embedder.has_term(["cat"]),
    ],
)
def test_an_unknown_way_with_unknown_terms_is_refused(ask):
    with pytest.raises(ValueError, match="The 'oov' parameter"):
        ask(PretrainedEmbedder({"cat": [1]}, oov="guess"))


def test_what_is_no_table_is_shown_all_the_same():
    assert repr(PretrainedEmbedder("glove.txt")) == "PretrainedEmbedder(vectors='glove.txt')"


# Looking up


@pytest.mark.parametrize("spelling", ["Great_Dane", "great dane", "GREAT  DANE", "great-dane"])
def test_case_underscores_and_hyphens_do_not_matter(animals, spelling):
    assert_array_equal(animals.transform([spelling]), animals.transform(["Great_Dane"]))


def test_a_term_as_it_stands_goes_before_its_words():
    embedder = PretrainedEmbedder({"in line skate": [1, 0], "in-line skate": [0, 1]})
    assert_array_equal(embedder.transform(["In-line_skate", "in line skate"]), [[0, 1], [1, 0]])


def test_the_first_of_equal_terms_counts():
    embedder = PretrainedEmbedder((["Cat", "cat", "CAT"], np.eye(3)))
    assert_array_equal(embedder.transform(["cat", "CAT"]), [[1, 0, 0], [1, 0, 0]])


def test_terms_keep_their_order_and_may_repeat(animals):
    found = animals.transform(np.array(["shark", "white", "shark"]))
    assert_array_equal(found, [[1, 0], [0, 1], [1, 0]])


def test_no_term_gives_no_vector(animals):
    assert animals.transform([]).shape == (0, 2)
    assert animals.has_vector([]).shape == (0,)


def test_one_string_is_not_taken_for_its_letters(animals):
    with pytest.raises(TypeError, match=r"got 'shark': pass a list"):
        animals.transform("shark")


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, (4, 3), elements=st.floats(0.015625, 4, width=32)))
def test_rows_have_unit_length(matrix):
    found = PretrainedEmbedder((list("abcd"), matrix)).transform(["d", "a", "b c"])
    assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


# Terms that are not in the table


def test_composing_takes_the_mean_of_unit_vectors():
    # The units are (1, 0) and (0.6, 0.8): their mean (0.8, 0.4) is sqrt(0.8) long.
    # The mean of the vectors as given, (50 + 3, 4) / 2, would lie nearly along the first axis.
    embedder = PretrainedEmbedder({"great": [50, 0], "shark": [3, 4]})
    expected = np.array([[0.8, 0.4]]) / np.sqrt(0.8)
    assert_allclose(embedder.transform(["great shark"]), expected, rtol=1e-6)
    assert_allclose(embedder.transform(["Shark, great!"]), expected, rtol=1e-6)


def test_a_possessive_s_is_no_word():
    embedder = PretrainedEmbedder({"potter": [1, 0], "wheel": [0, 1], "o": [1, 1], "shea": [1, 2]})
    asked = ["potter's wheel", "POTTER'S WHEEL", "Potter’s wheel"]
    assert_allclose(embedder.transform(asked), [[HALF, HALF]] * 3, rtol=1e-6)
    assert_array_equal(embedder.has_vector(["o'shea"]), [True])


def test_a_repeated_word_counts_as_often_as_it_stands():
    # (2, 1) / 3 has the direction of (2, 1), which is sqrt(5) long.
    embedder = PretrainedEmbedder({"pom": [1, 0], "bear": [0, 1]})
    expected = [[2 / np.sqrt(5), 1 / np.sqrt(5)]]
    assert_allclose(embedder.transform(["pom-pom bear"]), expected, rtol=1e-6)


def test_the_table_goes_before_composition():
    embedder = PretrainedEmbedder({"hot": [1, 0], "dog": [0, 1], "hot dog": [-1, 0]})
    assert_array_equal(embedder.transform(["hot dog"]), [[-1, 0]])


def test_a_term_is_composed_of_known_words_alone(animals):
    assert_array_equal(
        animals.has_vector(["white shark", "white whale", "shark", "whale", "", "!"]),
        [True, False, True, False, False, False],
    )


def test_a_composed_term_is_not_in_the_table(animals):
    asked = ["white shark", "great dane", "GREAT_DANE", "Great-Dane", "whale", ""]
    found = animals.has_term(asked)
    assert found.dtype == bool
    assert_array_equal(found, [False, True, True, True, False, False])
    assert animals.has_term([]).shape == (0,)
    with pytest.raises(TypeError, match="pass a list"):
        animals.has_term("shark")


def test_composition_can_be_turned_off(animals):
    strict = PretrainedEmbedder(animals.vectors, oov="error")
    assert_array_equal(strict.has_vector(["shark", "white shark"]), [True, False])
    with pytest.raises(LabelWithoutVectorError, match="'white shark'"):
        strict.transform(["shark", "white shark"])


def test_all_terms_without_a_vector_are_named(animals):
    with pytest.raises(
        LabelWithoutVectorError, match="2 of 3 terms .*'gerenuk', 'Okapi'"
    ) as raised:
        animals.transform(["gerenuk", "shark", "Okapi"])
    assert raised.value.missing == ["gerenuk", "Okapi"]
    assert raised.value.n_asked == 3


@pytest.mark.parametrize("broken", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_a_vector_without_a_direction_is_none(broken):
    embedder = PretrainedEmbedder({"broken": broken, "shark": [1.0, 0.0], "dog": [0.0, 1.0]})
    asked = ["broken", "shark", "broken shark"]
    assert_array_equal(embedder.has_vector(asked), [False, True, False])
    with pytest.raises(LabelWithoutVectorError, match="'broken', 'broken shark'"):
        embedder.transform(asked)
    # A zero row has the cosine 0 with all, and would be nearer to this point than the two others.
    assert embedder.predict([[-1, -2]]).tolist() == ["shark"]
    assert embedder.most_similar("shark") == [("dog", 0.0)]


def test_words_that_cancel_each_other_out_compose_nothing():
    embedder = PretrainedEmbedder({"up": [0, 1], "down": [0, -1]})
    assert_array_equal(embedder.has_vector(["up down"]), [False])
    # 1 / 3 and 2 / 6 are rounded, each in its own way.
    embedder = PretrainedEmbedder({"up": [0.1, 0.7, 0.2], "down": [-0.03, -0.21, -0.06]})
    assert_array_equal(embedder.has_vector(["up down"]), [False])


@pytest.mark.parametrize("length", [1e-30, 1e-7, 1e20])
def test_vectors_of_any_length_have_a_direction(length):
    table = {"a": [3 * length, 4 * length], "b": [0.6, 0.8], "c": [1, 0]}
    embedder = PretrainedEmbedder(table)
    assert_allclose(embedder.transform(["a"]), [[0.6, 0.8]], rtol=1e-6)
    assert embedder.most_similar("b", k=1) == [("a", pytest.approx(1))]


def test_what_rounding_leaves_of_a_vector_is_no_direction():
    # Four vectors lie in a space of three directions around their mean.
    matrix = np.random.default_rng(0).normal(size=(4, 10))
    embedder = PretrainedEmbedder((list("abcd"), matrix), all_but_the_top=3)
    assert not embedder.has_vector(list("abcd")).any()


# As a scikit-learn estimator


def test_a_clone_is_the_embedder_itself(animals):
    assert clone(animals) is animals
    assert clone(animals, safe=False) is animals


def test_it_cannot_be_changed_as_clones_share_it(animals):
    before = animals.transform(["shark"])
    with pytest.raises(ValueError, match=r"cannot be changed, got \['vectors'\] to set"):
        animals.set_params(vectors={"shark": [0, 1]})
    assert_array_equal(animals.transform(["shark"]), before)
    assert animals.set_params() is animals


def test_embedders_stand_in_a_grid_as_they_are(animals):
    assert next(iter(ParameterGrid({"embedder": [animals]})))["embedder"] is animals


def test_it_needs_no_fit_and_fit_returns_it(animals):
    assert animals.fit() is animals
    assert animals.fit(["ignored"], [0]) is animals


@pytest.mark.parametrize("looked_up", [False, True])
def test_a_pickle_gives_the_same_vectors(animals, looked_up):
    if looked_up:
        animals.transform(["shark"])
    again = pickle.loads(pickle.dumps(animals))
    assert again.terms_ == animals.terms_
    assert_array_equal(again.transform(["white shark"]), animals.transform(["white shark"]))


def test_the_look_up_table_stays_out_of_the_pickle(animals):
    before = len(pickle.dumps(animals))
    animals.transform(["shark"])
    assert len(pickle.dumps(animals)) == before


def test_features_have_names(animals):
    expected = ["pretrainedembedder0", "pretrainedembedder1"]
    assert_array_equal(animals.get_feature_names_out(), expected)
    frame = animals.set_output(transform="pandas").transform(["shark", "white"])
    assert frame.columns.tolist() == expected
    assert_array_equal(frame.to_numpy(), [[1, 0], [0, 1]])


def test_tables_as_output_change_no_other_answer(animals):
    pairs, ratings = [("white", "shark"), ("white", "Great Dane"), ("white", "white")], [1, 2, 3]
    with config_context(transform_output="pandas"):
        assert animals.score(pairs, ratings) == pytest.approx(1)
        assert animals.most_similar("shark", k=1)[0][0] == "Great_Dane"


# Singular and plural


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("sharks", "shark"), ("wolves", "wolf"), ("Berries", "berry"), ("foxes", "fox"),
        ("goose", "geese"), ("policeman", "policemen"), ("movies", "movie"), ("daisy", "daisies"),
        ("women", "woman"),
        ("tomato", "tomatoes"), ("box", "boxes"), ("Killer_Whales", "killer whale"),
        ("in line skate", "in-line skates"), ("Persons", "person"), ("mice", "mouse"),
    ],
)  # fmt: skip
def test_a_noun_is_found_in_the_other_number(asked, found):
    embedder = PretrainedEmbedder({"other": [1, 0], found: [0, 1]})
    assert_array_equal(embedder.transform([asked]), [[0, 1]])
    assert embedder.has_term([asked])[0]


@pytest.mark.parametrize(
    ("asked", "near"),
    [("news", "new"), ("lens", "len"), ("bus", "bu"), ("glass", "glas"), ("iris", "iri"),
     ("gas", "ga"), ("a", "as"), ("7s", "7"), ("wolverine", "wolf")],
)  # fmt: skip
def test_no_other_noun_is_taken_for_it(asked, near):
    assert not PretrainedEmbedder({near: [1, 0]}).has_vector([asked])[0]


def test_a_term_as_it_stands_goes_before_its_other_number():
    embedder = PretrainedEmbedder({"glove": [1, 0], "gloves": [0, 1]})
    assert_array_equal(embedder.transform(["gloves", "glove"]), [[0, 1], [1, 0]])


def test_words_of_a_composed_term_are_found_in_the_other_number_too(animals):
    assert_array_equal(animals.transform(["whites shark"]), animals.transform(["white shark"]))


def test_the_other_number_of_a_whole_term_goes_before_composition():
    embedder = PretrainedEmbedder({"hot": [1, 0], "dogs": [0, 1], "hot dog": [-1, 0]})
    assert_array_equal(embedder.transform(["hot dogs"]), [[-1, 0]])


# What all vectors have in common


def test_centring_subtracts_the_mean_before_lengths_are_made_one():
    # The mean is (2, 1): white (-2, 1), shark (1, -1), Great Dane (1, 0).
    vectors = {"white": [0, 2], "shark": [3, 0], "dane": [3, 1]}
    embedder = PretrainedEmbedder(vectors, center=True)
    expected = [[-2 / np.sqrt(5), 1 / np.sqrt(5)], [HALF, -HALF], [1, 0]]
    assert_allclose(embedder.transform(["white", "shark", "dane"]), expected, rtol=1e-5)
    # Composed of what is left: (-2, 1) / sqrt(5) + (1, 0) = (.106, .447).
    total = np.array([[1 - 2 / np.sqrt(5), 1 / np.sqrt(5)]])
    composed = embedder.transform(["white dane"])
    assert_allclose(composed, total / np.linalg.norm(total), rtol=1e-5)


def all_but_the_top_naively(matrix, n):
    """Algorithm 1 of Mu and Viswanath (2018), by scikit-learn's PCA."""
    centred = matrix - matrix.mean(axis=0)
    top = PCA(n).fit(matrix).components_
    return centred - sum(np.outer(centred @ direction, direction) for direction in top)


@pytest.mark.parametrize("n", [1, 3])
def test_all_but_the_top_is_that_of_the_paper(n):
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((9000, 6)) * [9, 7, 5, 3, 2, 1] + 4).astype(np.float32)
    terms = [f"t{i}" for i in range(9000)]
    embedder = PretrainedEmbedder((terms, matrix), all_but_the_top=n)
    expected = normalize(all_but_the_top_naively(matrix.astype(float), n))
    assert_allclose(embedder.transform(terms), expected, atol=1e-3)
    found = embedder.nearest(expected[[8999, 3]], k=1)
    assert found.tolist() == [["t8999"], ["t3"]]


def test_vectors_without_a_direction_neither_count_nor_get_one():
    vectors = {"a": [1.0, 3.0], "b": [3.0, 1.0], "zero": [0.0, 0.0], "nan": [np.nan, 1.0]}
    embedder = PretrainedEmbedder(vectors, center=True)
    assert_allclose(embedder.transform(["a", "b"]), [[-HALF, HALF], [HALF, -HALF]], rtol=1e-6)
    assert_array_equal(embedder.has_vector(["zero", "nan", "a zero"]), [False, False, False])


def test_as_many_directions_as_there_are_leave_nothing():
    with pytest.raises(ValueError, match="all_but_the_top=2 leaves nothing of 2-d"):
        PretrainedEmbedder((TERMS, MATRIX), all_but_the_top=2).fit()
    with pytest.raises(ValueError, match="No vector has a direction"):
        PretrainedEmbedder({"a": [0.0, 0.0]}, center=True).transform(["a"])


def test_a_pickle_is_processed_alike():
    embedder = PretrainedEmbedder((TERMS, MATRIX), center=True)
    again = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(again.transform(TERMS), embedder.transform(TERMS))


# Letters of words never seen


@pytest.fixture(scope="module")
def fasttext():
    text = [["the", "white", "shark", "swims"], ["a", "great", "dane", "runs"]] * 20
    return FastText(text, vector_size=8, min_count=1, bucket=50, epochs=1, seed=0, workers=1).wv


def test_an_unseen_word_is_made_of_its_n_grams(fasttext):
    embedder = PretrainedEmbedder(fasttext)
    expected = normalize([fasttext.get_vector("sharkskin"), fasttext.get_vector("white")])
    assert_allclose(embedder.transform(["Sharkskin", "white"]), expected, rtol=1e-5)
    assert_allclose(
        embedder.transform(["white sharkskin"]), normalize([expected.sum(axis=0)]), rtol=1e-5
    )
    assert_array_equal(embedder.has_term(["sharkskin", "white"]), [False, True])
    assert not PretrainedEmbedder(fasttext, oov="error").has_vector(["sharkskin"])[0]
    assert not embedder.has_vector([""])[0]


def test_n_grams_stay_in_the_pickle(fasttext):
    embedder = PretrainedEmbedder(fasttext, center=True)
    again = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(again.transform(["sharkskin"]), embedder.transform(["sharkskin"]))
