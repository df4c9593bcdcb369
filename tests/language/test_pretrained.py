import gzip
import pickle

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

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
        ({"cat": []}, ValueError, r"got one of shape \(1, 0\)"),
        ((["cat"], [1, 2]), ValueError, r"got one of shape \(2,\)"),
        ((["cat", "dog"], [[1, 2]]), ValueError, r"2 terms need .* got one of shape \(1, 2\)"),
        (("cat", [[1, 2]]), TypeError, "Expected a sequence of terms"),
    ],
)
def test_what_is_no_table_is_refused(vectors, error, message):
    with pytest.raises(error, match=message):
        PretrainedEmbedder(vectors).fit()


def test_an_unknown_way_with_unknown_terms_is_refused():
    with pytest.raises(ValueError, match="The 'oov' parameter"):
        PretrainedEmbedder({"cat": [1]}, oov="guess").transform(["cat"])


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


# The other way round


def test_predict_names_the_term_of_least_angle(animals):
    # At 10, 40 and 89 degrees; the terms lie at 0, 45 and 90. Length does not matter.
    angles = np.deg2rad([10, 40, 89])
    points = 7 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert animals.predict(points).tolist() == ["shark", "Great_Dane", "white"]


def test_most_similar_ranks_the_other_terms(animals):
    similar = animals.most_similar("SHARK")
    assert [term for term, _ in similar] == ["Great_Dane", "white"]
    assert_allclose([cosine for _, cosine in similar], [HALF, 0], atol=1e-7)
    assert animals.most_similar("shark", k=1) == similar[:1]


def test_most_similar_leaves_out_the_term_in_all_its_spellings():
    embedder = PretrainedEmbedder((["Cat", "cat", "dog"], [[1, 0], [1, 1], [0, 1]]))
    assert [term for term, _ in embedder.most_similar("cat")] == ["dog"]


def test_most_similar_to_a_composed_term(animals):
    # white shark lies at 45 degrees, as the Great Dane does.
    assert animals.most_similar("white shark", k=1)[0] == ("Great_Dane", pytest.approx(1))


def test_float16_tables_are_searched_too(animals):
    half = PretrainedEmbedder((TERMS, MATRIX.astype(np.float16)))
    assert half.predict([[5, 1]]).tolist() == ["shark"]
    assert half.most_similar("shark", k=1)[0][0] == "Great_Dane"


# Similarity as humans see it

# Cosines: white - shark 0, white - Great Dane 0.71, white - white 1, ranks 1, 2, 3.
PAIRS = [("white", "shark"), ("white", "Great Dane"), ("white", "white")]


@pytest.mark.parametrize(
    ("ratings", "expected"),
    # 1 - 6 * (sum of squared differences of ranks) / (n * (n^2 - 1)), with n = 3.
    [([1, 5, 9], 1), ([9, 5, 1], -1), ([5, 1, 9], 0.5), ([9, 1, 5], -0.5)],
)
def test_score_is_the_correlation_of_ranks(animals, ratings, expected):
    assert animals.score(PAIRS, ratings) == pytest.approx(expected)


def test_pairs_without_a_vector_are_left_out_and_named(animals):
    with pytest.warns(UserWarning, match="1 of 4 pairs are left out.* shark - gerenuk"):
        score = animals.score([*PAIRS[:1], ("shark", "gerenuk"), *PAIRS[1:]], [1, 99, 5, 9])
    assert score == pytest.approx(1)


# Files


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz", "v.vec", "v.bin", "v.bin.gz", "v.d1.bin"])
def test_what_is_saved_is_loaded(tmp_path, animals, name):
    animals.save(tmp_path / name)
    again = PretrainedEmbedder.load(str(tmp_path / name))
    assert again.terms_ == ("white", "shark", "Great_Dane")
    asked = ["white shark", "great dane"]
    assert_allclose(again.transform(asked), animals.transform(asked), rtol=1e-6)


def test_saved_numbers_lose_nothing(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    PretrainedEmbedder((list("abcde"), matrix)).save(tmp_path / "v.txt")
    again = PretrainedEmbedder.load(tmp_path / "v.txt")
    assert_array_equal(again.vectors[1], matrix)


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_gensim_reads_what_is_saved(tmp_path, name):
    PretrainedEmbedder({"great white shark": [1, 2]}).save(tmp_path / name)
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / name), binary="bin" in name)
    assert keyed.index_to_key == ["great_white_shark"]
    assert_array_equal(keyed["great_white_shark"], [1, 2])


@pytest.fixture(params=["glove.txt", "glove.txt.gz"])
def glove_file(request, tmp_path):
    """Terms and numbers without a header, as GloVe writes them."""
    path = tmp_path / request.param
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.write("the 0.0 2.0 0.0\n, 1 1 1\nœuf -3e0 0 0\n")
    return path


def test_glove_files_have_no_header(glove_file):
    embedder = PretrainedEmbedder.load(glove_file)
    assert embedder.terms_ == ("the", ",", "œuf")
    assert_array_equal(embedder.transform(["œuf", "the"]), [[-1, 0, 0], [0, 1, 0]])


def test_limit_reads_the_first_terms(glove_file, tmp_path):
    assert PretrainedEmbedder.load(glove_file, limit=2).terms_ == ("the", ",")
    PretrainedEmbedder.load(glove_file).save(tmp_path / "v.bin")
    assert PretrainedEmbedder.load(tmp_path / "v.bin", limit=1).terms_ == ("the",)


def test_load_passes_on_what_becomes_of_unknown_terms(glove_file):
    strict = PretrainedEmbedder.load(glove_file, oov="error")
    assert_array_equal(strict.has_vector(["the", "the œuf"]), [True, False])


def test_the_first_of_repeated_lines_counts(tmp_path):
    path = tmp_path / "repeated.txt"
    path.write_text("cat 1 0\ncat 0 1\ndog 0 1\n")
    embedder = PretrainedEmbedder.load(path)
    assert embedder.terms_ == ("cat", "dog")
    assert_array_equal(embedder.transform(["cat"]), [[1, 0]])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.txt", b""),
        ("empty.bin", b""),
        ("blank.txt", b"\n"),
        ("terms.txt", b"cat\ndog\n"),
        ("prose.txt", b"It was a dark night\n"),
        ("uneven.txt", b"cat 1 2 3\ndog 1 2\n"),
        ("wide.txt", b"2 2\ncat 1 2 3\ndog 1 2 3\n"),
        ("short.txt", b"2 2\ncat 1 2\n"),
        ("headonly.txt", b"0 2\n"),
        ("latin1.txt", b"caf\xe9 1 2\n"),
        ("short.bin", b"2 2\ncat abc"),
        ("prose.bin", b"It was a dark night\n"),
        ("plain.txt.gz", b"cat 1 2\n"),
        ("plain.bin.gz", b"1 2\ncat abcdefgh"),
        ("cut.txt.gz", gzip.compress(b"cat 1 2\n" * 999)[:-9]),
        ("plain.txt.xz", b"cat 1 2\n"),
    ],
)
def test_a_malformed_file_is_named_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}' is not a file of term vectors") as error:
        PretrainedEmbedder.load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of term vectors at .*nowhere\.txt"):
        PretrainedEmbedder.load(tmp_path / "nowhere.txt")


def test_no_pairs_to_score_are_refused():
    with pytest.raises(ValueError, match="There are no pairs of terms to score"):
        PretrainedEmbedder({"cat": [1, 0]}).score([], [])
