"""Term vectors from a table."""

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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from skdevise import LabelSpace, PretrainedEmbedder, RidgeProjectionClassifier
from skdevise.exceptions import LabelWithoutVectorError

HALF = np.sqrt(0.5)
TERMS = ["white", "shark", "Great_Dane"]
MATRIX = np.array([[0, 2], [3, 0], [1, 1]])


def keyed_vectors():
    keyed = KeyedVectors(2)
    keyed.add_vectors(TERMS, MATRIX.astype(np.float32))
    return keyed


# Forms of a table


@pytest.mark.parametrize(
    "vectors",
    [
        dict(zip(TERMS, MATRIX, strict=True)),
        dict(zip(TERMS, MATRIX.tolist(), strict=True)),
        (TERMS, MATRIX),
        (np.array(TERMS), MATRIX.astype(np.float16)),
        (tuple(TERMS), MATRIX.tolist()),
        keyed_vectors(),
        (TERMS, torch.tensor(MATRIX, dtype=torch.bfloat16).requires_grad_()),
        dict(zip(TERMS, torch.tensor(MATRIX, dtype=torch.bfloat16), strict=True)),
        (TERMS, list(torch.tensor(MATRIX, dtype=torch.bfloat16).requires_grad_())),
    ],
    ids=[
        "dict of arrays",
        "dict of lists",
        "pair",
        "float16",
        "lists",
        "KeyedVectors",
        "tensor",
        "dict of tensors",
        "list of tensors",
    ],  # fmt: skip
)
def test_every_form_of_a_table_gives_the_same_unit_vectors(vectors):
    embedder = PretrainedEmbedder(vectors)
    assert embedder.terms_ == tuple(TERMS)
    assert embedder.vector_size_ == 2
    vectors = embedder.transform(["shark", "great dane", "white"])
    assert vectors.dtype == np.float32
    assert_allclose(vectors, [[1, 0], [HALF, HALF], [0, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "error", "named"),
    [
        ("vectors.txt", TypeError, r"str.*PretrainedEmbedder\.load"),
        ([1, 2], TypeError, "list"),
        (None, TypeError, "NoneType"),
        ({}, ValueError, "no term"),
        ({"cat": [1, 2], "dog": [1]}, ValueError, r"\[1, 2\]"),
        ({"cat": ["a", "b"]}, ValueError, "U1"),
        ({"cat": [1j, 2]}, ValueError, "complex128"),
        ({"cat": []}, ValueError, r"\(1, 0\)"),
        ((["cat"], [1, 2]), ValueError, r"\(2,\)"),
        ((["cat", "dog"], [[1, 2]]), ValueError, r"2 terms.*\(1, 2\)"),
        (("cat", [[1, 2]]), TypeError, "cat"),
    ],
)
def test_other_values_are_not_a_table(vectors, error, named):
    with pytest.raises(error, match=named):
        PretrainedEmbedder(vectors).fit()


@pytest.mark.parametrize(
    "call",
    [
        lambda embedder: embedder.transform(["cat"]),
        lambda embedder: embedder.nearest([[1]], k=1),
        lambda embedder: embedder.has_term(["cat"]),
    ],
)
def test_every_method_validates_the_parameters(call):
    with pytest.raises(ValueError, match="oov"):
        call(PretrainedEmbedder({"cat": [1]}, oov="guess"))


def test_a_representation_shows_the_size_of_a_table_and_not_its_numbers(tmp_path, animals):
    animals.save(tmp_path / "animals.txt")
    embedder = PretrainedEmbedder.load(tmp_path / "animals.txt")
    shown = f"PretrainedEmbedder(vectors=TermTable({len(embedder.terms_)} terms, 2-d))"
    assert repr(embedder) == shown
    # scikit-learn breaks long representations into lines.
    for outer in (RidgeProjectionClassifier(embedder), make_pipeline(PCA(), embedder)):
        assert shown.replace(" ", "") in "".join(repr(outer).split())


def test_the_representation_of_a_dict_is_its_size():
    # scikit-learn would format each of the million numbers, which takes a minute.
    embedder = PretrainedEmbedder({f"term{i}": np.ones(50) for i in range(20_000)})
    assert repr(embedder) == "PretrainedEmbedder(vectors=TermTable(20000 terms, 50-d))"


def test_an_invalid_embedder_has_a_representation():
    assert repr(PretrainedEmbedder("glove.txt")) == "PretrainedEmbedder(vectors='glove.txt')"


# Look-up


@pytest.mark.parametrize("spelling", ["Great_Dane", "great dane", "GREAT  DANE", "great-dane"])
def test_case_underscores_and_hyphens_do_not_matter(animals, spelling):
    assert_array_equal(animals.transform([spelling]), animals.transform(["Great_Dane"]))


def test_an_exact_match_comes_before_a_match_without_hyphens():
    embedder = PretrainedEmbedder({"in line skate": [1, 0], "in-line skate": [0, 1]})
    assert_array_equal(embedder.transform(["In-line_skate", "in line skate"]), [[0, 1], [1, 0]])


def test_terms_that_differ_in_case_have_their_own_vectors():
    embedder = PretrainedEmbedder((["Turkey", "turkey", "Bass", "BASS"], np.eye(4)))
    assert_array_equal(embedder.transform(["turkey", "Turkey", "BASS"]), np.eye(4)[[1, 0, 3]])
    assert_array_equal(embedder.transform(["TURKEY", "bass"]), np.eye(4)[[1, 2]])
    labels = LabelSpace(["Turkey", "turkey"], embedder)
    assert_array_equal(labels.scores(np.eye(4)[:2]), np.eye(2))


def test_terms_keep_their_order_and_may_repeat(animals):
    vectors = animals.transform(np.array(["shark", "white", "shark"]))
    assert_array_equal(vectors, [[1, 0], [0, 1], [1, 0]])


def test_no_terms_give_no_rows(animals):
    assert animals.transform([]).shape == (0, 2)
    assert animals.has_vector([]).shape == (0,)


def test_a_string_is_not_a_list_of_letters(animals):
    with pytest.raises(TypeError, match="shark"):
        animals.transform("shark")


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, (4, 3), elements=st.floats(0.015625, 4, width=32)))
def test_rows_have_unit_length(matrix):
    vectors = PretrainedEmbedder((list("abcd"), matrix)).transform(["d", "a", "b c"])
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


# Composed terms


def test_a_composed_term_has_the_mean_of_unit_vectors():
    # The mean of (1, 0) and (0.6, 0.8) is (0.8, 0.4), which has length sqrt(0.8). The mean of the
    # given vectors, (50 + 3, 4) / 2, would lie nearly along the first axis.
    embedder = PretrainedEmbedder({"great": [50, 0], "shark": [3, 4]})
    expected = np.array([[0.8, 0.4]]) / np.sqrt(0.8)
    assert_allclose(embedder.transform(["great shark"]), expected, rtol=1e-6)
    assert_allclose(embedder.transform(["Shark, great!"]), expected, rtol=1e-6)


def test_a_possessive_s_is_not_a_word():
    embedder = PretrainedEmbedder({"potter": [1, 0], "wheel": [0, 1], "o": [1, 1], "shea": [1, 2]})
    terms = ["potter's wheel", "POTTER'S WHEEL", "Potter’s wheel"]
    assert_allclose(embedder.transform(terms), [[HALF, HALF]] * 3, rtol=1e-6)
    assert_array_equal(embedder.has_vector(["o'shea"]), [True])


def test_a_repeated_word_counts_repeatedly():
    # (2, 1) / 3 has the direction of (2, 1), which has length sqrt(5).
    embedder = PretrainedEmbedder({"pom": [1, 0], "bear": [0, 1]})
    expected = [[2 / np.sqrt(5), 1 / np.sqrt(5)]]
    assert_allclose(embedder.transform(["pom-pom bear"]), expected, rtol=1e-6)


def test_the_table_comes_before_composition():
    embedder = PretrainedEmbedder({"hot": [1, 0], "dog": [0, 1], "hot dog": [-1, 0]})
    assert_array_equal(embedder.transform(["hot dog"]), [[-1, 0]])


def test_a_term_is_composed_only_if_all_words_are_known(animals):
    assert_array_equal(
        animals.has_vector(["white shark", "white whale", "shark", "whale", "", "!"]),
        [True, False, True, False, False, False],
    )


def test_a_composed_term_is_not_in_the_table(animals):
    terms = ["white shark", "great dane", "GREAT_DANE", "Great-Dane", "whale", ""]
    known = animals.has_term(terms)
    assert known.dtype == bool
    assert_array_equal(known, [False, True, True, True, False, False])
    assert animals.has_term([]).shape == (0,)
    with pytest.raises(TypeError, match="shark"):
        animals.has_term("shark")


def test_composition_can_be_turned_off(animals):
    strict = PretrainedEmbedder(animals.vectors, oov="error")
    assert_array_equal(strict.has_vector(["shark", "white shark"]), [True, False])
    with pytest.raises(LabelWithoutVectorError, match="'white shark'"):
        strict.transform(["shark", "white shark"])


def test_all_terms_without_a_vector_are_named(animals):
    with pytest.raises(LabelWithoutVectorError, match="2 of 3.*'gerenuk', 'Okapi'") as raised:
        animals.transform(["gerenuk", "shark", "Okapi"])
    assert raised.value.missing == ["gerenuk", "Okapi"]
    assert raised.value.n_asked == 3


@pytest.mark.parametrize("broken", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_zeros_and_infinite_vectors_do_not_count(broken):
    embedder = PretrainedEmbedder({"broken": broken, "shark": [1.0, 0.0], "dog": [0.0, 1.0]})
    terms = ["broken", "shark", "broken shark"]
    assert_array_equal(embedder.has_vector(terms), [False, True, False])
    with pytest.raises(LabelWithoutVectorError, match="'broken', 'broken shark'"):
        embedder.transform(terms)
    # The cosine of a zero row would be 0, which is higher than the cosines of the other two.
    assert embedder.predict([[-1, -2]]).tolist() == ["shark"]
    assert embedder.most_similar("shark") == [("dog", 0.0)]


def test_an_article_before_a_term_is_no_word_of_it():
    embedder = PretrainedEmbedder({"a": [0, 1], "the": [0, 1], "crab": [1, 0], "the sun": [-1, 0]})
    crabs = embedder.transform(["a crab", "The_crabs", "an crab"])
    assert_allclose(crabs, [[1, 0]] * 3)
    assert_allclose(embedder.transform(["the sun", "the", "A"]), [[-1, 0], [0, 1], [0, 1]])
    # An article between words counts: (1, 0) + (0, 1) + (1, 0).
    assert_allclose(embedder.transform(["crab the crab"]), [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)


def test_words_that_cancel_each_other_compose_no_vector():
    embedder = PretrainedEmbedder({"up": [0, 1], "down": [0, -1]})
    assert_array_equal(embedder.has_vector(["up down"]), [False])
    # These vectors are parallel, but their units differ by rounding.
    embedder = PretrainedEmbedder({"up": [0.1, 0.7, 0.2], "down": [-0.03, -0.21, -0.06]})
    assert_array_equal(embedder.has_vector(["up down"]), [False])


@pytest.mark.parametrize("length", [1e-12, 1e-3, 1e12])
def test_the_length_of_a_vector_does_not_matter(length):
    table = {"a": [3 * length, 4 * length], "b": [0.6, 0.8], "c": [1, 0]}
    embedder = PretrainedEmbedder(table)
    assert_allclose(embedder.transform(["a"]), [[0.6, 0.8]], rtol=1e-6)
    assert embedder.most_similar("b", k=1) == [("a", pytest.approx(1))]


def test_rounding_errors_are_not_a_vector():
    # Four vectors have three directions around their mean, so nothing but rounding remains.
    matrix = np.random.default_rng(0).normal(size=(4, 10))
    embedder = PretrainedEmbedder((list("abcd"), matrix), all_but_the_top=3)
    assert not embedder.has_vector(list("abcd")).any()


# The interface of scikit-learn


def test_a_clone_is_the_embedder_itself(animals):
    assert clone(animals) is animals
    assert clone(animals, safe=False) is animals


def test_an_embedder_is_immutable(animals):
    before = animals.transform(["shark"])
    with pytest.raises(ValueError, match="vectors"):
        animals.set_params(vectors={"shark": [0, 1]})
    assert_array_equal(animals.transform(["shark"]), before)
    assert animals.set_params() is animals


def test_a_parameter_grid_holds_embedders(animals):
    assert next(iter(ParameterGrid({"embedder": [animals]})))["embedder"] is animals


def test_fit_returns_the_embedder(animals):
    assert animals.fit() is animals
    assert animals.fit(["ignored"], [0]) is animals


@pytest.mark.parametrize("used", [False, True])
def test_a_pickle_gives_the_same_vectors(animals, used):
    if used:
        animals.transform(["shark"])
    copy = pickle.loads(pickle.dumps(animals))
    assert copy.terms_ == animals.terms_
    assert_array_equal(copy.transform(["white shark"]), animals.transform(["white shark"]))


def test_the_index_is_not_pickled(animals):
    before = len(pickle.dumps(animals))
    animals.transform(["shark"])
    assert len(pickle.dumps(animals)) == before


def test_output_features_have_names(animals):
    expected = ["pretrainedembedder0", "pretrainedembedder1"]
    assert_array_equal(animals.get_feature_names_out(), expected)
    frame = animals.set_output(transform="pandas").transform(["shark", "white"])
    assert frame.columns.tolist() == expected
    assert_array_equal(frame.to_numpy(), [[1, 0], [0, 1]])


def test_tables_as_output_do_not_change_other_methods(animals):
    pairs, ratings = [("white", "shark"), ("white", "Great Dane"), ("white", "white")], [1, 2, 3]
    with config_context(transform_output="pandas"):
        assert animals.score(pairs, ratings) == pytest.approx(1)
        assert animals.most_similar("shark", k=1)[0][0] == "Great_Dane"


# Inflection


@pytest.mark.parametrize(
    ("query", "term"),
    [
        ("sharks", "shark"), ("wolves", "wolf"), ("Berries", "berry"), ("foxes", "fox"),
        ("goose", "geese"), ("policeman", "policemen"), ("movies", "movie"), ("daisy", "daisies"),
        ("women", "woman"),
        ("tomato", "tomatoes"), ("box", "boxes"), ("Killer_Whales", "killer whale"),
        ("in line skate", "in-line skates"), ("Persons", "person"), ("mice", "mouse"),
        ("kiwis", "kiwi"), ("menus", "menu"), ("cacti", "cactus"), ("larvae", "larva"),
        ("grandchildren", "grandchild"), ("olives", "olive"), ("penknives", "penknife"),
    ],
)  # fmt: skip
def test_singulars_find_plurals_and_plurals_find_singulars(query, term):
    embedder = PretrainedEmbedder({"other": [1, 0], term: [0, 1]})
    assert_array_equal(embedder.transform([query]), [[0, 1]])
    assert embedder.has_term([query])[0]


@pytest.mark.parametrize(
    ("query", "term"),
    [("news", "new"), ("lens", "len"), ("bus", "bu"), ("glass", "glas"), ("iris", "iri"),
     ("gas", "ga"), ("a", "as"), ("7s", "7"), ("wolverine", "wolf")],
)  # fmt: skip
def test_unrelated_words_are_not_inflections(query, term):
    assert not PretrainedEmbedder({term: [1, 0]}).has_vector([query])[0]


def test_an_exact_match_comes_before_an_inflection():
    embedder = PretrainedEmbedder({"glove": [1, 0], "gloves": [0, 1]})
    assert_array_equal(embedder.transform(["gloves", "glove"]), [[0, 1], [1, 0]])


def test_words_of_a_composed_term_may_be_inflected(animals):
    assert_array_equal(animals.transform(["whites shark"]), animals.transform(["white shark"]))


def test_an_inflection_of_the_whole_term_comes_before_composition():
    embedder = PretrainedEmbedder({"hot": [1, 0], "dogs": [0, 1], "hot dog": [-1, 0]})
    assert_array_equal(embedder.transform(["hot dogs"]), [[-1, 0]])


# The common component


def test_the_mean_is_subtracted_before_normalisation():
    # The mean is (2, 1), which leaves (-2, 1), (1, -1) and (1, 0).
    vectors = {"white": [0, 2], "shark": [3, 0], "dane": [3, 1]}
    embedder = PretrainedEmbedder(vectors, center=True)
    expected = [[-2 / np.sqrt(5), 1 / np.sqrt(5)], [HALF, -HALF], [1, 0]]
    assert_allclose(embedder.transform(["white", "shark", "dane"]), expected, rtol=1e-5)
    # The composed vector is (-2, 1) / sqrt(5) + (1, 0) = (.106, .447).
    total = np.array([[1 - 2 / np.sqrt(5), 1 / np.sqrt(5)]])
    composed = embedder.transform(["white dane"])
    assert_allclose(composed, total / np.linalg.norm(total), rtol=1e-5)


def all_but_the_top_naively(matrix, n):
    """Algorithm 1 of Mu and Viswanath (2018) with the PCA of scikit-learn."""
    centred = matrix - matrix.mean(axis=0)
    top = PCA(n).fit(matrix).components_
    return centred - sum(np.outer(centred @ direction, direction) for direction in top)


@pytest.mark.parametrize("n", [1, 3])
def test_all_but_the_top_follows_the_paper(n):
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((9000, 6)) * [9, 7, 5, 3, 2, 1] + 4).astype(np.float32)
    terms = [f"t{i}" for i in range(9000)]
    embedder = PretrainedEmbedder((terms, matrix), all_but_the_top=n)
    expected = normalize(all_but_the_top_naively(matrix.astype(float), n))
    assert_allclose(embedder.transform(terms), expected, atol=1e-3)
    nearest = embedder.nearest(expected[[8999, 3]], k=1)
    assert nearest.tolist() == [["t8999"], ["t3"]]


def test_zeros_and_nan_do_not_count_in_the_mean():
    vectors = {"a": [1.0, 3.0], "b": [3.0, 1.0], "zero": [0.0, 0.0], "nan": [np.nan, 1.0]}
    embedder = PretrainedEmbedder(vectors, center=True)
    assert_allclose(embedder.transform(["a", "b"]), [[-HALF, HALF], [HALF, -HALF]], rtol=1e-6)
    assert_array_equal(embedder.has_vector(["zero", "nan", "a zero"]), [False, False, False])


def test_all_but_the_top_must_leave_a_dimension():
    with pytest.raises(ValueError, match="all_but_the_top=2"):
        PretrainedEmbedder((TERMS, MATRIX), all_but_the_top=2).fit()
    with pytest.raises(ValueError, match="zero"):
        PretrainedEmbedder({"a": [0.0, 0.0]}, center=True).transform(["a"])


def test_a_pickle_keeps_the_postprocessing():
    embedder = PretrainedEmbedder((TERMS, MATRIX), center=True)
    copy = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(copy.transform(TERMS), embedder.transform(TERMS))


# N-grams of fastText


@pytest.fixture(scope="module")
def fasttext():
    text = [["the", "white", "shark", "swims"], ["a", "great", "dane", "runs"]] * 20
    return FastText(text, vector_size=8, min_count=1, bucket=50, epochs=1, seed=0, workers=1).wv


def test_an_unknown_word_has_the_mean_of_its_n_grams(fasttext):
    embedder = PretrainedEmbedder(fasttext)
    expected = normalize([fasttext.get_vector("sharkskin"), fasttext.get_vector("white")])
    assert_allclose(embedder.transform(["Sharkskin", "white"]), expected, rtol=1e-5)
    assert_allclose(
        embedder.transform(["white sharkskin"]), normalize([expected.sum(axis=0)]), rtol=1e-5
    )
    assert_array_equal(embedder.has_term(["sharkskin", "white"]), [False, True])
    assert not PretrainedEmbedder(fasttext, oov="error").has_vector(["sharkskin"])[0]
    assert not embedder.has_vector([""])[0]


def test_n_grams_are_pickled(fasttext):
    embedder = PretrainedEmbedder(fasttext, center=True)
    copy = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(copy.transform(["sharkskin"]), embedder.transform(["sharkskin"]))


def test_the_terms_of_a_table_are_always_found():
    # GloVe has the term "_", and other tables have "__" and a blank.
    terms = ["_", "__", "a_b", "Cat", "-", "state-of-the-art", " "]
    embedder = PretrainedEmbedder((terms, np.eye(7)))
    assert_array_equal(embedder.transform(embedder.terms_), np.eye(7))
    assert embedder.has_term(embedder.terms_).all()
    assert not PretrainedEmbedder({"cat": [1, 0]}).has_vector(["_", "", " ", "-"]).any()


def test_repr_does_not_show_the_vectors():
    terms = [f"term {i}" for i in range(3)]
    expected = "PretrainedEmbedder(vectors=TermTable(3 terms, 200-d))"
    for vectors in ((terms, np.ones((3, 200))), dict.fromkeys(terms, np.ones(200))):
        embedder = PretrainedEmbedder(vectors)
        assert repr(embedder) == expected
        assert expected in repr(make_pipeline(embedder))
    embedder = PretrainedEmbedder({"a": [1, 2]}, oov="error", center=True)
    assert repr(embedder) == (
        "PretrainedEmbedder(center=True, oov='error', vectors=TermTable(1 terms, 2-d))"
    )
    assert repr(PretrainedEmbedder("no table"))


def test_processes_can_share_all_of_a_table():
    # Buffers are what joblib maps into its workers. The rest of the pickle is copied.
    terms = [f"in-line word_{row}" for row in range(5000)]
    embedder = PretrainedEmbedder((terms, np.random.default_rng(0).standard_normal((5000, 4))))
    buffers = []
    pickled = pickle.dumps(embedder, protocol=5, buffer_callback=buffers.append)
    assert len(pickled) < 2000
    copy = pickle.loads(pickled, buffers=buffers)
    asked = ["In line word 7", "in-line Word_4999", "in_line words"]
    np.testing.assert_array_equal(copy.has_term(asked), [True, True, False])
    np.testing.assert_array_equal(copy.transform(asked[:2]), embedder.transform(asked[:2]))
    assert copy.terms_ == embedder.terms_ == tuple(terms)
    assert copy.most_similar(asked[0]) == embedder.most_similar(asked[0])


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-16, 1.0, 1e16, 1e30, 5e37])
def test_vectors_of_any_length_become_unit_vectors(scale):
    # Single precision does not hold the squares of most of these numbers. It has the numbers
    # 2.8e-45 and 4.2e-45, but nothing between them.
    embedder = PretrainedEmbedder({"cat": np.array([3, 4]) * np.float32(scale), "dog": [0, 1]})
    rtol = 0.2 if scale < 1e-40 else 1e-6
    assert_allclose(embedder.transform(["cat", "dog"]), [[0.6, 0.8], [0, 1]], rtol=rtol)


def test_the_first_of_repeated_terms_counts_with_a_warning():
    # For example one row of attributes for each photo, instead of each class.
    embedder = PretrainedEmbedder((["cat", "dog", "cat"], [[1, 0], [0, 1], [0, 1]]), center=True)
    with pytest.warns(UserWarning, match="1 repeated .*'cat'"):
        vectors = embedder.transform(["cat", "dog"])
    # The mean of both rows is (1, 1) / 2.
    np.testing.assert_allclose(vectors, np.array([[1, -1], [-1, 1]]) / 2**0.5, rtol=1e-6)
    assert embedder.terms_ == ("cat", "dog")
